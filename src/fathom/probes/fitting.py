"""All probes of one layer: every training fold's Gram matrix is made once and serves all that is fitted on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fathom.probes import ridge
from fathom.probes.design import Estimator
from fathom.probes.estimators import predict
from fathom.probes.folds import OUTSIDE
from fathom.probes.gram import Fold, make_fold
from fathom.probes.label_batches import Batch, Curve
from fathom.probes.measures import RunningScore
from fathom.probes.primal import PrimalFold, PrimalParts, PrimalStates, moments, pays
from fathom.probes.targets import Target
from fathom.statistics.arrays import BoolArray, FloatArray, IntArray

FEWEST_COLUMNS = 256
MOST_NUMBERS = 2**25  # of columns that are fitted together, texts x columns


@dataclass(frozen=True)
class Outcome:
    """One curve at one layer.

    Attributes:
        predictions: (texts, repeats, width), out of fold.
        penalties: (repeats, folds).
        statistics: (labellings,), the primary measure in the first repeat.
        inside: (texts, repeats, folds, width), what inner folds predict of the texts that an outer fold trains on, with
            the fixed penalty, 0 elsewhere; none where there are no inner folds for the estimator.
    """

    predictions: FloatArray
    penalties: FloatArray
    statistics: FloatArray
    inside: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class _Piece:
    """Some labellings of one label, from `first` to before `last`."""

    target: Target
    first: int
    last: int


_Chunk = tuple[_Piece, ...]
"""Labellings that ridge answers in one product of matrices."""


MakeFold = Callable[[FloatArray, BoolArray], Fold]
"""Features of some texts, and which of them are trained on -> the products of a fold."""


def probe_layer(states: FloatArray, batch: Batch, make: MakeFold = make_fold) -> dict[Curve, Outcome]:
    """Fit and predict all curves of a batch at one layer; states are (all texts, width), or what else `make` takes."""
    states = states if len(batch.rows) == len(states) else states[batch.rows]
    repeats, folds = len(batch.assignment), int(batch.assignment.max()) + 1
    fits = {curve: _Fit(batch, curve, folds) for curve in batch.curves}
    layer = _Layer(states, batch, make)
    for repeat in range(repeats):
        chunks = _chunks(batch, repeat)
        for fold_number in range(folds):
            training = batch.assignment[repeat] != fold_number
            choices = _Choices(batch, chunks, layer)
            if batch.inner is not None:
                choices.add_folds(batch.inner[repeat, fold_number])
                for curve, inside in choices.inside.items():
                    fits[curve].add_inside(repeat, fold_number, inside)
            outer = _Outer(repeat, fold_number, training, layer.folds(training, ~training))
            _fit_margin_classifiers(batch, outer, choices, fits)
            _fit_ridge(batch, outer, choices, fits)
    return {curve: fit.outcome() for curve, fit in fits.items()}


class _Layer:
    """The states of a layer, and in which form its folds are fitted.

    Ridge takes moments where texts outnumber features, the margin classifiers take features where there are many texts;
    else they share a Gram matrix.
    """

    def __init__(self, states: FloatArray, batch: Batch, make: MakeFold) -> None:
        self.states, self._make = states, make
        trained = int((batch.assignment[0] != 0).sum())
        if batch.inner is not None:
            seen = batch.inner[0, 0]
            trained = int((seen > 0).sum())
        by_features = make is make_fold
        self.moments = (
            by_features and any(curve[1] == "ridge" for curve in batch.curves) and pays(trained, states.shape[1])
        )
        self.features = by_features and batch.many
        self.primal = PrimalStates.of(states) if self.moments or self.features else None

    def by_moments(self, estimator: Estimator) -> bool:
        """Whether an estimator is fitted without a Gram matrix."""
        return self.moments if estimator == "ridge" else self.features

    def folds(self, training: BoolArray, test: BoolArray, primal: PrimalFold | None = None) -> _Folds:
        """The fold in the forms that the estimators take; `primal` if it is there already."""
        if primal is None and self.primal is not None:
            primal = PrimalFold(self.primal, training, test, moments(self.primal.values[training]))
        return _Folds(self, training, test, primal)

    def gram(self, training: BoolArray, test: BoolArray) -> Fold:
        """The Gram matrices of a fold."""
        seen = training | test
        return self._make(self.states if seen.all() else self.states[seen], training[seen])


@dataclass(frozen=True)
class _Folds:
    """One fold in the forms that the estimators take, each made when it is first asked for."""

    layer: _Layer
    training: BoolArray
    test: BoolArray
    primal: PrimalFold | None

    @cached_property
    def gram(self) -> Fold:
        """Its Gram matrices."""
        return self.layer.gram(self.training, self.test)

    def of(self, estimator: Estimator) -> Fold | PrimalFold:
        """The form that an estimator takes."""
        return self.primal if self.primal is not None and self.layer.by_moments(estimator) else self.gram

    def ridge(self, columns: FloatArray, penalties: npt.ArrayLike) -> FloatArray:
        """Predict the test texts by ridge, with one penalty or one a column."""
        fold = self.of("ridge")
        if isinstance(fold, PrimalFold):
            return fold.predict(columns, penalties)
        return ridge.predict(fold, columns, penalties)


@dataclass(frozen=True)
class _Outer:
    """One outer fold of one repeat: its number, and which texts it trains on."""

    repeat: int
    number: int
    training: BoolArray
    folds: _Folds


def _fit_margin_classifiers(batch: Batch, outer: _Outer, choices: _Choices, fits: dict[Curve, _Fit]) -> None:
    """Fit what has no closed form, curve by curve."""
    for curve in batch.curves:
        _, estimator, selection = curve
        if estimator == "ridge":
            continue
        penalty = batch.design.penalty if selection == "fixed" else choices.of_curve(curve)
        fits[curve].penalties[outer.repeat, outer.number] = penalty
        for piece in _pieces(batch, curve, outer.repeat):
            columns = _columns(batch, (piece,), outer.training)
            fits[curve].add(outer, piece, predict(estimator, outer.folds.of(estimator), columns, penalty))


def _fit_ridge(batch: Batch, outer: _Outer, choices: _Choices, fits: dict[Curve, _Fit]) -> None:
    """Fit ridge to all labels and labellings together."""
    selections = {selection for _, estimator, selection in batch.curves if estimator == "ridge"}
    for number, chunk in enumerate(choices.chunks):
        columns = _columns(batch, chunk, outer.training)
        for selection in selections:
            of_column = (
                choices.of_columns(number) if selection == "inner" else np.full(columns.shape[1], batch.design.penalty)
            )
            predictions = outer.folds.ridge(columns, of_column)
            for piece, part in _parts(chunk):
                fit = fits[piece.target.name, "ridge", selection]
                fit.add(outer, piece, predictions[:, part])
                if piece.first == 0:
                    fit.penalties[outer.repeat, outer.number] = of_column[part][0]


class _Fit:
    """What is kept of one curve while its folds are fitted."""

    def __init__(self, batch: Batch, curve: Curve, folds: int) -> None:
        self._batch, self._target = batch, batch.targets[curve[0]]
        repeats = len(batch.assignment)
        self._predictions = np.zeros((len(batch.rows), repeats, self._target.width))
        self.penalties = np.full((repeats, folds), batch.design.penalty)
        self._running: dict[int, RunningScore] = {}
        self._inside: npt.NDArray[np.float32] | None = None
        if curve in predicted_inside(batch):
            self._inside = np.zeros((len(batch.rows), repeats, folds, self._target.width), dtype=np.float32)

    def add(self, outer: _Outer, piece: _Piece, predictions: FloatArray) -> None:
        """Add predictions (test texts, labellings of the piece * width) of one fold."""
        test = ~outer.training
        labellings = piece.last - piece.first
        apart = predictions.reshape(len(predictions), labellings, self._target.width)
        if piece.first == 0:
            self._predictions[test, outer.repeat] = apart[:, 0]
        if outer.repeat == 0:
            running = self._running.setdefault(piece.first, RunningScore(self._target, labellings))
            running.add(apart, self._batch.labellings[self._target.name][test, piece.first : piece.last])

    def add_inside(self, repeat: int, fold: int, predictions: FloatArray) -> None:
        """Add predictions (texts, width) that the inner folds of one outer fold make of its training texts."""
        if self._inside is not None:
            self._inside[:, repeat, fold] = predictions

    def outcome(self) -> Outcome:
        """Return the whole."""
        statistics = [running.value() for _, running in sorted(self._running.items())]
        return Outcome(self._predictions, self.penalties, np.concatenate(statistics), self._inside)


def predicted_inside(batch: Batch) -> list[Curve]:
    """Curves of the fixed penalty that inner folds predict too, by which layers are compared inside a training fold."""
    nested = {curve[:2] for curve in batch.curves if curve[2] == "inner"}
    return [curve for curve in batch.curves if curve[2] == "fixed" and curve[:2] in nested]


class _Choices:
    """The penalties of one outer training fold that inner folds choose."""

    def __init__(self, batch: Batch, chunks: list[_Chunk], layer: _Layer) -> None:
        self._batch, self.chunks, self._layer = batch, chunks, layer
        self._errors: list[FloatArray] = [np.zeros(0)] * len(chunks)
        inner = [curve for curve in batch.curves if curve[2] == "inner"]
        self._ridge = any(estimator == "ridge" for _, estimator, _ in inner)
        self._scores = {
            curve: np.zeros(len(batch.design.penalties(curve[1]))) for curve in inner if curve[1] != "ridge"
        }
        self.inside = {
            curve: np.zeros((len(batch.rows), batch.targets[curve[0]].width)) for curve in predicted_inside(batch)
        }

    def add_folds(self, inner: IntArray) -> None:
        """Fit every inner fold at every penalty; `inner` (texts,) is -1 for those that the outer fold tests."""
        seen, chunks = inner != OUTSIDE, self.chunks if self._ridge else []
        parts = None if self._layer.primal is None else PrimalParts(self._layer.primal, inner)
        if parts is not None and self._layer.moments:
            for place, chunk in enumerate(chunks):
                columns = _columns(self._batch, chunk, np.ones(len(inner), dtype=np.bool_))
                self._errors[place] = parts.squared_errors(columns, self._batch.design.ridge_penalties)
            chunks = []
        for number in range(int(inner.max()) + 1):
            training, test = seen & (inner != number), inner == number
            folds = self._layer.folds(training, test, None if parts is None else parts.folds[number])
            for place, chunk in enumerate(chunks):
                columns, test_columns = _columns(self._batch, chunk, training), _columns(self._batch, chunk, test)
                errors = self._squared_errors(folds.gram, chunk, columns, test_columns)
                self._errors[place] = self._errors[place] + errors if number else errors
            for curve, scores in self._scores.items():
                fold = folds.of(curve[1])
                scores += [
                    self._score(curve, fold, training, test, one) for one in self._batch.design.penalties(curve[1])
                ]
            for curve, predictions in self.inside.items():
                columns = _columns(self._batch, (_Piece(self._batch.targets[curve[0]], 0, 1),), training)
                predictions[test] = predict(curve[1], folds.of(curve[1]), columns, self._batch.design.penalty)

    def _squared_errors(self, fold: Fold, chunk: _Chunk, columns: FloatArray, test_columns: FloatArray) -> FloatArray:
        """Errors of a chunk: to all digits of the labels as they are, of permuted ones to about six.

        Permuted labels only make ranks, and a penalty whose error ties in six digits predicts as well as the other.
        """
        penalties = self._batch.design.ridge_penalties
        observed = np.concatenate(
            [np.arange(part.start, part.start + piece.target.width) for piece, part in _parts(chunk) if not piece.first]
            or [np.zeros(0, dtype=np.int64)]
        )
        if len(observed) == columns.shape[1]:
            return ridge.squared_errors(fold, columns, test_columns, penalties)
        errors = ridge.rounded_errors(fold, columns, test_columns, penalties)
        if len(observed):
            exact = ridge.squared_errors(fold, columns[:, observed], test_columns[:, observed], penalties)
            errors[:, observed] = exact
        return errors

    def of_columns(self, chunk: int) -> FloatArray:
        """Return the penalty of each column of a chunk of ridge: that of the least error of its labelling."""
        widths = [piece.target.width for piece in self.chunks[chunk] for _ in range(piece.first, piece.last)]
        # All columns of one labelling have the same number of texts, so that their sum says what their mean does.
        starts = np.concatenate([[0], np.cumsum(widths)[:-1]])
        errors = np.add.reduceat(self._errors[chunk], starts, axis=1)
        return np.repeat(np.asarray(self._batch.design.ridge_penalties)[errors.argmin(axis=0)], widths)

    def of_curve(self, curve: Curve) -> float:
        """Return the penalty of the highest score of a margin classifier."""
        # Equal scores add up to sums that differ in their last digit.
        return self._batch.design.penalties(curve[1])[int(self._scores[curve].round(9).argmax())]

    def _score(
        self, curve: Curve, fold: Fold | PrimalFold, training: BoolArray, test: BoolArray, penalty: float
    ) -> float:
        target = self._batch.targets[curve[0]]
        columns = _columns(self._batch, (_Piece(target, 0, 1),), training)
        score = RunningScore(target, 1)
        score.add(predict(curve[1], fold, columns, penalty)[:, None, :], target.values[test][:, None])
        return float(score.value()[0])


def _columns_at_a_time(batch: Batch) -> int:
    """So many that they take no more memory than a Gram matrix; of few texts more, lest each call do too little."""
    return max(min(len(batch.rows), MOST_NUMBERS // len(batch.rows)), FEWEST_COLUMNS)


def _pieces(batch: Batch, curve: Curve, repeat: int) -> Iterator[_Piece]:
    """Cut the labellings of a curve into pieces."""
    target, count = batch.targets[curve[0]], batch.count(curve, repeat)
    step = max(1, _columns_at_a_time(batch) // target.width)
    return (_Piece(target, first, min(first + step, count)) for first in range(0, count, step))


def _chunks(batch: Batch, repeat: int) -> list[_Chunk]:
    """Put the pieces of all labels that ridge is fitted to together."""
    chunks: list[list[_Piece]] = []
    room = 0
    for name in dict.fromkeys(curve[0] for curve in batch.curves if curve[1] == "ridge"):
        for piece in _pieces(batch, (name, "ridge", "fixed"), repeat):
            width = (piece.last - piece.first) * piece.target.width
            if width > room:
                chunks.append([])
                room = _columns_at_a_time(batch)
            chunks[-1].append(piece)
            room -= width
    return [tuple(chunk) for chunk in chunks]


def _columns(batch: Batch, chunk: _Chunk, texts: BoolArray) -> FloatArray:
    """Return what is regressed on: (texts, columns)."""
    return np.hstack(
        [piece.target.columns(batch.labellings[piece.target.name][texts, piece.first : piece.last]) for piece in chunk]
    )


def _parts(chunk: _Chunk) -> Iterator[tuple[_Piece, slice]]:
    """Return each piece with its columns."""
    start = 0
    for piece in chunk:
        end = start + (piece.last - piece.first) * piece.target.width
        yield piece, slice(start, end)
        start = end
