"""What the panels of all figures share: checked curves, the layer axis, names and notes, and a grid of panels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from fathom.figures.style import (
    DASHED,
    DOT,
    DOUBLE_COLUMN,
    FAINT,
    INK,
    LARGE,
    NORMAL,
    ONE_AND_A_HALF,
    SINGLE_COLUMN,
    SMALL,
    SOLID,
    fold,
    leave_below,
    legend_below,
    legend_height,
    open_figure,
    text_width,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from matplotlib.typing import LineStyleType

Thing = TypeVar("Thing")

# How figures word the forms of a metric.
SINKS = {"with": "all tokens", "without": "without sink tokens", "none": ""}
PREPARATIONS = {"none": "raw states", "rows": "unit rows", "centred": "centred", "as_published": "as published"}

MOST_COLUMNS = 4
PANEL_HEIGHT = 1.5
# Relative depth left free beside the first and the last layer.
DEPTH_ROOM = 0.025
# Inches under a row of panels for the axis of relative depth and its label.
DEPTH_AXIS = 0.4
# Inches that a bar of colours takes below the panels, and its part of the figure's width.
BAR_HEIGHT = 0.45
BAR_WIDTH = 0.6
# Inches beside the panels for tick labels and the axis label, and between two panels.
MARGIN = 0.55
# Of which the tick labels take about so much.
NUMBERS = 0.3
GAP = 0.16
# Points above a panel taken by the ticks of the layer axis, and the height of one line of small text.
LAYER_AXIS = 11.0
NOTE_LINE = 1.25 * SMALL


def check_curves(
    curves: pd.DataFrame,
    *,
    columns: Sequence[str],
    numbers: Sequence[str],
    key: Sequence[str],
    name: str = "curves",
) -> None:
    """Refuse curves that cannot be drawn.

    Args:
        curves: one row a point
        columns: the columns that must be there
        numbers: the columns that must not hold an infinite value
        key: the columns that together name one row
        name: of the argument, for the message

    Raises:
        ValueError: if a column is missing, there is no row, a depth is not in 0..1, a number is infinite, or two rows
            have the same key. Depths are checked where there is a column of them.
    """
    missing = [column for column in columns if column not in curves.columns]
    if missing:
        msg = f"{name}: columns are missing: {', '.join(missing)}"
        raise ValueError(msg)
    if curves.empty:
        msg = f"{name}: there are no rows; expected one for every {', '.join(key)}"
        raise ValueError(msg)
    for column in numbers:
        if np.isinf(curves[column].to_numpy(dtype=np.float64)).any():
            msg = f"{name}: column {column} holds an infinite value"
            raise ValueError(msg)
    if "depth" in curves.columns and not curves["depth"].between(0, 1).all():
        msg = f"{name}: column depth holds a value outside 0..1"
        raise ValueError(msg)
    twice = curves[curves.duplicated(list(key))]
    if not twice.empty:
        first = ", ".join(f"{column}={twice.iloc[0][column]}" for column in key)
        msg = f"{name}: more than one row for {first}; choose one view, label and so on before drawing"
        raise ValueError(msg)


def check_words(curves: pd.DataFrame, *, name: str = "curves") -> None:
    """Refuse curves whose sinks or preparation has no wording; a column that is not there is not looked at.

    Raises:
        ValueError: naming the column and the word.
    """
    for column, known in (("sinks", SINKS), ("preparation", PREPARATIONS)):
        unknown = sorted(set(curves[column]) - set(known)) if column in curves.columns else []
        if unknown:
            msg = f"{name}: column {column}: expected one of {', '.join(known)}, found {unknown[0]!r}"
            raise ValueError(msg)


def last_layer(curves: pd.DataFrame) -> int:
    """Give the last layer of the model that all rows belong to, from layer = depth * last layer.

    Raises:
        ValueError: if the rows do not agree on it.
    """
    layers = curves["layer"].to_numpy(dtype=np.float64)
    depths = curves["depth"].to_numpy(dtype=np.float64)
    deepest = int(depths.argmax())
    if depths[deepest] == 0:
        return int(layers.max())
    last = round(float(layers[deepest] / depths[deepest]))
    if not np.allclose(layers, depths * last, rtol=0, atol=0.01):
        msg = f"curves: depth is not layer / last layer for model {curves['model'].iloc[0]}"
        raise ValueError(msg)
    return last


def layer_ticks(last: int, most: int) -> list[int]:
    """Choose at most `most` layers to write on an axis, evenly if possible, always with 0 and the last one."""
    if last == 0:
        return [0]
    smallest = math.ceil(last / (most - 1))
    even = [step for step in range(smallest, 2 * smallest + 1) if last % step == 0]
    step = even[0] if even else smallest
    ticks = list(range(0, last, step))
    # A tick right beside the last layer would be written over it.
    if len(ticks) > 1 and last - ticks[-1] < step / 2:
        ticks.pop()
    return [*ticks, last]


def count(number: int, noun: str) -> str:
    """Write a number with its noun: 1 text, 2 texts."""
    return f"{number}\N{NO-BREAK SPACE}{noun}" if number == 1 else f"{number}\N{NO-BREAK SPACE}{noun}s"


def count_range(numbers: pd.Series, noun: str) -> str:
    """Write the smallest and largest of some counts with their noun, or nothing where they are unknown."""
    known = numbers.dropna()
    if known.empty:
        return ""
    low, high = int(known.min()), int(known.max())
    return count(high, noun) if low == high else f"{low}\N{EN DASH}{count(high, noun)}"


def join_note(parts: Sequence[str]) -> str:
    """Join the parts of a panel's note, leaving out the unknown ones."""
    return f" {DOT} ".join(part for part in parts if part)


