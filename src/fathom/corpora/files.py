"""Texts from a file: one a line, or one a row of a table."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from fathom.errors import FathomError

READERS = {
    ".csv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False),
    ".jsonl": lambda path: pd.read_json(path, lines=True),
    ".parquet": pd.read_parquet,
}


def read_texts(path: Path, column: str) -> pd.Series[str]:
    """Texts of a .txt (a line a text), .csv, .jsonl or .parquet file.

    Errors: FathomError if the file cannot be read as what its name says, or lacks the column.
    """
    try:
        if path.suffix == ".txt":
            return pd.Series(path.read_text(encoding="utf-8").splitlines(), dtype=str)
        if path.suffix not in READERS:
            msg = f"{path}: expected a file that ends with .txt, {', '.join(READERS)}"
            raise FathomError(msg)
        table = READERS[path.suffix](path)
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise FathomError(msg) from None
    except (ValueError, OSError) as error:
        msg = f"{path}: cannot be read as {path.suffix} ({str(error).splitlines()[0]})"
        raise FathomError(msg) from error
    if column not in table.columns:
        msg = f"{path}: expected a column {column!r}, found {', '.join(map(str, table.columns))}"
        raise FathomError(msg)
    return table[column].fillna("").astype(str)


def select(
    texts: pd.Series[str], *, limit: int | None, skip: str | None, min_characters: int | None
) -> pd.DataFrame:
    """The first `limit` rows, without those that match `skip` or are too short; ids are row numbers, from 1."""
    kept = texts.iloc[:limit]
    if skip is not None:
        kept = kept[~kept.str.match(re.compile(skip))]
    if min_characters is not None:
        kept = kept[kept.str.strip().str.len() >= min_characters]
    names = [f"row-{index + 1}" for index in kept.index]
    return pd.DataFrame({"id": names, "text": kept.to_numpy(), "view": "original", "group": names})
