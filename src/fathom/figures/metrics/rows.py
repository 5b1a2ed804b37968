"""From the tables of metrics to the rows that their figures draw."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from fathom.figures.job import Table, Tables

RESIDUAL = "residual"
ORIGINAL = "original"
CURVE_COLUMNS = (
    "view",
    "sinks",
    "preparation",
    "layer",
    "depth",
    "value",
    "low",
    "high",
    "texts",
    "groups",
    "left_out",
)
"""Columns of a summary that the drawing of a curve reads."""


def in_own_unit(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a summary with the raw values in place of the normalised ones."""
    return rows.assign(value=rows["raw"], low=rows["raw_low"], high=rows["raw_high"])


def summaries(tables: Tables) -> list[tuple[Table, pd.DataFrame]]:
    """The summaries among the tables of a figure."""
    return [(table, frame) for table, frame in tables if table.summary]


def curve_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a summary with the columns of curves alone."""
    return rows[list(CURVE_COLUMNS)].astype({"layer": "int64"}).reset_index(drop=True)


def first_preparation(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the preparation that comes first."""
    chosen: pd.DataFrame = rows[rows["preparation"] == rows["preparation"].iloc[0]]
    return chosen


def with_gaps(curve: pd.DataFrame, among: Iterable[int]) -> pd.DataFrame:
    """A curve of one view and form with a row without value for each layer `among` some between others that it lacks.

    No line then joins two blocks with attention over some that have none.
    """
    known = dict(zip(curve["layer"], curve["depth"], strict=True))
    lacking = sorted(layer for layer in {*among} - {*known} if known and min(known) < layer < max(known))
    if not lacking:
        return curve
    step = known[max(known)] / max(known)
    gaps = pd.DataFrame({"layer": lacking, "depth": [layer * step for layer in lacking]})
    gaps = gaps.assign(**{name: curve[name].iloc[0] for name in ("view", "sinks", "preparation") if name in curve})
    return pd.concat([curve, gaps], ignore_index=True).sort_values("layer", ignore_index=True)


def one_view(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the view that comes first."""
    chosen: pd.DataFrame = rows[rows["view"] == rows["view"].iloc[0]]
    return chosen
