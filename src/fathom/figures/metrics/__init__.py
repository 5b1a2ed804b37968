"""Figures of metrics, a module a kind."""
