"""The margin classifiers, support vector machine and logistic regression: on the Gram matrix of a fold, or on features.

Classes weigh the same. Of many texts (`fathom.probes.design.MANY_TEXTS`) a Gram matrix takes too long: then
scikit-learn's solvers of the features are called, for the same losses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from fathom.probes.libsvm import balanced_svm, class_weights
from fathom.statistics.arrays import FloatArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from fathom.probes.gram import Fold
    from fathom.probes.primal import PrimalFold

ClassWeights = dict[float, float]


def svm(fold: Fold, columns: FloatArray, penalty: float) -> FloatArray:
    """Return decisions of a linear support vector machine with hinge loss, C = 1 / penalty.

    Args:
        fold: Gram matrices.
        columns: (training texts, columns), of -1 and 1; each column is a labelling of its own.
        penalty: above 0.

    Returns:
        (test texts, columns); above 0 means 1.
    """
    # In the scale of features that are not divided by the root of the width: at strong penalties every text is a
    # support vector at its bound, any intercept between two numbers is optimal, and the last digits of the bounds
    # decide which of them libsvm takes. So it is given the bounds that it has on the features themselves.
    training, bound = fold.training * fold.width, 1 / (penalty * fold.width)
    weights, decisions = np.zeros((len(training), columns.shape[1])), np.zeros(columns.shape[1])
    for column, target in enumerate(columns.T):
        if (target != target[0]).any():
            weights[:, column], decisions[column] = balanced_svm(training, target, bound)
        else:
            decisions[column] = target[0]  # a rare class can be missing from an inner training fold
    return np.asarray((fold.test * fold.width) @ weights + decisions)


def logistic(fold: Fold, columns: FloatArray, penalty: float) -> FloatArray:
    """Return decisions of a logistic regression with L2 penalty, C = 1 / penalty; arguments as for `svm`."""
    # Features with this Gram matrix give the same predictions as the standardised states, and are fewer.
    spectrum = fold.spectrum
    kept = spectrum.values > len(spectrum.values) * np.finfo(np.float64).eps * max(spectrum.values[-1], 1.0)
    scale = np.sqrt(np.where(kept, spectrum.values, 1.0))
    training = spectrum.vectors * np.where(kept, scale, 0.0)
    test = spectrum.test * np.where(kept, 1 / scale, 0.0)

    return _each(
        training, test, columns, lambda weights: LogisticRegression(C=1 / penalty, class_weight=weights, max_iter=1000)
    )


def svm_of_features(fold: PrimalFold, columns: FloatArray, penalty: float) -> FloatArray:
    """`svm` by liblinear, which penalises the intercept as it does a weight: of many texts that moves nothing."""

    def machine(weights: ClassWeights) -> LinearSVC:
        return LinearSVC(C=1 / penalty, loss="hinge", class_weight=weights, max_iter=10_000, random_state=0)

    return _each(fold.training_features, fold.test_features, columns, machine)


def logistic_of_features(fold: PrimalFold, columns: FloatArray, penalty: float) -> FloatArray:
    """`logistic` by Newton's method, whose matrix has the width of the features."""

    def regression(weights: ClassWeights) -> LogisticRegression:
        return LogisticRegression(
            C=1 / penalty, solver="newton-cholesky", tol=1e-6, class_weight=weights, max_iter=1000
        )

    return _each(fold.training_features, fold.test_features, columns, regression)


def _each(
    training: FloatArray, test: FloatArray, columns: FloatArray, estimator: Callable[[ClassWeights], Any]
) -> FloatArray:
    """Fit an estimator to every column on training features, and return its decisions on test features."""
    decisions = np.empty((len(test), columns.shape[1]))
    for column, target in enumerate(columns.T):
        if (target == target[0]).all():
            decisions[:, column] = target[0]  # a rare class can be missing from an inner training fold
            continue
        negative, positive = class_weights(target)
        model = estimator({-1.0: negative, 1.0: positive}).fit(training, target)
        decisions[:, column] = test @ model.coef_[0] + float(np.ravel(model.intercept_)[0])
    return decisions
