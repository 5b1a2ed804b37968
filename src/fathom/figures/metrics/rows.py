"""From the tables of metrics to the rows that their figures draw."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from fathom.figures.job import Table, Tables
from fathom.statistics.layer_curves import SUMMARY_COLUMNS
from fathom.statistics.layer_curves import summarise_metric as summarise_metric

RESIDUAL = "residual"
ORIGINAL = "original"


def quantities_of(rows: pd.DataFrame) -> dict[str, float]:
    """What each view of a table of metrics varies.

    Raises:
        ValueError: naming a view that varies nothing.
    """
    quantities = {
        str(view): float(found) for view, found in rows.groupby("view", sort=False)["quantity"].first().items()
    }
    for view, quantity in quantities.items():
        if np.isnan(quantity):
            msg = f"view {view!r}: expected a view with a quantity, such as a probability or a length"
            raise ValueError(msg)
    return quantities


def in_own_unit(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a summary with the raw values in place of the normalised ones."""
    return rows.assign(value=rows["raw"], low=rows["raw_low"], high=rows["raw_high"])


def summaries(tables: Tables) -> list[tuple[Table, pd.DataFrame]]:
    """The summaries among the tables of a figure, whose other tables are those that a claim is judged on."""
    return [(table, frame) for table, frame in tables if table.summary]


def curve_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a summary with the columns of curves alone."""
    return rows[list(SUMMARY_COLUMNS)].astype({"layer": "int64"}).reset_index(drop=True)


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
