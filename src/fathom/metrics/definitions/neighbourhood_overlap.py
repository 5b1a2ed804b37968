"""Overlap of the nearest neighbours of a text in two sets of states of the same texts: two layers, or two models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import FloatArray, as_layers, as_matrix, same_rows, whole
from fathom.statistics.neighbours import nearest_neighbours, shared

if TYPE_CHECKING:
    from collections.abc import Sequence


def neighbourhood_overlap(a: npt.ArrayLike, b: npt.ArrayLike, *, k: int) -> float:
    """Share of the `k` nearest neighbours in `a` (texts, d) that are so in `b` (texts, e) too; from 0 to 1.

    The mean over texts. Euclidean distances, a text not being its own neighbour; of neighbours at one distance the
    earlier row counts as nearer (Doimo et al., arXiv 2007.03506; Valeriani et al., arXiv 2302.00294). Chance is k /
    (texts - 1).

    Raises ValueError unless `a` and `b` are finite real matrices with as many rows, and `k` is from 1 to texts - 1.
    """
    a, b = as_matrix("a", a, rows=2), as_matrix("b", b, rows=2)
    same_rows(a, b)
    k = whole("k", k, low=1, high=len(a) - 1)
    return shared(nearest_neighbours(a, k), nearest_neighbours(b, k))


def neighbourhood_overlap_matrix(layers: Sequence[npt.ArrayLike], *, k: int) -> FloatArray:
    """`neighbourhood_overlap` of each of the `layers` (texts, d) with each other: (layers, layers), symmetric.

    Neighbours are found once a layer; widths may differ. Memory beside the states: 8 layers x texts x k bytes, and a
    block of distances.

    Raises ValueError as `neighbourhood_overlap` does, naming the layer `layers[i]`, and for no layers.
    """
    matrices = as_layers(layers)
    k = whole("k", k, low=1, high=len(matrices[0]) - 1)
    neighbours = [nearest_neighbours(z, k) for z in matrices]
    overlaps = np.ones((len(matrices), len(matrices)))
    for one in range(len(matrices)):
        for other in range(one):
            overlaps[one, other] = overlaps[other, one] = shared(neighbours[one], neighbours[other])
    return overlaps
