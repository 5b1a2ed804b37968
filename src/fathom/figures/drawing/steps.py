"""The axis of training steps: logarithmic, with step 0 at its left end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fathom.figures.drawing.style import SMALL, text_width

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    Floats = npt.NDArray[np.float64]

SPACE = 0.1  # inches between two numbers


def step_places(steps: Sequence[int]) -> Floats:
    """Where steps stand: their binary logarithms, and 0 one doubling left of the first of the others."""
    numbers = np.asarray(steps, dtype=np.float64)
    above = numbers[numbers > 0]
    first = np.log2(above.min()) if above.size else 1.0
    return np.where(numbers > 0, np.log2(np.maximum(numbers, 1.0)), first - 1.0)


def step_edges(places: Floats) -> Floats:
    """Edges of cells around places that rise, half-way between them."""
    if len(places) == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    middle = (places[1:] + places[:-1]) / 2
    return np.concatenate([[2 * places[0] - middle[0]], middle, [2 * places[-1] - middle[-1]]])


def set_step_axis(axes: Axes, steps: Sequence[int], *, width: float, label: bool, name: str = "training step") -> None:
    """Give a panel the axis of steps; numbers that have no room are left out, never the first and the last."""
    places = step_places(steps)
    edges = step_edges(places)
    axes.set_xlim(edges[0], edges[-1])
    inches = (places - edges[0]) / (edges[-1] - edges[0]) * width
    texts = [f"{step:,}" for step in steps]
    sizes = [text_width(text, size=SMALL) for text in texts]
    last = len(texts) - 1
    shown, end = [], -np.inf
    for at in range(last):
        fits_before = inches[at] - sizes[at] / 2 >= end + SPACE
        fits_after = inches[at] + sizes[at] / 2 + SPACE <= inches[last] - sizes[last] / 2
        if fits_before and (fits_after or at == 0):
            shown.append(at)
            end = inches[at] + sizes[at] / 2
    shown.append(last)
    axes.set_xticks(places[shown], labels=[texts[at] for at in shown])
    axes.tick_params(axis="x", labelbottom=label)
    if label:
        axes.set_xlabel(name)
