"""The spectrum of a matrix of hidden states: what matrix-based entropy and effective rank both read.

Accuracy. Eigenvalues of the Gram matrix are squares of the singular values of z. LAPACK returns them in float64 with an
error of about 2e-16 of the largest one, so a singular value below about 2e-8 of the largest cannot be told from zero.
Eigenvalues below 16 such errors, singular values below 6e-8 of the largest, are set to zero here. For entropy with
alpha >= 1 this changes nothing that can be seen; effective rank, and entropy with alpha near 0, give weight to small
eigenvalues and are then those of the directions above that limit.
"""

from __future__ import annotations

import numpy as np

from fathom.metrics.arrays import ROUND_OFF, FloatArray

# In units of rounding of the largest eigenvalue. Spurious ones, of low-rank matrices up to 1000 x 4096, stayed below 3.
_NOISE = 16.0


def spectrum(z: FloatArray, *, of: str) -> FloatArray:
    """Eigenvalues of Z Z^T for rows Z = `z` (n, d), divided by their sum: min(n, d) numbers, ascending.

    Z Z^T and Z^T Z have the same non-zero eigenvalues; the smaller of the two is decomposed. `of` names `z` in the
    error. Raises ValueError if `z` is zero.
    """
    rows, columns = z.shape
    return normalised_eigenvalues(z @ z.T if rows <= columns else z.T @ z, of=of)


def normalised_eigenvalues(gram: FloatArray, *, of: str) -> FloatArray:
    """Eigenvalues of a symmetric matrix `gram` (m, m), divided by their sum, ascending.

    Those that are negative or lost in rounding become 0. Raises ValueError if no eigenvalue is positive.
    """
    eigenvalues = np.linalg.eigvalsh(gram)
    largest = float(eigenvalues[-1])
    if largest <= 0.0:
        msg = f"{of} is zero, so it has no spectrum; expected some positive eigenvalue"
        raise ValueError(msg)
    kept = np.where(eigenvalues > _NOISE * ROUND_OFF * largest, eigenvalues, 0.0)
    normalised: FloatArray = kept / kept.sum()
    return normalised


def shannon_entropy(p: FloatArray) -> float:
    """Shannon entropy in nats of a distribution `p` (m,) that sums to 1; from 0 to log m."""
    kept = p[p > 0.0]
    return max(0.0, -float(np.sum(kept * np.log(kept))))
