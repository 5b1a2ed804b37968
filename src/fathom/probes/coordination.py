"""Coordination of adjacent layers: do they take turns in what they represent?

Three measures of our own, after a claim of Bogdan 2025 (arXiv 2501.07359) whose definition could not be read: probe
scores of attention outputs that alternate from layer to layer (`probe_coordination`), attention weights that go
together (`attention_coordination`), and states that are alike (`state_similarity`) or complement each other
(`complementarity`).

All return rows with COLUMNS: `value` and its interval `low`, `high`; `null`, `null_low`, `null_high`, what is found
where nothing is to be found; and `p`, which is never 0 (Phipson and Smyth 2010) and not corrected for the number of
rows. What does not apply is missing. Layers are counted from the first that is given; a row of a whole curve has none.
Intervals are as wide as bootstrap samples of groups (or half samples) spread about their own mean, laid around `value`:
a sample is noisier than the data it is drawn from, which shifts correlations and maxima. Around correlations of some
twenty layers, intervals of level 0.95 held the truth in about 90 % of simulated cases; p kept its level on noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from fathom.curves import paired_units
from fathom.neighbours import marked, nearest_neighbours, neighbours_within, shared
from fathom.similarity import aligned, inner_products, recentred
from fathom.statistics import group_codes, group_weights, half_sample_interval, half_samples
from fathom.statistics import tails as ends_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fathom.curves import HitCurve

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

COLUMNS = ["label", "measure", "layer", "other_layer", "value", "low", "high", "null", "null_low", "null_high", "p"]
FEWEST_LAYERS = 5  # of a curve, so that three pairs of differences are left to correlate
FEWEST_UNITS = 8  # of which there are 35 halvings, enough for a p value below 0.05

# Spread, as a share of the size of the numbers, below which numbers differ by round-off only.
ROUND_OFF = 1e-12


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How intervals and null distributions are made.

    Attributes:
        samples: bootstrap samples of an interval, and draws of a null distribution; at least 1.
        splits: random halvings over which a statistic of two halves is averaged, at least 1.
        level: coverage of intervals, between 0 and 1.
        seed: seed of all draws.
    """

    samples: int
    splits: int
    level: float
    seed: int

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        for name, count in (("samples", self.samples), ("splits", self.splits)):
            if count < 1:
                msg = f"{name}: {count}; expected at least 1"
                raise ValueError(msg)
        if not 0 < self.level < 1:
            msg = f"level: {self.level}; expected a number between 0 and 1"
            raise ValueError(msg)


# C1: probe scores ----------------------------------------------------------------------------------------------------


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


