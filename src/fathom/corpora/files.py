"""Texts from a file: one a line, or one a row of a table."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fathom.corpora.column_names import listed
from fathom.corpora.labelled import OPTIONS, Columns, labelled_texts
from fathom.corpora.plain_texts import check_plain
from fathom.io.csv_files import read_csv
from fathom.runtime.errors import FathomError, first_line

if TYPE_CHECKING:
    from fathom.corpora.sources import Sources

ENDINGS = (".txt", ".csv", ".jsonl", ".parquet")


def build(_sources: Sources, *, path: str, **options: Any) -> pd.DataFrame:
    """The texts of a file of the user's; `options` as of `texts_of`."""
    return texts_of(Path(path), path, **options)


def texts_of(
    path: Path, place: str, *, column: str, encoding: str, sample: int | None, seed: int, **options: Any
) -> pd.DataFrame:
    """The texts of a column of a file, with what else is read of its rows.

    Args:
        path: of the file.
        place: how errors name it.
        column: of the texts.
        encoding: of the file, if it is no Parquet.
        sample: so many of them, drawn by the seed.
        seed: of the draw, and of shuffled words.
        options: of `select` and of `fathom.corpora.labelled.Columns`.
    """
    columns = Columns(seed=seed, **{name: options.pop(name) for name in OPTIONS if name in options})
    table = read_table(path, column, place, encoding)
    check_plain(table[column], column, place)
    texts = texts_in(table, column)
    if path.suffix == ".txt":
        texts = texts[texts.str.strip() != ""]  # a blank line parts texts, and is none
    texts = chosen(texts, **options)
    if len(texts) and not texts.str.strip().all():
        row = texts.index[int((texts.str.strip() == "").argmax())] + 1
        msg = f"{place}: column {column!r} is empty in row {row}; min_characters: 1 leaves empty rows out"
        raise FathomError(msg)
    if sample is not None and sample < len(texts):
        drawn = np.random.default_rng(seed).choice(len(texts), size=sample, replace=False)
        texts = texts.iloc[np.sort(drawn)]
    return labelled_texts(table, texts, columns, place) if columns else with_ids(texts)


def read_table(path: Path, column: str, place: str, encoding: str) -> pd.DataFrame:
    """A .txt (a line a text), .csv, .jsonl or .parquet file, its rows numbered from 0.

    Errors: FathomError if the file cannot be read as what its name says, or lacks the column.
    """
    try:
        table = _read(path, column, encoding)
    except FileNotFoundError:
        msg = f"{place}: no such file"
        raise FathomError(msg) from None
    except UnicodeDecodeError as error:
        msg = f"{place}: not in the encoding {encoding} ({first_line(error)}); say which it is with encoding"
        raise FathomError(msg) from error
    except (ValueError, OSError) as error:
        advice = "; expected one JSON object a line" if path.suffix == ".jsonl" else ""
        msg = f"{place}: cannot be read as {path.suffix} ({first_line(error)}){advice}"
        raise FathomError(msg) from error
    if column not in table.columns:
        found = listed(table.columns)
        advice = (
            "; columns are parted by commas"
            if len(table.columns) == 1 and set(str(table.columns[0])) & set(";\t|")
            else ""
        )
        msg = f"{place}: expected a column {column!r}, found {found}{advice}"
        raise FathomError(msg)
    # The ids are row numbers, whatever index the table was saved with.
    return table.reset_index(drop=True)


def texts_in(table: pd.DataFrame, column: str) -> pd.Series[str]:
    """Texts of a column."""
    return table[column].fillna("").astype(str)


def _read(path: Path, column: str, encoding: str) -> pd.DataFrame:
    # A byte order mark, as some editors write it, is no part of the first text.
    encoding = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    match path.suffix:
        case ".txt":
            with path.open(encoding=encoding) as stream:
                return pd.DataFrame({column: pd.Series([line.removesuffix("\n") for line in stream], dtype=str)})
        case ".csv":
            return read_csv(path, encoding)
        case ".jsonl":
            # Otherwise pandas turns texts that look like numbers or dates into numbers and dates.
            return pd.read_json(path, lines=True, dtype=False, encoding=encoding)
        case ".parquet":
            return pd.read_parquet(path)
        case _:
            msg = f"{path}: expected a file that ends with {', '.join(ENDINGS)}"
            raise FathomError(msg)


def chosen(
    texts: pd.Series[str], *, limit: int | None, skip: str | None, min_characters: int | None, min_words: int | None
) -> pd.Series[str]:
    """The first `limit` rows, without those that match `skip` or are too short."""
    kept = texts.iloc[:limit]
    if skip is not None:
        kept = kept[~kept.str.match(re.compile(skip))]
    if min_characters is not None:
        kept = kept[kept.str.strip().str.len() >= min_characters]
    if min_words is not None:
        kept = kept[kept.str.count(r"\S+") >= min_words]
    return kept


def with_ids(texts: pd.Series[str]) -> pd.DataFrame:
    """A corpus of texts whose ids are the numbers of their rows, from 1."""
    names = [f"row-{index + 1}" for index in texts.index]
    return pd.DataFrame({"id": names, "text": texts.to_numpy(), "view": "original", "group": names})
