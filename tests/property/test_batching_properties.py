"""Every text runs exactly once, whatever the lengths and budgets."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.activations.batching import batches, shard_range, windows

LENGTHS = st.lists(st.integers(1, 3000), min_size=1, max_size=60)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=60), data=st.data())
def test_shards_cover_all_texts_once_in_order_and_evenly(sizes: list[int], data: st.DataObject) -> None:
    shards = data.draw(st.integers(1, len(sizes)))
    bounds = [shard_range(sizes, shard, shards) for shard in range(shards)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == len(sizes)
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(bounds))
    assert all(first < last for first, last in bounds)
    counted = np.maximum(sizes, 1)
    even = counted.sum() / shards
    assert all(abs(counted[first:last].sum() - even) <= max(even, counted.max()) for first, last in bounds)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(1, 100), min_size=1, max_size=60), data=st.data())
def test_shards_end_within_one_text_of_where_they_should(sizes: list[int], data: st.DataObject) -> None:
    # Where no text is longer than a shard, nothing has to move to keep the shards from being empty.
    shards = data.draw(st.integers(1, max(1, sum(sizes) // max(sizes))))
    even = sum(sizes) / shards
    for shard in range(shards):
        first, last = shard_range(sizes, shard, shards)
        assert abs(sum(sizes[first:last]) - even) <= max(sizes)


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
    # Longest first: the batch that needs most memory comes first, and pads are few.
    assert np.all(np.diff([lengths[text] for text in np.concatenate(found)]) <= 0)
