"""Uncertainty over groups of texts: bootstrap intervals, the peak of a curve, and tests over all layers at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.statistics.arrays import FloatArray, IntArray

FEWEST_GROUPS = 4  # of which half samples are taken
_NUMBERS = 2**22  # that are drawn at a time


def group_codes(groups: npt.ArrayLike) -> IntArray:
    """Return the number of each text's group, from 0 in the order of the sorted names.

    Args:
        groups: (texts,) names, all text or all numbers.

    Raises:
        ValueError: if a name is missing, or `groups` has no or more than one axis.
    """
    names = np.asarray(groups, dtype=object)
    if names.ndim != 1 or names.size == 0:
        msg = f"groups: shape {names.shape}; expected (texts,), at least one text"
        raise ValueError(msg)
    codes, _ = pd.factorize(names, sort=True)
    if (codes < 0).any():
        msg = f"groups: no name for text {int((codes < 0).argmax())}"
        raise ValueError(msg)
    return np.asarray(codes, dtype=np.int64)


def group_weights(
    groups: npt.ArrayLike, *, samples: int, seed: int, dtype: npt.DTypeLike = np.int64
) -> npt.NDArray[Any]:
    """Return how often each text occurs in each bootstrap sample when whole groups are sampled with replacement.

    Args:
        groups: (texts,) names; texts of one name are sampled together.
        samples: number of bootstrap samples, at least 1.
        seed: the same seed draws the same groups, whatever the order of the texts.
        dtype: of what is returned; a small one where there are many texts.

    Returns:
        (samples, texts), whole numbers; all texts of a group have the same weight.

    Raises:
        ValueError: if `groups` holds a missing name or fewer than two different ones, or `samples` is below 1.
    """
    codes = group_codes(groups)
    weights = np.empty((max(samples, 0), len(codes)), dtype=dtype)
    first = 0
    for draws in _draws(int(codes.max()) + 1, samples=samples, seed=seed):
        weights[first : first + len(draws)] = draws[:, codes]
        first += len(draws)
    return weights


def bootstrap_mean(
    values: npt.ArrayLike, groups: npt.ArrayLike, *, samples: int, level: float, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the mean over texts and its bootstrap interval, whole groups being resampled.

    The interval is the percentile one (Efron and Tibshirani 1993, section 13.3). With few groups it is too narrow.

    Args:
        values: (texts, layers), finite.
        groups: (texts,) names, at least two different ones.
        samples: number of bootstrap samples, at least 1.
        level: coverage, between 0 and 1.
        seed: seed of the resampling.

    Returns:
        mean, low, high: (layers,) each.

    Raises:
        ValueError: naming the argument.
    """
    table = finite_array("values", values, ndim=2)
    codes = group_codes(groups)
    if len(codes) != len(table):
        msg = f"groups: {len(codes)} names for {len(table)} texts"
        raise ValueError(msg)
    check_level(level)
    sizes = np.bincount(codes).astype(np.float64)
    sums = np.zeros((len(sizes), table.shape[1]))
    np.add.at(sums, codes, table)
    draws = _draw_groups(len(sizes), samples=samples, seed=seed)
    replicates = (draws @ sums) / (draws @ sizes)[:, None]
    low, high = np.quantile(replicates, tails(level), axis=0)
    return table.mean(axis=0), low, high


