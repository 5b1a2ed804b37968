"""From the tables of the probes stage to the rows that figures of probes draw."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from fathom.figures.job import Tables
from fathom.io.tables import MEAN

ACCURACY = "balanced_accuracy"
FIXED = "fixed"  # the penalty of the curves that are compared: controls have no other
PLACE = ("view", "site", "position")
SITES = {
    "residual": "residual stream",
    "attention_input": "attention input",
    "attention": "attention output",
    "attention_residual": "residual stream after attention",
    "mlp": "MLP output",
    "mlp_inner": "inner activations of the MLP",
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
