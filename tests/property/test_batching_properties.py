"""Every text runs exactly once, whatever the lengths and budgets."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.activations.batching import FULL_ENOUGH, LEAST_ALIKE, batches, even_cut, windows

LENGTHS = st.lists(st.integers(1, 3000), min_size=1, max_size=60)


@settings(max_examples=200, deadline=None)
@given(sizes=LENGTHS, data=st.data())
def test_shards_cover_all_texts_once_in_order_and_evenly(sizes: list[int], data: st.DataObject) -> None:
    shards = data.draw(st.integers(1, len(sizes)))
    edges = even_cut(sizes, shards)
    assert (edges[0], edges[-1], len(edges)) == (0, len(sizes), shards + 1)
    assert all(first < last for first, last in itertools.pairwise(edges))
    assert largest(sizes, edges) <= sum(sizes) / shards + max(sizes)


@settings(max_examples=200, deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=9), data=st.data())
def test_no_cut_has_a_smaller_largest_shard(sizes: list[int], data: st.DataObject) -> None:
    shards = data.draw(st.integers(1, len(sizes)))
    inner = itertools.combinations(range(1, len(sizes)), shards - 1)
    best = min(largest(sizes, [0, *edges, len(sizes)]) for edges in inner)
    assert largest(sizes, even_cut(sizes, shards)) == best


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 3000), each=st.integers(1, 9), shards=st.integers(1, 9))
def test_texts_that_can_be_cut_evenly_are(size: int, each: int, shards: int) -> None:
    assert even_cut([size] * (each * shards), shards) == list(range(0, each * shards + 1, each))


def largest(sizes: list[int], edges: list[int]) -> int:
    """Tokens of the largest shard."""
    return max(sum(sizes[first:last]) for first, last in itertools.pairwise(edges))


@settings(max_examples=50, deadline=None)
@given(lengths=LENGTHS, max_tokens=st.integers(1, 10_000))
def test_windows_cover_every_text_once_in_order_within_the_budget(lengths: list[int], max_tokens: int) -> None:
    found = windows(np.array(lengths), max_tokens)
    assert [text for first, last in found for text in range(first, last)] == list(range(len(lengths)))
    for first, last in found:
        assert sum(lengths[first:last]) <= max_tokens or last == first + 1
    # No window could have taken the next text too.
    for (first, last), _ in itertools.pairwise(found):
        assert sum(lengths[first : last + 1]) > max_tokens


@settings(max_examples=50, deadline=None)
@given(lengths=LENGTHS, token_budget=st.integers(1, 10_000))
def test_batches_cover_every_text_once_within_the_budget(lengths: list[int], token_budget: int) -> None:
    found = batches(np.array(lengths), token_budget)
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    for batch in found:
        longest = max(lengths[text] for text in batch)
        assert longest * len(batch) <= token_budget or len(batch) == 1
        shortest = min(lengths[text] for text in batch)
        assert shortest >= LEAST_ALIKE * longest or longest * (len(batch) - 1) < FULL_ENOUGH
    # Longest first: the batch that needs most memory comes first, and pads are few.
    assert np.all(np.diff([lengths[text] for text in np.concatenate(found)]) <= 0)
