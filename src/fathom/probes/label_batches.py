"""Labels that share folds, with all that is fitted to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fathom.probes.designs import check_folds, check_groups, grouped_folds, permuted_labels
from fathom.probes.designs import inner_folds as divide_again
from fathom.probes.estimators import Selection
from fathom.probes.settings import Estimator
from fathom.probes.targets import Labels, Target

IntArray = npt.NDArray[np.int64]
Curve = tuple[str, Estimator, Selection]
"""Label, estimator, and how its penalty is found."""


@dataclass(frozen=True)
class Batch:
    """Labels of the same texts, which share folds.

    Attributes:
        rows: (texts,), their places among all texts.
        groups: (texts,), numbers.
        assignment: (repeats, texts), outer folds.
        inner: (repeats, outer folds, texts), inner folds; none if nothing is chosen.
        targets: the labels by name.
        labellings: (texts, 1 + permutations) of each label: as it is, then permuted.
        curves: what is probed.
        permuted: estimators that are fitted to the permuted labels as well.
    """

    rows: IntArray
    groups: IntArray
    assignment: IntArray
    inner: IntArray | None
    targets: dict[str, Target]
    labellings: dict[str, Labels]
    curves: list[Curve]
    permuted: frozenset[Estimator]

    def count(self, curve: Curve, repeat: int) -> int:
        """How many labellings are fitted: the permuted ones in the first repeat only."""
        name, estimator, selection = curve
        in_closed_form = estimator == "ridge" or selection == "fixed"
        return self.labellings[name].shape[1] if repeat == 0 and estimator in self.permuted and in_closed_form else 1


def make_batch(
    targets: list[Target],
    curves: list[Curve],
    groups: IntArray,
    strata: npt.NDArray[np.object_] | None,
    *,
    folds: int,
    inner: int,
    repeats: int,
    permutations: int,
    permuted: frozenset[Estimator],
    seed: int,
) -> Batch:
    """Make the folds and the permuted labels of a batch.

    Args:
        targets: labels of the same texts.
        curves: what is probed of them.
        groups: (all texts,), numbers.
        strata: (all texts,) classes that every fold shall have its share of. Left out, a label with classes that is
            alone is its own stratum; several have none.
        folds: number of outer folds.
        inner: number of inner folds; 0 if nothing is chosen.
        repeats: number of assignments to outer folds.
        permutations: number of permuted labellings.
        permuted: estimators that are fitted to them.
        seed: seed of folds and permutations.

    Raises:
        ValueError: if the groups or classes are too few for such folds.
    """
    rows = targets[0].rows
    own = check_groups(groups[rows])
    classes: npt.NDArray[np.generic] | None = None
    if strata is not None:
        classes = strata[rows]
    elif len(targets) == 1 and not targets[0].continuous:
        classes = targets[0].values
    assignment = grouped_folds(classes, own, folds=folds, repeats=repeats, seed=seed)
    labellings = {}
    for target in targets:
        check_folds(target, own, assignment)
        labellings[target.name] = target.values[:, None]
        if permutations and permuted & {curve[1] for curve in curves if curve[0] == target.name}:
            null = permuted_labels(target.values, own, assignment[0], permutations=permutations, seed=seed)
            labellings[target.name] = np.hstack([target.values[:, None], null])
    return Batch(
        rows=rows,
        groups=own,
        assignment=assignment,
        inner=divide_again(classes, own, assignment, folds=inner, seed=seed) if inner else None,
        targets={target.name: target for target in targets},
        labellings=labellings,
        curves=curves,
        permuted=permuted,
    )
