"""At which layers tasks are best: a histogram a model and form."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.checks import SINKS
from fathom.figures.drawing.grid import Panel, draw_panels, pages
from fathom.figures.drawing.style import PALETTE, house_style
from fathom.figures.drawing.text import count
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.tasks.rows import left_out_note, task_scores, texts_note
from fathom.statistics.task_scores import complete_tasks, score_matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLUMNS = 4


def figure(tables: Tables, job: FigureJob, notes: list[str], *, position: str) -> Drawn:
    """How many tasks are best at each layer, and of how many it is the last one."""
    scores = task_scores(tables, position)
    rows: list[pd.DataFrame] = []
    left_out: dict[str, None] = {}
    for (model, sinks), own in scores.groupby(["model", "sinks"], sort=False):
        matrix = score_matrix(own, str(model), str(sinks))
        whole = matrix.loc[complete_tasks(matrix)]
        left_out |= dict.fromkeys(str(task) for task in matrix.index if task not in whole.index)
        layers = np.asarray(matrix.columns, dtype=np.int64)
        best = whole.idxmax(axis=1)
        depths = own.drop_duplicates("layer").set_index("layer")["depth"]
        counts = best.value_counts().reindex(layers, fill_value=0)
        rows.append(
            pd.DataFrame(
                {
                    "model": model,
                    "sinks": sinks,
                    "layer": layers,
                    "depth": depths.reindex(layers).to_numpy(),
                    "best": counts.to_numpy(),
                    "tasks": len(whole),
                    "names": ["; ".join(best.index[best == layer]) for layer in layers],
                }
            )
        )
    numbers = pd.concat(rows, ignore_index=True)
    notes = [*notes, texts_note(scores), *left_out_note(list(left_out))]
    with house_style():
        most = int(numbers["best"].max())
        panels = [
            Panel(
                draw=partial(_draw, rows=own, most=most),
                unit="tasks",
                name=str(model),
                note=f"{SINKS[str(sinks)]} {_last(own)}".strip(),
                last=last_layer(own),
                scale="tasks",
            )
            for (model, sinks), own in numbers.groupby(["model", "sinks"], sort=False)
        ]
        picture = draw_panels(pages(panels, MOST_COLUMNS), title=job.title, layers=job.layers, legend=[], notes=notes)
    return Drawn(numbers, picture, notes)


def _last(rows: pd.DataFrame) -> str:
    tasks, last = int(rows["tasks"].iloc[0]), int(rows.sort_values("layer")["best"].iloc[-1])
    return f"({count(tasks, 'task')}; the last layer is best in {last})"


def _draw(axes: Axes, *, rows: pd.DataFrame, most: int) -> None:
    width = 0.9 / max(len(rows), 12)
    axes.bar(rows["depth"], rows["best"], width=width, color=PALETTE[0])
    axes.set_ylim(0, most * 1.1)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
