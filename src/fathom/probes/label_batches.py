"""Labels that share folds, with all that is fitted to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fathom.probes.design import MANY_TEXTS, Estimator, ProbeDesign, Selection
from fathom.probes.folds import (
    OUTSIDE,
    check_folds,
    check_groups,
    exchangeable_texts,
    grouped_folds,
    inner_folds,
)
from fathom.probes.permutations import permuted_labels
from fathom.probes.targets import Labels, Target
from fathom.statistics.arrays import BoolArray, IntArray

Curve = tuple[str, Estimator, Selection]
"""Label, estimator, and how its penalty is found."""


@dataclass(frozen=True)
class Batch:
    """Labels of the same texts, which share folds.

    Attributes:
        rows: (texts,), their places among all texts.
        groups: (texts,), numbers.
        assignment: (repeats, texts), outer folds; -1 for texts of a given split that are trained on and never tested.
        inner: (repeats, outer folds, texts), inner folds; none without nested cross-validation.
        targets: the labels by name.
        labellings: (texts, 1 + permutations) of each label: as it is, then permuted.
        curves: what is probed.
        design: how they are probed.
    """

    rows: IntArray
    groups: IntArray
    assignment: IntArray
    inner: IntArray | None
    targets: dict[str, Target]
    labellings: dict[str, Labels]
    curves: list[Curve]
    design: ProbeDesign

    @property
    def tested(self) -> BoolArray:
        """Which texts are tested, (texts,): all, unless the split is given."""
        return np.asarray((self.assignment != OUTSIDE).all(axis=0))

    @property
    def many(self) -> bool:
        """Whether there are so many texts that margin classifiers are fitted to the features."""
        return len(self.rows) > MANY_TEXTS

    def count(self, curve: Curve, repeat: int) -> int:
        """How many labellings are fitted: the permuted ones in the first repeat only, of many texts by ridge only."""
        name, estimator, selection = curve
        fits = estimator == "ridge" or (selection == "fixed" and not self.many)
        if repeat == 0 and fits and self.design.permutes(estimator):
            return int(self.labellings[name].shape[1])
        return 1


def make_batch(
    targets: list[Target],
    curves: list[Curve],
    groups: IntArray,
    stratify_by: npt.NDArray[np.object_] | None,
    design: ProbeDesign,
    tested: BoolArray | None = None,
) -> Batch:
    """Make the folds and the permuted labels of a batch.

    Args:
        targets: labels of the same texts.
        curves: what is probed of them.
        groups: (all texts,), numbers.
        stratify_by: (all texts,) classes that every fold shall have its share of. Left out, a label with classes that
            is alone is its own stratum; several have none.
        design: how they are probed.
        tested: (all texts,), which of them are tested by what the others train, in place of folds.

    Raises:
        ValueError: if the groups or classes are too few for such folds.
    """
    rows = targets[0].rows
    own = check_groups(groups[rows])
    classes: npt.NDArray[np.generic] | None = None
    counted: BoolArray | None = None
    if stratify_by is not None:
        classes = stratify_by[rows]
    elif len(targets) == 1 and not targets[0].continuous:
        classes = targets[0].values
        counted = exchangeable_texts(classes, own)
    if tested is None:
        assignment = grouped_folds(
            classes, own, folds=design.folds, repeats=design.repeats, seed=design.seed, counted=counted
        )
    else:
        assignment = np.where(tested[rows], 0, OUTSIDE)[None]
    labellings = {}
    for target in targets:
        check_folds(target, own, assignment)
        labellings[target.name] = target.values[:, None]
        if design.permutations and any(design.permutes(curve[1]) for curve in curves if curve[0] == target.name):
            null = permuted_labels(
                target.values, own, assignment[0], permutations=design.permutations, seed=design.seed
            )
            labellings[target.name] = np.hstack([target.values[:, None], null])
    inner = None
    if "inner" in design.selections:
        inner = inner_folds(classes, own, assignment, folds=design.inner_folds, seed=design.seed)
    return Batch(
        rows=rows,
        groups=own,
        assignment=assignment,
        inner=inner,
        targets={target.name: target for target in targets},
        labellings=labellings,
        curves=curves,
        design=design,
    )