def probe_coordination(curves: Sequence[HitCurve], resampling: Resampling, *, window: int = 7) -> pd.DataFrame:
    """Return whether probe scores of adjacent layers alternate, for each curve and each two of them.

    Halves are random halves of the units (`fathom.curves.paired_units`) of all curves together, so that what is read
    from two halves shares no text and no item, whichever labels the curves are of. They are scored by what each unit
    contributes (`HitCurve.contributions`). Noise means the curve that is left when half of the units count negatively,
    (score of one half - score of the other) / 2: it has the noise of the whole curve and nothing else. Measures of each
    curve, labelled by its name:

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
    return _frame(rows)


@dataclass(frozen=True)
class _Resampled:
    """One curve under other weights of the units; axes are (samples, splits, layers), as far as they apply."""

    whole: FloatArray
    halves: tuple[FloatArray, FloatArray]
    samples: FloatArray
    sample_halves: tuple[FloatArray, FloatArray]
    noise: FloatArray
    noise_halves: tuple[FloatArray, FloatArray]


def _resampled(curves: Sequence[HitCurve], resampling: Resampling) -> list[_Resampled]:
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


def _alternation(label: str, curve: _Resampled, window: int, resampling: Resampling) -> list[dict[str, object]]:
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
        _row(label, "alternation", index(whole), index(curve.samples), index(curve.noise), level=level, tails=1),
        _row(
            label,
            "alternation_cross",
            crossed(curve.halves),
            crossed(curve.sample_halves),
            crossed(curve.noise_halves),
            level=level,
            tails=1,
        ),
        _row(label, "parity", contrast(whole), contrast(curve.samples), contrast(curve.noise), level=level, tails=2),
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
    resampling: Resampling,
) -> list[dict[str, object]]:
    rows = []
    for measure, lag in (("tradeoff", 0), ("tradeoff_lagged", 1)):
        value, samples, null = (
            ((tradeoff(one[0], other[1], lag=lag) + tradeoff(one[1], other[0], lag=lag)) / 2).mean(axis=-1)
            for one, other in zip(first, second, strict=True)
        )
        rows.append(_row(label, measure, value, samples, null, level=resampling.level, tails=2))
    return rows


# C2: attention weights -----------------------------------------------------------------------------------------------


def item_weights(
    pattern: npt.ArrayLike, query: int, items: Sequence[Sequence[int]], *, drop: int | None = 0
) -> FloatArray:
    """Return how much of a query token's attention goes to each item of a text.

    The weights of an item's tokens are summed, after the column of one token has been dropped and the others have been
    made to sum to 1 again: most attention rests on the first token, whatever the text (Sun et al., arXiv 2402.17762).
    A head that gives everything to that token attends to no item and has 0.

    Args:
        pattern: (blocks, heads, tokens, tokens), attention weights of one text, rows summing to 1.
        query: index of the token that attends, usually the last one of the last item.
        items: the token indices of each item.
        drop: index of the token to drop, or None.

    Returns:
        (blocks, heads, items), 0 to 1.

    Raises:
        ValueError: naming the argument.
    """
    weights = np.asarray(pattern, dtype=np.float64)
    if weights.ndim != 4 or weights.shape[2] != weights.shape[3] or not np.isfinite(weights).all():
        msg = f"pattern: shape {weights.shape}; expected finite (blocks, heads, tokens, tokens)"
        raise ValueError(msg)
    tokens = weights.shape[3]
    named = [query, *(token for item in items for token in item), *([] if drop is None else [drop])]
    if not all(0 <= token < tokens for token in named) or not items or not all(map(len, items)):
        msg = f"items: query {query}, items {list(items)}, dropped {drop}; expected some indices of {tokens} tokens"
        raise ValueError(msg)
    if drop is not None and any(drop in item for item in items):
        msg = f"items: {list(items)} hold token {drop}, which is dropped"
        raise ValueError(msg)
    row = weights[:, :, query]
    if drop is not None:
        row = np.delete(row, drop, axis=-1)
        items = [[token - (token > drop) for token in item] for item in items]
    total = row.sum(axis=-1, keepdims=True)
    row = row / np.where(total > 0, total, 1.0)
    return np.stack([row[..., list(item)].sum(axis=-1) for item in items], axis=-1)


def attention_coordination(
    weights: npt.ArrayLike,
    groups: npt.ArrayLike,
    resampling: Resampling,
    *,
    strata: npt.ArrayLike | None = None,
    kv_groups: int | None = None,
    offsets: Sequence[int] = (1, 2, 3),
) -> pd.DataFrame:
    """Return whether blocks that attend to an item in a text are those that others attend to it in as well.

    - "attention", of each two blocks: the correlation over texts of their weights (mean over heads) to an item, its
      plain mean over items (Fisher's z of a perfect correlation is infinite). p is two-sided.
    - "attention_adjacent", label "offset n": the mean of these over all blocks n apart, for all `offsets` that occur.
    - "attention_heads", of each two adjacent blocks: the mean absolute correlation of their heads, matched one to one
      so that it is largest (Hungarian assignment). The best match of unrelated heads is well above 0: so is the null.
      p is one-sided.

    Null: texts of the one block permuted against those of the other, within strata. Texts of one stratum should have
    equal numbers of tokens in their items, for an item of more tokens gets more weight everywhere. A text alone in its
    stratum stays in place, which makes p rather too large. Texts change places one by one: where weights of a group are
    alike in all its texts, p is too small, and the interval, which resamples groups, is what to believe.

    Args:
        weights: (texts, blocks, heads, items), as `item_weights` gives them; at least 4 texts and 2 blocks.
        groups: (texts,) names, at least two different ones.
        resampling: how intervals and nulls are made (without `splits`).
        strata: (texts,) names; left out, all texts are one stratum.
        kv_groups: number of key-value heads; the weights of query heads that share one are averaged before heads are
            matched. Left out, each query head is its own.
        offsets: distances between blocks to average over.

    Returns:
        Rows with COLUMNS; layers are blocks from 0.

    Raises:
        ValueError: naming the argument.
    """
    table = np.asarray(weights, dtype=np.float64)
    if table.ndim != 4 or len(table) < 4 or table.shape[1] < 2 or 0 in table.shape or not np.isfinite(table).all():
        msg = f"weights: shape {table.shape}; expected finite (texts >= 4, blocks >= 2, heads, items)"
        raise ValueError(msg)
    texts, blocks, heads, items = table.shape
    for name, names in (("groups", groups), ("strata", strata)):
        if names is not None and len(np.asarray(names, dtype=object)) != texts:
            msg = f"{name}: {len(np.asarray(names, dtype=object))} names for {texts} texts"
            raise ValueError(msg)
    if kv_groups is not None and (kv_groups < 1 or heads % kv_groups):
        msg = f"kv_groups: {kv_groups}; expected a divisor of {heads} heads"
        raise ValueError(msg)
    drawn = group_weights(groups, samples=resampling.samples, seed=resampling.seed).astype(np.float64)
    orders = _orders_within(np.zeros(texts) if strata is None else strata, resampling)
    everything = np.ones(texts)

    of_blocks = np.moveaxis(table.mean(axis=2), 2, 0)  # (items, texts, blocks)
    value = _weighted_correlations(of_blocks, of_blocks, everything)
    samples = np.stack([_weighted_correlations(of_blocks, of_blocks, one) for one in drawn])
    null = np.stack([_weighted_correlations(of_blocks, of_blocks[:, order], everything) for order in orders])
    rows = [
        _row(
            "",
            "attention",
            value[one, other],
            samples[:, one, other],
            null[:, one, other],
            level=resampling.level,
            tails=2,
            layers=(one, other),
        )
        for one, other in combinations(range(blocks), 2)
    ]
    rows += [
        _row(
            f"offset {offset}",
            "attention_adjacent",
            *(np.diagonal(part, offset, axis1=-2, axis2=-1).mean(axis=-1) for part in (value, samples, null)),
            level=resampling.level,
            tails=2,
        )
        for offset in offsets
        if offset < blocks
    ]

    own = table if kv_groups is None else table.reshape(texts, blocks, kv_groups, -1, items).mean(axis=3)
    of_heads = np.moveaxis(own, (1, 3), (0, 1))  # (blocks, items, texts, heads)
    for block, (one, other) in enumerate(pairwise(of_heads)):
        rows.append(
            _row(
                "",
                "attention_heads",
                _best_match(_weighted_correlations(one, other, everything)),
                np.array([_best_match(_weighted_correlations(one, other, weight)) for weight in drawn]),
                np.array([_best_match(_weighted_correlations(one, other[:, order], everything)) for order in orders]),
                level=resampling.level,
                tails=1,
                layers=(block, block + 1),
            )
        )
    return _frame(rows)


def _weighted_correlations(first: FloatArray, second: FloatArray, weights: FloatArray) -> FloatArray:
    """Correlations over texts of (items, texts, n) with (items, texts, m), mean over items: (n, m)."""
    share = weights / weights.sum()
    one, other = (_standardised(table, share) for table in (first, second))
    return np.asarray((one.transpose(0, 2, 1) @ other).mean(axis=0), dtype=np.float64)


def _standardised(table: FloatArray, share: FloatArray) -> FloatArray:
    """Columns of (items, texts, n) with weighted mean 0 and, times the root of the weights, length 1 or 0."""
    rest = (table - (share @ table)[:, None, :]) * np.sqrt(share)[:, None]
    length = np.linalg.norm(rest, axis=1, keepdims=True)
    varies = length > ROUND_OFF * np.abs(table).max(axis=1, keepdims=True)
    return np.where(varies, rest / np.where(varies, length, 1.0), 0.0)


def _best_match(correlations: FloatArray) -> float:
    strength = np.abs(correlations)
    return float(strength[linear_sum_assignment(strength, maximize=True)].mean())


def _orders_within(strata: npt.ArrayLike, resampling: Resampling) -> IntArray:
    """Permutations (samples, texts) that keep every text in its stratum."""
    codes = group_codes(strata)
    places = np.argsort(codes, kind="stable")
    rng = np.random.default_rng(resampling.seed)
    orders = np.empty((resampling.samples, len(codes)), dtype=np.int64)
    for order in orders:
        order[places] = np.lexsort((rng.random(len(codes)), codes))
    return orders


# C3: states ----------------------------------------------------------------------------------------------------------


def state_similarity(
    states: npt.NDArray[np.floating],
    groups: npt.ArrayLike,
    resampling: Resampling,
    *,
    k: int,
    offsets: Sequence[int] = (1, 2, 3),
) -> pd.DataFrame:
    """Return how alike the states of layers are that lie 1, 2, 3 layers apart.

    - "cka": linear centred kernel alignment (Kornblith et al., arXiv 1905.00414), 0 to 1. `null` is its mean if the
      texts of the one layer are permuted, tr(K) tr(L) / ((texts - 1) |K| |L|) of the centred Gram matrices K and L
      (Kazi-Aoual et al. 1995, Comput. Stat. Data Anal. 20:643): far above 0 where texts are few beside the dimensions.
    - "neighbourhood_overlap": share of the k nearest neighbours that two layers have in common (Doimo et al., arXiv
      2007.03506), 0 to 1; `null` is k / (texts - 1).

    Intervals are those of half samples (`fathom.statistics.half_sample_interval`); there is no p.

    Args:
        states: (layers, texts, width), finite; at least 2 layers, the texts of no layer all alike.
        groups: (texts,) names; with fewer than 4 different ones there is no interval.
        resampling: how intervals are made (without `splits`).
        k: nearest neighbours, from 1 to half of the texts of the smallest half sample.
        offsets: distances between layers to look at.

    Returns:
        Rows with COLUMNS.

    Raises:
        ValueError: naming the argument.
    """
    if np.ndim(states) != 3 or np.shape(states)[0] < 2 or 0 in np.shape(states):
        msg = f"states: shape {np.shape(states)}; expected (layers, texts, width), at least 2 layers"
        raise ValueError(msg)
    layers, texts = np.shape(states)[:2]
    codes = group_codes(groups)
    if len(codes) != texts:
        msg = f"groups: {len(codes)} names for {texts} texts"
        raise ValueError(msg)
    halves = half_samples(codes, samples=resampling.samples, seed=resampling.seed)
    fewest = int(halves.sum(axis=1).min()) if len(halves) else texts
    if not 1 <= k < fewest:
        msg = f"k: {k}; expected 1 to {fewest - 1}, as a half sample has {fewest} texts"
        raise ValueError(msg)
    near = [(one, one + offset) for offset in offsets for one in range(layers - offset)]
    grams, orders = [], []
    for layer in range(layers):
        z = np.asarray(states[layer], dtype=np.float64)
        if not np.isfinite(z).all():
            msg = f"states: NaN or infinity in layer {layer}"
            raise ValueError(msg)
        z = z - z.mean(axis=0)
        grams.append(recentred(f"states[{layer}]", z @ z.T))
        orders.append(nearest_neighbours(z, texts - 1))

    def measured(chosen: BoolArray) -> FloatArray:
        part = [recentred(f"states[{layer}]", gram[np.ix_(chosen, chosen)]) for layer, gram in enumerate(grams)]
        alignment = aligned(inner_products(part))
        neighbours = [neighbours_within(order, chosen, k) for order in orders]
        overlap = [shared(marked(neighbours[one]), neighbours[other]) for one, other in near]
        return np.array([[alignment[pair] for pair in near], overlap])

    value = measured(np.ones(texts, dtype=np.bool_))
    replicates = np.array([measured(half) for half in halves])
    low, high = half_sample_interval(value, replicates, halves, level=resampling.level)
    # tr(K) / |K|
    traces = [float(np.trace(gram) / np.linalg.norm(gram)) for gram in grams]
    nulls = np.array(
        [[traces[one] * traces[other] / (texts - 1) for one, other in near], [k / (texts - 1)] * len(near)]
    )
    rows: list[dict[str, object]] = [
        {
            "label": "",
            "measure": measure,
            "layer": one,
            "other_layer": other,
            "value": value[at, pair],
            "low": low[at, pair],
            "high": high[at, pair],
            "null": nulls[at, pair],
        }
        for at, measure in enumerate(("cka", "neighbourhood_overlap"))
        for pair, (one, other) in enumerate(near)
    ]
    return _frame(rows)


def complementarity(
    label: str,
    single: npt.ArrayLike,
    joint: npt.ArrayLike,
    single_samples: npt.ArrayLike,
    joint_samples: npt.ArrayLike,
    *,
    level: float,
) -> pd.DataFrame:
    """Return what two adjacent layers tell together beyond the better one of them.

    score([a_l; a_{l+1}]) - max(score(a_l), score(a_{l+1})): above 0 the layers complement each other, near 0 they are
    redundant. The larger of two noisy scores is biased upward, so that the value is biased downward, most where both
    layers are equally good (by 0.56 standard errors of a score if their noise is independent, less as it is shared).
    That is left in, for it is on the safe side: an interval above 0 means that they do complement each other, one below
    0 does not mean that they disturb each other. Choosing the better layer on other bootstrap samples would not help,
    as all samples hold the noise of the same data. Each sample takes the maximum anew.

    Args:
        label: what the probe reads.
        single: (layers,), scores of the layers.
        joint: (layers - 1,), scores of the concatenated states of a layer and the next.
        single_samples: (samples, layers), bootstrap samples of `single`.
        joint_samples: (samples, layers - 1), those of `joint`, drawn with the same groups.
        level: coverage of the intervals, between 0 and 1.

    Returns:
        Rows with COLUMNS, measure "complementarity"; `null` is 0, and there is no p.

    Raises:
        ValueError: naming the argument.
    """
    Resampling(samples=1, splits=1, level=level, seed=0)
    alone, both = np.asarray(single, dtype=np.float64), np.asarray(joint, dtype=np.float64)
    alone_samples = np.asarray(single_samples, dtype=np.float64)
    both_samples = np.asarray(joint_samples, dtype=np.float64)
    layers = len(alone)
    for name, array, shape in (
        ("joint", both, (layers - 1,)),
        ("single_samples", alone_samples, (len(both_samples), layers)),
        ("joint_samples", both_samples, (len(alone_samples), layers - 1)),
    ):
        if array.shape != shape or not array.size or not np.isfinite(array).all():
            msg = f"{name}: shape {array.shape}; expected {shape}, finite"
            raise ValueError(msg)
    value = both - np.maximum(alone[:-1], alone[1:])
    samples = both_samples - np.maximum(alone_samples[:, :-1], alone_samples[:, 1:])
    spread = np.quantile(samples - samples.mean(axis=0), ends_of(level), axis=0)
    low, high = value + spread
    rows: list[dict[str, object]] = [
        {
            "label": label,
            "measure": "complementarity",
            "layer": layer,
            "other_layer": layer + 1,
            "value": value[layer],
            "low": low[layer],
            "high": high[layer],
            "null": 0.0,
        }
        for layer in range(layers - 1)
    ]
    return _frame(rows)


# Rows ----------------------------------------------------------------------------------------------------------------


def _row(
    label: str,
    measure: str,
    value: npt.ArrayLike,
    samples: FloatArray,
    null: FloatArray,
    *,
    level: float,
    tails: int,
    layers: tuple[int, int] | None = None,
) -> dict[str, object]:
    """One row; with two tails p counts nulls as far from their mean as the value is, with one those that reach it."""
    number = float(np.asarray(value))
    ends = ends_of(level)
    low, high = number + np.quantile(samples - samples.mean(), ends)
    centre = float(null.mean())
    reached = null >= number if tails == 1 else np.abs(null - centre) >= abs(number - centre)
    null_low, null_high = np.quantile(null, ends)
    return {
        "label": label,
        "measure": measure,
        "layer": layers[0] if layers else None,
        "other_layer": layers[1] if layers else None,
        "value": number,
        "low": float(low),
        "high": float(high),
        "null": centre,
        "null_low": float(null_low),
        "null_high": float(null_high),
        "p": float((1 + reached.sum()) / (1 + len(null))),
    }


def _frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.astype({"layer": "Int64", "other_layer": "Int64"} | dict.fromkeys(COLUMNS[4:], "float64"))


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
