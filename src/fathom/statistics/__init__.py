"""Statistics: resampling, multiple testing, peaks and dips over layers, item graphs."""
