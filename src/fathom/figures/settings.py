"""Which figures are drawn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fathom.settings import Name, Settings, Uncertainty


class MetricFigure(Settings):
    """Curves of one metric over depth: a panel a model, a colour a corpus."""

    kind: Literal["metric"]
    metric: Name
    """Metric to draw."""
    models: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Models, in this order; all if left out."""
    corpora: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Corpora; all that are measured if left out."""


class ProbesFigure(Settings):
    """Curves of probing experiments over depth: a panel a model and estimator, a colour an experiment."""

    kind: Literal["probes"]
    models: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Models, in this order; all if left out."""
    experiments: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Experiments; all if left out."""


FigureSettings = Annotated[MetricFigure | ProbesFigure, Field(discriminator="kind")]


class Table(Settings):
    """One input table of a figure, and what it is of."""

    model: str
    of: str
    """Corpus or experiment, as the figure names it."""


class FigureJob(Settings):
    """What one job of the figures stage is told."""

    figure: Name
    kind: Literal["metric", "probes"]
    tables: tuple[Table, ...]
    """In the order of the inputs."""
    title: str
    axis: str = ""
    """Label of the axis of values."""
    layers: str
    """What the layers are called: `layer`, or transformers' convention."""
    caption: str
    uncertainty: Uncertainty
