"""Tests: functions, properties, and real Snakemake runs."""
