"""Titles, notes and counts on a figure, folded to its width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fathom.figures.drawing.style import (
    DOT,
    DOUBLE_COLUMN,
    INK,
    LARGE,
    ONE_AND_A_HALF,
    SINGLE_COLUMN,
    SMALL,
    fold,
    text_width,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


# Inches beside the panels for tick labels and the axis label, and between two panels.
MARGIN = 0.55
GAP = 0.16
NOTE_LINE = 1.25 * SMALL


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
