"""Texts of a table with labels, groups, marked spans and paraphrases, and what of them would leak into a test."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from fathom.corpora.column_names import listed
from fathom.corpora.derive import text_seed
from fathom.corpora.label_values import Kind, Label, is_missing, name_of, read_label, shown
from fathom.corpora.marked_spans import read_spans
from fathom.corpora.templates import shuffle_words
from fathom.io.corpus_table import LABEL_PREFIX, ORIGINAL, SHUFFLED, TEMPLATE, TEST, TRAIN
from fathom.runtime.errors import FathomError
from fathom.statistics.near_texts import Pair, joined, near_pairs
from fathom.statistics.words import counted

log = logging.getLogger("fathom")
LEFT_OUT = "left out"  # of a split: training texts whose group is in the test too
TRAINING_LOST = ("training text is left out", "training texts are left out")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns hold what; `fathom.corpora.settings` explains each."""

    labels: Mapping[str, Kind | None]
    missing: Sequence[str]
    min_class: int
    group: str | None
    id: str | None
    split: str | None
    spans: Mapping[str, Mapping[str, str]]
    views: Sequence[str]
    shuffled: bool
    near_equal: float
    join_near_equal: bool
    seed: int
    folds: Mapping[str, int]

    def __bool__(self) -> bool:
        """Whether anything beside the text is read."""
        return bool(self.labels or self.group or self.id or self.split or self.spans or self.views)


OPTIONS = tuple(field.name for field in fields(Columns))


def labelled_texts(table: pd.DataFrame, texts: pd.Series[str], columns: Columns, place: str) -> pd.DataFrame:
    """The corpus of some rows of a table.

    Args:
        table: of the file, by number of the row from 0.
        texts: of the rows that are taken.
        columns: which columns hold what.
        place: the file, for errors.

    Returns:
        One row a text and view. `group` holds what must not be split; of a text that is nearly equal to one of another
        group, `near` says which group the file gave it, the first text that it is like, and how alike they are.

    Raises:
        FathomError: naming the file, and column and row where it is about one.
    """
    table = table.loc[texts.index]
    rows = [int(row) + 1 for row in texts.index]
    _require(table, columns, place)
    ids = [f"row-{row}" for row in rows] if columns.id is None else _ids(table[columns.id], rows, place)
    given = (
        list(ids) if columns.group is None else _names(table[columns.group], rows, f"{place}: column {columns.group!r}")
    )
    views = {ORIGINAL: texts.tolist()} | {name: _paraphrases(table[name], rows, place) for name in columns.views}
    spans = {
        name: [
            read_spans(text, cells, columns.spans, f"{place}, row {row}")
            for text, cells, row in _each(table, of_view, rows)
        ]
        for name, of_view in views.items()
    }
    labels = {
        name: read_label(table[name].tolist(), rows, kind, columns.missing, f"{place}: column {name!r}")
        for name, kind in columns.labels.items()
    }
    split = None if columns.split is None else _split(table[columns.split], rows, f"{place}: column {columns.split!r}")
    plain = [text for text, _ in spans[ORIGINAL]]
    pairs = near_pairs(plain, columns.near_equal) if columns.labels else []
    near = [pair for pair in pairs if given[pair.first] != given[pair.second]]
    groups, split = _without_leaks(given, split, near, columns)
    lost = 0 if split is None else split.count(LEFT_OUT)
    if lost:
        log.info("%s: %s, since their group is in the test too", place, counted(lost, *TRAINING_LOST))
    values = {name: _common(name, label, columns.min_class, place) for name, label in labels.items()}
    joined_note = ""
    if near and columns.join_near_equal:
        pairs_joined = counted(len(near), "pair of nearly equal texts was", "pairs of nearly equal texts were")
        joined_note = f" after {pairs_joined} joined"
    for name, label in labels.items():
        _check_folds(
            values[name], groups, split, rows, columns.folds.get(name, 0), f"{place}: column {name!r}", joined_note
        )
        _say(name, label, values[name], place)
    if near:
        now = "one group each" if columns.join_near_equal else "left apart"
        pairs_found = counted(len(near), "pair of equal or nearly equal texts", "pairs of equal or nearly equal texts")
        log.info("%s: %s of different groups, %s", place, pairs_found, now)
    shared = {
        "id": ids,
        "group": groups,
        "split": split,
        "near": _near(near, ids, given),
        **{LABEL_PREFIX + name: of_label for name, of_label in values.items()},
    }
    frames = []
    for name, of_view in spans.items():
        worded = {"text": [text for text, _ in of_view], "spans": [list(marked) or None for _, marked in of_view]}
        control = TEMPLATE if name != ORIGINAL else ""
        frames.append(pd.DataFrame({**shared, **worded, "view": name, "control": control}))
        if name == ORIGINAL and columns.shuffled and columns.labels:
            mixed = [
                shuffle_words((text, list(marked)), np.random.default_rng(text_seed(columns.seed, one, 0)))
                for one, (text, marked) in zip(ids, of_view, strict=True)
            ]
            worded = {"text": [text for text, _ in mixed], "spans": [marked or None for _, marked in mixed]}
            frames.append(pd.DataFrame({**shared, **worded, "view": SHUFFLED, "control": SHUFFLED}))
    return pd.concat(frames, ignore_index=True)


