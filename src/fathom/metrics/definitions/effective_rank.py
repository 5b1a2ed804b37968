"""Effective rank: how many directions the tokens of a text, or the rows of its attention maps, span."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fathom.metrics.attention_maps import as_attention_maps
from fathom.metrics.checks import FloatArray, as_matrix
from fathom.metrics.spectrum import spectrum
from fathom.statistics.renyi import shannon_entropy


def effective_rank(z: npt.ArrayLike) -> float:
    """Effective rank of `z` (n, d), from 1 (one direction) to min(n, d) (all directions alike).

    exp of the Shannon entropy of the singular values divided by their sum (Roy and Vetterli, EUSIPCO 2007). Singular
    values are the roots of the eigenvalues in `matrix_entropy`, hence more even than these, and effective_rank(z) >=
    exp(matrix_entropy(z)): Theorem 1 of skean2025 states the reverse, which does not hold. Singular values below about
    6e-8 of the largest count as zero.

    Raises ValueError unless `z` is a finite real matrix that is not zero.
    """
    return effective_rank_of(spectrum(as_matrix("z", z), of="`z`"))


def effective_rank_of(p: FloatArray) -> float:
    """Effective rank, from 1 to m, from the eigenvalues `p` (m,) of Z Z^T divided by their sum.

    What `effective_rank` makes of `spectrum`, for callers that have the spectrum already: entropy and effective rank
    then need one eigendecomposition.
    """
    singular = np.sqrt(p)
    return math.exp(shannon_entropy(singular / singular.sum()))


def attention_rank(maps: npt.ArrayLike) -> FloatArray:
    """Effective rank of each of the attention `maps` (blocks, heads, tokens, tokens) of one text: (blocks, heads).

    From 1 (all queries attend alike) to tokens. skean2025 averages it over the heads of a block (arXiv 2502.02013,
    Fig. 15). Singular values below 6e-8 of the largest count as zero (`effective_rank`); maps in half precision are
    held to about 1e-3, and so are the singular values that rounding fills in.

    Raises ValueError unless `maps` is a finite real array of square matrices with numbers from 0 to 1, none of them
    zero.
    """
    return np.array([[effective_rank(one) for one in block] for block in as_attention_maps(maps)])
