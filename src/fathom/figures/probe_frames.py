"""From the tables of the probes stage to the rows that figures of probes draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.curves import HitCurve
from fathom.figures.settings import Table
from fathom.tables import text_items

Tables = Sequence[tuple[Table, pd.DataFrame]]

MEAN = "mean"
PLACE = ["view", "site", "position"]


def experiment_curves(tables: Tables, *, estimator: str | None = None) -> pd.DataFrame:
    """Every curve of every experiment; those of random weights stand with the model that they are a control of."""
    parts = []
    for table, frame in tables:
        if table.holds != "probes":
            continue
        rows = frame if estimator is None else frame[frame["estimator"] == estimator]
        if table.control:
            rows = rows[rows["control"] == ""].assign(control=table.control)
        parts.append(rows.assign(model=table.model, experiment=table.of))
    return pd.concat(parts, ignore_index=True)


def one_label(curves: pd.DataFrame) -> pd.DataFrame:
    """Of every experiment one label: the mean over its labels where there is one, else its first."""
    return _of_experiments(curves, lambda rows: rows[rows["label"] == main_label(rows)])


def one_place(curves: pd.DataFrame) -> pd.DataFrame:
    """Of every experiment one view, site and position: its first."""
    return _of_experiments(curves, _first_place)


def one_position(curves: pd.DataFrame) -> pd.DataFrame:
    """Of every experiment one view and position, at all sites: its first."""
    return _of_experiments(curves, lambda rows: _first(_first(rows, "view"), "position"))


def one_site(curves: pd.DataFrame) -> pd.DataFrame:
    """Of every experiment one view and site, at all positions: its first."""
    return _of_experiments(curves, lambda rows: _first(_first(rows, "view"), "site"))


def main_label(rows: pd.DataFrame) -> str:
    """The label that stands for an experiment."""
    return MEAN if (rows["label"] == MEAN).any() else str(rows["label"].iloc[0])


def hit_curves(tables: Tables, model: str, experiments: Sequence[str], estimator: str) -> list[HitCurve]:
    """Which texts were told rightly with the fixed penalty, of each experiment, at its first place and label or labels.

    An experiment whose estimator has no such table is left out.
    """
    corpora = [frame for table, frame in tables if table.holds == "texts"]
    found = {table.of: frame for table, frame in tables if table.holds == "hits" and table.model == model}
    curves = []
    for name in experiments:
        rows = found[name]
        rows = rows[(rows["estimator"] == estimator) & (rows["selection"] == "fixed")]
        if len(rows):
            curves.append(_hit_curve(name, _first_place(rows), corpora))
    return curves


def _hit_curve(name: str, rows: pd.DataFrame, corpora: Sequence[pd.DataFrame]) -> HitCurve:
    classes = rows.groupby("label")["class"].nunique()
    binary = [label for label in rows["label"].unique() if classes[label] == 2]
    labels = binary if len(binary) > 1 else [rows["label"].iloc[0]]
    rows = rows[rows["label"].isin(labels)]
    texts = rows["text"].unique()
    layers = np.sort(rows["layer"].unique())
    hits = np.full((len(labels), len(layers), len(texts)), np.nan)
    codes = np.full((len(labels), len(texts)), -1, dtype=np.int64)
    for at, label in enumerate(labels):
        part = rows[rows["label"] == label]
        table = part.pivot_table(index="layer", columns="text", values="hit").reindex(columns=texts)
        hits[at] = table.loc[layers].to_numpy(dtype=np.float64)
        names = part.drop_duplicates("text").set_index("text")["class"].reindex(texts)
        codes[at] = pd.factorize(names, sort=True)[0]
    items = _items(texts, str(rows["view"].iloc[0]), corpora)
    depths = rows.drop_duplicates("layer").set_index("layer")["depth"].loc[layers].to_numpy(dtype=np.float64)
    return HitCurve(name=name, hits=hits, classes=codes, items=items, depths=depths)


def _items(texts: npt.NDArray[np.object_], view: str, corpora: Sequence[pd.DataFrame]) -> list[tuple[str, ...]]:
    """Items of texts, from the corpus that holds them all."""
    for corpus in corpora:
        of_view = corpus[corpus["view"] == view].set_index("id")
        if set(texts) <= set(of_view.index):
            return text_items(of_view.loc[list(texts)])
    msg = f"texts: no corpus of the figure holds them all in its view {view!r}"
    raise ValueError(msg)


def _of_experiments(curves: pd.DataFrame, choose: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    parts = [choose(rows) for _, rows in curves.groupby("experiment", sort=False)]
    return pd.concat(parts, ignore_index=True)


def _first_place(rows: pd.DataFrame) -> pd.DataFrame:
    for column in PLACE:
        rows = _first(rows, column)
    return rows


def _first(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    chosen: pd.DataFrame = rows[rows[column] == rows[column].iloc[0]]
    return chosen
