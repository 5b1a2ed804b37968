"""What the rules of the tasks stage ask."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from fathom.tasks.job import AT_A_TIME, HELD, JoinedTable, OverTasksJob, TaskJob, TextsJob
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
from fathom.workflow.figure_tables import files_of
from fathom.workflow.jobs.settings_json import as_json
from fathom.workflow.paths import manifests_of, stores_of, task_corpus
from fathom.workflow.resources import (
    MB,
    SNAKEMAKE,
    CorpusSize,
    Resources,
    StatesSize,
    corpus_size,
    resources_for,
    states_size,
    table_mb,
)
from fathom.workflow.wildcards import Inputs, Wildcards

COMMAND = "fathom.tasks.command"
TEXTS, SCORES, DATA = "fathom.tasks.texts", "fathom.tasks.scores", "fathom.tasks.data"
OVER_TASKS = "fathom.tasks.over_tasks.tables"
LIBRARY = 700  # megabytes of Python with mteb, datasets, polars and torch
COPIES = 3  # of the vectors that mteb asks for, in what compares two arrays of them
TEXTS_A_SECOND = 5000  # whose vectors mteb gathers and compares in one layer, without a long fit


class TaskJobs:
    """Jobs that bring the data of a task, list its texts, and score every layer of a model on it."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def data_settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom tasks --write-data`."""
        return as_json(self._config.tasks[wildcards.task].data_job(wildcards.task))

    def data_code(self, wildcards: Wildcards) -> str:
        """Digest of the code that brings the data of a task; that of other kinds is none of it."""
        return data_code(self._config.tasks[wildcards.task].module)

    def files(self, wildcards: Wildcards) -> list[str]:
        """Files of the user's that a task is made of; none for what is fetched."""
        return list(self._config.tasks[wildcards.task].files)

    def texts_settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom tasks --write-texts`."""
        return as_json(TextsJob(task=wildcards.task, template=self._config.embeddings.prompt_template))

    @cached_property
    def texts_code(self) -> str:
        """Digest of the code that lists the texts of a task."""
        return code_digest(COMMAND, TEXTS)

    def settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom tasks`."""
        embeddings = self._config.embeddings
        return as_json(
            TaskJob(
                model=wildcards.model,
                task=wildcards.task,
                corpus=task_corpus(wildcards.task),
                positions=embeddings.stored_positions,
                template=embeddings.prompt_template,
            )
        )

    @cached_property
    def code(self) -> str:
        """Digest of the code that scores layers."""
        return code_digest(COMMAND, SCORES)

    @cached_property
    def over_tasks(self) -> tuple[str, ...]:
        """Figures that show several tasks together."""
        return tuple(name for name, figure in self._config.all_figures.items() if figure.over_tasks)

    def over_settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom tasks --write-over-tasks`."""
        figure, uncertainty = self._config.all_figures[wildcards.figure], self._config.uncertainty
        options = figure.job_options(self._config)
        return as_json(
            OverTasksJob(
                figure=wildcards.figure,
                module=figure.over_tasks,
                options={name: options[name] for name in figure.over_options},
                position=options["position"],
                tables=tuple(
                    JoinedTable(model=str(one.model), task=one.corpus_or_experiment)
                    if one.content == "tasks"
                    else JoinedTable(model=str(one.model), task=one.task, metric=one.content.removesuffix(".layers"))
                    for one in figure.tables(self._config)
                ),
                samples=uncertainty.bootstrap,
                level=uncertainty.level,
                seed=uncertainty.seed,
            )
        )

    def over_tables(self, wildcards: Wildcards) -> list[str]:
        """The files of the tables that are taken together for a figure."""
        return files_of(self._config.all_figures[wildcards.figure].tables(self._config))

    def over_code(self, wildcards: Wildcards) -> str:
        """Digest of the code that takes them together."""
        return over_code(self._config.all_figures[wildcards.figure].over_tasks)

    def corpus(self, wildcards: Wildcards) -> str:
        """The table of the texts of a task."""
        return f"results/corpora/{task_corpus(wildcards.task)}.parquet"

    def manifests(self, wildcards: Wildcards) -> list[str]:
        """Manifests of all shards of the states."""
        return manifests_of(wildcards.model, task_corpus(wildcards.task), self.shards(wildcards))

    def stores(self, wildcards: Wildcards) -> list[str]:
        """Stores of all shards of the states."""
        return stores_of(wildcards.model, task_corpus(wildcards.task), self.shards(wildcards))

    def shards(self, wildcards: Wildcards) -> int:
        """How many shards the states are cut into."""
        return self._config.shards_of(task_corpus(wildcards.task))

    def group(self, wildcards: Wildcards) -> str | None:
        """Jobs on a corpus of one shard are small: several go to the cluster as one, as the profile says how many."""
        return "measuring" if self.shards(wildcards) == 1 else None

    def resources(self, wildcards: Wildcards, input: Inputs, threads: int) -> Resources:  # noqa: ARG002 - as Snakemake calls it
        """Memory and time of the scores of all layers."""
        return task_resources(states_size(input.manifests), corpus_size(input.corpus), threads=threads)


def data_code(module: str) -> str:
    """Digest of the code behind the data of one task."""
    return code_digest(COMMAND, DATA, module)


def over_code(module: str) -> str:
    """Digest of the code that takes several tasks together."""
    return code_digest(COMMAND, OVER_TASKS, module)


def task_code(settings: Mapping[str, Any]) -> str:
    """Digest of the code behind any job of the stage, by its settings."""
    if "tables" in settings:
        return over_code(str(settings["module"]))
    if "module" in settings:
        return data_code(str(settings["module"]))
    return code_digest(COMMAND, SCORES if "model" in settings else TEXTS)


def task_resources(states: StatesSize, corpus: CorpusSize, *, threads: int) -> Resources:
    """Resources of the scores of one task: what a process holds of a layer, and what mteb makes of what it asks for."""
    vector = states.width * 4 / MB
    held = min(states.texts * vector, HELD / MB) + AT_A_TIME * vector
    processes = threads + (threads > 1)
    megabytes = SNAKEMAKE + processes * (LIBRARY + held + COPIES * corpus.at_once * vector + 2 * table_mb(corpus))
    return resources_for(megabytes, 2 * states.layers * (1 + states.texts / TEXTS_A_SECOND) / threads)