def plain_number(value: float, _position: int | None = None) -> str:
    """Write a tick's number in full, 1e6 and more with its exponent; no factor stands apart from it on the axis."""
    mantissa, _, exponent = f"{value:.6g}".partition("e")
    text = f"{mantissa}e{int(exponent)}" if exponent else mantissa
    return text.replace("-", "\N{MINUS SIGN}")


def figure_width(columns: float) -> float:
    """Width in inches of a figure with so many columns of panels; 1.5: of one column above long notes."""
    if columns == 1:
        return SINGLE_COLUMN
    return ONE_AND_A_HALF if columns < 2 else DOUBLE_COLUMN


def panel_width(columns: int, *, axes: float = 1) -> float:
    """Give about the width in inches of one panel; names and notes are folded to it.

    Args:
        columns: columns of panels
        axes: in how many of them numbers stand beside the panels; more where wider things do
    """
    return (figure_width(columns) - MARGIN * axes - GAP * columns) / columns


def title_height(title: str, columns: float) -> float:
    """Height in inches of the figure's title."""
    return (_fold_title(title, columns).count("\n") + 1) * 1.3 * LARGE / 72 + 0.1 if title else 0.0


def set_title(figure: Figure, title: str, columns: float) -> None:
    """Write the figure's title, if it has one, at the top left."""
    if title:
        figure.suptitle(_fold_title(title, columns), x=0.01, ha="left")


def _fold_title(title: str, columns: float) -> str:
    return fold(title, figure_width(columns) - 0.2, size=LARGE, weight="bold")


def foot_height(notes: Sequence[str], columns: float) -> float:
    """Height in inches of the lines of small text under all panels."""
    lines = _fold_foot(notes, columns)
    return (lines.count("\n") + 1) * NOTE_LINE / 72 + 0.08 if lines else 0.0


def write_foot(figure: Figure, notes: Sequence[str], columns: float) -> None:
    """Write lines of small text at the bottom of a figure, each note on lines of its own, folded to the width."""
    lines = _fold_foot(notes, columns)
    if lines:
        figure.text(0.01, 0.04 / figure.get_figheight(), lines, va="bottom", fontsize=SMALL, color=INK)


def foot_width(columns: float) -> float:
    """Width in inches of a line of the foot."""
    # Letters on a screen's coarse grid of dots are up to 5 % wider than in print.
    return 0.95 * (figure_width(columns) - 0.1)


def _fold_foot(notes: Sequence[str], columns: float) -> str:
    return "\n".join(fold(note, foot_width(columns), size=SMALL) for note in notes if note)


def head_height(
    names: Sequence[str], notes: Sequence[str], columns: int, *, axes: float = 1, layers: bool = True
) -> float:
    """Height in inches of what stands above a row of panels: layer axis (if there is one), notes and names."""
    width = panel_width(columns, axes=axes)
    name_lines = max(fold(name, width, weight="bold").count("\n") + 1 for name in names)
    layer_axis = LAYER_AXIS if layers else 0.0
    return (layer_axis + note_height(notes, columns, axes=axes) + name_lines * 1.3 * NORMAL + 3) / 72


