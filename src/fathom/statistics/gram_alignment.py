"""Alignment of Gram matrices of the same texts; the metric made of it is `fathom.metrics.linear_cka`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fathom.statistics.arrays import FloatArray

if TYPE_CHECKING:
    from collections.abc import Sequence


ROUND_OFF = float(np.finfo(np.float64).eps)


def recentred(name: str, gram: FloatArray) -> FloatArray:
    """Gram matrix (n, n) of the same rows, their mean subtracted; ValueError naming it where the rows are all equal."""
    if gram.shape[0] != gram.shape[1]:
        msg = f"`{name}` has shape {gram.shape}; expected as many columns as rows"
        raise ValueError(msg)
    by_rows = gram - gram.mean(axis=0)
    centred: FloatArray = by_rows - by_rows.mean(axis=1, keepdims=True)
    # Equal texts leave rounding of the entries and nothing else.
    if np.trace(centred) <= ROUND_OFF * len(gram) ** 2 * np.abs(gram).max():
        raise ValueError(all_equal(name))
    return centred


def all_equal(name: str) -> str:
    """What is said of states that cannot be aligned."""
    return f"all rows of `{name}` are equal, so there is nothing to align; expected rows that differ"


def inner_products(grams: Sequence[FloatArray]) -> FloatArray:
    """Frobenius inner products of matrices of one shape: (matrices, matrices)."""
    flat = np.stack([gram.ravel() for gram in grams])
    products: FloatArray = flat @ flat.T
    return products


def aligned(products: FloatArray) -> FloatArray:
    """Inner products (layers, layers) of centred Gram matrices divided by their norms: linear CKA."""
    norms = np.sqrt(np.diag(products))
    alignment: FloatArray = products / np.outer(norms, norms)
    return alignment
