"""Measured comparisons: `python -m benchmarks`, or `make benchmark`. README.md says how to read them."""
