"""Probes: no relation where there is none, a planted one where it was planted, and the same numbers as scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fathom.item_graph import item_components
from fathom.probes import probe_layers
from fathom.probes.designs import check_groups, grouped_folds, permuted_labels
from fathom.probes.linear import out_of_fold, run_probe

if TYPE_CHECKING:
    from fathom.probes.linear import Estimator

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
SEEDS = 40


def closed_blocks(blocks: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """First item, second item, label and block of each text: blocks of two pairs, related and re-paired."""
    first = np.concatenate([[2 * b, 2 * b + 1, 2 * b, 2 * b + 1] for b in range(blocks)])
    second = np.concatenate([[2 * b, 2 * b + 1, 2 * b + 1, 2 * b] for b in range(blocks)])
    return first, second, np.tile([1, 1, 0, 0], blocks), np.repeat(np.arange(blocks), 4)


def additive_states(seed: int, first: IntArray, second: IntArray, *, layers: int = 1, width: int = 64) -> FloatArray:
    """States (layers, texts, width) that hold each item but nothing of their relation: a_i + b_j + noise."""
    rng = np.random.default_rng(1000 + seed)
    a, b = rng.standard_normal((2, layers, int(first.max()) + 1, width))
    noise = 0.3 * rng.standard_normal((layers, len(first), width))
    return np.asarray(a[:, first] + b[:, second] + noise, dtype=np.float64)


def scores_without_relation(estimator: Estimator, *, grouped: bool) -> FloatArray:
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
            for seed in range(SEEDS)
        ]
    )


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
    assert scores_without_relation(estimator, grouped=False).mean() < 0.25


@pytest.mark.parametrize("estimator", ["svm", "ridge", "logistic"])
def test_planted_code_is_found_at_its_layer_and_only_there(estimator: Estimator) -> None:
    first, second, labels, blocks = closed_blocks(24)
    states = additive_states(0, first, second, layers=5)
    # A direction of ten standard deviations of one feature, spread over all 64.
    states[3] += np.where(labels == 1, 1, -1)[:, None] * 10 / 8 * np.sign(np.random.default_rng(5).standard_normal(64))
    result = run_probe(states, labels, blocks, estimator=estimator, repeats=2, permutations=24, bootstrap=200)
    layers = result.layers
    assert layers.columns.tolist() == ["layer", "score", "low", "high", "chance", "p_family_wise"]
    assert layers["layer"].tolist() == [0, 1, 2, 3, 4]
    assert (layers["chance"] == 0.5).all()
    assert layers["score"][3] > 0.95
    assert layers["p_family_wise"][3] == 1 / 25
    assert layers["low"][3] > 0.9
    others = layers.drop(index=3)
    assert (others["p_family_wise"] > 0.1).all()
    # Four standard deviations: the scores of the 16 blocks above spread by 0.04.
    assert (abs(others["score"] - 0.5) < 0.16).all()
    assert (result.replicates.argmax(axis=1) == 3).all()


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


@pytest.fixture
def case() -> tuple[FloatArray, IntArray, IntArray]:
    """States with features of very different scale, two of them constant; labels that they tell in part; 40 groups."""
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(40) % 4 == 0, 3).astype(np.int64)
    states = rng.standard_normal((120, 50)) * np.logspace(-2, 3, 50) + 100
    states[:, :10] += 0.6 * np.std(states[:, :10], axis=0) * labels[:, None]
    states[:, 20] = 0.1
    states[:, 21] = 0.0
    return states, labels, np.repeat(np.arange(40), 3)


def signed(labels: IntArray) -> FloatArray:
    return np.where(labels == 1, 1.0, -1.0)


def pipeline_predictions(model: Any, states: FloatArray, target: FloatArray, fold_of: IntArray) -> FloatArray:
    predictions = np.empty(len(target))
    for fold in np.unique(fold_of):
        test = fold_of == fold
        pipeline = make_pipeline(StandardScaler(), model).fit(states[~test], target[~test])
        predictions[test] = getattr(pipeline, "decision_function", pipeline.predict)(states[test])
    return predictions


@pytest.mark.parametrize("penalty", [0.01, 1.0, 30.0])
def test_ridge_is_that_of_scikit_learn(case: tuple[FloatArray, IntArray, IntArray], penalty: float) -> None:
    states, labels, groups = case
    fold_of = grouped_folds(labels, groups, folds=5, repeats=1, seed=0)[0]
    target = signed(labels)
    columns = np.column_stack([target, np.random.default_rng(0).standard_normal(120)])
    ours = out_of_fold(states, columns, fold_of, "ridge", penalty)
    for column in range(2):
        theirs = pipeline_predictions(Ridge(alpha=penalty * 50), states, columns[:, column], fold_of)
        np.testing.assert_allclose(ours[:, column], theirs, atol=1e-6)


@pytest.mark.parametrize("penalty", [0.1, 1.0, 10.0])
def test_svm_is_that_of_scikit_learn(case: tuple[FloatArray, IntArray, IntArray], penalty: float) -> None:
    states, labels, groups = case
    fold_of = grouped_folds(labels, groups, folds=5, repeats=1, seed=0)[0]
    target = signed(labels)
    ours = out_of_fold(states, target[:, None], fold_of, "svm", penalty)[:, 0]
    model = SVC(kernel="linear", C=1 / (penalty * 50), class_weight="balanced")
    theirs = pipeline_predictions(model, states, target, fold_of)
    assert ((ours > 0) != (theirs > 0)).sum() <= 2  # libsvm stops at a tolerance
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999


def test_logistic_regression_is_that_of_scikit_learn(case: tuple[FloatArray, IntArray, IntArray]) -> None:
    states, labels, groups = case
    fold_of = grouped_folds(labels, groups, folds=5, repeats=1, seed=0)[0]
    target = signed(labels)
    ours = out_of_fold(states, target[:, None], fold_of, "logistic", 1.0)[:, 0]
    model = LogisticRegression(C=1 / 50, class_weight="balanced", max_iter=1000, tol=1e-8)
    np.testing.assert_allclose(ours, pipeline_predictions(model, states, target, fold_of), atol=1e-2)


def test_score_is_the_balanced_accuracy_of_all_folds_together(case: tuple[FloatArray, IntArray, IntArray]) -> None:
    states, labels, groups = case
    result = run_probe(states[None], labels, groups, estimator="ridge", repeats=3, permutations=0, bootstrap=50, seed=4)
    target = signed(labels)
    expected = []
    for fold_of in grouped_folds(labels, groups, folds=5, repeats=3, seed=4):
        right = (out_of_fold(states, target[:, None], fold_of, "ridge", 1.0)[:, 0] > 0) == (labels == 1)
        expected.append((right[labels == 1].mean() + right[labels == 0].mean()) / 2)
    assert result.layers["score"][0] == pytest.approx(np.mean(expected), abs=1e-12)
    assert 0.5 < np.mean(expected) < 0.99  # neither chance nor ceiling, or the comparison would say little
    assert np.isnan(result.layers["p_family_wise"][0])
    # Ten groups hold label 1 and thirty label 0: every fold tests the same share, so its mean is the score as well.
    assert result.folds.columns.tolist() == ["layer", "repeat", "fold", "texts", "score"]
    assert len(result.folds) == 15
    assert (result.folds["texts"] == 24).all()
    assert result.folds["score"].mean() == pytest.approx(np.mean(expected), abs=1e-12)
    assert result.replicates.shape == (50, 1)
    low, high = np.quantile(result.replicates[:, 0], [0.025, 0.975])
    assert result.layers[["low", "high"]].to_numpy()[0] == pytest.approx([low, high])


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


def test_scale_of_states_and_names_of_labels_change_nothing(case: tuple[FloatArray, IntArray, IntArray]) -> None:
    states, labels, groups = case
    table = probe_layers(states[None], labels, groups, repeats=1, permutations=19, bootstrap=20)
    scaled = probe_layers(1e3 * states[None] - 7, labels, groups, repeats=1, permutations=19, bootstrap=20)
    renamed = probe_layers(states[None], 5.0 * labels + 0.5, groups, repeats=1, permutations=19, bootstrap=20)
    pd.testing.assert_frame_equal(scaled, table)
    pd.testing.assert_frame_equal(renamed, table)


def test_seeds_reproduce_and_jobs_change_nothing(case: tuple[FloatArray, IntArray, IntArray]) -> None:
    states, labels, groups = case
    layers = np.stack([states, states[::-1]]).astype(np.float32)

    def run(seed: int, jobs: int) -> pd.DataFrame:
        return probe_layers(layers, labels, groups, repeats=2, permutations=9, bootstrap=50, seed=seed, jobs=jobs)

    pd.testing.assert_frame_equal(run(1, 1), run(1, 1))
    pd.testing.assert_frame_equal(run(1, 1), run(1, 2))
    assert not run(1, 1).equals(run(2, 1))


def test_bootstrap_draws_the_same_groups_for_every_label(case: tuple[FloatArray, IntArray, IntArray]) -> None:
    states, labels, groups = case
    one = run_probe(states[None], labels, groups, estimator="ridge", permutations=0, bootstrap=100)
    other = run_probe(states[None], 1 - labels, groups, estimator="ridge", permutations=0, bootstrap=100)
    # Exchanged labels are told just as well, so the same draws give the same numbers.
    np.testing.assert_allclose(one.replicates, other.replicates, atol=1e-12)


def test_folds_keep_groups_whole_and_classes_even() -> None:
    _, _, labels, blocks = closed_blocks(23)
    assignment = grouped_folds(labels, blocks, folds=5, repeats=4, seed=0)
    assert assignment.shape == (4, 92)
    for fold_of in assignment:
        assert (pd.Series(fold_of).groupby(blocks).nunique() == 1).all()
        assert sorted(np.bincount(fold_of)) == [16, 16, 20, 20, 20]
        assert np.bincount(fold_of, weights=labels).tolist() == (np.bincount(fold_of) / 2).tolist()
    assert len(np.unique(assignment, axis=0)) == 4
    assert (grouped_folds(labels, blocks, folds=5, repeats=4, seed=0) == assignment).all()
    assert (grouped_folds(labels, blocks, folds=5, repeats=4, seed=1) != assignment).any()


def test_folds_of_items_are_stratified() -> None:
    labels = (np.arange(160) < 38).astype(np.int64)
    for fold_of in grouped_folds(labels, np.arange(160), folds=5, repeats=3, seed=0):
        assert np.bincount(fold_of).tolist() == [32] * 5
        assert sorted(np.bincount(fold_of, weights=labels)) == [7, 7, 8, 8, 8]


def test_permutations_exchange_the_labels_of_whole_closed_blocks() -> None:
    _, _, labels, blocks = closed_blocks(12)
    fold_of = grouped_folds(labels, blocks, folds=4, repeats=1, seed=0)[0]
    permuted = permuted_labels(labels, blocks, fold_of, permutations=50, seed=0)
    kept = (permuted == labels[:, None]).reshape(12, 4, 50)
    assert (kept.all(axis=1) | ~kept.any(axis=1)).all()
    exchanged = 1 - kept[:, 0].mean()
    assert abs(exchanged - 0.5) < 4 * 0.5 / np.sqrt(600)


def test_permutations_shuffle_inside_other_mixed_groups() -> None:
    labels, groups = np.tile([1, 1, 0], 10), np.repeat(np.arange(10), 3)
    fold_of = grouped_folds(labels, groups, folds=5, repeats=1, seed=0)[0]
    permuted = permuted_labels(labels, groups, fold_of, permutations=60, seed=0).reshape(10, 3, 60)
    assert (permuted.sum(axis=1) == 2).all()
    assert abs(permuted.mean(axis=(0, 2)) - 2 / 3).max() < 4 * np.sqrt(2 / 9 / 600)


def test_permutations_shuffle_labels_of_pure_groups_inside_folds() -> None:
    labels, groups = np.repeat(np.arange(30) % 3 == 0, 2).astype(np.int64), np.repeat(np.arange(30), 2)
    fold_of = grouped_folds(labels, groups, folds=5, repeats=1, seed=0)[0]
    permuted = permuted_labels(labels, groups, fold_of, permutations=40, seed=0)
    assert (permuted[::2] == permuted[1::2]).all()
    for fold in range(5):
        assert (permuted[fold_of == fold].sum(axis=0) == labels[fold_of == fold].sum()).all()
    assert len(np.unique(permuted, axis=1).T) > 30


def test_components_join_texts_through_shared_items() -> None:
    items = [["a", "b"], ["c", "d"], ["b", "e"], ["f"], ["e", "g"], ["d"]]
    components = item_components(items)
    assert [np.flatnonzero(components == c).tolist() for c in np.unique(components)] == [[0, 2, 4], [1, 5], [3]]


def test_groups_that_share_an_item_are_refused() -> None:
    items = [["a", "b"], ["b", "c"], ["d", "e"]]
    assert check_groups(["x", "x", "y"], items).tolist() == [0, 0, 1]
    assert check_groups(["x", "x", "x"], items).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="'x' shares the item 'b' with another group"):
        check_groups(["x", "y", "z"], items)
    with pytest.raises(ValueError, match="items: 3 texts; groups has 2"):
        check_groups(["x", "y"], items)
    with pytest.raises(ValueError, match="items: text 1 has none"):
        check_groups(["x", "y"], [["a"], []])
    with pytest.raises(ValueError, match="groups: no name for text 1"):
        check_groups(np.array(["x", None]))


def test_designs_without_leak_free_folds_are_refused() -> None:
    def folds(labels: list[float], groups: list[int], count: int = 2) -> IntArray:
        return grouped_folds(labels, groups, folds=count, repeats=1, seed=0)

    assert folds([0, 1, 0, 1], [0, 0, 1, 1]).shape == (1, 4)
    with pytest.raises(ValueError, match="groups: 2 for 3 folds"):
        folds([0, 1, 0, 1], [0, 0, 1, 1], 3)
    with pytest.raises(ValueError, match="groups: only 1 hold the label 1, too few for 2 folds"):
        folds([0, 1, 0, 0], [0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"the test texts of repeat 0, fold \d all have one label"):
        folds([0.5, 1.5, 2.5, 3.5], [0, 1, 2, 3], 4)
    with pytest.raises(ValueError, match="labels: all the same"):
        folds([1, 1, 1, 1], [0, 1, 2, 3])
    with pytest.raises(ValueError, match="labels: NaN or infinity at text 1"):
        folds([1, np.nan, 1, 1], [0, 1, 2, 3])
    with pytest.raises(ValueError, match="groups: 3 names for 4 labels"):
        folds([0, 1, 0, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="folds: 1"):
        folds([0, 1, 0, 1], [0, 1, 2, 3], 1)
    with pytest.raises(ValueError, match="repeats: 0"):
        grouped_folds([0, 1, 0, 1], [0, 1, 2, 3], folds=2, repeats=0, seed=0)
    with pytest.raises(ValueError, match="3 of 6 hold several label values, the others one"):
        permuted_labels([0, 1, 0, 1, 0, 1, 0, 1, 0], [0, 0, 1, 1, 2, 2, 3, 4, 5], np.zeros(9), permutations=1, seed=0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"states": np.zeros((40, 3))}, "states: shape"),
        ({"states": np.zeros((2, 39, 3))}, "states: shape"),
        (
            {"states": np.where(np.arange(240).reshape(2, 40, 3) == 150, np.nan, 1.0)},
            "states: NaN or infinity in layer 1",
        ),
        ({"labels": np.arange(40.0)}, "labels: 40 different values; svm"),
        ({"labels": np.full(40, np.inf)}, "labels: NaN or infinity"),
        ({"groups": np.arange(39)}, "groups: 39 names for 40"),
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
