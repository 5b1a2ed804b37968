"""Entropy of spectra that are known in advance: no model, only the definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fathom.metrics.arrays import FloatArray, positive
from fathom.metrics.entropy import renyi_entropy

if TYPE_CHECKING:
    from collections.abc import Sequence


def power_law(beta: float, dimension: int) -> FloatArray:
    """Spectrum whose i-th eigenvalue is proportional to i^-beta, divided by its sum: (dimension,), descending.

    Raises ValueError for a negative or infinite `beta`, and a `dimension` below 1.
    """
    if not 0.0 <= beta < np.inf:
        msg = f"`beta` is {beta!r}; expected a number of at least 0"
        raise ValueError(msg)
    if dimension < 1:
        msg = f"`dimension` is {dimension!r}; expected at least 1"
        raise ValueError(msg)
    spectrum = np.arange(1, dimension + 1, dtype=np.float64) ** -beta
    normalised: FloatArray = spectrum / spectrum.sum()
    return normalised


def power_law_entropies(betas: Sequence[float], alphas: Sequence[float], *, dimension: int) -> pd.DataFrame:
    """Entropy S_alpha of power-law spectra (skean2025, arXiv 2502.02013, Figure 7), in nats.

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
        msg = "`betas` and `alphas` need at least one number each"
        raise ValueError(msg)
    if dimension < 2:
        msg = f"`dimension` is {dimension!r}; expected at least 2, so that there is a smaller half"
        raise ValueError(msg)
    rows = []
    for beta in betas:
        spectrum = power_law(beta, dimension)
        larger = spectrum[: (dimension + 1) // 2]
        for alpha in alphas:
            order = positive("alpha", alpha)
            rows.append(
                {
                    "beta": float(beta),
                    "alpha": order,
                    "dimension": dimension,
                    "value": renyi_entropy(spectrum, alpha=order),
                    "value_larger_half": renyi_entropy(larger / larger.sum(), alpha=order),
                }
            )
    return pd.DataFrame(rows)
