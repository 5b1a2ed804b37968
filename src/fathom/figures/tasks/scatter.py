"""A metric of the texts of tasks against their scores, a point a layer: how far one tells of the other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fathom.figures.drawing.curve import SINKS
from fathom.figures.drawing.grid import Panel, draw_panels, pages
from fathom.figures.drawing.style import SEQUENTIAL, house_style
from fathom.figures.drawing.text import count
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.tasks.choice import metric_matrix
from fathom.figures.tasks.rows import forms_of, left_out_note, metric_curves, score_matrix, task_scores
from fathom.statistics.dependence import dependence
from fathom.statistics.layer_choice import complete_tasks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLUMNS = 3
OVER_TASKS = "mean of the tasks"


def figure(tables: Tables, job: FigureJob, notes: list[str], *, position: str) -> Drawn:
    """Panels of the means over tasks; each task has its correlations in the numbers."""
    scores, curves = task_scores(tables, position), metric_curves(tables)
    points, left_out = [], {}
    for model in dict.fromkeys(scores["model"]):
        for metric in dict.fromkeys(curves["metric"]):
            for sinks in forms_of(scores):
                form = sinks if sinks in set(curves.loc[curves["metric"] == metric, "sinks"]) else "with"
                score, measured = score_matrix(scores, model, sinks), metric_matrix(curves, model, metric, form)
                whole = [task for task in complete_tasks(score) if task in complete_tasks(measured)]
                left_out |= dict.fromkeys(task for task in score.index if task not in whole)
                if not whole:
                    msg = f"{job.titles[metric]} of {model}: no task has it and a score at every layer"
                    raise ValueError(msg)
                layers = [layer for layer in score.columns if layer in measured.columns]
                own = {"model": model, "metric": metric, "sinks": sinks, "layer": layers}
                pairs = {OVER_TASKS: (measured.loc[whole, layers].mean(), score.loc[whole, layers].mean())}
                pairs |= {task: (measured.loc[task, layers], score.loc[task, layers]) for task in whole}
                for task, (values, reached) in pairs.items():
                    points.append(
                        pd.DataFrame(
                            {**own, "task": task, "value": values.to_numpy(), "score": reached.to_numpy()}
                        ).assign(tasks=len(whole) if task == OVER_TASKS else 1, **_correlations(values, reached))
                    )
    numbers = pd.concat(points, ignore_index=True)
    smallest = numbers["smallest_p"].max()
    null = (
        f"p: share of the circular shifts of one curve over layers whose correlation is as strong; with so many layers "
        f"it cannot be below {smallest:.2g}. Of single tasks the correlations are in the CSV."
    )
    notes = [*notes, *left_out_note(list(left_out)), null]
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


def _picture(numbers: pd.DataFrame, job: FigureJob, notes: list[str]) -> object:
    shown = numbers[numbers["task"] == OVER_TASKS]
    with house_style():
        panels = []
        for (model, metric, sinks), own in shown.groupby(["model", "metric", "sinks"], sort=False):
            found = own.iloc[0]
            note = (
                f"{SINKS[str(sinks)]} dCor {found.distance:.2f} (p {found.p_distance:.2f}; corrected square "
                f"{found.distance_corrected:.2f}), \N{GREEK SMALL LETTER RHO} {found.spearman:.2f} (p "
                f"{found.p_spearman:.2f}), \N{GREEK SMALL LETTER TAU} {found.kendall:.2f}, "
                f"{count(int(found.tasks), 'task')}"
            )
            panels.append(
                Panel(
                    draw=partial(_draw, rows=own),
                    unit="mean score",
                    name=f"{model}: {job.titles[str(metric)]}",
                    note=note.strip(),
                    scale=f"{model} {metric}",
                    set_across=partial(_set_metric, label=job.axes[str(metric)]),
                    across=f"{metric} {len(panels)}",
                )
            )
        notes = [*notes, "Colour: layers from the first (dark) to the last (light), joined in their order."]
        return draw_panels(pages(panels, MOST_COLUMNS), title=job.title, layers="", legend=[], notes=notes)


def _draw(axes: Axes, *, rows: pd.DataFrame) -> None:
    axes.plot(rows["value"], rows["score"], color="#BBBBBB", linewidth=0.5, marker="")
    shades = SEQUENTIAL(np.linspace(0, 1, len(rows)))
    axes.scatter(rows["value"], rows["score"], c=shades, s=9, zorder=3)


def _set_metric(axes: Axes, labelled: bool, *, label: str) -> None:  # noqa: ARG001 - as panels call it
    axes.tick_params(axis="x", labelbottom=True)
    axes.set_xlabel(label)
