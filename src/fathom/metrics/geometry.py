"""Geometry of hidden states: curvature of a path of tokens, effective rank, intrinsic dimension."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fathom.metrics.arrays import ROUND_OFF, FloatArray, as_matrix
from fathom.metrics.neighbours import distance_blocks
from fathom.metrics.spectrum import shannon_entropy, spectrum

# How many pairs of duplicates an error names.
_NAMED = 3


def curvature(z: npt.ArrayLike) -> float:
    """Mean angle between consecutive steps of the path through the tokens `z` (tokens, d), in radians from 0 to pi.

    Steps v_k = z_{k+1} - z_k; the mean over k of arccos(v_{k+1} . v_k / (|v_{k+1}| |v_k|)) (skean2025, arXiv
    2502.02013; Hosseini and Fedorenko, arXiv 2311.04930). 0 is a straight line, pi/2 a right angle at every token, pi a
    path that turns back at every token; independent tokens give 2 pi / 3. The angle keeps its sign: beyond pi/2 it is
    not folded back (`as_published.curvature` folds it).

    Raises ValueError for fewer than 3 tokens, and for consecutive tokens that are the same to within rounding: no step,
    no angle.
    """
    z = as_matrix("z", z, rows=3)
    steps = np.diff(z, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    norms = np.linalg.norm(z, axis=1)
    still = np.flatnonzero(lengths <= 4.0 * ROUND_OFF * np.maximum(norms[:-1], norms[1:]))
    if still.size:
        msg = f"tokens {still[0]} and {still[0] + 1} of `z` are the same ({still.size} such pairs): there is no angle"
        raise ValueError(msg)
    directions: FloatArray = steps / lengths[:, np.newaxis]
    before, after = directions[:-1], directions[1:]
    # Kahan's form of the angle between unit vectors; arccos of a dot product is off by up to 1e-8 near 0 and pi.
    angles = 2.0 * np.arctan2(np.linalg.norm(after - before, axis=1), np.linalg.norm(after + before, axis=1))
    return float(angles.mean())


def effective_rank(z: npt.ArrayLike) -> float:
    """Effective rank of `z` (n, d), from 1 (one direction) to min(n, d) (all directions alike).

    exp of the Shannon entropy of the singular values divided by their sum (Roy and Vetterli, EUSIPCO 2007). Singular
    values are the roots of the eigenvalues in `matrix_entropy`, hence more even than these, and effective_rank(z) >=
    exp(matrix_entropy(z)): Theorem 1 of skean2025 states the reverse, which does not hold. Singular values below about
    6e-8 of the largest count as zero.

    Raises ValueError unless `z` is a finite real matrix that is not zero.
    """
    singular = np.sqrt(spectrum(as_matrix("z", z), of="`z`"))
    return math.exp(shannon_entropy(singular / singular.sum()))


def two_nn(z: npt.ArrayLike) -> float:
    """Intrinsic dimension of the points `z` (n, d) from the distances to their first and second neighbours; above 0.

    The maximum-likelihood form of TwoNN, (n - 1) / sum_i log(r_i2 / r_i1), unbiased where density is even about each
    point (Facco et al., Scientific Reports 7:12140, 2017). All points are used, none is trimmed. Its standard error is
    about its value / sqrt(n).

    Raises ValueError for fewer than 3 points, for duplicate points (their ratio is infinite: remove them first), and
    where every point has its first two neighbours at one distance (the dimension would be infinite).
    """
    z = as_matrix("z", z, rows=3)
    blocks = []
    duplicates: set[tuple[int, int]] = set()
    for first, distances in distance_blocks(z):
        nearest = np.partition(distances, 1, axis=1)[:, :2]
        for row in np.flatnonzero(nearest[:, 0] == 0.0):
            one, other = sorted((first + int(row), int(distances[row].argmin())))
            duplicates.add((one, other))
        blocks.append(nearest)
    if duplicates:
        pairs = ", ".join(f"{one} and {other}" for one, other in sorted(duplicates)[:_NAMED])
        more = ", ..." if len(duplicates) > _NAMED else ""
        msg = f"`z` holds points more than once (rows {pairs}{more}); expected distinct points"
        raise ValueError(msg)
    neighbours = np.concatenate(blocks)
    total = float(np.log(neighbours[:, 1] / neighbours[:, 0]).sum())
    if total <= 4.0 * ROUND_OFF * len(z):
        msg = "every point of `z` has its first two neighbours at one distance, so its dimension is not defined"
        raise ValueError(msg)
    return (len(z) - 1) / total
