"""A planted sink is named where it stands out, with its rows; the profile of positions is what can be worked out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from tests.measures import measure, only

from fathom.metrics.by_text import entropy_left
from fathom.metrics.definitions.sinks import SinkProfiler, TokenProfile
from fathom.metrics.preparation import named_tokens
from fathom.metrics.sink_tables import PROFILE_COLUMNS, SINK_COLUMNS, sink_rows, summarise_profiles

Array = npt.NDArray[np.float64]
LAYERS, TOKENS, WIDTH = 5, 9, 12
SINK, SECOND = 3, 7


def planted(*, second: bool = False) -> npt.NDArray[np.float32]:
    """Unit rows; token 3 has 200 times their norm from layer 2 on, and on request token 7 fifty times at layer 4."""
    states = np.random.default_rng(0).standard_normal((LAYERS, TOKENS, WIDTH))
    states /= np.linalg.norm(states, axis=2, keepdims=True)
    states[2:, SINK] *= 200.0
    if second:
        states[4, SECOND] *= 50.0
    return np.asarray(states, dtype=np.float32)


def profile_text(states: npt.NDArray[np.float32], named: npt.NDArray[np.bool_], heads: Array) -> TokenProfile:
    return SinkProfiler(attention_threshold=0.3, positions=64).profile(states, named, heads)


def no_heads() -> Array:
    return np.full((LAYERS, TOKENS), np.nan)


def rows_of(states: npt.NDArray[np.float32], heads: Array | None = None) -> pd.DataFrame:
    named = named_tokens(states, 20.0)
    profile = profile_text(states, named, no_heads() if heads is None else heads)
    left = entropy_left(states, np.flatnonzero(named.any(axis=0)), measure("prompt_entropy", "centred"))
    return sink_rows(profile, left, np.arange(100, 100 + TOKENS, dtype=np.int32), multiple=20.0)


def test_the_planted_token_is_named_where_it_stands_out() -> None:
    named = named_tokens(planted(), 20.0)
    expected = np.zeros((LAYERS, TOKENS), dtype=bool)
    expected[2:, SINK] = True
    assert (named == expected).all()
    assert not named_tokens(planted(), 201.0).any()
    assert (named_tokens(planted(), 199.0) == expected).all()


def test_a_layer_whose_median_norm_is_zero_is_refused() -> None:
    states = planted()
    states[1, :6] = 0.0
    with pytest.raises(ValueError, match="median 0"):
        named_tokens(states, 20.0)


def test_norm_and_activation_ratios() -> None:
    states = planted()
    profile = profile_text(states, named_tokens(states, 20.0), no_heads())
    # Norms are 1 but for the sink's, so the median is 1.
    np.testing.assert_allclose(profile.norms[:2], 1.0, rtol=1e-6)
    np.testing.assert_allclose(profile.norms[2:, SINK], 200.0, rtol=1e-6)
    np.testing.assert_allclose(np.delete(profile.norms, SINK, axis=1), 1.0, rtol=1e-6)
    for row, z in enumerate(states):
        expected = np.abs(z).max(axis=1) / np.median(np.abs(z))
        np.testing.assert_allclose(profile.activations[row], expected, rtol=1e-6)
    assert (profile.activations[2:, SINK] > 200).all()


def test_rows_of_a_sink() -> None:
    states = planted()
    table = rows_of(states)
    assert list(table.columns) == SINK_COLUMNS
    assert table["row"].tolist() == list(range(LAYERS))  # at every layer, also where it is not named yet
    assert set(table["position"]) == {SINK}
    assert set(table["token"]) == {"103"}
    assert set(table["rule"]) == {"norm > 20 x median"}
    assert table["named"].tolist() == [False, False, True, True, True]
    np.testing.assert_allclose(table["norm_ratio"], [1, 1, 200, 200, 200], rtol=1e-6)
    assert table["heads"].isna().all()
    entropy = measure("prompt_entropy", "centred")
    np.testing.assert_allclose(
        table[["entropy", "entropy_left"]], entropy_left(states, np.array([SINK]), entropy), rtol=1e-12
    )
    assert (table["entropy_left"] > table["entropy"] + 0.1)[2:].all()


def test_several_sinks_are_told_apart() -> None:
    heads = np.arange(LAYERS * TOKENS, dtype=float).reshape(LAYERS, TOKENS) / 100
    table = rows_of(planted(second=True), heads)
    assert list(zip(table["row"], table["position"], strict=True)) == [
        (row, position) for row in range(LAYERS) for position in (SINK, SECOND)
    ]
    second = only(table, position=SECOND)
    assert set(second["token"]) == {"107"}
    assert second["named"].tolist() == [False] * 4 + [True]
    np.testing.assert_allclose(second["norm_ratio"], [1, 1, 1, 1, 50], rtol=1e-6)
    np.testing.assert_allclose(table["heads"], heads[:, [SINK, SECOND]].ravel())
    left = entropy_left(planted(second=True), np.array([SINK, SECOND]), measure("prompt_entropy", "centred"))
    np.testing.assert_allclose(only(table, position=SINK)["entropy_left"], left[:, 1], rtol=1e-12)
    np.testing.assert_allclose(second["entropy_left"], left[:, 2], rtol=1e-12)
    np.testing.assert_allclose(second["entropy"], left[:, 0], rtol=1e-12)


def test_a_text_without_sinks_has_no_rows() -> None:
    states = planted()[:2]
    profile = profile_text(states, named_tokens(states, 20.0), no_heads()[:2])
    table = sink_rows(profile, np.zeros((2, 1)), np.arange(TOKENS, dtype=np.int32), multiple=20.0)
    assert list(table.columns) == SINK_COLUMNS
    assert len(table) == 0


# The profile of positions --------------------------------------------------------------------------------------------


def flat(norm: float, tokens: int, *, named: npt.ArrayLike = False, heads: float = np.nan) -> TokenProfile:
    """One layer whose tokens have the norm ratio norm, norm + 1, ... by position; activations ten times that."""
    ratios: Array = np.array([norm + np.arange(tokens)], dtype=np.float64)
    marked = np.broadcast_to(np.asarray(named, dtype=np.bool_), ratios.shape)
    return TokenProfile(norms=ratios, activations=10 * ratios, heads=np.full(ratios.shape, heads), named=marked)


def test_median_and_quartiles_over_texts() -> None:
    profiles = [flat(norm, 3, named=[[norm > 3, False, norm == 9]]) for norm in (1.0, 2.0, 3.0, 4.0, 9.0)]
    table = summarise_profiles(profiles, positions=10)
    assert list(table.columns) == PROFILE_COLUMNS
    assert table["position"].tolist() == [0, 1, 2]
    assert table["norm_ratio"].tolist() == pytest.approx([3, 4, 5])
    assert table["low"].tolist() == pytest.approx([2, 3, 4])
    assert table["high"].tolist() == pytest.approx([4, 5, 6])
    assert table["activation_ratio"].tolist() == pytest.approx([30, 40, 50])
    assert table["sink_rate"].tolist() == pytest.approx([0.4, 0.0, 0.2])
    assert table["texts"].tolist() == [5, 5, 5]
    assert table["heads"].isna().all()


def test_a_text_counts_as_far_as_it_reaches() -> None:
    profiles = [flat(1.0, 2, named=True), flat(3.0, 4, heads=0.5), flat(5.0, 4, named=True)]
    table = summarise_profiles(profiles, positions=3)
    assert table["position"].tolist() == [0, 1, 2]
    assert table["texts"].tolist() == [3, 3, 2]
    assert table["norm_ratio"].tolist() == pytest.approx([3.0, 4.0, 6.0])
    assert table["sink_rate"].tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 2])
    assert table["heads"].tolist() == pytest.approx([0.5, 0.5, 0.5])  # of the one text that was sampled
    cut = summarise_profiles([profile.first(3) for profile in profiles], positions=3)
    pd.testing.assert_frame_equal(cut, table, check_exact=True)


def test_heads_are_averaged_over_the_sampled_texts_alone() -> None:
    profiles = [flat(1.0, 2, heads=0.25), flat(1.0, 2), flat(1.0, 1, heads=0.75)]
    assert summarise_profiles(profiles, positions=8)["heads"].tolist() == pytest.approx([0.5, 0.25])


def test_layers_and_positions_are_not_mixed_up() -> None:
    states = planted()
    heads = no_heads()
    heads[1:] = np.arange(4)[:, np.newaxis] / 4  # the embedding layer has no heads
    table = summarise_profiles([profile_text(states, named_tokens(states, 20.0), heads)], positions=6)
    assert len(table) == LAYERS * 6
    named = table[table["sink_rate"] == 1]
    assert list(zip(named["row"], named["position"], strict=True)) == [(2, SINK), (3, SINK), (4, SINK)]
    np.testing.assert_allclose(named["norm_ratio"], 200.0, rtol=1e-6)
    assert only(table, row=0)["heads"].isna().all()
    np.testing.assert_allclose(only(table, row=3)["heads"], 0.5)
