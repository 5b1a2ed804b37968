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
from fathom.figures.drawing.style import SOLID, house_style, look, pages_of_colours
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.metrics.rows import ORIGINAL, RESIDUAL, curve_rows, summaries

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

    Colour and marker tell the corpus; more corpora than colours stand in several rows of panels. A solid line with
    filled markers is over all tokens, a dashed one with open markers without the sink tokens. Bands are the intervals.
    The absolute layer stands on top. Where the metric has no value, the curve has a gap. A text may be left out of some
    curves only; the note gives the range of their numbers.

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
            rows are the same point, or there are more corpora than can be told apart.
    """
    numbers = ("value", "low", "high")
    check_curves(curves, columns=(*CURVE_KEY, *CURVE_VALUES), numbers=numbers, key=CURVE_KEY)
    check_words(curves)
    corpora = list(dict.fromkeys(curves["corpus"]))
    groups = pages_of_colours(corpora, "curves: column corpus")
    if logarithmic and (curves[list(numbers)].min() <= 0).any():
        msg = "curves: a logarithmic axis needs values and intervals above 0"
        raise ValueError(msg)
    with house_style():
        return _draw(curves, groups, title=title, unit=unit, layers=layers, logarithmic=logarithmic, notes=notes)


def _draw(
    curves: pd.DataFrame,
    groups: Sequence[Sequence[tuple[int, str]]],
    *,
    title: str,
    unit: str,
    layers: str,
    logarithmic: bool,
    notes: Sequence[str],
) -> Figure:
    def draw(axes: Axes, rows: pd.DataFrame, group: Sequence[tuple[int, str]]) -> None:
        for turn, (at, corpus) in enumerate(group):
            colour, marker = look(at)
            draw_with_and_without(
                axes,
                rows[rows["corpus"] == corpus],
                label=corpus,
                colour=colour,
                marker=marker,
                turn=(turn, len(group)),
            )

    def panel(model: str, preparation: str, group: Sequence[tuple[int, str]]) -> Panel | None:
        members = [corpus for _, corpus in group]
        chosen = (curves["model"] == model) & (curves["preparation"] == preparation) & curves["corpus"].isin(members)
        rows = curves[chosen]
        if rows.empty:
            return None
        return Panel(
            draw=partial(draw, rows=rows, group=group),
            unit=unit,
            name=model,
            note=panel_note(rows),
            last=last_layer(rows),
            logarithmic=logarithmic,
        )

    rows = [
        [panel(model, preparation, group) for model in page]
        for preparation in dict.fromkeys(curves["preparation"])
        for group in groups
        for page in pages(list(dict.fromkeys(curves["model"])), MOST_COLUMNS)
    ]
    colours = [
        Line2D([], [], color=look(at)[0], marker=look(at)[1], linestyle=SOLID, label=corpus)
        for group in groups
        for at, corpus in group
    ]
    legend = [colours, sinks_handles(list(curves["sinks"].unique()))]
    return draw_panels(rows, title=title, layers=layers, legend=legend, notes=notes)


def metric_curves(tables: Tables) -> pd.DataFrame:
    """One row a model (and variant of the metric), corpus (with its view), sinks, preparation and layer."""
    curves = []
    for table, frame in summaries(tables):
        rows = frame[frame["site"] == RESIDUAL]
        for variant, part in rows.groupby("variant", sort=False):
            curve = curve_rows(part)
            names = [
                table.corpus_or_experiment if view == ORIGINAL else f"{table.corpus_or_experiment}, {view}"
                for view in curve["view"]
            ]
            model = f"{table.model}, {variant!s}" if variant else table.model
            ids = {"metric": table.content, "model_id": table.model_id, "corpus_id": table.name}
            curves.append(curve.assign(**ids, variant=str(variant), model=model, corpus=names))
    return pd.concat(curves, ignore_index=True)


def chance_notes(tables: Tables) -> list[str]:
    """What the metric would be by chance, where it has such a level: one line, or none."""
    levels = {
        f"{table.corpus_or_experiment} {frame['chance'].dropna().iloc[0]:.3f}"
        for table, frame in summaries(tables)
        if frame["chance"].notna().any()
    }
    return [f"By chance, for neighbours drawn at random: {', '.join(sorted(levels))}."] if levels else []


def figure(tables: Tables, job: FigureJob, notes: list[str], *, metric: str) -> Drawn:
    """Curves of one metric, and what it would be by chance."""
    notes = [*chance_notes(tables), *notes]
    curves = metric_curves(tables)
    picture = draw_metric(curves, title=job.title, unit=job.axes[metric], layers=job.layers, notes=notes)
    return Drawn(curves, picture, notes)
