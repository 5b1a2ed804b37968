"""Whether a curve has two peaks: whether the valley between two of its maxima is deeper than noise makes one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fathom.statistics.accuracy_curve import AccuracyCurve, TooFewGroupsError
from fathom.statistics.arrays import BoolArray, FloatArray, IntArray
from fathom.statistics.peak_order import paired_units
from fathom.statistics.resampling import FEWEST_GROUPS, check_level, group_weights, half_samples, tails


@dataclass(frozen=True)
class ValleyBetweenPeaks:
    """The valley of a curve between two maxima; Hartigan's dip, which is one of samples, is in `dip_test`.

    Attributes:
        left, bottom, right: layers (counted from the first of the curve) of the two maxima and of the lowest layer
            between, in all texts.
        apparent: depth of the valley at these layers, chosen and read on the same texts: biased upward.
        size: the cross-fitted size, which noise alone does not make positive.
        low, high: interval of `size`.
        exceeds: whether `low` is above 0: a valley deeper than its interval.
    """

    left: int
    bottom: int
    right: int
    apparent: float
    size: float
    low: float
    high: float
    exceeds: bool


def valley_between_peaks(
    curve: AccuracyCurve, *, splits: int, samples: int, level: float, seed: int
) -> ValleyBetweenPeaks:
    """Test whether the valley of a curve between two maxima is deeper than its noise makes one.

    The depth of a valley at layers left < bottom < right is min(score[left], score[right]) - score[bottom]; ends of the
    curve may be maxima. The largest one of a noisy curve is positive even where the true curve has none. So the layers
    are chosen on a random half of the units (connected components of the item graph) and the size is read on the other
    half, both ways, and averaged over `splits` random halvings. Then a curve with one peak or none gets a size of at
    most 0 on average, wherever the layers fall, and the minimum of two noisy maxima only lowers it.

    The interval is as wide as the sizes of bootstrap samples of units spread about their own mean, which lies lower
    than `size` does, for a sample is noisier than its source. Copies of a unit stay in one half. Halves
    are scored by the `contributions` of their units. On simulated curves that are flat, rise, step or have one peak,
    the interval lies above 0 in at most 2 % of cases at level 0.95: the test is cautious.

    Args:
        curve: at least three layers.
        splits: random halvings to average over, at least 1.
        samples: bootstrap samples, at least 1.
        level: coverage of the interval, between 0 and 1.
        seed: seed of halvings and resampling.

    Raises:
        TooFewGroupsError: with fewer than 4 units.
        ValueError: naming the argument.
    """
    check_level(level)
    if len(curve.depths) < 3:
        msg = f"curve: {len(curve.depths)} layers; a valley needs at least 3"
        raise ValueError(msg)
    units = paired_units([curve])[0]
    every = np.unique(units)
    halves = half_samples(every, samples=splits, seed=seed)
    if not len(halves):
        msg = f"curve: {curve.name} has texts of {len(every)} units; halving needs at least {FEWEST_GROUPS}"
        raise TooFewGroupsError(msg)
    weights = group_weights(every, samples=samples, seed=seed)
    contributions = curve.contributions(units, count=len(every))
    sizes = _cross_fitted(curve.curve, contributions, np.vstack([np.ones_like(every), weights]), halves)
    low, high = sizes[0] + np.quantile(sizes[1:] - sizes[1:].mean(), tails(level))
    left, bottom, right = (int(layers[0]) for layers in _valley_layers(curve.curve[None]))
    apparent = _valley_depth(curve.curve[None], np.array([left]), np.array([bottom]), np.array([right]))
    return ValleyBetweenPeaks(
        left=left,
        bottom=bottom,
        right=right,
        apparent=float(apparent[0]),
        size=float(sizes[0]),
        low=float(low),
        high=float(high),
        exceeds=bool(low > 0),
    )


def _cross_fitted(curve: FloatArray, contributions: FloatArray, weights: IntArray, halves: BoolArray) -> FloatArray:
    """Depth of the valley whose layers one half of the units chose and the other read, for each row of weights."""
    total = np.zeros(len(weights))
    for half in halves:
        one, other = (curve + 2 * (weights * part) @ contributions for part in (half, ~half))
        total += _valley_depth(other, *_valley_layers(one)) + _valley_depth(one, *_valley_layers(other))
    return total / (2 * len(halves))


def _valley_layers(scores: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Layers left < bottom < right of the deepest valley of each of the curves (samples, layers)."""
    before = np.maximum.accumulate(scores, axis=1)[:, :-2]
    after = np.maximum.accumulate(scores[:, ::-1], axis=1)[:, ::-1][:, 2:]
    bottom = 1 + (np.minimum(before, after) - scores[:, 1:-1]).argmax(axis=1)
    layers = np.arange(scores.shape[1])
    left = np.where(layers < bottom[:, None], scores, -np.inf).argmax(axis=1)
    right = np.where(layers > bottom[:, None], scores, -np.inf).argmax(axis=1)
    return left, bottom, right


def _valley_depth(scores: FloatArray, left: IntArray, bottom: IntArray, right: IntArray) -> FloatArray:
    rows = np.arange(len(scores))
    size: FloatArray = np.minimum(scores[rows, left], scores[rows, right]) - scores[rows, bottom]
    return size
