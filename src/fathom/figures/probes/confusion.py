"""Which classes a probe takes for which, at the layer where the curve of the label peaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from fathom.figures.drawing.style import FAINT, INK, SMALL, fold, house_style, open_figure
from fathom.figures.drawing.text import figure_width, foot_height, set_title, title_height, write_foot
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.probes.forms import FORMS, forms_notes, forms_that_differ
from fathom.figures.probes.rows import ACCURACY, fixed_curves, one_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

COLOURS = "Blues"
MOST_NUMBERED = 12  # classes up to which the cells have numbers and all classes names
NAME_WIDTH = 0.9  # inches of the name of a class
CELL = (0.34, 1.4, 3.0)  # inches of a cell, and of a panel at least and at most
MOST_COLUMNS = 3
ABOVE, BELOW = 0.55, 1.1  # inches above a panel and below it
DARK = 0.6  # share above which a number is written in white
KEY = ["label", "sinks"]


def confusion_at_peak(tables: Tables, *, estimator: str) -> pd.DataFrame:
    """Class by predicted class of every label with classes at its first place and the layer of its peak."""
    curves = one_place(fixed_curves(tables, estimator=estimator))
    own = curves[(curves["control"] == "") & (curves["measure"] == ACCURACY)]
    peaks = forms_that_differ(own[own["peak"].astype(bool)])
    places = ["model", "experiment", "estimator", "selection", "view", "site", "position", *KEY, "layer"]
    parts = [
        frame.assign(model=table.model, experiment=table.corpus_or_experiment)
        for table, frame in tables
        if table.content == "confusion"
    ]
    chosen = pd.concat(parts, ignore_index=True).merge(
        peaks[[*places, "depth", "score"]], on=places, suffixes=("", "_")
    )
    columns = [*places, "depth", "score", "class", "predicted", "texts", "share"]
    return chosen[columns].reset_index(drop=True)


def draw_confusion(cells: pd.DataFrame, *, title: str = "", layers: str = "layer", notes: Sequence[str] = ()) -> Figure:
    """Draw a matrix a label and form: classes from above, what they are told to be from the left, shares of each class.

    Args:
        cells: label, sinks, layer, score, class, predicted, texts, share; one row a pair of classes
        title: of the figure
        layers: what to call the layers
        notes: lines of small text under the panels
    """
    with house_style():
        return _draw(cells, title=title, layers=layers, notes=notes)


def _draw(cells: pd.DataFrame, *, title: str, layers: str, notes: Sequence[str]) -> Figure:
    panels = list(cells.groupby(KEY, sort=False))
    columns = min(max(len(panels), 1), MOST_COLUMNS)
    rows = -(-len(panels) // columns)
    several = cells["sinks"].nunique() > 1
    sides = [np.clip(CELL[0] * rows_of["class"].nunique(), *CELL[1:]) for _, rows_of in panels]
    height = float(max(sides, default=0.0))
    page = max(columns, 1.5)
    top, foot = title_height(title, page), foot_height(notes, page)
    figure = open_figure(figure_width(page), top + rows * (height + ABOVE + BELOW) + 0.6 + foot)
    figure.set_layout_engine("none")
    width, tall = figure.get_size_inches()
    room = width / columns
    norm, colours = Normalize(0, 1), colormaps[COLOURS]
    for at, ((label, sinks), panel) in enumerate(panels):
        row, column = divmod(at, columns)
        side = min(float(sides[at]), room - NAME_WIDTH - 0.35)
        left = column * room + NAME_WIDTH + 0.15
        bottom = tall - top - ABOVE - height - row * (height + ABOVE + BELOW)
        axes = figure.add_axes((left / width, (bottom + height - side) / tall, side / width, side / tall))
        name = f"{label}, {FORMS[str(sinks)]}" if several else str(label)
        first = panel.iloc[0]
        axes.set_title(
            f"{fold(name, side + 0.4, size=8, weight='bold')}\npeak {layers} {first['layer']}", loc="left", fontsize=8
        )
        _draw_cells(axes, panel, colours, norm)
    if panels:
        bar = figure.add_axes((0.2, (foot + 0.42) / tall, 0.6, 0.07 / tall))
        figure.colorbar(ScalarMappable(norm, colours), cax=bar, orientation="horizontal")
        bar.set_xlabel("share of the texts of the class", fontsize=SMALL)
        bar.tick_params(labelsize=SMALL)
    set_title(figure, title, page)
    write_foot(figure, notes, page)
    return figure


def _draw_cells(axes: Axes, panel: pd.DataFrame, colours: Colormap, norm: Normalize) -> None:
    """Draw the shares of one matrix, with the numbers of texts where there is room."""
    classes = list(dict.fromkeys(panel["class"]))
    shares, texts = (
        panel.pivot(index="class", columns="predicted", values=column).loc[classes, classes].to_numpy(dtype=np.float64)
        for column in ("share", "texts")
    )
    axes.imshow(shares, cmap=colours, norm=norm, interpolation="nearest", aspect="auto")
    axes.grid(visible=False)
    step = -(-len(classes) // MOST_NUMBERED)
    ticks = range(0, len(classes), step)
    names = [fold(classes[tick], NAME_WIDTH, size=SMALL).split("\n")[0] for tick in ticks]
    axes.set_xticks(list(ticks), labels=names, rotation=90, fontsize=SMALL)
    axes.set_yticks(list(ticks), labels=names, fontsize=SMALL)
    axes.set_xlabel("told to be", fontsize=SMALL, color=FAINT)
    if len(classes) > MOST_NUMBERED:
        return
    for row, column in np.ndindex(shares.shape):
        number = f"{texts[row, column]:.3g}"
        colour = "white" if shares[row, column] > DARK else INK
        axes.text(column, row, number, ha="center", va="center", fontsize=SMALL, color=colour)


def figure(tables: Tables, job: FigureJob, notes: list[str], *, estimator: str) -> Drawn:
    """A matrix a label with classes, and what is most often taken for what."""
    cells = confusion_at_peak(tables, estimator=estimator)
    curves = one_place(fixed_curves(tables, estimator=estimator))
    said = [*notes, *forms_notes(curves), *_most_confused(cells)]
    if cells.empty:
        said.append("No label has classes, so that there is nothing to be taken for something else.")
    else:
        said.append("Numbers: texts, averaged over repeats. The layer is that of the peak, chosen on the same texts.")
    return Drawn(cells, draw_confusion(cells, title=job.title, layers=job.layers, notes=said), said)


def _most_confused(cells: pd.DataFrame) -> list[str]:
    """Of each label with several classes, which one is most often taken for which other."""
    notes = []
    several = cells["sinks"].nunique() > 1
    for (label, sinks), panel in cells.groupby(KEY, sort=False):
        wrong = panel[panel["class"] != panel["predicted"]]
        most = wrong.iloc[int(wrong["share"].to_numpy().argmax())]
        name = f"{label}, {FORMS[str(sinks)]}" if several else str(label)
        share = 100 * most["share"]
        notes.append(
            f"{name}: most often {most['class']} is taken for {most['predicted']}, {share:.0f} % of its texts."
        )
    return notes
