"""From the tables of the probes stage to the rows that figures of probes draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from fathom.figures.job import Tables
from fathom.io.corpus_table import text_items
from fathom.io.tables import MEAN
from fathom.statistics.accuracy_curve import AccuracyCurve

ACCURACY = "balanced_accuracy"
FIXED = "fixed"  # the penalty of the curves that are compared: controls have no other
PLACE = ("view", "site", "position")
SITES = {
    "residual": "residual stream",
    "attention_input": "attention input",
    "attention": "attention output",
    "attention_residual": "residual stream after attention",
    "mlp": "MLP output",
}


def experiment_curves(tables: Tables, *, estimator: str | None = None) -> pd.DataFrame:
    """Every curve of every experiment; those of random weights stand with the model that they are a control of."""
    parts = []
    for table, frame in tables:
        if table.content != "probes":
            continue
        rows = frame if estimator is None else frame[frame["estimator"] == estimator]
        if table.control:
            rows = rows[rows["control"] == ""].assign(control=table.control)
        parts.append(rows.assign(model=table.model, experiment=table.corpus_or_experiment))
    return pd.concat(parts, ignore_index=True)


def one_label(curves: pd.DataFrame) -> pd.DataFrame:
    """Of every experiment one label: the mean over its labels where there is one, else its first (of classes)."""
    return _of_experiments(curves, lambda rows: rows[rows["label"] == main_label(rows)])


def one_place(curves: pd.DataFrame) -> pd.DataFrame:
    """Of every experiment one view, site and position: its first, in all forms."""
    return _of_experiments(curves, lambda rows: _first(rows, *PLACE))


def one_position(curves: pd.DataFrame) -> pd.DataFrame:
    """Of every experiment one view and position, at all sites: its first."""
    return _of_experiments(curves, lambda rows: _first(rows, "view", "position"))


def one_site(curves: pd.DataFrame) -> pd.DataFrame:
    """Of every experiment one view and site, at all positions: its first."""
    return _of_experiments(curves, lambda rows: _first(rows, "view", "site"))


def all_views(curves: pd.DataFrame) -> pd.DataFrame:
    """Of every experiment one site and position, in all views: its first."""
    return _of_experiments(curves, lambda rows: _first(rows, "site", "position"))


def main_label(rows: pd.DataFrame) -> str:
    """The label that stands for an experiment."""
    labels = rows["label"]
    if (labels == MEAN).any():
        return MEAN
    of_classes = labels[rows["measure"] == ACCURACY]
    return str((of_classes if len(of_classes) else labels).iloc[0])


def main_measure(rows: pd.DataFrame) -> str:
    """The measure that is drawn: balanced accuracy, or the correlation where all labels are numbers."""
    return ACCURACY if (rows["measure"] == ACCURACY).any() else "r"


def with_site_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose sites are labelled for readers."""
    return rows.assign(site=rows["site"].map(SITES))


def accuracy_curves(
    tables: Tables, model: str, experiments: Sequence[str], estimator: str, sinks: str = "with"
) -> list[AccuracyCurve]:
    """Texts predicted correctly with the fixed penalty, of each experiment, at its first place and label or labels.

    An experiment whose estimator has no such table, or that was not read in this form there, with or without sink
    tokens, is left out.
    """
    corpora = {table.corpus_or_experiment: frame for table, frame in tables if table.content == "texts"}
    found = {
        table.corpus_or_experiment: (table, frame)
        for table, frame in tables
        if table.content == "hits" and table.model == model
    }
    curves = []
    for name in experiments:
        table, rows = found[name]
        rows = rows[(rows["estimator"] == estimator) & (rows["selection"] == "fixed")]
        rows = _first(rows, *PLACE) if len(rows) else rows
        of_form = rows[rows["sinks"] == sinks]
        if len(of_form):
            curves.append(_accuracy_curve(name, of_form, corpora[table.corpus]))
    return curves


def _accuracy_curve(name: str, rows: pd.DataFrame, corpus: pd.DataFrame) -> AccuracyCurve:
    classes = rows.groupby("label")["class"].nunique()
    binary = [label for label in rows["label"].unique() if classes[label] == 2]
    labels = binary if len(binary) > 1 else [rows["label"].iloc[0]]
    rows = rows[rows["label"].isin(labels)]
    texts = rows.drop_duplicates("text")
    layers = np.sort(rows["layer"].unique())
    hits = np.full((len(labels), len(layers), len(texts)), np.nan)
    codes = np.full((len(labels), len(texts)), -1, dtype=np.int64)
    for at, label in enumerate(labels):
        part = rows[rows["label"] == label]
        table = part.pivot_table(index="layer", columns="text", values="hit").reindex(columns=texts["text"])
        hits[at] = table.loc[layers].to_numpy(dtype=np.float64)
        names = part.drop_duplicates("text").set_index("text")["class"].reindex(texts["text"])
        codes[at] = pd.factorize(names, sort=True)[0]
    depths = rows.drop_duplicates("layer").set_index("layer")["depth"].loc[layers].to_numpy(dtype=np.float64)
    return AccuracyCurve(name=name, correct=hits, classes=codes, items=_items(texts, corpus), depths=depths)


def _items(texts: pd.DataFrame, corpus: pd.DataFrame) -> list[tuple[str, ...]]:
    """Items of texts; of a text that marks none its group, which then is what is drawn together."""
    of_view = corpus[corpus["view"] == texts["view"].iloc[0]].set_index("id")
    missing = sorted(set(texts["text"]) - set(of_view.index))
    if missing:
        view = texts["view"].iloc[0]
        msg = f"texts: the corpus lacks {missing[0]!r} in its view {view!r}; expected all that were probed"
        raise ValueError(msg)
    marked = text_items(of_view.loc[texts["text"]])
    return [items or (str(group),) for items, group in zip(marked, texts["group"], strict=True)]


def _of_experiments(curves: pd.DataFrame, choose: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    parts = [choose(rows) for _, rows in curves.groupby("experiment", sort=False)]
    return pd.concat(parts, ignore_index=True)


def _first(rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Rows with the first value of each of some columns."""
    for column in columns:
        rows = rows[rows[column] == rows[column].iloc[0]]
    return rows


def fixed_curves(tables: Tables, *, estimator: str | None = None) -> pd.DataFrame:
    """Curves of the fixed penalty alone."""
    curves = experiment_curves(tables, estimator=estimator)
    chosen: pd.DataFrame = curves[curves["selection"] == FIXED]
    return chosen


def not_plotted_note(rows: pd.DataFrame) -> list[str]:
    """A note that names the experiments whose labels have not the measure that is plotted, if there are such."""
    plotted = set(rows.loc[rows["measure"] == main_measure(rows), "experiment"])
    names = [name for name in rows["experiment"].unique() if name not in plotted]
    return [f"Not drawn, for their labels are numbers, not classes: {', '.join(names)}."] if names else []
