"""How far a sample is from having one mode: Hartigan's dip, its test, and the two modes of a sample that has two."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from fathom.statistics.arrays import FloatArray

IndexArray = npt.NDArray[np.intp]
# Distances between distribution functions that differ by no more than rounding are the same distance.
_ROUNDING = 1e-12
# Share of a sample that makes a mode of it. A figure's histogram still shows a bump of a twentieth of the texts.
SMALLEST_PART = 0.05


def dip(values: npt.ArrayLike) -> float:
    """Hartigan's dip: the distance of a sample's distribution function from the nearest unimodal one.

    The distance is the largest difference between the two functions; unimodal is a distribution function that is convex
    up to its mode and concave after it (Hartigan and Hartigan 1985, Annals of Statistics 13, 70-84). The search is
    theirs: the greatest convex minorant and the least concave majorant are pulled ever nearer around the mode.

    Args:
        values: (n,), finite, n at least 1.

    Returns:
        Between 1/(2n), for a sample as near to unimodal as steps of 1/n allow, and 1/4, for two points of the same
        weight. 0 where all values are the same: a point is unimodal. Does not change when values are shifted or scaled.

    Raises:
        ValueError: naming the argument.
    """
    x, counts = np.unique(_unit_scale(_sample(values)), return_counts=True)
    if len(x) == 1:
        return 0.0
    after = counts.cumsum() / counts.sum()
    before = after - counts / counts.sum()
    low, high = 0, len(x) - 1
    # Twice the dip, as in the paper: a function in the middle between two bounds is half their distance from both.
    twice = float(1 / counts.sum())
    while low < high:
        part = slice(low, high + 1)
        minorant, touched_below = _convex_minorant(x[part], before[part])
        negative, touched_above = _convex_minorant(x[part], -after[part])
        gap = -negative - minorant
        # A difference of a concave and a convex function of straight pieces is widest where one of them has a corner.
        corners = np.union1d(touched_below, touched_above)
        widest = int(corners[gap[corners].argmax()])
        if gap[widest] <= twice + _ROUNDING:
            break
        left = int(touched_below[touched_below <= widest].max())
        right = int(touched_above[touched_above >= widest].min())
        # At the ends of the next interval itself a mode may stand, and a mode may be a step of any height.
        convex = (after[part] - minorant)[:left]
        concave = (-negative - before[part])[right + 1 :]
        twice = float(np.max(np.concatenate([[twice], convex, concave])))
        low, high = low + left, low + right
    return twice / 2


def dip_null(texts: int, *, samples: int, seed: int) -> FloatArray:
    """Dips of samples of a uniform distribution, the null distribution of the dip test: (samples,), ascending.

    Hartigan and Hartigan take the uniform distribution because it is, for large samples, the unimodal one whose dips
    are largest. All layers with the same number of texts share one null distribution.

    Args:
        texts: size of each sample, at least 1.
        samples: number of samples, at least 1.
        seed: of the draws.

    Raises:
        ValueError: naming the argument.
    """
    for name, number in (("texts", texts), ("samples", samples)):
        if number < 1:
            msg = f"{name}: {number}; expected at least 1"
            raise ValueError(msg)
    rng = np.random.default_rng(seed)
    return np.sort([dip(rng.random(texts)) for _ in range(samples)])


def dip_p(observed: npt.ArrayLike, null: npt.ArrayLike) -> FloatArray:
    """Share of the null distribution that reaches each dip, (1 + reached) / (1 + samples), which is never 0.

    Args:
        observed: (layers,) dips.
        null: (samples,) dips of uniform samples of the same size, see `dip_null`.
    """
    dips = np.sort(np.asarray(null, dtype=np.float64))
    reached = len(dips) - np.searchsorted(dips, np.asarray(observed, dtype=np.float64) - _ROUNDING)
    return np.asarray((1 + reached) / (1 + len(dips)), dtype=np.float64)


def dip_test(values: npt.ArrayLike, *, samples: int, seed: int) -> tuple[float, float]:
    """Return the dip of a sample and the p value of the hypothesis that its distribution has one mode.

    Args:
        values: (n,), finite, sampled independently of each other.
        samples: uniform samples of the same size to compare with, at least 1.
        seed: of these samples.

    Raises:
        ValueError: naming the argument.
    """
    found = dip(values)
    null = dip_null(len(np.asarray(values)), samples=samples, seed=seed)
    return found, float(dip_p([found], null)[0])


def modes(values: npt.ArrayLike) -> tuple[float, float]:
    """Return where the two modes of a sample are: the medians of its two parts, cut where that splits it best.

    The cut is the one of all n - 1 that leaves the least squared distance to the means of the two parts (two-means in
    one dimension, found exactly; Fisher 1958, JASA 53, 789-798), and that leaves at least a twentieth of the values in
    each part where equal values allow it: one outlier is no mode. It always finds two parts: whether a sample has two
    modes is what `dip_test` says.

    Args:
        values: (n,), finite, at least two different ones.

    Returns:
        low, high: the medians of the two parts.

    Raises:
        ValueError: if `values` has fewer than two different ones, or is not finite.
    """
    ordered = np.sort(_sample(values))
    if ordered[0] == ordered[-1]:
        msg = f"values: all are {ordered[0]:g}; two modes need two different values"
        raise ValueError(msg)
    scaled = _unit_scale(ordered)
    sizes = np.arange(1, len(scaled))
    sums = scaled.cumsum()[:-1]
    means_below, means_above = sums / sizes, (scaled.sum() - sums) / sizes[::-1]
    between = sizes * sizes[::-1] * (means_above - means_below) ** 2
    # Equal values stay together.
    possible = np.diff(ordered) > 0
    fair = possible & (np.minimum(sizes, sizes[::-1]) >= SMALLEST_PART * len(ordered))
    cut = int(np.where(fair if fair.any() else possible, between, -1.0).argmax()) + 1
    return float(np.median(ordered[:cut])), float(np.median(ordered[cut:]))


def _sample(values: npt.ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        msg = f"values: shape {array.shape}; expected (n,), at least one value"
        raise ValueError(msg)
    if not np.isfinite(array).all():
        msg = "values: holds NaN or infinity"
        raise ValueError(msg)
    return array


def _unit_scale(values: FloatArray) -> FloatArray:
    """Scale to 1..2, where values that differ by less than the rounding of the largest become the same."""
    halves = values / 2  # so that the range of any two finite numbers is finite
    extent = halves.max() - halves.min()
    return 1.0 + (halves - halves.min()) / extent if extent > 0 else np.ones_like(values)


def _convex_minorant(x: FloatArray, y: FloatArray) -> tuple[FloatArray, IndexArray]:
    """Greatest convex function below the points (x, y), at every x, and the indices of the points that it touches.

    Its slopes are the isotonic regression of the slopes between neighbours, weighted by their distances (Barlow et al.
    1972, Statistical Inference under Order Restrictions, section 1.2). x (n,) ascends; n is at least 2.
    """
    widths = np.diff(x)
    fit = isotonic_regression(np.diff(y) / widths, weights=widths)
    touched = np.asarray(fit.blocks, dtype=np.intp)
    # Read off between touched points, not summed up along x, so that it equals y exactly where it touches.
    return np.asarray(np.interp(x, x[touched], y[touched]), dtype=np.float64), touched
