"""Dataset entropy: matrix-based entropy over the mean states of the texts of a corpus."""

from __future__ import annotations

import numpy.typing as npt

from fathom.metrics.checks import as_matrix, positive
from fathom.metrics.published_entropy import entropy_as_published
from fathom.metrics.spectrum import spectrum
from fathom.statistics.renyi import renyi_entropy

__all__ = ["entropy_as_published", "matrix_entropy"]


def matrix_entropy(z: npt.ArrayLike, *, alpha: float = 1.0) -> float:
    """Matrix-based entropy S_alpha of the rows of `z` (n, d), in nats.

    From 0 (one direction) to log min(n, d) (all directions alike). S_alpha = log(sum_i p_i^alpha) / (1 - alpha),
    p_i the eigenvalues of Z Z^T divided by their sum (skean2025, arXiv 2502.02013, Eq. 1; Giraldo et al., arXiv
    1211.2459); alpha = 1 is the limit -sum_i p_i log p_i. Rows are taken as they are: see `prepare`. Over the tokens of
    a text this is the prompt entropy, over the mean states of the texts of a corpus the dataset entropy.

    Raises ValueError unless `z` is a finite real matrix that is not zero, and `alpha` above 0.
    """
    z = as_matrix("z", z)
    alpha = positive("alpha", alpha)
    return renyi_entropy(spectrum(z, of="`z`"), alpha=alpha)
