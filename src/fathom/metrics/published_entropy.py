"""The entropy of the public code of skean2025, which is one for the tokens of a text and the texts of a corpus."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import as_matrix
from fathom.metrics.preparation import centred_rows
from fathom.metrics.spectrum import normalised_eigenvalues
from fathom.statistics.renyi import shannon_entropy


def entropy_as_published(z: npt.ArrayLike) -> dict[str, float]:
    """Prompt entropy of the raw token states `z` (tokens, d), in the variants of that code.

    `raw`: entropy in nats after centring, unit rows, and setting to zero the negative entries of Z Z^T (of Z^T Z if
    tokens > d) and then its negative eigenvalues. `logN`: raw / log tokens; `logD`: raw / log d; `maxEntropy`: raw /
    the smaller of the two logarithms, which the figures of skean2025 show. Dataset entropy in that form is this of the
    mean states (texts, d) of all texts: that code differs from it only by centring them batch by batch.

    Raises ValueError for fewer than 2 tokens or columns, and for a token that equals the mean of the tokens.
    """
    z = as_matrix("z", z, rows=2, columns=2)
    tokens, width = z.shape
    unit = centred_rows(z, of="`z`")
    gram = unit.T @ unit if tokens > width else unit @ unit.T
    raw = shannon_entropy(normalised_eigenvalues(np.maximum(gram, 0.0), of="the Gram matrix of `z`"))
    log_tokens, log_width = math.log(tokens), math.log(width)
    return {
        "maxEntropy": raw / min(log_tokens, log_width),
        "raw": raw,
        "logN": raw / log_tokens,
        "logD": raw / log_width,
    }
