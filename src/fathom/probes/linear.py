"""Linear probes of every layer: how well a text's label can be read off its state."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.linalg import cho_factor, cho_solve
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from fathom.probes.designs import check_groups, check_labels, grouped_folds, is_binary, permuted_labels
from fathom.statistics import family_wise_p, group_weights

if TYPE_CHECKING:
    from collections.abc import Callable

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Estimator = Literal["svm", "ridge", "logistic"]

# Share of the size of the predictions below which their spread is round-off: such predictions are all the same.
ROUND_OFF = 1e-12


@dataclass(frozen=True)
class ProbeResult:
    """What a probe of one label found.

    Attributes:
        layers: one row a layer: layer, score, low, high, chance, p_family_wise.
        folds: one row a layer, repeat and fold: layer, repeat, fold, texts (tested), score.
        replicates: (samples, layers), bootstrap samples of the curve. For the same groups and seed, row s draws the
            same groups whatever the labels and states, so that curves of several labels or models can be compared.
    """

    layers: pd.DataFrame
    folds: pd.DataFrame
    replicates: FloatArray


def probe_layers(
    states: npt.NDArray[np.floating],
    labels: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    estimator: Estimator = "svm",
    folds: int = 5,
    repeats: int = 10,
    permutations: int = 200,
    seed: int = 0,
    penalty: float = 1.0,
    bootstrap: int = 1000,
    level: float = 0.95,
    jobs: int = 1,
) -> pd.DataFrame:
    """Return how well each layer tells the labels: the `layers` of `run_probe`, which says what the arguments mean."""
    return run_probe(
        states,
        labels,
        groups,
        estimator=estimator,
        folds=folds,
        repeats=repeats,
        permutations=permutations,
        seed=seed,
        penalty=penalty,
        bootstrap=bootstrap,
        level=level,
        jobs=jobs,
    ).layers


def run_probe(
    states: npt.NDArray[np.floating],
    labels: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    estimator: Estimator = "svm",
    folds: int = 5,
    repeats: int = 10,
    permutations: int = 200,
    seed: int = 0,
    penalty: float = 1.0,
    bootstrap: int = 1000,
    level: float = 0.95,
    jobs: int = 1,
) -> ProbeResult:
    """Probe every layer with grouped cross-validation.

    Features are standardised with the mean and standard deviation of the training fold. `svm` is a support vector
    machine with hinge loss, `logistic` logistic regression (both weigh the classes equally), `ridge` a ridge
    regression on the labels, which are coded -1 and +1 if they have two values.

    Score, two values: balanced accuracy of the out-of-fold predictions, chance 0.5. Ridge predicts the higher value
    above 0, so with unequal classes it leans towards the frequent one. More values, ridge only: Pearson's r of the
    out-of-fold predictions, chance 0. Predictions and labels are centred within each test fold first, for a high mean
    of the training labels goes with a low mean of the test labels, which would push r below 0 where nothing can be
    predicted. Predictions that are all the same have r = 0. Folds are put together before they are scored, repeats
    are averaged after.

    Interval: percentiles over bootstrap samples of groups, the predictions held fixed.

    `p_family_wise`: maximum statistic over layers (`fathom.statistics.family_wise_p`) under the permutations of
    `permuted_labels`. They are run on the folds of the first repeat only, and so is the statistic that they are
    compared with: a mean over repeats varies less than a single one, and is never set against it.

    Args:
        states: (layers, texts, width), finite; read one layer at a time and computed in float64.
        labels: (texts,), finite numbers with at least two values.
        groups: (texts,) names; texts of one group are never split between training and test.
        estimator: svm, ridge or logistic.
        folds: number of folds.
        repeats: number of assignments to folds.
        permutations: number of permutations; 0 leaves p_family_wise NaN.
        seed: seed of folds, permutations and bootstrap.
        penalty: strength of the L2 penalty, above 0: alpha of ridge, 1 / C of the others. The Gram matrix of the
            standardised features is divided by the width, which makes its mean diagonal 1 at every layer and width, so
            that one value means the same everywhere. It is fixed, not chosen by inner folds, lest different choices
            shape the curve. On features not divided so, it is alpha / width or 1 / (C width).
        bootstrap: number of bootstrap samples; 0 leaves low and high NaN.
        level: coverage of the intervals.
        jobs: layers probed at the same time, in threads. BLAS is held to one thread meanwhile. The many small fits of
            svm and logistic spend most of their time in Python, of which one thread runs at a time: they gain little.

    Raises:
        ValueError: naming the argument.
    """
    values = check_labels(labels)
    codes = check_groups(groups)
    _check_arguments(states, values, estimator, penalty=penalty, level=level)
    for name, count, least in (("permutations", permutations, 0), ("bootstrap", bootstrap, 0), ("jobs", jobs, 1)):
        if count < least:
            msg = f"{name}: {count}; expected at least {least}"
            raise ValueError(msg)

    binary = is_binary(values)
    targets = np.where(values == values.max(), 1.0, -1.0) if binary else values
    assignment = grouped_folds(targets, codes, folds=folds, repeats=repeats, seed=seed)
    columns = targets[:, None]
    if permutations:
        null = permuted_labels(targets, codes, assignment[0], permutations=permutations, seed=seed)
        columns = np.hstack([columns, null])

    def probe(layer: int) -> tuple[FloatArray, FloatArray]:
        layer_states = np.asarray(states[layer], dtype=np.float64)
        if not np.isfinite(layer_states).all():
            msg = f"states: NaN or infinity in layer {layer}"
            raise ValueError(msg)
        # What scikit-learn would check again at each of many thousand small fits costs it more than the fit.
        with config_context(assume_finite=True, skip_parameter_validation=True):
            first = out_of_fold(layer_states, columns, assignment[0], estimator, penalty)
            others = [
                out_of_fold(layer_states, columns[:, :1], fold_of, estimator, penalty) for fold_of in assignment[1:]
            ]
        return np.hstack([first[:, :1], *others]), _score(first, columns, assignment[0], binary)

    with threadpool_limits(limits=1), ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(probe, range(len(states))))
    predictions = np.stack([observed for observed, _ in results])
    statistics = np.stack([statistic for _, statistic in results], axis=1)

    whole = np.ones((1, len(targets)))
    layers = pd.DataFrame(
        {
            "layer": np.arange(len(states)),
            "score": _curves(predictions, targets, assignment, binary, whole)[0],
            "low": np.nan,
            "high": np.nan,
            "chance": 0.5 if binary else 0.0,
            "p_family_wise": np.nan,
        }
    )
    replicates = np.empty((0, len(states)))
    if bootstrap:
        weights = group_weights(codes, samples=bootstrap, seed=seed)
        replicates = _curves(predictions, targets, assignment, binary, weights.astype(np.float64))
        layers["low"], layers["high"] = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2], axis=0)
    if permutations:
        layers["p_family_wise"] = family_wise_p(statistics[0], statistics[1:])
    return ProbeResult(layers, _fold_scores(predictions, targets, assignment, binary), replicates)


def _check_arguments(
    states: npt.NDArray[np.floating], values: FloatArray, estimator: str, *, penalty: float, level: float
) -> None:
    if np.ndim(states) != 3 or np.shape(states)[1] != len(values) or 0 in np.shape(states):
        msg = f"states: shape {np.shape(states)}; expected (layers, {len(values)} texts, width), none of them 0"
        raise ValueError(msg)
    if estimator not in PREDICT:
        msg = f"estimator: {estimator!r}; expected one of {', '.join(PREDICT)}"
        raise ValueError(msg)
    if estimator != "ridge" and not is_binary(values):
        msg = f"labels: {len(np.unique(values))} different values; {estimator} tells two apart, ridge takes more"
        raise ValueError(msg)
    if not (penalty > 0 and np.isfinite(penalty)):
        msg = f"penalty: {penalty}; expected a finite number above 0"
        raise ValueError(msg)
    if not 0 < level < 1:
        msg = f"level: {level}; expected a number between 0 and 1"
        raise ValueError(msg)


def out_of_fold(
    states: FloatArray, targets: FloatArray, fold_of: IntArray, estimator: Estimator, penalty: float
) -> FloatArray:
    """Return what the probe that was not fitted on a text predicts for it.

    Args:
        states: (texts, width), finite.
        targets: (texts, columns); each column is a labelling of its own, of -1 and 1 for svm and logistic.
        fold_of: (texts,), the fold in which a text is predicted.
        estimator: svm, ridge or logistic.
        penalty: as in `run_probe`.

    Returns:
        (texts, columns); above 0 means label 1, and for ridge it is the label itself.
    """
    predictions = np.empty_like(targets)
    for fold in np.unique(fold_of):
        test = fold_of == fold
        gram = _gram(states, ~test)
        predictions[test] = PREDICT[estimator](gram[~test], gram[test], targets[~test], penalty)
    return predictions


def _gram(states: FloatArray, training: npt.NDArray[np.bool_]) -> FloatArray:
    """Return (texts, training texts): products of standardised features, divided by the width."""
    mean = states[training].mean(axis=0)
    deviation = states[training].std(axis=0)
    # A feature that is constant in training deviates by round-off only; it can tell nothing and is left out.
    constant = deviation <= training.sum() * np.finfo(np.float64).eps * np.abs(mean)
    standardised = np.where(constant, 0.0, (states - mean) / np.where(constant, 1.0, deviation))
    return np.asarray(standardised @ standardised[training].T / states.shape[1], dtype=np.float64)


def _svm(training: FloatArray, test: FloatArray, targets: FloatArray, penalty: float) -> FloatArray:
    predictions = np.empty((len(test), targets.shape[1]))
    for column, target in enumerate(targets.T):
        machine = SVC(C=1 / penalty, kernel="precomputed", class_weight=_class_weight(target)).fit(training, target)
        predictions[:, column] = test[:, machine.support_] @ machine.dual_coef_[0] + machine.intercept_[0]
    return predictions


def _ridge(training: FloatArray, test: FloatArray, targets: FloatArray, penalty: float) -> FloatArray:
    # The training features have mean 0, so the intercept is the mean label and the Gram matrix needs no centring.
    intercept = targets.mean(axis=0)
    factor = cho_factor(training + penalty * np.eye(len(training)))
    return np.asarray(test @ cho_solve(factor, targets - intercept) + intercept, dtype=np.float64)


def _logistic(training: FloatArray, test: FloatArray, targets: FloatArray, penalty: float) -> FloatArray:
    # Features with this Gram matrix give the same predictions as the standardised states, and are fewer.
    values, vectors = np.linalg.eigh(training)
    kept = values > len(values) * np.finfo(np.float64).eps * max(values[-1], 1.0)
    scale = np.sqrt(np.where(kept, values, 1.0))
    training_features = vectors * np.where(kept, scale, 0.0)
    test_features = test @ vectors * np.where(kept, 1 / scale, 0.0)
    predictions = np.empty((len(test), targets.shape[1]))
    for column, target in enumerate(targets.T):
        model = LogisticRegression(C=1 / penalty, class_weight=_class_weight(target), max_iter=1000)
        model.fit(training_features, target)
        predictions[:, column] = test_features @ model.coef_[0] + model.intercept_[0]
    return predictions


def _class_weight(target: FloatArray) -> dict[float, float]:
    """Return the weights that make both classes count equally: those of scikit-learn's "balanced", found faster."""
    share = float((target > 0).mean())
    return {-1.0: 0.5 / (1 - share), 1.0: 0.5 / share}


