"""Corrections for testing many layers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fathom.statistics.arrays import FloatArray
from fathom.statistics.resampling import finite_array


def family_wise_p(observed: npt.ArrayLike, null: npt.ArrayLike) -> FloatArray:
    """Return one p value a layer, corrected for having looked at all layers.

    Each layer is compared with the largest value that a permutation reaches at any layer (Westfall and Young 1993), and
    p = (1 + permutations that reach it) / (1 + permutations), which is never 0 (Phipson and Smyth 2010).

    Args:
        observed: (layers,), finite; large values count against the null hypothesis.
        null: (permutations, layers), the same statistic under permuted labels, at least one permutation.

    Raises:
        ValueError: naming the argument.
    """
    curve = finite_array("observed", observed, ndim=1)
    table = finite_array("null", null, ndim=2)
    if table.shape[1] != len(curve):
        msg = f"null: {table.shape[1]} layers for {len(curve)} observed ones"
        raise ValueError(msg)
    reached = table.max(axis=1)[:, None] >= curve
    return np.asarray((1 + reached.sum(axis=0)) / (1 + len(table)), dtype=np.float64)


def holm(p: npt.ArrayLike) -> FloatArray:
    """Return p values corrected for testing all layers, by the step-down method of Holm (1979, Scand. J. Statist. 6).

    It holds the family-wise error however the layers depend on each other. Where permutations say how they do,
    `family_wise_p` is sharper.

    Args:
        p: (layers,), each in 0..1.

    Raises:
        ValueError: naming the argument.
    """
    alone = finite_array("p", p, ndim=1)
    if alone.min() < 0 or alone.max() > 1:
        msg = "p: holds a number outside 0..1"
        raise ValueError(msg)
    order = alone.argsort(kind="stable")
    corrected = np.empty_like(alone)
    corrected[order] = np.maximum.accumulate(np.minimum(alone[order] * np.arange(len(alone), 0, -1), 1.0))
    return corrected
