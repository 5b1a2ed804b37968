"""The settings of one job of the figures stage, and what a module of a figure gives back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from fathom.schema import Name, Settings, Uncertainty

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Table(Settings):
    """One input table of a figure, and what it is of."""

    model: str
    """As the figure names it."""
    corpus_or_experiment: str
    """As the figure names it."""
    model_id: str = ""
    """Its name in the config."""
    name: str = ""
    """Name of the corpus, experiment or task in the config; of an order of experiments their joined names."""
    content: str
    """Metric, `sinks`, `sink_margins`, `probes`, `order`, `coordination`, `tasks`, `texts`: the corpus itself; of the
    figure's other tables together `verdicts` or `over_tasks`."""
    of_task: str = ""
    """Task on whose texts a metric is measured, as the figure names it."""
    corpus: str = ""
    """Corpus of the experiment that a table is of."""
    control: Literal["", "random"] = ""
    """`random` where it is of the model's shape with random weights."""
    summary: bool = False
    """Whether it is the summary of a metric."""


class FigureJob(Settings):
    """The settings of one job of the figures stage."""

    figure: Name
    module: str
    """Module that draws it, by its function `figure(tables, job, notes, **options)`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of that function, beside tables, job and notes."""
    claim: str = ""
    """What a paper claims here, in words; the table of verdicts says whether this run agrees."""
    tables: tuple[Table, ...]
    """In the order of the inputs."""
    title: str
    titles: dict[str, str] = Field(default_factory=dict)
    """Metric -> its title."""
    axes: dict[str, str] = Field(default_factory=dict)
    """Metric -> label of the axis of its values."""
    layers: str
    """What the layers are called: `layer`, or transformers' convention."""
    caption: str
    uncertainty: Uncertainty


Tables = Sequence[tuple[Table, "pd.DataFrame"]]
"""The tables of a figure, in the order of its job."""


class Drawn(NamedTuple):
    """A figure, and the numbers behind it."""

    numbers: pd.DataFrame
    picture: Figure
    notes: list[str]
    """Sentences that end its caption."""
