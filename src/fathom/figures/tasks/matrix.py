"""Heat maps of tasks over layers: how far each layer's score is below the best one of the task; a panel a model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.checks import SINKS
from fathom.figures.drawing.grid import ColourBar, Panel, draw_panels, pages
from fathom.figures.drawing.style import GRID, house_style
from fathom.figures.drawing.text import round_values
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.tasks.rows import task_scores, texts_note
from fathom.statistics.task_scores import score_matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = "viridis"
ROW = 0.17  # inches of a task
MOST_COLUMNS = 2


def figure(tables: Tables, job: FigureJob, notes: list[str], *, position: str) -> Drawn:
    """A panel a model and form, a row a task; a dot stands at the best layer."""
    scores = task_scores(tables, position)
    best = scores.groupby(["task", "model", "sinks"], sort=False)["value"].transform("max")
    numbers = scores.assign(below_best=scores["value"] - best)
    notes = [
        *notes,
        texts_note(scores),
        "Colour: score minus the best score of the task, model and form; a dot at the best layer.",
    ]
    with house_style():
        bottom = float(numbers["below_best"].min())
        colours = colormaps[COLOURS].with_extremes(bad=GRID)
        norm = Normalize(bottom if bottom < 0 else -1.0, 0.0)
        panels = [
            Panel(
                draw=partial(_draw, scores=own, colours=colours, norm=norm),
                unit="",
                name=str(model),
                note=SINKS[str(sinks)],
                last=last_layer(own),
                scale="tasks",
                height=max(0.5, ROW * own["task"].nunique()),
                words={float(-at): str(task) for at, task in enumerate(dict.fromkeys(own["task"]))},
            )
            for (model, sinks), own in numbers.groupby(["model", "sinks"], sort=False)
        ]
        ticks = [value for value in round_values(-norm.vmin) if value <= 0]  # type: ignore[operator]
        bar = ColourBar(colours=ScalarMappable(norm, colours), label="score minus the task's best", values=ticks)
        rows = pages(panels, MOST_COLUMNS)
        picture = draw_panels(rows, title=job.title, layers=job.layers, legend=[], notes=notes, bar=bar)
    return Drawn(numbers, picture, notes)


def _draw(axes: Axes, *, scores: pd.DataFrame, colours: Colormap, norm: Normalize) -> None:
    model, sinks = str(scores["model"].iloc[0]), str(scores["sinks"].iloc[0])
    matrix = score_matrix(scores.assign(value=scores["below_best"]), model, sinks)
    depths = scores.drop_duplicates("layer").set_index("layer")["depth"].reindex(matrix.columns).to_numpy()
    middles = (depths[1:] + depths[:-1]) / 2
    edges = np.concatenate(([depths[0] - 0.02], middles, [depths[-1] + 0.02]))
    heights = np.arange(0.5, -len(matrix), -1.0)[: len(matrix) + 1]
    values = np.ma.masked_invalid(matrix.to_numpy(dtype=np.float64))
    axes.pcolormesh(edges, heights, values, cmap=colours, norm=norm, rasterized=True)
    axes.set_ylim(0.5 - len(matrix), 0.5)
    axes.grid(visible=False)
    best = np.nanargmax(matrix.to_numpy(dtype=np.float64), axis=1)
    axes.plot(depths[best], -np.arange(len(matrix)), linestyle="none", marker="o", markersize=3, color="white")
