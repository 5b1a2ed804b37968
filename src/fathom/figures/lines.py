"""Lines of small text under the panels of a figure: what its numbers say, texts that stand behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.transforms import blended_transform_factory

from fathom.figures.panels import NOTE_LINE
from fathom.figures.style import INK, SMALL, fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def fold_notes(notes: Sequence[str], width: float) -> list[str]:
    """Break notes into lines that fit into a figure of `width` inches."""
    return [line for note in notes for line in fold(note, width - 0.15, size=SMALL).split("\n")]


def lines_height(lines: Sequence[str]) -> float:
    """Height in inches of so many lines, and a little where there are none."""
    return max(len(lines) * NOTE_LINE / 72, 0.01)


def write_lines(figure: Figure, axes: Axes, lines: Sequence[str]) -> None:
    """Write lines from the left edge of the figure down, in the place of a panel, which disappears."""
    axes.axis("off")
    place = blended_transform_factory(figure.transFigure, axes.transAxes)
    axes.text(0.01, 1, "\n".join(lines), transform=place, fontsize=SMALL, color=INK, va="top", in_layout=False)
