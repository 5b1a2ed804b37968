"""Ways to choose a layer, set beside one another: what each scores over tasks, and its gain over the last layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fathom.figures.drawing.checks import SINKS
from fathom.figures.drawing.grid import Panel, draw_panels, pages
from fathom.figures.drawing.style import FAINT, INK, PALETTE, SMALL, house_style
from fathom.figures.drawing.text import count
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.tasks.rows import left_out, left_out_note, taken_together, task_scores, texts_note
from fathom.statistics.task_scores import BEST, ORACLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HINDSIGHT = (BEST, ORACLE)
ROW = 0.24  # inches of a choice
MOST_COLUMNS = 2


def figure(tables: Tables, job: FigureJob, notes: list[str], *, position: str, choose: Mapping[str, str]) -> Drawn:  # noqa: ARG001 - the stage of tasks chose
    """A panel a model and form, a row a choice; every fixed layer is in the numbers."""
    found = taken_together(tables)
    chooses = found["metric"].notna() & (found["metric"] != "")
    by_metric = [
        f"{extreme} {job.titles[str(metric)]}, {SINKS[str(form)]}"
        for extreme, metric, form in found.loc[chooses, ["extreme", "metric", "form"]].itertuples(index=False)
    ]
    numbers = pd.DataFrame(
        {
            "choice": found["choice"].astype(object),
            "layer": found["layer"],
            "score": found["value"],
            "gain": found["gap"],
            "low": found["gap_low"],
            "high": found["gap_high"],
            "better": found["better"].astype("int64"),
            "tasks": found["tasks"].astype("int64"),
            "model": found["model"],
            "sinks": found["sinks"].astype(object),
            "chooses": chooses.astype(bool),
        }
    )
    numbers.loc[numbers["chooses"], "choice"] = by_metric
    lacking = left_out(tables, found["names"])
    scores = task_scores(tables, position)
    notes = [*notes, texts_note(scores), *left_out_note(lacking), *_fixed_notes(numbers)]
    return Drawn(numbers, _picture(numbers, job, notes), notes)


def _fixed_notes(numbers: pd.DataFrame) -> list[str]:
    """How many fixed layers do better than what metrics choose."""
    said: dict[str, list[str]] = {}
    for (model, sinks), own in numbers.groupby(["model", "sinks"], sort=False):
        fixed = own[own["choice"].str.fullmatch(r"layer \d+")]
        where = ", ".join(word for word in (str(model), SINKS[str(sinks)]) if word)
        for rule in own[own["chooses"]].to_dict("records"):
            better = int((fixed["score"] > rule["score"]).sum())
            said.setdefault(str(rule["choice"]), []).append(f"{where}: {better} of {len(fixed)}")
    return [f"Fixed layers that score higher than the choice of {rule}: {'; '.join(of)}." for rule, of in said.items()]


def _picture(numbers: pd.DataFrame, job: FigureJob, notes: Sequence[str]) -> Figure:
    shown = numbers[~numbers["choice"].str.fullmatch(r"layer \d+")]
    with house_style():
        panels = [
            Panel(
                draw=partial(_draw, rows=own),
                unit="",
                name=str(model),
                note=f"{SINKS[str(sinks)]} ({count(int(own['tasks'].iloc[0]), 'task')})".strip(),
                scale="choices",
                height=ROW * len(own) + 0.1,
                words={float(-at): str(choice) for at, choice in enumerate(own["choice"])},
                set_across=_set_gain,
                across="gain over the last layer",
            )
            for (model, sinks), own in shown.groupby(["model", "sinks"], sort=False)
        ]
        return draw_panels(pages(panels, MOST_COLUMNS), title=job.title, layers="", legend=[], notes=notes)


def _draw(axes: Axes, *, rows: pd.DataFrame) -> None:
    axes.axvline(0, color=FAINT, linewidth=0.6)
    for at, row in enumerate(rows.to_dict("records")):
        colour = FAINT if row["choice"] in HINDSIGHT else PALETTE[1] if row["chooses"] else PALETTE[0]
        if np.isfinite([row["low"], row["high"]]).all():
            axes.hlines(-at, row["low"], row["high"], color=colour, linewidth=1.2)
        axes.plot([row["gain"]], [-at], marker="o", color=colour, linestyle="none")
        layer = "" if pd.isna(row["layer"]) else f" (layer {int(row['layer'])})"
        axes.annotate(
            f"{row['score']:.3f}{layer}",
            (1, -at),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=SMALL,
            color=INK,
        )
    low, high = float(rows[["low", "gain"]].min().min()), float(rows[["high", "gain"]].max().max())
    room = max(high - low, 1e-3)
    axes.set_xlim(min(low, 0) - 0.05 * room, max(high, 0) + 0.6 * room)
    axes.set_ylim(0.6 - len(rows), 0.6)


def _set_gain(axes: Axes, labelled: bool) -> None:
    axes.tick_params(axis="x", labelbottom=True)
    if labelled:
        axes.set_xlabel("gain over the last layer")
