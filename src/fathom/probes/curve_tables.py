"""What the probes of several labels found at all layers, as tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fathom.probes import measures as scores
from fathom.probes.label_batches import Batch, Curve
from fathom.probes.scoring import Scored, chance_level, primary_measure
from fathom.statistics.arrays import FloatArray
from fathom.statistics.multiple_testing import family_wise_p

CURVE_COLUMNS = ["label", "estimator", "selection"]
TEXT_COLUMNS = [*CURVE_COLUMNS, "layer", "text", "hit"]


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
        choices: what each way to choose a layer scores, as `fathom.probes.layer_choice.choice_table` has it, where that
            was asked for.
    """

    curves: pd.DataFrame
    folds: pd.DataFrame
    texts: pd.DataFrame
    replicates: dict[tuple[str, str, str, str], FloatArray]
    choices: pd.DataFrame | None = None


def make_tables(
    layers: list[dict[Curve, Scored]], batches: dict[str, Batch], curves: list[Curve], level: float
) -> ProbeTables:
    """Put the curves of all layers into tables; `batches` holds the batch of each label."""
    replicates: dict[tuple[str, str, str, str], FloatArray] = {}
    of_curves, of_folds, of_texts = [], [], []
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
    )


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
