"""What is taken of several tasks together reads the same tables: scores, and summaries of metrics of their texts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pandas as pd

from fathom.io.summaries import as_summary
from fathom.io.tables import MEAN_OF_TASKS, read_table, write_table
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work
from fathom.statistics.task_scores import ONE_LAYER, metric_curves, task_scores
from fathom.tasks.job import OverTasksJob

JOINED = "; "  # between the names of tasks
OWN_TYPES = {"tasks": "Int64", "names": "string", "metric": "string", "extreme": "string", "form": "string"}
OWN_TYPES |= {"better": "Int64"}
"""Columns besides those of a summary: how many tasks, which, and the metric that chooses or tells, at which end and in
which form; `better`, on how many tasks a choice beats the last layer."""


@dataclass(frozen=True)
class OverTasks:
    """The tables of one job, and how it resamples tasks."""

    job: OverTasksJob
    frames: Sequence[pd.DataFrame]

    @property
    def samples(self) -> int:
        """Bootstrap samples."""
        return self.job.samples

    @property
    def level(self) -> float:
        """Coverage of the intervals."""
        return self.job.level

    @property
    def seed(self) -> int:
        """Of the resampling."""
        return self.job.seed

    def scores(self, vectors: str = ONE_LAYER) -> pd.DataFrame:
        """The main scores, as `task_scores` gives them, by the names of models and tasks."""
        found = [
            (table.model, table.task, frame)
            for table, frame in zip(self.job.tables, self.frames, strict=True)
            if not table.metric
        ]
        return task_scores(found, self.job.position, vectors)

    def curves(self) -> pd.DataFrame:
        """The metrics, as `metric_curves` gives them."""
        return metric_curves(
            (table.model, table.task, table.metric, frame)
            for table, frame in zip(self.job.tables, self.frames, strict=True)
            if table.metric
        )


def write_over_tasks(settings_json: str, files: Sequence[Path], written: Path) -> Work:
    """Write what is taken of several tasks together: one row a curve and layer, choice or correlation."""
    if settings_json == "-":
        settings_json = sys.stdin.read().strip()
    job = OverTasksJob.model_validate_json(settings_json)
    if len(files) != len(job.tables):
        msg = f"tasks of figure {job.figure}: expected {len(job.tables)} tables, found {len(files)}"
        raise FathomError(msg)
    of = OverTasks(job, [read_table(file) for file in files])
    try:
        found = import_module(job.module).over_tasks(of, **job.options)
    except ValueError as error:
        msg = f"tasks of figure {job.figure}: {error}"
        raise FathomError(msg) from error
    own = found.reindex(columns=list(OWN_TYPES)).astype(OWN_TYPES)
    name = found["name"].mask(found["name"] == "", MEAN_OF_TASKS) if "name" in found else MEAN_OF_TASKS
    summary = as_summary(found.assign(stage="tasks", name=name, site="residual", position=job.position))
    written.parent.mkdir(parents=True, exist_ok=True)
    write_table(pd.concat([summary, own], axis="columns"), written)
    return Work(settings_json, read=files, written=[written])