# Each takes the Gram matrices (training, training) and (test, training), the labels (training, columns) and the
# penalty, and returns predictions (test, columns); above 0 means the higher of two labels.
PREDICT: dict[Estimator, Callable[[FloatArray, FloatArray, FloatArray, float], FloatArray]] = {
    "svm": _svm,
    "ridge": _ridge,
    "logistic": _logistic,
}


def _score(predictions: FloatArray, targets: FloatArray, fold_of: IntArray, binary: bool) -> FloatArray:
    """Score each column of predictions (texts, columns) on the same column of targets (texts, columns)."""
    everything = np.ones((1, len(targets)))
    if binary:
        scores = _balanced_accuracy(predictions, targets, everything)
    else:
        scores = _correlation(_centred(predictions, fold_of), _centred(targets, fold_of), everything)
    return scores.reshape(-1)


def _curves(
    predictions: FloatArray, targets: FloatArray, assignment: IntArray, binary: bool, weights: FloatArray
) -> FloatArray:
    """Return the score, averaged over repeats, of each weighting of the texts.

    predictions (layers, texts, repeats), targets (texts,), weights (samples, texts) -> (samples, layers).
    """
    total = np.zeros((len(weights), len(predictions)))
    for repeat, fold_of in enumerate(assignment):
        columns = predictions[:, :, repeat].T
        if binary:
            total += _balanced_accuracy(columns, targets[:, None], weights)
        else:
            total += _correlation(_centred(columns, fold_of), _centred(targets[:, None], fold_of), weights)
    return total / len(assignment)


