"""How alike two sets of states of the same texts are: two layers, or two models."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fathom.metrics.arrays import ROUND_OFF, FloatArray, as_matrix, same_rows, whole
from fathom.metrics.neighbours import distance_blocks
from fathom.metrics.preparation import centre


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
    shared = 0
    for (_, from_a), (_, from_b) in zip(distance_blocks(a), distance_blocks(b), strict=True):
        shared += int(np.count_nonzero(_nearest(from_a, k) & _nearest(from_b, k)))
    return shared / (len(a) * k)


def linear_cka(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Linear centred kernel alignment of `a` (texts, d) and `b` (texts, e), from 0 to 1.

    0 is unrelated, 1 equal up to rotation, scale and shift. |A^T B|^2 / (|A^T A| |B^T B|) in Frobenius norms, the
    columns of A and B centred (Kornblith et al., arXiv 1905.00414). Biased upward where texts are few beside the width:
    unrelated states of more dimensions than texts come near to 1.

    Raises ValueError unless `a` and `b` are finite real matrices with as many rows, at least 2, that are not all equal.
    """
    a, b = as_matrix("a", a, rows=2), as_matrix("b", b, rows=2)
    same_rows(a, b)
    a, b = _centred("a", a), _centred("b", b)
    if len(a) <= max(a.shape[1], b.shape[1]):
        gram_a, gram_b = a @ a.T, b @ b.T
        shared = float(np.sum(gram_a * gram_b))
    else:
        gram_a, gram_b = a.T @ a, b.T @ b
        shared = float(np.sum((a.T @ b) ** 2))
    return shared / float(np.linalg.norm(gram_a) * np.linalg.norm(gram_b))


def _nearest(distances: FloatArray, k: int) -> npt.NDArray[np.bool_]:
    """Mark the `k` nearest columns of each row of distances (block, n)."""
    nearest = np.zeros(distances.shape, dtype=np.bool_)
    np.put_along_axis(nearest, np.argsort(distances, axis=1, kind="stable")[:, :k], values=True, axis=1)
    return nearest


def _centred(name: str, z: FloatArray) -> FloatArray:
    centred = centre(z)
    if np.linalg.norm(centred) <= ROUND_OFF * len(z) * np.linalg.norm(z):
        msg = f"all rows of `{name}` are equal, so there is nothing to align; expected rows that differ"
        raise ValueError(msg)
    return centred
