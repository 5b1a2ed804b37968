"""The probes are those of scikit-learn: same predictions, same choice of penalty by nested folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tests.planted import partly_told

from fathom.probes.design import ProbeDesign
from fathom.probes.fitting import Outcome, probe_layer
from fathom.probes.label_batches import Batch, make_batch
from fathom.probes.targets import read_targets

if TYPE_CHECKING:
    from fathom.probes.design import Estimator, Selection

FloatArray = npt.NDArray[np.float64]
WIDTH = 50
RIDGE_PENALTIES = tuple(np.logspace(3, -3, 13).tolist())
SVM_PENALTIES = (100.0, 10.0, 1.0, 0.1)


def probed(
    labels: dict[str, npt.ArrayLike], estimator: Estimator, selection: Selection = "fixed", penalty: float = 1.0
) -> tuple[Batch, dict[str, Outcome]]:
    """Probe the states of `partly_told` for labels of all texts, one repeat."""
    states, _, groups = partly_told()
    targets = read_targets(labels, len(states))
    batch = make_batch(
        targets,
        [(target.name, estimator, selection) for target in targets],
        groups,
        None,
        ProbeDesign(
            estimators=(estimator,),
            selections=(selection,),
            penalty=penalty,
            ridge_penalties=RIDGE_PENALTIES,
            margin_penalties=SVM_PENALTIES,
            inner_folds=4,
            repeats=1,
            permutations=0,
        ),
    )
    found = probe_layer(states, batch)
    return batch, {curve[0]: outcome for curve, outcome in found.items()}


def pipeline_predictions(batch: Batch, model: Any, target: FloatArray) -> FloatArray:
    """What scikit-learn predicts of the test texts."""
    states = partly_told()[0]
    parts: list[tuple[Any, FloatArray]] = []
    for fold in range(5):
        test = batch.assignment[0] == fold
        pipeline = make_pipeline(StandardScaler(), model).fit(states[~test], target[~test])
        parts.append((test, getattr(pipeline, "decision_function", pipeline.predict)(states[test])))
    predictions = np.empty((len(target), *parts[0][1].shape[1:]))
    for test, part in parts:
        predictions[test] = part
    return predictions


def nested_predictions(batch: Batch, model: Any, grid: dict[str, Any], target: FloatArray, scoring: str) -> Any:
    """What scikit-learn's grid search on the same inner folds chooses, and what it predicts of the test texts."""
    assert batch.inner is not None
    states = partly_told()[0]
    predictions, chosen = np.empty_like(target), []
    for fold in range(5):
        test = batch.assignment[0] == fold
        split = PredefinedSplit(batch.inner[0, fold][~test])
        search = GridSearchCV(make_pipeline(StandardScaler(), model), grid, scoring=scoring, cv=split)
        search.fit(states[~test], target[~test])
        predictions[test] = getattr(search, "decision_function", search.predict)(states[test])
        chosen += list(search.best_params_.values())
    return predictions, chosen


def classes_and_numbers() -> dict[str, npt.ArrayLike]:
    states, labels, groups = partly_told()
    return {
        "binary": labels,
        "number": np.random.default_rng(0).standard_normal(120) + 3 * states[:, 3] / states[:, 3].std(),
        "class": np.array(["a", "b", "c"])[(groups // 2 + labels) % 3],
    }


@pytest.mark.parametrize("penalty", [0.001, 1.0, 30.0])
def test_ridge_predicts_as_scikit_learn_does(penalty: float) -> None:
    labels = classes_and_numbers()
    batch, found = probed(labels, "ridge", penalty=penalty)
    for name in labels:
        target = batch.targets[name]
        columns = target.columns(target.values[:, None])
        theirs = pipeline_predictions(batch, Ridge(alpha=penalty * WIDTH), columns)
        np.testing.assert_allclose(found[name].predictions[:, 0], theirs.reshape(120, -1), atol=1e-8)


def test_ridge_chooses_as_scikit_learns_grid_search_does() -> None:
    labels = classes_and_numbers()
    batch, found = probed({name: labels[name] for name in ("binary", "number")}, "ridge", "inner")
    grid = {"ridge__alpha": [penalty * WIDTH for penalty in RIDGE_PENALTIES]}
    for name in found:
        target = batch.targets[name]
        numbers = target.columns(target.values[:, None])[:, 0]
        theirs, chosen = nested_predictions(batch, Ridge(), grid, numbers, "neg_mean_squared_error")
        np.testing.assert_allclose(found[name].penalties[0] * WIDTH, chosen)
        np.testing.assert_allclose(found[name].predictions[:, 0, 0], theirs, atol=1e-8)
    assert len({*found["binary"].penalties[0], *found["number"].penalties[0]}) > 1


@pytest.mark.parametrize("penalty", [0.1, 1.0, 10.0])
def test_svm_predicts_as_scikit_learn_does(penalty: float) -> None:
    labels = classes_and_numbers()
    batch, found = probed({name: labels[name] for name in ("binary", "class")}, "svm", penalty=penalty)
    model = SVC(kernel="linear", C=1 / (penalty * WIDTH), class_weight="balanced")
    binary = batch.targets["binary"]
    theirs = pipeline_predictions(batch, model, binary.values.astype(np.float64))
    ours = found["binary"].predictions[:, 0, 0]
    assert ((ours > 0) != (theirs > 0)).sum() <= 2  # libsvm stops at a tolerance
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999
    target = batch.targets["class"]
    each = pipeline_predictions(batch, OneVsRestClassifier(model), target.values.astype(np.float64))
    assert (target.predicted(found["class"].predictions[:, 0]) != each.argmax(axis=1)).sum() <= 2


def test_svm_chooses_as_scikit_learns_grid_search_does() -> None:
    batch, found = probed({"binary": partly_told()[1]}, "svm", "inner")
    model = SVC(kernel="linear", class_weight="balanced")
    target = batch.targets["binary"].values.astype(np.float64)
    grid = {"svc__C": [1 / (penalty * WIDTH) for penalty in SVM_PENALTIES]}
    theirs, chosen = nested_predictions(batch, model, grid, target, "balanced_accuracy")
    assert ((found["binary"].predictions[:, 0, 0] > 0) != (theirs > 0)).sum() <= 2
    np.testing.assert_allclose(1 / (found["binary"].penalties[0] * WIDTH), chosen)
    assert len(set(chosen)) > 1


def test_logistic_regression_predicts_as_scikit_learn_does() -> None:
    batch, found = probed({"binary": partly_told()[1]}, "logistic")
    model = LogisticRegression(C=1 / WIDTH, class_weight="balanced", max_iter=1000, tol=1e-8)
    theirs = pipeline_predictions(batch, model, batch.targets["binary"].values.astype(np.float64))
    np.testing.assert_allclose(found["binary"].predictions[:, 0, 0], theirs, atol=1e-2)
