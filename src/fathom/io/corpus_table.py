"""The table of a corpus: one row a text and view."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fathom.io.tables import read_arrow, read_arrow_rows, read_columns, write_arrow
from fathom.runtime.errors import FathomError, first_line

# What a view varies stands in `quantity`: a probability, tokens of a text, words of filler; NaN of other views. Which
# control a view serves as stands in `control`: "shuffled" (the view before it with its words in another order) or
# "template" (the same items in another template); "" of a view that is none. Where a pair stands in a text with filler
# stands in `pair_at`: "start" or "end"; "" of other views. All three are the same for a whole view.
# A text is either written out, or sampled for the model that reads it: `token_draws` holds numbers in [0, 1), one a
# token, that each model maps to its own vocabulary. What becomes of the tokens of a text, once a tokenizer has read it,
# stands in `perturbation` (see fathom.activations.token_replacement); null, they stay as they are.
# A published `split` is kept as it is given: "train", "test", or what a probe leaves out. Of a text that is equal or
# nearly equal to one of another group, `near` holds the group that it was given, the id of the first such text, and how
# alike they are (1: equal).
_SPAN = pa.struct([("name", pa.string()), ("start", pa.int64()), ("end", pa.int64())])
_PERTURBATION = pa.struct(
    [("kind", pa.string()), ("probability", pa.float64()), ("seed", pa.int64()), ("published", pa.bool_())]
)
_NEAR = pa.struct([("group", pa.string()), ("id", pa.string()), ("share", pa.float64())])
_TYPES = {
    "id": pa.string(),
    "text": pa.string(),
    "view": pa.string(),
    "group": pa.string(),
    "split": pa.string(),
    "near": _NEAR,
    "quantity": pa.float64(),
    "control": pa.string(),
    "pair_at": pa.string(),
    "token_draws": pa.list_(pa.float64()),
    "spans": pa.list_(_SPAN),
    "perturbation": _PERTURBATION,
}
CORPUS_COLUMNS = tuple(_TYPES)
TOLD_IN_WORDS = ("control", "pair_at")  # facts of views that are "" where a view has none
LABEL_PREFIX = "label."
ORIGINAL = "original"  # the view of a text as it is meant to be read
SHUFFLED = "shuffled"
SIZES = b"fathom.sizes"
TEMPLATE = "template"
TRAIN, TEST = "train", "test"


def write_corpus(frame: pd.DataFrame, path: Path, name: str, *, at_once: int | None = None) -> None:
    """Check a corpus and write it; columns that it does not use are added empty.

    `at_once`, of a task's texts, is how many vectors it takes at a time.

    Errors: FathomError if it is empty, if a text is, or if a text occurs twice in a view.
    """
    if frame.empty:
        msg = f"corpus {name}: it holds no text"
        raise FathomError(msg)
    frame = frame.reindex(columns=[*CORPUS_COLUMNS, *(c for c in frame.columns if c.startswith(LABEL_PREFIX))])
    for fact in TOLD_IN_WORDS:
        frame[fact] = frame[fact].astype(object).fillna("")
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
    sizes = corpus_sizes(frame) | ({} if at_once is None else {"at_once": at_once})
    write_arrow(table.replace_schema_metadata({SIZES: json.dumps(sizes)}), path)


def corpus_sizes(frame: pd.DataFrame) -> dict[str, int]:
    """Rows, labels, characters of all texts and of the longest one; of a text sampled for each model, its tokens.

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
    """What `corpus_sizes` gave when the corpus was written, and `at_once` of a task's texts.

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


def read_corpus(path: Path, rows: tuple[int, int] | None = None) -> pd.DataFrame:
    """Read a corpus: `CORPUS_COLUMNS`, then its labels, `label.*`.

    `rows` asks for the rows first .. last - 1 only: no more of the file is read than the row groups that hold them.
    """
    table = read_arrow(path) if rows is None else read_arrow_rows(path, *rows)
    missing = [column for column in CORPUS_COLUMNS if column not in table.column_names]
    if missing:
        msg = f"{path}: not a corpus, it lacks the columns {', '.join(missing)}"
        raise FathomError(msg)
    frame: pd.DataFrame = table.to_pandas()
    # Where some texts have none, pandas would turn the seeds of the others into floats, which are not exact.
    frame["perturbation"] = pd.Series(table["perturbation"].to_pylist(), dtype=object)
    return frame


def read_facts(path: Path) -> pd.DataFrame:
    """Id, view, group and labels of the texts of a corpus, without the texts.

    Errors: FathomError if it is missing, corrupt, or no corpus.
    """
    columns = read_columns(path)
    missing = [column for column in ("id", "view", "group") if column not in columns]
    if missing:
        msg = f"{path}: not a corpus, it lacks the columns {', '.join(missing)}"
        raise FathomError(msg)
    labels = [column for column in columns if column.startswith(LABEL_PREFIX)]
    frame: pd.DataFrame = read_arrow(path, columns=["id", "view", "group", *labels]).to_pandas()
    return frame


def shuffled_view(corpus: pd.DataFrame, view: str) -> str | None:
    """Name of the view that holds the texts of another one with their words in another order: it follows that one."""
    views = _views(corpus)
    following = views["view"].shift() == view
    found = views.loc[following & (views["control"] == SHUFFLED), "view"]
    return str(found.iloc[0]) if len(found) else None


def template_views(corpus: pd.DataFrame) -> list[str]:
    """Names of the views that hold the same items in different templates, the original first."""
    views = _views(corpus)
    return [str(view) for view in views.loc[(views["view"] == ORIGINAL) | (views["control"] == TEMPLATE), "view"]]


def of_views(corpus: pd.DataFrame, views: Sequence[str] | None) -> pd.DataFrame:
    """The texts of some views, in their order; all texts where none are named."""
    return corpus if views is None else corpus[corpus["view"].isin(views)].reset_index(drop=True)


def paraphrases(corpus: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Texts that word an original once more, neither perturbed (a quantity) nor meant as a control, (texts,)."""
    plain = corpus["quantity"].isna() & corpus["control"].isin(["", TEMPLATE])
    return ((corpus["view"] != ORIGINAL) & plain).to_numpy()