def note_height(notes: Sequence[str], columns: int, *, axes: float = 1) -> float:
    """Height in points of the notes above a row of panels."""
    if not any(notes):
        return 0.0
    width = panel_width(columns, axes=axes)
    return NOTE_LINE * max(fold(note, width, size=SMALL).count("\n") + 1 for note in notes)


def set_depth_axis(axes: Axes, *, label: bool, room: float = DEPTH_ROOM) -> None:
    """Give a panel the axis of relative depth; the label and the numbers only where nothing stands below it."""
    axes.set_xlim(-room, 1 + room)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "", "0.5", "", "1"])
    axes.tick_params(axis="x", labelbottom=label)
    if label:
        axes.set_xlabel("relative depth")


def set_value_axis(axes: Axes, *, label: str, height: float, numbers: bool) -> None:
    """Give a panel the axis of its values, labelled in the first column only; `height` is the panel's, in inches."""
    axes.yaxis.set_major_formatter(FuncFormatter(plain_number))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda _value, _position: ""))
    axes.tick_params(axis="y", labelleft=numbers)
    if numbers:
        axes.set_ylabel("\n".join(fold(line, height) for line in label.split("\n")))


def set_name_axis(axes: Axes, words: Mapping[float, str], *, shown: bool) -> None:
    """Give a panel names in place of an axis of values, each at its height, written in the first column only."""
    axes.set_yticks(list(words), labels=list(words.values()))
    axes.tick_params(axis="y", length=0, labelleft=shown)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def head_panel(
    axes: Axes,
    *,
    name: str,
    note: str,
    last: int | None,
    columns: int,
    note_points: float,
    layers: str | None,
    numbered: float = 1,
) -> None:
    """Write a panel's name, its note and its absolute layers above it.

    Args:
        axes: the panel
        name: bold, folded to the panel's width
        note: small, under the name
        last: the last layer of the model; None in a panel of several models that differ in it, which has no such axis
        columns: how many columns of panels the figure has
        note_points: height of the notes of this row of panels, so that its names stand in line
        layers: what to call the layers, written left of the numbers, a word a line; None to leave it out
        numbered: in how many columns numbers stand beside the panels
    """
    width = panel_width(columns, axes=numbered)
    above = 0.0 if last is None else LAYER_AXIS
    _write_above(axes, fold(note, width, size=SMALL), (0, above + note_points + 0.5), "left", "top")
    if last is not None:
        _set_layer_axis(axes, last, most=max(3, round(width / 0.36)))
        if layers is not None:
            _write_above(axes, layers.replace(" ", "\n"), (-7, 3.6), "right", "bottom")
    # y=1.0 switches off matplotlib's own search for a free place, which would count the ticks twice.
    axes.set_title(fold(name, width, weight="bold"), loc="left", y=1.0, pad=above + note_points + 3, color=INK)


def _set_layer_axis(axes: Axes, last: int, *, most: int) -> None:
    top = axes.secondary_xaxis("top")
    ticks = layer_ticks(last, most=most)
    top.set_xticks([tick / max(last, 1) for tick in ticks], labels=[str(tick) for tick in ticks])
    top.tick_params(axis="x", labelcolor=FAINT)
    top.spines["top"].set_visible(False)


def _write_above(
    axes: Axes,
    text: str,
    offset: tuple[float, float],
    horizontal: Literal["left", "right"],
    vertical: Literal["top", "bottom"],
) -> None:
    """Write small text at an offset in points from the upper left corner of a panel, that corner of it there."""
    axes.annotate(
        text,
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=offset,
        textcoords="offset points",
        ha=horizontal,
        va=vertical,
        fontsize=SMALL,
        color=FAINT,
    )


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


def round_values(largest: float) -> list[float]:
    """Give a few round values from -largest to largest, zero among them; `largest` is above 0."""
    smallest = 10.0 ** math.floor(math.log10(largest))
    step = next(part * smallest for part in (0.2, 0.5, 1.0, 2.0, 5.0) if largest / (part * smallest) <= 4)
    most = int(largest / step + 1e-9)
    return [round(at * step, 10) for at in range(-most, most + 1)]


def spaced_texts(texts: Sequence[str], places: npt.NDArray[np.float64]) -> list[str]:
    """Blank the texts that have no room side by side; the first and last always have.

    Args:
        texts: small, each to be centred on its place
        places: in inches, from left to right
    """
    widths = [text_width(text, size=SMALL) + 0.08 for text in texts]
    last = len(places) - 1
    shown = [0]
    for at in range(1, last):
        free = all(abs(places[at] - places[other]) >= (widths[at] + widths[other]) / 2 for other in (shown[-1], last))
        if free:
            shown.append(at)
    return [text if at in (*shown, last) else "" for at, text in enumerate(texts)]


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


