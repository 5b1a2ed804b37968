"""The metrics in the form that the public code of skean2025 (arXiv 2502.02013) gives them.

Where it differs from the paper, this is the other form. Written from the definitions. Raw states go in: that code
centres the rows over the text (or the texts), brings them to unit length, and for entropy sets the negative entries of
the Gram matrix to zero. What it does by accident is not done here: it works in half precision, prepares the states of a
corpus batch by batch (so that its values depend on the batch size), and gives NaN where rows have no direction, which
is a ValueError here.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import ROUND_OFF, FloatArray, as_array, as_matrix
from fathom.metrics.invariance import dime as plain_dime
from fathom.metrics.invariance import dime_with_error as plain_dime_with_error
from fathom.metrics.invariance import infonce as plain_infonce
from fathom.metrics.invariance import lidar as plain_lidar
from fathom.metrics.preparation import centred_rows
from fathom.metrics.spectrum import normalised_eigenvalues
from fathom.statistics.renyi import shannon_entropy


def prompt_entropy(z: npt.ArrayLike) -> dict[str, float]:
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


def curvature(z: npt.ArrayLike) -> float:
    """Curvature of the raw token states `z` (tokens, d), in radians from 0 to pi/2.

    Taken after centring and unit rows, with the angle folded: arccos of the absolute cosine. Where the paper's angle is
    obtuse, this rises as the paper's falls. A token equal to the next one counts as an
    angle of 0, as in that code.

    Raises ValueError for fewer than 3 tokens (that code gives 0), and for a token that equals the mean of the tokens.
    """
    steps = np.diff(centred_rows(as_matrix("z", z, rows=3), of="`z`"), axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    moving = lengths > 4.0 * ROUND_OFF
    directions = steps / np.where(moving, lengths, 1.0)[:, np.newaxis]
    cosines = np.abs(np.einsum("kd,kd->k", directions[:-1], directions[1:]))
    angles = np.where(moving[:-1] & moving[1:], np.arccos(np.minimum(cosines, 1.0)), 0.0)
    return float(angles.mean())


def infonce(a: npt.ArrayLike, b: npt.ArrayLike) -> dict[str, float]:
    """InfoNCE of the raw states `a` and `b` (texts, d) of two views.

    Each view is centred over its texts and brought to unit rows. `raw`: the loss in nats at temperature 0.1;
    `mi-lower-bound`: 1 - raw / log texts, which the figures show. The form of that code since January 2025; results
    committed before are of another one (2 texts - 1 candidates).

    Raises ValueError as `fathom.metrics.infonce` does, and for a row that equals the mean of the rows.
    """
    a, b = _centred_pair(a, b)
    raw = plain_infonce(a, b, temperature=0.1)
    return {"raw": raw, "mi-lower-bound": 1.0 - raw / math.log(len(a))}


def dime(a: npt.ArrayLike, b: npt.ArrayLike, *, alpha: float = 1.0, permutations: int = 10, seed: int = 0) -> float:
    """DiME in nats of the raw states `a` and `b` (texts, d) of two views.

    Each view is centred over its texts and brought to unit rows. Always on (texts, texts) matrices. For more texts than
    columns that code permutes columns instead of texts, and its short cut for alpha = 2 misses a normalisation; neither
    is DiME, and neither is repeated here.

    Raises ValueError as `fathom.metrics.dime` does, and for a row that equals the mean of the rows.
    """
    a, b = _centred_pair(a, b)
    return plain_dime(a, b, alpha=alpha, permutations=permutations, seed=seed)


def dime_with_error(
    a: npt.ArrayLike, b: npt.ArrayLike, *, alpha: float = 1.0, permutations: int = 10, seed: int = 0
) -> tuple[float, float]:
    """DiME as `dime` gives it, and the standard error of this mean over random permutations, both in nats.

    That code draws 10 permutations without a seed and gives no error.

    Raises ValueError as `fathom.metrics.dime_with_error` does, and for a row that equals the mean of the rows.
    """
    a, b = _centred_pair(a, b)
    return plain_dime_with_error(a, b, alpha=alpha, permutations=permutations, seed=seed)


def lidar(views: npt.ArrayLike) -> dict[str, float]:
    """LiDAR of the raw states `views` (texts, views, d), with ridge 1e-4.

    Each view is centred over its texts and brought to unit rows. `raw`: the entropy in nats; `maxEntropy`: raw / log
    min(texts, d). That code adds up in float32, so its values differ by about 1e-7.

    Raises ValueError as `fathom.metrics.lidar` does, and for a state that equals the mean of its view.
    """
    views = as_array("views", views, axes=("texts", "views", "columns"), least=(2, 2, 2))
    prepared = np.stack(
        [centred_rows(views[:, view], of=f"`views[:, {view}]`") for view in range(views.shape[1])], axis=1
    )
    raw = plain_lidar(prepared, ridge=1e-4)
    return {"raw": raw, "maxEntropy": raw / math.log(min(views.shape[0], views.shape[2]))}


def _centred_pair(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    return centred_rows(as_matrix("a", a, rows=2), of="`a`"), centred_rows(as_matrix("b", b, rows=2), of="`b`")
