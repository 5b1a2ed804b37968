"""libsvm's support vector machine on a Gram matrix, called as scikit-learn's SVC calls it, without SVC's checks.

SVC checks its arguments anew at every fit, which takes as long as the fit of some hundred texts; permuted labels need
thousands of fits to one Gram matrix. The function that SVC calls is private to scikit-learn, so it is tried once a
process: where it is not there any more, or does not give what SVC gives, SVC itself is called.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

import numpy as np
from sklearn.svm import SVC

from fathom.statistics.arrays import FloatArray

log = logging.getLogger("fathom")

Fit = Callable[[FloatArray, FloatArray, float], tuple[FloatArray, float]]
"""Gram matrix (texts, texts), labels of -1 and 1 (texts,), C -> weights of the texts (texts,), intercept."""

_SAME = 1e-9  # what two runs of one solver may differ by, of weights that are at most C


def balanced_svm(gram: FloatArray, target: FloatArray, bound: float) -> tuple[FloatArray, float]:
    """Return the weights (texts,) and the intercept of a machine with hinge loss; both classes weigh the same.

    A text with the products k (texts,) with the training texts is decided by k @ weights + intercept.

    Args:
        gram: (texts, texts), float64, products of the training texts.
        target: (texts,), -1 and 1, both of them.
        bound: C, above 0.
    """
    return _fit()(gram, target, bound)


@cache
def _fit() -> Fit:
    """The direct call, if it gives what SVC gives; else SVC."""
    if is_same(direct):
        return direct
    log.info("scikit-learn's libsvm cannot be called directly in this version: SVC calls it, which takes twice as long")
    return through_svc


def is_same(fit: Fit) -> bool:
    """Whether a fit gives what SVC gives: with strong and weak penalties, even and uneven classes."""
    rng = np.random.default_rng(0)
    states = rng.normal(size=(40, 12))
    gram, labels = states @ states.T, np.where(states[:, 0] + rng.normal(size=40) > 0, 1.0, -1.0)
    uneven = np.where(np.arange(40) < 7, 1.0, -1.0)
    for target in (labels, uneven):
        for bound in (1e-4, 1e-2, 1.0):
            weights, intercept = through_svc(gram, target, bound)
            try:
                found, at = fit(gram, target, bound)
            except (AttributeError, ImportError, TypeError, ValueError):  # what a changed private function raises
                return False
            if not np.allclose(found, weights, rtol=_SAME, atol=_SAME * bound) or abs(at - intercept) > _SAME:
                return False
    return True


def through_svc(gram: FloatArray, target: FloatArray, bound: float) -> tuple[FloatArray, float]:
    """`balanced_svm` by scikit-learn's public class."""
    negative, positive = class_weights(target)
    model = SVC(C=bound, kernel="precomputed", class_weight={-1.0: negative, 1.0: positive}).fit(gram, target)
    weights = np.zeros(len(target))
    weights[model.support_] = model.dual_coef_[0]
    return weights, float(model.intercept_[0])


def direct(gram: FloatArray, target: FloatArray, bound: float) -> tuple[FloatArray, float]:
    """`balanced_svm` by the function that SVC calls, with the arguments that SVC gives it."""
    from sklearn.svm import _libsvm

    _libsvm.set_verbosity_wrap(0)
    support, _, _, coefficients, intercept, *_ = _libsvm.fit(
        gram,
        (target > 0).astype(np.float64),
        svm_type=0,
        kernel="precomputed",
        C=bound,
        class_weight=np.array(class_weights(target)),
        tol=1e-3,
        shrinking=1,
        cache_size=200.0,
        max_iter=-1,
        random_seed=0,
    )
    weights = np.zeros(len(target))
    # libsvm decides for the first class where SVC decides for the second.
    weights[support] = -coefficients[0]
    return weights, -float(intercept[0])


def class_weights(target: FloatArray) -> tuple[float, float]:
    """Return scikit-learn's "balanced" weights of -1 and 1, to the last digit, found faster."""
    positive = int((target > 0).sum())
    return len(target) / (2 * (len(target) - positive)), len(target) / (2 * positive)
