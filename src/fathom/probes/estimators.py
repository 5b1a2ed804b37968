"""Each estimator fitted to a fold, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fathom.probes import ridge, svm_logistic
from fathom.probes.primal import PrimalFold
from fathom.statistics.arrays import FloatArray

if TYPE_CHECKING:
    from fathom.probes.design import Estimator
    from fathom.probes.gram import Fold


def predict(estimator: Estimator, fold: Fold | PrimalFold, columns: FloatArray, penalty: float) -> FloatArray:
    """Fit `columns` (training texts, columns) and return what is predicted of the test texts: (test texts, columns)."""
    if isinstance(fold, PrimalFold):
        if estimator == "ridge":
            return fold.predict(columns, penalty)
        of_features = svm_logistic.svm_of_features if estimator == "svm" else svm_logistic.logistic_of_features
        return of_features(fold, columns, penalty)
    if estimator == "ridge":
        return ridge.predict(fold, columns, penalty)
    fit = svm_logistic.svm if estimator == "svm" else svm_logistic.logistic
    return fit(fold, columns, penalty)
