"""Coordination of adjacent layers: do they take turns in what they represent?

Measures of our own, after a claim of Bogdan 2025 (arXiv 2501.07359) whose definition could not be read. Here: probe
scores of attention outputs that alternate from layer to layer (`probe_coordination`). In the files beside this one:
attention weights that go together (`attention_coordination`), and states that are alike (`state_similarity`) or
complement each other (`complementarity`).

All return rows with COLUMNS: `value` and its interval `low`, `high`; `null`, `null_low`, `null_high`, what is found
where nothing is to be found; and `p`, which is never 0 (Phipson and Smyth 2010) and not corrected for the number of
rows. What does not apply is missing. Layers are counted from the first that is given; a row of a whole curve has none.
Intervals are as wide as bootstrap samples of groups (or half samples) spread about their own mean, laid around `value`:
a sample is noisier than the data it is sampled from, which shifts correlations and maxima. Around correlations of some
twenty layers, intervals of level 0.95 held the truth in about 90 % of simulated cases; p kept its level on noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.probes.coordination.resampling import (
    FEWEST_LAYERS,
    FEWEST_UNITS,
    ROUND_OFF,
    CoordinationResampling,
    measure_frame,
    measure_row,
)
from fathom.statistics.arrays import FloatArray, IntArray
from fathom.statistics.peak_order import paired_units
from fathom.statistics.resampling import group_weights, half_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fathom.statistics.accuracy_curve import AccuracyCurve


def alternation_index(first: npt.ArrayLike, second: npt.ArrayLike) -> FloatArray:
    """Return -corr(D_l, D'_{l+1}) over layers, D and D' being the differences between neighbouring layers.

    Of one curve (`first` and `second` the same) it is 1 where the curve goes up and down in turn, and 0.5 on average of
    independent noise: D_l and D_{l+1} share the layer between them with opposite signs. So a positive index of one
    curve alone proves nothing. Of two curves with independent noise, the noise adds 0 on average.

    Args:
        first: (..., layers), scores of at least 5 layers.
        second: likewise.

    Returns:
        (...), -1 to 1; 0 where differences do not vary.
    """
    one, other = np.diff(_scores(first), axis=-1), np.diff(_scores(second), axis=-1)
    return -_correlation(one[..., :-1], other[..., 1:])


def detrended(scores: npt.ArrayLike, *, window: int) -> FloatArray:
    """Return curves minus their running median, without the first and the last layer.

    The window reaches an odd number of layers to either side: of a curve that strictly takes turns the other turn is
    then in the majority, whereas among five layers its own would be, and nothing would be left of it. Near the ends the
    window shrinks, symmetric and of odd reach. A curve that only rises or only falls leaves nothing anywhere; a peak
    that is sharp beside the window does leave something.

    Args:
        scores: (..., layers), scores of at least 5 layers.
        window: layers of the window: 3, 7, 11, ...

    Returns:
        (..., layers - 2), of layers 1 to layers - 2.
    """
    curves = _scores(scores)
    if window < 3 or window % 4 != 3:
        msg = f"window: {window}; expected 3, 7, 11, ..."
        raise ValueError(msg)
    layers = curves.shape[-1]
    rest = np.empty((*curves.shape[:-1], layers - 2))
    for layer in range(1, layers - 1):
        fitting = min(window // 2, layer, layers - 1 - layer)
        reach = fitting - 1 + fitting % 2
        around = curves[..., layer - reach : layer + reach + 1]
        rest[..., layer - 1] = curves[..., layer] - np.median(around, axis=-1)
    return rest


def parity_contrast(scores: npt.ArrayLike, *, window: int) -> FloatArray:
    """Return the mean of the `detrended` curve over even layers minus that over odd ones: (..., layers) -> (...)."""
    rest = detrended(scores, window=window)
    return np.asarray(rest[..., 1::2].mean(axis=-1) - rest[..., 0::2].mean(axis=-1), dtype=np.float64)


def tradeoff(first: npt.ArrayLike, second: npt.ArrayLike, *, lag: int) -> FloatArray:
    """Return the correlation over layers of two `detrended` curves, the second read `lag` layers deeper.

    Without lag, negative means that a layer is good at the one and bad at the other. Takes (..., layers) each, returns
    (...), -1 to 1, and 0 where a curve does not vary.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return _correlation(one[..., : one.shape[-1] - lag], other[..., lag:])


def probe_coordination(
    curves: Sequence[AccuracyCurve], resampling: CoordinationResampling, *, window: int = 7
) -> pd.DataFrame:
    """Return whether probe scores of adjacent layers alternate, for each curve and each two of them.

    Halves are random halves of the units (`fathom.statistics.peak_order.paired_units`) of all curves together, so that
    what is read from two halves shares no text and no item, whichever labels the curves are of. They are scored by what
    each unit contributes (`AccuracyCurve.contributions`). Noise means the curve that is left when half of the units
    count negatively, (score of one half - score of the other) / 2: it has the noise of the whole curve and nothing
    else. Measures of each curve, labelled by its name:

    - "alternation": `alternation_index` of the curve. `null` is its mean over noise curves (about 0.5), p the share of
      noise curves (and of the curve itself) that reach it. A smooth curve below the noise lowers the index, so that p
      is rather too large.
    - "alternation_cross": the index of the differences of one half with those of the other, both ways, averaged over
      splits; noise alone gives 0 on average, a smooth curve less. p and null limits come from the same average over
      noise curves.
    - "parity": `parity_contrast`, p two-sided from noise curves; that is a sign-flip test over units, cautious where
      the curve is steep. One sharp peak also makes a contrast; only together with the alternation it says that layers
      take turns.

    Of each two curves, labelled "name | name", all read from opposite halves, for noise that both share by sharing
    texts would tie them together:

    - "tradeoff": `tradeoff` without lag, "tradeoff_lagged": the first at a layer, the second at the next. p is
      two-sided. Curves that peak at the same layers are tied together too (of simulated cases with two smooth peaks at
      one layer about 16 % had p <= 0.05, all with a positive value): of the tradeoff only a negative value says that
      layers take turns, and of the lagged one a positive value only beside it.

    Args:
        curves: one a label, of the same layers, usually from attention outputs; names differ.
        resampling: how intervals and nulls are made.
        window: layers of the running median (`detrended`).

    Returns:
        Rows with COLUMNS.

    Raises:
        ValueError: naming the argument; with fewer than 8 units.
    """
    names = [curve.name for curve in curves]
    if len(set(names)) < len(names):
        msg = f"curves: names {', '.join(names)}; expected different ones"
        raise ValueError(msg)
    if len({len(curve.depths) for curve in curves}) > 1:
        msg = "curves: numbers of layers differ; expected curves of the same layers"
        raise ValueError(msg)
    drawn = _resampled(curves, resampling)
    rows = [
        row
        for name, of_curve in zip(names, drawn, strict=True)
        for row in _alternation(name, of_curve, window, resampling)
    ]
    rests = [_rests(of_curve, window) for of_curve in drawn]
    for (one, first), (other, second) in combinations(zip(names, rests, strict=True), 2):
        rows += _tradeoffs(f"{one} | {other}", first, second, resampling)
    return measure_frame(rows)


@dataclass(frozen=True)
class _Resampled:
    """One curve under other weights of the units; axes are (samples, splits, layers), as far as they apply."""

    whole: FloatArray
    halves: tuple[FloatArray, FloatArray]
    samples: FloatArray
    sample_halves: tuple[FloatArray, FloatArray]
    noise: FloatArray
    noise_halves: tuple[FloatArray, FloatArray]


def _resampled(curves: Sequence[AccuracyCurve], resampling: CoordinationResampling) -> list[_Resampled]:
    units = paired_units(curves)
    count = int(max(codes.max() for codes in units)) + 1
    if count < FEWEST_UNITS:
        msg = f"curves: texts of {count} units; expected at least {FEWEST_UNITS}"
        raise ValueError(msg)
    every = np.arange(count)
    half = half_samples(every, samples=resampling.splits, seed=resampling.seed)
    weights = group_weights(every, samples=resampling.samples, seed=resampling.seed)
    signs = np.where(half_samples(every, samples=resampling.samples, seed=resampling.seed + 1), -1, 1)
    drawn = []
    for curve, codes in zip(curves, units, strict=True):
        shifts = curve.contributions(codes, count=count)
        # A unit weighs 2 in its own half and 0 in the other.
        one, other = ([2 * part[:, None] * shifts for part in parts] for parts in (half, ~half))
        drawn.append(
            _Resampled(
                whole=curve.curve,
                halves=(curve.curve + np.sum(one, axis=1), curve.curve + np.sum(other, axis=1)),
                samples=curve.curve + weights @ shifts,
                sample_halves=(curve.curve + _under(weights, one), curve.curve + _under(weights, other)),
                noise=signs @ shifts,
                noise_halves=(_under(signs, one), _under(signs, other)),
            )
        )
    return drawn


def _under(weights: IntArray, halves: list[FloatArray]) -> FloatArray:
    """Weights (samples, units) of the contributions (units, layers) of each half: (samples, splits, layers)."""
    return np.stack([weights @ half for half in halves], axis=1)


def _alternation(
    label: str, curve: _Resampled, window: int, resampling: CoordinationResampling
) -> list[dict[str, object]]:
    def index(scores: FloatArray) -> FloatArray:
        return alternation_index(scores, scores)

    def crossed(halves: tuple[FloatArray, FloatArray]) -> FloatArray:
        one, other = halves
        both = (alternation_index(one, other) + alternation_index(other, one)) / 2
        return np.asarray(both.mean(axis=-1), dtype=np.float64)

    def contrast(scores: FloatArray) -> FloatArray:
        return parity_contrast(scores, window=window)

    level = resampling.level
    whole = curve.whole
    return [
        measure_row(label, "alternation", index(whole), index(curve.samples), index(curve.noise), level=level, tails=1),
        measure_row(
            label,
            "alternation_cross",
            crossed(curve.halves),
            crossed(curve.sample_halves),
            crossed(curve.noise_halves),
            level=level,
            tails=1,
        ),
        measure_row(
            label, "parity", contrast(whole), contrast(curve.samples), contrast(curve.noise), level=level, tails=2
        ),
    ]


def _rests(curve: _Resampled, window: int) -> list[tuple[FloatArray, FloatArray]]:
    """The `detrended` halves of the curve, of its samples and of its noise."""
    return [
        (detrended(one, window=window), detrended(other, window=window))
        for one, other in (curve.halves, curve.sample_halves, curve.noise_halves)
    ]


def _tradeoffs(
    label: str,
    first: list[tuple[FloatArray, FloatArray]],
    second: list[tuple[FloatArray, FloatArray]],
    resampling: CoordinationResampling,
) -> list[dict[str, object]]:
    rows = []
    for measure, lag in (("tradeoff", 0), ("tradeoff_lagged", 1)):
        value, samples, null = (
            ((tradeoff(one[0], other[1], lag=lag) + tradeoff(one[1], other[0], lag=lag)) / 2).mean(axis=-1)
            for one, other in zip(first, second, strict=True)
        )
        rows.append(measure_row(label, measure, value, samples, null, level=resampling.level, tails=2))
    return rows


def _scores(scores: npt.ArrayLike) -> FloatArray:
    curves = np.asarray(scores, dtype=np.float64)
    if curves.ndim == 0 or curves.shape[-1] < FEWEST_LAYERS:
        msg = f"scores: shape {curves.shape}; expected (..., layers), at least {FEWEST_LAYERS} layers"
        raise ValueError(msg)
    return curves


def _correlation(first: FloatArray, second: FloatArray) -> FloatArray:
    """Pearson's r over the last axis, 0 where either does not vary."""
    one, other = _centred(first), _centred(second)
    scale = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return np.asarray((one * other).sum(axis=-1) / np.where(scale > 0, scale, 1.0), dtype=np.float64)


def _centred(values: FloatArray) -> FloatArray:
    """Minus the mean over the last axis; what is then round-off becomes 0."""
    rest = values - values.mean(axis=-1, keepdims=True)
    size = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.where(np.linalg.norm(rest, axis=-1, keepdims=True) > ROUND_OFF * size, rest, 0.0)
