"""Losses of trainings over their steps, with those of unigrams and bigrams."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from fathom.figures.drawing.grid import Panel, draw_panels, pages
from fathom.figures.drawing.steps import set_step_axis, step_places
from fathom.figures.drawing.style import DASHED, FAINT, INK, PALETTE, SMALL, SOLID, house_style
from fathom.figures.drawing.text import join_note, panel_width
from fathom.figures.job import Drawn, FigureJob, Tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
HEIGHT = 1.7
BASELINES = {"uniform": "guessing", "unigram": "unigrams", "bigram": "bigrams"}
SPLITS = {"train": ("trained on", PALETTE[1]), "held-out": ("held out", PALETTE[0])}
CERTAIN = 1.96  # standard errors of a 95 % interval


def draw_losses(losses: pd.DataFrame, *, title: str, unit: str, notes: Sequence[str] = ()) -> Figure:
    """Draw the losses of trainings over their steps, a panel a training.

    Args:
        losses: training, split ("train" | "held-out"), step, tokens, loss, error (of held-out ones), and the losses of
            guessing, unigrams and bigrams: uniform, unigram, bigram
        title: of the figure
        unit: of a loss
        notes: lines of small text under the panels
    """
    with house_style():
        trainings = [rows for _, rows in losses.groupby("training", sort=False)]
        columns = min(COLUMNS, len(trainings))
        width = panel_width(columns, axes=1)
        panels = [
            Panel(
                draw=partial(_draw_panel, rows=rows),
                unit=unit,
                name=str(rows["training"].iloc[0]),
                note=join_note([f"{int(rows['tokens'].max()):,} tokens".replace(" ", "\N{NO-BREAK SPACE}")]),
                scale="losses",
                height=HEIGHT,
                set_across=partial(_set_across, rows=rows, width=width),
                across=str(rows["training"].iloc[0]),
            )
            for rows in trainings
        ]
        handles = [Line2D([], [], color=colour, linestyle=SOLID, label=name) for name, colour in SPLITS.values()]
        return draw_panels(pages(panels, columns), title=title, layers="", legend=[handles], notes=notes)


def _set_across(axes: Axes, label: bool, *, rows: pd.DataFrame, width: float) -> None:
    steps = sorted(rows["step"].unique())
    last = steps[-1]
    doublings = [step for step in steps if step == 0 or step & (step - 1) == 0 or step == last]
    set_step_axis(axes, doublings, width=width, label=label)


def _draw_panel(axes: Axes, *, rows: pd.DataFrame) -> None:
    for split, some in rows.groupby("split", sort=False):
        name, colour = SPLITS[str(split)]
        curve = some.sort_values("step")
        places = step_places([0, 1, *curve["step"]])[2:]
        error = CERTAIN * curve["error"].fillna(0.0)
        axes.fill_between(places, curve["loss"] - error, curve["loss"] + error, color=colour, alpha=0.16, linewidth=0)
        axes.plot(places, curve["loss"], color=colour, label=name)
    for column, name in BASELINES.items():
        height = float(rows[column].iloc[0])
        axes.axhline(height, color=FAINT, linestyle=DASHED, linewidth=0.8)
        axes.text(
            0.01, height, name, transform=axes.get_yaxis_transform(), fontsize=SMALL, color=INK, va="bottom", ha="left"
        )


def verdict(rows: pd.DataFrame) -> str:
    """What the last loss of a training says of it, against unigrams and bigrams of the same tokens."""
    held_out = rows[rows["split"] == "held-out"].sort_values("step").iloc[-1]
    loss, bigram, unigram = (float(held_out[column]) for column in ("loss", "bigram", "unigram"))
    ends = f"{rows['training'].iloc[0]} ends at {loss:.2f} nats a token ({int(held_out['tokens']):,} tokens)"
    if loss < bigram:
        return f"{ends}, {bigram - loss:.2f} below bigrams."
    place = f"{abs(unigram - loss):.2f} {'below' if loss < unigram else 'above'} unigrams"
    return f"{ends}, {loss - bigram:.2f} above bigrams and {place}: it has learned little."


def figure(tables: Tables, job: FigureJob, notes: list[str]) -> Drawn:
    """The losses of trainings."""
    losses = pd.concat(
        [frame.assign(training=table.corpus_or_experiment) for table, frame in tables], ignore_index=True
    )
    if not np.isfinite(losses["loss"]).all():
        msg = "losses: a loss that is no number"
        raise ValueError(msg)
    said = [verdict(rows) for _, rows in losses.groupby("training", sort=False)]
    picture = draw_losses(losses, title=job.title, unit="loss (nats a token)", notes=[*notes, *said])
    return Drawn(losses, picture, [*notes, *said])
