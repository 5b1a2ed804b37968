"""The margin classifiers, support vector machine and logistic regression, on the Gram matrix of a fold.

Classes weigh the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from fathom.statistics.arrays import FloatArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from fathom.probes.gram import Fold


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
    training, test, bound = fold.training * fold.width, fold.test * fold.width, 1 / (penalty * fold.width)

    def decide(target: FloatArray) -> FloatArray:
        model = SVC(C=bound, kernel="precomputed", class_weight=_class_weight(target)).fit(training, target)
        return np.asarray(test[:, model.support_] @ model.dual_coef_[0] + model.intercept_[0])

    return _each(fold, columns, decide)


def logistic(fold: Fold, columns: FloatArray, penalty: float) -> FloatArray:
    """Return decisions of a logistic regression with L2 penalty, C = 1 / penalty; arguments as for `svm`."""
    # Features with this Gram matrix give the same predictions as the standardised states, and are fewer.
    spectrum = fold.spectrum
    kept = spectrum.values > len(spectrum.values) * np.finfo(np.float64).eps * max(spectrum.values[-1], 1.0)
    scale = np.sqrt(np.where(kept, spectrum.values, 1.0))
    training = spectrum.vectors * np.where(kept, scale, 0.0)
    test = spectrum.test * np.where(kept, 1 / scale, 0.0)

    def decide(target: FloatArray) -> FloatArray:
        model = LogisticRegression(C=1 / penalty, class_weight=_class_weight(target), max_iter=1000)
        model.fit(training, target)
        return np.asarray(test @ model.coef_[0] + model.intercept_[0])

    return _each(fold, columns, decide)


def _each(fold: Fold, columns: FloatArray, decide: Callable[[FloatArray], FloatArray]) -> FloatArray:
    decisions = np.empty((len(fold.test), columns.shape[1]))
    for column, target in enumerate(columns.T):
        # A rare class can be missing from an inner training fold: then it is never predicted.
        known = (target != target[0]).any()
        decisions[:, column] = decide(target) if known else target[0]
    return decisions


def _class_weight(target: FloatArray) -> dict[float, float]:
    """Return scikit-learn's "balanced" weights, to the last digit, found faster."""
    positive = int((target > 0).sum())
    return {-1.0: len(target) / (2 * (len(target) - positive)), 1.0: len(target) / (2 * positive)}
