"""Labelled texts of the user's, to be classified or clustered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from fathom.runtime.errors import FathomError
from fathom.statistics.words import counted
from fathom.tasks.sources import columns_of_csv
from fathom.tasks.task_data import OwnTask

if TYPE_CHECKING:
    from fathom.tasks.sources import TaskSources

HALVES = ("train", "test")
FOR_TRAINING = 0.2  # of every label, where the table does not say which texts


def build(
    _sources: TaskSources,
    *,
    path: str,
    type: Literal["classification", "clustering"],
    text: str,
    label: str,
    split: str | None,
    examples: int,
    instruction: str | None,
    seed: int,
) -> OwnTask:
    """The rows of a table; examples are drawn from those for training."""
    columns = {"text": text, "label": label} | ({} if split is None else {"split": split})
    rows = columns_of_csv(path, columns)
    if rows["label"].nunique() < 2:
        msg = f"{path}: column {label!r} holds one label only, {rows['label'].iloc[0]!r}; expected two or more"
        raise FathomError(msg)
    if type == "clustering":
        if rows["text"].nunique() < rows["label"].nunique():
            msg = f"{path}: {rows['text'].nunique()} different texts of {rows['label'].nunique()} labels; expected at "
            msg += "least as many texts, for as many clusters are formed"
            raise FathomError(msg)
        return OwnTask("Clustering", {"test": rows[["text", "label"]].assign(set=0)}, instruction)
    halves = _given_split(rows, path, str(split)) if split is not None else _drawn_split(rows, seed)
    tables = {half: rows.loc[halves == half, ["text", "label"]] for half in HALVES}
    counts = tables["train"]["label"].value_counts()
    for one in rows["label"].unique():
        if counts.get(one, 0) < examples:
            drawn = "" if split is not None else ", a fifth of its different ones"
            texts = counted(int(counts.get(one, 0)), "text")
            msg = (
                f"{path}: label {one!r} has {texts} for training{drawn}; expected at least "
                f"{examples}, as many as are drawn as examples (option examples)"
            )
            raise FathomError(msg)
    for half, table in tables.items():
        if table.empty:
            msg = f"{path}: no row is for {half}; expected some of both train and test"
            raise FathomError(msg)
    return OwnTask("Classification", tables, instruction, {"samples_per_label": examples})


def _given_split(rows: pd.DataFrame, path: str, column: str) -> pd.Series[str]:
    wrong = (~rows["split"].isin(HALVES)).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        msg = f"{path}: column {column!r}: expected train or test in line {row + 2}, found {rows['split'].iloc[row]!r}"
        raise FathomError(msg)
    return rows["split"]


def _drawn_split(rows: pd.DataFrame, seed: int) -> pd.Series[str]:
    """A fifth of every label for training; equal texts are on one side."""
    rng = np.random.default_rng(seed)
    halves = pd.Series("test", index=rows.index)
    for _, own in rows.groupby("label", sort=True):
        different = own["text"].unique()
        count = min(len(different) - 1, max(1, round(FOR_TRAINING * len(different))))
        chosen = {different[at] for at in rng.choice(len(different), size=count, replace=False)}
        halves[own.index[own["text"].isin(chosen)]] = "train"
    return halves