def _fold_scores(predictions: FloatArray, targets: FloatArray, assignment: IntArray, binary: bool) -> pd.DataFrame:
    rows = []
    for repeat, fold_of in enumerate(assignment):
        for fold in np.unique(fold_of):
            test = fold_of == fold
            columns = predictions[:, test, repeat].T
            labels = np.broadcast_to(targets[test, None], columns.shape)
            scores = _score(columns, labels, fold_of[test], binary)
            rows += [(layer, repeat, int(fold), int(test.sum()), float(score)) for layer, score in enumerate(scores)]
    frame = pd.DataFrame(rows, columns=["layer", "repeat", "fold", "texts", "score"])
    return frame.sort_values(["layer", "repeat", "fold"], ignore_index=True)


def _balanced_accuracy(predictions: FloatArray, targets: FloatArray, weights: FloatArray) -> FloatArray:
    """Return (samples, columns): the mean of the two classes' weighted shares of correct predictions."""
    correct = (predictions > 0) == (targets > 0)
    total = np.zeros((len(weights), predictions.shape[1]))
    for members in (targets > 0, targets <= 0):
        size = weights @ members
        if (size == 0).any():
            msg = "groups: too few for an interval, a bootstrap sample lacks one label; ask for 0 bootstrap samples"
            raise ValueError(msg)
        total += weights @ (correct & members) / size
    return np.asarray(total / 2, dtype=np.float64)


def _correlation(predictions: FloatArray, targets: FloatArray, weights: FloatArray) -> FloatArray:
    """Return (samples, columns): Pearson's r of centred predictions and targets, 0 where either does not vary."""
    scale = np.sqrt((weights @ predictions**2) * (weights @ targets**2))
    correlation = np.where(scale > 0, weights @ (predictions * targets), 0.0) / np.where(scale > 0, scale, 1.0)
    return np.asarray(correlation, dtype=np.float64)


def _centred(values: FloatArray, fold_of: IntArray) -> FloatArray:
    """Subtract the mean of each fold from each column; what is then no more than round-off becomes 0."""
    centred = np.empty(values.shape)
    for fold in np.unique(fold_of):
        part = values[fold_of == fold]
        rest = part - part.mean(axis=0)
        noise = np.linalg.norm(rest, axis=0) <= ROUND_OFF * np.linalg.norm(part, axis=0)
        centred[fold_of == fold] = np.where(noise, 0.0, rest)
    return centred
