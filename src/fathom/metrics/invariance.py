"""How much of a text survives in the states of its augmented views. Rows are taken as given: see `prepare`."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy  # scipy.linalg is loaded when it is first used

from fathom.metrics.checks import ROUND_OFF, FloatArray, as_array, as_matrix, positive, same_shape, whole
from fathom.metrics.spectrum import normalised_eigenvalues, spectrum
from fathom.statistics.renyi import renyi_entropy, shannon_entropy

# The smaller form of LiDAR's whitening loses so many units of rounding; 1e5 of them leave eleven digits.
_MOST_CANCELLED = 1e5


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
    logits = (a @ b.T) / positive("temperature", temperature)
    directions = (logits, logits.T) if both else (logits,)
    return max(0.0, float(np.mean([_cross_entropy(one) for one in directions])))


def dime(a: npt.ArrayLike, b: npt.ArrayLike, *, alpha: float = 1.0, permutations: int = 10, seed: int = 0) -> float:
    """DiME in nats of two views `a` and `b` (texts, d), row i of both being one text.

    Higher: true pairs share more than chance pairs do. The mean over random permutations P of S_alpha(K_a o P K_b P^T)
    - S_alpha(K_a o K_b), with K_a = a a^T, K_b = b b^T and o the product entry by entry (Skean et al., arXiv
    2301.08164, which has unit diagonals: give unit rows, see `prepare`). The matrices are always (texts, texts),
    whatever d is. The value is an average over `permutations` draws from `seed`; `dime_with_error` gives its error.

    Raises ValueError unless `a` and `b` are finite real matrices of one shape with at least 2 rows, none of them zero,
    `alpha` is above 0 and `permutations` at least 1.
    """
    return float(
        _dime_draws(a, b, alpha=alpha, permutations=whole("permutations", permutations, low=1), seed=seed).mean()
    )


def dime_with_error(
    a: npt.ArrayLike, b: npt.ArrayLike, *, alpha: float = 1.0, permutations: int = 10, seed: int = 0
) -> tuple[float, float]:
    """DiME as `dime` gives it, and the standard error of this mean over random permutations, both in nats.

    The error is that of drawing permutations, for the texts given; it says nothing of other texts.

    Raises ValueError as `dime` does, and for fewer than 2 permutations, which have no spread.
    """
    permutations = whole("permutations", permutations, low=2)
    draws = _dime_draws(a, b, alpha=alpha, permutations=permutations, seed=seed)
    return float(draws.mean()), float(draws.std(ddof=1)) / math.sqrt(permutations)


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


def _cross_entropy(logits: FloatArray) -> float:
    """Mean of -log softmax of each row of `logits` (texts, texts) at its diagonal entry."""
    highest = logits.max(axis=1, keepdims=True)
    log_sums = highest[:, 0] + np.log(np.exp(logits - highest).sum(axis=1))
    return float(np.mean(log_sums - np.diag(logits)))


def _dime_draws(a: npt.ArrayLike, b: npt.ArrayLike, *, alpha: float, permutations: int, seed: int) -> FloatArray:
    """The difference of joint entropies for each of `permutations` random permutations: (permutations,)."""
    a, b = as_matrix("a", a, rows=2), as_matrix("b", b, rows=2)
    same_shape(a, b)
    for name, view in (("a", a), ("b", b)):
        zero = np.flatnonzero(~view.any(axis=1))
        if zero.size:
            msg = f"row {zero[0]} of `{name}` is zero; expected rows that have a direction"
            raise ValueError(msg)
    alpha = positive("alpha", alpha)
    random = np.random.default_rng(whole("seed", seed, low=0))
    # Both kernels are made once; a permutation of the rows of b permutes the rows and columns of its kernel.
    kernel_a, kernel_b = a @ a.T, b @ b.T
    paired = _joint_entropy(kernel_a, kernel_b, alpha=alpha)
    chance = np.empty(permutations)
    for draw in range(permutations):
        order = random.permutation(len(b))
        chance[draw] = _joint_entropy(kernel_a, kernel_b[np.ix_(order, order)], alpha=alpha)
    draws: FloatArray = chance - paired
    return draws


def _joint_entropy(kernel_a: FloatArray, kernel_b: FloatArray, *, alpha: float) -> float:
    return renyi_entropy(normalised_eigenvalues(kernel_a * kernel_b, of="the joint kernel of `a` and `b`"), alpha=alpha)


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