def with_facts_of_view(
    table: pd.DataFrame, corpus: pd.DataFrame, facts: Sequence[str] = ("quantity", "control")
) -> pd.DataFrame:
    """A table with what the corpus says of each row's view, beside the view.

    What is of several views together is no view of the corpus: its quantity is NaN, its control and pair_at "".
    """
    views = _views(corpus).set_index("view")
    found = table.copy()
    for place, fact in enumerate(facts, start=list(table.columns).index("view") + 1):
        values = table["view"].map(views[fact])
        found.insert(place, fact, values.fillna("") if fact in TOLD_IN_WORDS else values.astype("float64"))
    return found


def _views(corpus: pd.DataFrame) -> pd.DataFrame:
    """The first row of every view."""
    return corpus.drop_duplicates("view")


def text_items(corpus: pd.DataFrame) -> list[tuple[str, ...]]:
    """The items of each text: what its marked spans hold; an empty tuple where none is marked."""
    return [
        () if spans is None else tuple(text[span["start"] : span["end"]] for span in spans)
        for text, spans in zip(corpus["text"], corpus["spans"], strict=True)
    ]


def different_classes(own: pd.DataFrame, other: pd.DataFrame, label: str) -> tuple[list[object], list[object]]:
    """Classes of a label that `own` lacks, and those that only it has; none of numbers in both."""
    column = LABEL_PREFIX + label
    values = [np.asarray(frame[column].dropna().to_numpy()) for frame in (own, other)]
    if not any(found.dtype == object for found in values):
        return [], []
    mine, others = (set(found.tolist()) for found in values)
    return sorted(others - mine, key=str), sorted(mine - others, key=str)
