"""The check of attention maps that the metrics of attention share."""

from __future__ import annotations

import numpy.typing as npt

from fathom.metrics.checks import FloatArray, as_array

# Rows of attention in half precision add up to 1 within a few thousandths.
_HALF_PRECISION = 0.01


def as_attention_maps(maps: npt.ArrayLike) -> FloatArray:
    """Return the attention `maps` (blocks, heads, tokens, tokens) of one text as float64; ValueError for others."""
    array = as_array("maps", maps, axes=("blocks", "heads", "queries", "tokens"), least=(1, 1, 1, 1))
    if array.shape[2] != array.shape[3]:
        msg = f"`maps` has shape {array.shape}; expected as many queries as tokens"
        raise ValueError(msg)
    low, high = float(array.min()), float(array.max())
    if low < 0.0 or high > 1.0 + _HALF_PRECISION:
        msg = f"`maps` holds numbers from {low:g} to {high:g}; expected attention, which is from 0 to 1"
        raise ValueError(msg)
    return array
