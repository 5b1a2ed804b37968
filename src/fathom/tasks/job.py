"""The settings of the jobs of the tasks stage: plain fields, so that no word of the settings is part of their code."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from fathom.schema import Line, Name, PathLine, Seed, Settings, Wording

MTEB = "2.26.24"
"""The version of mteb that scores: other versions may score otherwise, so that it is part of every job's settings."""
HELD = 1 << 26  # bytes of a layer's vectors that a process holds whole
AT_A_TIME = 4096  # texts whose vectors are read of a larger layer


class DataJob(Settings):
    """The job that brings the data of a task. The kinds of tasks stand in fathom.tasks.settings, which no job reads."""

    task: Name
    """Of the task."""
    module: Annotated[str, StringConstraints(pattern=r"^fathom\.tasks\.\w+$")]
    """Module that brings them."""
    options: dict[str, Any]
    """Arguments of the module's `build`: plain JSON values."""
    files: tuple[PathLine, ...] = ()
    """Files of the user's that it is made of."""


class TextsJob(Settings):
    """The job that lists the texts that a task asks for."""

    task: Name
    template: Wording | None
    """How an instruction and a text are put together; none for texts alone."""
    mteb: Line = MTEB
    """Version of mteb."""


class TaskJob(Settings):
    """The job that scores every layer of a model on a task."""

    model: Name
    task: Name
    corpus: Name
    """Corpus of the task's texts."""
    positions: tuple[str, ...]
    """Positions as the store has them: a mean is read with and without sink tokens."""
    template: Wording | None
    """As of the texts."""
    mteb: Line = MTEB
    """Version of mteb."""


class JoinedTable(Settings):
    """A table of one task and model."""

    model: Name
    task: Name
    metric: Name | None = None
    """Metric of the task's texts whose summary it is; none of scores."""


class OverTasksJob(Settings):
    """The job that takes several tasks together, as a figure asks for."""

    figure: Name
    """The table is named after it."""
    module: Annotated[str, StringConstraints(pattern=r"^fathom\.tasks\.over_tasks\.\w+$")]
    """Module that does it, by its function `over_tasks(of, **options)`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of that function, beside the tables."""
    position: str
    """Whose scores are read."""
    tables: tuple[JoinedTable, ...]
    """In the order of the inputs."""
    samples: int
    """Bootstrap samples of the tasks."""
    level: float
    """Coverage of the intervals."""
    seed: Seed
