"""The tables that stages hand to each other: corpora and results as Parquet files, written whole or not at all."""

from __future__ import annotations

import errno
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fathom.drafts import draft_of
from fathom.errors import FathomError, first_line

# A text is either written out, or drawn for the model that reads it: `token_draws` holds numbers in [0, 1), one a
# token, that each model maps to its own vocabulary. What becomes of the tokens of a text, once a tokenizer has read it,
# stands in `perturbation` (see fathom.activations.perturbation); null, they stay as they are.
_SPAN = pa.struct([("name", pa.string()), ("start", pa.int64()), ("end", pa.int64())])
_PERTURBATION = pa.struct(
    [("kind", pa.string()), ("probability", pa.float64()), ("seed", pa.int64()), ("published", pa.bool_())]
)
ROW_GROUP = 8192  # rows that are read together, at least: who wants a few texts of a corpus does not read all
_TYPES = {
    "id": pa.string(),
    "text": pa.string(),
    "view": pa.string(),
    "group": pa.string(),
    "token_draws": pa.list_(pa.float64()),
    "spans": pa.list_(_SPAN),
    "perturbation": _PERTURBATION,
}
CORPUS_COLUMNS = tuple(_TYPES)
LABEL_PREFIX = "label."
MEAN = "mean"  # the label of a curve that averages the labels of an experiment that have two values
ORIGINAL = "original"  # the view of a text as it is meant to be read
SHUFFLED = "shuffled"
SIZES = b"fathom.sizes"
TEMPLATE = "template "  # the views of the same items in other templates are "template 2", "template 3", ...


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a data frame as Parquet."""
    _write(pa.Table.from_pandas(frame, preserve_index=False), path)


def _write(table: pa.Table, path: Path) -> None:
    with draft_of(path) as stream:
        pq.write_table(table, stream, compression="zstd", row_group_size=ROW_GROUP)


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file.

    Errors: FathomError if it is missing or torn.
    """
    frame: pd.DataFrame = _read(path).to_pandas()
    return frame


def _read(path: Path) -> pa.Table:
    with _opened(path) as file:
        return file.read()


def _read_rows(path: Path, first: int, last: int) -> pa.Table:
    with _opened(path) as file:
        counts = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
        starts = [0, *itertools.accumulate(counts)]
        groups = [group for group in range(len(counts)) if starts[group] < last and starts[group + 1] > first]
        before = starts[groups[0]] if groups else 0
        return file.read_row_groups(groups).slice(first - before, last - first)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file, open.

    Errors: FathomError if it is missing, or torn where it is read.
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


def write_corpus(frame: pd.DataFrame, path: Path, name: str) -> None:
    """Check a corpus and write it; columns that it does not use are added empty.

    Errors: FathomError if it is empty, if a text is, or if a text occurs twice in a view.
    """
    if frame.empty:
        msg = f"corpus {name}: it holds no text"
        raise FathomError(msg)
    frame = frame.reindex(columns=[*CORPUS_COLUMNS, *(c for c in frame.columns if c.startswith(LABEL_PREFIX))])
    written = frame["text"].fillna("").str.strip() != ""
    unfilled = ~written & frame["token_draws"].isna()
    if unfilled.any():
        row = int(unfilled.to_numpy().argmax())
        msg = f"corpus {name}: text {frame['id'].iloc[row]!r} (row {row + 1}) is empty"
        raise FathomError(msg)
    twice = frame.duplicated(["id", "view"])
    if twice.any():
        row = int(twice.to_numpy().argmax())
        msg = f"corpus {name}: id {frame['id'].iloc[row]!r} (row {row + 1}) occurs twice"
        raise FathomError(msg)
    plain = frame.astype(object).where(frame.notna(), None)
    table = pa.table({column: pa.array(plain[column].tolist(), type=_TYPES.get(str(column))) for column in plain})
    _write(table.replace_schema_metadata({SIZES: json.dumps(corpus_sizes(frame))}), path)


def corpus_sizes(frame: pd.DataFrame) -> dict[str, int]:
    """Rows, labels, characters of all texts and of the longest one; of a text that is drawn for each model, its tokens.

    They go with the file, so that a plan knows a corpus without reading it.
    """
    written = [len(text) for text in frame["text"].dropna()]
    drawn = [len(draws) for draws in frame["token_draws"].dropna()]
    return {
        "texts": len(frame),
        "characters": sum(written) + sum(drawn),
        "longest": max([*written, *drawn]),
        "labels": sum(column.startswith(LABEL_PREFIX) for column in frame.columns),
    }


def read_corpus_sizes(path: Path) -> dict[str, int]:
    """What `corpus_sizes` gave when the corpus was written.

    Errors: FileNotFoundError, naming the file, if it is missing or an earlier version wrote it, which the workflow
    makes anew; FathomError if it is not a Parquet file.
    """
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except FileNotFoundError:
        metadata = {}
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"{path}: not a Parquet table ({first_line(error)}); delete it and run snakemake again"
        raise FathomError(msg) from error
    if SIZES not in metadata:
        raise FileNotFoundError(errno.ENOENT, "no corpus with its sizes", str(path))
    sizes: dict[str, int] = json.loads(metadata[SIZES])
    return sizes


def count_rows(path: Path) -> int:
    """Rows of a Parquet file, without reading them.

    Errors: FathomError if it is missing or torn.
    """
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def read_corpus(path: Path, rows: tuple[int, int] | None = None) -> pd.DataFrame:
    """Read a corpus: columns id, text, view, group, token_draws, spans, perturbation and `label.*`.

    `rows` asks for the rows first .. last - 1 only: no more of the file is read than the row groups that hold them.
    """
    table = _read(path) if rows is None else _read_rows(path, *rows)
    missing = [column for column in CORPUS_COLUMNS if column not in table.column_names]
    if missing:
        msg = f"{path}: not a corpus, it lacks the columns {', '.join(missing)}"
        raise FathomError(msg)
    frame: pd.DataFrame = table.to_pandas()
    # Where some texts have none, pandas would turn the seeds of the others into floats, which are not exact.
    frame["perturbation"] = pd.Series(table["perturbation"].to_pylist(), dtype=object)
    return frame


def shuffled_view(view: str) -> str:
    """Name of the view that holds the texts of another one with their words in another order."""
    return SHUFFLED if view == ORIGINAL else f"{view}, {SHUFFLED}"


def template_views(corpus: pd.DataFrame) -> list[str]:
    """Names of the views that hold the same items in different templates, the original first."""
    views = [str(view) for view in corpus["view"].unique()]
    return [view for view in views if view == ORIGINAL or view.startswith(TEMPLATE)]


def text_items(corpus: pd.DataFrame) -> list[tuple[str, ...]]:
    """The items of each text: what its marked spans hold; an empty tuple where none is marked."""
    return [
        () if spans is None else tuple(text[span["start"] : span["end"]] for span in spans)
        for text, spans in zip(corpus["text"], corpus["spans"], strict=True)
    ]
