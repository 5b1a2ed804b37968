"""A metric of the texts of tasks against their scores, a point a layer: how far one tells of the other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fathom.figures.drawing.checks import SINKS
from fathom.figures.drawing.grid import Panel, draw_panels, pages
from fathom.figures.drawing.style import SEQUENTIAL, house_style
from fathom.figures.drawing.text import count, join_note
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.tasks.rows import (
    JOINED,
    left_out,
    left_out_note,
    metric_curves,
    taken_together,
    task_scores,
    texts_note,
    titles_of_tasks,
)
from fathom.io.tables import MEAN_OF_TASKS as OVER_TASKS
from fathom.statistics.task_scores import metric_matrix, score_matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS = 3
MEASURES = {
    "distance": "distance correlation",
    "distance_corrected": "squared distance correlation, corrected",
    "spearman": "Spearman correlation",
    "kendall": "Kendall correlation",
}
TESTED = ("distance", "spearman", "kendall")


def figure(tables: Tables, job: FigureJob, notes: list[str], *, position: str) -> Drawn:
    """Panels of the means over tasks; each task has its correlations in the numbers."""
    scores, curves = task_scores(tables, position), metric_curves(tables)
    found = taken_together(tables)
    titles = titles_of_tasks(tables)
    points: list[pd.DataFrame] = []
    for place, rows in found.groupby(["model", "variant", "sinks", "name"], sort=False):
        model, metric, sinks, name = map(str, place)
        whole = [titles[task] for task in str(rows["names"].iloc[0]).split(JOINED)]
        score = score_matrix(scores, model, sinks)
        measured = metric_matrix(curves, model, metric, str(rows["form"].iloc[0]))
        layers = [layer for layer in score.columns if layer in measured.columns]
        of = whole if name == OVER_TASKS else [titles[name]]
        values, reached = measured.loc[of, layers].mean(), score.loc[of, layers].mean()
        found_values, found_p = (dict(zip(rows["measure"], rows[column], strict=True)) for column in ("value", "p"))
        points.append(
            pd.DataFrame(
                {
                    "model": model,
                    "metric": metric,
                    "sinks": sinks,
                    "layer": layers,
                    "task": OVER_TASKS if name == OVER_TASKS else titles[name],
                    "value": values.to_numpy(),
                    "score": reached.to_numpy(),
                    "tasks": int(rows["tasks"].iloc[0]),
                    **{column: found_values[measure] for column, measure in MEASURES.items()},
                    **{f"p_{column}": found_p[MEASURES[column]] for column in TESTED},
                    "smallest_p": 1 / len(layers),
                }
            )
        )
    numbers = pd.concat(points, ignore_index=True)
    null = (
        "p: share of the circular shifts of one curve over layers whose correlation is as strong; of n layers it "
        "cannot be below 1 / n. Of single tasks the correlations are in the CSV."
    )
    lacking = left_out(tables, found["names"])
    notes = [*notes, texts_note(scores), *left_out_note(lacking), null]
    return Drawn(numbers, _picture(numbers, job, notes), notes)


def _picture(numbers: pd.DataFrame, job: FigureJob, notes: list[str]) -> Figure:
    shown = numbers[numbers["task"] == OVER_TASKS]
    with house_style():
        panels: list[Panel] = []
        for (model, metric, sinks), own in shown.groupby(["model", "metric", "sinks"], sort=False):
            found = own.iloc[0]
            measures = [
                SINKS[str(sinks)],
                f"dCor {_two(found.distance)} (p {_two(found.p_distance)})",
                f"corrected square {_two(found.distance_corrected)}",
                f"Spearman {_two(found.spearman)} (p {_two(found.p_spearman)})",
                f"Kendall {_two(found.kendall)}",
                count(int(found.tasks), "task"),
            ]
            note = join_note([one.replace(" ", "\N{NO-BREAK SPACE}") for one in measures])
            panels.append(
                Panel(
                    draw=partial(_draw, rows=own),
                    unit="mean score",
                    name=f"{model}: {job.titles[str(metric)]}",
                    note=note,
                    scale=f"{model} {metric}",
                    set_across=partial(_set_metric, label=job.axes[str(metric)]),
                    across=f"{metric} {len(panels)}",
                )
            )
        notes = [*notes, "Colour: layers from the first (dark) to the last (light), joined in their order."]
        return draw_panels(pages(panels, MOST_COLUMNS), title=job.title, layers="", legend=[], notes=notes)


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _draw(axes: Axes, *, rows: pd.DataFrame) -> None:
    axes.plot(rows["value"], rows["score"], color="#BBBBBB", linewidth=0.5, marker="")
    shades = SEQUENTIAL(np.linspace(0, 1, len(rows)))
    axes.scatter(rows["value"], rows["score"], c=shades, s=9, zorder=3)


def _set_metric(axes: Axes, labelled: bool, *, label: str) -> None:  # noqa: ARG001 - as panels call it
    axes.tick_params(axis="x", labelbottom=True)
    axes.set_xlabel(label)
