"""The estimators by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from fathom.probes import ridge
from fathom.probes import svm_logistic as machines
from fathom.probes.settings import Estimator

if TYPE_CHECKING:
    from fathom.probes.gram import Fold

FloatArray = npt.NDArray[np.float64]
Selection = Literal["fixed", "inner"]


def predict(estimator: Estimator, fold: Fold, columns: FloatArray, penalty: float) -> FloatArray:
    """Fit `columns` (training texts, columns) and return what is predicted of the test texts: (test texts, columns)."""
    if estimator == "ridge":
        return ridge.predict(fold, columns, penalty)
    fit = machines.svm if estimator == "svm" else machines.logistic
    return fit(fold, columns, penalty)