def _require(table: pd.DataFrame, columns: Columns, place: str) -> None:
    """Refuse what names a column that the table lacks."""
    wanted = {"group": columns.group, "id": columns.id, "split": columns.split}
    asked = [(key, name) for key, name in wanted.items() if name is not None]
    asked += [("labels", name) for name in columns.labels] + [("views", name) for name in columns.views]
    asked += [
        ("spans", column)
        for how in columns.spans.values()
        for key, column in how.items()
        if key in {"start", "end", "range"}
    ]
    for key, name in asked:
        if name not in table.columns:
            msg = f"{place}: {key}: expected a column {name!r}, found {listed(table.columns)}"
            raise FathomError(msg)
    if columns.views and any("opens" not in how for how in columns.spans.values()):
        msg = f"{place}: spans: expected marks in the text, since a range of it is none of {columns.views[0]!r}"
        raise FathomError(msg)


def _each(table: pd.DataFrame, texts: Sequence[str], rows: Sequence[int]) -> Any:
    records = table.to_dict("records")
    return zip(texts, records, rows, strict=True)


def _names(cells: pd.Series[Any], rows: Sequence[int], place: str) -> list[str]:
    """Names that every text must have."""
    names = []
    for cell, row in zip(cells, rows, strict=True):
        if is_missing(cell):
            msg = f"{place}, row {row}: expected a name, found none; fill it, or leave the row out"
            raise FathomError(msg)
        names.append(name_of(cell, f"{place}, row {row}"))
    return names


def _ids(cells: pd.Series[Any], rows: Sequence[int], place: str) -> list[str]:
    place = f"{place}: column {cells.name!r}"
    ids = _names(cells, rows, place)
    seen: dict[str, int] = {}
    for name, row in zip(ids, rows, strict=True):
        if name in seen:
            msg = f"{place}, row {row}: expected an id of its own, found {name!r} as in row {seen[name]}"
            raise FathomError(msg)
        seen[name] = row
    return ids


def _paraphrases(cells: pd.Series[Any], rows: Sequence[int], place: str) -> list[str]:
    for cell, row in zip(cells, rows, strict=True):
        if is_missing(cell) or not isinstance(cell, str):
            found = "none" if is_missing(cell) else type(cell).__name__
            msg = f"{place}: column {cells.name!r}, row {row}: expected a text in every view, found {found}"
            raise FathomError(msg)
    return cells.tolist()


def _split(cells: pd.Series[Any], rows: Sequence[int], place: str) -> list[str | None]:
    """`train`, `test`, or what else a text belongs to; None where it belongs to nothing."""
    names = [
        None if is_missing(cell) else name_of(cell, f"{place}, row {row}")
        for cell, row in zip(cells, rows, strict=True)
    ]
    folded = [name.casefold() if name is not None and name.casefold() in {TRAIN, TEST} else name for name in names]
    lacking = [name for name in (TRAIN, TEST) if name not in folded]
    if lacking:
        found = ", ".join(sorted({name for name in names if name is not None})) or "none"
        msg = f"{place}: expected texts of {TRAIN!r} and {TEST!r} (others are left out of probes), found {found}"
        raise FathomError(msg)
    return folded


def _without_leaks(
    given: Sequence[str], split: list[str | None] | None, near: Sequence[Pair], columns: Columns
) -> tuple[list[str], list[str | None] | None]:
    """Groups with nearly equal texts joined, and the split without training texts whose group is in the test too."""
    groups = list(given)
    if near and columns.join_near_equal:
        components = joined(len(given), near, given)
        first = dict(reversed(list(zip(components.tolist(), given, strict=True))))
        groups = [first[component] for component in components.tolist()]
    if split is not None:
        tested = {group for group, part in zip(groups, split, strict=True) if part == TEST}
        split = [
            LEFT_OUT if part == TRAIN and group in tested else part for group, part in zip(groups, split, strict=True)
        ]
    return groups, split


