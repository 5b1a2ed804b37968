"""Texts from a file: one a line, or one a row of a table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fathom.runtime.errors import FathomError, first_line

if TYPE_CHECKING:
    from fathom.corpora.sources import Sources

ENDINGS = (".txt", ".csv", ".jsonl", ".parquet")
# A byte order mark, as some editors write it, is no part of the first text.
ENCODING = "utf-8-sig"


def build(_sources: Sources, *, path: str, column: str, **selection: Any) -> pd.DataFrame:
    """The texts of a column of a file of the user's; `selection` as of `select`."""
    return select(read_texts(Path(path), column), **selection)


def read_texts(path: Path, column: str) -> pd.Series[str]:
    """Texts of a .txt (a line a text), .csv, .jsonl or .parquet file.

    Errors: FathomError if the file cannot be read as what its name says, or lacks the column.
    """
    try:
        table = _read(path, column)
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise FathomError(msg) from None
    except (ValueError, OSError) as error:
        msg = f"{path}: cannot be read as {path.suffix} ({first_line(error)})"
        raise FathomError(msg) from error
    if column not in table.columns:
        msg = f"{path}: expected a column {column!r}, found {', '.join(map(str, table.columns))}"
        raise FathomError(msg)
    # The ids are row numbers, whatever index the table was saved with.
    return table[column].reset_index(drop=True).fillna("").astype(str)


def _read(path: Path, column: str) -> pd.DataFrame:
    match path.suffix:
        case ".txt":
            with path.open(encoding=ENCODING) as stream:
                return pd.DataFrame({column: pd.Series([line.removesuffix("\n") for line in stream], dtype=str)})
        case ".csv":
            return pd.read_csv(path, dtype=str, keep_default_na=False, encoding=ENCODING)
        case ".jsonl":
            # Otherwise pandas turns texts that look like numbers or dates into numbers and dates.
            return pd.read_json(path, lines=True, dtype=False)
        case ".parquet":
            return pd.read_parquet(path)
        case _:
            msg = f"{path}: expected a file that ends with {', '.join(ENDINGS)}"
            raise FathomError(msg)


def select(
    texts: pd.Series[str], *, limit: int | None, skip: str | None, min_characters: int | None, min_words: int | None
) -> pd.DataFrame:
    """The first `limit` rows, without those that match `skip` or are too short; ids are row numbers, from 1."""
    kept = texts.iloc[:limit]
    if skip is not None:
        kept = kept[~kept.str.match(re.compile(skip))]
    if min_characters is not None:
        kept = kept[kept.str.strip().str.len() >= min_characters]
    if min_words is not None:
        kept = kept[kept.str.count(r"\S+") >= min_words]
    names = [f"row-{index + 1}" for index in kept.index]
    return pd.DataFrame({"id": names, "text": kept.to_numpy(), "view": "original", "group": names})
