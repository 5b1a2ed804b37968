"""Intrinsic dimension of the cloud of texts: TwoNN."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import ROUND_OFF, STATES_ROUND_OFF, FloatArray, as_matrix, positive, round_off_of, whole
from fathom.metrics.preparation import row_norms
from fathom.statistics.neighbours import euclidean, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

# How many pairs of duplicates an error names.
_NAMED = 3
# Roundings of a norm within which two points are one: each of two states is off by half of one in every number, and
# by a few where another batch added up in another order.
_ROUNDINGS = 4.0
# Neighbours of a point that are kept: among an eighth of the points, three in a thousand have fewer than two of these.
_KEPT = 60
# TwoNN needs a point with two neighbours.
_FEWEST_POINTS = 3


def two_nn(z: npt.ArrayLike) -> float:
    """Intrinsic dimension of the points `z` (n, d) from the distances to their first and second neighbours; above 0.

    The maximum-likelihood form of TwoNN, (n - 1) / sum_i log(r_i2 / r_i1), unbiased where density is even about each
    point (Facco et al., Scientific Reports 7:12140, 2017). All points are used, none is trimmed. Its standard error is
    about its value / sqrt(n).

    Raises ValueError for fewer than 3 points, for duplicate points (their ratio is infinite: remove them first), and
    where every point has its first two neighbours at one distance (the dimension would be infinite). Points no further
    apart than a few roundings of their norms count as duplicates, of float32 where float32 holds all numbers: the same
    text in another batch would be its own neighbour at the distance of its rounding.
    """
    z = as_matrix("z", z, rows=3)
    return float(_dimensions(z, [np.arange(len(z))], round_off_of(z))[0])


def two_nn_by_scale(
    z: npt.ArrayLike, *, fractions: Sequence[float] = (1.0, 0.5, 0.25, 0.125), draws: int = 10, seed: int = 0
) -> list[tuple[int, float, float]]:
    """Intrinsic dimension of the points `z` (n, d) by scale: for each fraction (points, value, standard error).

    With fewer points neighbours are further apart, so a dimension that noise makes falls and one that the data have
    stays (Facco et al., Scientific Reports 7:12140, 2017, whose decimation this is). For each fraction f the points are
    parted at random, `draws` times, into floor(1 / f) disjoint sets of floor(n f) points; the value is the mean of
    `two_nn` over all sets. Disjoint sets are independent, so the standard error is their spread within a parting
    divided by the root of their number; for a single set, as at f = 1, it is value / sqrt(points). All distances are
    taken once; memory is a block of them, and 60 neighbours a point.

    Raises ValueError as `two_nn` does, for `fractions` outside 0 to 1 or that leave fewer than 3 points, and `draws`
    below 1. A scale is never left out silently: ask for one that the points allow.
    """
    z = as_matrix("z", z, rows=3)
    return _by_scale(z, fractions, draws, seed, round_off_of(z))


def two_nn_of_states(
    z: npt.ArrayLike, *, fractions: Sequence[float], draws: int, seed: int
) -> list[tuple[int, float, float]]:
    """`two_nn_by_scale` of prepared hidden states, which are rounded to float32 before they were prepared."""
    return _by_scale(as_matrix("z", z, rows=3), fractions, draws, seed, STATES_ROUND_OFF)


def _by_scale(
    z: FloatArray, fractions: Sequence[float], draws: int, seed: int, round_off: float
) -> list[tuple[int, float, float]]:
    draws = whole("draws", draws, low=1)
    random = np.random.default_rng(whole("seed", seed, low=0))
    scales = [_partings(len(z), fraction, draws, random) for fraction in fractions]
    dimensions = iter(
        _dimensions(z, [part for scale in scales for part in scale.reshape(-1, scale.shape[-1])], round_off)
    )
    found = []
    for scale in scales:
        partings, sets, points = scale.shape
        values = np.array([[next(dimensions) for _ in range(sets)] for _ in range(partings)])
        value = float(values.mean())
        variance = value**2 / points if sets == 1 else float(values.var(axis=1, ddof=1).mean()) / sets
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


def _dimensions(z: FloatArray, sets: Sequence[npt.NDArray[np.intp]], round_off: float) -> FloatArray:
    """TwoNN of each of the `sets` of rows of `z` (n, d), each ascending, whose norms have a rounding: (sets,)."""
    rows, distances = nearest(z, min(_KEPT, len(z) - 1))
    rounding = _ROUNDINGS * round_off * row_norms(z)
    doubled = np.flatnonzero(distances[:, 0] <= rounding)
    pairs_found = np.sort(np.column_stack([doubled, rows[doubled, 0]]), axis=1)
    duplicates = {(one, other) for one, other in pairs_found.tolist()}
    if duplicates:
        pairs = ", ".join(f"{one} and {other}" for one, other in sorted(duplicates)[:_NAMED])
        more = ", ..." if len(duplicates) > _NAMED else ""
        msg = f"`z` holds points more than once (rows {pairs}{more}); expected distinct points"
        raise ValueError(msg)
    points = np.array([len(chosen) for chosen in sets])
    totals = np.array([_logarithms(z, chosen, rows, distances).sum() for chosen in sets])
    if np.any(totals <= 4.0 * ROUND_OFF * points):
        msg = "every point of `z` has its first two neighbours at one distance, so its dimension is not defined"
        raise ValueError(msg)
    dimensions: FloatArray = (points - 1) / totals
    return dimensions


def _logarithms(
    z: FloatArray, chosen: npt.NDArray[np.intp], rows: npt.NDArray[np.intp], distances: FloatArray
) -> FloatArray:
    """Logarithm of the ratio of the distances to the second and first neighbour among the `chosen` rows: (chosen,).

    `rows` and `distances` (n, kept) are the nearest neighbours among all rows, of which a set holds two nearly always.
    """
    member = np.zeros(len(z), dtype=np.bool_)
    member[chosen] = True
    held = np.cumsum(member[rows[chosen]], axis=1)
    first, second = (held >= 1).argmax(axis=1), (held >= 2).argmax(axis=1)
    places = np.arange(len(chosen))
    nearest_two = distances[chosen[:, None], np.column_stack([first, second])]
    for place in places[held[:, -1] < 2]:
        among = euclidean(z[chosen[place], None], z[chosen])[0]
        among[place] = np.inf
        nearest_two[place] = np.partition(among, 1)[:2]
    return np.asarray(np.log(nearest_two[:, 1] / nearest_two[:, 0]))
