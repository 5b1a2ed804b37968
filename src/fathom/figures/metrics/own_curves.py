"""Curves of one's own, in a notebook: the drawing of the workflow, for a frame with few columns or many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fathom.figures.metrics.curves import draw_metric
from fathom.figures.metrics.rows import ORIGINAL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEFT_OUT = {"model": "", "corpus": "", "sinks": "none", "preparation": "none", "low": np.nan, "high": np.nan}


def curve(frame: pd.DataFrame, *, title: str | None = None, unit: str | None = None) -> Figure:
    """Draw values over layers: one panel a model, one colour a corpus, lines with and without sink tokens.

    Args:
        frame: `layer` and `value`, one row a point; beside them, where there are such, `depth` (0 to 1), the interval
            `low` to `high`, `model`, `corpus`, `view`, `variant`, `form`, `sinks` ("with", "without", "none") and
            `texts`. Rows of `read_results` are such a frame, once one metric is chosen.
        title: of the figure; the frame's `title` if left out.
        unit: label of the axis; the frame's `unit` if left out.

    Raises:
        ValueError: if columns are missing, or two rows are the same point.
    """
    missing = [column for column in ("layer", "value") if column not in frame.columns]
    if missing:
        msg = f"frame: columns are missing: {', '.join(missing)}"
        raise ValueError(msg)
    rows = frame.rename(columns={"form": "preparation"})
    rows = rows.assign(**{column: value for column, value in LEFT_OUT.items() if column not in rows.columns})
    # Where rows of a run and one's own stand in one frame, the columns that one's own lack are there and empty.
    deepest = rows.groupby("model")["layer"].transform("max").clip(lower=1)
    rows["depth"] = rows.get("depth", pd.Series(np.nan, index=rows.index)).fillna(rows["layer"] / deepest)
    if "texts" not in rows.columns:
        rows["texts"] = pd.array([pd.NA] * len(rows), dtype="Int64")
    rows["corpus"] = _with(rows["corpus"], rows.get("view"), but=ORIGINAL)
    rows["model"] = _with(rows["model"], rows.get("variant"), but="")
    return draw_metric(rows, title=_said(frame, "title", title), unit=_said(frame, "unit", unit))


def _with(names: pd.Series[str], more: pd.Series[str] | None, *, but: str) -> pd.Series[str]:
    """Names, followed by what else tells their curves apart."""
    if more is None:
        return names
    return names.astype(object).where((more == but) | more.isna(), names.astype(str) + ", " + more.astype(str))


def _said(frame: pd.DataFrame, column: str, chosen: str | None) -> str:
    if chosen is not None:
        return chosen
    found = list(frame[column].unique()) if column in frame.columns else [""]
    if len(found) != 1:
        msg = f"frame: column {column}: expected one for all rows, found {', '.join(map(str, found[:3]))} ..."
        raise ValueError(msg)
    return str(found[0])
