"""Axes of depth and of values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.ticker import FuncFormatter

from fathom.figures.drawing.style import FAINT, INK, NORMAL, SMALL, fold
from fathom.figures.drawing.text import NOTE_LINE, panel_width, plain_number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


# Relative depth left free beside the first and the last layer.
DEPTH_ROOM = 0.025
# Inches under a row of panels for the axis of relative depth and its label.
DEPTH_AXIS = 0.4
# Of which the tick labels take about so much.
NUMBERS = 0.3
# Points above a panel taken by the ticks of the layer axis, and the height of one line of small text.
LAYER_AXIS = 11.0


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
