"""Where texts outnumber features, moments give what Gram matrices give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fathom.probes import label_batches, primal, ridge, svm_logistic
from fathom.probes.design import ProbeDesign
from fathom.probes.gram import make_fold
from fathom.probes.primal import PrimalFold, PrimalParts, PrimalStates, moments
from fathom.probes.probing import run_probes

PENALTIES = (1000.0, 30.0, 1.0, 0.1, 0.001)


def _states(texts: int, width: int) -> np.ndarray:
    """Features of all sizes: far from 0, constant, constant but for one text, one text far off."""
    rng = np.random.default_rng(0)
    states = rng.normal(size=(texts, width)) * rng.lognormal(size=width) + 5 * rng.normal(size=width)
    states[:, 3] = 1e6 + 1e-3 * rng.normal(size=texts)
    states[:, 4] = 7.0
    states[:, 5] = 0.0
    states[17, 5] = 5.0
    states[3, 6] = 1e3 * states[:, 6].std()
    return states


def test_ridge_of_moments_is_ridge_of_the_gram_matrix() -> None:
    states = _states(500, 40)
    rng = np.random.default_rng(1)
    columns = np.column_stack([np.sign(states[:, 0] - states[:, 0].mean()), rng.normal(size=(500, 20))])
    part_of = rng.integers(-1, 5, 500)
    parts, seen = PrimalParts(PrimalStates.of(states), part_of), part_of >= 0
    expected = np.zeros((len(PENALTIES), columns.shape[1]))
    for number, fold in enumerate(parts.folds):
        training, test = seen & (part_of != number), part_of == number
        gram = make_fold(states[seen], training[seen])
        of_column = rng.choice(PENALTIES, columns.shape[1])
        found = fold.predict(columns[training], of_column)
        np.testing.assert_allclose(found, ridge.predict(gram, columns[training], of_column), atol=1e-8)
        errors = ridge.squared_errors(gram, columns[training], columns[test], PENALTIES)
        np.testing.assert_allclose(fold.squared_errors(columns[training], columns[test], PENALTIES), errors, atol=1e-8)
        expected += errors
    found = parts.squared_errors(columns, PENALTIES)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    np.testing.assert_array_equal(found.argmin(axis=0), expected.argmin(axis=0))


@pytest.mark.parametrize("given_split", [False, True])
def test_curves_are_the_same_either_way(given_split: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    states = _states(240, 30)[None].repeat(2, axis=0)
    rng = np.random.default_rng(2)
    labels = {
        "side": np.where(states[0, :, 0] + rng.normal(size=240) > states[0, :, 0].mean(), "left", "right"),
        "third": rng.choice(["a", "b", "c"], 240),
        "number": states[0, :, 1] + rng.normal(size=240),
    }
    tested = np.arange(240) % 4 == 0 if given_split else None
    design = ProbeDesign(
        estimators=("ridge",),
        selections=("fixed", "inner"),
        repeats=1 if given_split else 2,
        permutations=20,
        bootstrap=20,
    )
    found = []
    for pays in (1.3, np.inf):
        monkeypatch.setattr(primal, "PAYS", pays)
        found.append(run_probes(states, labels, np.arange(240) // 2, design, tested=tested))
    for column in ("score", "low", "high", "p_family_wise"):
        np.testing.assert_allclose(found[0].curves[column], found[1].curves[column], atol=1e-8)
    np.testing.assert_array_equal(found[0].folds["penalty"], found[1].folds["penalty"])


@pytest.mark.parametrize(
    ("by_gram", "by_features"),
    [
        (svm_logistic.svm, svm_logistic.svm_of_features),
        (svm_logistic.logistic, svm_logistic.logistic_of_features),
    ],
)
def test_solvers_of_features_decide_as_those_of_the_gram_matrix(by_gram: object, by_features: object) -> None:
    rng = np.random.default_rng(3)
    states = rng.normal(size=(1500, 30)) + 2
    labels = np.where(states[:, :5].sum(axis=1) + rng.normal(size=1500) > 11, 1.0, -1.0)  # a third
    training = np.arange(1500) % 5 != 0
    scaled = PrimalStates.of(states)
    fold = PrimalFold(scaled, training, ~training, moments(scaled.values[training]))
    columns = np.column_stack([labels, np.ones(1500)])[training]
    expected = by_gram(make_fold(states, training), columns, 1.0)  # type: ignore[operator]
    found = by_features(fold, columns, 1.0)  # type: ignore[operator]
    assert ((found > 0) != (expected > 0)).sum() <= 2
    np.testing.assert_array_equal(found[:, 1], 1.0)


def test_of_many_texts_only_ridge_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_batches, "MANY_TEXTS", 100)
    rng = np.random.default_rng(4)
    states = rng.normal(size=(1, 200, 20))
    labels = {"side": np.where(states[0, :, 0] > 0, "left", "right")}
    design = ProbeDesign(estimators=("svm", "ridge"), repeats=1, permutations=20, bootstrap=0)
    many = run_probes(states, labels, np.arange(200), design).curves
    accuracy = many[many["measure"] == "balanced_accuracy"].set_index("estimator")
    assert np.isnan(accuracy["p_family_wise"].loc["svm"])
    assert accuracy.loc["ridge", "p_family_wise"] == pytest.approx(1 / 21)
    monkeypatch.setattr(label_batches, "MANY_TEXTS", 1000)
    few = run_probes(states, labels, np.arange(200), replace(design, permutations=0)).curves
    scores = few[few["measure"] == "balanced_accuracy"].set_index("estimator")["score"]
    assert accuracy.loc["svm", "score"] == pytest.approx(scores["svm"], abs=2 / 200)
