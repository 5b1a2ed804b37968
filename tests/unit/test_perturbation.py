"""Tokens that are replaced with a given probability: which, by what, and that larger probabilities replace more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.activations.token_replacement import Tokens, randomise_tokens, repeat_tokens

VOCABULARY: Tokens = np.arange(1000, 1100, dtype=np.int32)
TEXT: Tokens = np.arange(400, dtype=np.int32)
MANY = [TEXT + 10_000 * index for index in range(20)]
TOKENS = st.lists(st.integers(0, 50), min_size=1, max_size=80).map(lambda ids: np.array(ids, dtype=np.int32))
PROBABILITIES = st.floats(0, 1)
SEEDS = st.integers(0, 2**63 - 1)


@pytest.mark.parametrize("as_published", [False, True])
@settings(max_examples=30, deadline=None)
@given(tokens=TOKENS, p=PROBABILITIES, seed=SEEDS)
def test_repetition_takes_the_texts_own_tokens(tokens: Tokens, p: float, seed: int, as_published: bool) -> None:
    found = repeat_tokens(tokens, p, seed, as_published=as_published)
    assert found.dtype == np.int32
    assert found.shape == tokens.shape
    assert set(found) <= set(tokens)
    np.testing.assert_array_equal(repeat_tokens(tokens, 0.0, seed, as_published=as_published), tokens)


def test_every_position_draws_afresh_and_as_published_one_token_serves_all() -> None:
    assert np.unique(repeat_tokens(TEXT, 1.0, 0)).size > 200  # of 400 draws about 400 (1 - 1/e) = 253 differ
    drawn = [np.unique(repeat_tokens(TEXT, 1.0, seed, as_published=True)) for seed in range(50)]
    assert all(one.size == 1 for one in drawn)
    assert np.unique(np.concatenate(drawn)).size > 40  # another for another seed, from anywhere in the text
    half = repeat_tokens(TEXT, 0.5, 0, as_published=True)
    replaced = half[half != TEXT]
    assert 160 < replaced.size < 240
    assert np.unique(replaced).size == 1


def test_randomness_draws_from_the_vocabulary() -> None:
    found = randomise_tokens(TEXT, 1.0, 0, VOCABULARY)
    assert set(found) <= set(VOCABULARY)
    counts = np.bincount(
        np.concatenate([randomise_tokens(TEXT, 1.0, seed, VOCABULARY) for seed in range(100)]) - 1000, minlength=100
    )
    # 40,000 draws from 100: 400 each, standard deviation 20.
    assert counts.min() > 300
    assert counts.max() < 500


@settings(max_examples=30, deadline=None)
@given(tokens=TOKENS, pair=st.tuples(PROBABILITIES, PROBABILITIES), seed=SEEDS)
def test_a_larger_probability_replaces_more_of_the_same(tokens: Tokens, pair: tuple[float, float], seed: int) -> None:
    tokens = tokens + 2000  # apart from the vocabulary, so that every replacement shows
    small, large = (randomise_tokens(tokens, p, seed, VOCABULARY) for p in sorted(pair))
    replaced = small != tokens
    np.testing.assert_array_equal(large[replaced], small[replaced])
    np.testing.assert_array_equal(randomise_tokens(tokens, 0.0, seed, VOCABULARY), tokens)
    assert (randomise_tokens(tokens, 1.0, seed, VOCABULARY) != tokens).all()
    # Repetition replaces at the same positions.
    for as_published in (False, True):
        own = repeat_tokens(tokens, sorted(pair)[0], seed, as_published=as_published)
        np.testing.assert_array_equal(own[~replaced], tokens[~replaced])


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_that_is_replaced_is_the_probability(p: float) -> None:
    # 8,000 tokens: standard deviation at most 0.0056.
    share = np.mean([randomise_tokens(text, p, seed, VOCABULARY - 5000) != text for seed, text in enumerate(MANY)])
    assert abs(share - p) < 0.025


@pytest.mark.parametrize("p", [-0.1, 1.01, float("nan")])
def test_a_probability_is_from_0_to_1(p: float) -> None:
    with pytest.raises(ValueError, match="probability: expected a number from 0 to 1, found"):
        repeat_tokens(TEXT, p, 0)
    with pytest.raises(ValueError, match="probability: expected a number from 0 to 1, found"):
        randomise_tokens(TEXT, p, 0, VOCABULARY)


def test_an_empty_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="vocabulary: expected at least one token to draw from"):
        randomise_tokens(TEXT, 0.5, 0, VOCABULARY[:0])
