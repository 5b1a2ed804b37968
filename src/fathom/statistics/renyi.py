"""Entropy of a distribution: what metrics read from spectra, and figures from formulas."""

from __future__ import annotations

import math

import numpy as np

from fathom.statistics.arrays import FloatArray

# So near to 1 the definition divides one small number by another; a form that subtracts nothing takes over.
_NEAR_ONE = 0.01


def shannon_entropy(p: FloatArray) -> float:
    """Shannon entropy in nats of a distribution `p` (m,) that sums to 1; from 0 to log m."""
    kept = p[p > 0.0]
    return max(0.0, -float(np.sum(kept * np.log(kept))))


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
