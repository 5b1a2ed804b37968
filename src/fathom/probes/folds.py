"""Splits that leak nothing from test to training."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from fathom.probes.checks import check_count
from fathom.statistics.arrays import BoolArray, FloatArray, IntArray
from fathom.statistics.item_graph import check_design
from fathom.statistics.resampling import group_codes
from fathom.statistics.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fathom.probes.targets import Target


OUTSIDE = -1  # the inner fold of a text that is not in the training part that the inner folds divide


def check_groups(groups: npt.ArrayLike, items: Sequence[Collection[str]] | None = None) -> IntArray:
    """Return the groups as numbers, after checking that no group shares an item with another (`check_design`).

    Args:
        groups: (texts,) names.
        items: the items of each text; left out, only the names are checked.

    Returns:
        (texts,), numbers from 0 that follow the sorted names.

    Raises:
        ValueError: if a name is missing, an item occurs in two groups, or all texts are one shared-item component.
    """
    codes = group_codes(groups)
    if items is not None:
        check_design(items, groups=groups)
    return codes


def grouped_folds(
    stratify_by: npt.ArrayLike | None,
    groups: npt.ArrayLike,
    *,
    folds: int,
    repeats: int,
    seed: int,
    counted: npt.ArrayLike | None = None,
) -> IntArray:
    """Assign whole groups to folds, anew in each repeat.

    Args:
        stratify_by: (texts,) classes of which every fold shall have nearly the same share (scikit-learn's
            StratifiedGroupKFold); None divides the groups without regard to classes (GroupKFold).
        groups: (texts,) names; texts of one name are always in the same fold.
        folds: number of folds, at least 2.
        repeats: number of assignments, at least 1.
        seed: seed of the assignments.
        counted: (texts,) which texts count where classes are balanced, at least one of each group; all if left out.

    Returns:
        (repeats, texts): the fold, from 0, in which a text is tested.

    Raises:
        ValueError: if there are fewer groups than folds, or no class has as many texts that count as there are folds.
    """
    codes = check_groups(groups)
    check_count("folds", folds, 2)
    check_count("repeats", repeats, 1)
    if codes.max() + 1 < folds:
        msg = f"groups: {codes.max() + 1} for {folds} folds"
        raise ValueError(msg)
    rows = np.arange(len(codes)) if counted is None else np.flatnonzero(counted)
    classes = None if stratify_by is None else _classes(stratify_by, len(codes), rows, folds)
    fold_of = np.empty(codes.max() + 1, dtype=np.int64)
    assignment = np.empty((repeats, len(codes)), dtype=np.int64)
    for repeat, state in enumerate(np.random.SeedSequence(seed).generate_state(repeats)):
        splitter = GroupKFold if classes is None else _StratifiedGroupKFold
        split = splitter(n_splits=folds, shuffle=True, random_state=int(state)).split(rows, classes, codes[rows])
        with warnings.catch_warnings():
            # A class that is rarer than the folds is absent from some of them: no harm where it only balances folds,
            # and a label that is so rare is refused by `check_folds`.
            warnings.filterwarnings("ignore", message="The least populated class in y")
            for fold, (_, test) in enumerate(split):
                fold_of[codes[rows[test]]] = fold
        assignment[repeat] = fold_of[codes]
    return assignment


def exchangeable_texts(classes: npt.ArrayLike, groups: IntArray) -> BoolArray:
    """Return the texts by which folds are stratified so that the label that they follow can be permuted among groups.

    Permutations exchange the classes of groups that have one class each (`fathom.probes.permutations`). Where these
    groups are of several sizes, folds that are balanced in texts fit the observed labels better than permuted ones,
    whose scores are too low then. So each of these groups counts once, by its first text. Groups of one size hold as
    many texts whatever their class, and of groups of several classes no permutation changes the numbers: all their
    texts count.

    Args:
        classes: (texts,).
        groups: (texts,), numbers from 0.
    """
    texts = pd.Series(np.asarray(classes)).groupby(groups)
    pure = (texts.nunique() == 1).to_numpy()
    if len(np.unique(texts.size().to_numpy()[pure])) <= 1:
        return np.ones(len(groups), dtype=np.bool_)
    first = np.zeros(len(groups), dtype=np.bool_)
    first[np.unique(groups, return_index=True)[1]] = True
    return np.asarray(first | ~pure[groups])


def inner_folds(
    stratify_by: npt.ArrayLike | None, groups: npt.ArrayLike, assignment: IntArray, *, folds: int, seed: int
) -> IntArray:
    """Divide the training part of every fold into folds of its own, on which a penalty can be chosen.

    Args:
        stratify_by: as in `grouped_folds`.
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
    classes = None if stratify_by is None else np.asarray(stratify_by)
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
            msg = f"labels: {value!r} of {name} is in {counted(holding, 'group')} only, too few for {folds} folds"
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


class _StratifiedGroupKFold(StratifiedGroupKFold):  # type: ignore[misc] # scikit-learn has no types
    """scikit-learn's folds; of one group all folds are weighed at once, which takes a sixth of the time."""

    def _find_best_fold(self, y_counts_per_fold: FloatArray, y_cnt: IntArray, group_y_counts: FloatArray) -> int:
        """Return the fold with which all folds hold the most even shares of the classes; of equal ones the smallest."""
        shares, own = y_counts_per_fold / y_cnt, (y_counts_per_fold + group_y_counts) / y_cnt
        if_added = np.repeat(shares[None], len(shares), axis=0)
        places = np.arange(len(shares))
        if_added[places, places] = own
        # Written out, since numpy's own std takes three times as long on so few numbers.
        rest = if_added - np.add.reduce(if_added, axis=1, keepdims=True) / len(shares)
        spreads = np.sqrt(np.add.reduce(rest * rest, axis=1) / len(shares))
        evaluations = (np.add.reduce(spreads, axis=1) / spreads.shape[1]).tolist()
        texts = np.add.reduce(y_counts_per_fold, axis=1).tolist()
        best, least, fewest = 0, np.inf, np.inf
        for fold, (evaluation, held) in enumerate(zip(evaluations, texts, strict=True)):
            # numpy's isclose, of two numbers
            close = abs(evaluation - least) <= 1e-8 + 1e-5 * abs(least) < np.inf
            if evaluation < least or (close and held < fewest):
                best, least, fewest = fold, evaluation, held
        return best


def _classes(stratify_by: npt.ArrayLike, texts: int, rows: IntArray, folds: int) -> IntArray:
    """The classes of the texts that count, as numbers."""
    values = np.asarray(stratify_by, dtype=object)
    if values.shape != (texts,):
        msg = f"stratify_by: shape {values.shape}; expected ({texts},)"
        raise ValueError(msg)
    codes, _ = pd.factorize(values, sort=True)
    if (codes < 0).any():
        msg = f"stratify_by: no class for text {int((codes < 0).argmax())}"
        raise ValueError(msg)
    if np.bincount(codes[rows]).max() < folds:
        msg = f"stratify_by: no class has {folds} texts, one a fold; use fewer folds or classes"
        raise ValueError(msg)
    return np.asarray(codes[rows], dtype=np.int64)
