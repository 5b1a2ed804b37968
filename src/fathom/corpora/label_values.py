"""What the cells of a column of labels are: names of classes, or numbers; and which texts have none."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from fathom.runtime.errors import FathomError
from fathom.statistics.words import counted

Kind = Literal["classes", "numbers"]
Value = str | float | None

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE | re.ASCII)
COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
MOST_CODES = 100  # classes that whole numbers are taken for
WITHOUT_COMMAS = "with a decimal point and no commas"
MOSTLY = 0.9  # share of numbers above which another cell is taken for a slip
MOST_ROWS_SHOWN = 5


class Label(NamedTuple):
    """The values of one label, a text each, and how they are to be understood."""

    values: list[Value]
    """None where a text has no value."""
    kind: Kind
    inferred: bool


def read_label(
    cells: Sequence[Any], rows: Sequence[int], kind: Kind | None, missing: Collection[str], place: str
) -> Label:
    """Read the cells of a label.

    Left undeclared, what it holds is inferred. A column that is not all numbers has classes. So have whole numbers that
    are codes: two different ones, or all of 0, 1, ..., K - 1 or of 1, ..., K, no more than 100, each in two texts at
    least. Other numbers are numbers.

    Args:
        cells: as the file has them.
        rows: their rows in the file, for errors.
        kind: what is declared.
        missing: what stands for no value; an empty cell always does.
        place: file and column, for errors.

    Raises:
        FathomError: if a cell is none of what the column holds, no text has a value, or all have the same.
    """
    plain = [_plain(cell, missing, f"{place}, row {row}") for cell, row in zip(cells, rows, strict=True)]
    found = kind or _infer(plain, rows, place)
    values = [None if cell is None else _value(cell, found, place, row) for cell, row in zip(plain, rows, strict=True)]
    present = [row for value, row in zip(values, rows, strict=True) if value is not None]
    different = {value for value in values if value is not None}
    if not different:
        msg = f"{place}: no text has a value"
        raise FathomError(msg)
    if len(different) == 1:
        which = (
            "the one text that has a value has" if len(present) == 1 else f"all {len(present)} texts with a value have"
        )
        msg = f"{place}: {which} {different.pop()!r} ({shown(present)}); a probe needs at least two values"
        raise FathomError(msg)
    if found == "classes" and len(different) == len(present) > 2:
        msg = f"{place}: each of {len(present)} texts has another value; expected classes that recur, or numbers"
        if all(COMMA.fullmatch(str(cell)) for cell in plain if cell is not None):
            msg += f" {WITHOUT_COMMAS}"
        raise FathomError(msg)
    return Label(values, found, kind is None)


def shown(rows: Sequence[int]) -> str:
    """The first rows of some, for errors: row 8, or rows 1, 4, 7."""
    first = ", ".join(map(str, rows[:MOST_ROWS_SHOWN])) + (", ..." if len(rows) > MOST_ROWS_SHOWN else "")
    return f"row{'s' * (len(rows) != 1)} {first}"


def is_missing(cell: Any) -> bool:
    """Whether a cell holds nothing: empty, blank, or a table's own way to say so."""
    if isinstance(cell, str):
        return not cell.strip()
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


def name_of(cell: Any, place: str) -> str:
    """The text of a cell that names something, in one line; a whole number without a fraction.

    Raises:
        FathomError: if it holds a list or another structure, or no printable line.
    """
    if not pd.api.types.is_scalar(cell):
        msg = f"{place}: expected one value, found {type(cell).__name__} {str(cell)[:60]!r}"
        raise FathomError(msg)
    if isinstance(cell, (float, np.floating)) and float(cell).is_integer():
        cell = int(cell)
    name = str(cell).strip()
    if not name.isprintable():
        msg = f"{place}: expected one line of printable characters, found {name[:60]!r}"
        raise FathomError(msg)
    return name


def _plain(cell: Any, missing: Collection[str], place: str) -> str | float | None:
    """A cell as a number or a name."""
    if is_missing(cell):
        return None
    if isinstance(cell, (Real, Decimal)) and str(cell) not in {"True", "False"}:
        return float(cell)
    name = name_of(cell, place)
    return None if name in missing else name


def _infer(plain: Sequence[str | float | None], rows: Sequence[int], place: str) -> Kind:
    present = [(cell, row) for cell, row in zip(plain, rows, strict=True) if cell is not None]
    others = [(cell, row) for cell, row in present if not _is_number(cell)]
    commas = [(cell, row) for cell, row in others if COMMA.fullmatch(str(cell))]
    if commas and len(commas) == len(others):
        cell, row = commas[0]
        msg = f"{place}, row {row}: expected a name, or a number {WITHOUT_COMMAS}, found {cell!r}; "
        msg += "correct the column, or declare the label: `classes`"
        raise FathomError(msg)
    if others:
        if len(others) < (1 - MOSTLY) * len(present):
            cell, row = others[0]
            elsewhere = counted(len(present) - len(others), "other row")
            msg = (
                f"{place}, row {row}: expected a number as in {elsewhere}, found {cell!r}; "
                "correct it, add it to `missing`, or declare the label: `classes`"
            )
            raise FathomError(msg)
        return "classes"
    numbers, counts = np.unique([float(cell) for cell, _ in present], return_counts=True)
    if len(numbers) <= 2:
        return "classes"
    codes = len(numbers) <= MOST_CODES and counts.min() > 1 and numbers[0] in {0.0, 1.0}
    consecutive = codes and bool((numbers == numbers[0] + np.arange(len(numbers))).all())
    return "classes" if consecutive else "numbers"


def _is_number(cell: str | float) -> bool:
    return not isinstance(cell, str) or NUMBER.fullmatch(cell) is not None


def _value(cell: str | float, kind: Kind, place: str, row: int) -> Value:
    if kind == "classes":
        return name_of(cell, place)
    number = float(cell) if _is_number(cell) else math.nan
    if not math.isfinite(number):
        msg = f"{place}, row {row}: expected a finite number, found {cell!r}"
        raise FathomError(msg)
    return number
