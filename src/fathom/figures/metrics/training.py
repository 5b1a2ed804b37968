"""A metric over layers and training: a map of both, and curves of some layers over the steps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from fathom.figures.drawing.axes import layer_ticks
from fathom.figures.drawing.checks import CURVE_VALUES, SINKS, check_curves, check_words
from fathom.figures.drawing.curve import PREPARATIONS, draw_curve, has_both_forms, sinks_handles
from fathom.figures.drawing.grid import ColourBar, Panel, draw_panels
from fathom.figures.drawing.steps import set_step_axis, step_edges, step_places
from fathom.figures.drawing.style import DASHED, GRID, MARKERS, SOLID, house_style, ordered_colours
from fathom.figures.drawing.text import count, count_range, join_note, panel_width
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.metrics.rows import RESIDUAL, curve_rows, first_preparation, one_view, summaries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEY = ("training", "corpus", "sinks", "preparation", "step", "layer")
COLOURS = "viridis"
MOST_LAYERS = 5  # whose curves are drawn: the first, the last, and some between at even distances
HEIGHT = 1.7
TICKS_ON_BAR = 5


def draw_training(
    cells: pd.DataFrame,
    *,
    title: str,
    unit: str,
    layers: str = "layer",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw a metric over layers and steps: a row a training and corpus, its maps on one scale of colours, its curves.

    Where there are both forms, one map is over all tokens and one without the sink tokens. A map shows no intervals;
    the curves beside it do, for a few layers.

    Args:
        cells: training, corpus, sinks ("with" | "without" | "none"), preparation, step, layer, depth, value, low, high,
            texts; one row a point
        title: of the figure
        unit: of the values
        layers: what to call the layers
        notes: lines of small text under the panels

    Raises:
        ValueError: if columns or rows are missing, two rows are the same point, or a training has one step only.
    """
    check_curves(cells, columns=(*KEY, *CURVE_VALUES), numbers=("value", "low", "high"), key=KEY, name="cells")
    check_words(cells, name="cells")
    for training, rows in cells.groupby("training", sort=False):
        if rows["step"].nunique() < 2:
            msg = f"cells: {training} has one step; expected several checkpoints of one training"
            raise ValueError(msg)
    with house_style():
        return _draw(cells, title=title, unit=unit, layers=layers, notes=notes)


def _draw(cells: pd.DataFrame, *, title: str, unit: str, layers: str, notes: Sequence[str]) -> Figure:
    known = cells["value"].dropna()
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    norm = Normalize(low, high) if low < high else Normalize(low - 0.5, high + 0.5)
    columns = max(1 + rows["sinks"].nunique() for _, rows in cells.groupby(["training", "corpus"], sort=False))
    width = panel_width(columns, axes=2)
    grid: list[list[Panel | None]] = []
    all_drawn: dict[int, str] = {}
    for (training, corpus), rows in cells.groupby(["training", "corpus"], sort=False):
        steps = sorted(rows["step"].unique())
        drawn = layer_ticks(int(rows["layer"].max()), most=MOST_LAYERS)
        drawn = [layer for layer in drawn if layer in set(rows["layer"])]
        colours = dict(zip(drawn, ordered_colours(len(drawn)), strict=True))
        all_drawn |= colours
        across = partial(_set_across, steps=steps, width=width)
        place = f"{training}, {corpus}"
        maps = [
            Panel(
                draw=partial(_draw_map, rows=form, steps=steps, norm=norm),
                unit=layers,
                name=str(training),
                note=_note(form, str(corpus), str(sinks)),
                scale=f"layers of {place}",
                height=HEIGHT,
                set_across=across,
                across=place,
            )
            for sinks, form in rows.groupby("sinks", sort=False)
        ]
        curves = Panel(
            draw=partial(_draw_curves, rows=rows, colours=colours),
            unit=unit,
            name="Some layers",
            note=count_range(rows["texts"], "text"),
            scale="values",
            height=HEIGHT,
            set_across=across,
            across=place,
        )
        grid.append([*maps, *[None] * (columns - 1 - len(maps)), curves])
    handles = [
        Line2D([], [], color=colour, marker=MARKERS[at % len(MARKERS)], linestyle=SOLID, label=f"layer {layer}")
        for at, (layer, colour) in enumerate(sorted(all_drawn.items()))
    ]
    bar = ColourBar(
        colours=ScalarMappable(norm, colormaps[COLOURS]),
        label=unit.replace("\n", " "),
        values=[float(f"{value:.3g}") for value in np.linspace(norm.vmin or 0.0, norm.vmax or 1.0, TICKS_ON_BAR)],
    )
    legend = [handles, sinks_handles(list(cells["sinks"].unique()))]
    return draw_panels(grid, title=title, layers=layers, legend=legend, notes=notes, bar=bar)


