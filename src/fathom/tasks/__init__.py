"""Downstream tasks, scored on every layer."""
