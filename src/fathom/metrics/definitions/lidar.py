"""LiDAR: directions that tell texts apart. Rows are taken as given: see `prepare`."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy  # scipy.linalg is loaded when it is first used

from fathom.metrics.checks import ROUND_OFF, FloatArray, as_array, positive
from fathom.metrics.preparation import centred_rows
from fathom.metrics.spectrum import normalised_eigenvalues, spectrum
from fathom.statistics.renyi import shannon_entropy

# The smaller form of LiDAR's whitening loses so many units of rounding; 1e5 of them leave eleven digits.
_MOST_CANCELLED = 1e5


def lidar(views: npt.ArrayLike, *, ridge: float = 1e-4) -> float:
    """LiDAR in nats of `views` (texts, views, d), each text its own class.

    From 0 to log min(texts - 1, d); higher: more directions tell texts apart. Entropy of the eigenvalues, divided by
    their sum, of W^(-1/2) B W^(-1/2), B the scatter of the class means about their mean and W the scatter of the views
    about theirs plus `ridge` times the identity, both averages (Thilak et al., arXiv 2312.04000, who report its exp;
    skean2025 reports the entropy). `ridge` is in squared units of the states: 1e-4 is meant for unit rows (`prepare`).

    Raises ValueError unless `views` is a finite real array with at least 2 texts and 2 views, where all class means are
    equal, and where `ridge` is lost in the rounding of W.
    """
    views = as_array("views", views, axes=("texts", "views", "columns"), least=(2, 2, 1))
    ridge = positive("ridge", ridge)
    texts, _, width = views.shape
    means = views.mean(axis=1)
    residuals = (views - means[:, np.newaxis]).reshape(-1, width)
    between = means - means.mean(axis=0)
    if np.linalg.norm(between) <= ROUND_OFF * texts * np.linalg.norm(means):
        msg = "`views` has equal means for all texts, so nothing separates them and there is no spectrum"
        raise ValueError(msg)
    # The Gram matrix of the whitened means, M W^-1 M^T, has the eigenvalues of W^(-1/2) B W^(-1/2).
    of = "the scatter of the class means of `views`"
    squares = float(np.vdot(residuals, residuals)) / len(residuals)
    if len(residuals) < width and squares <= _MOST_CANCELLED * ridge:
        return shannon_entropy(normalised_eigenvalues(_whitened_gram(between, residuals, ridge), of=of))
    within = residuals.T @ residuals / len(residuals) + ridge * np.eye(width)
    whitened: FloatArray = scipy.linalg.solve_triangular(_root(within), between.T, lower=True, check_finite=False).T
    return shannon_entropy(spectrum(whitened, of=of))


def lidar_as_published(views: npt.ArrayLike) -> dict[str, float]:
    """LiDAR of the raw states `views` (texts, views, d), with ridge 1e-4.

    Each view is centred over its texts and brought to unit rows. `raw`: the entropy in nats; `maxEntropy`: raw / log
    min(texts, d). That code adds up in float32, so its values differ by about 1e-7.

    Raises ValueError as `fathom.metrics.lidar` does, and for a state that equals the mean of its view.
    """
    views = as_array("views", views, axes=("texts", "views", "columns"), least=(2, 2, 2))
    prepared = np.stack(
        [centred_rows(views[:, view], of=f"`views[:, {view}]`") for view in range(views.shape[1])], axis=1
    )
    raw = lidar(prepared, ridge=1e-4)
    return {"raw": raw, "maxEntropy": raw / math.log(min(views.shape[0], views.shape[2]))}


def _whitened_gram(between: FloatArray, residuals: FloatArray, ridge: float) -> FloatArray:
    """M W^-1 M^T for W = R^T R / n + ridge I through the smaller R R^T (n, n), by Woodbury's identity.

    `between` is M (texts, d), `residuals` R (n, d). It subtracts, and loses digits as R R^T / n outgrows `ridge`.
    """
    gram = residuals @ residuals.T
    shared = between @ residuals.T
    solved = scipy.linalg.cho_solve(
        scipy.linalg.cho_factor(gram + len(residuals) * ridge * np.eye(len(gram))), shared.T
    )
    whitened: FloatArray = (between @ between.T - shared @ solved) / ridge
    return whitened


def _root(within: FloatArray) -> FloatArray:
    """Cholesky factor of the within-class scatter, refused where it holds rounding instead of numbers."""
    msg = "`ridge` is lost in the rounding of the scatter within texts; expected a larger one, or unit rows (`prepare`)"
    try:
        root = np.asarray(np.linalg.cholesky(within), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise ValueError(msg) from error
    if np.diag(root).min() ** 2 <= ROUND_OFF * len(within) * np.diag(within).max():
        raise ValueError(msg)
    return root
