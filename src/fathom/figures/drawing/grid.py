"""Panels in rows and columns on one figure, with their colour bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from matplotlib.ticker import FuncFormatter

from fathom.figures.drawing.axes import (
    DEPTH_AXIS,
    DEPTH_ROOM,
    NUMBERS,
    head_height,
    head_panel,
    note_height,
    set_depth_axis,
    set_name_axis,
    set_value_axis,
)
from fathom.figures.drawing.style import SMALL, leave_below, legend_below, legend_height, open_figure, text_width
from fathom.figures.drawing.text import (
    MARGIN,
    figure_width,
    foot_height,
    plain_number,
    set_title,
    spaced_texts,
    title_height,
    write_foot,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure


Thing = TypeVar("Thing")
MOST_COLUMNS = 4
PANEL_HEIGHT = 1.5
# Inches that a bar of colours takes below the panels, and its part of the figure's width.
BAR_HEIGHT = 0.45
BAR_WIDTH = 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One panel over relative depth, and what stands around it."""

    draw: Callable[[Axes], None]
    """Draws the curves."""
    unit: str
    """Label of the axis of values."""
    name: str = ""
    """Stands above it; empty for a panel that belongs to the one above."""
    note: str = ""
    last: int | None = None
    """The last layer of the model; None where several models differ in it."""
    scale: str = ""
    """Panels of one name have one axis of values."""
    logarithmic: bool = False
    height: float = PANEL_HEIGHT
    """Inches; panels of a row are of one height."""
    words: Mapping[float, str] | None = None
    """Names and their heights, in a panel that has no axis of values."""
    room: float = DEPTH_ROOM
    """Relative depth beside the first and the last layer."""
    set_across: Callable[[Axes, bool], None] | None = None
    """Sets the horizontal axis of a panel that is not over relative depth, given whether it has numbers and a label."""
    across: str = "relative depth"
    """Names the horizontal axis; of panels of one name below one another, the lowest has its numbers and label."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ColourBar:
    """The bar that tells which value a colour stands for."""

    colours: ScalarMappable
    label: str
    values: Sequence[float]
    """The values that occur, from small to large; each has a tick, and those that have room a number."""


def draw_panels(
    rows: Sequence[Sequence[Panel | None]],
    *,
    title: str,
    layers: str,
    legend: Sequence[Sequence[Artist]],
    notes: Sequence[str],
    bar: ColourBar | None = None,
    wide: bool = False,
) -> Figure:
    """Draw panels over relative depth in rows, with a title above them, a legend and lines of small text below.

    To be called inside `house_style`.

    Args:
        rows: from top to bottom; None leaves a place empty, a row of nothing else is left out
        title: of the figure
        layers: what to call the layers
        legend: the handles, group by group
        notes: lines of text under the legend
        bar: of colours, between the panels and the legend
        wide: whether a figure of one column of panels is wide enough for a legend and notes that are long
    """
    rows = [row for row in rows if any(row)]
    columns = max(len(row) for row in rows)
    numbered = _numbered(rows)
    page = 1.5 if wide and columns == 1 else columns
    width = figure_width(page)
    heads = [_row_head(row, columns, numbered) for row in rows]
    heights = [next(panel.height for panel in row if panel) for row in rows]
    labelled = [_needs_depth_axis(rows, at) for at in range(len(rows))]
    figure = open_figure(
        width,
        title_height(title, page)
        + sum(heads)
        + sum(heights)
        + DEPTH_AXIS * sum(labelled)
        + (BAR_HEIGHT if bar else 0.0)
        + legend_height(legend, width)
        + foot_height(notes, page),
    )
    grid = figure.add_gridspec(len(rows), columns, height_ratios=heights)
    scales: dict[str, Axes] = {}
    for at_row, row in enumerate(rows):
        for at_column, panel in enumerate(row):
            if panel is None:
                continue
            axes = figure.add_subplot(grid[at_row, at_column], sharey=scales.get(panel.scale))
            if panel.scale not in scales:
                scales[panel.scale] = axes
                # Before the formatters are set: a new scale brings its own.
                axes.set_yscale("log" if panel.logarithmic else "linear")
            panel.draw(axes)
            if panel.set_across is None:
                set_depth_axis(axes, label=labelled[at_row], room=panel.room)
            else:
                panel.set_across(axes, labelled[at_row])
            numbers = _has_numbers(row, at_column)
            set_value_axis(axes, label=panel.unit, height=panel.height, numbers=numbers)
            if panel.words is not None:
                set_name_axis(axes, panel.words, shown=numbers)
            if panel.name:
                head_panel(
                    axes,
                    name=panel.name,
                    note=panel.note,
                    last=panel.last,
                    columns=columns,
                    note_points=note_height(_row_notes(row), columns, axes=numbered),
                    layers=layers if at_column == 0 else None,
                    numbered=numbered,
                )
    if bar:
        _draw_bar(figure, bar)
    set_title(figure, title, page)
    write_foot(figure, notes, page)
    foot = foot_height(notes, page)
    if any(legend):
        legend_below(figure, legend, foot=foot)
    else:
        leave_below(figure, foot)
    return figure


def add_colour_bar(figure: Figure, colours: ScalarMappable, label: str) -> Colorbar:
    """Put a bar of colours below all panels of a figure; it takes BAR_HEIGHT."""
    bar = figure.colorbar(
        colours,
        ax=figure.axes,
        location="bottom",
        label=label,
        format=FuncFormatter(plain_number),
        fraction=0.05,
        shrink=BAR_WIDTH,
        aspect=BAR_WIDTH * figure.get_figwidth() / 0.07,
        pad=0.06 / figure.get_figheight(),
    )
    bar.outline.set_visible(False)
    return bar


def _draw_bar(figure: Figure, bar: ColourBar) -> None:
    drawn = add_colour_bar(figure, bar.colours, bar.label)
    places = np.asarray(bar.colours.norm(np.array(bar.values))) * BAR_WIDTH * figure.get_figwidth()
    texts = spaced_texts([plain_number(value) for value in bar.values], places)
    drawn.set_ticks(list(bar.values), labels=texts)
    drawn.minorticks_off()


def _numbered(rows: Sequence[Sequence[Panel | None]]) -> float:
    """Give in how many columns numbers stand beside the panels; words count as more where they are wider."""
    widest: dict[int, float] = {}
    for row in rows:
        for at, panel in enumerate(row):
            if panel is None or not _has_numbers(row, at):
                continue
            lines = [line for word in (panel.words or {}).values() for line in word.split("\n")]
            words = max((text_width(line, size=SMALL) for line in lines), default=0.0)
            widest[at] = max(widest.get(at, 0.0), words)
    return sum(1 + max(0.0, width - NUMBERS) / MARGIN for width in widest.values())


def _has_numbers(row: Sequence[Panel | None], at: int) -> bool:
    """Whether the numbers of the axis of values stand beside a panel: not where the panel to its left has them."""
    panel, left = row[at], row[at - 1] if at else None
    return panel is not None and (left is None or left.scale != panel.scale)


def _needs_depth_axis(rows: Sequence[Sequence[Panel | None]], at: int) -> bool:
    """Whether a row has its horizontal axes written below it: one with a panel that has no such axis below it."""
    below = [*(rows[at + 1] if at + 1 < len(rows) else ()), *([None] * len(rows[at]))]
    pairs = [(panel, other) for panel, other in zip(rows[at], below, strict=False) if panel is not None]
    return any(other is None or other.across != panel.across for panel, other in pairs)


def _row_head(row: Sequence[Panel | None], columns: int, numbered: float) -> float:
    headed = [panel for panel in row if panel and panel.name]
    if not headed:
        return 0.0
    layers = any(panel.last is not None for panel in headed)
    names = [panel.name for panel in headed]
    return head_height(names, _row_notes(row), columns, axes=numbered, layers=layers)


def _row_notes(row: Sequence[Panel | None]) -> list[str]:
    return [panel.note for panel in row if panel]


def pages(things: Sequence[Thing], columns: int) -> list[Sequence[Thing]]:
    """Cut models, or other things, into rows of at most `columns`."""
    return [things[at : at + columns] for at in range(0, len(things), columns)]
