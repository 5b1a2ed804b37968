"""The estimators by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from fathom.probes import machines, ridge

if TYPE_CHECKING:
    from fathom.probes.gram import Fold

FloatArray = npt.NDArray[np.float64]
Estimator = Literal["svm", "ridge", "logistic"]
Selection = Literal["fixed", "inner"]


def predict(estimator: Estimator, fold: Fold, columns: FloatArray, penalty: float) -> FloatArray:
    """Fit `columns` (training texts, columns) and return what is predicted of the test texts: (test texts, columns)."""
    if estimator == "ridge":
        return ridge.predict(fold, columns, penalty)
    fit = machines.svm if estimator == "svm" else machines.logistic
    return fit(fold, columns, penalty)


def check_names(argument: str, names: Iterable[str], literal: object) -> None:
    """Refuse, by a ValueError that names the argument, words that are not of the literal type; and none at all."""
    known, given = get_args(literal), list(names)
    unknown = [name for name in given if name not in known]
    if unknown or not given:
        found = repr(unknown[0]) if unknown else "none"
        msg = f"{argument}: {found}; expected one of {', '.join(known)}"
        raise ValueError(msg)


def check_penalty(argument: str, penalty: float) -> None:
    """Refuse, by a ValueError that names the argument, a penalty that is not a finite number above 0."""
    if not (penalty > 0 and np.isfinite(penalty)):
        msg = f"{argument}: {penalty}; expected a finite number above 0"
        raise ValueError(msg)