def panel_note(curves: pd.DataFrame, *, form: str = "") -> str:
    """Describe the curves of a panel: preparation, number of layers, of texts, and of texts that are left out.

    Args:
        curves: columns layer, depth, model and texts (null where unknown); preparation and left_out if they have them
        form: which tokens they are over, where a panel has one form only
    """
    parts = [form.replace(" ", "\N{NO-BREAK SPACE}")]
    if "preparation" in curves.columns:
        parts.insert(0, PREPARATIONS[str(curves["preparation"].iloc[0])])
    parts += [count_range(curves.groupby("model", sort=False)[["layer", "depth", "model"]].apply(last_layer), "layer")]
    parts += [count_range(curves["texts"], "text")]
    if "left_out" in curves.columns and (curves["left_out"].fillna(0) > 0).any():
        parts.append(f"{int(curves['left_out'].max())}\N{NO-BREAK SPACE}left\N{NO-BREAK SPACE}out")
    return join_note(parts)


def has_both_forms(curves: pd.DataFrame) -> bool:
    """Whether there are curves over all tokens and curves without the sink tokens."""
    return {"with", "without"} <= set(curves["sinks"])


def split_forms(curves: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Part the curves over all tokens from those without the sink tokens, under their wording."""
    without = curves["sinks"] == "without"
    return {SINKS["with"]: curves[~without], SINKS["without"]: curves[without]}


def draw_curve(
    axes: Axes,
    rows: pd.DataFrame,
    *,
    label: str,
    colour: str,
    marker: str,
    line: LineStyleType = SOLID,
    filled: bool = True,
    turn: tuple[int, int] = (0, 1),
) -> None:
    """Draw one curve over relative depth with its interval; it has a gap where there is no value.

    Args:
        axes: the panel
        rows: layer, depth, value, low, high; one row a point; without rows there is nothing to draw
        label: of the line; its interval's is "{label}, interval"
        colour: of both
        marker: stands at some points, and at every one that no line reaches
        line: style of the line
        filled: whether markers are
        turn: which of how many curves this is; they take turns, so that markers do not cover each other
    """
    if rows.empty:
        return
    curve = rows.sort_values("layer")
    values = curve["value"].to_numpy(dtype=np.float64)
    alone = _alone(values)
    step = max(1, len(curve) // 5)
    marked = sorted({*range(turn[0] * step // turn[1], len(curve), step), *np.flatnonzero(alone).tolist()})
    axes.fill_between(
        curve["depth"],
        curve["low"],
        curve["high"],
        color=colour,
        alpha=0.16,
        linewidth=0,
        label=f"{label}, interval",
    )
    # A band needs two points.
    axes.vlines(
        curve["depth"][alone], curve["low"][alone], curve["high"][alone], color=colour, alpha=0.5, linewidth=1.1
    )
    axes.plot(
        curve["depth"],
        values,
        color=colour,
        linestyle=line,
        marker=marker,
        markerfacecolor=colour if filled else "white",
        markevery=marked,
        label=label,
    )


def _alone(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tell which values have no neighbour, so that no line reaches them."""
    there = np.concatenate(([False], np.isfinite(values), [False]))
    alone: npt.NDArray[np.bool_] = there[1:-1] & ~there[:-2] & ~there[2:]
    return alone


def draw_with_and_without(
    axes: Axes, rows: pd.DataFrame, *, label: str, colour: str, marker: str, turn: tuple[int, int] = (0, 1)
) -> None:
    """Draw the curves of one thing: all tokens solid with filled markers, without sink tokens dashed with open ones."""
    for sinks, curve in rows.groupby("sinks", sort=False):
        without = sinks == "without"
        draw_curve(
            axes,
            curve,
            label=f"{label}, {sinks}",
            colour=colour,
            marker=marker,
            line=DASHED if without else SOLID,
            filled=not without,
            turn=turn,
        )


def sinks_handles(sinks: Sequence[str]) -> list[Line2D]:
    """Legend of the line styles: which tokens a curve is over."""
    return [
        Line2D([], [], color=INK, linestyle=DASHED if known == "without" else SOLID, label=label)
        for known, label in SINKS.items()
        if known in sinks and label
    ]
