"""A planted sink has its rows and its margin; the profile of positions is what can be worked out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from tests.measures import measure, only

from fathom.metrics.by_text import entropy_left
from fathom.metrics.definitions.sinks import SinkProfiler, TokenProfile, norm_ratios
from fathom.metrics.sink_tables import (
    MARGIN_COLUMNS,
    PROFILE_COLUMNS,
    SINK_COLUMNS,
    margins,
    sink_rows,
    summarise_profiles,
)

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


def profile_text(states: npt.NDArray[np.float32], heads: Array, multiple: float = 20.0) -> TokenProfile:
    """Profile by norms alone: the score of a token is its largest norm ratio over `multiple`."""
    norms = np.stack([norm_ratios(layer) for layer in states])
    return SinkProfiler(positions=64).profile(states, norms, heads, norms.max(axis=0) / multiple)


def no_heads() -> Array:
    return np.full((LAYERS, TOKENS), np.nan)


def rows_of(states: npt.NDArray[np.float32], heads: Array | None = None) -> pd.DataFrame:
    profile = profile_text(states, no_heads() if heads is None else heads)
    left = entropy_left(states, np.flatnonzero(profile.sinks), measure("prompt_entropy", "centred"))
    ids = np.arange(100, 100 + TOKENS, dtype=np.int32)
    return sink_rows(profile, left, ids, {int(token): f"word {token}" for token in ids})


def test_norm_and_activation_ratios() -> None:
    states = planted()
    profile = profile_text(states, no_heads())
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
    assert [*table.columns, "rule"] == SINK_COLUMNS
    assert table["row"].tolist() == list(range(LAYERS))  # at every layer, also where its norm is an ordinary one
    assert set(table["position"]) == {SINK}
    assert set(table["token"]) == {"word 103"}
    assert set(table["token_id"]) == {103}
    np.testing.assert_allclose(table["score"], 10.0, rtol=1e-6)
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
    assert set(second["token"]) == {"word 107"}
    np.testing.assert_allclose(second["score"], 2.5, rtol=1e-6)
    np.testing.assert_allclose(second["norm_ratio"], [1, 1, 1, 1, 50], rtol=1e-6)
    np.testing.assert_allclose(table["heads"], heads[:, [SINK, SECOND]].ravel())
    left = entropy_left(planted(second=True), np.array([SINK, SECOND]), measure("prompt_entropy", "centred"))
    np.testing.assert_allclose(only(table, position=SINK)["entropy_left"], left[:, 1], rtol=1e-12)
    np.testing.assert_allclose(second["entropy_left"], left[:, 2], rtol=1e-12)
    np.testing.assert_allclose(second["entropy"], left[:, 0], rtol=1e-12)


def test_a_text_without_sinks_has_no_rows() -> None:
    states = planted()[:2]
    profile = profile_text(states, no_heads()[:2])
    table = sink_rows(profile, np.zeros((2, 1)), np.arange(TOKENS, dtype=np.int32), {})
    assert [*table.columns, "rule"] == SINK_COLUMNS
    assert len(table) == 0


def test_margins_are_of_the_weakest_sink_and_the_nearest_other_token() -> None:
    table = margins([np.array([8.0, 0.3, 1.5, 1.0]), np.array([0.2, 0.7]), np.array([3.0])])
    assert list(table.columns) == MARGIN_COLUMNS
    assert table["tokens"].tolist() == [4, 2, 1]
    assert table["sink_tokens"].tolist() == [2, 0, 1]
    np.testing.assert_array_equal(table["weakest_sink"], [1.5, np.nan, 3.0])
    np.testing.assert_array_equal(table["nearest_other"], [1.0, 0.7, np.nan])


def test_a_layer_of_zeros_has_no_activation_ratio() -> None:
    states = planted()
    states[1, :7] = 0.0
    profile = SinkProfiler(positions=64).profile(states, no_heads(), no_heads(), np.zeros(TOKENS))
    assert np.isnan(profile.activations[1]).all()
    assert np.isfinite(np.delete(profile.activations, 1, axis=0)).all()


# The profile of positions --------------------------------------------------------------------------------------------


def flat(norm: float, tokens: int, *, sinks: npt.ArrayLike = False, heads: float = np.nan) -> TokenProfile:
    """One layer whose tokens have the norm ratio norm, norm + 1, ... by position; activations ten times that."""
    ratios: Array = np.array([norm + np.arange(tokens)], dtype=np.float64)
    scores = 2.0 * np.broadcast_to(np.asarray(sinks, dtype=np.float64), tokens)
    return TokenProfile(norms=ratios, activations=10 * ratios, heads=np.full(ratios.shape, heads), scores=scores)


def test_median_and_quartiles_over_texts() -> None:
    profiles = [flat(norm, 3, sinks=[norm > 3, False, norm == 9]) for norm in (1.0, 2.0, 3.0, 4.0, 9.0)]
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
    profiles = [flat(1.0, 2, sinks=True), flat(3.0, 4, heads=0.5), flat(5.0, 4, sinks=True)]
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
    table = summarise_profiles([profile_text(states, heads)], positions=6)
    assert len(table) == LAYERS * 6
    sinks = table[table["sink_rate"] == 1]
    assert list(zip(sinks["row"], sinks["position"], strict=True)) == [(row, SINK) for row in range(LAYERS)]
    np.testing.assert_allclose(sinks["norm_ratio"], [1, 1, 200, 200, 200], rtol=1e-6)
    assert only(table, row=0)["heads"].isna().all()
    np.testing.assert_allclose(only(table, row=3)["heads"], 0.5)
