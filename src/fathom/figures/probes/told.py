"""The texts of a label that a probe tells rightly from the lowest layer on, and those from the highest on or never."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from fathom.figures.drawing.style import DOUBLE_COLUMN, FAINT, INK, SMALL, fold, house_style, open_figure, text_width
from fathom.figures.drawing.text import foot_height, set_title, title_height, write_foot
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.probes.forms import FORMS, forms_that_differ
from fathom.figures.probes.rows import PLACE, fixed_curves, one_place
from fathom.io.corpus_table import ORIGINAL
from fathom.statistics.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

SHOWN = 4  # texts of a kind that the picture shows; all are in the numbers
COLUMNS = ["since", "first", "class", "words"]
LEFTS = (0.05, 0.95, 1.6, 2.9)  # inches
LINE = 1.45 * SMALL / 72
HEADS = ("rightly\nfrom layer", "first\nat layer", "class", "text")
UNKNOWN = "\N{EN DASH}"
SINCE = f"From layer: this and all later layers tell the text ({UNKNOWN}: the last layer does not)."
KEY = ["label", "sinks"]


def told_texts(tables: Tables, *, estimator: str) -> pd.DataFrame:
    """Every text of every label with classes at its first place, those that are told from the lowest layer on first.

    Of equally low ones that comes first which more layers tell rightly; those that the last layer does not tell come
    last.
    """
    curves = forms_that_differ(one_place(fixed_curves(tables, estimator=estimator)))
    shown = curves[curves["control"] == ""][["model", "experiment", *PLACE, *KEY]].drop_duplicates()
    corpus = next(frame for table, frame in tables if table.content == "texts")
    words = corpus[corpus["view"] == (shown["view"].iloc[0] if len(shown) else ORIGINAL)].set_index("id")["text"]
    parts = [
        frame[frame["estimator"] == estimator].assign(model=table.model, experiment=table.corpus_or_experiment)
        for table, frame in tables
        if table.content == "told"
    ]
    rows = shown.merge(pd.concat(parts, ignore_index=True), on=list(shown.columns))
    place = {label: at for at, label in enumerate(shown["label"].unique())}
    rows = rows.assign(words=rows["text"].map(words), order=rows["label"].map(place))
    rows = rows.sort_values(
        ["order", "sinks", "since", "right", "text"],
        ascending=[True, True, True, False, True],
        na_position="last",
        kind="stable",
    )
    columns = ["model", "experiment", *PLACE, *KEY, "estimator", "text", "group", "class", "first", "since", "right"]
    return rows[[*columns, "layers", "words"]].reset_index(drop=True)


def draw_told(texts: pd.DataFrame, *, title: str = "", notes: Sequence[str] = ()) -> Figure:
    """Draw a table: of each label and form the texts that are told first, and those that are told last or never.

    Args:
        texts: label, sinks, since, first, class, words; in their order
        title: above the table
        notes: lines of small text under the table
    """
    with house_style():
        return _draw(texts, title=title, notes=notes)


def _draw(texts: pd.DataFrame, *, title: str, notes: Sequence[str]) -> Figure:
    several = texts["sinks"].nunique() > 1
    lines: list[tuple[tuple[str, ...], str, str]] = []
    for (label, sinks), rows in texts.groupby(KEY, sort=False):
        name = f"{label}, {FORMS[str(sinks)]}" if several else str(label)
        lasting = rows[rows["since"].notna()]
        few = min(SHOWN, len(lasting) // 2)
        parts = {
            "told from the lowest layers on": lasting.head(few),
            "told from the highest layers on": lasting.tail(few),
            "not told by the last layer": rows[rows["since"].isna()].tail(SHOWN),
        }
        for which, part in parts.items():
            if part.empty:
                continue
            lines.append(((f"{name}: {which}",), "bold", INK))
            lines += [(_cells(*row), "normal", INK) for row in part[list(COLUMNS)].itertuples(index=False)]
    top, foot = title_height(title, 2), foot_height(notes, 2)
    height = top + LINE * (len(lines) + 2.5) + foot + 0.1
    figure = open_figure(DOUBLE_COLUMN, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, DOUBLE_COLUMN), ylim=(0, height))
    axes.set_axis_off()
    at = height - top - 0.04
    for left, head in zip(LEFTS, HEADS, strict=True):
        axes.text(left, at, head, va="top", fontsize=SMALL, color=FAINT)
    at -= 2.3 * LINE
    for cells, weight, colour in lines:
        for left, cell in zip(LEFTS, cells, strict=False):
            axes.text(left, at, cell, va="top", fontsize=SMALL, color=colour, fontweight=weight)
        at -= LINE
    set_title(figure, title, 2)
    write_foot(figure, notes, 2)
    return figure


def _cells(since: object, first: object, name: str, words: object) -> tuple[str, ...]:
    since_, first_ = (UNKNOWN if pd.isna(layer) else str(layer) for layer in (since, first))  # type: ignore[call-overload]
    text = " ".join(str(words).split()) if isinstance(words, str) else ""
    return since_, first_, _cut(name, LEFTS[3] - LEFTS[2] - 0.1), _cut(text, DOUBLE_COLUMN - LEFTS[3] - 0.05)


def _cut(text: str, width: float) -> str:
    """As much of a text as a line of some inches holds."""
    if text_width(text, size=SMALL) <= width:
        return text
    first = fold(text, width - text_width(" ...", size=SMALL), size=SMALL).split("\n")[0]
    return f"{first} ..."


def figure(tables: Tables, job: FigureJob, notes: list[str], *, estimator: str) -> Drawn:
    """A table of the texts that are told first and last over depth; the numbers hold all of them."""
    texts = told_texts(tables, estimator=estimator)
    said = [
        *notes,
        *_counts(texts),
        f"Told rightly: in more than half of the repeats, by a probe that did not train on the text. {SINCE}",
    ]
    if texts.empty:
        said.append("No label has classes, so that no text is told rightly or wrongly.")
    return Drawn(texts, draw_told(texts, title=job.title, notes=said), said)


def _counts(texts: pd.DataFrame) -> list[str]:
    notes = []
    several = texts["sinks"].nunique() > 1
    for (label, sinks), rows in texts.groupby(KEY, sort=False):
        name = f"{label}, {FORMS[str(sinks)]}" if several else str(label)
        every, never = int((rows["right"] == rows["layers"]).sum()), int((rows["right"] == 0).sum())
        are = "is" if every == 1 else "are"
        of = f"{every} of {counted(len(rows), 'text')}"
        notes.append(f"{name}: {of} {are} told rightly at every layer, {never} at none.")
    return notes
