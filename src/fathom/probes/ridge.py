"""Ridge regression in closed form: one tridiagonal form of a fold answers every penalty and every column.

With K the Gram matrix of training features, which have mean 0, the prediction at penalty a is
mean(y) + k (K + a I)^-1 (y - mean(y)), k being the products of the test text with the training texts
(Hastie, Tibshirani and Friedman 2009, section 18.3.2; Saunders, Gammerman and Vovk 1998).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fathom.statistics.arrays import FloatArray

if TYPE_CHECKING:
    from fathom.probes.gram import Fold


def predict(fold: Fold, columns: FloatArray, penalties: npt.ArrayLike) -> FloatArray:
    """Return the predictions of the test texts.

    Args:
        fold: Gram matrices.
        columns: (training texts, columns), what is regressed on.
        penalties: one above 0, or one a column.

    Returns:
        (test texts, columns).
    """
    mean, rotated = _rotated(fold, columns)
    of_column = np.broadcast_to(np.asarray(penalties, dtype=np.float64), (columns.shape[1],))
    predictions = np.empty((len(fold.test), columns.shape[1]))
    for penalty in np.unique(of_column):
        chosen = of_column == penalty
        predictions[:, chosen] = fold.tridiagonal.shrunk(float(penalty)).T @ rotated[:, chosen] + mean[chosen]
    return predictions


def squared_errors(
    fold: Fold, columns: FloatArray, test_columns: FloatArray, penalties: tuple[float, ...]
) -> FloatArray:
    """Return the mean squared error over the test texts: (penalties, columns).

    columns (training texts, columns) are regressed on, test_columns (test texts, columns) are to be predicted.
    """
    mean, rotated = _rotated(fold, columns)
    rest = test_columns - mean
    errors = np.empty((len(penalties), columns.shape[1]))
    for place, penalty in enumerate(penalties):
        off = fold.tridiagonal.shrunk(penalty).T @ rotated - rest
        errors[place] = np.einsum("tc,tc->c", off, off) / len(off)
    return errors


def rounded_errors(
    fold: Fold, columns: FloatArray, test_columns: FloatArray, penalties: tuple[float, ...]
) -> FloatArray:
    """Return what `squared_errors` does to about six digits, in float32: for many columns it takes half as long."""
    mean = columns.mean(axis=0)
    predictions = fold.tridiagonal.smoothers(penalties) @ (columns - mean).astype(np.float32)
    off = predictions.reshape(len(penalties), *test_columns.shape)
    off -= (test_columns - mean).astype(np.float32)
    return np.asarray(np.einsum("ptc,ptc->pc", off, off), dtype=np.float64) / len(test_columns)


def _rotated(fold: Fold, columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean of each column and what is left of it, in the basis of the tridiagonal form."""
    mean = columns.mean(axis=0)
    return mean, fold.tridiagonal.basis.T @ (columns - mean)
