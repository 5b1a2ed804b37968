"""DiME: what true pairs of views share beyond chance pairs. Rows are taken as given: see `prepare`.

Its matrices are (texts, texts) by definition. Of more than BLOCK_TEXTS texts it is the mean over random blocks of about
as many, each text being in one of them: time and memory then grow as the texts do, and the value is that of so many
texts.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import FloatArray, as_matrix, positive, same_shape, whole
from fathom.metrics.preparation import centred_pair
from fathom.metrics.spectrum import normalised_eigenvalues
from fathom.statistics.renyi import renyi_entropy

BLOCK_TEXTS = 2000


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


def dime_as_published(
    a: npt.ArrayLike, b: npt.ArrayLike, *, alpha: float = 1.0, permutations: int = 10, seed: int = 0
) -> float:
    """DiME in nats of the raw states `a` and `b` (texts, d) of two views.

    Each view is centred over its texts and brought to unit rows. Always on (texts, texts) matrices. For more texts than
    columns that code permutes columns instead of texts, and its short cut for alpha = 2 misses a normalisation; neither
    is DiME, and neither is repeated here.

    Raises ValueError as `fathom.metrics.dime` does, and for a row that equals the mean of the rows.
    """
    a, b = centred_pair(a, b)
    return dime(a, b, alpha=alpha, permutations=permutations, seed=seed)


def dime_with_error_as_published(
    a: npt.ArrayLike, b: npt.ArrayLike, *, alpha: float = 1.0, permutations: int = 10, seed: int = 0
) -> tuple[float, float]:
    """DiME as `dime` gives it, and the standard error of this mean over random permutations, both in nats.

    That code draws 10 permutations without a seed and gives no error.

    Raises ValueError as `fathom.metrics.dime_with_error` does, and for a row that equals the mean of the rows.
    """
    a, b = centred_pair(a, b)
    return dime_with_error(a, b, alpha=alpha, permutations=permutations, seed=seed)


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
    if len(a) <= BLOCK_TEXTS:
        return _draws(a, b, alpha, permutations, random)
    blocks = np.array_split(random.permutation(len(a)), math.ceil(len(a) / BLOCK_TEXTS))
    of_blocks = [_draws(a[rows], b[rows], alpha, permutations, random) for rows in blocks]
    return np.asarray(np.mean(of_blocks, axis=0), dtype=np.float64)


def _draws(a: FloatArray, b: FloatArray, alpha: float, permutations: int, random: np.random.Generator) -> FloatArray:
    """The same of the texts of one block."""
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
