"""A metric while one quantity of the input is varied: curves in the quantity's colour, one panel a model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, to_hex
from matplotlib.lines import Line2D

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.checks import CURVE_VALUES, check_curves, check_words
from fathom.figures.drawing.curve import draw_with_and_without, has_both_forms, panel_note, sinks_handles, split_forms
from fathom.figures.drawing.grid import MOST_COLUMNS, ColourBar, Panel, draw_panels, pages
from fathom.figures.drawing.style import MARKERS, SEQUENTIAL, house_style
from fathom.figures.drawing.text import plain_number
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.metrics.rows import RESIDUAL, curve_rows, first_preparation, in_own_unit, summaries
from fathom.statistics.quantities import quantities_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


CURVE_KEY = ("model", "quantity", "sinks", "preparation", "layer")
# From this ratio of largest to smallest quantity on, the colours follow its logarithm.
LOGARITHMIC_FROM = 10.0
# More values than this make a panel with both forms unreadable; then each form has panels of its own.
MOST_VALUES = 3


def draw_sweep(
    curves: pd.DataFrame,
    *,
    title: str,
    unit: str,
    quantity: str,
    layers: str = "layer",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw a metric over relative depth while a quantity is varied: one panel a model, one curve a value of it.

    The colour tells the value, from dark (smallest) to light; its bar below the panels has a tick at every value and is
    logarithmic where the values are positive and differ more than tenfold. A solid line is over all tokens, a dashed
    one without the sink tokens; with more than three values they stand in rows of panels, on one axis of values.

    Args:
        curves: model, quantity (float), sinks ("with" | "without" | "none"), preparation, layer, depth (0..1), value,
            low, high, texts (null where unknown) and, if there, left_out; one row a point
        title: of the figure
        unit: of the values, the label of their axis
        quantity: what is varied, the label of the bar of colours
        layers: what to call the layers
        notes: lines of small text under the panels

    Raises:
        ValueError: if columns or rows are missing, sinks or preparation are unknown, a quantity is not finite, or two
            rows are the same point.
    """
    check_curves(
        curves, columns=(*CURVE_KEY, *CURVE_VALUES), numbers=("quantity", "value", "low", "high"), key=CURVE_KEY
    )
    check_words(curves)
    if curves["quantity"].isna().any():
        msg = "curves: column quantity holds NaN"
        raise ValueError(msg)
    with house_style():
        return _draw(curves, title=title, unit=unit, quantity=quantity, layers=layers, notes=notes)


def _draw(curves: pd.DataFrame, *, title: str, unit: str, quantity: str, layers: str, notes: Sequence[str]) -> Figure:
    values = sorted(float(value) for value in curves["quantity"].unique())
    scale = _colour_scale(values)
    colours = [to_hex(colour) for colour in scale.to_rgba(np.array(values))]

    def draw(axes: Axes, rows: pd.DataFrame) -> None:
        for at, value in enumerate(values):
            draw_with_and_without(
                axes,
                rows[rows["quantity"] == value],
                label=plain_number(value),
                colour=colours[at],
                marker=MARKERS[0],
                turn=(at, len(values)),
            )

    def panel(rows: pd.DataFrame, form: str) -> Panel | None:
        if rows.empty:
            return None
        return Panel(
            draw=partial(draw, rows=rows),
            unit=unit,
            name=str(rows["model"].iloc[0]),
            note=panel_note(rows, form=form),
            last=last_layer(rows),
        )

    apart = len(values) > MOST_VALUES and has_both_forms(curves)
    models = list(dict.fromkeys(curves["model"]))
    rows = [
        [panel(form[form["model"] == model], label) for model in page]
        for _, prepared in curves.groupby("preparation", sort=False)
        for page in pages(models, MOST_COLUMNS)
        for label, form in (split_forms(prepared) if apart else {"": prepared}).items()
    ]
    legend = [sinks_handles(list(curves["sinks"].unique()))]
    bar = None
    if len(values) > 1:
        bar = ColourBar(colours=scale, label=quantity, values=values)
    else:
        label = f"{quantity}: {plain_number(values[0])}"
        legend.insert(0, [Line2D([], [], color=colours[0], marker=MARKERS[0], label=label)])
    return draw_panels(rows, title=title, layers=layers, legend=legend, notes=notes, bar=bar)


def _colour_scale(values: Sequence[float]) -> ScalarMappable:
    """Give the colours of sorted values, after their logarithm if they are positive and differ much."""
    low, high = values[0], values[-1]
    if low == high:
        return ScalarMappable(Normalize(low - 0.5, high + 0.5), SEQUENTIAL)
    if low > 0 and high / low > LOGARITHMIC_FROM:
        return ScalarMappable(LogNorm(low, high), SEQUENTIAL)
    return ScalarMappable(Normalize(low, high), SEQUENTIAL)


# Labels of what is varied. No text has a single token, so that a quantity above 1 is no probability.
PROBABILITY, LENGTH = "probability that a token is replaced", "tokens of a text"


def sweep_curves(tables: Tables, *, raw: bool) -> pd.DataFrame:
    """One row a model, quantity (of the view), sinks and layer, in the first preparation."""
    curves = []
    for table, frame in summaries(tables):
        rows = first_preparation(frame[frame["site"] == RESIDUAL])
        curve = curve_rows(in_own_unit(rows) if raw else rows)
        place = {"metric": table.content, "model": table.model, "corpus": table.corpus_or_experiment}
        curves.append(curve.assign(**place, quantity=curve["view"].map(quantities_of(rows))))
    return pd.concat(curves, ignore_index=True)


def figure(tables: Tables, job: FigureJob, notes: list[str], *, metric: str, raw: bool) -> Drawn:
    """Curves of one metric, coloured by what is varied."""
    curves = sweep_curves(tables, raw=raw)
    quantity = PROBABILITY if curves["quantity"].max() <= 1 else LENGTH
    unit = job.axes[metric]
    picture = draw_sweep(curves, title=job.title, unit=unit, quantity=quantity, layers=job.layers, notes=notes)
    return Drawn(curves, picture, notes)
