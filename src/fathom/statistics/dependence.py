"""How two curves over the layers of a model depend on one another, and what smooth curves show by chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from fathom.statistics.arrays import FloatArray

FEWEST = 4  # points of a bias-corrected distance correlation


class Dependence(NamedTuple):
    """How a metric and a score depend on one another over layers, and how often shifted curves do as much."""

    distance: float
    """Distance correlation (Szekely, Rizzo and Bakirov 2007), from 0 to 1; far above 0 for few independent points."""
    distance_corrected: float
    """Its bias-corrected square (Szekely and Rizzo 2014), about 0 for independent points; it may be negative."""
    spearman: float
    kendall: float
    p_distance: float
    """Share of circular shifts of one curve with a distance correlation at least as large; the unshifted one counts."""
    p_spearman: float
    """The same of the absolute rank correlation."""
    p_kendall: float
    smallest_p: float
    """The smallest such share that so many layers can give: one over their number."""


def distance_correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Distance correlation of two samples, (n,) each: the biased form, the root of a ratio of V-statistics.

    0 if one of them is constant.

    Raises:
        ValueError: if they are of different lengths, of fewer than 2 points, or not finite.
    """
    a, b = (_doubly_centred(_distances(sample)) for sample in _pair(x, y, fewest=2))
    spread = np.sqrt((a**2).mean() * (b**2).mean())
    return float(np.sqrt(max(0.0, (a * b).mean()) / spread)) if spread > 0 else 0.0


def corrected_distance_correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Bias-corrected squared distance correlation of two samples, (n,) each: a ratio of U-statistics.

    0 if one of them is constant.

    Raises:
        ValueError: if they are of different lengths, of fewer than 4 points, or not finite.
    """
    a, b = (_u_centred(_distances(sample)) for sample in _pair(x, y, fewest=FEWEST))
    spread = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / spread) if spread > 0 else 0.0


def dependence(metric: npt.ArrayLike, score: npt.ArrayLike) -> Dependence:
    """Correlations of two curves over layers, with a null that respects that neighbouring layers are alike.

    The null shifts one curve around its end: every shift keeps how smooth both are, and breaks which layer goes with
    which. Of n layers there are n shifts, so that no p is below 1 / n: 25 layers cannot give less than 0.04. A free
    permutation would give much smaller ones to any two smooth curves. Of curves that only rise or fall, which a shift
    breaks at their end, the null is still too narrow: of independent random walks over 25 layers one in five has
    p <= 0.1, of free permutations one in two.

    Args:
        metric: (layers,).
        score: (layers,).

    Raises:
        ValueError: if they are of different lengths, of fewer than 4 layers, not finite, or constant.
    """
    first, second = _pair(metric, score, fewest=FEWEST)
    for name, values in (("metric", first), ("score", second)):
        if np.ptp(values) == 0:
            msg = f"{name}: the same at every layer; expected a curve"
            raise ValueError(msg)
    measures = [
        (distance_correlation(shifted, second), *_ranks(shifted, second))
        for shifted in (np.roll(first, shift) for shift in range(len(first)))
    ]
    found = np.abs(np.array(measures))
    share = (found >= found[0] - 1e-12).mean(axis=0)
    distance, spearman, kendall = measures[0]
    return Dependence(
        distance=distance,
        distance_corrected=corrected_distance_correlation(first, second),
        spearman=spearman,
        kendall=kendall,
        p_distance=float(share[0]),
        p_spearman=float(share[1]),
        p_kendall=float(share[2]),
        smallest_p=1 / len(first),
    )


def _ranks(first: FloatArray, second: FloatArray) -> tuple[float, float]:
    return float(stats.spearmanr(first, second).statistic), float(stats.kendalltau(first, second).statistic)


def _pair(x: npt.ArrayLike, y: npt.ArrayLike, *, fewest: int) -> tuple[FloatArray, FloatArray]:
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or len(first) < fewest:
        msg = f"x, y: shapes {first.shape} and {second.shape}; expected the same (n,), n at least {fewest}"
        raise ValueError(msg)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        msg = "x, y: not finite; expected finite values only"
        raise ValueError(msg)
    return first, second


def _distances(values: FloatArray) -> FloatArray:
    return np.abs(values[:, None] - values[None, :])


def _doubly_centred(distances: FloatArray) -> FloatArray:
    rows = distances.mean(axis=0)
    return np.asarray(distances - rows[:, None] - rows[None, :] + rows.mean())


def _u_centred(distances: FloatArray) -> FloatArray:
    """Centred so that off-diagonal entries have an expected product of 0 under independence; the diagonal is 0."""
    count = len(distances)
    rows = distances.sum(axis=0) / (count - 2)
    centred = distances - rows[:, None] - rows[None, :] + distances.sum() / ((count - 1) * (count - 2))
    np.fill_diagonal(centred, 0.0)
    return np.asarray(centred)
