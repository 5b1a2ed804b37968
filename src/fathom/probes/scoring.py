"""Each probe of one layer scored by its measures, in all texts and in each bootstrap sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fathom.probes import measures as scores
from fathom.probes.fitting import Outcome
from fathom.probes.folds import OUTSIDE
from fathom.probes.label_batches import Batch, Curve
from fathom.probes.targets import Target
from fathom.statistics.arrays import FloatArray


@dataclass(frozen=True)
class Scored:
    """One curve at one layer.

    Attributes:
        measures: each in all texts and then in each bootstrap sample, (1 + samples,).
        folds: repeat, fold, texts, score and penalty of each fold.
        correct: (texts,), share of repeats in which a text is classified correctly; none of numbers.
        statistics: (labellings,), the primary measure in the first repeat.
        confusion: (classes, classes), texts of each class that are told to be of each, averaged over repeats; none of
            numbers.
    """

    measures: dict[str, FloatArray]
    folds: list[tuple[int, int, int, float, float]]
    correct: FloatArray | None
    statistics: FloatArray
    confusion: FloatArray | None = None


@dataclass(frozen=True)
class Samples:
    """How the labels of a batch are scored: all texts, then bootstrap samples, (1 + samples, texts); pairs for AUC."""

    weights: scores.Weights
    pairs: dict[str, scores.RankedPairs]


def make_samples(batch: Batch, weights: scores.Weights) -> Samples:
    """Return what all curves of a batch are scored in; weights are (1 + samples, texts of the batch)."""
    return Samples(
        weights,
        {
            name: scores.RankedPairs(target, batch.assignment, batch.groups, weights)
            for name, target in batch.targets.items()
            if not target.continuous
        },
    )


def score_curve(batch: Batch, samples: Samples, curve: Curve, outcome: Outcome) -> Scored:
    """Score what was predicted of one label by one estimator."""
    target = batch.targets[curve[0]]
    measures = score_predictions(batch, samples, curve, outcome.predictions)
    folds = list(_score_folds(batch, target, outcome))
    if target.continuous:
        return Scored(measures, folds, None, outcome.statistics)
    correct = _correct(target, outcome.predictions)
    return Scored(measures, folds, correct, outcome.statistics, _confusion(batch, target, outcome.predictions))


def score_predictions(batch: Batch, samples: Samples, curve: Curve, predictions: FloatArray) -> dict[str, FloatArray]:
    """Every measure of out-of-fold predictions (texts, repeats, width), in all texts and then in each sample."""
    target = batch.targets[curve[0]]
    measures: dict[str, FloatArray] = {}
    if not target.continuous:
        correct = _correct(target, predictions)
        measures["balanced_accuracy"] = scores.balanced_accuracy(correct, target.values, samples.weights)
        measures["auc"] = samples.pairs[target.name].auc(predictions)
    if curve[1] == "ridge" and target.width == 1:
        numbers = target.columns(target.values[:, None])[:, 0]
        arguments = predictions[:, :, 0], numbers, batch.assignment, samples.weights
        measures["r"] = scores.correlation(*arguments)
        measures["r2"] = scores.determination(*arguments)
    return measures


def _correct(target: Target, predictions: FloatArray) -> FloatArray:
    """Share of the repeats in which each text is classified correctly, (texts,)."""
    return np.asarray((target.predicted(predictions) == target.values[:, None]).mean(axis=1))


def _confusion(batch: Batch, target: Target, predictions: FloatArray) -> FloatArray:
    """Texts of each class that are told to be of each, (classes, classes), averaged over repeats."""
    predicted = target.predicted(predictions[batch.tested])
    counts = np.zeros((len(target.classes), len(target.classes)))
    np.add.at(counts, (target.values[batch.tested].astype(np.int64)[:, None], predicted), 1 / predicted.shape[1])
    return counts


def _score_folds(batch: Batch, target: Target, outcome: Outcome) -> Iterator[tuple[int, int, int, float, float]]:
    for repeat, fold_of in enumerate(batch.assignment):
        for fold in np.unique(fold_of[fold_of != OUTSIDE]):
            test = fold_of == fold
            score = scores.RunningScore(target, 1)
            score.add(outcome.predictions[test, repeat][:, None], target.values[test][:, None])
            penalty = float(outcome.penalties[repeat, fold])
            yield repeat, int(fold), int(test.sum()), float(score.value()[0]), penalty


def primary_measure(target: Target) -> str:
    """The measure that is tested against chance."""
    return "r" if target.continuous else "balanced_accuracy"


def chance_level(target: Target, measure: str) -> float:
    """What guessing scores."""
    if measure == "balanced_accuracy":
        return 1 / len(target.classes)
    return 0.5 if measure == "auc" else 0.0
