"""What stands out in one text: tokens of large norm, single large activations, tokens that attention heads look at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import FloatArray, as_array, as_matrix
from fathom.metrics.geometry import effective_rank
from fathom.metrics.preparation import row_norms

# Rows of attention in half precision add up to 1 within a few thousandths.
_HALF_PRECISION = 0.01


def norm_ratios(z: npt.ArrayLike) -> FloatArray:
    """Norm of each token of `z` (tokens, d) divided by the median norm of the text: (tokens,), from 0.

    What `find_sinks` compares with its multiple.

    Raises ValueError unless `z` is a finite real matrix, and where the median norm is 0.
    """
    norms = row_norms(as_matrix("z", z))
    return _over_median(norms, _median(norms), "norm")


def activation_ratios(z: npt.ArrayLike) -> FloatArray:
    """Largest |activation| of each token of `z` (tokens, d) divided by the median |activation| of the text: (tokens,).

    From 0. The median is over all activations of all tokens. Sun et al. (arXiv 2402.17762) call an activation massive
    that exceeds 100 in magnitude and about 1,000 times the median.

    Raises ValueError unless `z` is a finite real matrix, and where the median |activation| is 0.
    """
    magnitudes = np.abs(as_matrix("z", z))
    return _over_median(magnitudes.max(axis=1), _median(magnitudes), "|activation|")


def heads_looking(patterns: npt.ArrayLike, *, threshold: float = 0.3) -> FloatArray:
    """Share of the heads of each block that look at each token: (blocks, tokens), from 0 to 1.

    `patterns` (blocks, heads, tokens, tokens) holds the attention of one text, [..., i, j] from query i to token j. A
    head looks at a token where its attention to it, averaged over the queries that can see it, exceeds `threshold` (Gu
    et al., arXiv 2410.10781, whose epsilon is 0.3). Where no query attends to a later token the model is taken as
    causal, and only queries i >= j can see token j; else all can. The last tokens of a causal text are seen by few
    queries, the last by itself alone.

    Raises ValueError unless `patterns` is a finite real array of square matrices with numbers from 0 to 1, and
    `threshold` from 0 to 1.
    """
    patterns = _attention(patterns)
    if not 0.0 <= threshold <= 1.0:
        msg = f"`threshold` is {threshold!r}; expected a number from 0 to 1"
        raise ValueError(msg)
    tokens = patterns.shape[-1]
    causal = not np.triu(patterns, k=1).any()
    seen_by = np.arange(tokens, 0, -1) if causal else tokens
    looking: FloatArray = (patterns.sum(axis=2) / seen_by > threshold).mean(axis=1)
    return looking


def attention_rank(patterns: npt.ArrayLike) -> FloatArray:
    """Effective rank of each attention matrix of `patterns` (blocks, heads, tokens, tokens): (blocks, heads).

    From 1 (all queries attend alike) to tokens. skean2025 averages it over the heads of a block (arXiv 2502.02013,
    Fig. 15). Singular values below 6e-8 of the largest count as zero (`effective_rank`); patterns in half precision
    are held to about 1e-3, and so are the singular values that rounding fills in.

    Raises ValueError as `heads_looking` does, and for a pattern that is zero.
    """
    return np.array([[effective_rank(pattern) for pattern in block] for block in _attention(patterns)])


def _attention(patterns: npt.ArrayLike) -> FloatArray:
    array = as_array("patterns", patterns, axes=("blocks", "heads", "queries", "tokens"), least=(1, 1, 1, 1))
    if array.shape[2] != array.shape[3]:
        msg = f"`patterns` has shape {array.shape}; expected as many queries as tokens"
        raise ValueError(msg)
    low, high = float(array.min()), float(array.max())
    if low < 0.0 or high > 1.0 + _HALF_PRECISION:
        msg = f"`patterns` holds numbers from {low:g} to {high:g}; expected attention, which is from 0 to 1"
        raise ValueError(msg)
    return array


def _median(values: FloatArray) -> float:
    """Median of all `values`. `numpy.median` asks for both middle places at once, which takes ten times as long."""
    half = values.size // 2
    parted = np.partition(values, half, axis=None)
    upper = float(parted[half])
    return upper if values.size % 2 else 0.5 * (float(parted[:half].max()) + upper)


def _over_median(values: FloatArray, median: float, what: str) -> FloatArray:
    if median == 0.0:
        msg = f"`z` has median {what} 0, so no {what} is large or small beside it"
        raise ValueError(msg)
    ratios: FloatArray = values / median
    return ratios
