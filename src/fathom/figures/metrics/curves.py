"""Metrics over layers: curves with intervals from the rows that the metrics stage writes, and their drawing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.lines import Line2D

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.checks import CURVE_VALUES, check_curves, check_words
from fathom.figures.drawing.curve import draw_with_and_without, panel_note, sinks_handles
from fathom.figures.drawing.grid import MOST_COLUMNS, Panel, draw_panels, pages
from fathom.figures.drawing.style import MARKERS, PALETTE, SOLID, house_style
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.metrics.rows import ORIGINAL, RESIDUAL, curves_of_job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


CURVE_KEY = ("model", "corpus", "sinks", "preparation", "layer")


def draw_metric(
    curves: pd.DataFrame,
    *,
    title: str,
    unit: str,
    layers: str = "layer",
    logarithmic: bool = False,
    notes: Sequence[str] = (),
) -> Figure:
    """Draw a metric over the relative depth of models: one panel a model (and preparation, if there are several).

    Colour and marker tell the corpus; a solid line with filled markers is over all tokens, a dashed one with open
    markers without the sink tokens. Bands are the intervals. The absolute layer stands on top. Where the metric has no
    value, the curve has a gap. A text may be left out of some curves only; the note gives the range of their numbers.

    Args:
        curves: model, corpus, sinks ("with" | "without" | "none"), preparation, layer, depth (0..1), value, low, high,
            texts (null where unknown) and, if there, left_out; one row a point
        title: of the figure, such as "Prompt entropy"
        unit: of the values, the label of their axis
        layers: what to call the layers, such as "layer" or the name of another convention
        logarithmic: whether the axis of values is
        notes: lines of small text under the panels

    Raises:
        ValueError: if columns or rows are missing, sinks or preparation are unknown, values do not fit the axis, two
            rows are the same point, or there are more corpora than colours.
    """
    numbers = ("value", "low", "high")
    check_curves(curves, columns=(*CURVE_KEY, *CURVE_VALUES), numbers=numbers, key=CURVE_KEY)
    check_words(curves)
    corpora = list(dict.fromkeys(curves["corpus"]))
    if len(corpora) > len(PALETTE):
        msg = f"curves: column corpus: at most {len(PALETTE)} can be told apart in one figure, found {len(corpora)}"
        raise ValueError(msg)
    if logarithmic and (curves[list(numbers)].min() <= 0).any():
        msg = "curves: a logarithmic axis needs values and intervals above 0"
        raise ValueError(msg)
    with house_style():
        return _draw(curves, corpora, title=title, unit=unit, layers=layers, logarithmic=logarithmic, notes=notes)


def _draw(
    curves: pd.DataFrame,
    corpora: Sequence[str],
    *,
    title: str,
    unit: str,
    layers: str,
    logarithmic: bool,
    notes: Sequence[str],
) -> Figure:
    def draw(axes: Axes, rows: pd.DataFrame) -> None:
        for at, corpus in enumerate(corpora):
            draw_with_and_without(
                axes,
                rows[rows["corpus"] == corpus],
                label=corpus,
                colour=PALETTE[at],
                marker=MARKERS[at],
                turn=(at, len(corpora)),
            )

    def panel(model: str, preparation: str) -> Panel | None:
        rows = curves[(curves["model"] == model) & (curves["preparation"] == preparation)]
        if rows.empty:
            return None
        return Panel(
            draw=partial(draw, rows=rows),
            unit=unit,
            name=model,
            note=panel_note(rows),
            last=last_layer(rows),
            logarithmic=logarithmic,
        )

    rows = [
        [panel(model, preparation) for model in page]
        for preparation in dict.fromkeys(curves["preparation"])
        for page in pages(list(dict.fromkeys(curves["model"])), MOST_COLUMNS)
    ]
    colours = [
        Line2D([], [], color=PALETTE[at], marker=MARKERS[at], linestyle=SOLID, label=corpus)
        for at, corpus in enumerate(corpora)
    ]
    legend = [colours, sinks_handles(list(curves["sinks"].unique()))]
    return draw_panels(rows, title=title, layers=layers, legend=legend, notes=notes)


def metric_curves(tables: Tables, job: FigureJob) -> pd.DataFrame:
    """One row a model (and variant of the metric), corpus (with its view), sinks, preparation and layer."""
    curves = []
    for table, frame in tables:
        rows = frame[frame["site"] == RESIDUAL]
        for variant, part in rows.groupby("variant", sort=False, dropna=False):
            curve = curves_of_job(part, job)
            names = [
                table.corpus_or_experiment if view == ORIGINAL else f"{table.corpus_or_experiment}, {view}"
                for view in curve["view"]
            ]
            model = f"{table.model}, {variant}" if isinstance(variant, str) else table.model
            curves.append(curve.assign(model=model, corpus=names))
    return pd.concat(curves, ignore_index=True)


def chance_notes(tables: Tables) -> list[str]:
    """What the metric would be by chance, where it has such a level: one line, or none."""
    levels = {
        f"{table.corpus_or_experiment} {frame['chance'].dropna().iloc[0]:.3f}"
        for table, frame in tables
        if frame["chance"].notna().any()
    }
    return [f"By chance, for neighbours drawn at random: {', '.join(sorted(levels))}."] if levels else []


def figure(tables: Tables, job: FigureJob, notes: list[str], *, metric: str) -> Drawn:
    """Curves of one metric, and what it would be by chance."""
    notes = [*chance_notes(tables), *notes]
    curves = metric_curves(tables, job)
    picture = draw_metric(curves, title=job.title, unit=job.axes[metric], layers=job.layers, notes=notes)
    return Drawn(curves, picture, notes)
