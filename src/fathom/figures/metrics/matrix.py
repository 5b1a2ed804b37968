"""Layers against layers: how alike the states of every two layers of a model are, as heat maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patheffects import withStroke

from fathom.figures.drawing.axes import head_height, head_panel, layer_ticks, note_height
from fathom.figures.drawing.checks import SINKS, check_curves, check_words
from fathom.figures.drawing.curve import has_both_forms
from fathom.figures.drawing.grid import BAR_HEIGHT, add_colour_bar, pages
from fathom.figures.drawing.style import GRID, INK, SMALL, house_style, leave_below, open_figure
from fathom.figures.drawing.text import (
    count,
    count_range,
    figure_width,
    foot_height,
    join_note,
    panel_width,
    set_title,
    write_foot,
)
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.metrics.rows import first_preparation, one_view, summaries

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


CELL_COLUMNS = ("model", "corpus", "sinks", "layer", "other_layer", "value", "low", "high", "texts")
CELL_KEY = ("model", "corpus", "sinks", "layer", "other_layer")
# Where a panel holds both forms: the corner of each, in parts of the panel, and how its label is aligned there.
CORNERS = {"with": (0.97, 0.04, "right", "bottom"), "without": (0.03, 0.96, "left", "top")}
MOST_COLUMNS = 3
COLOURS = "viridis"
# Inches of the layers' numbers and their label below a panel.
LAYERS_BELOW = 0.4


def draw_matrices(
    cells: pd.DataFrame,
    *,
    title: str,
    unit: str,
    layers: str = "layer",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw values of pairs of layers as heat maps, one panel a model and corpus, on one scale of colours.

    Where there are both, the lower right half of a panel is over all tokens, the upper left half without the sink
    tokens: a panel is symmetric as far as sinks make no difference. A heat map cannot show intervals; the note above
    each panel gives the width of its widest one. Pairs without a value are grey.

    Args:
        cells: model, corpus, sinks ("with" | "without" | "none"), layer, other_layer, value, low, high, texts (null
            where unknown); one row a pair of layers, and both orders of a pair. With both forms a pair has one value,
            whatever its order
        title: of the figure
        unit: of the values, the label of the bar of colours
        layers: what to call the layers
        notes: lines of small text under the panels

    Raises:
        ValueError: if columns or rows are missing, sinks are unknown, a number is infinite, or two rows are of the
            same pair.
    """
    check_curves(cells, columns=CELL_COLUMNS, numbers=("value", "low", "high"), key=CELL_KEY, name="cells")
    check_words(cells, name="cells")
    with house_style():
        return _draw(cells, title=title, unit=unit, layers=layers, notes=notes)


def _draw(cells: pd.DataFrame, *, title: str, unit: str, layers: str, notes: Sequence[str]) -> Figure:
    rows = _arrange(cells)
    columns = max(len(row) for row in rows)
    side = panel_width(columns, axes=columns)
    texts = [[_note(panel) for panel in row] for row in rows]
    names = [[str(panel["model"].iloc[0]) for panel in row] for row in rows]
    heads = [head_height(names[at], texts[at], columns, axes=columns, layers=False) for at in range(len(rows))]
    figure = open_figure(figure_width(columns), sum(heads) + (side + LAYERS_BELOW) * len(rows) + BAR_HEIGHT)
    grid = figure.add_gridspec(len(rows), columns)
    norm = _colour_scale(cells["value"])
    colours = colormaps[COLOURS].with_extremes(bad=GRID)
    for at_row, row in enumerate(rows):
        for at_column, panel in enumerate(row):
            axes = figure.add_subplot(grid[at_row, at_column])
            _draw_cells(axes, panel, colours, norm, side=side)
            axes.set_xlabel(layers)
            if at_column == 0:
                axes.set_ylabel(layers)
            head_panel(
                axes,
                name=names[at_row][at_column],
                note=texts[at_row][at_column],
                last=None,
                columns=columns,
                note_points=note_height(texts[at_row], columns, axes=columns),
                layers=None,
                numbered=columns,
            )
    add_colour_bar(figure, ScalarMappable(norm, colours), unit)
    set_title(figure, title, columns)
    foot = foot_height(notes, columns)
    _make_square(figure, rows=len(rows), foot=foot)
    write_foot(figure, notes, columns)
    return figure