def _common(name: str, label: Label, least: int, place: str) -> list[str | float | None]:
    """Values without classes of fewer texts than asked for."""
    if label.kind == "numbers" or least < 2:
        return label.values
    counts = pd.Series(label.values, dtype=object).value_counts()
    rare = set(counts.index[counts < least])
    if len(counts) - len(rare) < 2:
        left = len(counts) - len(rare)
        kept = f"{left} of {counted(len(counts), 'class', 'classes')}"
        msg = f"{place}: column {name!r}: min_class: {least} leaves {kept}; expected at least 2"
        raise FathomError(msg)
    if rare:
        lost = int(counts[counts < least].sum())
        log.info(
            "%s: %s: left out: %s of fewer than %s texts, with %s",
            place,
            name,
            counted(len(rare), "class", "classes"),
            least,
            counted(lost, "text"),
        )
    return [None if value in rare else value for value in label.values]


def _check_folds(
    values: Sequence[str | float | None],
    groups: Sequence[str],
    split: Sequence[str | None] | None,
    rows: Sequence[int],
    folds: int,
    place: str,
    joined_note: str,
) -> None:
    """Refuse a label that a fold would lack."""
    table = pd.DataFrame({"value": np.array([*values], dtype=object), "group": groups, "row": rows, "split": split})
    table = table[table["value"].notna()]
    classes = isinstance(table["value"].iloc[0], str)
    if split is not None:
        for part in (TRAIN, TEST):
            held = set(table.loc[table["split"] == part, "value"])
            lacking = sorted(set(table["value"]) - held) if classes else []
            if lacking or len(held) < 2:
                of = repr(lacking[0]) if lacking else "two different values"
                where = f" (row {table.loc[table['value'] == lacking[0], 'row'].iloc[0]})" if lacking else ""
                lost = 0 if part == TEST else int((table["split"] == LEFT_OUT).sum())
                why = f"; {counted(lost, *TRAINING_LOST)}, since their group is in the test too" if lost else ""
                msg = f"{place}: expected {of}{where} among the texts of {part!r}, found none{why}"
                raise FathomError(msg)
        return
    if not folds:
        return
    count = table["group"].nunique()
    if count < folds:
        of = f"{counted(len(table), 'text')} in {counted(count, 'group')}{joined_note}"
        advice = "ask for fewer folds" + (", or for a larger near_equal" if joined_note else "")
        msg = f"{place}: {of}, fewer than the {folds} folds; {advice}"
        raise FathomError(msg)
    if not classes:
        return
    holding = table.groupby("value")["group"].nunique()
    if (holding == 1).all() and (table.groupby("group")["value"].nunique() == 1).all():
        of = f"each of {len(holding)} classes is in one group only{joined_note}"
        msg = f"{place}: {of}: the group tells the label, and no fold can test it on another group"
        raise FathomError(msg)
    rare = holding[holding < folds]
    if len(rare):
        name, least = rare.index[0], int(rare.iloc[0])
        where = shown(table.loc[table["value"] == name, "row"].tolist())
        others = f" (and {counted(len(rare) - 1, 'more class', 'more classes')})" if len(rare) > 1 else ""
        found = f"{name!r}{others} is in {least} of {counted(count, 'group')}{joined_note} ({where})"
        advice = "ask for fewer folds, or leave such classes out with min_class"
        msg = f"{place}: {found}, fewer than {folds} folds; {advice}"
        raise FathomError(msg)


def _near(near: Sequence[Pair], ids: Sequence[str], given: Sequence[str]) -> list[dict[str, object] | None]:
    """Of each text the first of another group that it is like."""
    found: list[dict[str, object] | None] = [None] * len(ids)
    for pair in near:
        for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
            if found[one] is None:
                found[one] = {"group": given[one], "id": ids[other], "share": pair.share}
    return found


def _say(name: str, label: Label, values: Sequence[str | float | None], place: str) -> None:
    present = pd.Series([value for value in values if value is not None], dtype=object)
    how = "inferred" if label.inferred else "declared"
    what = "numbers" if label.kind == "numbers" else f"{present.nunique()} classes"
    texts = counted(len(present), "text")
    log.info("%s: %s: %s (%s), %s, %s without", place, name, what, how, texts, len(values) - len(present))
