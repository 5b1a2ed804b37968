"""Which texts run together: shards of a corpus, windows that fit into memory, batches of similar length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def shard_range(sizes: Sequence[int], shard: int, shards: int) -> tuple[int, int]:
    """First and last + 1 text of a shard: consecutive texts, with about the same total size in every shard.

    `sizes` are any measure of the texts' length (characters, before they are tokenised); `shard` counts from 0.
    """
    ends = np.cumsum(np.maximum(sizes, 1))
    edges = np.searchsorted(ends, ends[-1] * np.arange(1, shards) / shards, side="left") + 1
    # With fewer texts than shards wish for, edges would coincide: every shard keeps one text, and room for one is left.
    for index in range(len(edges)):
        low = (edges[index - 1] if index else 0) + 1
        edges[index] = min(max(edges[index], low), len(sizes) - (shards - 1 - index))
    bounds = [0, *edges.tolist(), len(sizes)]
    return int(bounds[shard]), int(bounds[shard + 1])


def windows(sizes: IntArray, limit: int) -> list[tuple[int, int]]:
    """Consecutive ranges of texts whose sizes sum to at most `limit` (or one text, where that is larger)."""
    ends = np.cumsum(sizes)
    ranges = []
    first = 0
    while first < len(sizes):
        reach = (ends[first - 1] if first else 0) + limit
        last = max(first + 1, int(np.searchsorted(ends, reach, side="right")))
        ranges.append((first, last))
        first = last
    return ranges


def batches(lengths: IntArray, token_budget: int) -> list[IntArray]:
    """Indices of texts that run together: longest first, at most `token_budget` tokens with padding."""
    order = np.argsort(-lengths, kind="stable")
    found = []
    first = 0
    while first < len(order):
        count = max(1, token_budget // int(lengths[order[first]]))
        found.append(order[first : first + count])
        first += count
    return found
