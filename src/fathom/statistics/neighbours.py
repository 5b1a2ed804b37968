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


def distance_blocks(z: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """Yield each block's first row and the Euclidean distances (block, n) from its rows to all rows of `z` (n, d).

    A row's distance to itself is infinite, so that it is never its own neighbour. Distances are taken from differences:
    expanding the square would lose the nearest neighbours in rounding.
    """
    size = max(1, _BLOCK // len(z))
    for first in range(0, len(z), size):
        distances: FloatArray = scipy.spatial.distance.cdist(z[first : first + size], z)
        own = np.arange(len(distances))
        distances[own, first + own] = np.inf
        yield first, distances


def nearest_neighbours(z: FloatArray, k: int) -> npt.NDArray[np.intp]:
    """Rows of the `k` nearest neighbours of each row of `z` (n, d), nearest first: (n, k).

    Of neighbours at one distance the earlier row counts as nearer.
    """
    # A copy a block: a view would keep the order of all n rows in memory.
    blocks = [np.argsort(distances, axis=1, kind="stable")[:, :k].copy() for _, distances in distance_blocks(z)]
    return np.concatenate(blocks)


def neighbours_within(order: npt.NDArray[np.intp], chosen: npt.NDArray[np.bool_], k: int) -> npt.NDArray[np.intp]:
    """Nearest neighbours of the `chosen` rows among themselves: (chosen, k), as numbers from 0 among the chosen.

    `order` (n, n - 1) holds all neighbours of each of n rows, nearest first (`nearest_neighbours` with k = n - 1), so
    that distances are taken once for all subsets.
    """
    rows = order[chosen]
    among = np.cumsum(chosen) - 1
    return among[rows[chosen[rows]].reshape(len(rows), len(rows) - 1)[:, :k]]


def marked(neighbours: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """A matrix (n, n) that is true where the column is one of the row's `neighbours` (n, k)."""
    matrix = np.zeros((len(neighbours), len(neighbours)), dtype=np.bool_)
    np.put_along_axis(matrix, neighbours, values=True, axis=1)
    return matrix


def shared(marks: npt.NDArray[np.bool_], neighbours: npt.NDArray[np.intp]) -> float:
    """Share of `neighbours` (n, k) that are `marked` (n, n) as neighbours elsewhere; from 0 to 1."""
    return int(np.count_nonzero(np.take_along_axis(marks, neighbours, axis=1))) / neighbours.size
