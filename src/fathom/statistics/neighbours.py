"""Nearest neighbours among the rows of a matrix, a block of rows at a time, so that memory stays bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy

from fathom.statistics.arrays import FloatArray

if TYPE_CHECKING:
    from collections.abc import Iterator


# 2^23 float64 numbers are 64 MiB.
_BLOCK = 2**23
FEW = 2000  # rows whose distances are all taken
SPARE = 10  # candidates beyond the neighbours that are asked for, the row itself among them


def euclidean(a: FloatArray, b: FloatArray) -> FloatArray:
    """Distances from the rows of `a` (n, d) to those of `b` (m, d), taken from differences: (n, m)."""
    # scipy imports this part of itself when it is first named: it takes half a second.
    return np.asarray(scipy.spatial.distance.cdist(a, b), dtype=np.float64)


def distance_blocks(z: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """Yield each block's first row and the Euclidean distances (block, n) from its rows to all rows of `z` (n, d).

    A row's distance to itself is infinite, so that it is never its own neighbour. Distances are taken from differences:
    expanding the square would lose the nearest neighbours in rounding.
    """
    size = max(1, _BLOCK // len(z))
    for first in range(0, len(z), size):
        distances: FloatArray = euclidean(z[first : first + size], z)
        own = np.arange(len(distances))
        distances[own, first + own] = np.inf
        yield first, distances


def nearest_neighbours(z: FloatArray, k: int) -> npt.NDArray[np.intp]:
    """Rows of the `k` nearest neighbours of each row of `z` (n, d), nearest first: (n, k).

    Of neighbours at one distance the earlier row counts as nearer.
    """
    return nearest(z, k)[0]


def nearest(z: FloatArray, k: int) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Rows of the `k` nearest neighbours of each row of `z` (n, d), nearest first, and their distances: (n, k) each.

    Of many rows scikit-learn's search finds some more candidates than are asked for, from expanded squares, whose
    rounding could change their order: they are ranked by their distances, taken from differences. A row whose last
    neighbour is nearer than the best of all that were not candidates, whatever they were rounded by, is done; the few
    others are compared with all rows.
    """
    if len(z) <= FEW or k + SPARE >= len(z) // 2:
        return _among_all(z, k)
    from sklearn.neighbors import NearestNeighbors  # it takes a second, and few texts do without

    centred = z - z.mean(axis=0)
    squares = np.einsum("nd,nd->n", centred, centred)
    # What a square of a distance that is expanded can be off by: of a sum of d products, and of three such sums.
    rounding = 4 * (z.shape[1] + 4) * np.finfo(np.float64).eps * (squares + squares.max())
    search = NearestNeighbors(algorithm="brute").fit(centred)
    rows, distances = np.empty((len(z), k), dtype=np.intp), np.empty((len(z), k))
    uncertain = []
    size = max(1, _BLOCK // len(z))
    for first in range(0, len(z), size):
        block = np.arange(first, min(first + size, len(z)))
        rough, found = search.kneighbors(centred[block], n_neighbors=k + SPARE)
        exact = np.vstack([euclidean(z[row : row + 1], z[own]) for row, own in zip(block, found, strict=True)])
        exact[found == block[:, None]] = np.inf
        order = np.lexsort((found, exact), axis=1)[:, :k]
        rows[block] = np.take_along_axis(found, order, axis=1)
        distances[block] = np.take_along_axis(exact, order, axis=1)
        beyond = rough[:, -1] ** 2 - rounding[block]
        uncertain.append(block[distances[block, -1] ** 2 >= beyond])
    for row in np.concatenate(uncertain):
        every = euclidean(z[row : row + 1], z)[0]
        every[row] = np.inf
        rows[row] = np.argsort(every, kind="stable")[:k]
        distances[row] = every[rows[row]]
    return rows, distances


def _among_all(z: FloatArray, k: int) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """`nearest` from the distances to all rows."""
    rows, distances = np.empty((len(z), k), dtype=np.intp), np.empty((len(z), k))
    for first, block in distance_blocks(z):
        order = np.argsort(block, axis=1, kind="stable")[:, :k]
        rows[first : first + len(block)] = order
        distances[first : first + len(block)] = np.take_along_axis(block, order, axis=1)
    return rows, distances


def neighbours_within(order: npt.NDArray[np.intp], chosen: npt.NDArray[np.bool_], k: int) -> npt.NDArray[np.intp]:
    """Nearest neighbours of the `chosen` rows among themselves: (chosen, k), as numbers from 0 among the chosen.

    `order` (n, n - 1) holds all neighbours of each of n rows, nearest first (`nearest_neighbours` with k = n - 1), so
    that distances are taken once for all subsets.
    """
    rows = order[chosen]
    among = np.cumsum(chosen) - 1
    return among[rows[chosen[rows]].reshape(len(rows), len(rows) - 1)[:, :k]]


def shared(one: npt.NDArray[np.intp], other: npt.NDArray[np.intp]) -> float:
    """Share of the neighbours (n, k) of each row that are its neighbours in `other` (n, k) too; from 0 to 1."""
    both = np.sort(np.hstack([one, other]), axis=1)
    return int(np.count_nonzero(both[:, 1:] == both[:, :-1])) / one.size
