"""Tables of items and of pairs: read from CSV, and refused with row and column where something is wrong.

Rows count from 1, the header and empty lines not counted.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fathom.corpora.column_names import is_continuous, label_name
from fathom.runtime.errors import FathomError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


ITEM_COLUMNS = ("item", "category")
PAIR_COLUMNS = ("first", "second", "relation")
# Of Python's numbers those that every reader of a table takes for one: no "1_000", "nan" or "infinity".
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def load_items(path: Path | None = None) -> pd.DataFrame:
    """Return the checked items of a CSV file, or fathom's own (described in data/README.md).

    Errors: FathomError if it is no CSV file in UTF-8; ValueError as of `check_items`.
    """
    return check_items(_read("items", path))


def load_pairs(path: Path | None = None) -> pd.DataFrame:
    """Return the checked pairs of a CSV file, or fathom's own (described in data/README.md).

    Errors: FathomError if it is no CSV file in UTF-8; ValueError as of `check_pairs`.
    """
    return check_pairs(_read("pairs", path))


def check_items(items: pd.DataFrame) -> pd.DataFrame:
    """Return a table of items with its labels as numbers.

    Args:
        items: columns item, category, and at least one label. A column whose header ends in a unit in square brackets,
            `length [log10 m]`, holds numbers; any other holds 0 and 1.

    Returns:
        the same columns, int64 where they hold 0 and 1, float64 where they hold numbers with a unit.

    Raises:
        ValueError: naming row and column of a missing cell, of a label that is not what its column holds or of an item
            that occurs twice, or naming a column that is missing, occurs twice or is the same for all items.
    """
    columns = _check_columns("items", items, ITEM_COLUMNS)
    labels = [column for column in columns if column not in ITEM_COLUMNS]
    if not labels:
        msg = "items: no property; expected at least one column of 0 and 1 beside item and category"
        raise ValueError(msg)
    _check_names("items", ["category", *labels])
    _check_cells("items", items, ITEM_COLUMNS)
    _check_unique("items", [("item", row, item) for row, item in enumerate(items["item"], start=1)])
    checked = items.reset_index(drop=True).copy()
    for column in labels:
        checked[column] = _numbers(column, items[column]) if is_continuous(column) else _binary(column, items[column])
    for column in ("category", *labels):
        if checked[column].nunique() == 1:
            msg = f"items: column {column}: the same for all items, so there is nothing to tell apart"
            raise ValueError(msg)
    return checked


def check_pairs(pairs: pd.DataFrame, *, per_relation: int = 1) -> pd.DataFrame:
    """Return a table of pairs after checking that it allows closed blocks.

    Args:
        pairs: columns first, second, relation.
        per_relation: pairs that every relation must have.

    Raises:
        ValueError: naming row and column of a missing cell or of an item that occurs twice, be it in the same pair, or
            naming a relation with fewer pairs, or a column that is missing, unknown or occurs twice.
    """
    for column in _check_columns("pairs", pairs, PAIR_COLUMNS):
        if column not in PAIR_COLUMNS:
            msg = f"pairs: unknown column {column}; expected {', '.join(PAIR_COLUMNS)}"
            raise ValueError(msg)
    _check_cells("pairs", pairs, PAIR_COLUMNS)
    places = [
        (column, row, item)
        for row, both in enumerate(zip(pairs["first"], pairs["second"], strict=True), start=1)
        for column, item in zip(("first", "second"), both, strict=True)
    ]
    _check_unique("pairs", places)
    rows: dict[str, int] = {}
    for row, relation in enumerate(pairs["relation"], start=1):
        rows.setdefault(relation, row)
    for relation, count in Counter(pairs["relation"]).items():
        if count < per_relation:
            msg = (
                f"pairs: row {rows[relation]}, column relation: {relation!r} has {count} pair(s); "
                f"expected at least {per_relation}"
            )
            raise ValueError(msg)
    return pairs.reset_index(drop=True)


def _read(name: str, path: Path | None) -> pd.DataFrame:
    source = path or resources.files("fathom.corpora").joinpath("data", f"{name}.csv")
    try:
        # A byte order mark, as some editors write it, is no part of the first header.
        content = source.read_text(encoding="utf-8-sig")
        lines = [line for line in csv.reader(io.StringIO(content), strict=True) if line]
    except FileNotFoundError:
        msg = f"{source}: no such file"
        raise FathomError(msg) from None
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        msg = f"{source}: cannot be read as CSV in UTF-8 ({first_line(error)})"
        raise FathomError(msg) from error
    if not lines:
        msg = f"{source}: empty; expected a header and rows"
        raise FathomError(msg)
    header, rows = lines[0], lines[1:]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            msg = f"{name}: row {number}: {len(row)} cell(s); expected {len(header)}, as the header has"
            raise ValueError(msg)
    return pd.DataFrame(rows, columns=header, dtype=str)


def _check_columns(name: str, table: pd.DataFrame, expected: tuple[str, ...]) -> list[str]:
    """Return the headers; refuse a table that lacks one, has one without a name or twice, or has no rows."""
    columns = [str(column) for column in table.columns]
    for number, column in enumerate(columns, start=1):
        if not column or column != column.strip():
            msg = f"{name}: column {number}: header {column!r}; expected a name without white space around it"
            raise ValueError(msg)
        if column in columns[: number - 1]:
            msg = f"{name}: column {column}: occurs twice"
            raise ValueError(msg)
    for column in expected:
        if column not in columns:
            msg = f"{name}: no column {column}; found {', '.join(columns)}"
            raise ValueError(msg)
    if table.empty:
        msg = f"{name}: no rows"
        raise ValueError(msg)
    return columns


def _check_names(name: str, columns: Iterable[str]) -> None:
    """Refuse headers that give no label, or the same one."""
    seen: dict[str, str] = {}
    for column in columns:
        label = label_name(column)
        if not label:
            msg = f"{name}: column {column}: a unit alone; expected the name of a label before it"
            raise ValueError(msg)
        if label in seen:
            msg = f"{name}: column {column}: the label {label!r} is that of column {seen[label]} already"
            raise ValueError(msg)
        seen[label] = column


def _check_cells(name: str, table: pd.DataFrame, of_text: tuple[str, ...]) -> None:
    for column in table.columns:
        for row, cell in enumerate(table[column], start=1):
            if pd.isna(cell) or (isinstance(cell, str) and not cell.strip()):
                msg = f"{name}: row {row}, column {column}: missing"
                raise ValueError(msg)
            if isinstance(cell, str) and cell != cell.strip():
                msg = f"{name}: row {row}, column {column}: {cell!r}; expected no white space around it"
                raise ValueError(msg)
            if column in of_text and not isinstance(cell, str):
                msg = f"{name}: row {row}, column {column}: {cell!r}; expected text"
                raise ValueError(msg)


def _check_unique(name: str, places: list[tuple[str, int, str]]) -> None:
    seen: dict[str, int] = {}
    for column, row, item in places:
        if item in seen:
            msg = f"{name}: row {row}, column {column}: {item!r} occurs in row {seen[item]} already"
            raise ValueError(msg)
        seen[item] = row


def _binary(column: str, cells: Iterable[object]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    values = []
    for row, cell in enumerate(cells, start=1):
        if cell not in {0, 1, "0", "1"}:
            msg = (
                f"items: row {row}, column {column}: {cell!r}; expected 0 or 1 "
                f"(a column of other numbers names its unit in square brackets, as in '{column} [m]')"
            )
            raise ValueError(msg)
        values.append(int(str(cell)) if isinstance(cell, str) else int(cell == 1))
    return np.array(values, dtype=np.int64)


def _numbers(column: str, cells: Iterable[object]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = []
    for row, cell in enumerate(cells, start=1):
        if not NUMBER.fullmatch(str(cell)) or not math.isfinite(float(str(cell))):
            msg = f"items: row {row}, column {column}: {cell!r}; expected a finite number"
            raise ValueError(msg)
        values.append(float(str(cell)))
    return np.array(values, dtype=np.float64)
