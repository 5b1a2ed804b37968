"""What one job of the figures stage is told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fathom.figures.settings import FigureSettings
from fathom.schema import Name, Settings, Uncertainty


class Table(Settings):
    """One input table of a figure, and what it is of."""

    model: str
    """As the figure names it."""
    of: str
    """Corpus or experiment, as the figure names it."""
    holds: str
    """Metric, `sinks`, `token_norms`, `probes`, `hits`, `coordination`, or `texts`: the corpus itself."""
    corpus: str = ""
    """Corpus of the experiment that a table is of."""
    control: Literal["", "random"] = ""
    """`random` where it is of the model's shape with random weights."""


class FigureJob(Settings):
    """What one job of the figures stage is told."""

    figure: Name
    settings: FigureSettings
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
    order: tuple[str, ...] = ()
    """Experiments whose peaks are said to follow one another, as the figure names them."""
    strictly_before: tuple[str, ...] = ()
    """Those of them that are said to peak before the next one; the others before it or with it."""
    uncertainty: Uncertainty
