"""The rows of tables that claims are judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.io.corpus_table import ORIGINAL
from fathom.io.verdicts import WHICH_TOKENS, marked
from fathom.statistics.arrays import FloatArray
from fathom.statistics.words import three_digits

ClaimTables = Sequence[tuple[str, str, str, pd.DataFrame]]
"""Model, corpus, metric, and the rows of the metric's table. Models are in the order that the claim speaks of: the
decoder first, from small to large, the base model first, by training step."""
RESIDUAL = "residual"
COLUMNS = ("text", "group", "view", "layer", "depth", "preparation", "sinks", "value")


@dataclass(frozen=True)
class Curves:
    """One metric of the texts of one corpus in one model: a curve a text, without gaps."""

    metric: str
    model: str
    corpus: str
    sinks: str
    values: pd.DataFrame
    """Texts by layers."""
    depths: FloatArray
    """Relative depth of each layer."""
    groups: pd.Series
    """Group of each text."""

    @property
    def middle(self) -> npt.NDArray[np.bool_]:
        """Layers of the middle third."""
        return (self.depths >= 1 / 3 - 1e-9) & (self.depths <= 2 / 3 + 1e-9)

    @property
    def words(self) -> str:
        """The model and the choice of tokens, as a part of a sentence."""
        return f"{marked(self.model)}{WHICH_TOKENS}"


def curves_by_place(frames: ClaimTables, metric: str, *, site: str = RESIDUAL, models: int = 1) -> list[list[Curves]]:
    """The curves of all models, a list for every corpus and choice of tokens.

    Where some corpus holds texts as they are, those of derived texts alone are left aside.
    """
    tables = required_tables(frames, metric)
    plain = [table for table in tables if ORIGINAL in set(table[3]["view"])]
    places: dict[tuple[str, str], list[Curves]] = {}
    for model, corpus, _, rows in plain or tables:
        at_site = rows[rows["site"] == site] if "site" in rows else rows
        view = ORIGINAL if plain else rows["view"].iloc[0]
        for curves in curves_of(model, corpus, at_site[at_site["view"] == view], metric=metric):
            places.setdefault((corpus, curves.sinks), []).append(curves)
    for (corpus, _), found in places.items():
        if len(found) < models:
            msg = f"{metric} on {corpus}: one model, {found[0].model}; expected at least {models}"
            raise ValueError(msg)
    return list(places.values())


def curves_of(model: str, corpus: str, rows: pd.DataFrame, *, metric: str) -> list[Curves]:
    """The curves of one model, corpus and view in the first preparation, one for each choice of tokens."""
    found: list[Curves] = []
    if rows.empty:
        return found
    rows = rows[rows["preparation"] == rows["preparation"].iloc[0]]
    for sinks in rows["sinks"].unique():
        part = rows[rows["sinks"] == sinks]
        place = f"{metric}: {model} on {corpus}"
        if part["text"].isna().any():
            msg = f"{place}: rows without a text; expected a metric that has a value for every text"
            raise ValueError(msg)
        if part.duplicated(["text", "layer"]).any():
            msg = f"{place}: a text has more than one row for a layer"
            raise ValueError(msg)
        values = part.pivot(index="text", columns="layer", values="value").dropna(how="all")
        # A layer that one text has no value at goes without; no text does, so that none depends on the others.
        values = values.dropna(axis="columns")
        if values.empty:
            msg = f"{place}: there is no layer at which every text has a value"
            raise ValueError(msg)
        depths = part.drop_duplicates("layer").set_index("layer")["depth"].loc[values.columns]
        groups = part.drop_duplicates("text").set_index("text")["group"]
        found.append(Curves(metric, model, corpus, str(sinks), values, depths.to_numpy(dtype=np.float64), groups))
    return found


@dataclass(frozen=True)
class Level:
    """Mean over the layers of a metric of a whole corpus."""

    metric: str
    model: str
    corpus: str
    sinks: str
    value: float
    below: float
    """How far its interval reaches down."""
    above: float
    """How far its interval reaches up."""

    def __str__(self) -> str:
        """Value and model, as a part of a sentence."""
        return f"{three_digits(self.value)} ({marked(self.model)})"


def levels_of(frames: ClaimTables, metric: str, *, models: int) -> list[tuple[str, list[Level]]]:
    """The levels of all models, a list for every corpus and choice of tokens, in the first preparation and view.

    The interval of a mean over layers reaches as far as those of the layers do on average: no further, however the
    layers depend on each other.
    """
    places: dict[tuple[str, str], list[Level]] = {}
    for model, corpus, _, rows in required_tables(frames, metric):
        own = rows[(rows["preparation"] == rows["preparation"].iloc[0]) & (rows["view"] == rows["view"].iloc[0])]
        for sinks, form in own.groupby("sinks", sort=False):
            curve = form.dropna(subset="value")
            if curve.empty or curve["layer"].duplicated().any() or curve["text"].notna().any():
                msg = f"{metric}: {model} on {corpus}, sinks {sinks}: expected one value a layer"
                raise ValueError(msg)
            below = (curve["value"] - curve["low"]).mean(skipna=False)
            above = (curve["high"] - curve["value"]).mean(skipna=False)
            level = Level(metric, model, corpus, str(sinks), float(curve["value"].mean()), float(below), float(above))
            places.setdefault((corpus, str(sinks)), []).append(level)
    for (corpus, _), found in places.items():
        if len(found) < models:
            msg = f"{metric} on {corpus}: one model, {found[0].model}; expected at least {models}"
            raise ValueError(msg)
    return [(corpus, found) for (corpus, _), found in places.items()]


def required_tables(frames: ClaimTables, metric: str) -> list[tuple[str, str, str, pd.DataFrame]]:
    """The tables of a metric, of which there must be some, with all columns that claims read."""
    found = [table for table in frames if table[2] == metric]
    if not found:
        msg = f"expected a table of {metric}, found {', '.join(sorted({table[2] for table in frames})) or 'none'}"
        raise ValueError(msg)
    for model, corpus, _, rows in found:
        missing = [] if metric == "power_law" else [column for column in COLUMNS if column not in rows]
        if missing or rows.empty:
            msg = f"{metric}: {model} on {corpus}: expected rows with {', '.join(missing or COLUMNS)}"
            raise ValueError(msg)
    return found
