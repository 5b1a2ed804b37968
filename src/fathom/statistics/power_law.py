"""Entropy of spectra that fall as a power law (Skean et al. 2025, arXiv 2502.02013, Figure 7)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fathom.statistics.arrays import FloatArray
from fathom.statistics.renyi import renyi_entropy


def power_law(beta: float, dimension: int) -> FloatArray:
    """Spectrum whose i-th eigenvalue is proportional to i^-beta, divided by its sum: (dimension,), descending.

    Raises ValueError for a negative or infinite `beta`, and a `dimension` below 1.
    """
    if not 0.0 <= beta < np.inf:
        msg = f"beta: {beta}; expected a number of at least 0"
        raise ValueError(msg)
    if dimension < 1:
        msg = f"dimension: {dimension}; expected at least 1"
        raise ValueError(msg)
    spectrum = np.arange(1, dimension + 1, dtype=np.float64) ** -beta
    normalised: FloatArray = spectrum / spectrum.sum()
    return normalised


def power_law_entropies(betas: Sequence[float], alphas: Sequence[float], *, dimension: int) -> pd.DataFrame:
    """Entropy S_alpha of power-law spectra, in nats.

    Each is computed once more from the larger half of the eigenvalues alone, divided by their own sum. The relative
    difference says how much the smaller half contributes at that alpha.

    Args:
        betas: decay of the spectra, at least 0; 0 is flat.
        alphas: orders of the entropy, above 0.
        dimension: number of eigenvalues, at least 2.

    Returns:
        One row for every beta and alpha: beta, alpha, dimension, value, value_larger_half.

    Raises:
        ValueError: naming the argument.
    """
    if len(betas) == 0 or len(alphas) == 0:
        msg = "betas, alphas: expected at least one number each"
        raise ValueError(msg)
    if min(alphas) <= 0:
        msg = f"alphas: {min(alphas)}; expected numbers above 0"
        raise ValueError(msg)
    if dimension < 2:
        msg = f"dimension: {dimension}; expected at least 2, so that there is a smaller half"
        raise ValueError(msg)
    rows = []
    for beta in betas:
        spectrum = power_law(beta, dimension)
        larger = spectrum[: (dimension + 1) // 2]
        rows += [
            {
                "beta": float(beta),
                "alpha": float(alpha),
                "dimension": dimension,
                "value": renyi_entropy(spectrum, alpha=alpha),
                "value_larger_half": renyi_entropy(larger / larger.sum(), alpha=alpha),
            }
            for alpha in alphas
        ]
    return pd.DataFrame(rows)
