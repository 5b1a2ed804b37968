"""The tables that stages hand to each other: corpora and results as Parquet files, written whole or not at all."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fathom.io.atomic import atomic_write
from fathom.runtime.errors import FathomError, first_line

ROW_GROUP = 8192  # rows that are read together, at least: who wants a few texts of a corpus does not read all
NOTES = b"fathom.notes"
MEAN = "mean"  # the label of a curve that averages the labels of an experiment that have two values
MEAN_OF_TASKS = "mean of the tasks"  # the name of what is taken of several tasks together


def write_table(frame: pd.DataFrame, path: Path, notes: Sequence[str] = ()) -> None:
    """Write a data frame as Parquet, with what a reader must know of it."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    write_arrow(table.replace_schema_metadata({**table.schema.metadata, NOTES: json.dumps(list(notes))}), path)


def write_arrow(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet; the file takes its place when it is complete."""
    with atomic_write(path) as stream:
        pq.write_table(table, stream, compression="zstd", row_group_size=ROW_GROUP)


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file; what a reader must know of it is in the frame's `attrs["notes"]`.

    Errors: FathomError if it is missing or corrupt.
    """
    table = read_arrow(path)
    frame: pd.DataFrame = table.to_pandas()
    frame.attrs["notes"] = json.loads((table.schema.metadata or {}).get(NOTES, b"[]"))
    return frame


def read_arrow(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file, or some of its columns. Errors: FathomError if it is missing or corrupt."""
    with _opened(path) as file:
        return file.read(columns=None if columns is None else list(columns))


def read_columns(path: Path) -> list[str]:
    """Names of the columns of a Parquet file. Errors: FathomError if it is missing or corrupt."""
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def read_arrow_rows(path: Path, first: int, last: int) -> pa.Table:
    """Rows first .. last - 1 of a Parquet file; only the row groups that hold them are read."""
    with _opened(path) as file:
        counts = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
        starts = [0, *itertools.accumulate(counts)]
        groups = [group for group in range(len(counts)) if starts[group] < last and starts[group + 1] > first]
        before = starts[groups[0]] if groups else 0
        return file.read_row_groups(groups).slice(first - before, last - first)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file, open.

    Errors: FathomError if it is missing, or corrupt where it is read.
    """
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except FileNotFoundError:
        msg = f"{path}: no such table"
        raise FathomError(msg) from None
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"{path}: not a Parquet table ({first_line(error)}); delete it and run snakemake again"
        raise FathomError(msg) from error


def count_rows(path: Path) -> int:
    """Rows of a Parquet file, without reading them.

    Errors: FathomError if it is missing or corrupt.
    """
    with _opened(path) as file:
        return int(file.metadata.num_rows)
