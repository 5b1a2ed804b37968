"""Which texts run together: shards of a corpus, windows that fit into memory, batches of similar length."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
LEAST_ALIKE = 0.85
"""A text is alike to the longest of its batch if it has this share of its tokens: the padding that is left then costs
less than more and smaller batches do (tried on texts of 3 tokens and of 117)."""
FULL_ENOUGH = 256
"""Tokens of a batch, with padding, that keep a core busy: a smaller one takes texts of any length."""


def even_cut(sizes: Sequence[int], shards: int) -> list[int]:
    """Edges of a cut into consecutive shards, the largest of which is as small as can be.

    Shard s holds the texts edges[s] .. edges[s + 1] - 1.
    `sizes` are the tokens of every text, all positive; shards is at most their number, and no shard is empty. Many cuts
    have the same largest shard. This one takes edge after edge, each where an even cut would have it or as near as
    leaves no shard larger than that (the earlier of two that are as near).
    """
    ends = [0, *itertools.accumulate(sizes)]
    largest = _smallest_largest(ends, max(sizes), shards)
    earliest = _earliest_edges(ends, largest, shards)
    edges = [0]
    for made in range(1, shards):
        first = edges[-1]
        low = max(first + 1, earliest[made])
        high = min(_reach(ends, first, largest), len(sizes) - (shards - made))
        edges.append(min(max(_nearest(ends, ends[-1] * made / shards), low), high))
    return [*edges, len(sizes)]


def _smallest_largest(ends: Sequence[int], longest: int, shards: int) -> int:
    """The least limit under which so many shards hold all texts, or fewer, which can be cut further."""
    low, high = max(longest, -(-ends[-1] // shards)), ends[-1]
    while low < high:
        limit = (low + high) // 2
        if _fits(ends, limit, shards):
            high = limit
        else:
            low = limit + 1
    return low


def _fits(ends: Sequence[int], limit: int, shards: int) -> bool:
    """Whether so many shards hold all texts, if each takes as many as the limit lets it."""
    edge = 0
    for _ in range(shards):
        edge = _reach(ends, edge, limit)
        if edge == len(ends) - 1:
            return True
    return False


def _reach(ends: Sequence[int], first: int, limit: int) -> int:
    """Last + 1 text of the longest shard that starts at `first` and keeps the limit."""
    return bisect.bisect_right(ends, ends[first] + limit, lo=first) - 1


def _earliest_edges(ends: Sequence[int], limit: int, shards: int) -> list[int]:
    """Of every edge the first place that leaves no more texts behind it than the shards behind it may hold."""
    edges = [len(ends) - 1]
    for _ in range(shards):
        edges.append(bisect.bisect_left(ends, ends[edges[-1]] - limit))
    return edges[::-1]


def _nearest(ends: Sequence[int], wanted: float) -> int:
    """The edge whose texts before it sum nearest to what is wanted."""
    after = bisect.bisect_left(ends, wanted)
    return after - 1 if after and wanted - ends[after - 1] <= ends[after] - wanted else after


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
    """Indices of texts that run together: longest first, at most `token_budget` tokens with padding.

    A batch that has FULL_ENOUGH tokens ends before a text that is much shorter than its longest (LEAST_ALIKE), for a
    padded place costs as much as a token.
    """
    order = np.argsort(-lengths, kind="stable")
    descending = lengths[order]
    found = []
    first = 0
    while first < len(order):
        longest = int(descending[first])
        alike = int(np.searchsorted(-descending, -LEAST_ALIKE * longest, side="right")) - first
        count = min(max(1, token_budget // longest), max(alike, -(-FULL_ENOUGH // longest)))
        found.append(order[first : first + count])
        first += count
    return found
