"""Shards, windows and batches of a few texts, by hand."""

from __future__ import annotations

import numpy as np

from fathom.activations.batching import batches, shard_range, windows


def test_shards_of_even_texts_are_even() -> None:
    assert [shard_range([1, 1, 1, 1], shard, 2) for shard in range(2)] == [(0, 2), (2, 4)]
    assert [shard_range([5] * 9, shard, 3) for shard in range(3)] == [(0, 3), (3, 6), (6, 9)]


def test_one_shard_holds_everything() -> None:
    assert shard_range([3, 1, 4], 0, 1) == (0, 3)


def test_a_long_text_takes_a_shard_of_its_own() -> None:
    assert [shard_range([1000, 1, 1, 1], shard, 2) for shard in range(2)] == [(0, 1), (1, 4)]
    assert [shard_range([1, 1, 1, 1000], shard, 3) for shard in range(3)] == [(0, 2), (2, 3), (3, 4)]


def test_as_many_shards_as_texts() -> None:
    assert [shard_range([7, 1, 1, 90], shard, 4) for shard in range(4)] == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_texts_without_characters_still_count() -> None:
    assert [shard_range([0, 0, 0, 0], shard, 2) for shard in range(2)] == [(0, 2), (2, 4)]


def test_windows() -> None:
    assert windows(np.array([3, 3, 3, 9, 1, 1]), 6) == [(0, 2), (2, 3), (3, 4), (4, 6)]


def test_batches_start_with_the_longest_texts() -> None:
    found = [batch.tolist() for batch in batches(np.array([2, 9, 4, 4, 1]), 10)]
    assert found == [[1], [2, 3], [0, 4]]
