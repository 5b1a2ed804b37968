"""Splits that leak nothing from test to training, and permutations of labels that keep the design."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from fathom.probes.checks import check_count
from fathom.statistics.item_graph import check_design
from fathom.statistics.resampling import group_codes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fathom.probes.targets import Target

IntArray = npt.NDArray[np.int64]

OUTSIDE = -1  # the inner fold of a text that is not in the training part that the inner folds divide


def check_groups(groups: npt.ArrayLike, items: Sequence[Collection[str]] | None = None) -> IntArray:
    """Return the groups as numbers, after checking that no group shares an item with another (`check_design`).

    Args:
        groups: (texts,) names.
        items: the items of each text; left out, only the names are checked.

    Returns:
        (texts,), numbers from 0 that follow the sorted names.

    Raises:
        ValueError: if a name is missing, an item occurs in two groups, or all texts hang together.
    """
    codes = group_codes(groups)
    if items is not None:
        check_design(items, groups=groups)
    return codes


def grouped_folds(
    strata: npt.ArrayLike | None, groups: npt.ArrayLike, *, folds: int, repeats: int, seed: int
) -> IntArray:
    """Assign whole groups to folds, anew in each repeat.

    Args:
        strata: (texts,) classes of which every fold shall have nearly the same share (scikit-learn's
            StratifiedGroupKFold); None divides the groups without regard to classes (GroupKFold).
        groups: (texts,) names; texts of one name are always in the same fold.
        folds: number of folds, at least 2.
        repeats: number of assignments, at least 1.
        seed: seed of the assignments.

    Returns:
        (repeats, texts): the fold, from 0, in which a text is tested.

    Raises:
        ValueError: if there are fewer groups than folds, or no class has as many texts as there are folds.
    """
    codes = check_groups(groups)
    check_count("folds", folds, 2)
    check_count("repeats", repeats, 1)
    if codes.max() + 1 < folds:
        msg = f"groups: {codes.max() + 1} for {folds} folds"
        raise ValueError(msg)
    classes = None if strata is None else _classes(strata, len(codes), folds)
    assignment = np.empty((repeats, len(codes)), dtype=np.int64)
    for repeat, state in enumerate(np.random.SeedSequence(seed).generate_state(repeats)):
        splitter = GroupKFold if classes is None else StratifiedGroupKFold
        split = splitter(n_splits=folds, shuffle=True, random_state=int(state)).split(codes, classes, codes)
        with warnings.catch_warnings():
            # A class that is rarer than the folds is absent from some of them: no harm where it only balances folds,
            # and a label that is so rare is refused by `check_folds`.
            warnings.filterwarnings("ignore", message="The least populated class in y")
            for fold, (_, test) in enumerate(split):
                assignment[repeat, test] = fold
    return assignment


def inner_folds(
    strata: npt.ArrayLike | None, groups: npt.ArrayLike, assignment: IntArray, *, folds: int, seed: int
) -> IntArray:
    """Divide the training part of every fold into folds of its own, on which a penalty can be chosen.

    Args:
        strata: as in `grouped_folds`.
        groups: (texts,) names.
        assignment: (repeats, texts), from `grouped_folds`.
        folds: number of inner folds, at least 2.
        seed: seed of the assignments.

    Returns:
        (repeats, outer folds, texts): the inner fold in which a text is tested; -1 for the texts that the outer fold
        tests, which no choice may see.

    Raises:
        ValueError: if a training part has fewer groups than there are inner folds.
    """
    codes = check_groups(groups)
    classes = None if strata is None else np.asarray(strata)
    count = int(assignment.max()) + 1
    inner = np.full((len(assignment), count, len(codes)), OUTSIDE, dtype=np.int64)
    states = np.random.SeedSequence([seed, 1]).generate_state(len(assignment) * count).reshape(-1, count)
    for repeat, fold_of in enumerate(assignment):
        for fold in range(count):
            training = fold_of != fold
            try:
                inner[repeat, fold, training] = grouped_folds(
                    None if classes is None else classes[training],
                    codes[training],
                    folds=folds,
                    repeats=1,
                    seed=int(states[repeat, fold]),
                )[0]
            except ValueError as error:
                msg = f"inner_folds: {folds}; in the training part of repeat {repeat}, fold {fold}: {error}"
                raise ValueError(msg) from error
    return inner


def check_folds(target: Target, groups: IntArray, assignment: IntArray) -> None:
    """Refuse folds on which a label cannot be probed.

    Args:
        target: the label.
        groups: (texts that have the label,), group of each.
        assignment: (repeats, texts that have the label), from `grouped_folds`.

    Raises:
        ValueError: if fewer groups hold a class than there are folds, a class is missing from a training part, or the
            numbers of a test fold are all the same.
    """
    folds = int(assignment.max()) + 1
    name, values = target.name, target.values
    for code, value in enumerate(target.classes):
        holding = len(np.unique(groups[values == code]))
        if holding < folds:
            msg = f"labels: only {holding} groups hold {value!r} of {name}, too few for {folds} folds"
            raise ValueError(msg)
    for repeat, fold_of in enumerate(assignment):
        for fold in range(folds):
            test = fold_of == fold
            if target.continuous and len(np.unique(values[test])) < 2:
                msg = f"labels: the test texts of repeat {repeat}, fold {fold} all have one {name}; use fewer folds"
                raise ValueError(msg)
            if len(np.unique(values[~test])) < len(target.classes):
                msg = f"labels: a class of {name} is missing from the training texts of repeat {repeat}, fold {fold}"
                raise ValueError(msg)


def permuted_labels(
    labels: npt.ArrayLike, groups: npt.ArrayLike, assignment: npt.ArrayLike, *, permutations: int, seed: int
) -> npt.NDArray[np.generic]:
    """Return permuted labels that keep what the design keeps, so that only the tie between states and labels is broken.

    What is permuted follows from the values that a group holds:

    - Several values, each equally often (closed blocks): the values change names inside the group; with two values they
      change places in a random half of the groups. This is the symmetry of the design: were the pairing not
      represented, the re-paired texts of a block could as well be the related ones. Shuffling single texts would give
      the two orders of one pair, whose states are nearly the same, different labels and so make chance look narrower
      than it is: on simulated states without relations but with noise that both orders share, it rejects in 12 % of
      cases at p <= 0.05, the exchange in 5 %. With G groups of two values there are 2 ** (G - 1) different outcomes, as
      a probe scores the same when all labels are exchanged.
    - Several values, not equally often: they are shuffled inside the group.
    - One value (a group is an item): the values are shuffled between such groups of the same fold. So every fold keeps
      its values, whatever classes the folds were stratified by, and the folds stay those that the observed labels
      were scored on: what the folds were made from (other labels, other classes) is not touched.

    Each of these is a group of permutations under which labels that the states do not know are exchangeable, and so is
    their product: a design may hold groups of all kinds.

    Args:
        labels: (texts,), numbers or codes of classes.
        groups: (texts,) names.
        assignment: (texts,), one repeat of `grouped_folds`.
        permutations: number of permutations, at least 1.
        seed: seed of the permutations.

    Returns:
        (texts, permutations), of the type of `labels`.

    Raises:
        ValueError: if no permutation that keeps the design changes any label.
    """
    values = np.asarray(labels)
    codes = check_groups(groups)
    folds = np.asarray(assignment)
    rng = np.random.default_rng(seed)
    permuted = np.repeat(values[:, None], permutations, axis=1)
    by_group = pd.Series(values).groupby(codes)
    several = by_group.nunique().to_numpy() > 1
    members = by_group.indices
    for group in np.flatnonzero(several):
        rows = np.asarray(members[int(group)])
        names, code, counts = np.unique(values[rows], return_inverse=True, return_counts=True)
        if (counts == counts[0]).all():
            permuted[rows] = _shuffles(names, permutations, rng)[code]
        else:
            permuted[rows] = _shuffles(values[rows], permutations, rng)
    _, first = np.unique(codes, return_index=True)
    for fold in np.unique(folds):
        pure = np.flatnonzero(~several & (folds[first] == fold))
        if len(pure) == 0:
            continue
        place = np.full(len(several), -1)
        place[pure] = np.arange(len(pure))
        rows = np.flatnonzero(place[codes] >= 0)
        permuted[rows] = _shuffles(values[first[pure]], permutations, rng)[place[codes[rows]]]
    if (permuted == values[:, None]).all():
        msg = "permutations: none that keeps the groups and folds changes a label; ask for 0"
        raise ValueError(msg)
    return permuted


def _classes(strata: npt.ArrayLike, texts: int, folds: int) -> IntArray:
    values = np.asarray(strata, dtype=object)
    if values.shape != (texts,):
        msg = f"strata: shape {values.shape}; expected ({texts},)"
        raise ValueError(msg)
    codes, _ = pd.factorize(values, sort=True)
    if (codes < 0).any():
        msg = f"strata: no class for text {int((codes < 0).argmax())}"
        raise ValueError(msg)
    if np.bincount(codes).max() < folds:
        msg = f"strata: no class has {folds} texts, one a fold; use fewer folds or classes"
        raise ValueError(msg)
    return np.asarray(codes, dtype=np.int64)


def _shuffles(values: npt.NDArray[np.generic], permutations: int, rng: np.random.Generator) -> npt.NDArray[np.generic]:
    """Return (values, permutations), each column the values in another order."""
    return rng.permuted(np.repeat(values[:, None], permutations, axis=1), axis=0)
