"""Linear centred kernel alignment of the states of the same texts: two layers, or two models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import ROUND_OFF, FloatArray, as_array, as_layers, as_matrix, same_rows
from fathom.metrics.preparation import centre
from fathom.statistics.gram_alignment import aligned, all_equal, inner_products, recentred

if TYPE_CHECKING:
    from collections.abc import Sequence

# 2^23 float64 numbers are 64 MiB.
_BLOCK = 2**23


def linear_cka(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Linear centred kernel alignment of `a` (texts, d) and `b` (texts, e), from 0 to 1.

    0 is unrelated, 1 equal up to rotation, scale and shift. |A^T B|^2 / (|A^T A| |B^T B|) in Frobenius norms, the
    columns of A and B centred (Kornblith et al., arXiv 1905.00414). Biased upward where texts are few beside the width:
    unrelated states of more dimensions than texts come near to 1.

    Raises ValueError unless `a` and `b` are finite real matrices with as many rows, at least 2, that are not all equal.
    """
    a, b = as_matrix("a", a, rows=2), as_matrix("b", b, rows=2)
    same_rows(a, b)
    a, b = _centred("a", a), _centred("b", b)
    if len(a) <= max(a.shape[1], b.shape[1]):
        gram_a, gram_b = a @ a.T, b @ b.T
        product = float(np.sum(gram_a * gram_b))
    else:
        gram_a, gram_b = a.T @ a, b.T @ b
        product = float(np.sum((a.T @ b) ** 2))
    return product / float(np.linalg.norm(gram_a) * np.linalg.norm(gram_b))


def linear_cka_matrix(layers: Sequence[npt.ArrayLike]) -> FloatArray:
    """`linear_cka` of each of the `layers` (texts, d) with each other: (layers, layers), symmetric.

    Widths may differ. The rows of all centred Gram matrices are made once, a block of them at a time: memory beside the
    states, which are held in float64, is at most 64 MiB (or a row of each Gram matrix).

    Raises ValueError as `linear_cka` does, naming the layer `layers[i]`, and for no layers.
    """
    matrices = as_layers(layers)
    centred = [_centred(f"layers[{layer}]", z) for layer, z in enumerate(matrices)]
    texts = len(centred[0])
    size = max(1, _BLOCK // (len(centred) * texts))
    products = np.zeros((len(centred), len(centred)))
    for first in range(0, texts, size):
        rows = np.stack([(z[first : first + size] @ z.T).ravel() for z in centred])
        products += rows @ rows.T
    return aligned(products)


def centred_gram(z: npt.ArrayLike) -> FloatArray:
    """Gram matrix (texts, texts) of the centred rows of `z` (texts, d), for `cka_of_grams`.

    Raises ValueError unless `z` is a finite real matrix with at least 2 rows that are not all equal.
    """
    centred = _centred("z", as_matrix("z", z, rows=2))
    gram: FloatArray = centred @ centred.T
    return gram


def cka_of_grams(gram_a: npt.ArrayLike, gram_b: npt.ArrayLike) -> float:
    """Linear CKA from two Gram matrices (texts, texts), which are centred here: `linear_cka` of the states behind them.

    Any subset of texts may be taken from larger Gram matrices (`gram[np.ix_(chosen, chosen)]`), which are centred anew
    for it. Give Gram matrices of centred states (`centred_gram`): a mean far from zero costs digits.

    Raises ValueError unless both are finite real square matrices of one size, at least 2, and where the texts of one
    are all equal.
    """
    gram_a, gram_b = as_matrix("gram_a", gram_a, rows=2), as_matrix("gram_b", gram_b, rows=2)
    if gram_a.shape != gram_b.shape:
        msg = f"`gram_a` has shape {gram_a.shape} and `gram_b` has shape {gram_b.shape}; expected equal shapes"
        raise ValueError(msg)
    return float(aligned(inner_products([recentred("gram_a", gram_a), recentred("gram_b", gram_b)]))[0, 1])


def cka_matrix_of_grams(grams: npt.ArrayLike) -> FloatArray:
    """`cka_of_grams` of each of `grams` (layers, texts, texts) with each other: (layers, layers), symmetric.

    For many subsets of texts, as in a bootstrap: the products with the states are then made once.

    Raises ValueError as `cka_of_grams` does, naming the layer `grams[i]`.
    """
    stacked = as_array("grams", grams, axes=("layers", "texts", "texts"), least=(1, 2, 2))
    return aligned(inner_products([recentred(f"grams[{layer}]", gram) for layer, gram in enumerate(stacked)]))


def _centred(name: str, z: FloatArray) -> FloatArray:
    centred = centre(z)
    if np.linalg.norm(centred) <= ROUND_OFF * len(z) * np.linalg.norm(z):
        raise ValueError(all_equal(name))
    return centred