def _make_square(figure: Figure, *, rows: int, foot: float) -> None:
    """Give a figure the height at which its panels are as high as wide, above a free foot.

    Not by an equal aspect: that shrinks panels after the layout has given them their places, and names then overlap.
    """
    for _ in range(2):
        leave_below(figure, foot)
        figure.draw_without_rendering()
        place = figure.axes[0].get_position()
        surplus = place.height * figure.get_figheight() - place.width * figure.get_figwidth()
        # Rounded, since the layout's solver has another last digit from call to call.
        figure.set_figheight(round(figure.get_figheight() - rows * surplus, 2))
    leave_below(figure, foot)


def _arrange(cells: pd.DataFrame) -> list[list[pd.DataFrame]]:
    """Put the panels in rows: one or more a corpus if there are several models, else the corpora beside each other."""
    models, corpora = list(dict.fromkeys(cells["model"])), list(dict.fromkeys(cells["corpus"]))
    several = models if len(models) > 1 else corpora
    columns = 2 if len(several) in (2, 4) else min(len(several), MOST_COLUMNS)
    pairs = dict(iter(cells.groupby(["model", "corpus"], sort=False)))
    if len(models) == 1:
        wanted = [[(models[0], corpus) for corpus in page] for page in pages(corpora, columns)]
    else:
        wanted = [[(model, corpus) for model in page] for corpus in corpora for page in pages(models, columns)]
    rows = [[pairs[pair] for pair in row if pair in pairs] for row in wanted]
    return [row for row in rows if row]


def _colour_scale(values: pd.Series) -> Normalize:
    known = values.dropna()
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return Normalize(low, high)


def _draw_cells(axes: Axes, panel: pd.DataFrame, colours: Colormap, norm: Normalize, *, side: float) -> None:
    """Draw the cells of one panel, each pair of layers in its place, the first layer at the lower left."""
    layers = _layers(panel)
    image = _image(panel, layers)
    axes.imshow(image, cmap=colours, norm=norm, origin="lower", interpolation="nearest", aspect="auto")
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    ticks = layer_ticks(len(layers) - 1, most=max(3, round(side / 0.36)))
    axes.set_xticks(ticks, labels=[str(layers[tick]) for tick in ticks])
    axes.set_yticks(ticks, labels=[str(layers[tick]) for tick in ticks])
    if has_both_forms(panel):
        axes.axline((0, 0), slope=1, color="white", linewidth=0.6)
        for sinks, (x, y, across, along) in CORNERS.items():
            axes.text(
                x,
                y,
                SINKS[sinks],
                transform=axes.transAxes,
                ha=across,
                va=along,
                fontsize=SMALL,
                color=INK,
                path_effects=[withStroke(linewidth=2.0, foreground="white")],
            )


def _image(panel: pd.DataFrame, layers: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Values of the pairs of layers; with both forms, those without sink tokens above the diagonal."""
    forms = {
        sinks: cells.pivot(index="layer", columns="other_layer", values="value")
        .reindex(index=layers, columns=layers)
        .to_numpy(dtype=np.float64)
        for sinks, cells in panel.groupby("sinks", sort=False)
    }
    if not has_both_forms(panel):
        (image,) = forms.values()
        return image
    # Rows are counted from below.
    return np.where(np.tri(len(layers), k=-1, dtype=np.bool_), forms["without"], forms["with"])


def _note(panel: pd.DataFrame) -> str:
    layers = _layers(panel)
    widths = (panel["high"] - panel["low"]).dropna()
    intervals = f"widest interval {widths.max():.2g}" if len(widths) else "no intervals"
    missing = "grey without value" if np.isnan(_image(panel, layers)).any() else ""
    words = [word.replace(" ", "\N{NO-BREAK SPACE}") for word in (intervals, missing)]
    return join_note(
        [str(panel["corpus"].iloc[0]), count(int(layers[-1]), "layer"), count_range(panel["texts"], "text"), *words]
    )


def _layers(panel: pd.DataFrame) -> npt.NDArray[np.int64]:
    return np.union1d(panel["layer"], panel["other_layer"]).astype(np.int64)


def matrix_cells(tables: Tables) -> pd.DataFrame:
    """One row a model, corpus, choice of tokens and pair of layers, of the first view and preparation."""
    return pd.concat(
        [
            one_view(first_preparation(frame)).assign(
                metric=table.content, model=table.model, corpus=table.corpus_or_experiment
            )
            for table, frame in summaries(tables)
        ],
        ignore_index=True,
    )


def figure(tables: Tables, job: FigureJob, notes: list[str], *, metric: str) -> Drawn:
    """Heat maps of one metric of pairs of layers."""
    cells = matrix_cells(tables)
    picture = draw_matrices(cells, title=job.title, unit=job.axes[metric], layers=job.layers, notes=notes)
    return Drawn(cells, picture, notes)
