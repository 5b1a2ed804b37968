"""What "the best layer" is to be compared with: a layer named beforehand, mixtures of layers, a layer chosen honestly.

A curve's highest score is that of a layer chosen on the texts that it is scored on: an oracle, which is too good.
Beside it stand, with the fixed penalty and on the same folds,

- `last` and `middle`: the last layer, and the one at half of the layers that were read (of two the lower);
- `mean_of_layers`: a probe of the mean of the states of all layers;
- `weighted_layers`: the sum of the layers' predictions with weights of at least 0 that are learnt in every training
  fold, by the least squared error of the predictions that inner folds make there (stacked regressions: Breiman 1996,
  Machine Learning 24:49). So the weighting pays for its choice;
- `inner_folds`: in every training fold the layer of the highest score in inner folds, then scored on the test fold:
  what choosing a layer really gives;
- `oracle`: the layer with the highest score on the texts that are tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from fathom.io.tables import MEAN
from fathom.probes.fitting import Outcome
from fathom.probes.folds import OUTSIDE
from fathom.probes.label_batches import Batch, Curve
from fathom.probes.measures import RunningScore, interval
from fathom.probes.scoring import Samples, Scored, chance_level, primary_measure, score_predictions
from fathom.probes.targets import Target
from fathom.statistics.arrays import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from fathom.probes.curve_tables import ProbeTables

LAST, MIDDLE, MEAN_OF_LAYERS = "last", "middle", "mean_of_layers"
WEIGHTED, INNER, ORACLE = "weighted_layers", "inner_folds", "oracle"
NESTED = (WEIGHTED, INNER)
CHOICES = (LAST, MIDDLE, MEAN_OF_LAYERS, WEIGHTED, INNER, ORACLE)
CHOICE_COLUMNS = [
    "label",
    "estimator",
    "selection",
    "measure",
    "choice",
    "layer",
    "layer_low",
    "layer_high",
    "score",
    "low",
    "high",
    "gain",
    "gain_low",
    "gain_high",
    "chance",
    "texts",
    "groups",
    "reason",
]
MOST_AT_A_TIME = 64 * 2**20  # bytes of the predictions that weights are learnt from
NOT_NESTED = "no inner folds for this estimator: it is not among `inner`"


@dataclass(frozen=True)
class Choice:
    """One way to choose among the layers.

    Attributes:
        measures: each in all texts and then in each bootstrap sample, (1 + samples,); none if there is a reason.
        layers: the layers that were chosen, counted from 0; none of a mixture.
        reason: why there are no scores.
    """

    measures: dict[str, FloatArray] = field(default_factory=dict)
    layers: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    reason: str = ""


def choose_layers(
    batch: Batch, samples: Samples, curve: Curve, layers: Sequence[tuple[Scored, Outcome]], mean: Scored
) -> dict[str, Choice]:
    """Score every choice of a layer for one curve of the fixed penalty.

    `layers` is what was found at each layer, `mean` what a probe of the mean of the layers' states found.
    """
    target = batch.targets[curve[0]]
    best = int(np.argmax([scored.measures[primary_measure(target)][0] for scored, _ in layers]))
    named = {LAST: len(layers) - 1, MIDDLE: (len(layers) - 1) // 2, ORACLE: best}
    found = {name: Choice(layers[at][0].measures, np.array([at])) for name, at in named.items()}
    found[MEAN_OF_LAYERS] = Choice(mean.measures)
    if batch.inner is None or layers[0][1].inside is None:
        return found | dict.fromkeys(NESTED, Choice(reason=NOT_NESTED))
    chosen, mixed = _nested(batch, batch.inner, target, [outcome for _, outcome in layers])
    of_chosen = np.zeros_like(mixed)
    for repeat, fold_of in enumerate(batch.assignment):
        for fold, layer in enumerate(chosen[repeat]):
            test = fold_of == fold
            of_chosen[test, repeat] = layers[layer][1].predictions[test, repeat]
    found[INNER] = Choice(score_predictions(batch, samples, curve, of_chosen), chosen.ravel())
    found[WEIGHTED] = Choice(score_predictions(batch, samples, curve, mixed))
    return found


def _nested(batch: Batch, inner: IntArray, target: Target, layers: Sequence[Outcome]) -> tuple[IntArray, FloatArray]:
    """Layers that inner folds choose, (repeats, folds), and predictions of weighted ones, (texts, repeats, width)."""
    repeats, folds = inner.shape[:2]
    chosen = np.zeros((repeats, folds), dtype=np.int64)
    mixed = np.zeros_like(layers[0].predictions)
    truth = target.columns(target.values[:, None])
    for repeat in range(repeats):
        for fold in range(folds):
            seen, test = inner[repeat, fold] != OUTSIDE, batch.assignment[repeat] == fold
            scores = [_score_inside(target, outcome, inner, repeat, fold) for outcome in layers]
            # Equal scores add up to sums that differ in their last digit; of ties the first.
            chosen[repeat, fold] = np.round(scores, 9).argmax()
            weights = _weights_inside(layers, truth, np.flatnonzero(seen), repeat, fold)
            mean = truth[seen].mean(axis=0)
            outer = np.stack([outcome.predictions[test, repeat] - mean for outcome in layers], axis=-1)
            mixed[test, repeat] = outer @ weights + mean
    return chosen, mixed


def _inside(outcome: Outcome, repeat: int, fold: int, texts: IntArray | BoolArray) -> FloatArray:
    """What inner folds of one outer fold predict of some texts, (texts, width)."""
    if outcome.inside is None:
        msg = "layers: some have predictions of inner folds, others not"
        raise ValueError(msg)
    return np.asarray(outcome.inside[texts, repeat, fold], dtype=np.float64)


def _score_inside(target: Target, outcome: Outcome, inner: IntArray, repeat: int, fold: int) -> float:
    """The score of one layer in the inner folds of one outer fold."""
    score = RunningScore(target, 1)
    for number in range(int(inner[repeat, fold].max()) + 1):
        part = inner[repeat, fold] == number
        score.add(_inside(outcome, repeat, fold, part)[:, None], target.values[part][:, None])
    return float(score.value()[0])


def _weights_inside(
    layers: Sequence[Outcome], truth: FloatArray, texts: IntArray, repeat: int, fold: int
) -> FloatArray:
    """`layer_weights` of what inner folds predict of some texts, so many of them at a time that they fit in memory."""
    size = max(1, MOST_AT_A_TIME // (8 * len(layers) * truth.shape[1]))
    if len(texts) <= size:
        inside = np.stack([_inside(outcome, repeat, fold, texts) for outcome in layers], axis=1)
        return layer_weights(inside, truth[texts])
    means = np.stack([_inside(outcome, repeat, fold, texts).mean(axis=0) for outcome in layers])
    triangle = np.zeros((0, len(layers) + 1))
    for first in range(0, len(texts), size):
        part = texts[first : first + size]
        inside = np.stack([_inside(outcome, repeat, fold, part) for outcome in layers], axis=1)
        rows = _equations(inside - means, truth[part] - truth[texts].mean(axis=0))
        triangle = np.asarray(np.linalg.qr(np.vstack([triangle, rows]), mode="r"))
    return _least_squares(triangle)


def layer_weights(predictions: FloatArray, truth: FloatArray) -> FloatArray:
    """Weights (layers,) of predictions (texts, layers, width) of least squared error to (texts, width): at least 0.

    Both are centred first. Weights may add up to more than 1: the predictions of single layers are shrunk. Where no
    layer predicts anything, all weigh the same.
    """
    rows = _equations(predictions - predictions.mean(axis=0), truth - truth.mean(axis=0))
    # The triangle of a QR decomposition has the same least squares and as many rows as layers.
    return _least_squares(np.asarray(np.linalg.qr(rows, mode="r")))


def _equations(predictions: FloatArray, truth: FloatArray) -> FloatArray:
    """One equation a text and column: the predictions of all layers, and what they are to sum up to."""
    rest = np.moveaxis(predictions, 1, 2).reshape(-1, predictions.shape[1])
    return np.hstack([rest, truth.reshape(-1, 1)])


def _least_squares(triangle: FloatArray) -> FloatArray:
    """Weights of at least 0; the same for all layers where none predicts anything."""
    weights, _ = nnls(triangle[:, :-1], triangle[:, -1])
    return np.asarray(weights if weights.any() else np.full(len(weights), 1 / len(weights)))


def layer_choices(tables: ProbeTables) -> pd.DataFrame:
    """The table of choices of probes that were asked for it."""
    if tables.choices is None:
        msg = "choices: expected probes that were asked for them"
        raise ValueError(msg)
    return tables.choices


def choice_table(
    choices: Mapping[Curve, Mapping[str, Choice]], batches: Mapping[str, Batch], level: float
) -> pd.DataFrame:
    """One row a curve, measure and choice: CHOICE_COLUMNS.

    `layer` is the layer that is chosen, counted from 0, of several the median, with the lowest and highest; it is
    missing of mixtures. `gain` is how far a choice is ahead of the last layer, on the same resampled groups. Where
    several labels have two values, their mean is a label too.
    """
    rows = [row for curve, of_curve in choices.items() for row in _rows(curve, of_curve, batches[curve[0]], level)]
    binary = [curve for curve in choices if len(batches[curve[0]].targets[curve[0]].classes) == 2]
    for kind in dict.fromkeys(curve[1:] for curve in binary):
        of_kind = [curve for curve in binary if curve[1:] == kind]
        if len(of_kind) > 1:
            averaged = _averaged([choices[curve] for curve in of_kind])
            rows += _rows((MEAN, *kind), averaged, batches[of_kind[0][0]], level, like=of_kind[0][0])
    return pd.DataFrame(rows, columns=CHOICE_COLUMNS).astype(
        dict.fromkeys(("layer", "layer_low", "layer_high"), "Int64")
    )


def _averaged(of_labels: Sequence[Mapping[str, Choice]]) -> dict[str, Choice]:
    """The mean over labels of every choice; a mean names no layer."""
    first = of_labels[0]
    return {
        name: Choice(
            {
                measure: np.mean([one[name].measures[measure] for one in of_labels], axis=0)
                for measure in first[name].measures
            },
            reason=first[name].reason,
        )
        for name in CHOICES
    }


def _rows(
    curve: Curve, of_curve: Mapping[str, Choice], batch: Batch, level: float, like: str | None = None
) -> list[dict[str, object]]:
    target = batch.targets[like or curve[0]]
    last = of_curve[LAST].measures
    rows: list[dict[str, object]] = []
    for measure in last:
        for name in CHOICES:
            choice = of_curve[name]
            values = choice.measures.get(measure, np.full_like(last[measure], np.nan))
            low, high = interval(values[1:, None], level)[:, 0]
            gain = values - last[measure]
            gain_low, gain_high = interval(gain[1:, None], level)[:, 0]
            layers = choice.layers
            rows.append(
                {
                    **dict(zip(("label", "estimator", "selection"), curve, strict=True)),
                    "measure": measure,
                    "choice": name,
                    "layer": int(np.median(layers)) if len(layers) else None,
                    "layer_low": int(layers.min()) if len(layers) else None,
                    "layer_high": int(layers.max()) if len(layers) else None,
                    "score": values[0],
                    "low": low,
                    "high": high,
                    "gain": gain[0],
                    "gain_low": gain_low,
                    "gain_high": gain_high,
                    "chance": chance_level(target, measure),
                    "texts": int(batch.tested.sum()),
                    "groups": len(np.unique(batch.groups[batch.tested])),
                    "reason": choice.reason,
                }
            )
    return rows