def half_samples(groups: npt.ArrayLike, *, samples: int, seed: int) -> npt.NDArray[np.bool_]:
    """Return which texts each half sample holds: half of the groups (rounded down), sampled without replacement.

    Args:
        groups: (texts,) names; texts of one name are sampled together.
        samples: number of half samples, at least 1.
        seed: the same seed draws the same groups, whatever the order of the texts.

    Returns:
        (samples, texts), booleans; without any row where there are fewer than 4 groups, of which half says nothing.

    Raises:
        ValueError: if `groups` holds a missing name, or `samples` is below 1.
    """
    codes = group_codes(groups)
    count = int(codes.max()) + 1
    if samples < 1:
        msg = f"samples: {samples}; expected at least 1"
        raise ValueError(msg)
    if count < FEWEST_GROUPS:
        return np.zeros((0, len(codes)), dtype=np.bool_)
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(count), (samples, 1)), axis=1)
    chosen = np.zeros((samples, count), dtype=np.bool_)
    np.put_along_axis(chosen, order[:, : count // 2], values=True, axis=1)
    return chosen[:, codes]


def half_sample_interval(
    value: npt.ArrayLike, replicates: npt.ArrayLike, halves: npt.NDArray[np.bool_], *, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return the interval around `value` that is as wide as its half samples spread about their own mean.

    A half of the texts gives another value than all of them do (fewer directions, fewer candidates), so only the spread
    is used. That of halves sampled without replacement, times the root of half / other half, is the standard error of
    the whole (the delete-d jackknife, Shao and Wu 1989, Annals of Statistics 17:1176). Sampling with replacement would
    put equal texts side by side, which no metric of neighbours or invariance can bear.

    Args:
        value: of all texts, any shape.
        replicates: (samples, ...) of the half samples, NaN where one has no value.
        halves: (samples, texts), as `half_samples` gives them.
        level: coverage, between 0 and 1.

    Returns:
        low, high: of the shape of `value`; NaN without half samples, and where one of them has no value.

    Raises:
        ValueError: if `level` is not between 0 and 1.
    """
    check_level(level)
    whole, table = np.asarray(value, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
    if len(halves) == 0:
        return np.full(whole.shape, np.nan), np.full(whole.shape, np.nan)
    # The mean share: groups differ in size, so that halves of the groups are only about halves of the texts.
    share = float(halves.mean())
    deviations = (table - table.mean(axis=0)) * np.sqrt(share / (1 - share))
    low, high = np.quantile(deviations, tails(level), axis=0)
    return whole + low, whole + high


def peak_interval(replicates: npt.ArrayLike, level: float) -> tuple[int, int]:
    """Return the first and last layer of the percentile interval of a curve's peak.

    The peak of a sample is the first layer that reaches its maximum. The ends are layers where peaks did fall, rounded
    outward, so that the interval holds at least `level` of the samples.

    Args:
        replicates: (samples, layers), bootstrap samples of the curve, finite.
        level: coverage, between 0 and 1.

    Raises:
        ValueError: naming the argument.
    """
    table = finite_array("replicates", replicates, ndim=2)
    check_level(level)
    peaks = table.argmax(axis=1)
    below, above = tails(level)
    return int(np.quantile(peaks, below, method="lower")), int(np.quantile(peaks, above, method="higher"))


def _draw_groups(groups: int, *, samples: int, seed: int) -> IntArray:
    """Return how often each group is sampled: (samples, groups)."""
    return np.concatenate(list(_draws(groups, samples=samples, seed=seed)))


def _draws(groups: int, *, samples: int, seed: int) -> Iterator[IntArray]:
    """Yield how often each group is sampled, some samples at a time: (some, groups)."""
    if groups == 1:
        msg = "groups: only one; resampling groups needs at least two"
        raise ValueError(msg)
    if samples < 1:
        msg = f"samples: {samples}; expected at least 1"
        raise ValueError(msg)
    rng, share = np.random.default_rng(seed), np.full(groups, 1 / groups)
    step = max(1, _NUMBERS // groups)
    for first in range(0, samples, step):
        yield rng.multinomial(groups, share, size=min(step, samples - first))


def finite_array(name: str, values: npt.ArrayLike, *, ndim: int) -> FloatArray:
    """Return values as an array; ValueError naming them if they have other axes, are none, or not all finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim or array.size == 0:
        msg = f"{name}: shape {array.shape}; expected {ndim} axes, none of them empty"
        raise ValueError(msg)
    if not np.isfinite(array).all():
        msg = f"{name}: holds NaN or infinity"
        raise ValueError(msg)
    return array


def check_level(level: float) -> None:
    """Refuse a coverage that is not between 0 and 1."""
    if not 0 < level < 1:
        msg = f"level: {level}; expected a number between 0 and 1"
        raise ValueError(msg)


def tails(level: float) -> tuple[float, float]:
    """Return the two quantiles between which a share `level` lies."""
    return (1 - level) / 2, (1 + level) / 2
