"""Splits that leak nothing from test to training, and permutations of labels that keep the design."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from fathom.item_graph import check_design
from fathom.statistics import group_codes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


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
    labels: npt.ArrayLike, groups: npt.ArrayLike, *, folds: int, repeats: int, seed: int
) -> npt.NDArray[np.int64]:
    """Assign whole groups to folds, anew in each repeat.

    Labels of two values are stratified: every fold has nearly the same share of both (scikit-learn's
    StratifiedGroupKFold). Other labels have no classes and are not (GroupKFold).

    Args:
        labels: (texts,), finite numbers.
        groups: (texts,) names; texts of one name are always in the same fold.
        folds: number of folds, at least 2.
        repeats: number of assignments, at least 1.
        seed: seed of the assignments.

    Returns:
        (repeats, texts): the fold, from 0, in which a text is tested.

    Raises:
        ValueError: if there are fewer groups than folds, or the labels of a test or training fold are all the same.
    """
    values = check_labels(labels)
    codes = check_groups(groups)
    if len(codes) != len(values):
        msg = f"groups: {len(codes)} names for {len(values)} labels"
        raise ValueError(msg)
    if folds < 2:
        msg = f"folds: {folds}; expected at least 2"
        raise ValueError(msg)
    if repeats < 1:
        msg = f"repeats: {repeats}; expected at least 1"
        raise ValueError(msg)
    _enough_groups(values, codes, folds)
    assignment = np.empty((repeats, len(values)), dtype=np.int64)
    for repeat, state in enumerate(np.random.SeedSequence(seed).generate_state(repeats)):
        splitter = StratifiedGroupKFold if is_binary(values) else GroupKFold
        classes = values == values.max()
        split = splitter(n_splits=folds, shuffle=True, random_state=int(state)).split(values, classes, codes)
        for fold, (_, test) in enumerate(split):
            assignment[repeat, test] = fold
    _check_folds(values, assignment, folds)
    return assignment


def permuted_labels(
    labels: npt.ArrayLike, groups: npt.ArrayLike, assignment: npt.ArrayLike, *, permutations: int, seed: int
) -> FloatArray:
    """Return permuted labels that keep what the design keeps, so that only the tie between states and labels is broken.

    Which permutation is meant follows from the groups:

    - Closed blocks (two label values, equally often in every group): the two values change places in a random half
      of the groups. This is the symmetry of the design: were the pairing not represented, the re-paired texts of a
      block could as well be the related ones. Shuffling single texts would give the two orders of one pair, whose
      states are nearly the same, different labels and so make chance look narrower than it is: on simulated states
      without relations but with noise that both orders share, it rejects in 12 % of cases at p <= 0.05, the exchange
      in 5 %. With G groups there are 2 ** (G - 1) different outcomes, as a probe scores the same when all labels are
      exchanged.
    - Other groups with several values each: labels are shuffled inside each group.
    - Groups with one value each (a group is an item): the values are shuffled between the groups of a fold, so that
      every fold keeps its share of both, as it does under the labels that the folds were stratified by.

    Args:
        labels: (texts,), finite numbers.
        groups: (texts,) names.
        assignment: (texts,), one repeat of `grouped_folds`.
        permutations: number of permutations.
        seed: seed of the permutations.

    Returns:
        (texts, permutations).

    Raises:
        ValueError: if some groups have one label value and others several: no permutation keeps such a design.
    """
    values = check_labels(labels)
    codes = check_groups(groups)
    folds = np.asarray(assignment)
    rng = np.random.default_rng(seed)
    by_group = pd.Series(values).groupby(codes)
    several = by_group.nunique().to_numpy() > 1
    if several.any() and not several.all():
        msg = (
            f"groups: {int(several.sum())} of {len(several)} hold several label values, the others one; "
            "no permutation keeps such a design, so ask for 0 permutations"
        )
        raise ValueError(msg)
    permuted = np.empty((len(values), permutations))
    if several.all():
        low, high = values.min(), values.max()
        halves = is_binary(values) and bool((2 * by_group.sum() == by_group.size() * (low + high)).all())
        for column in range(permutations):
            if halves:
                exchanged = rng.integers(2, size=len(several), dtype=np.int64)[codes] == 1
                permuted[:, column] = np.where(exchanged, low + high - values, values)
            else:
                permuted[:, column] = _shuffled_within(values, codes, rng)
        return permuted
    _, first = np.unique(codes, return_index=True)
    for column in range(permutations):
        permuted[:, column] = _shuffled_within(values[first], folds[first], rng)[codes]
    return permuted


def check_labels(labels: npt.ArrayLike) -> FloatArray:
    """Return the labels as float64; ValueError if they are not (texts,), not finite, or all the same."""
    values = np.asarray(labels, dtype=np.float64)
    if values.ndim != 1:
        msg = f"labels: shape {values.shape}; expected (texts,)"
        raise ValueError(msg)
    if not np.isfinite(values).all():
        msg = f"labels: NaN or infinity at text {int((~np.isfinite(values)).argmax())}"
        raise ValueError(msg)
    if len(np.unique(values)) < 2:
        msg = "labels: all the same; a probe needs at least two values"
        raise ValueError(msg)
    return values


def is_binary(labels: FloatArray) -> bool:
    """Tell whether the labels have exactly two values."""
    return len(np.unique(labels)) == 2


def _enough_groups(values: FloatArray, codes: IntArray, folds: int) -> None:
    if codes.max() + 1 < folds:
        msg = f"groups: {codes.max() + 1} for {folds} folds"
        raise ValueError(msg)
    if not is_binary(values):
        return
    for value in np.unique(values):
        holding = len(np.unique(codes[values == value]))
        if holding < folds:
            msg = f"groups: only {holding} hold the label {value:g}, too few for {folds} folds"
            raise ValueError(msg)


def _check_folds(values: FloatArray, assignment: IntArray, folds: int) -> None:
    for repeat, tested_in in enumerate(assignment):
        for fold in range(folds):
            for part, chosen in (("test", tested_in == fold), ("training", tested_in != fold)):
                if len(np.unique(values[chosen])) < 2:
                    msg = (
                        f"groups: the {part} texts of repeat {repeat}, fold {fold} all have one label; use fewer folds"
                    )
                    raise ValueError(msg)


def _shuffled_within(values: FloatArray, strata: npt.NDArray[np.generic], rng: np.random.Generator) -> FloatArray:
    """Shuffle the values among the places of each stratum."""
    places = np.argsort(strata, kind="stable")
    drawn = np.lexsort((rng.random(len(values)), strata))
    shuffled = np.empty_like(values)
    shuffled[places] = values[drawn]
    return shuffled
