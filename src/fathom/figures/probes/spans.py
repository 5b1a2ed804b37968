"""Positions over layers: heat maps of what a probe reads from each span of a text, above those of the controls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.grid import ColourBar, Panel, draw_panels, pages
from fathom.figures.drawing.style import FAINT, INK, house_style
from fathom.figures.drawing.text import panel_width, round_values
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.probes.forms import FORMS, forms_notes
from fathom.figures.probes.rows import fixed_curves, main_measure, not_plotted_note, one_label, one_site
from fathom.figures.probes.score_panels import (
    CONTROLS,
    EMBEDDING,
    ESTIMATORS,
    MEASURES,
    SIGNIFICANT,
    check_only,
    check_scores,
    choose_measure,
    missing_controls,
    scores_note,
    split_selections,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


CURVE_KEY = ("model", "experiment", "position", "estimator", "selection", "control", "measure", "layer")
MOST_COLUMNS = 2
# Blue below chance, white at it, red above: two hues that stay apart for the colour-blind.
COLOURS = "RdBu_r"
# Inches of a position's row in the map and in those of the controls, the least of a control's map, which has a name
# beside it, and of what is left free between two maps.
ROW = 0.2
CONTROL_ROW = 0.075
LEAST = 0.15
BETWEEN = 0.07


@dataclass(frozen=True, kw_only=True, slots=True)
class Map:
    """Where the rows of one heat map stand in their panel, in inches from its top."""

    control: str
    positions: Sequence[str]
    top: float
    row: float

    @property
    def bottom(self) -> float:
        """Where the last row ends."""
        return self.top + self.row * len(self.positions)


def draw_spans(
    curves: pd.DataFrame,
    *,
    title: str = "",
    layers: str = "layer",
    measure: str = "balanced_accuracy",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw scores by layer and position as heat maps, a column a model and a row of panels an experiment.

    Colour is score minus chance, the same in the whole figure: white at chance, red above it and blue below. A ring
    marks the peak of a position; a dot marks a layer where the score was tested and is not above chance (family-wise p
    >= 0.05). Under the map of the experiment stand thin ones of its controls, with the positions in the same order; the
    static vectors have one cell each, at layer 0, and the embedding layer is the map's own first column. A mean over
    tokens has a row of each form, with and without sink tokens. A heat map cannot show intervals.

    Args:
        curves: as for `draw_probes`, and position; rows of a control at positions that the experiment has not are left
            out. Positions stand in the order of the rows
        title: of the figure
        layers: what to call the layers
        measure: "balanced_accuracy" | "auc" | "r" | "r2"
        notes: lines of small text under the panels

    Raises:
        ValueError: as `draw_probes`, and if there are several estimators.
    """
    check_scores(curves, key=CURVE_KEY, columns=("position",))
    without = curves["sinks"] == "without"
    named = curves["position"].where(~without, curves["position"] + ", " + FORMS["without"])
    chosen = choose_measure(curves.assign(position=named), measure)
    estimator = check_only(chosen, "estimator")
    main, _ = split_selections(chosen)
    with house_style():
        return _draw(
            main, estimator=ESTIMATORS[estimator], unit=MEASURES[measure], title=title, layers=layers, notes=notes
        )


def _draw(main: pd.DataFrame, *, estimator: str, unit: str, title: str, layers: str, notes: Sequence[str]) -> Figure:
    models, experiments = list(dict.fromkeys(main["model"])), list(dict.fromkeys(main["experiment"]))
    columns = min(len(models), MOST_COLUMNS)
    above = main["score"] - main["chance"]
    largest = float(above.abs().max()) or 1.0
    colours = ScalarMappable(Normalize(-largest, largest), colormaps[COLOURS])
    lasts = {model: last_layer(main[main["model"] == model]) for model in models}
    maps = {experiment: _maps(main[main["experiment"] == experiment]) for experiment in experiments}

    def panel(model: str, experiment: str) -> Panel | None:
        rows = main[(main["model"] == model) & (main["experiment"] == experiment)]
        if rows.empty:
            return None
        of_maps = maps[experiment]
        return Panel(
            draw=partial(_draw_maps, rows=rows, maps=of_maps, colours=colours, last=lasts[model], columns=columns),
            unit=experiment,
            name=str(model) if experiment == experiments[0] else "",
            note=scores_note(main[main["model"] == model], estimator, last=lasts[model])
            if experiment == experiments[0]
            else "",
            last=lasts[model],
            scale=experiment,
            height=of_maps[-1].bottom + BETWEEN,
            words=_words(of_maps),
            room=0.5 / max(lasts[model], 1),
        )

    panels = [
        [panel(model, experiment) for model in page]
        for page in pages(models, MOST_COLUMNS)
        for experiment in experiments
    ]
    peak = Line2D(
        [], [], linestyle="none", marker="o", markersize=4.0, color="white", markeredgecolor=INK, label="peak"
    )
    legend = [[peak]]
    if (main["p_family_wise"] >= SIGNIFICANT).any():
        legend[0].append(
            Line2D([], [], linestyle="none", marker="o", markersize=1.3, color=INK, label="not above chance")
        )
    bar = ColourBar(colours=colours, label=f"{unit} \N{MINUS SIGN} chance", values=round_values(largest))
    return draw_panels(
        panels, title=title, layers=layers, legend=legend, notes=[missing_controls(main), *notes], bar=bar
    )


