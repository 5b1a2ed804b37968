"""Probes of one layer against the plain scikit-learn loop: same data, same folds, same penalties, one thread."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import config_context
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from benchmarks.pairs import Aim, Comparison, clock, interleave, speeds
from fathom.probes.design import MARGIN_PENALTIES, RIDGE_PENALTIES, Estimator, ProbeDesign
from fathom.probes.fitting import Outcome, probe_layer
from fathom.probes.label_batches import Batch, make_batch
from fathom.probes.probing import run_probes
from fathom.probes.targets import read_targets

FloatArray = npt.NDArray[np.float64]

TEXTS, WIDTH, FOLDS, INNER = 480, 576, 5, 5
BLOCK = 8
PERMUTATIONS = 200
# So many labellings the loop is timed on; it does the same for each, so that its time grows with their number.
TIMED = 2
PAIRS = 3
MEMORY_LAYERS = 6


@dataclass(frozen=True)
class Nested:
    """What the plain loop found: out-of-fold predictions and the penalty of each fold."""

    predictions: FloatArray
    penalties: list[float]


def measure() -> list[Comparison]:
    """Measure ridge with permutations, the SVM grid and the memory; both sides must predict the same."""
    with threadpool_limits(limits=1, user_api="blas"):
        return [measure_ridge(), measure_svm(), *measure_memory()]


def measure_ridge() -> Comparison:
    """Ridge with 13 penalties, chosen by inner folds, for a label and 200 permutations of it."""
    states, batch = case("ridge", PERMUTATIONS)
    alphas = [penalty * WIDTH for penalty in RIDGE_PENALTIES]
    target = batch.targets["label"]
    columns = target.columns(batch.labellings["label"])

    def plain(column: int) -> Nested:
        return nested(states, columns[:, column], batch, Ridge(), {"ridge__alpha": alphas}, "neg_mean_squared_error")

    ours = fit(states, batch)
    theirs = plain(0)
    np.testing.assert_allclose(ours.predictions[:, 0, 0], theirs.predictions, atol=1e-6)
    np.testing.assert_allclose(ours.penalties[0] * WIDTH, theirs.penalties)
    for column in range(1, TIMED):
        correct = (plain(column).predictions > 0) == (columns[:, column] > 0)
        expected = np.mean([correct[columns[:, column] > 0].mean(), correct[columns[:, column] < 0].mean()])
        np.testing.assert_allclose(ours.statistics[column], expected)

    def timed_loop() -> float:
        return clock(lambda: [plain(column) for column in range(TIMED)]) / TIMED * (1 + PERMUTATIONS)

    return Comparison(
        name=f"Ridge, {len(alphas)} penalties, {PERMUTATIONS} permutations, a layer of {TEXTS} x {WIDTH}, 1 thread",
        against=f"the scikit-learn loop, timed on {TIMED} labellings and scaled to {1 + PERMUTATIONS}",
        unit="labellings/s",
        pairs=speeds(interleave(lambda: clock(lambda: fit(states, batch)), timed_loop, PAIRS), 1 + PERMUTATIONS),
        aim=Aim("at least", 500.0),
    )


def measure_svm() -> Comparison:
    """Linear support vector machine with 5 values of C, chosen by inner folds."""
    states, batch = case("svm", 0)
    target = batch.targets["label"].values.astype(np.float64)
    grid = {"svc__C": [1 / (penalty * WIDTH) for penalty in MARGIN_PENALTIES]}
    model = SVC(kernel="linear", class_weight="balanced")

    def plain() -> Nested:
        return nested(states, target, batch, model, grid, "balanced_accuracy")

    ours, theirs = fit(states, batch), plain()
    differing = int(((ours.predictions[:, 0, 0] > 0) != (theirs.predictions > 0)).sum())
    if differing > 2:
        msg = f"SVM: {differing} texts are classified differently by the two sides"
        raise RuntimeError(msg)
    return Comparison(
        name=f"SVM, {len(MARGIN_PENALTIES)} penalties, a layer of {TEXTS} x {WIDTH}, 1 thread",
        against='the scikit-learn loop with `SVC(kernel="linear")`',
        unit="grids/s",
        pairs=speeds(interleave(lambda: clock(lambda: fit(states, batch)), lambda: clock(plain), PAIRS), 1),
        aim=Aim("at least", 5.0),
    )


def measure_memory() -> list[Comparison]:
    """Peak memory of ridge over several layers, one and two of them in flight."""
    return [memory(jobs) for jobs in (1, 2)]


def memory(jobs: int) -> Comparison:
    """Most memory that Python and numpy hold at once; both sides are exact, so that there are no pairs.

    What LAPACK takes to work in is not counted.
    """
    _, batch = case("ridge", 0)

    def run() -> None:
        run_probes(
            Layers(MEMORY_LAYERS),
            {"label": batch.targets["label"].values},
            batch.groups,
            ProbeDesign(
                estimators=("ridge",), selections=("inner",), repeats=1, permutations=PERMUTATIONS, bootstrap=0
            ),
            jobs=jobs,
        )

    run()
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Comparison(
        name=f"Peak memory of ridge, {MEMORY_LAYERS} layers of {TEXTS} x {WIDTH}, {jobs} at a time",
        against="a Gram matrix of all texts for each layer in flight, and its states, in float64",
        unit="MB",
        pairs=[(peak / 1e6, jobs * (TEXTS * TEXTS + TEXTS * WIDTH) * 8 / 1e6)],
        aim=None,
    )


class Layers:
    """Layers of random states, made when they are read."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, layer: int) -> npt.NDArray[np.float32]:
        return np.random.default_rng(layer).standard_normal((TEXTS, WIDTH), dtype=np.float32)


def case(estimator: Estimator, permutations: int) -> tuple[FloatArray, Batch]:
    """States that tell a label in part, closed blocks of 8 texts, and the folds that both sides are given."""
    rng = np.random.default_rng(0)
    label = np.tile([1, 1, 0, 0], TEXTS // 4)
    states = rng.standard_normal((TEXTS, WIDTH)) + 0.1 * np.outer(label, rng.standard_normal(WIDTH))
    batch = make_batch(
        read_targets({"label": label}, TEXTS),
        [("label", estimator, "inner")],
        np.repeat(np.arange(TEXTS // BLOCK), BLOCK),
        None,
        ProbeDesign(
            estimators=(estimator,),
            selections=("inner",),
            folds=FOLDS,
            inner_folds=INNER,
            repeats=1,
            permutations=permutations,
        ),
    )
    return states, batch


def fit(states: FloatArray, batch: Batch) -> Outcome:
    """Fathom's side."""
    # As run_probes has it for all layers.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        return probe_layer(states, batch)[batch.curves[0]]


def nested(states: FloatArray, target: FloatArray, batch: Batch, model: Any, grid: Any, scoring: str) -> Nested:
    """The other side: a grid search over a pipeline in every training fold."""
    predictions, penalties = np.empty_like(target), []
    for fold in range(FOLDS):
        test = batch.assignment[0] == fold
        split = PredefinedSplit(batch.inner[0, fold][~test])  # type: ignore[index]  # `case` has inner folds
        search = GridSearchCV(make_pipeline(StandardScaler(), model), grid, scoring=scoring, cv=split)
        search.fit(states[~test], target[~test])
        predictions[test] = getattr(search, "decision_function", search.predict)(states[test])
        penalties += list(search.best_params_.values())
    return Nested(predictions, penalties)
