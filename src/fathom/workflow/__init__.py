"""Snakemake's side: the whole config, its checks and defaults, and what the rules ask."""
