"""What a caption must say of the tables behind a figure: how a model read the texts, and which values there are not."""

from __future__ import annotations

import re

import pandas as pd

from fathom.figures.drawing.checks import FEWEST_TEXTS
from fathom.figures.job import Table, Tables
from fathom.statistics.words import counted

MOST_REASONS = 6  # of a figure, in its caption; all are in the tables
RESIDUAL = "residual"


def table_notes(tables: Tables, titles: dict[str, str]) -> list[str]:
    """Sentences on the tables of a figure; `titles` are those of metrics.

    Of a metric whose summary is there, nothing is said of its table of texts, nor of what is of no single model.
    """
    tables = [(table, frame) for table, frame in tables if table.model]
    known = {_key(table) for table, _ in tables if table.summary}
    tables = [(table, frame) for table, frame in tables if table.summary or _key(table) not in known]
    reading = [f"{_place(table)}: {note}." for table, frame in tables for note in frame.attrs.get("notes", ())]
    reasons = [note for table, frame in tables for note in _without_value(table, frame, titles)]
    repeats = [note for table, frame in tables for note in _repeats(table, frame)]
    few = [note for table, frame in tables for note in _few_texts(table, frame)]
    notes = [
        *dict.fromkeys(reading),
        *dict.fromkeys(few),
        *dict.fromkeys(repeats),
        *dict.fromkeys(reasons[:MOST_REASONS]),
    ]
    if len(reasons) > MOST_REASONS:
        more = counted(len(reasons) - MOST_REASONS, "more reason")
        notes.append(f"In the tables: {more} for values that are missing.")
    return notes


def _key(table: Table) -> tuple[str, str, str, str]:
    return table.model, table.corpus_or_experiment, table.content, table.control


def _place(table: Table) -> str:
    random = " with random weights" if table.control else ""
    return f"{table.model}{random} on {table.corpus or table.corpus_or_experiment}"


def _repeats(table: Table, frame: pd.DataFrame) -> list[str]:
    """How many texts were left out since they repeat another."""
    if table.summary:
        # Of a metric of whole corpora, the texts that are left out are those; it is of no groups.
        frame = frame[frame["groups"].isna()].rename(columns={"left_out": "repeats"})
    if "repeats" not in frame.columns or not frame["repeats"].gt(0).any():
        return []
    most = frame.iloc[int(frame["repeats"].astype("float64").argmax())]
    texts = frame.loc[frame["view"] == most["view"], "texts"].max()
    repeats = int(most["repeats"])
    verbs = (
        "repeats another one token for token and is" if repeats == 1 else "repeat another one token for token and are"
    )
    return [f"{_place(table)}: {repeats} of {counted(int(texts) + repeats, 'text')} {verbs} left out."]


def _few_texts(table: Table, frame: pd.DataFrame) -> list[str]:
    """That there are too few texts for an interval."""
    if not {"value", "reason", "view"} <= set(frame.columns):
        return []
    if table.summary:
        of_texts = frame["groups"].notna()
        counts = (frame["texts"] + frame["left_out"].where(of_texts, 0)).dropna()
        texts = int(counts.max()) if len(counts) else FEWEST_TEXTS
    elif "text" in frame.columns and frame["text"].notna().any():
        texts = frame["text"].nunique()
    elif "texts" in frame.columns:
        texts = frame["texts"].max()
    else:
        return []
    if not texts < FEWEST_TEXTS:
        return []
    return [f"{_place(table)}: {counted(int(texts), 'text')}, fewer than {FEWEST_TEXTS}, so no interval is drawn."]


def _without_value(table: Table, frame: pd.DataFrame, titles: dict[str, str]) -> list[str]:
    """A sentence for each reason why values of a metric are missing: at which layers, and of how many texts."""
    if not {"value", "reason", "layer"} <= set(frame.columns):
        return []
    own = frame[frame["site"] == RESIDUAL] if "site" in frame.columns else frame
    if table.summary:
        own = own.assign(variant=own["variant"].replace("", None))
        lost = own[own["reason"] != ""]
    else:
        lost = own[own["value"].isna() & own["reason"].notna()]
    if lost.empty:
        return []
    # Numbers in a reason are those of one text: without them it is the same for all.
    kinds = lost["reason"].map(lambda reason: re.sub(r"\d+(\.\d+)?", "0", reason))
    notes = []
    for _, rows in lost.groupby(kinds, sort=False):
        where = _layers(rows["layer"], own["layer"])
        what = f"{titles.get(table.content, table.content)}, {_place(table)}{_forms(rows, own)}"
        count, total = _missing(table, rows, own)
        verb = "has" if count == 1 else "have"
        missing = f"{count} of {counted(total, 'text')} {verb} no value {where}" if count else f"no value {where}"
        notes.append(f"{what}: {missing} ({rows['reason'].iloc[0]}).")
    return notes


def _missing(table: Table, rows: pd.DataFrame, own: pd.DataFrame) -> tuple[int, int]:
    """How many texts have no value at a layer at most, and of how many; 0 of a metric of whole corpora."""
    if table.summary:
        if rows["groups"].isna().any():
            return 0, 0
        return int(rows["left_out"].max()), int((own["texts"] + own["left_out"]).max())
    if "text" not in rows.columns or rows["text"].isna().any():
        return 0, 0
    forms = [rows[column] for column in ("view", "sinks", "preparation", "variant") if column in rows.columns]
    return int(rows.groupby([*forms, "layer"], dropna=False)["text"].nunique().max()), own["text"].nunique()


def _forms(rows: pd.DataFrame, own: pd.DataFrame) -> str:
    """What sets the rows apart from the others of their table."""
    words = []
    for column in ("view", "variant"):
        if column in rows.columns and own[column].nunique() > rows[column].nunique() > 0:
            found = [str(one) for one in rows[column].unique()]
            words.append(found[0] if len(found) == 1 else f"{len(found)} {column}s")
    if "sinks" in rows.columns and set(rows["sinks"]) == {"without"}:
        words.append("without sink tokens")
    return "".join(f", {word}" for word in words)


def _layers(lost: pd.Series, every: pd.Series) -> str:
    numbers = sorted({int(layer) for layer in lost})
    total = every.nunique()
    if len(numbers) == total:
        return "at any layer"
    if len(numbers) == 1:
        return f"at layer {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"at layers {numbers[0]} to {numbers[-1]}"
    return f"at {len(numbers)} of {total} layers"
