"""Shards, windows and batches of a few texts, by hand."""

from __future__ import annotations

import numpy as np

from fathom.activations.batching import batches, even_cut, windows


def test_shards_of_even_texts_are_even() -> None:
    assert even_cut([1, 1, 1, 1], 2) == [0, 2, 4]
    assert even_cut([5] * 9, 3) == [0, 3, 6, 9]


def test_one_shard_holds_everything() -> None:
    assert even_cut([3, 1, 4], 1) == [0, 3]


def test_a_long_text_takes_a_shard_of_its_own() -> None:
    assert even_cut([1000, 1, 1, 1], 2) == [0, 1, 4]
    assert even_cut([1, 1, 1, 1000], 3) == [0, 2, 3, 4]


def test_as_many_shards_as_texts() -> None:
    assert even_cut([7, 1, 1, 90], 4) == [0, 1, 2, 3, 4]


def test_the_largest_shard_is_as_small_as_can_be() -> None:
    assert even_cut([3, 4, 4, 1], 2) == [0, 2, 4]
    assert even_cut([1, 2, 6, 3, 3], 3) == [0, 2, 3, 5]


def test_windows() -> None:
    assert windows(np.array([3, 3, 3, 9, 1, 1]), 6) == [(0, 2), (2, 3), (3, 4), (4, 6)]


def test_batches_start_with_the_longest_texts() -> None:
    found = [batch.tolist() for batch in batches(np.array([2, 9, 4, 4, 1]), 10)]
    assert found == [[1], [2, 3], [0, 4]]


def test_a_batch_that_is_full_enough_ends_before_a_much_shorter_text() -> None:
    lengths = np.array([100, 90, 85, 84, 40, 40])
    assert [batch.tolist() for batch in batches(lengths, 2048)] == [[0, 1, 2], [3, 4, 5]]


def test_few_tokens_run_together_whatever_their_texts_lengths() -> None:
    assert [batch.tolist() for batch in batches(np.array([9, 3, 1]), 2048)] == [[0, 1, 2]]
