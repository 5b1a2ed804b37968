"""Distances between the rows of a matrix, a block of rows at a time, so that memory stays bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy  # scipy.spatial is loaded when it is first used

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fathom.metrics.arrays import FloatArray

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
