"""Resampling, multiple testing, peaks and valleys of curves over layers, Hartigan's dip, item graphs."""
