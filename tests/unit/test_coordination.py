"""Coordination of adjacent layers: planted turns are found, and noise that looks like them is not."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

from fathom.metrics.definitions.linear_cka import linear_cka
from fathom.metrics.definitions.neighbourhood_overlap import neighbourhood_overlap
from fathom.probes.coordination.alternation import (
    alternation_index,
    detrended,
    parity_contrast,
    probe_coordination,
    tradeoff,
)
from fathom.probes.coordination.attention import attention_coordination, item_weights
from fathom.probes.coordination.complementarity import complementarity
from fathom.probes.coordination.resampling import COLUMNS, CoordinationResampling
from fathom.probes.coordination.similarity import state_similarity
from fathom.statistics.accuracy_curve import AccuracyCurve
from fathom.statistics.neighbours import nearest_neighbours, neighbours_within
from fathom.statistics.resampling import group_weights

few = settings(max_examples=50, deadline=None)
FloatArray = npt.NDArray[np.float64]
LAYERS = np.arange(20)
TURNS = np.where(LAYERS % 2 == 0, 1.0, -1.0)
ALTERNATION = ["alternation", "alternation_cross", "parity"]
SMOOTH = 0.55 + 0.25 * np.exp(-(((LAYERS - 8) / 5) ** 2))


def plan(seed: int, *, samples: int = 100, splits: int = 5) -> CoordinationResampling:
    return CoordinationResampling(samples=samples, splits=splits, level=0.95, seed=seed)


def planted(name: str, shape: FloatArray, *, seed: int, units: int = 40) -> AccuracyCurve:
    """Four texts a unit; whether a probe is correct is sampled by the shape; texts of a unit are hard together."""
    random = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), 4)
    hard = 0.1 * random.standard_normal((len(shape), units))[:, unit]
    correct = random.random((1, len(shape), len(unit))) < np.clip(shape[:, None] + hard, 0, 1)
    classes = np.tile([0, 1], 2 * units)[None]
    return AccuracyCurve(
        name, correct.astype(np.float64), classes, [[f"{one}"] for one in unit], np.linspace(0, 1, len(shape))
    )


def of(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    return rows[rows["measure"] == measure].reset_index(drop=True)


# Indices of curves ----------------------------------------------------------------------------------------------------


def test_index_of_a_curve_that_takes_turns_is_one_and_of_a_parabola_minus_one() -> None:
    assert alternation_index(TURNS, TURNS) == pytest.approx(1.0)
    assert alternation_index(LAYERS**2, LAYERS**2) == pytest.approx(-1.0)
    assert alternation_index(np.ones(8), np.ones(8)) == 0.0


def test_index_of_noise_is_a_half_alone_and_zero_across() -> None:
    one, other = np.random.default_rng(0).standard_normal((2, 4000, 200))
    # Each index scatters by about 0.06, their mean by 0.001.
    assert alternation_index(one, one).mean() == pytest.approx(0.5, abs=0.01)
    assert alternation_index(one, other).mean() == pytest.approx(0.0, abs=0.005)


def test_nothing_is_left_of_a_rise_and_a_spike_stands_alone() -> None:
    assert detrended(np.sort(np.random.default_rng(0).random(20)), window=7) == pytest.approx(np.zeros(18))
    spike = 1.0 * (LAYERS == 7)
    assert detrended(spike, window=7).tolist() == spike[1:-1].tolist()


def test_detrending_by_hand() -> None:
    curve = [0.0, 5.0, 1.0, 2.0, 9.0, 3.0, 4.0]
    assert detrended(curve, window=7).tolist() == [4.0, -1.0, -1.0, 6.0, -1.0]
    assert parity_contrast(curve, window=7) == pytest.approx((-1 + 6) / 2 - (4 - 1 - 1) / 3)


@few
@given(st.lists(st.floats(-10, 10), min_size=6, max_size=20), st.sampled_from([3, 7, 11]), st.floats(-3, 3))
def test_detrending_ignores_the_level_and_knows_no_direction(curve: list[float], window: int, level: float) -> None:
    rest = detrended(curve, window=window)
    np.testing.assert_allclose(detrended(np.array(curve) + level, window=window), rest, atol=1e-9)
    np.testing.assert_allclose(detrended(curve[::-1], window=window), rest[::-1], atol=1e-12)
    np.testing.assert_allclose(detrended(-np.array(curve), window=window), -rest, atol=1e-12)


@pytest.mark.parametrize("window", [3, 7, 11])
def test_turns_are_no_trend(window: int) -> None:
    assert detrended(TURNS, window=window).tolist() == (2 * TURNS[1:-1]).tolist()
    assert parity_contrast(TURNS, window=window) == 4.0


def test_tasks_that_take_turns_trade_off_and_agree_a_layer_later() -> None:
    rest = detrended(TURNS, window=7)
    assert tradeoff(rest, -rest, lag=0) == pytest.approx(-1.0)
    assert tradeoff(rest, -rest, lag=1) == pytest.approx(1.0)
    assert tradeoff(rest, rest, lag=0) == pytest.approx(1.0)
    assert tradeoff([1, 2, 4, 3], [0, 1, 2, 4], lag=1) == pytest.approx(1.0)  # the second follows the first


@pytest.mark.parametrize("window", [1, 4, 5, -1])
def test_wrong_windows_are_refused(window: int) -> None:
    with pytest.raises(ValueError, match="window"):
        detrended(TURNS, window=window)


def test_short_curves_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 5 layers"):
        alternation_index([1, 2, 3, 4], [1, 2, 3, 4])


# C1 -------------------------------------------------------------------------------------------------------------------


def most_of(seeds: int) -> int:
    """Most p of at most 0.05 over so many seeds without an effect: 5 %, and three binomial standard deviations."""
    return int(0.05 * seeds + 3 * np.sqrt(0.05 * 0.95 * seeds))


@pytest.fixture(scope="module", params=[60, pytest.param(200, marks=pytest.mark.nightly)])
def noise(request: pytest.FixtureRequest) -> pd.DataFrame:
    """Two labels of the same texts, half of whose accuracies are the same, over seeds: a smooth curve and noise."""
    tables = []
    for seed in range(request.param):
        one, other = (
            planted(name, np.linspace(0.5, 0.88, 20), seed=2 * seed + at, units=24) for at, name in enumerate("ab")
        )
        same = np.random.default_rng(seed).random(one.correct.shape) < 0.5
        other = AccuracyCurve("b", np.where(same, one.correct, other.correct), one.classes, one.items, one.depths)
        tables.append(probe_coordination([one, other], plan(seed, samples=59, splits=5)))
    rows = pd.concat(tables)
    return rows[rows["label"] != "b"]


@pytest.mark.parametrize("measure", ["alternation", "alternation_cross", "parity", "tradeoff", "tradeoff_lagged"])
def test_noise_is_not_taken_for_coordination(noise: pd.DataFrame, measure: str) -> None:
    found = of(noise, measure)
    assert len(found) in (60, 200)
    assert (found["p"] <= 0.05).sum() <= most_of(len(found))


def test_noise_alone_looks_like_turns_which_the_null_says(noise: pd.DataFrame) -> None:
    means = noise.groupby("measure")[["value", "null"]].mean()
    assert means.loc["alternation", "value"] == pytest.approx(0.47, abs=0.05)
    assert means.loc["alternation", "null"] == pytest.approx(0.47, abs=0.05)
    alone = of(noise, "alternation")
    assert (alone["low"] > 0).mean() > 0.5  # an interval around it would be believed
    for measure in ("alternation_cross", "parity", "tradeoff", "tradeoff_lagged"):
        assert means.loc[measure, "value"] == pytest.approx(0.0, abs=0.05), measure
        assert means.loc[measure, "null"] == pytest.approx(0.0, abs=0.05), measure


def test_planted_turns_are_found() -> None:
    for seed in range(10):
        one = planted("one", SMOOTH + 0.12 * TURNS, seed=2 * seed)
        other = planted("other", SMOOTH - 0.12 * TURNS, seed=2 * seed + 1)
        rows = probe_coordination([one, other], plan(seed))
        assert rows["label"].tolist() == ["one"] * 3 + ["other"] * 3 + ["one | other"] * 2
        assert rows["measure"].tolist() == [*ALTERNATION, *ALTERNATION, "tradeoff", "tradeoff_lagged"]
        assert (rows["p"] <= 0.02).all()
        assert (of(rows, "alternation_cross")["low"] > 0.3).all()
        parity = of(rows, "parity")
        assert parity["low"][0] > 0 > parity["high"][1]
        assert (of(rows, "tradeoff")["high"] < -0.3).all()
        assert (of(rows, "tradeoff_lagged")["low"] > 0.3).all()


def test_classes_of_few_items_are_no_hindrance() -> None:
    """Half of the units may lack a class that two items hold."""
    random = np.random.default_rng(0)
    correct = random.random((1, 20, 32))
    curve = AccuracyCurve(
        "c", correct, np.arange(32)[None] // 2, [[f"{item}"] for item in range(32)], np.linspace(0, 1, 20)
    )
    rows = probe_coordination([curve], plan(0))
    assert rows[["value", "low", "high", "null", "p"]].notna().all().all()


def test_rows_of_whole_curves_have_no_layer_and_follow_the_seed() -> None:
    curve = planted("c", SMOOTH, seed=0)
    rows, again = (probe_coordination([curve], plan(3)) for _ in range(2))
    assert list(rows.columns) == COLUMNS
    assert rows["layer"].isna().all()
    pd.testing.assert_frame_equal(rows, again)
    assert not rows["null"].equals(probe_coordination([curve], plan(4))["null"])


def test_curves_that_do_not_fit_are_refused() -> None:
    curve = planted("c", SMOOTH, seed=0)
    with pytest.raises(ValueError, match="names c, c"):
        probe_coordination([curve, curve], plan(0))
    with pytest.raises(ValueError, match="numbers of layers differ"):
        probe_coordination([curve, planted("d", SMOOTH[:9], seed=0)], plan(0))
    with pytest.raises(ValueError, match="texts of 7 units; expected at least 8"):
        probe_coordination([planted("c", SMOOTH, seed=0, units=7)], plan(0))


@pytest.mark.parametrize("change", [{"samples": 0}, {"splits": 0}, {"level": 1.0}])
def test_wrong_resampling_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        CoordinationResampling(**{"samples": 1, "splits": 1, "level": 0.9, "seed": 0, **change})  # type: ignore[arg-type]


# C2 -------------------------------------------------------------------------------------------------------------------


def test_weights_of_items_by_hand() -> None:
    pattern = np.zeros((1, 2, 4, 4))
    pattern[0, 0, 3] = [0.6, 0.1, 0.1, 0.2]
    pattern[0, 1, 3] = [1.0, 0.0, 0.0, 0.0]
    found = item_weights(pattern, 3, [[1, 2], [3]])
    np.testing.assert_allclose(found, [[[0.5, 0.5], [0.0, 0.0]]])
    np.testing.assert_allclose(item_weights(pattern, 3, [[1], [3]], drop=None)[0], [[0.1, 0.2], [0.0, 0.0]])
    np.testing.assert_allclose(item_weights(pattern, 3, [[0], [3]], drop=1)[0, 0], [0.6 / 0.9, 0.2 / 0.9])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"query": 4}, "items: query 4"),
        ({"items": [[1], []]}, "items"),
        ({"items": []}, "items"),
        ({"items": [[0]]}, "hold token 0, which is dropped"),
        ({"pattern": np.ones((2, 3, 4))}, "pattern: shape"),
    ],
)
def test_items_outside_a_text_are_refused(arguments: dict[str, object], words: str) -> None:
    whole: dict[str, object] = {"pattern": np.full((1, 1, 4, 4), 0.25), "query": 3, "items": [[1], [2, 3]], **arguments}
    with pytest.raises(ValueError, match=words):
        item_weights(**whole)  # type: ignore[arg-type]


def test_blocks_that_attend_alike_have_a_correlation_of_one() -> None:
    one = np.random.default_rng(0).random((40, 1, 3, 2))
    rows = attention_coordination(np.repeat(one, 4, axis=1), np.repeat(np.arange(10), 4), plan(0))
    assert list(rows.columns) == COLUMNS
    pairs = of(rows, "attention")
    assert list(zip(pairs["layer"], pairs["other_layer"], strict=True)) == [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 2),
        (1, 3),
        (2, 3),
    ]
    assert of(rows, "attention_adjacent")["label"].tolist() == ["offset 1", "offset 2", "offset 3"]
    assert of(rows, "attention_heads")["layer"].tolist() == [0, 1, 2]
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(rows[column], 1.0)
    assert (rows["p"] == 1 / 101).all()


@pytest.mark.parametrize("seeds", [30, pytest.param(100, marks=pytest.mark.nightly)])
def test_blocks_that_attend_to_unrelated_items_have_none(seeds: int) -> None:
    """Of rows that are single tests."""
    low = dict.fromkeys(["attention_adjacent", "attention_heads"], 0)
    values = []
    for seed in range(seeds):
        weights = np.random.default_rng(seed).random((60, 3, 4, 2))
        rows = attention_coordination(weights, np.arange(60), plan(seed, samples=39), offsets=[1])
        values.append(of(rows, "attention")["value"].mean())
        low["attention_adjacent"] += bool((of(rows, "attention_adjacent")["p"] <= 0.05).all())
        low["attention_heads"] += bool(of(rows, "attention_heads")["p"].iloc[0] <= 0.05)
        heads = of(rows, "attention_heads")
        assert (heads["value"] > 0.05).all()  # the best match of unrelated heads
        assert (heads["null"] > 0.05).all()
    assert abs(np.mean(values)) < 0.02
    assert max(low.values()) <= most_of(seeds)


def test_planted_coordination_of_neighbours_falls_with_distance() -> None:
    random = np.random.default_rng(0)
    latent = [random.random((120, 3, 1))]
    for _ in range(7):  # each block remembers the one before
        latent.append(0.7 * latent[-1] + 0.3 * random.random((120, 3, 1)))
    weights = np.stack(latent, axis=1)
    rows = attention_coordination(weights, np.arange(120), plan(0))
    adjacent = of(rows, "attention_adjacent")["value"]
    assert adjacent[0] > adjacent[1] > adjacent[2] > 0.2
    assert (of(rows, "attention_adjacent")["p"] == 1 / 101).all()
    assert (of(rows, "attention_heads")["p"] == 1 / 101).all()


def test_length_alone_ties_blocks_together_and_strata_take_it_away() -> None:
    random = np.random.default_rng(1)
    length = np.repeat([1, 2, 3], 40)
    weights = length[:, None, None, None] + 0.3 * random.random((120, 3, 2, 1))
    adjacent = partial(attention_coordination, weights, np.arange(120), plan(0), offsets=[1])
    free, held = (of(rows, "attention_adjacent").iloc[0] for rows in (adjacent(), adjacent(stratify_by=length)))
    assert free["value"] == held["value"] > 0.9
    assert free["p"] == 1 / 101
    assert held["null"] == pytest.approx(held["value"], abs=0.02)
    assert held["p"] > 0.05


def test_heads_are_matched_whatever_their_order_and_averaged_in_their_groups() -> None:
    random = np.random.default_rng(2)
    own = random.random((80, 4, 1))
    weights = np.stack([own, -own[:, [2, 0, 3, 1]]], axis=1)
    matched = of(attention_coordination(weights, np.arange(80), plan(0), offsets=[1]), "attention_heads")
    assert matched["value"].item() == pytest.approx(1.0)
    # Noise of opposite sign in the two query heads of a key-value head: gone in their mean.
    noise = 5 * random.standard_normal((80, 2, 4, 1))
    pair = np.stack([weights + noise, weights - noise], axis=3).reshape(80, 2, 8, 1)
    found = of(attention_coordination(pair, np.arange(80), plan(0), kv_groups=4, offsets=[1]), "attention_heads")
    assert found["value"].item() == pytest.approx(1.0)


def test_intervals_follow_groups_and_not_their_texts() -> None:
    own = np.random.default_rng(3).random((30, 2, 1, 1))
    rows = attention_coordination(own, np.arange(30), plan(0, samples=400), offsets=[1])
    copies = attention_coordination(
        np.repeat(own, 5, axis=0), np.repeat(np.arange(30), 5), plan(0, samples=400), offsets=[1]
    )
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(copies[column], rows[column], atol=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": np.ones((5, 2, 2))}, "weights: shape"),
        ({"weights": np.full((5, 2, 2, 1), np.nan)}, "weights: shape"),
        ({"weights": np.where(np.arange(4) < 1, np.nan, np.ones((5, 2, 2, 4)))}, "or NaN throughout"),
        ({"groups": [1, 2]}, "groups: 2 names for 5"),
        ({"stratify_by": [1, 2]}, "stratify_by: 2 names for 5"),
        ({"kv_groups": 3}, "kv_groups: 3; expected a divisor of 4"),
    ],
)
def test_wrong_attention_is_refused(change: dict[str, object], words: str) -> None:
    whole: dict[str, object] = {"weights": np.random.default_rng(0).random((5, 2, 4, 1)), "groups": np.arange(5)}
    with pytest.raises(ValueError, match=words):
        attention_coordination(resampling=plan(0), **{**whole, **change})  # type: ignore[arg-type]


# C3 -------------------------------------------------------------------------------------------------------------------


@few
@given(st.integers(0, 2**32), st.integers(6, 20), st.integers(1, 3))
def test_neighbours_within_a_subset_are_those_of_the_subset(seed: int, texts: int, k: int) -> None:
    random = np.random.default_rng(seed)
    z = random.integers(0, 4, (texts, 2)).astype(np.float64)  # many ties
    chosen = np.zeros(texts, dtype=np.bool_)
    chosen[random.permutation(texts)[: max(k + 1, texts // 2)]] = True
    found = neighbours_within(nearest_neighbours(z, texts - 1), chosen, k)
    assert (found == nearest_neighbours(z[chosen], k)).all()


def test_similarity_of_states_is_that_of_the_metrics() -> None:
    random = np.random.default_rng(0)
    states = np.cumsum(random.standard_normal((5, 30, 6)), axis=0)
    rows = state_similarity(states, np.repeat(np.arange(10), 3), plan(0), k=4)
    assert list(rows.columns) == COLUMNS
    assert len(rows) == 2 * (4 + 3 + 2)
    for row in rows.to_dict("records"):
        pair = states[row["layer"]], states[row["other_layer"]]
        expected = linear_cka(*pair) if row["measure"] == "cka" else neighbourhood_overlap(*pair, k=4)
        assert row["value"] == pytest.approx(expected, abs=1e-12)
        assert row["low"] < row["value"] < row["high"]
    assert (of(rows, "neighbourhood_overlap")["null"] == 4 / 29).all()


def test_null_of_cka_is_its_mean_over_permutations() -> None:
    random = np.random.default_rng(1)
    states = random.standard_normal((2, 25, 10))
    null = of(state_similarity(states, np.arange(25), plan(0), k=3), "cka")["null"].item()
    permuted = [linear_cka(states[0], states[1][random.permutation(25)]) for _ in range(2000)]
    assert null == pytest.approx(np.mean(permuted), abs=4 * np.std(permuted) / np.sqrt(2000))


def test_equal_layers_are_alike_and_few_groups_have_no_interval() -> None:
    one = np.random.default_rng(2).standard_normal((20, 5))
    rows = state_similarity(np.stack([one, one, one]), np.repeat([0, 1], 10), plan(0), k=2)
    np.testing.assert_allclose(rows["value"], 1.0)
    assert rows[["low", "high", "null_low", "null_high", "p"]].isna().all().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"states": np.zeros((3, 8))}, "states: shape"),
        ({"states": np.full((2, 8, 3), np.inf)}, "states: NaN or infinity in layer 0"),
        ({"states": np.ones((2, 8, 3))}, r"all rows of `states\[0\]` are equal"),
        ({"groups": [1, 2]}, "groups: 2 names for 8"),
        ({"k": 4}, "k: 4; expected 1 to 3, as a half sample has 4 texts"),
    ],
)
def test_wrong_states_are_refused(change: dict[str, object], words: str) -> None:
    whole: dict[str, object] = {
        "states": np.random.default_rng(0).standard_normal((2, 8, 3)),
        "groups": np.arange(8),
        "k": 1,
        **change,
    }
    with pytest.raises(ValueError, match=words):
        state_similarity(resampling=plan(0), **whole)  # type: ignore[arg-type]


def probed(layers: list[FloatArray], labels: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Complementarity of real probes of the layers."""
    weights = group_weights(groups, samples=200, seed=0)

    def scores(states: FloatArray) -> tuple[float, FloatArray]:
        answers = cross_val_predict(RidgeClassifier(alpha=1.0), states, labels, groups=groups, cv=GroupKFold(5))
        correct = (answers == labels).astype(np.float64)
        return correct.mean(), weights @ correct / weights.sum(axis=1)

    single = [scores(layer) for layer in layers]
    joint = [scores(np.hstack(layers[at : at + 2])) for at in range(len(layers) - 1)]
    return complementarity(
        "label",
        [score for score, _ in single],
        [score for score, _ in joint],
        np.stack([samples for _, samples in single], axis=1),
        np.stack([samples for _, samples in joint], axis=1),
        level=0.95,
    )


