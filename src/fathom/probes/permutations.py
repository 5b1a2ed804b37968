"""Permutations of labels that keep the design."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.probes.folds import check_groups


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


def _shuffles(values: npt.NDArray[np.generic], permutations: int, rng: np.random.Generator) -> npt.NDArray[np.generic]:
    """Return (values, permutations), each column the values in another order."""
    return rng.permuted(np.repeat(values[:, None], permutations, axis=1), axis=0)
