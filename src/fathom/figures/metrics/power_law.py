"""Entropy of power-law spectra (Skean et al. 2025, arXiv 2502.02013, Figure 7): no model, only the definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from fathom.figures.drawing.style import (
    DASHED,
    DOUBLE_COLUMN,
    MARKERS,
    PALETTE,
    SOLID,
    house_style,
    legend_below,
    legend_height,
    open_figure,
)
from fathom.figures.drawing.text import foot_height, plain_number, set_title, title_height, write_foot
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.statistics.power_law import power_law_entropies as power_law_entropies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


COLUMNS = ("beta", "alpha", "dimension", "value", "value_larger_half")
PANEL_HEIGHT = 2.0
WORDS = {"alpha": "α", "beta": "β"}


def draw_power_law(table: pd.DataFrame, *, title: str, notes: Sequence[str] = ()) -> Figure:
    """Draw the entropy of power-law spectra over their decay, over the order of the entropy, and without their tail.

    Left: entropy over beta, a line an alpha. Middle: over alpha, a line a beta. Right: how much of the entropy goes
    with the smaller half of the eigenvalues, over beta, a line an alpha. Where there are more than six alphas or betas,
    six of them are drawn, evenly chosen.

    Args:
        table: beta, alpha, dimension (the same in all rows), value (nats), value_larger_half; every beta with every
            alpha, once
        title: of the figure
        notes: lines of small text under the panels

    Raises:
        ValueError: if columns or rows are missing or a number is not finite.
    """
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        msg = f"table: columns are missing: {', '.join(missing)}"
        raise ValueError(msg)
    if not np.isfinite(table[list(COLUMNS)].to_numpy(dtype=np.float64)).all():
        msg = "table: holds NaN or infinity"
        raise ValueError(msg)
    pairs = table["beta"].nunique() * table["alpha"].nunique()
    if table.empty or len(table) != pairs or table.duplicated(["beta", "alpha"]).any():
        msg = f"table: {len(table)} rows; expected every beta with every alpha once, {pairs} rows"
        raise ValueError(msg)
    if table["dimension"].nunique() != 1:
        msg = "table: column dimension holds more than one number"
        raise ValueError(msg)
    with house_style():
        return _draw(table, title=title, notes=notes)


def _draw(table: pd.DataFrame, *, title: str, notes: Sequence[str]) -> Figure:
    handles = [_lines("alpha", _chosen(table["alpha"])), _lines("beta", _chosen(table["beta"]))]
    foot = foot_height(notes, 2)
    below = 0.5 + legend_height(handles, DOUBLE_COLUMN) + foot
    figure = open_figure(DOUBLE_COLUMN, title_height(title, 2) + PANEL_HEIGHT + below)
    grid = figure.add_gridspec(1, 3)
    axes = [figure.add_subplot(grid[0, column]) for column in range(3)]
    shares = table.assign(lost=1 - table["value_larger_half"] / table["value"])
    _draw_panel(axes[0], shares, over="beta", value="value", label="entropy S (nats)")
    _draw_panel(axes[1], shares, over="alpha", value="value", label="entropy S (nats)")
    _draw_panel(axes[2], shares, over="beta", value="lost", label="share of S lost\nwithout the smaller half")
    axes[1].set_xscale("log")
    axes[1].xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes[1].xaxis.set_major_formatter(FuncFormatter(plain_number))
    axes[1].xaxis.set_minor_formatter(NullFormatter())
    set_title(figure, title, 2)
    write_foot(figure, notes, 2)
    legend_below(figure, handles, foot=foot)
    return figure


def _draw_panel(axes: Axes, table: pd.DataFrame, *, over: str, value: str, label: str) -> None:
    other = "alpha" if over == "beta" else "beta"
    chosen = _chosen(table[other])
    for at, line in enumerate(_lines(other, chosen)):
        curve = table[table[other] == chosen[at]].sort_values(over)
        step = max(1, len(curve) // 6)
        line.set_data(curve[over], curve[value])
        line.set_markevery((at * step // len(PALETTE), step))
        axes.add_line(line)
    axes.autoscale_view()
    axes.set_xlabel(WORDS[over])
    axes.set_ylabel(label)
    axes.yaxis.set_major_formatter(FuncFormatter(plain_number))
    axes.set_ylim(bottom=0)


def _lines(name: str, numbers: Sequence[float]) -> list[Line2D]:
    """One line a number, without data yet: solid with full markers for alphas, dashed with open ones for betas."""
    solid = name == "alpha"
    return [
        Line2D(
            [],
            [],
            color=PALETTE[at],
            marker=MARKERS[at],
            markerfacecolor=PALETTE[at] if solid else "white",
            linestyle=SOLID if solid else DASHED,
            label=f"{WORDS[name]} = {number:g}",
        )
        for at, number in enumerate(numbers)
    ]


def _chosen(numbers: pd.Series) -> list[float]:
    known = np.unique(numbers.to_numpy(dtype=np.float64))
    most = min(len(known), len(PALETTE))
    return [float(known[at]) for at in np.linspace(0, len(known) - 1, most).round().astype(int)]


def figure(
    tables: Tables,  # noqa: ARG001 - its numbers come from a formula
    job: FigureJob,
    notes: list[str],
    *,
    betas: Sequence[float],
    alphas: Sequence[float],
    dimension: int,
) -> Drawn:
    """Entropies of power-law spectra."""
    entropies = power_law_entropies(betas, alphas, dimension=dimension)
    return Drawn(entropies, draw_power_law(entropies, title=job.title, notes=notes), notes)
