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
    forms_of,
    left_out_note,
    metric_curves,
    metric_matrix,
    score_matrix,
    task_scores,
    texts_note,
)
from fathom.statistics.dependence import dependence
from fathom.statistics.layer_choice import complete_tasks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS = 3
OVER_TASKS = "mean of the tasks"


def figure(tables: Tables, job: FigureJob, notes: list[str], *, position: str) -> Drawn:
    """Panels of the means over tasks; each task has its correlations in the numbers."""
    scores, curves = task_scores(tables, position), metric_curves(tables)
    points: list[pd.DataFrame] = []
    left_out: dict[str, None] = {}
    for model in dict.fromkeys(scores["model"]):
        for metric in dict.fromkeys(curves["metric"]):
            for sinks in forms_of(scores):
                form = sinks if sinks in set(curves.loc[curves["metric"] == metric, "sinks"]) else "with"
                score, measured = score_matrix(scores, model, sinks), metric_matrix(curves, model, metric, form)
                whole = [task for task in complete_tasks(score) if task in complete_tasks(measured)]
                left_out |= dict.fromkeys(str(task) for task in score.index if task not in whole)
                if not whole:
                    msg = f"{job.titles[metric]} of {model}: no task has it and a score at every layer"
                    raise ValueError(msg)
                layers = [layer for layer in score.columns if layer in measured.columns]
                own = {"model": model, "metric": metric, "sinks": sinks, "layer": layers}
                pairs = {OVER_TASKS: (measured.loc[whole, layers].mean(), score.loc[whole, layers].mean())}
                by_layer = measured.T, score.T
                pairs |= {task: (by_layer[0].loc[layers, task], by_layer[1].loc[layers, task]) for task in whole}
                for task, (values, reached) in pairs.items():
                    points.append(
                        pd.DataFrame(
                            {**own, "task": task, "value": values.to_numpy(), "score": reached.to_numpy()}
                        ).assign(tasks=len(whole) if task == OVER_TASKS else 1, **_correlations(values, reached))
                    )
    numbers = pd.concat(points, ignore_index=True)
    null = (
        "p: share of the circular shifts of one curve over layers whose correlation is as strong; of n layers it "
        "cannot be below 1 / n. Of single tasks the correlations are in the CSV."
    )
    notes = [*notes, texts_note(scores), *left_out_note(list(left_out)), null]
    return Drawn(numbers, _picture(numbers, job, notes), notes)


def _correlations(values: pd.Series[float], reached: pd.Series[float]) -> dict[str, float]:
    """All correlations; NaN of a curve that is the same at every layer."""
    if min(np.ptp(values.to_numpy()), np.ptp(reached.to_numpy())) == 0 or len(values) < 4:
        return dict.fromkeys(("distance", "distance_corrected", "spearman", "kendall", "p_distance"), np.nan) | {
            "p_spearman": np.nan,
            "p_kendall": np.nan,
            "smallest_p": 1 / len(values),
        }
    return dependence(values.to_numpy(), reached.to_numpy())._asdict()


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