def _note(form: pd.DataFrame, corpus: str, sinks: str) -> str:
    parts = [PREPARATIONS[str(form["preparation"].iloc[0])], SINKS[sinks], corpus]
    return join_note([*parts, count(form["step"].nunique(), "checkpoint")])


def _set_across(axes: Axes, label: bool, *, steps: Sequence[int], width: float) -> None:
    set_step_axis(axes, steps, width=width, label=label)


def _draw_map(axes: Axes, *, rows: pd.DataFrame, steps: Sequence[int], norm: Normalize) -> None:
    layers = sorted(rows["layer"].unique())
    image = rows.pivot(index="layer", columns="step", values="value").reindex(index=layers, columns=steps)
    edges = step_edges(np.asarray(layers, dtype=np.float64))
    axes.set_facecolor(GRID)
    axes.pcolormesh(
        step_edges(step_places(steps)),
        edges,
        np.ma.masked_invalid(image.to_numpy(dtype=np.float64)),
        cmap=colormaps[COLOURS],
        norm=norm,
        linewidth=0,
        rasterized=True,
    )
    axes.set_ylim(edges[0], edges[-1])
    axes.set_yticks(layer_ticks(int(max(layers)), most=6))
    axes.grid(visible=False)


def _draw_curves(axes: Axes, *, rows: pd.DataFrame, colours: Mapping[int, str]) -> None:
    both = has_both_forms(rows)
    for at, (layer, colour) in enumerate(colours.items()):
        for sinks, form in rows[rows["layer"] == layer].groupby("sinks", sort=False):
            open_ = both and sinks == "without"
            curve = form.sort_values("step").assign(depth=lambda one: step_places(one["step"].tolist()))
            # Its points follow one another by step, as those of a curve over depth do by layer.
            draw_curve(
                axes,
                curve.assign(layer=curve["step"]),
                label=f"layer {layer}, {sinks}",
                colour=colour,
                marker=MARKERS[at % len(MARKERS)],
                line=DASHED if open_ else SOLID,
                filled=not open_,
                turn=(at, len(colours)),
            )


def training_cells(tables: Tables, steps: Mapping[str, tuple[str, int]]) -> pd.DataFrame:
    """One row a training, corpus, choice of tokens, step and layer, of the first view and preparation.

    `steps` says of each model which training it is a checkpoint of, and at which step.
    """
    found = []
    for table, frame in summaries(tables):
        rows = curve_rows(one_view(first_preparation(frame[frame["site"] == RESIDUAL])))
        training, step = steps[table.model]
        found.append(rows.assign(training=training, step=step, corpus=table.corpus_or_experiment))
    return pd.concat(found, ignore_index=True)


def figure(
    tables: Tables, job: FigureJob, notes: list[str], *, metric: str, steps: Mapping[str, tuple[str, int]]
) -> Drawn:
    """A metric over layers and training."""
    cells = training_cells(tables, steps)
    picture = draw_training(cells, title=job.title, unit=job.axes[metric], layers=job.layers, notes=notes)
    return Drawn(cells, picture, notes)