def _maps(rows: pd.DataFrame) -> list[Map]:
    """Place the maps of an experiment: its own, and those of the controls that some model has."""
    positions = list(dict.fromkeys(rows.loc[rows["control"] == "", "position"]))
    maps = [Map(control="", positions=positions, top=0.0, row=ROW)]
    for control in CONTROLS:
        found = set(rows.loc[rows["control"] == control, "position"])
        shown = [position for position in positions if position in found]
        if shown and control != EMBEDDING:
            row = max(CONTROL_ROW, LEAST / len(shown))
            maps.append(Map(control=control, positions=shown, top=maps[-1].bottom + BETWEEN, row=row))
    return maps


def _words(maps: Sequence[Map]) -> dict[float, str]:
    """Name the rows of the experiment's own map, and each map of a control."""
    own, *controls = maps
    words = {
        own.top + (at + 0.5) * own.row: position.removeprefix("span:") for at, position in enumerate(own.positions)
    }
    return words | {(other.top + other.bottom) / 2: CONTROLS[other.control].label for other in controls}


def _draw_maps(
    axes: Axes, rows: pd.DataFrame, maps: Sequence[Map], colours: ScalarMappable, *, last: int, columns: int
) -> None:
    half = 0.5 / max(last, 1)
    cell = panel_width(columns, axes=columns) * 72 / (last + 1)
    for one in maps:
        for at, position in enumerate(one.positions):
            curve = rows[(rows["control"] == one.control) & (rows["position"] == position)].sort_values("layer")
            top = one.top + at * one.row
            for depth, above in zip(curve["depth"], curve["score"] - curve["chance"], strict=True):
                axes.add_patch(
                    Rectangle(
                        (depth - half, top),
                        2 * half,
                        one.row,
                        facecolor=colours.to_rgba(above),
                        # Edges of its own colour, or the white between cells would show.
                        edgecolor=colours.to_rgba(above),
                        linewidth=0.2,
                        label=f"{position}, {one.control or 'score'}",
                    )
                )
            if not one.control and not curve.empty:
                _draw_marks(axes, curve, position, height=top + one.row / 2, size=cell)
        right = half if one.control == "static" else 1 + half
        axes.add_patch(
            Rectangle(
                (-half, one.top),
                right + half,
                one.bottom - one.top,
                fill=False,
                edgecolor=FAINT,
                linewidth=0.4,
                clip_on=False,
            )
        )
    axes.set_ylim(maps[-1].bottom + BETWEEN, 0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _draw_marks(axes: Axes, curve: pd.DataFrame, position: str, *, height: float, size: float) -> None:
    """Mark the peak of a position, and where it was tested and is not above chance; a cell is `size` points wide."""
    peak = curve["peak"].astype(bool)
    dots = curve[(curve["p_family_wise"] >= SIGNIFICANT) & ~peak]
    axes.plot(
        dots["depth"],
        np.full(len(dots), height),
        linestyle="none",
        marker="o",
        markersize=min(1.3, 0.4 * size),
        color=INK,
        markeredgewidth=0,
        label=f"{position}, not above chance",
    )
    not_above = bool((curve.loc[peak, "p_family_wise"] >= SIGNIFICANT).any())
    axes.plot(
        curve.loc[peak, "depth"],
        [height],
        linestyle="none",
        marker="o",
        markersize=4.0,
        color="white",
        markeredgecolor=INK,
        label=f"{position}, peak",
    )
    if not_above:
        axes.plot(
            curve.loc[peak, "depth"],
            [height],
            linestyle="none",
            marker="o",
            markersize=1.3,
            color=INK,
            label=f"{position}, peak not above chance",
        )


def figure(tables: Tables, job: FigureJob, notes: list[str], *, estimator: str) -> Drawn:
    """Heat maps of scores over layers and positions, at the first site."""
    rows = one_label(one_site(fixed_curves(tables, estimator=estimator)))
    notes = [*notes, *forms_notes(rows)]
    under = [*notes, *not_plotted_note(rows)]
    picture = draw_spans(rows, title=job.title, layers=job.layers, measure=main_measure(rows), notes=under)
    return Drawn(rows, picture, notes)
