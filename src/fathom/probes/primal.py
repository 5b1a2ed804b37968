"""Probes where texts outnumber features: from moments of parts of the texts, (width, width), which folds add up.

The part that a fold tests, taken away from all texts, leaves the part that it trains on. So every text is multiplied
once for all folds that divide the texts in one way, and ridge answers every penalty from matrices whose size does not
know how many texts there are. Predictions are those of the Gram matrix (`fathom.probes.gram`): with S = Z'Z the
products of standardised features, they are mean(y) + z (S + a I)^-1 Z'(y - mean(y)) (Hastie, Tibshirani and Friedman
2009, section 3.4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fathom.probes.gram import scaler
from fathom.probes.tridiagonal import Tridiagonal
from fathom.statistics.arrays import BoolArray, FloatArray, IntArray

PAYS = 1.3  # texts a feature above which moments take less time than a Gram matrix
# Share of its squared mean below which the variance of a feature in a fold is mostly round-off of the difference.
DOUBTFUL = 1e-6


@dataclass(frozen=True)
class Moments:
    """Sums over texts: their number, states (width,), products of features (width, width)."""

    count: int
    sums: FloatArray
    products: FloatArray

    def __add__(self, other: Moments) -> Moments:
        """Both parts together."""
        return Moments(self.count + other.count, self.sums + other.sums, self.products + other.products)

    def __sub__(self, other: Moments) -> Moments:
        """What is left without a part."""
        return Moments(self.count - other.count, self.sums - other.sums, self.products - other.products)


@dataclass(frozen=True)
class ColumnMoments:
    """Sums over texts of what is regressed on: columns, their squares (columns,), products (width, columns)."""

    sums: FloatArray
    squares: FloatArray
    products: FloatArray

    def __sub__(self, other: ColumnMoments) -> ColumnMoments:
        """What is left without a part."""
        return ColumnMoments(self.sums - other.sums, self.squares - other.squares, self.products - other.products)


def moments(states: FloatArray) -> Moments:
    """Moments of states (texts, width)."""
    return Moments(len(states), states.sum(axis=0), states.T @ states)


def column_moments(states: FloatArray, columns: FloatArray) -> ColumnMoments:
    """Moments of columns (texts, columns) with states (texts, width)."""
    return ColumnMoments(columns.sum(axis=0), np.einsum("tc,tc->c", columns, columns), states.T @ columns)


def pays(texts: int, width: int) -> bool:
    """Whether moments take less time than a Gram matrix of as many training texts."""
    return texts > PAYS * width


@dataclass(frozen=True)
class PrimalStates:
    """States of all texts, shifted and scaled so that moments lose no digits.

    Attributes:
        values: (texts, width), each feature with mean 0 and deviation 1 over all texts; one that is constant is 0.
        constant: (width,), which features are.
    """

    values: FloatArray
    constant: BoolArray

    @staticmethod
    def of(states: FloatArray, training: BoolArray | None = None) -> PrimalStates:
        """Shift and scale states (texts, width) by the mean and deviation of the training texts; of all if left out."""
        mean, deviation, constant = scaler(states if training is None else states[training])
        values = states - mean
        values *= np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, deviation))
        return PrimalStates(values, constant)


class PrimalFold:
    """One training fold: its moments standardised, and the texts that it tests.

    Attributes:
        states: of all texts.
        training: (texts,), which are trained on.
        test: (texts,), which are tested.
    """

    def __init__(self, states: PrimalStates, training: BoolArray, test: BoolArray, seen: Moments) -> None:
        """Standardise the moments `seen` of the training texts."""
        variance = _variance(seen)
        if (variance <= DOUBTFUL * (seen.sums / seen.count) ** 2)[~states.constant].any():
            # A feature that hardly varies in this fold: it is shifted by the fold's own mean before it is multiplied.
            states = PrimalStates.of(states.values, training)
            seen = moments(states.values[training])
            variance = _variance(seen)
        self.states, self.training, self.test = states, training, test
        width = len(variance)
        self._mean = seen.sums / seen.count
        known = ~states.constant
        self._scale = np.where(known, 1.0 / np.sqrt(np.where(known, variance, 1.0) * width), 0.0)
        centred = seen.products - seen.count * np.outer(self._mean, self._mean)
        self._form = Tridiagonal(self._scale[:, None] * centred * self._scale, np.zeros((0, width)))
        self._count = seen.count

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self._mean)

    @cached_property
    def training_features(self) -> FloatArray:
        """Standardised features of the training texts, divided by the root of the width."""
        return (self.states.values[self.training] - self._mean) * self._scale

    @property
    def test_features(self) -> FloatArray:
        """The same of the texts that are tested."""
        return (self.states.values[self.test] - self._mean) * self._scale

    def predict(self, columns: FloatArray, penalties: npt.ArrayLike) -> FloatArray:
        """Predict the test texts by ridge.

        columns (training texts, columns) are regressed on, penalties are one above 0 or one a column.
        """
        of_column = np.broadcast_to(np.asarray(penalties, dtype=np.float64), (columns.shape[1],))
        mean = columns.mean(axis=0)
        rotated = self._rotated(column_moments(self.states.values[self.training], columns))
        weights = np.empty((self.width, columns.shape[1]))
        for penalty in np.unique(of_column):
            chosen = of_column == penalty
            weights[:, chosen] = self._form.basis @ self._form.solve(float(penalty), rotated[:, chosen])
        weights *= self._scale[:, None]
        return np.asarray(self.states.values[self.test] @ weights + (mean - self._mean @ weights))

    def squared_errors(self, columns: FloatArray, test_columns: FloatArray, penalties: tuple[float, ...]) -> FloatArray:
        """Mean squared error over the test texts, (penalties, columns), as `fathom.probes.ridge.squared_errors`."""
        tested = self.states.values[self.test]
        return self.errors_of(
            column_moments(self.states.values[self.training], columns),
            moments(tested),
            column_moments(tested, test_columns),
            penalties,
        )

    def errors_of(
        self, seen: ColumnMoments, test: Moments, unseen: ColumnMoments, penalties: tuple[float, ...]
    ) -> FloatArray:
        """The same from moments of the training and of the test texts."""
        mean, level = self._mean, seen.sums / self._count
        rotated = self._rotated(seen)
        # Sums over the test texts, of features and columns less their means in training.
        shifted = test.products - np.outer(mean, test.sums) - np.outer(test.sums, mean)
        shifted += test.count * np.outer(mean, mean)
        basis = self._scale[:, None] * self._form.basis
        products = basis.T @ shifted @ basis
        rest = test.sums - test.count * mean
        crossed = basis.T @ (unseen.products - np.outer(mean, unseen.sums) - np.outer(rest, level))
        squares = unseen.squares - 2 * level * unseen.sums + test.count * level**2
        errors = np.empty((len(penalties), len(level)))
        for place, penalty in enumerate(penalties):
            weights = self._form.solve(penalty, rotated)
            errors[place] = np.einsum("wc,wc->c", weights, products @ weights - 2 * crossed) + squares
        return errors / test.count

    def _rotated(self, seen: ColumnMoments) -> FloatArray:
        centred = seen.products - np.outer(self._mean, seen.sums)
        return np.asarray(self._form.basis.T @ (self._scale[:, None] * centred))


class PrimalParts:
    """The texts of a fold divided into parts, each of which is tested by what the others train.

    Args:
        states: of all texts.
        part_of: (texts,), number of the part, below 0 for texts of none.
    """

    def __init__(self, states: PrimalStates, part_of: IntArray) -> None:
        self._states, self._part_of = states, part_of
        self._parts = [moments(states.values[part_of == number]) for number in range(int(part_of.max()) + 1)]
        total = self._parts[0]
        for part in self._parts[1:]:
            total = total + part
        self.folds = [
            PrimalFold(states, (part_of >= 0) & (part_of != number), part_of == number, total - part)
            for number, part in enumerate(self._parts)
        ]

    def squared_errors(self, columns: FloatArray, penalties: tuple[float, ...]) -> FloatArray:
        """Sum over parts of the mean squared error of each, (penalties, columns); columns are those of all texts."""
        own = [column_moments(self._states.values[test], columns[test]) for test in self._tests()]
        total = ColumnMoments(*(np.sum([getattr(one, name) for one in own], axis=0) for name in _COLUMN_SUMS))
        errors = np.zeros((len(penalties), columns.shape[1]))
        for fold, test, part in zip(self.folds, own, self._parts, strict=True):
            if fold.states is self._states:
                errors += fold.errors_of(total - test, part, test, penalties)
            else:
                errors += fold.squared_errors(columns[fold.training], columns[fold.test], penalties)
        return errors

    def _tests(self) -> list[BoolArray]:
        return [fold.test for fold in self.folds]


_COLUMN_SUMS = ("sums", "squares", "products")


def _variance(seen: Moments) -> FloatArray:
    mean = seen.sums / seen.count
    return np.asarray(np.maximum(np.diag(seen.products) / seen.count - mean**2, 0.0))
