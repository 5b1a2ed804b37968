"""Geometry of hidden states: curvature of a path of tokens, effective rank, intrinsic dimension."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import ROUND_OFF, FloatArray, as_matrix, positive, whole
from fathom.metrics.preparation import row_norms
from fathom.metrics.spectrum import spectrum
from fathom.statistics.neighbours import distance_blocks
from fathom.statistics.renyi import shannon_entropy

if TYPE_CHECKING:
    from collections.abc import Sequence

# How many pairs of duplicates an error names.
_NAMED = 3
# Beyond this cosine an arccos would lose more than two digits to rounding.
_NEARLY_STRAIGHT = 0.99
# Numbers of steps in memory at a time: 128 KiB.
_BLOCK = 2**14
# TwoNN needs a point with two neighbours.
_FEWEST_POINTS = 3


def curvature(z: npt.ArrayLike, *, k: int = 1) -> float:
    """Mean angle between consecutive steps of the path through the tokens `z` (tokens, d), in radians from 0 to pi.

    Steps of `k` tokens, v_i = z_{i+k} - z_i; the mean over i of arccos(v_i . v_{i+k} / (|v_i| |v_{i+k}|)): a step and
    the one that goes on where it ends. k = 1 is the definition of skean2025 (arXiv 2502.02013; Hosseini and Fedorenko,
    arXiv 2311.04930). 0 is a straight line, pi/2 a right angle at every token, pi a path that turns back at every
    token; independent tokens give 2 pi / 3. The angle keeps its sign: beyond pi/2 it is not folded back
    (`as_published.curvature` folds it).

    Angles are right to 1e-12 of their size, those near 0 and pi too, for the numbers given: float32 states hold a step
    to about 1e-7 |z| / |v|, and its angle no better.

    Raises ValueError for fewer than 2 k + 1 tokens, `k` below 1, and for tokens `k` apart that are the same to within
    rounding: no step, no angle.
    """
    k = whole("k", k, low=1)
    z = as_matrix("z", z, rows=2 * k + 1)
    lengths, products = _steps(z, k)
    norms = row_norms(z)
    still = np.flatnonzero(lengths <= 4.0 * ROUND_OFF * np.maximum(norms[:-k], norms[k:]))
    if still.size:
        msg = f"tokens {still[0]} and {still[0] + k} of `z` are the same ({still.size} such pairs): there is no angle"
        raise ValueError(msg)
    cosines = products / (lengths[:-k] * lengths[k:])
    angles = np.arccos(np.clip(cosines, -1.0, 1.0))
    # Near 0 and pi the cosine hardly changes with the angle, so its rounding would show.
    straight = np.flatnonzero(np.abs(cosines) > _NEARLY_STRAIGHT)
    if straight.size:
        angles[straight] = _exact_angles(z, straight, k)
    return float(angles.mean())


def _steps(z: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Lengths of the steps v_i of `k` tokens, and the products v_i . v_{i+k}.

    Steps are made a few at a time: as a whole they would not stay in the cache, and the memory that all of them take
    would be handed back and fetched anew for every text and layer.
    """
    lengths, products = np.empty(len(z) - k), np.empty(len(z) - 2 * k)
    size = max(1, _BLOCK // z.shape[1])
    for first in range(0, len(products), size):
        last = min(first + size, len(products))
        steps = z[first + k : last + 2 * k] - z[first : last + k]
        lengths[first : last + k] = row_norms(steps)
        products[first:last] = np.linalg.vecdot(steps[:-k], steps[k:])
    return lengths, products


def _exact_angles(z: FloatArray, rows: npt.NDArray[np.intp], k: int) -> FloatArray:
    """Angles between the steps from `rows` and those that go on, in Kahan's form: its digits stay near 0 and pi."""
    before, after = z[rows + k] - z[rows], z[rows + 2 * k] - z[rows + k]
    before, after = before / row_norms(before)[:, np.newaxis], after / row_norms(after)[:, np.newaxis]
    angles: FloatArray = 2.0 * np.arctan2(row_norms(after - before), row_norms(after + before))
    return angles


def effective_rank(z: npt.ArrayLike) -> float:
    """Effective rank of `z` (n, d), from 1 (one direction) to min(n, d) (all directions alike).

    exp of the Shannon entropy of the singular values divided by their sum (Roy and Vetterli, EUSIPCO 2007). Singular
    values are the roots of the eigenvalues in `matrix_entropy`, hence more even than these, and effective_rank(z) >=
    exp(matrix_entropy(z)): Theorem 1 of skean2025 states the reverse, which does not hold. Singular values below about
    6e-8 of the largest count as zero.

    Raises ValueError unless `z` is a finite real matrix that is not zero.
    """
    return effective_rank_of(spectrum(as_matrix("z", z), of="`z`"))


def effective_rank_of(p: FloatArray) -> float:
    """Effective rank, from 1 to m, from the eigenvalues `p` (m,) of Z Z^T divided by their sum.

    What `effective_rank` makes of `spectrum`, for callers that have the spectrum already: entropy and effective rank
    then need one eigendecomposition.
    """
    singular = np.sqrt(p)
    return math.exp(shannon_entropy(singular / singular.sum()))


def two_nn(z: npt.ArrayLike) -> float:
    """Intrinsic dimension of the points `z` (n, d) from the distances to their first and second neighbours; above 0.

    The maximum-likelihood form of TwoNN, (n - 1) / sum_i log(r_i2 / r_i1), unbiased where density is even about each
    point (Facco et al., Scientific Reports 7:12140, 2017). All points are used, none is trimmed. Its standard error is
    about its value / sqrt(n).

    Raises ValueError for fewer than 3 points, for duplicate points (their ratio is infinite: remove them first), and
    where every point has its first two neighbours at one distance (the dimension would be infinite).
    """
    z = as_matrix("z", z, rows=3)
    return float(_dimensions(z, [np.arange(len(z))])[0])


def two_nn_by_scale(
    z: npt.ArrayLike, *, fractions: Sequence[float] = (1.0, 0.5, 0.25, 0.125), draws: int = 10, seed: int = 0
) -> list[tuple[int, float, float]]:
    """Intrinsic dimension of the points `z` (n, d) by scale: for each fraction (points, value, standard error).

    With fewer points neighbours are further apart, so a dimension that noise makes falls and one that the data have
    stays (Facco et al., Scientific Reports 7:12140, 2017, whose decimation this is). For each fraction f the points are
    parted at random, `draws` times, into floor(1 / f) disjoint sets of floor(n f) points; the value is the mean of
    `two_nn` over all sets. Disjoint sets are independent, so the standard error is their spread within a parting
    divided by the root of their number; for a single set, as at f = 1, it is value / sqrt(points). All distances are
    taken once; memory is a block of them.

    Raises ValueError as `two_nn` does, for `fractions` outside 0 to 1 or that leave fewer than 3 points, and `draws`
    below 1. A scale is never left out silently: ask for one that the points allow.
    """
    z = as_matrix("z", z, rows=3)
    draws = whole("draws", draws, low=1)
    random = np.random.default_rng(whole("seed", seed, low=0))
    scales = [_partings(len(z), fraction, draws, random) for fraction in fractions]
    dimensions = iter(_dimensions(z, [part for scale in scales for part in scale.reshape(-1, scale.shape[-1])]))
    found = []
    for scale in scales:
        partings, parts, points = scale.shape
        values = np.array([[next(dimensions) for _ in range(parts)] for _ in range(partings)])
        value = float(values.mean())
        variance = value**2 / points if parts == 1 else float(values.var(axis=1, ddof=1).mean()) / parts
        found.append((points, value, math.sqrt(variance)))
    return found


def _partings(total: int, fraction: float, draws: int, random: np.random.Generator) -> npt.NDArray[np.intp]:
    """Random partings (draws, parts, points) of `total` points into disjoint sets of a `fraction` of them."""
    share = positive("fractions", fraction)
    points = math.floor(total * share) if share <= 1.0 else 0
    if points < _FEWEST_POINTS:
        msg = f"`fractions` holds {fraction!r} of {total} points; expected at most 1, and at least 3 points"
        raise ValueError(msg)
    # A set of all points is the same in every draw.
    parts = math.floor(1.0 / share)
    orders = [random.permutation(total)[: parts * points] for _ in range(draws if points < total else 1)]
    return np.sort(np.reshape(orders, (-1, parts, points)), axis=2)


def _dimensions(z: FloatArray, sets: Sequence[npt.NDArray[np.intp]]) -> FloatArray:
    """TwoNN of each of the `sets` of rows of `z` (n, d), each ascending: (sets,)."""
    logarithms = [np.empty(len(chosen)) for chosen in sets]
    duplicates: set[tuple[int, int]] = set()
    for first, distances in distance_blocks(z):
        for row in np.flatnonzero(distances.min(axis=1) == 0.0):
            one, other = sorted((first + int(row), int(distances[row].argmin())))
            duplicates.add((one, other))
        if duplicates:
            continue
        for chosen, ratios in zip(sets, logarithms, strict=True):
            start, stop = np.searchsorted(chosen, (first, first + len(distances)))
            among = distances if len(chosen) == len(z) else distances[np.ix_(chosen[start:stop] - first, chosen)]
            nearest = np.partition(among, 1, axis=1)
            ratios[start:stop] = np.log(nearest[:, 1] / nearest[:, 0])
    if duplicates:
        pairs = ", ".join(f"{one} and {other}" for one, other in sorted(duplicates)[:_NAMED])
        more = ", ..." if len(duplicates) > _NAMED else ""
        msg = f"`z` holds points more than once (rows {pairs}{more}); expected distinct points"
        raise ValueError(msg)
    points = np.array([len(chosen) for chosen in sets])
    totals = np.array([ratios.sum() for ratios in logarithms])
    if np.any(totals <= 4.0 * ROUND_OFF * points):
        msg = "every point of `z` has its first two neighbours at one distance, so its dimension is not defined"
        raise ValueError(msg)
    dimensions: FloatArray = (points - 1) / totals
    return dimensions
