"""Scores of downstream tasks over relative depth: the mean of all tasks, and each task; a colour a model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fathom.figures.drawing.models import draw_comparison
from fathom.figures.drawing.text import count
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.tasks.rows import left_out_note, taken_together, task_scores, texts_note
from fathom.io.tables import MEAN_OF_TASKS as MEAN
from fathom.statistics.task_scores import NORMED, complete, forms_of

MEAN_COLUMNS = ["model", "sinks", "layer", "depth", "value", "low", "high", "tasks"]
UNITS = {
    "Classification": "accuracy",
    "Clustering": "v-measure",
    "PairClassification": "average precision",
    "Reranking": "mean average precision",
    "STS": "Spearman correlation",
}


def figure(tables: Tables, job: FigureJob, notes: list[str], *, position: str, ordered: bool) -> Drawn:
    """Curves of every task with and without sink tokens, after their mean."""
    scores = task_scores(tables, position)
    tasks, left_out = complete(scores, forms_of(scores))
    notes = [*notes, texts_note(scores), *left_out_note(left_out), *peak_notes(scores, tasks)]
    curves = [scores.assign(metric=scores["task"], low=np.nan, high=np.nan)]
    units = {str(task): UNITS[own["type"].iloc[0]] for task, own in scores.groupby("task", sort=False)}
    if len(tasks) > 1:
        name = f"{MEAN} ({count(len(tasks), 'task')})"
        mean = taken_together(tables)[MEAN_COLUMNS].assign(metric=name, task=MEAN, texts=np.nan)
        curves.insert(0, mean)
        units[name] = "mean score"
    normed = any(frame["position"].str.startswith(NORMED).any() for table, frame in tables if table.content == "tasks")
    drawn = pd.concat(curves, ignore_index=True).assign(preparation="normed" if normed else "none")
    drawn["texts"] = drawn["texts"].astype("Int64")
    picture = draw_comparison(drawn, title=job.title, units=units, layers=job.layers, notes=notes, ordered=ordered)
    return Drawn(drawn.drop(columns=["metric", "preparation"]), picture, notes)


def peak_notes(scores: pd.DataFrame, tasks: list[str]) -> list[str]:
    """Where the mean of the tasks is highest, against the last layer, of every model and form."""
    if len(tasks) < 2:
        return []
    said = []
    mean = scores[scores["task"].isin(tasks)].groupby(["model", "sinks", "layer"], sort=False)["value"].mean()
    words = {"with": "all tokens", "without": "without sink tokens", "none": "one token"}
    for (model, sinks), own in mean.groupby(["model", "sinks"], sort=False):
        values = own.droplevel(["model", "sinks"]).sort_index()
        layers, reached = values.index.to_numpy(dtype=np.int64), values.to_numpy(dtype=np.float64)
        best = int(reached.argmax())
        said.append(
            f"{model}, {words[str(sinks)]}: best layer {layers[best]} of {layers[-1]} ({reached[best]:.3f}), "
            f"last {reached[-1]:.3f}"
        )
    return [f"Mean of the tasks. {'; '.join(said)}."]
