"""What "the best layer" is compared with, in words: layers named beforehand, mixtures of layers, inner folds."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fathom.figures.job import Tables
from fathom.figures.probes.forms import FORMS
from fathom.figures.probes.rows import PLACE
from fathom.figures.probes.score_panels import MEASURES, PRIMARY
from fathom.io.tables import MEAN
from fathom.statistics.words import counted

TRANSFER = "transfer"
ORACLE, INNER = "oracle", "inner_folds"
CHOICES = {
    "last": "last layer",
    "middle": "middle layer",
    "mean_of_layers": "mean of the states of all layers",
    "weighted_layers": "learnt weighting of layers",
    INNER: "layer chosen by inner folds",
    ORACLE: "oracle, chosen on the tested texts,",
}
IN_ORDER = ("model", "experiment", "label", "sinks", "estimator")
MINUS = "\N{MINUS SIGN}"


def experiment_choices(tables: Tables, *, estimator: str | None = None) -> pd.DataFrame:
    """Choices of every experiment at its first place; empty where a figure is given no such table."""
    parts = []
    for table, frame in tables:
        if table.content != "choices":
            continue
        rows = frame if estimator is None else frame[frame["estimator"] == estimator]
        parts.append(rows.assign(model=table.model, experiment=table.corpus_or_experiment))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def choice_notes(choices: pd.DataFrame, curves: pd.DataFrame) -> list[str]:
    """Sentences on the choices of the curves that are shown, each at its measure that is tested, inside and outside."""
    if choices.empty:
        return []
    notes = []
    main = curves[curves["control"] == ""]
    several = main["sinks"].nunique() > 1
    for key, rows in main.groupby(list(IN_ORDER), sort=False):
        of_curve = choices[(choices["selection"] == "fixed") & _same(choices, rows.iloc[0], (*IN_ORDER, *PLACE))]
        measure = next(one for one in PRIMARY if (rows["measure"] == one).any())
        label, sinks = str(key[2]), str(key[3])
        name = ("mean of the labels" if label == MEAN else label) + (f", {FORMS[sinks]}" if several else "")
        for control, found in of_curve[of_curve["measure"] == measure].groupby("control", sort=False):
            known = found.set_index("choice")
            if control == TRANSFER:
                outside = curves[(curves["control"] == TRANSFER) & _same(curves, rows.iloc[0], (*IN_ORDER, *PLACE))]
                notes.append(_transfer_note(name, rows, outside, known, measure))
            else:
                notes.append(f"{name}, {MEASURES[measure]} by choice of a layer: {_chosen(known)}.")
    return notes


def _chosen(known: pd.DataFrame) -> str:
    words = []
    for choice, title in CHOICES.items():
        row: Any = known.loc[choice]
        if not pd.isna(row["score"]):
            words.append(f"{title} {_score(row)}{_layers(row) if choice in (INNER, ORACLE) else ''}")
    return "; ".join(words)


def _layers(row: Any) -> str:
    if pd.isna(row["layer"]):
        return ""
    low, high = row["layer_low"], row["layer_high"]
    return f" at layer {low}" if low == high else f" at layers {low} to {high}"


def _transfer_note(name: str, rows: pd.DataFrame, outside: pd.DataFrame, known: pd.DataFrame, measure: str) -> str:
    """What is left of a curve on another corpus, at layers that are chosen with and without looking at it."""
    inside = rows[rows["measure"] == measure]
    across = outside[outside["measure"] == measure].set_index("layer")
    first: Any = across.iloc[0]
    peak = inside[inside["peak"].astype(bool)].iloc[0]
    at_peak: Any = across.loc[peak["layer"]]
    left_out = f", {first['texts_known']} left out that the training texts give away" if first["texts_known"] else ""
    gap = f"{_number(at_peak['gap'])}, {_number(at_peak['gap_low'])} to {_number(at_peak['gap_high'])}"
    texts = counted(int(first["texts"]), "text")
    return (
        f"{name}, tested on {first['test_corpus']} ({texts}{left_out}), {MEASURES[measure]}: "
        f"{_score(at_peak)} at layer {peak['layer']}, where the curve inside its domain peaks with "
        f"{_number(peak['score'])} (gap {gap}); by choice of a layer: {_chosen(known)}."
    )


def choice_columns(choices: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """A summary of curves with the score of every choice but the oracle, which is the score of the peak."""
    names = [choice for choice in CHOICES if choice != ORACLE]
    if choices.empty:
        return summary
    key = ["model", "experiment", *PLACE, "sinks", "label", "estimator", "selection", "measure"]
    own = choices[choices["control"] == ""]
    scores = own.pivot_table(index=key, columns="choice", values="score", dropna=False, observed=True)
    return summary.merge(scores.reindex(columns=names).reset_index(), on=key, how="left")


def _same(rows: pd.DataFrame, like: Any, columns: tuple[str, ...]) -> pd.Series:
    """Which rows are of the same curve as another one."""
    same = pd.Series(data=True, index=rows.index)
    for column in columns:
        same &= rows[column] == like[column]
    return same


def _score(row: Any) -> str:
    if pd.isna(row["low"]):
        return _number(row["score"])
    return f"{_number(row['score'])} ({_number(row['low'])} to {_number(row['high'])})"


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)
