"""How labels are probed, whatever the states: estimators, penalties, folds, permutations and resampling.

It imports nothing that is slow, so that the config reads its names here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

Estimator = Literal["svm", "ridge", "logistic"]
Selection = Literal["fixed", "inner"]
"""How the penalty is found: one fixed penalty, or nested cross-validation, whose inner folds choose it."""

# Strongest first, for ties take the first. On features that are not divided by the root of the width these are alpha
# from 1 to 1e6 and C from 1e-5 to 0.1 at a width of 1,000.
RIDGE_PENALTIES = (1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
MARGIN_PENALTIES = (100.0, 10.0, 1.0, 0.1, 0.01)

# Texts above which SVM and logistic regression are fitted to the features (scikit-learn's LinearSVC and its Newton
# solver) in place of a Gram matrix, whose time grows with the cube of the texts. Permuted labels, two hundred fits
# more, are for ridge only there.
MANY_TEXTS = 5000


@dataclass(frozen=True, kw_only=True)
class ProbeDesign:
    """How labels are probed at every layer.

    Attributes:
        estimators: of svm, ridge, logistic.
        selections: of fixed, inner.
        nested: estimators that selection `inner` (nested cross-validation) is run for; all if left out.
        penalty: of `fixed`. Strength of the L2 penalty, above 0: alpha of ridge, 1 / C of the others. The Gram matrix
            of the standardised features is divided by the width, which makes its mean diagonal 1 at every layer and
            width, so that one value means the same everywhere. On features not divided so, it is alpha / width or
            1 / (C width).
        ridge_penalties: from which `inner` chooses for ridge, in the same unit.
        margin_penalties: from which `inner` chooses for the margin classifiers, svm and logistic.
        folds: number of outer folds, at least 2.
        inner_folds: number of inner folds, at least 2.
        repeats: number of assignments to folds, at least 1.
        permutations: number of permutations; 0 leaves p_family_wise NaN.
        permuted: estimators whose permutations are run; all if left out.
        seed: seed of folds, permutations and bootstrap.
        bootstrap: number of bootstrap samples; 0 leaves low and high NaN.
        level: coverage of the intervals, between 0 and 1.

    Raises:
        ValueError: naming the attribute.
    """

    estimators: tuple[Estimator, ...] = ("svm", "ridge")
    selections: tuple[Selection, ...] = ("fixed",)
    nested: tuple[Estimator, ...] | None = None
    penalty: float = 1.0
    ridge_penalties: tuple[float, ...] = RIDGE_PENALTIES
    margin_penalties: tuple[float, ...] = MARGIN_PENALTIES
    folds: int = 5
    inner_folds: int = 5
    repeats: int = 5
    permutations: int = 200
    permuted: tuple[Estimator, ...] | None = None
    seed: int = 0
    bootstrap: int = 1000
    level: float = 0.95

    def __post_init__(self) -> None:
        """Refuse what no probe can be fitted with; numbers of folds are checked against the groups later."""
        _check_names("estimator", self.estimators, Estimator)
        _check_names("selection", self.selections, Selection)
        for argument, names in (("nested", self.nested), ("permuted", self.permuted)):
            if names:
                _check_names(argument, names, Estimator)
        _check_penalty("penalty", self.penalty)
        for argument, penalties in (
            ("ridge_penalties", self.ridge_penalties),
            ("margin_penalties", self.margin_penalties),
        ):
            if len(penalties) == 0:
                msg = f"{argument}: none; expected at least one"
                raise ValueError(msg)
            for penalty in penalties:
                _check_penalty(argument, penalty)
        for argument, count in (("permutations", self.permutations), ("bootstrap", self.bootstrap)):
            if count < 0:
                msg = f"{argument}: {count}; expected at least 0"
                raise ValueError(msg)
        if not 0 < self.level < 1:
            msg = f"level: {self.level}; expected a number between 0 and 1"
            raise ValueError(msg)

    def penalties(self, estimator: Estimator) -> tuple[float, ...]:
        """The penalties from which nested cross-validation chooses."""
        return self.ridge_penalties if estimator == "ridge" else self.margin_penalties

    def selects(self, estimator: Estimator, selection: Selection) -> bool:
        """Whether an estimator is run under a selection."""
        if selection == "fixed":
            return selection in self.selections
        return selection in self.selections and (self.nested is None or estimator in self.nested)

    def permutes(self, estimator: Estimator) -> bool:
        """Whether an estimator is fitted to permuted labels, if there are any."""
        return self.permuted is None or estimator in self.permuted

    def as_control(self) -> ProbeDesign:
        """The design of a curve that another is set against: the fixed penalty, no test."""
        return replace(self, selections=("fixed",), permutations=0)


def _check_names(argument: str, names: Iterable[str], literal: object) -> None:
    """Refuse words that are not of the literal type; and none at all."""
    known, given = get_args(literal), list(names)
    unknown = [name for name in given if name not in known]
    if unknown or not given:
        found = repr(unknown[0]) if unknown else "none"
        msg = f"{argument}: {found}; expected one of {', '.join(known)}"
        raise ValueError(msg)


def _check_penalty(argument: str, penalty: float) -> None:
    """Refuse a penalty that is not a finite number above 0."""
    if not (penalty > 0 and math.isfinite(penalty)):
        msg = f"{argument}: {penalty}; expected a finite number above 0"
        raise ValueError(msg)
