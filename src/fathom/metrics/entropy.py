"""Matrix-based entropy of hidden states."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fathom.metrics.arrays import FloatArray, as_matrix, positive
from fathom.metrics.spectrum import shannon_entropy, spectrum

# So near to 1 the definition divides one small number by another; a form that subtracts nothing takes over.
_NEAR_ONE = 0.01


def matrix_entropy(z: npt.ArrayLike, *, alpha: float = 1.0) -> float:
    """Matrix-based entropy S_alpha of the rows of `z` (n, d), in nats.

    From 0 (one direction) to log min(n, d) (all directions alike).     S_alpha = log(sum_i p_i^alpha) / (1 - alpha),
    p_i the eigenvalues of Z Z^T divided by their sum (skean2025, arXiv 2502.02013, Eq. 1; Giraldo et al., arXiv
    1211.2459); alpha = 1 is the limit -sum_i p_i log p_i. Rows are taken as they are: see `prepare`. Over the tokens of
    a text this is the prompt entropy, over the mean states of the texts of a corpus the dataset entropy.

    Raises ValueError unless `z` is a finite real matrix that is not zero, and `alpha` above 0.
    """
    z = as_matrix("z", z)
    alpha = positive("alpha", alpha)
    return renyi_entropy(spectrum(z, of="`z`"), alpha=alpha)


def renyi_entropy(p: FloatArray, *, alpha: float) -> float:
    """Renyi entropy of order `alpha` > 0, in nats, of a distribution `p` (m,) that sums to 1; from 0 to log m."""
    if alpha == 1.0:
        return shannon_entropy(p)
    kept = p[p > 0.0]
    if abs(alpha - 1.0) < _NEAR_ONE:
        entropy = math.log1p(float(np.sum(kept * np.expm1((alpha - 1.0) * np.log(kept))))) / (1.0 - alpha)
    else:
        # Relative to the largest, because p^alpha itself vanishes for a large alpha.
        largest = float(kept.max())
        entropy = (alpha * math.log(largest) + math.log(float(np.sum((kept / largest) ** alpha)))) / (1.0 - alpha)
    return max(0.0, entropy)
