"""Probes: no relation where there is none, a planted one where it was planted."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from tests.planted import additive_states, closed_blocks, partly_told, probe

import fathom.probes
from fathom.probes import probe_layers, ridge
from fathom.probes.folds import grouped_folds
from fathom.probes.gram import make_fold

if TYPE_CHECKING:
    from fathom.probes.design import Estimator

FloatArray = npt.NDArray[np.float64]
SEEDS = 40


def scores_without_relation(estimator: Estimator, *, grouped: bool, seeds: int = SEEDS) -> FloatArray:
    first, second, labels, blocks = closed_blocks(16)
    groups = blocks if grouped else np.arange(len(labels))
    return np.array(
        [
            probe_layers(
                additive_states(seed, first, second),
                labels,
                groups,
                estimator=estimator,
                repeats=1,
                permutations=0,
                bootstrap=0,
                seed=seed,
            )["score"].iloc[0]
            for seed in range(seeds)
        ]
    )


def test_the_front_door_is_open_whatever_was_imported_before() -> None:
    for module in pkgutil.walk_packages(fathom.probes.__path__, "fathom.probes."):
        importlib.import_module(module.name)
    from fathom.probes import probe_layers as again

    assert again is probe_layers
    assert callable(probe_layers)


@pytest.mark.parametrize("estimator", ["svm", "ridge"])
def test_closed_blocks_stay_at_chance_without_relation(estimator: Estimator) -> None:
    scores = scores_without_relation(estimator, grouped=True)
    # Swapping the second items of a block swaps its labels and changes nothing else, so the expected score is exactly
    # 0.5. The bound is four standard errors of the mean over independent simulations (about 0.03).
    error = scores.std(ddof=1) / np.sqrt(SEEDS)
    assert error < 0.01
    assert abs(scores.mean() - 0.5) < 4 * error


@pytest.mark.parametrize("estimator", ["svm", "ridge"])
def test_ungrouped_folds_fall_far_below_chance_on_the_same_states(estimator: Estimator) -> None:
    # The two texts that share an item with a text both have the other label, and are mostly in training.
    assert scores_without_relation(estimator, grouped=False, seeds=10).mean() < 0.25


@pytest.mark.parametrize("estimator", ["svm", "ridge", "logistic"])
def test_planted_code_is_found_at_its_layer_and_only_there(estimator: Estimator) -> None:
    first, second, labels, blocks = closed_blocks(24)
    states = additive_states(0, first, second, layers=5)
    # A direction of ten standard deviations of one feature, spread over all 64.
    states[3] += np.where(labels == 1, 1, -1)[:, None] * 10 / 8 * np.sign(np.random.default_rng(5).standard_normal(64))
    layers = probe_layers(states, labels, blocks, estimator=estimator, repeats=2, permutations=24, bootstrap=200)
    assert layers.columns.tolist()[:7] == ["layer", "score", "low", "high", "chance", "p_family_wise", "auc"]
    assert layers.columns.tolist()[7:] == (["r", "r2"] if estimator == "ridge" else [])
    assert layers["layer"].tolist() == [0, 1, 2, 3, 4]
    assert (layers["chance"] == 0.5).all()
    assert layers["score"][3] > 0.95
    assert layers["p_family_wise"][3] == 1 / 25
    assert layers["low"][3] > 0.9
    others = layers.drop(index=3)
    assert (others["p_family_wise"] > 0.1).all()
    # Four standard deviations: the scores of the 16 blocks above spread by 0.04.
    assert (abs(others["score"] - 0.5) < 0.16).all()


def test_p_values_hold_their_level_where_texts_of_a_pair_are_alike() -> None:
    _, _, labels, blocks = closed_blocks(10)
    smallest = np.empty(60)
    for seed in range(60):
        rng = np.random.default_rng(2000 + seed)
        # Four texts of each pair, nearly the same, and nothing that two pairs share.
        states = np.repeat(rng.standard_normal((2, len(labels), 16)), 4, axis=1)
        states += 0.1 * rng.standard_normal(states.shape)
        smallest[seed] = probe_layers(
            states,
            np.repeat(labels, 4),
            np.repeat(blocks, 4),
            estimator="ridge",
            repeats=1,
            permutations=19,
            bootstrap=0,
            seed=seed,
        )["p_family_wise"].min()
    # Expected: 3 of 60 with a standard deviation of 1.7. Shuffling single texts inside the blocks gives 20.
    assert (smallest <= 0.05).sum() <= 9
    # Expected: 12 of 60 with a standard deviation of 3.1, fewer where permutations tie.
    assert (smallest <= 0.2).sum() >= 2


def test_score_is_the_balanced_accuracy_of_all_folds_together() -> None:
    states, labels, groups = partly_told()
    found = probe(
        states[None], {"x": labels}, groups, estimators=("ridge",), repeats=3, permutations=0, bootstrap=50, seed=4
    )
    expected = []
    for fold_of in grouped_folds(labels, groups, folds=5, repeats=3, seed=4):
        correct = np.empty(len(labels), dtype=bool)
        for number in range(5):
            test = fold_of == number
            predictions = ridge.predict(make_fold(states, ~test), np.where(labels, 1.0, -1.0)[~test, None], 1.0)
            correct[test] = (predictions[:, 0] > 0) == (labels[test] == 1)
        expected.append((correct[labels == 1].mean() + correct[labels == 0].mean()) / 2)
    curve = found.curves[found.curves["measure"] == "balanced_accuracy"].iloc[0]
    assert curve["score"] == pytest.approx(np.mean(expected), abs=1e-12)
    assert 0.5 < np.mean(expected) < 0.99  # neither chance nor ceiling, or the comparison would say little
    assert np.isnan(curve["p_family_wise"])
    # Ten groups hold label 1 and thirty label 0: every fold tests the same share, so its mean is the score as well.
    assert len(found.folds) == 15
    assert (found.folds["texts"] == 24).all()
    assert found.folds["score"].mean() == pytest.approx(np.mean(expected), abs=1e-12)
    replicates = found.replicates["x", "ridge", "fixed", "balanced_accuracy"]
    assert replicates.shape == (50, 1)
    assert curve[["low", "high"]].tolist() == pytest.approx(np.quantile(replicates, [0.025, 0.975]).tolist())
    # The table of texts says how often each was classified correctly, from which the score follows.
    accuracies = found.texts["hit"].to_numpy()
    assert (accuracies[labels == 1].mean() + accuracies[labels == 0].mean()) / 2 == pytest.approx(
        curve["score"], abs=1e-12
    )


def test_continuous_labels_give_pearsons_r() -> None:
    rng = np.random.default_rng(0)
    states, labels = rng.standard_normal((3, 90, 30)), rng.standard_normal(90)
    states[1, :, :15] += labels[:, None]
    layers = probe_layers(states, labels, np.arange(90), estimator="ridge", repeats=2, permutations=39)
    assert (layers["chance"] == 0).all()
    assert layers["score"][1] > 0.8
    assert layers["p_family_wise"][1] == 1 / 40
    assert (layers["p_family_wise"].drop(index=1) > 0.1).all()


def test_unpredictable_continuous_labels_give_no_negative_r() -> None:
    scores = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        states, labels = rng.standard_normal((1, 30, 5)), rng.standard_normal(30)
        table = probe_layers(
            states, labels, np.arange(30), estimator="ridge", folds=10, repeats=1, permutations=0, bootstrap=0
        )
        scores.append(table["score"][0])
    assert abs(np.mean(scores)) < 4 * np.std(scores, ddof=1) / np.sqrt(SEEDS)


@pytest.mark.parametrize("estimator", ["svm", "ridge", "logistic"])
def test_states_that_are_all_the_same_tell_nothing(estimator: Estimator) -> None:
    first, _, labels, blocks = closed_blocks(10)
    states = np.full((1, len(first), 8), 0.1)
    table = probe_layers(states, labels, blocks, estimator=estimator, repeats=2, permutations=19, bootstrap=20)
    assert table["score"][0] == 0.5
    assert table["p_family_wise"][0] == 1.0
    if estimator == "ridge":
        continuous = np.random.default_rng(0).standard_normal(len(first))
        table = probe_layers(states, continuous, blocks, estimator=estimator, repeats=2, permutations=19, bootstrap=20)
        assert table["p_family_wise"][0] == 1.0
        assert table[["score", "low", "high"]].to_numpy()[0].tolist() == [0.0, 0.0, 0.0]


def test_scale_of_states_and_names_of_labels_change_nothing() -> None:
    states, labels, groups = partly_told()
    table = probe_layers(states[None], labels, groups, repeats=1, permutations=19, bootstrap=20)
    scaled = probe_layers(1e3 * states[None] - 7, labels, groups, repeats=1, permutations=19, bootstrap=20)
    renamed = probe_layers(states[None], 5.0 * labels + 0.5, groups, repeats=1, permutations=19, bootstrap=20)
    pd.testing.assert_frame_equal(scaled, table)
    pd.testing.assert_frame_equal(renamed, table)


def test_seeds_reproduce_and_jobs_change_nothing() -> None:
    states, labels, groups = partly_told()
    layers = np.stack([states, states[::-1]]).astype(np.float32)

    def run(seed: int, jobs: int) -> pd.DataFrame:
        return probe_layers(layers, labels, groups, repeats=2, permutations=9, bootstrap=50, seed=seed, jobs=jobs)

    pd.testing.assert_frame_equal(run(1, 1), run(1, 1))
    pd.testing.assert_frame_equal(run(1, 1), run(1, 2))
    assert not run(1, 1).equals(run(2, 1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"states": np.zeros((40, 3))}, "states: layer 0 has shape"),
        ({"states": np.zeros((2, 39, 3))}, "states: layer 0 has shape"),
        ({"states": np.zeros((0, 40, 3))}, "states: no layers"),
        (
            {"states": np.where(np.arange(240).reshape(2, 40, 3) == 150, np.nan, 1.0)},
            "states: NaN or infinity in layer 1",
        ),
        ({"labels": np.arange(40.0)}, "labels: label is continuous; svm takes classes"),
        ({"labels": np.full(40, np.inf)}, "labels: infinity for text 0"),
        ({"labels": np.full(40, np.nan)}, r"labels: label is the same for every text \(all missing"),
        ({"labels": np.ones(40)}, r"labels: label is the same for every text \(all 1\.0"),
        ({"labels": np.array([1, "one"] * 20, dtype=object)}, "labels: label has 'one' beside numbers"),
        ({"groups": np.arange(39)}, r"labels: label has shape \(40,\); expected \(39,\)"),
        ({"selection": "outer"}, "selection: 'outer'; expected one of fixed, inner"),
        ({"items": [["a"]] * 40}, "items: all 40 texts hang together"),
        ({"estimator": "forest"}, "estimator: 'forest'; expected one of svm, ridge, logistic"),
        ({"penalty": 0.0}, "penalty"),
        ({"level": 1.0}, "level"),
        ({"permutations": -1}, "permutations: -1"),
        ({"bootstrap": -1}, "bootstrap: -1"),
        ({"jobs": 0}, "jobs: 0"),
        ({"labels": np.arange(40) < 3, "folds": 3, "estimator": "ridge"}, "a bootstrap sample lacks one label"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {
        "states": np.random.default_rng(0).standard_normal((2, 40, 3)),
        "labels": np.arange(40) % 2,
        "groups": np.arange(40),
        "repeats": 1,
        "permutations": 1,
        "bootstrap": 200,
    }
    with pytest.raises(ValueError, match=words):
        probe_layers(**(good | change))
