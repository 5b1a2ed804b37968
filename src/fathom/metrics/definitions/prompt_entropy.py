"""Prompt entropy: matrix-based entropy over the tokens of a text."""

from __future__ import annotations

from fathom.metrics.checks import FloatArray
from fathom.metrics.published_entropy import entropy_as_published
from fathom.statistics.renyi import renyi_entropy

__all__ = ["entropy_as_published", "prompt_entropy_of"]


def prompt_entropy_of(p: FloatArray, *, alpha: float = 1.0) -> float:
    """Prompt entropy in nats from the eigenvalues `p` (m,) of Z Z^T divided by their sum, Z the tokens of a text.

    `matrix_entropy` of Z, for callers that have the spectrum already: entropy and effective rank then need one
    eigendecomposition.
    """
    return renyi_entropy(p, alpha=alpha)
