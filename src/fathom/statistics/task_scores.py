"""Scores of several tasks and models at every layer, as rows and as matrices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

ONE_LAYER, ALL_LAYERS = "layer", "mean of layers"  # what the vectors of a score are of
NORMED = "normed_"
ALIKE = ("mteb_version", "template")  # what all scores that are compared have in common
OF_TASK = ("revision", "corpus")
LAST, MIDDLE, BEST, ORACLE, RANDOM, POOLED = (
    "last layer",
    "middle layer",
    "best single layer, in hindsight",
    "best layer of each task, in hindsight",
    "a random layer, on average",
    "mean of all layers' vectors",
)
"""Ways to choose a layer that know no metric."""


def task_scores(
    tables: Iterable[tuple[str, str, pd.DataFrame]], position: str, vectors: str = ONE_LAYER
) -> pd.DataFrame:
    """The main score of every task, model, form and layer (or of the mean of layers), averaged over subsets.

    Args:
        tables: model, task, and what the stage of tasks wrote of them.
        position: whose scores.
        vectors: ONE_LAYER or ALL_LAYERS.

    Returns:
        Columns task, type, model, sinks, layer, depth, value, texts, corpus, in the order of the tables.

    Raises:
        ValueError: if scores of different versions of mteb, prompts or data of one task would stand side by side, or if
            a table has no scores of the position.
    """
    frames: list[pd.DataFrame] = []
    for model, task, frame in tables:
        chosen = (frame["position"].str.removeprefix(NORMED) == position) & (frame["vectors"] == vectors)
        own = frame[frame["main"] & chosen]
        if own.empty:
            found = ", ".join(sorted(set(frame["position"].str.removeprefix(NORMED))))
            msg = f"{task} of {model}: no scores of position {position}, only {found}"
            raise ValueError(msg)
        frames.append(own.assign(task=task, model=model))
    rows = pd.concat(frames, ignore_index=True)
    for column in (*ALIKE, "position"):
        _require_one(rows, column, "")
    for name, own in rows.groupby("task", sort=False):
        for column in OF_TASK:
            _require_one(own, column, f" of {name}")
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


def metric_curves(tables: Iterable[tuple[str, str, str, pd.DataFrame]]) -> pd.DataFrame:
    """Metrics of the texts of tasks: model, task, metric, sinks, layer and value, in their first preparation.

    Args:
        tables: model, task, metric, and its summary on the texts of the task.
    """
    frames: list[pd.DataFrame] = []
    for model, task, metric, frame in tables:
        own: pd.DataFrame = frame[(frame["site"] == "residual") & (frame["view"] == frame["view"].iloc[0])]
        own = own[own["preparation"] == own["preparation"].iloc[0]]
        own = own[own["variant"] == own["variant"].iloc[0]]
        frames.append(own[["sinks", "layer", "value"]].assign(model=model, task=task, metric=metric))
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


def complete_tasks(scores: pd.DataFrame) -> list[str]:
    """Tasks with a finite score at every layer; `scores` is (tasks, layers), NaN where one is missing."""
    values = scores.to_numpy(dtype=np.float64)
    return [str(task) for task, whole in zip(scores.index, np.isfinite(values).all(axis=1), strict=True) if whole]


def complete(scores: pd.DataFrame, forms: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tasks that every model has at every layer in every form that it has, and the others."""
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
