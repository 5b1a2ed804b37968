"""Tests of what papers claim of metrics, on the tables of several models."""
