"""InfoNCE: how well a text is found among the others by another view of it. Rows are taken as given: see `prepare`."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import FloatArray, as_matrix, positive, same_shape
from fathom.metrics.preparation import centred_pair

BLOCK = 2**24  # products of texts that are held at a time


def infonce(a: npt.ArrayLike, b: npt.ArrayLike, *, temperature: float = 0.1, both: bool = False) -> float:
    """InfoNCE loss in nats of two views `a` and `b` (texts, d), row i of both being one text.

    Lower is more invariant, 0 is best. The mean over i of -log softmax_j(a_i . b_j / temperature) at j = i (van den
    Oord et al., arXiv 1807.03748): one direction, from `a` to `b`, all rows of `b` as candidates; with `both` the mean
    of this and the direction from `b` to `a`. Dot products, not cosines: for cosines give unit rows (`prepare`).
    log(texts) is the loss of a guess, and log(texts) - loss bounds the mutual information from below. skean2025 uses
    0.1 and one direction, which only its code states. float32 rows put the loss off by up to 1e-7 |a_i| |b_j| /
    temperature.

    Raises ValueError unless `a` and `b` are finite real matrices of one shape with at least 2 rows, and `temperature`
    above 0.
    """
    a, b = as_matrix("a", a, rows=2), as_matrix("b", b, rows=2)
    same_shape(a, b)
    temperature = positive("temperature", temperature)
    directions = ((a, b), (b, a)) if both else ((a, b),)
    return max(0.0, float(np.mean([_cross_entropy(one, other, temperature) for one, other in directions])))


def infonce_as_published(a: npt.ArrayLike, b: npt.ArrayLike) -> dict[str, float]:
    """InfoNCE of the raw states `a` and `b` (texts, d) of two views.

    Each view is centred over its texts and brought to unit rows. `raw`: the loss in nats at temperature 0.1;
    `mi-lower-bound`: 1 - raw / log texts, which the figures show. The form of that code since January 2025; results
    committed before are of another one (2 texts - 1 candidates).

    Raises ValueError as `fathom.metrics.infonce` does, and for a row that equals the mean of the rows.
    """
    a, b = centred_pair(a, b)
    raw = infonce(a, b, temperature=0.1)
    return {"raw": raw, "mi-lower-bound": 1.0 - raw / math.log(len(a))}


def _cross_entropy(a: FloatArray, b: FloatArray, temperature: float) -> float:
    """Mean of -log softmax of the row of each text of `a` among all of `b` at its own; a block of texts at a time."""
    step = max(1, BLOCK // len(a))
    losses = np.empty(len(a))
    for first in range(0, len(a), step):
        logits = (a[first : first + step] @ b.T) / temperature
        highest = logits.max(axis=1, keepdims=True)
        log_sums = highest[:, 0] + np.log(np.exp(logits - highest).sum(axis=1))
        losses[first : first + step] = log_sums - np.diagonal(logits, offset=first)
    return float(np.mean(losses))
