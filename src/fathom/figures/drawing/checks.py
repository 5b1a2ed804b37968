"""Checks of the rows that a figure is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


CURVE_VALUES = ("depth", "value", "low", "high", "texts")  # of a point of a curve of a metric
# Texts whose interval a figure draws. Bootstrap intervals of fewer are much too narrow: of 5 normal numbers the 95 %
# percentile interval covers the mean 84 times in 100, of 10 about 90 times.
FEWEST_TEXTS = 10
# Labels of the forms of a metric.
SINKS = {"with": "all tokens", "without": "without sink tokens", "none": ""}
PREPARATIONS = {
    "none": "raw states",
    "normed": "after the final norm",
    "rows": "unit rows",
    "centred": "centred",
    "as_published": "as published",
}


def check_curves(
    curves: pd.DataFrame,
    *,
    columns: Sequence[str],
    numbers: Sequence[str],
    key: Sequence[str],
    name: str = "curves",
) -> None:
    """Refuse curves that cannot be drawn.

    Args:
        curves: one row a point
        columns: the columns that must be there
        numbers: the columns that must not hold an infinite value
        key: the columns that together name one row
        name: of the argument, for the message

    Raises:
        ValueError: if a column is missing, there is no row, a depth is not in 0..1, a number is infinite, or two rows
            have the same key. Depths are checked where there is a column of them.
    """
    missing = [column for column in columns if column not in curves.columns]
    if missing:
        msg = f"{name}: columns are missing: {', '.join(missing)}"
        raise ValueError(msg)
    if curves.empty:
        msg = f"{name}: there are no rows; expected one for every {', '.join(key)}"
        raise ValueError(msg)
    for column in numbers:
        if np.isinf(curves[column].to_numpy(dtype=np.float64)).any():
            msg = f"{name}: column {column} holds an infinite value"
            raise ValueError(msg)
    if "depth" in curves.columns and not curves["depth"].between(0, 1).all():
        msg = f"{name}: column depth holds a value outside 0..1"
        raise ValueError(msg)
    twice = curves[curves.duplicated(list(key))]
    if not twice.empty:
        first = ", ".join(f"{column}={twice.iloc[0][column]}" for column in key)
        msg = f"{name}: more than one row for {first}; choose one view, label and so on before drawing"
        raise ValueError(msg)


def check_words(curves: pd.DataFrame, *, name: str = "curves") -> None:
    """Refuse curves whose sinks or preparation has no label; a column that is not there is not looked at.

    Raises:
        ValueError: naming the column and the word.
    """
    for column, known in (("sinks", SINKS), ("preparation", PREPARATIONS)):
        unknown = sorted(set(curves[column]) - set(known)) if column in curves.columns else []
        if unknown:
            msg = f"{name}: column {column}: expected one of {', '.join(known)}, found {unknown[0]!r}"
            raise ValueError(msg)
