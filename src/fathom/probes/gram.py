"""The Gram matrix of one training fold, which every label, penalty and permuted labelling shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fathom.probes.tridiagonal import Tridiagonal
from fathom.statistics.arrays import FloatArray


@dataclass(frozen=True)
class Spectrum:
    """Eigendecomposition of the Gram matrix of a training fold.

    Attributes:
        values: (training texts,), eigenvalues, at least 0.
        vectors: (training texts, training texts), eigenvectors in columns.
        test: (test texts, training texts), the test texts' products with the training texts, times `vectors`.
    """

    values: FloatArray
    vectors: FloatArray
    test: FloatArray


@dataclass(frozen=True)
class Fold:
    """Products of standardised features, divided by the width.

    The division makes the mean of the diagonal 1 at every layer and width, so that one penalty means the same
    everywhere.

    Attributes:
        training: (training texts, training texts).
        test: (test texts, training texts).
        width: number of features.
    """

    training: FloatArray
    test: FloatArray
    width: int

    @cached_property
    def spectrum(self) -> Spectrum:
        """The eigendecomposition, made when it is first asked for."""
        values, vectors = np.linalg.eigh(self.training)
        return Spectrum(np.maximum(values, 0.0), vectors, self.test @ vectors)

    @cached_property
    def tridiagonal(self) -> Tridiagonal:
        """The tridiagonal form, made when it is first asked for."""
        return Tridiagonal(self.training, self.test)


def scaler(seen: FloatArray) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Mean and standard deviation of each feature of states (texts, width), and which features are constant.

    One that is constant deviates by round-off only; it can tell nothing and is left out.
    """
    mean, deviation = seen.mean(axis=0), seen.std(axis=0)
    return mean, deviation, deviation <= len(seen) * np.finfo(np.float64).eps * np.abs(mean)


def make_fold(states: FloatArray, training: npt.NDArray[np.bool_]) -> Fold:
    """Standardise with the mean and standard deviation of the training texts, and return the products.

    Args:
        states: (texts, width), finite.
        training: (texts,), which texts are trained on; the others are tested.
    """
    seen = states[training]
    mean, deviation, constant = scaler(seen)
    scale = np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, deviation)) / np.sqrt(states.shape[1])
    unseen = states[~training]
    for part in (seen, unseen):  # copies, which a mask always makes
        part -= mean
    # The mean of numbers far from 0 is rounded: what is left of it is taken off too.
    rest = seen.mean(axis=0)
    for part in (seen, unseen):
        part -= rest
        part *= scale
    return Fold(training=seen @ seen.T, test=unseen @ seen.T, width=states.shape[1])
