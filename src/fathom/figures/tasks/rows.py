"""From the tables of scores to the rows that figures of tasks draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fathom.figures.job import FigureJob, Tables
from fathom.statistics.layer_choice import bootstrap_over_tasks, complete_tasks

ONE_LAYER, ALL_LAYERS = "layer", "mean of layers"  # what the vectors of a score are of
NORMED = "normed_"
ALIKE = ("mteb_version", "template")  # what all scores of one figure have in common, or cannot be compared
OF_TASK = ("revision", "corpus")
MEAN = "mean of the tasks"
FEWEST_TASKS = 10  # of whose mean an interval is drawn: over fewer, it says how different the tasks are


def task_scores(tables: Tables, position: str, vectors: str = ONE_LAYER) -> pd.DataFrame:
    """The main score of every task, model, form and layer (or of the mean of layers), averaged over subsets.

    Columns task, type, model, sinks, layer, depth, value, texts, corpus, in the order of the tables.

    Raises:
        ValueError: if scores of different versions of mteb, prompts or data of one task would stand in one figure, or
            if a table has no scores of the position.
    """
    frames: list[pd.DataFrame] = []
    for table, frame in tables:
        if table.content != "tasks":
            continue
        chosen = (frame["position"].str.removeprefix(NORMED) == position) & (frame["vectors"] == vectors)
        own = frame[frame["main"] & chosen]
        if own.empty:
            found = ", ".join(sorted(set(frame["position"].str.removeprefix(NORMED))))
            msg = f"{table.corpus_or_experiment} of {table.model}: no scores of position {position}, only {found}"
            raise ValueError(msg)
        frames.append(own.assign(task=table.corpus_or_experiment, model=table.model))
    rows = pd.concat(frames, ignore_index=True)
    for column in (*ALIKE, "position"):
        _require_one(rows, column, "")
    for task, own in rows.groupby("task", sort=False):
        for column in OF_TASK:
            _require_one(own, column, f" of {task}")
    keys = ["task", "type", "model", "sinks", "layer", "depth"]
    scores: pd.DataFrame = rows.groupby(keys, sort=False, as_index=False, dropna=False).agg(
        value=("value", "mean"), texts=("texts", "first"), corpus=("corpus", "first")
    )
    return scores


def _require_one(rows: pd.DataFrame, column: str, of: str) -> None:
    """Scores that differ in something that makes other scores are refused."""
    found = rows.drop_duplicates(column)[["model", "task", column]]
    if len(found) > 1:
        first, second = found.iloc[0], found.iloc[1]
        msg = (
            f"scores{of} of different {column}: {first[column]!r} ({first['model']}, {first['task']}) and "
            f"{second[column]!r} ({second['model']}, {second['task']}); delete the older table and run snakemake again"
        )
        raise ValueError(msg)


LAYERS = ".layers"  # ends the content of a summary of a metric


def metric_curves(tables: Tables) -> pd.DataFrame:
    """Metrics of the texts of tasks: model, task, metric, sinks, layer and value, in their first preparation.

    A metric's table is named after its task in `of_task`, since its corpus is that of the task's texts or of views.
    """
    frames: list[pd.DataFrame] = []
    for table, frame in tables:
        if table.content.endswith(LAYERS):
            own: pd.DataFrame = frame[(frame["site"] == "residual") & (frame["view"] == frame["view"].iloc[0])]
            own = own[own["preparation"] == own["preparation"].iloc[0]]
            own = own[own["variant"] == own["variant"].iloc[0]]
            named = {"model": table.model, "task": table.of_task, "metric": table.content.removesuffix(LAYERS)}
            frames.append(own[["sinks", "layer", "value"]].assign(**named))
    return pd.concat(frames, ignore_index=True)


def score_matrix(scores: pd.DataFrame, model: str, sinks: str) -> pd.DataFrame:
    """Scores of a model in a form, (tasks, layers); NaN where one is missing."""
    own = scores[(scores["model"] == model) & (scores["sinks"] == sinks)]
    matrix: pd.DataFrame = own.pivot_table(index="task", columns="layer", values="value", sort=False, dropna=False)
    ordered: pd.DataFrame = matrix.reindex(columns=sorted(matrix.columns))
    return ordered


def metric_matrix(curves: pd.DataFrame, model: str, metric: str, form: str) -> pd.DataFrame:
    """Values of a metric of the texts of each task, (tasks, layers)."""
    own = curves[(curves["model"] == model) & (curves["metric"] == metric) & (curves["sinks"] == form)]
    return own.pivot_table(index="task", columns="layer", values="value", sort=False, dropna=False)


def complete(scores: pd.DataFrame, forms: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tasks that every model has at every layer in every form that it is drawn in, and the others."""
    tasks = list(dict.fromkeys(scores["task"]))
    kept = set(tasks)
    for model in dict.fromkeys(scores["model"]):
        for sinks in forms:
            matrix = score_matrix(scores, model, sinks).reindex(tasks)
            kept &= set(complete_tasks(matrix))
    return [task for task in tasks if task in kept], [task for task in tasks if task not in kept]


def forms_of(scores: pd.DataFrame) -> list[str]:
    """The forms in which there are scores: with and without sink tokens, or none for a single token."""
    return list(dict.fromkeys(scores["sinks"]))


def left_out_note(left_out: Sequence[str]) -> list[str]:
    """Which tasks are in no average."""
    if not left_out:
        return []
    return [f"Left out of every average, since a score of a model or layer is missing: {', '.join(left_out)}."]


def texts_note(scores: pd.DataFrame) -> str:
    """How many different texts each task has."""
    counts = scores.drop_duplicates("task").set_index("task")["texts"]
    return f"Different texts: {', '.join(f'{task} {int(texts):,}' for task, texts in counts.items())}."


def mean_over_tasks(scores: pd.DataFrame, tasks: Sequence[str], job: FigureJob) -> pd.DataFrame:
    """The mean over complete tasks at every layer, with a bootstrap interval over tasks."""
    means = []
    for (model, sinks), own in scores[scores["task"].isin(list(tasks))].groupby(["model", "sinks"], sort=False):
        matrix = score_matrix(own, str(model), str(sinks))
        few = np.nan if len(matrix) < FEWEST_TASKS else 0.0
        low, high = bootstrap_over_tasks(
            matrix.to_numpy(dtype=np.float64),
            samples=job.uncertainty.bootstrap,
            level=job.uncertainty.level,
            seed=job.uncertainty.seed,
        )
        depths = own.drop_duplicates("layer").set_index("layer")["depth"]
        means.append(
            pd.DataFrame(
                {
                    "model": model,
                    "sinks": sinks,
                    "layer": matrix.columns.to_numpy(),
                    "depth": depths.reindex(matrix.columns).to_numpy(),
                    "value": matrix.mean(axis=0).to_numpy(),
                    "low": low + few,
                    "high": high + few,
                    "tasks": len(matrix),
                }
            )
        )
    return pd.concat(means, ignore_index=True)
