"""What the probes of several labels found at all layers, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fathom.probes import measures as scores
from fathom.probes.label_batches import Batch, Curve
from fathom.probes.scoring import Scored, chance_level, primary_measure
from fathom.statistics.arrays import FloatArray
from fathom.statistics.multiple_testing import family_wise_p

MOSTLY = 0.5  # share of the repeats above which a text is told rightly
CURVE_COLUMNS = ["label", "estimator", "selection"]
TEXT_COLUMNS = [*CURVE_COLUMNS, "layer", "text", "hit"]
CONFUSION_COLUMNS = [*CURVE_COLUMNS, "layer", "class", "predicted", "texts", "share"]
TOLD_COLUMNS = [*CURVE_COLUMNS, "text", "first", "since", "right", "layers"]


@dataclass(frozen=True)
class ProbeTables:
    """What the probes of several labels found.

    Attributes:
        curves: one row a label, estimator, selection, measure and layer: label, estimator, selection, measure, layer
            (from 0), score, low, high, chance, p_family_wise, texts, groups (of texts that are tested).
        folds: one row a curve, layer, repeat and fold: label, estimator, selection, layer, repeat, fold, texts
            (tested), score (the primary measure), penalty.
        texts: one row a curve of classes, layer and text: label, estimator, selection, layer, text (its row in the
            states), hit (share of the repeats in which it was classified correctly).
        replicates: (samples, layers) of each label, estimator, selection and measure: bootstrap samples of the curve.
            For the same groups and seed, row s draws the same groups whatever the labels and states, so that curves of
            several labels or models can be compared.
        confusion: one row a curve of classes with the fixed penalty, layer, class and predicted class: label,
            estimator, selection, layer, class, predicted, texts (averaged over repeats), share (of those of the class).
        told: one row a curve of classes with the fixed penalty and text, as `told_over_depth` has it.
        choices: what each way to choose a layer scores, as `fathom.probes.layer_choice.choice_table` has it, where that
            was asked for.
    """

    curves: pd.DataFrame
    folds: pd.DataFrame
    texts: pd.DataFrame
    replicates: dict[tuple[str, str, str, str], FloatArray]
    confusion: pd.DataFrame
    told: pd.DataFrame
    choices: pd.DataFrame | None = None


def make_tables(
    layers: list[dict[Curve, Scored]], batches: dict[str, Batch], curves: list[Curve], level: float
) -> ProbeTables:
    """Put the curves of all layers into tables; `batches` holds the batch of each label."""
    replicates: dict[tuple[str, str, str, str], FloatArray] = {}
    of_curves, of_folds, of_texts, confused = [], [], [], []
    number = np.arange(len(layers))
    for curve in curves:
        batch, scored = batches[curve[0]], [layer[curve] for layer in layers]
        target = batch.targets[curve[0]]
        named = dict(zip(CURVE_COLUMNS, curve, strict=True))
        for measure in scored[0].measures:
            table = np.stack([one.measures[measure] for one in scored], axis=1)
            replicates[*curve, measure] = table[1:]
            low, high = scores.interval(table[1:], level)
            of_curves.append(
                pd.DataFrame(
                    named
                    | {
                        "measure": measure,
                        "layer": number,
                        "score": table[0],
                        "low": low,
                        "high": high,
                        "chance": chance_level(target, measure),
                        "p_family_wise": _p(scored) if measure == primary_measure(target) else np.nan,
                        "texts": int(batch.tested.sum()),
                        "groups": len(np.unique(batch.groups[batch.tested])),
                    }
                )
            )
        rows = [(layer, *row) for layer, one in enumerate(scored) for row in one.folds]
        of_folds.append(
            pd.DataFrame(rows, columns=["layer", "repeat", "fold", "texts", "score", "penalty"]).assign(**named)
        )
        if curve[2] == "fixed" and not target.continuous:
            confused += [
                _confusion(one.confusion, target.classes).assign(**named, layer=layer)
                for layer, one in enumerate(scored)
                if one.confusion is not None
            ]
        correct = [one.correct[batch.tested] for one in scored if one.correct is not None]
        if correct:
            of_texts.append(
                pd.DataFrame(
                    named
                    | {
                        "layer": np.repeat(number, int(batch.tested.sum())),
                        "text": np.tile(batch.rows[batch.tested], len(layers)),
                        "hit": np.concatenate(correct),
                    }
                )
            )
    folds = pd.concat(of_folds, ignore_index=True)
    texts = pd.concat(of_texts, ignore_index=True) if of_texts else _no_texts()
    return ProbeTables(
        curves=pd.concat(of_curves, ignore_index=True),
        folds=folds[[*CURVE_COLUMNS, *folds.columns.drop(CURVE_COLUMNS)]],
        texts=texts,
        replicates=replicates,
        confusion=pd.concat(confused, ignore_index=True)[CONFUSION_COLUMNS] if confused else _no_confusion(),
        told=told_over_depth(texts[texts["selection"] == "fixed"]),
    )


def _confusion(counts: FloatArray, classes: Sequence[str | float]) -> pd.DataFrame:
    names = [str(one) for one in classes]
    of_class = counts.sum(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "class": np.repeat(names, len(names)),
            "predicted": np.tile(names, len(names)),
            "texts": counts.ravel(),
            "share": (counts / np.where(of_class > 0, of_class, 1.0)).ravel(),
        }
    )


def _no_confusion() -> pd.DataFrame:
    kinds = dict.fromkeys(CONFUSION_COLUMNS, "object") | {"layer": "int64", "texts": "float64", "share": "float64"}
    return pd.DataFrame(columns=CONFUSION_COLUMNS).astype(kinds)


def told_over_depth(texts: pd.DataFrame) -> pd.DataFrame:
    """From which layer on each text is told rightly, which it is where more than half of the repeats tell it.

    Returns:
        One row a curve and text: label, estimator, selection, text, first (lowest layer that tells it rightly; missing
        if none does), since (lowest layer from which on all do; missing if the last does not), right (layers that tell
        it rightly), layers.
    """
    rows = []
    for key, curve in texts.groupby(CURVE_COLUMNS, sort=False):
        hits = curve.pivot(index="text", columns="layer", values="hit")
        right = hits.to_numpy(dtype=np.float64) > MOSTLY
        wrong_after = (~right[:, ::-1]).argmax(axis=1)  # layers from the last one up to one that is wrong
        since = np.where(right.all(axis=1), 0, right.shape[1] - wrong_after)
        rows.append(
            pd.DataFrame(
                dict(zip(CURVE_COLUMNS, key, strict=True))
                | {
                    "text": hits.index.to_numpy(),
                    "first": pd.array(np.where(right.any(axis=1), right.argmax(axis=1), -1), dtype="Int64"),
                    "since": pd.array(np.where(right[:, -1], since, -1), dtype="Int64"),
                    "right": right.sum(axis=1),
                    "layers": right.shape[1],
                }
            )
        )
    if not rows:
        kinds = {"text": "int64", "first": "Int64", "since": "Int64", "right": "int64", "layers": "int64"}
        return pd.DataFrame(columns=TOLD_COLUMNS).astype(dict.fromkeys(CURVE_COLUMNS, "object") | kinds)
    told = pd.concat(rows, ignore_index=True)
    for column in ("first", "since"):
        told[column] = told[column].mask(told[column] < 0)
    return told


def _no_texts() -> pd.DataFrame:
    """The table of texts where no label has classes; its columns keep their types."""
    kinds = dict.fromkeys(TEXT_COLUMNS, "object") | {"layer": "int64", "text": "int64", "hit": "float64"}
    return pd.DataFrame(columns=TEXT_COLUMNS).astype(kinds)


def _p(scored: list[Scored]) -> FloatArray:
    """Return the family-wise p of each layer, NaN without permutations."""
    statistics = np.stack([one.statistics for one in scored], axis=1)
    if len(statistics) == 1:
        return np.full(len(scored), np.nan)
    return family_wise_p(statistics[0], statistics[1:])
