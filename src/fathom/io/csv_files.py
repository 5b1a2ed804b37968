"""CSV files that anybody may have written, read without a guess about their columns."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from fathom.statistics.words import counted

LONGEST_CELL = 2**31 - 1  # characters


def read_csv(path: Path, encoding: str) -> pd.DataFrame:
    """A table whose rows have as many cells as its first row names columns, each another name.

    Pandas takes the first cells of rows that are longer for names of rows, which puts every cell in the column beside
    its own, and fills rows that are shorter, such as those that an unquoted line break cuts in two.

    Raises:
        ValueError: if rows do not fit the first one, a column is named twice, or there is no row below the first.
    """
    with path.open(encoding=encoding, newline="") as stream:
        if not any(line.strip() for line in stream):
            msg = "the file is empty; expected a first row that names the columns"
            raise ValueError(msg)
    head = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, encoding=encoding).iloc[0]
    twice = head[head.duplicated() & (head != "")]
    if len(twice):
        msg = f"its first row names the column {twice.iloc[0]!r} twice"
        raise ValueError(msg)
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding=encoding, newline="") as stream:
        number = 0
        for number, row in enumerate(filter(None, csv.reader(stream))):
            if len(row) != len(head):
                cells, columns = counted(len(row), "cell"), counted(len(head), "column")
                where = f"row {number} has {cells}, the first row names {columns}"
                msg = f"{where}; put a text with a comma or a line break in quotes"
                raise ValueError(msg)
    if not number:
        msg = "no row follows the first, which names the columns"
        raise ValueError(msg)
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding=encoding, index_col=False)
