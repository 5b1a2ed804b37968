"""The spectrum of a matrix of hidden states: what matrix-based entropy and effective rank both read.

Accuracy. Eigenvalues of the Gram matrix are squares of the singular values of z. LAPACK returns them in float64 with an
error of about 2e-16 of the largest one, so a singular value below about 2e-8 of the largest cannot be told from zero.
Eigenvalues below 16 such errors, singular values below 6e-8 of the largest, are set to zero here. For entropy with
alpha >= 1 this changes nothing that can be seen; effective rank, and entropy with alpha near 0, give weight to small
eigenvalues and are then those of the directions above that limit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import ROUND_OFF, SMALLEST, FloatArray, as_matrix
from fathom.metrics.preparation import Preparation, prepare

# In units of rounding of the largest eigenvalue. Spurious ones, of low-rank matrices up to 1000 x 4096, stayed below 3.
_NOISE = 16.0
# Rounding of a Gram matrix may grow so far before the rows are prepared themselves.
_GREATEST_LOSS = 100.0


def spectrum(z: FloatArray, *, of: str) -> FloatArray:
    """Eigenvalues of Z Z^T for rows Z = `z` (n, d), divided by their sum: min(n, d) numbers, ascending.

    Z Z^T and Z^T Z have the same non-zero eigenvalues; the smaller of the two is decomposed. `of` names `z` in the
    error. Raises ValueError if `z` is zero.
    """
    rows, columns = z.shape
    return normalised_eigenvalues(z @ z.T if rows <= columns else z.T @ z, of=of)


def gram_of(z: npt.ArrayLike) -> FloatArray:
    """Gram matrix Z Z^T (n, n) of the rows of `z` (n, d), in float64.

    One product serves every preparation and every subset of the rows: see `prepared_spectrum`. float32 states are
    taken exactly.

    Raises ValueError unless `z` is a finite real matrix.
    """
    z = as_matrix("z", z)
    gram: FloatArray = z @ z.T
    return gram


def prepared_spectrum(
    z: npt.ArrayLike,
    gram: FloatArray | None,
    preparation: Preparation,
    *,
    keep: npt.NDArray[np.bool_] | None = None,
) -> FloatArray:
    """`spectrum` of `prepare(z[keep], preparation)` by way of `gram` = `gram_of(z)`, where that loses nothing.

    `keep` (n,) marks rows to take; all if left out. Centring and unit rows are done on the (n, n) matrix, so that a
    further preparation or subset costs no product with the states. The rows of `z` (n, d) themselves are prepared where
    `gram` is None, where more rows are kept than there are columns (the covariance is then smaller: no `gram` is needed
    for n > d), and where centring the Gram matrix would lose digits (`prepared_gram`). Either way entropies are those
    of the prepared rows to 1e-11.

    Raises ValueError as `prepare` and `spectrum` do, naming rows by their place among those kept.
    """
    z = np.asarray(z)
    rows = len(z) if keep is None else int(np.count_nonzero(keep))
    if gram is not None and 0 < rows <= z.shape[-1]:
        prepared, loss = prepared_gram(gram, preparation, keep=keep)
        if loss <= _GREATEST_LOSS:
            return normalised_eigenvalues(prepared, of="`z`", loss=loss)
    return spectrum(prepare(z if keep is None else z[keep], preparation), of="`z`")


def prepared_gram(
    gram: FloatArray, preparation: Preparation, *, keep: npt.NDArray[np.bool_] | None = None
) -> tuple[FloatArray, float]:
    """Gram matrix of the prepared rows from that of the rows as they are, `gram` (n, n); and how far rounding grew.

    For "centred" the means of rows and columns are taken off, which leaves small differences of larger numbers where
    rows lie close together. The second result is the largest max(|z_i|, mean |z|)^2 / |z_i - mean|^2: the factor by
    which the rounding of an entry exceeds that of the prepared rows; 1 for other preparations. It is infinite where a
    row has no direction, and the matrix is then of no use: `prepare` says which row. See `prepared_spectrum`.
    """
    if preparation == "none":
        return gram if keep is None else gram[keep][:, keep], 1.0
    # A copy, which is then changed in place.
    kept = gram.copy() if keep is None else gram[keep][:, keep]
    squares = kept.diagonal()
    loss = 1.0
    if preparation == "centred":
        before = np.maximum(squares, (np.sqrt(squares).sum() / len(kept)) ** 2)
        means = kept.sum(axis=0) / len(kept)
        # The mean of all entries comes back once: half of it goes with the rows and half with the columns.
        means -= 0.5 * means.sum() / len(kept)
        kept -= means
        kept -= means[:, np.newaxis]
        loss = max(1.0, float((before / np.maximum(squares, SMALLEST**2)).max()))
    if squares.min() <= SMALLEST**2:
        return kept, math.inf
    scale = 1.0 / np.sqrt(squares)
    kept *= scale
    kept *= scale[:, np.newaxis]
    return kept, loss


def stacked_spectra(
    grams: Sequence[FloatArray], preparation: Preparation, *, keep: npt.NDArray[np.bool_] | None = None
) -> list[FloatArray | None]:
    """`prepared_spectrum` of several `grams` (n, n) of one text at once; None where the rows must be prepared instead.

    One call of LAPACK for all: Python is then not between one small matrix and the next.
    """
    found: list[FloatArray | None] = [None] * len(grams)
    if keep is not None and not keep.any():
        return found
    prepared = [prepared_gram(gram, preparation, keep=keep) for gram in grams]
    safe = [at for at, (_, loss) in enumerate(prepared) if loss <= _GREATEST_LOSS]
    if safe:
        eigenvalues = np.linalg.eigvalsh(np.stack([prepared[at][0] for at in safe]))
        for at, values in zip(safe, eigenvalues, strict=True):
            if values[-1] > 0.0:
                found[at] = _normalised(values, loss=prepared[at][1])
    return found


def normalised_eigenvalues(gram: FloatArray, *, of: str, loss: float = 1.0) -> FloatArray:
    """Eigenvalues of a symmetric matrix `gram` (m, m), divided by their sum, ascending.

    Those that are negative or lost in rounding become 0; `loss` says how many times more than rounding the entries are
    off. Raises ValueError if no eigenvalue is positive.
    """
    eigenvalues = np.asarray(np.linalg.eigvalsh(gram), dtype=np.float64)
    if eigenvalues[-1] <= 0.0:
        msg = f"{of} is zero, so it has no spectrum; expected some positive eigenvalue"
        raise ValueError(msg)
    return _normalised(eigenvalues, loss=loss)


def _normalised(eigenvalues: FloatArray, *, loss: float) -> FloatArray:
    kept = np.where(eigenvalues > _NOISE * ROUND_OFF * loss * eigenvalues[-1], eigenvalues, 0.0)
    normalised: FloatArray = kept / kept.sum()
    return normalised