def test_a_copy_adds_nothing_and_two_halves_of_a_code_add_much() -> None:
    random = np.random.default_rng(0)
    halves = random.standard_normal((2, 300))
    labels = halves.sum(axis=0) > 0
    one, other = (np.column_stack([half, random.standard_normal((300, 3))]) for half in halves)
    found = probed([one, one, other], labels, np.repeat(np.arange(100), 3))
    assert found["measure"].unique().tolist() == ["complementarity"]
    assert found[["layer", "other_layer"]].to_numpy().tolist() == [[0, 1], [1, 2]]
    copy, code = (found.iloc[at] for at in (0, 1))
    assert copy["value"] == pytest.approx(0.0, abs=0.01)
    assert copy["low"] <= 0 <= copy["high"]
    assert code["value"] > 0.12
    assert code["low"] > 0.05


def test_the_maximum_of_two_noisy_scores_shifts_the_value_down_not_up() -> None:
    random = np.random.default_rng(1)
    noise = random.standard_normal((2000, 3))
    values = noise[:, 2] - noise[:, :2].max(axis=1)
    found = complementarity("x", noise[0, :2], noise[0, 2:], noise[:, :2], noise[:, 2:], level=0.9)
    assert found["value"].item() == values[0]
    assert values.mean() == pytest.approx(-1 / np.sqrt(np.pi), abs=0.1)
    low, high = np.quantile(values - values.mean(), [0.05, 0.95])
    assert (found["low"].item(), found["high"].item()) == pytest.approx((values[0] + low, values[0] + high))


def test_scores_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"joint: shape \(2,\); expected \(1,\)"):
        complementarity("x", [1, 2], [1, 2], np.ones((3, 2)), np.ones((3, 1)), level=0.9)
    with pytest.raises(ValueError, match="single_samples"):
        complementarity("x", [1, 2], [1], np.ones((4, 2)), np.ones((3, 1)), level=0.9)
    with pytest.raises(ValueError, match="level"):
        complementarity("x", [1, 2], [1], np.ones((3, 2)), np.ones((3, 1)), level=0)
