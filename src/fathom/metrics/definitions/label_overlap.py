"""Overlap of the nearest neighbours of a text with the texts that bear its label."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import as_matrix, whole
from fathom.statistics.neighbours import nearest_neighbours


def label_overlap(z: npt.ArrayLike, labels: npt.ArrayLike, *, k: int) -> float:
    """Share of the nearest neighbours of a text in `z` (texts, d) that bear its label; from 0 to 1.

    The mean over texts. Of a text whose label c texts bear, the min(`k`, c - 1) nearest are looked at, so that 1 can be
    reached (Doimo et al., arXiv 2007.03506, who set k by the size of the class). Neighbours are those of
    `neighbourhood_overlap`. Texts whose label occurs once have no neighbour to find and are left out of the mean,
    though they stay neighbours of others. Chance is `label_overlap_chance`.

    Raises ValueError unless `z` is a finite real matrix, `labels` (texts,) has a label for each row, some label occurs
    twice, and `k` is from 1 to texts - 1.
    """
    z = as_matrix("z", z, rows=2)
    k = whole("k", k, low=1, high=len(z) - 1)
    codes, others = _label_codes(labels)
    if len(codes) != len(z):
        msg = f"`labels` has {len(codes)} entries and `z` has {len(z)} rows; expected as many"
        raise ValueError(msg)
    counted = np.minimum(others, k)
    alike = codes[nearest_neighbours(z, k)] == codes[:, np.newaxis]
    alike &= np.arange(k) < counted[:, np.newaxis]
    kept = counted > 0
    return float(np.mean(alike.sum(axis=1)[kept] / counted[kept]))


def label_overlap_chance(labels: npt.ArrayLike) -> float:
    """What `label_overlap` is on average where neighbours have nothing to do with `labels` (texts,), for any k.

    The mean of (c - 1) / (texts - 1) over the texts whose label c >= 2 texts bear.

    Raises ValueError where no label occurs twice.
    """
    _, others = _label_codes(labels)
    return float(np.mean(others[others > 0])) / (len(others) - 1)


def _label_codes(labels: npt.ArrayLike) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Each text's label as a number, and how many other texts bear it."""
    array = np.asarray(labels)
    if array.ndim != 1:
        msg = f"`labels` has shape {array.shape}; expected 1 axis (texts)"
        raise ValueError(msg)
    _, codes, counts = np.unique(array, return_inverse=True, return_counts=True)
    others = counts[codes] - 1
    if not others.any():
        msg = "`labels` has no label that occurs twice, so no neighbour can bear the same one"
        raise ValueError(msg)
    return codes, others
