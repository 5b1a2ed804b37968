"""Curves of several models over relative depth: one panel a measure, one colour a model."""

from __future__ import annotations

from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.lines import Line2D

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.checks import CURVE_VALUES, check_curves, check_words
from fathom.figures.drawing.curve import draw_with_and_without, has_both_forms, panel_note, sinks_handles, split_forms
from fathom.figures.drawing.grid import Panel, draw_panels, pages
from fathom.figures.drawing.style import MARKERS, SOLID, house_style, look, ordered_colours, pages_of_colours
from fathom.figures.drawing.text import count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


CURVE_KEY = ("metric", "model", "sinks", "preparation", "layer")
MOST_COLUMNS = 3
# More curves than this in one panel cover each other; then each form of a metric has a panel of its own.
MOST_CURVES = 8


def draw_comparison(
    curves: pd.DataFrame,
    *,
    title: str,
    units: Mapping[str, str],
    layers: str = "layer",
    notes: Sequence[str] = (),
    ordered: bool = False,
) -> Figure:
    """Draw metrics of several models over relative depth: one panel a metric, each with its own axis of values.

    Colour and marker tell the model; a solid line with filled markers is over all tokens, a dashed one with open
    markers without the sink tokens. With many models the two forms stand in panels below one another, on one axis.
    Where all models have the same number of layers, the absolute layer stands on top; elsewhere the legend gives the
    number of layers of each.

    Args:
        curves: metric (its title), model, sinks ("with" | "without" | "none"), preparation, layer, depth (0..1), value,
            low, high, texts (null where unknown) and, if there, left_out; one row a point. Panels and models stand in
            the order of the rows
        title: of the figure
        units: the label of the axis of values of each metric
        layers: what to call the layers
        notes: lines of small text under the panels
        ordered: whether the models have an order, such as scales or checkpoints of a training; then their colours go
            from dark to light, and there may be any number of them

    Raises:
        ValueError: if columns or rows are missing, sinks or preparation are unknown, two rows are the same point, a
            metric has no unit, or there are more models without an order than can be told apart.
    """
    check_curves(curves, columns=(*CURVE_KEY, *CURVE_VALUES), numbers=("value", "low", "high"), key=CURVE_KEY)
    check_words(curves)
    models = list(dict.fromkeys(curves["model"]))
    groups = [list(enumerate(models))] if ordered else pages_of_colours(models, "curves: column model")
    without_unit = [metric for metric in dict.fromkeys(curves["metric"]) if metric not in units]
    if without_unit:
        msg = f"units: no label for the axis of {', '.join(without_unit)}"
        raise ValueError(msg)
    scale = ordered_colours(len(models)) if ordered else []
    looks = [(scale[at], MARKERS[at % len(MARKERS)]) if ordered else look(at) for at in range(len(models))]
    with house_style():
        return _draw(curves, groups, looks, title=title, units=units, layers=layers, notes=notes)


def _draw(
    curves: pd.DataFrame,
    groups: Sequence[Sequence[tuple[int, str]]],
    looks: Sequence[tuple[str, str]],
    *,
    title: str,
    units: Mapping[str, str],
    layers: str,
    notes: Sequence[str],
) -> Figure:
    def draw(axes: Axes, rows: pd.DataFrame, group: Sequence[tuple[int, str]]) -> None:
        for turn, (at, model) in enumerate(group):
            colour, marker = looks[at]
            draw_with_and_without(
                axes,
                rows[rows["model"] == model],
                label=model,
                colour=colour,
                marker=marker,
                turn=(turn, len(group)),
            )

    models = [model for group in groups for _, model in group]
    lasts = {model: last_layer(curves[curves["model"] == model]) for model in models}
    last = lasts[models[0]] if len(set(lasts.values())) == 1 else None

    def panel(rows: pd.DataFrame, group: Sequence[tuple[int, str]], form: str = "") -> Panel:
        metric = str(rows["metric"].iloc[0])
        return Panel(
            draw=partial(draw, rows=rows, group=group),
            unit=units[metric],
            name=metric,
            note=panel_note(rows, form=form),
            last=last,
            scale=f"{metric}, {rows['preparation'].iloc[0]}",
        )

    grid: list[list[Panel | None]] = []
    for group in groups:
        of_group = curves[curves["model"].isin([model for _, model in group])]
        of_metrics = [rows for _, rows in of_group.groupby(["metric", "preparation"], sort=False)]
        # Those of two panels first, so that they stand in the same rows.
        of_metrics.sort(key=_is_crowded, reverse=True)
        for page in pages(of_metrics, MOST_COLUMNS):
            forms = [split_forms(rows) if _is_crowded(rows) else {"": rows} for rows in page]
            panels = [[panel(rows, group, form) for form, rows in of_metric.items()] for of_metric in forms]
            grid += [list(row) for row in zip_longest(*panels)]
    handles = [
        Line2D(
            [],
            [],
            color=looks[at][0],
            marker=looks[at][1],
            linestyle=SOLID,
            label=model if last is not None else f"{model} ({count(lasts[model], 'layer')})",
        )
        for at, model in enumerate(models)
    ]
    legend = [handles, sinks_handles(list(curves["sinks"].unique()))]
    return draw_panels(grid, title=title, layers=layers, legend=legend, notes=notes)


def _is_crowded(rows: pd.DataFrame) -> bool:
    """Whether a metric has too many curves for one panel, and two forms to put in two."""
    curves = rows.groupby(["model", "sinks"]).ngroups
    return curves > MOST_CURVES and has_both_forms(rows)
