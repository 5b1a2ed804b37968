"""Figures of downstream tasks."""
