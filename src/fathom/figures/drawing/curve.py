"""A curve over depth with its band, with and without sink tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.lines import Line2D

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.checks import FEWEST_TEXTS, PREPARATIONS, SINKS
from fathom.figures.drawing.style import DASHED, INK, SOLID
from fathom.figures.drawing.text import count_range, join_note

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.typing import LineStyleType


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
    if too_few(curves):
        parts.append("too\N{NO-BREAK SPACE}few\N{NO-BREAK SPACE}for\N{NO-BREAK SPACE}an\N{NO-BREAK SPACE}interval")
    if "left_out" in curves.columns and (curves["left_out"].fillna(0) > 0).any():
        parts.append(f"{int(curves['left_out'].max())}\N{NO-BREAK SPACE}left\N{NO-BREAK SPACE}out")
    return join_note(parts)


def too_few(curves: pd.DataFrame) -> bool:
    """Whether the curves are known to be of fewer texts than an interval takes."""
    known = curves["texts"].dropna() if "texts" in curves.columns else None
    return known is not None and not known.empty and int(known.max()) < FEWEST_TEXTS


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

    Of too few texts there is no interval: thin lines join a marker at every layer.

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
    few = too_few(curve)
    low, high = curve[["low", "high"]].to_numpy(dtype=np.float64).T * (np.nan if few else 1.0)
    axes.fill_between(
        curve["depth"],
        low,
        high,
        color=colour,
        alpha=0.16,
        linewidth=0,
        label=f"{label}, interval",
    )
    # A band needs two points.
    axes.vlines(curve["depth"][alone], low[alone], high[alone], color=colour, alpha=0.5, linewidth=1.1)
    axes.plot(
        curve["depth"],
        values,
        color=colour,
        linestyle=line,
        marker=marker,
        markerfacecolor=colour if filled else "white",
        markevery=range(len(curve)) if few else marked,
        linewidth=0.5 if few else None,
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
