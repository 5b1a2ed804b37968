"""CSV files that anybody may have written, read without a guess about their columns."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

LONGEST_CELL = 2**31 - 1  # characters


def read_csv(path: Path, encoding: str) -> pd.DataFrame:
    """A table whose rows have as many cells as its first row names columns, each another name.

    Pandas takes the first cells of rows that are longer for names of rows, which puts every cell in the column beside
    its own, and fills rows that are shorter, such as those that an unquoted line break cuts in two.
    """
    head = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, encoding=encoding).iloc[0]
    twice = head[head.duplicated() & (head != "")]
    if len(twice):
        msg = f"its first row names the column {twice.iloc[0]!r} twice"
        raise ValueError(msg)
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding=encoding, newline="") as stream:
        for number, row in enumerate(filter(None, csv.reader(stream))):
            if len(row) != len(head):
                where = f"row {number} has {len(row)} cells, the first row names {len(head)} columns"
                msg = f"{where}; put a text with a comma or a line break in quotes"
                raise ValueError(msg)
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding=encoding, index_col=False)
