"""Norm, activation and attention profiles where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from fathom.metrics import activation_ratios, attention_rank, heads_attending, norm_ratios

Array = npt.NDArray[np.float64]


def test_norm_ratios_are_norms_over_their_median() -> None:
    z = np.array([[300.0, 400.0], [3.0, 4.0], [0.0, 5.0], [0.0, 1.0], [6.0, 8.0]])
    assert norm_ratios(z) == pytest.approx([100.0, 1.0, 1.0, 0.2, 2.0])
    with pytest.raises(ValueError, match=r"`z` has median norm 0"):
        norm_ratios([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]])


def test_activation_ratios_are_largest_over_all_activations_of_the_text() -> None:
    # Magnitudes 900, 1, 2, 2, 3, 1: the median is 2.
    z = np.array([[-900.0, 1.0], [2.0, -2.0], [3.0, 1.0]])
    assert activation_ratios(z) == pytest.approx([450.0, 1.0, 1.5])
    with pytest.raises(ValueError, match=r"`z` has median \|activation\| 0"):
        activation_ratios([[0.0, 0.0], [0.0, 1.0]])
    for profile in (norm_ratios, activation_ratios):
        with pytest.raises(ValueError, match=r"`z` holds nan"):
            profile([[math.nan, 1.0]])


@pytest.mark.parametrize(("tokens", "width"), [(1, 1), (1, 2), (2, 1), (7, 9), (8, 9)])
def test_ratios_are_over_the_median_of_numpy(tokens: int, width: int) -> None:
    z = np.random.default_rng(tokens).standard_normal((tokens, width))
    assert activation_ratios(z) == pytest.approx(np.abs(z).max(axis=1) / np.median(np.abs(z)), rel=1e-15)
    norms = np.linalg.norm(z, axis=1)
    assert norm_ratios(z) == pytest.approx(norms / np.median(norms), rel=1e-14)


def first_token(tokens: int, share: float) -> Array:
    """Causal attention: `share` to the first token, the rest to the token itself."""
    pattern = (1.0 - share) * np.eye(tokens)
    pattern[:, 0] += share
    return pattern


def test_heads_attend_to_the_token_with_their_attention() -> None:
    # Three heads give 0.6, 0.28 and 0.1 to the first token. That token gives itself 1, so the means over 10 queries are
    # a little higher: 0.64, 0.352 and 0.19.
    block = np.stack([first_token(10, share) for share in (0.6, 0.28, 0.1)])
    # The others are attended to by themselves alone, 1 - share of the 10 - j queries that can see them.
    own = [[(1 - share) / (10 - j) > 0.3 for share in (0.6, 0.28, 0.1)] for j in range(1, 10)]
    expected = [2 / 3, *np.mean(own, axis=1)]
    assert heads_attending(block[np.newaxis]) == pytest.approx(np.array([expected]))
    for threshold, share in ((0.18, 1.0), (0.2, 2 / 3), (0.36, 1 / 3), (0.65, 0.0)):
        assert heads_attending(block[np.newaxis], threshold=threshold)[0, 0] == pytest.approx(share)
    # Blocks are counted by themselves.
    both = heads_attending(np.stack([block, np.stack([np.eye(10)] * 3)]))
    assert both[0] == pytest.approx(expected)
    assert both[1] == pytest.approx([0.0] * 7 + [1.0] * 3)


def test_heads_attending_counts_only_queries_that_can_see() -> None:
    # Uniform causal attention: token j gets the mean of 1 / (i + 1) over i >= j.
    tokens = 6
    causal = np.tril(np.ones((tokens, tokens))) / np.arange(1, tokens + 1)[:, np.newaxis]
    means = [np.mean([1 / (i + 1) for i in range(j, tokens)]) for j in range(tokens)]
    for threshold in (0.17, 0.2, 0.25, 0.3, 0.4):
        expected = [float(mean > threshold) for mean in means]
        assert heads_attending(causal[np.newaxis, np.newaxis], threshold=threshold)[0].tolist() == expected
    # The same numbers, but with one query that sees a later token: all six queries count for every token.
    both_ways = causal.copy()
    both_ways[0] = [0.5, 0.0, 0.0, 0.0, 0.0, 0.5]
    means = list(both_ways.mean(axis=0))
    for threshold in (0.03, 0.1, 0.15, 0.3):
        expected = [float(mean > threshold) for mean in means]
        assert heads_attending(both_ways[np.newaxis, np.newaxis], threshold=threshold)[0].tolist() == expected


def test_attention_rank_of_known_maps() -> None:
    tokens = 8
    alike = np.full((tokens, tokens), 1 / tokens)
    to_first = first_token(tokens, 1.0)
    own = np.eye(tokens)
    halves = np.kron(np.eye(2), np.full((4, 4), 0.25))
    found = attention_rank(np.stack([[alike, to_first], [own, halves]]))
    assert found == pytest.approx(np.array([[1.0, 1.0], [8.0, 2.0]]), rel=1e-6)
    with pytest.raises(ValueError, match=r"is zero, so it has no spectrum"):
        attention_rank(np.zeros((1, 1, 3, 3)))


@pytest.mark.parametrize("profile", [heads_attending, attention_rank])
def test_refuse_what_is_no_attention(profile: type) -> None:
    good = np.stack([[first_token(4, 0.5)]])
    for bad, expected in (
        (good[0], r"has shape \(1, 4, 4\); expected 4 axes"),
        (good[:, :, :3], r"has shape \(1, 1, 3, 4\); expected as many queries as tokens"),
        (-good, r"holds numbers from -1 to 0?"),
        (20.0 * good, r"holds numbers from 0 to 20; expected attention"),
        (np.where(good > 0.9, np.nan, good), r"holds nan at \(0, 0, 0, 0\)"),
    ):
        with pytest.raises(ValueError, match=rf"`maps` {expected}"):
            profile(bad)


def test_heads_attending_refuses_a_threshold_that_is_no_share() -> None:
    for threshold in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"`threshold` is .*; expected a number from 0 to 1"):
            heads_attending(np.ones((1, 1, 1, 1)), threshold=threshold)
