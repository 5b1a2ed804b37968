"""Coordination of attention to the same items in adjacent layers."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from fathom.probes.coordination.resampling import ROUND_OFF, CoordinationResampling, measure_frame, measure_row
from fathom.statistics.arrays import FloatArray, IntArray
from fathom.statistics.resampling import group_codes, group_weights

if TYPE_CHECKING:
    from collections.abc import Sequence


def item_weights(
    pattern: npt.ArrayLike, query: int, items: Sequence[Sequence[int]], *, drop: int | None = 0
) -> FloatArray:
    """Return how much of a query token's attention goes to each item of a text.

    The weights of an item's tokens are summed, after the column of one token has been dropped and the others have been
    made to sum to 1 again: most attention rests on the first token, whatever the text (Sun et al., arXiv 2402.17762).
    A head that gives everything to that token attends to no item and has 0.

    Args:
        pattern: (blocks, heads, tokens, tokens), attention weights of one text, rows summing to 1; NaN throughout for a
            block without attention.
        query: index of the token that attends, usually the last one of the last item.
        items: the token indices of each item.
        drop: index of the token to drop, or None.

    Returns:
        (blocks, heads, items), 0 to 1; NaN for a block without attention.

    Raises:
        ValueError: naming the argument.
    """
    weights = np.asarray(pattern, dtype=np.float64)
    if weights.ndim != 4 or weights.shape[2] != weights.shape[3] or not _known_blocks(weights, 0).any():
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
    row = row / np.where(total == 0, 1.0, total)
    return np.stack([row[..., list(item)].sum(axis=-1) for item in items], axis=-1)


def attention_coordination(
    weights: npt.ArrayLike,
    groups: npt.ArrayLike,
    resampling: CoordinationResampling,
    *,
    stratify_by: npt.ArrayLike | None = None,
    kv_groups: int | None = None,
    offsets: Sequence[int] = (1, 2, 3),
) -> pd.DataFrame:
    """Return whether blocks attend to an item in the same texts as other blocks do.

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
        weights: (texts, blocks, heads, items), as `item_weights` gives them; at least 4 texts and 2 blocks. Blocks
            without attention are in no pair.
        groups: (texts,) names, at least two different ones.
        resampling: how intervals and nulls are made (without `splits`).
        stratify_by: (texts,) names of strata; left out, all texts are one stratum.
        kv_groups: number of key-value heads; the weights of query heads that share one are averaged before heads are
            matched. Left out, each query head is its own.
        offsets: distances between blocks to average over.

    Returns:
        Rows with COLUMNS; layers are blocks from 0.

    Raises:
        ValueError: naming the argument.
    """
    table = np.asarray(weights, dtype=np.float64)
    known = _known_blocks(table, 1) if table.ndim == 4 else np.zeros(0, dtype=np.bool_)
    if table.ndim != 4 or len(table) < 4 or known.sum() < 2 or 0 in table.shape:
        msg = f"weights: shape {table.shape}; expected finite (texts >= 4, blocks >= 2, heads, items)"
        raise ValueError(msg)
    texts, blocks, heads, items = table.shape
    for name, names in (("groups", groups), ("stratify_by", stratify_by)):
        if names is not None and len(np.asarray(names, dtype=object)) != texts:
            msg = f"{name}: {len(np.asarray(names, dtype=object))} names for {texts} texts"
            raise ValueError(msg)
    if kv_groups is not None and (kv_groups < 1 or heads % kv_groups):
        msg = f"kv_groups: {kv_groups}; expected a divisor of {heads} heads"
        raise ValueError(msg)
    drawn = group_weights(groups, samples=resampling.samples, seed=resampling.seed).astype(np.float64)
    orders = _orders_within(np.zeros(texts) if stratify_by is None else stratify_by, resampling)
    everything = np.ones(texts)
    table = np.where(known[:, np.newaxis, np.newaxis], table, 0.0)
    both = known[:, np.newaxis] & known

    of_blocks = np.moveaxis(table.mean(axis=2), 2, 0)  # (items, texts, blocks)
    value = _weighted_correlations(of_blocks, of_blocks, everything)
    samples = np.stack([_weighted_correlations(of_blocks, of_blocks, one) for one in drawn])
    null = np.stack([_weighted_correlations(of_blocks, of_blocks[:, order], everything) for order in orders])
    rows = [
        measure_row(
            "",
            "attention",
            value[one, other],
            samples[:, one, other],
            null[:, one, other],
            level=resampling.level,
            tails=2,
            layers=(one, other),
        )
        for one, other in combinations(np.flatnonzero(known).tolist(), 2)
    ]
    rows += [
        measure_row(
            f"offset {offset}",
            "attention_adjacent",
            *(
                np.diagonal(part, offset, axis1=-2, axis2=-1)[..., np.diagonal(both, offset)].mean(axis=-1)
                for part in (value, samples, null)
            ),
            level=resampling.level,
            tails=2,
        )
        for offset in offsets
        if offset < blocks and np.diagonal(both, offset).any()
    ]

    own = table if kv_groups is None else table.reshape(texts, blocks, kv_groups, -1, items).mean(axis=3)
    of_heads = np.moveaxis(own, (1, 3), (0, 1))  # (blocks, items, texts, heads)
    for block, (one, other) in enumerate(pairwise(of_heads)):
        if not both[block, block + 1]:
            continue
        rows.append(
            measure_row(
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
    return measure_frame(rows)


def _known_blocks(table: FloatArray, axis: int) -> npt.NDArray[np.bool_]:
    """Which blocks, along an axis, have attention.

    Raises ValueError where a block has numbers and others among them.
    """
    others = tuple(other for other in range(table.ndim) if other != axis)
    known = np.asarray(np.isfinite(table).all(axis=others), dtype=np.bool_)
    if not np.isnan(np.compress(~known, table, axis=axis)).all():
        msg = "weights: a block holds numbers that are not finite; expected finite ones, or NaN throughout"
        raise ValueError(msg)
    return known


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


def _orders_within(strata: npt.ArrayLike, resampling: CoordinationResampling) -> IntArray:
    """Permutations (samples, texts) that keep every text in its stratum."""
    codes = group_codes(strata)
    places = np.argsort(codes, kind="stable")
    rng = np.random.default_rng(resampling.seed)
    orders = np.empty((resampling.samples, len(codes)), dtype=np.int64)
    for order in orders:
        order[places] = np.lexsort((rng.random(len(codes)), codes))
    return orders
