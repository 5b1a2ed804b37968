"""What "the best layer" is compared with: planted truths, and what choosing costs where there is nothing to choose."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from fathom.io.tables import MEAN
from fathom.probes import kept_outcomes, layer_choice
from fathom.probes.design import ProbeDesign
from fathom.probes.fitting import probe_layer
from fathom.probes.layer_choice import CHOICES, layer_choices, layer_weights
from fathom.probes.probing import plan_probes, run_probes

FloatArray = npt.NDArray[np.float64]
TEXTS, LAYERS, WIDTH = 60, 8, 30
QUICK = ProbeDesign(
    estimators=("ridge", "svm"),
    selections=("fixed", "inner"),
    nested=("ridge",),
    repeats=2,
    permutations=0,
    bootstrap=100,
)


def states_of(codes: npt.NDArray[np.int64], at: dict[int, float], seed: int) -> FloatArray:
    """Noise, and in some layers the code, so strong."""
    rng = np.random.default_rng(seed)
    states = rng.standard_normal((LAYERS, len(codes), WIDTH))
    for layer, strength in at.items():
        states[layer] += strength * np.multiply.outer(2.0 * codes - 1, rng.standard_normal(WIDTH))
    return np.asarray(states)


def choices(
    states: FloatArray,
    labels: dict[str, npt.ArrayLike],
    design: ProbeDesign = QUICK,
    measure: str = "balanced_accuracy",
) -> pd.DataFrame:
    found = layer_choices(run_probes(states, labels, np.arange(states.shape[1]), design, choices=True))
    return found[found["measure"] == measure].set_index(["label", "estimator", "choice"])


def curve_of(found: pd.DataFrame, estimator: str) -> pd.DataFrame:
    """The choices of an estimator for the label `mood`, by choice."""
    rows = found.reset_index()
    return rows[(rows["label"] == "mood") & (rows["estimator"] == estimator)].set_index("choice")


@pytest.fixture(scope="module")
def codes() -> npt.NDArray[np.int64]:
    return np.random.default_rng(5).permutation(np.arange(TEXTS) % 2)


def test_the_layer_that_holds_the_label_is_chosen_and_weighs_most(codes: npt.NDArray[np.int64]) -> None:
    ridge = curve_of(choices(states_of(codes, {3: 1.0}, 0), {"mood": codes}), "ridge")
    assert ridge.index.tolist() == list(CHOICES)
    for choice in ("inner_folds", "oracle"):
        assert [ridge[name].loc[choice] for name in ("layer", "layer_low", "layer_high")] == [3, 3, 3]
    assert ridge["score"].loc["inner_folds"] == ridge["score"].loc["oracle"] > 0.95
    assert ridge["score"].loc["weighted_layers"] > 0.95
    assert ridge.loc[["last", "middle"], "layer"].tolist() == [7, 3]
    assert ridge["score"].loc["last"] < 0.7
    assert ridge["gain_low"].loc["inner_folds"] > 0
    assert [ridge[name].loc["last"] for name in ("gain", "gain_low", "gain_high")] == [0, 0, 0]


def test_many_weak_layers_tell_more_together_than_the_best_one(codes: npt.NDArray[np.int64]) -> None:
    weak = states_of(codes, dict.fromkeys(range(LAYERS), 0.16), 1)
    ridge = curve_of(choices(weak, {"mood": codes}, measure="auc"), "ridge")
    assert ridge["score"].loc["weighted_layers"] > ridge["score"].loc["oracle"]
    assert ridge.loc["mean_of_layers"].notna()["score"]


def test_choosing_among_layers_that_hold_nothing_gains_nothing_but_in_hindsight() -> None:
    design = ProbeDesign(
        estimators=("ridge",), selections=("fixed", "inner"), nested=("ridge",), repeats=1, permutations=0, bootstrap=20
    )
    scores = []
    for seed in range(40):
        codes = np.random.default_rng(seed).permutation(np.arange(TEXTS) % 2)
        scores.append(choices(states_of(codes, {}, seed), {"mood": codes}, design)["score"].droplevel([0, 1]))
    mean, error = np.mean(scores, axis=0), np.std(scores, axis=0) / np.sqrt(len(scores))
    found = dict(zip(CHOICES, mean, strict=True))
    assert found["oracle"] > 0.55
    for choice in ("last", "middle", "mean_of_layers", "weighted_layers", "inner_folds"):
        assert found[choice] < 0.5 + 3 * error.max(), choice


def test_an_estimator_without_inner_folds_says_so(codes: npt.NDArray[np.int64]) -> None:
    svm = curve_of(choices(states_of(codes, {3: 1.0}, 0), {"mood": codes}), "svm")
    lacking = svm["score"].isna()
    assert lacking[lacking].index.tolist() == ["weighted_layers", "inner_folds"]
    assert set(svm["reason"].loc[lacking]) == {"no inner folds for this estimator: it is not among `inner`"}
    assert set(svm.loc[~lacking, "reason"]) == {""}


def test_the_mean_of_labels_is_the_mean_of_their_scores(codes: npt.NDArray[np.int64]) -> None:
    states = states_of(codes, {3: 0.4}, 2)
    found = choices(states, {"mood": codes, "other": np.arange(TEXTS) // 2 % 2})["score"]
    for choice in CHOICES:
        both = found["mood", "ridge", choice], found["other", "ridge", choice]
        assert found[MEAN, "ridge", choice] == pytest.approx(np.mean(both))


def test_numbers_and_several_classes_have_choices(codes: npt.NDArray[np.int64]) -> None:
    kinds = np.array(["a", "b", "c"])[np.arange(TEXTS) % 3]
    states = states_of(codes, {3: 1.0}, 3)
    states[5] += 2.0 * (kinds[:, None] == np.array(["a", "b", "c"])).repeat(10, axis=1)
    numbers = codes + 0.1 * np.random.default_rng(0).standard_normal(TEXTS)
    assert choices(states, {"size": numbers}, measure="r").loc[("size", "ridge", "inner_folds"), "layer"] == 3
    assert choices(states, {"kind": kinds}).loc[("kind", "ridge", "inner_folds"), "layer"] == 5


def test_weights_are_those_of_least_squares_that_are_not_negative() -> None:
    rng = np.random.default_rng(0)
    layers = rng.standard_normal((50, 3, 2))
    truth = 2.0 * layers[:, 0] + 0.5 * layers[:, 2] + 7
    np.testing.assert_allclose(layer_weights(layers, truth), [2.0, 0.0, 0.5], atol=1e-12)
    # A layer that predicts the opposite is left out, and where nothing predicts all weigh the same.
    assert layer_weights(-layers[:, :1], layers[:, 0]).tolist() == [1.0]
    np.testing.assert_allclose(layer_weights(np.zeros((9, 4, 1)), rng.standard_normal((9, 1))), [0.25] * 4)


def test_predictions_that_are_kept_in_files_give_the_same_choices(
    codes: npt.NDArray[np.int64], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And so do weights that are learnt from a few texts at a time."""
    kinds = np.array(["a", "b", "c"])[np.arange(TEXTS) % 3]
    states, labels = states_of(codes, {3: 0.5, 5: 0.3}, 3), {"mood": codes, "kind": kinds}
    held = choices(states, labels)
    monkeypatch.setattr(kept_outcomes, "MOST_HELD", 0)
    monkeypatch.setattr(layer_choice, "MOST_AT_A_TIME", 8 * LAYERS * 3 * 7)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pd.testing.assert_frame_equal(choices(states, labels), held)
    assert not list(tmp_path.iterdir())


def test_the_size_of_predictions_is_known_beforehand(codes: npt.NDArray[np.int64]) -> None:
    kinds = np.array(["a", "b", "c"])[np.arange(TEXTS) % 3]
    plan = plan_probes({"kind": kinds}, np.arange(TEXTS), QUICK)
    (batch,) = plan.batches
    outcomes = probe_layer(states_of(codes, {}, 0)[0], batch)
    arrays = [
        array
        for curve, outcome in outcomes.items()
        if curve[2] == "fixed"
        for array in (outcome.predictions, outcome.inside)
        if array is not None
    ]
    assert kept_outcomes.outcome_bytes(plan.batches) == sum(array.nbytes for array in arrays)
