"""What the panels of all figures share: checked curves, the layer axis, names and notes, and a grid of panels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.ticker import FuncFormatter

from fathom.figures.style import DOT, DOUBLE_COLUMN, FAINT, INK, LARGE, NORMAL, SINGLE_COLUMN, SMALL, fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS = 4
# Inches beside the panels for tick labels and the axis label, and between two panels.
MARGIN = 0.55
GAP = 0.16
# Points above a panel taken by the ticks of the layer axis, and the height of one line of small text.
LAYER_AXIS = 11.0
NOTE_LINE = 1.25 * SMALL


def check_curves(curves: pd.DataFrame, *, columns: Sequence[str], numbers: Sequence[str], key: Sequence[str]) -> None:
    """Refuse curves that cannot be drawn.

    Args:
        curves: one row a point
        columns: the columns that must be there
        numbers: the columns that must not hold an infinite value
        key: the columns that together name one row

    Raises:
        ValueError: if a column is missing, there is no row, a depth is not in 0..1, a number is infinite, or two rows
            have the same key.
    """
    missing = [column for column in columns if column not in curves.columns]
    if missing:
        msg = f"curves: columns are missing: {', '.join(missing)}"
        raise ValueError(msg)
    if curves.empty:
        msg = f"curves: there are no rows; expected one for every {', '.join(key)}"
        raise ValueError(msg)
    for column in numbers:
        if np.isinf(curves[column].to_numpy(dtype=np.float64)).any():
            msg = f"curves: column {column} holds an infinite value"
            raise ValueError(msg)
    if not curves["depth"].between(0, 1).all():
        msg = "curves: column depth holds a value outside 0..1"
        raise ValueError(msg)
    twice = curves[curves.duplicated(list(key))]
    if not twice.empty:
        first = ", ".join(f"{column}={twice.iloc[0][column]}" for column in key)
        msg = f"curves: more than one row for {first}; choose one view, label and so on before drawing"
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


def figure_width(columns: int) -> float:
    """Width in inches of a figure with so many columns of panels."""
    return SINGLE_COLUMN if columns == 1 else DOUBLE_COLUMN


def panel_width(columns: int) -> float:
    """Give about the width in inches of one panel; names and notes are folded to it."""
    return (figure_width(columns) - MARGIN - GAP * columns) / columns


def title_height(title: str, columns: int) -> float:
    """Height in inches of the figure's title."""
    return (_fold_title(title, columns).count("\n") + 1) * 1.3 * LARGE / 72 + 0.1 if title else 0.0


def set_title(figure: Figure, title: str, columns: int) -> None:
    """Write the figure's title, if it has one, at the top left."""
    if title:
        figure.suptitle(_fold_title(title, columns), x=0.01, ha="left")


def _fold_title(title: str, columns: int) -> str:
    return fold(title, figure_width(columns) - 0.2, size=LARGE, weight="bold")


def head_height(names: Sequence[str], notes: Sequence[str], columns: int) -> float:
    """Height in inches of what stands above a row of panels: layer axis, notes and names."""
    width = panel_width(columns)
    name_lines = max(fold(name, width, weight="bold").count("\n") + 1 for name in names)
    return (LAYER_AXIS + note_height(notes, columns) + name_lines * 1.3 * NORMAL + 3) / 72


def note_height(notes: Sequence[str], columns: int) -> float:
    """Height in points of the notes above a row of panels."""
    width = panel_width(columns)
    return NOTE_LINE * max(fold(note, width, size=SMALL).count("\n") + 1 for note in notes)


def set_depth_axis(axes: Axes, *, label: bool) -> None:
    """Give a panel the axis of relative depth; the label and the numbers only where nothing stands below it."""
    axes.set_xlim(-0.025, 1.025)
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


def head_panel(
    axes: Axes, *, name: str, note: str, last: int, columns: int, note_points: float, layers: str | None
) -> None:
    """Write a panel's name, its note and its absolute layers above it.

    Args:
        axes: the panel
        name: bold, folded to the panel's width
        note: small, under the name
        last: the model's last layer
        columns: how many columns of panels the figure has
        note_points: height of the notes of this row of panels, so that its names stand in line
        layers: what to call the layers, written left of the numbers, a word a line; None to leave it out
    """
    width = panel_width(columns)
    top = axes.secondary_xaxis("top")
    ticks = layer_ticks(last, most=max(3, round(width / 0.36)))
    top.set_xticks([tick / max(last, 1) for tick in ticks], labels=[str(tick) for tick in ticks])
    top.tick_params(axis="x", labelcolor=FAINT)
    top.spines["top"].set_visible(False)
    _write_above(axes, fold(note, width, size=SMALL), (0, LAYER_AXIS + 1.5), align="left")
    if layers is not None:
        _write_above(axes, layers.replace(" ", "\n"), (-7, 3.6), align="right")
    # y=1.0 switches off matplotlib's own search for a free place, which would count the ticks twice.
    axes.set_title(fold(name, width, weight="bold"), loc="left", y=1.0, pad=LAYER_AXIS + note_points + 3, color=INK)


def _write_above(axes: Axes, text: str, offset: tuple[float, float], *, align: Literal["left", "right"]) -> None:
    """Write small text at an offset in points from the upper left corner of a panel."""
    axes.annotate(
        text,
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=offset,
        textcoords="offset points",
        ha=align,
        va="bottom",
        fontsize=SMALL,
        color=FAINT,
    )
