"""From the tables of scores to the rows that figures of tasks draw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from fathom.figures.job import Tables
from fathom.statistics import task_scores as joined

OVER_TASKS = "over_tasks"
LAYERS = ".layers"  # ends the content of a summary of a metric
JOINED = "; "  # between the names of the tasks that are taken together


def task_scores(tables: Tables, position: str, vectors: str = joined.ONE_LAYER) -> pd.DataFrame:
    """The main score of every task, model, form and layer (or of the mean of layers), averaged over subsets.

    As `fathom.statistics.task_scores.task_scores` gives them, with models and tasks as the figure names them.
    """
    found = [(table.model, table.corpus_or_experiment, frame) for table, frame in tables if table.content == "tasks"]
    return joined.task_scores(found, position, vectors)


def metric_curves(tables: Tables) -> pd.DataFrame:
    """Metrics of the texts of tasks: model, task, metric, sinks, layer and value, in their first preparation.

    A metric's table is named after its task in `of_task`, since its corpus is that of the task's texts or of views.
    """
    return joined.metric_curves(
        (table.model, table.of_task, table.content.removesuffix(LAYERS), frame)
        for table, frame in tables
        if table.content.endswith(LAYERS)
    )


def taken_together(tables: Tables) -> pd.DataFrame:
    """What the stage of tasks has taken of the figure's tasks together, with models as the figure names them."""
    (found,) = (frame for table, frame in tables if table.content == OVER_TASKS)
    titles = {table.model_id: table.model for table, _ in tables if table.model_id}
    renamed: pd.DataFrame = found.assign(model=found["model"].astype(object).replace(titles))
    return renamed


def titles_of_tasks(tables: Tables) -> dict[str, str]:
    """How the figure names each task."""
    return {table.name: table.corpus_or_experiment for table, _ in tables if table.content == "tasks"}


def left_out(tables: Tables, names: Iterable[str]) -> list[str]:
    """Tasks that are missing from some of what was taken together; `names` of those in it, joined."""
    known = [set(joined_names.split(JOINED)) for joined_names in dict.fromkeys(names)]
    return [title for task, title in titles_of_tasks(tables).items() if not all(task in some for some in known)]


def left_out_note(tasks: Sequence[str]) -> list[str]:
    """Which tasks are in no average."""
    if not tasks:
        return []
    return [f"Left out of every average, since a score of a model or layer is missing: {', '.join(tasks)}."]


def texts_note(scores: pd.DataFrame) -> str:
    """How many different texts each task has."""
    counts = scores.drop_duplicates("task").set_index("task")["texts"]
    return f"Different texts: {', '.join(f'{task} {int(texts):,}' for task, texts in counts.items())}."
