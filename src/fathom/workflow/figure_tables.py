"""Which tables a figure draws, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fathom.figures.settings import (
    CoordinationFigure,
    EarlyContextFigure,
    ProbeFigure,
    ProbesFigure,
    PropertiesFigure,
    SummaryFigure,
)
from fathom.workflow.defaults import Corpora, Experiments, hierarchy


@dataclass(frozen=True)
class FigureTable:
    """One table that a figure draws."""

    model: str | None
    of: str
    """Corpus or experiment."""
    holds: str
    """Metric, `sinks`, `token_norms`, `probes`, `hits`, `coordination`, or `texts`: the corpus itself."""
    control: Literal["", "random"] = ""
    """`random` where the model is another one's shape with random weights."""


def drawn_experiments(settings: ProbeFigure, experiments: Experiments, corpora: Corpora) -> tuple[str, ...]:
    """The experiments of a figure."""
    match settings:
        case PropertiesFigure() | EarlyContextFigure() | CoordinationFigure():
            return (settings.experiment,)
        case ProbesFigure():
            return settings.experiments or hierarchy(experiments, corpora) or tuple(experiments)
        case _:
            return settings.experiments or tuple(experiments)


def named_experiments(settings: ProbeFigure) -> tuple[str, tuple[str, ...]]:
    """Key by which a figure names experiments, and the names."""
    if isinstance(settings, PropertiesFigure | EarlyContextFigure | CoordinationFigure):
        return "experiment", (settings.experiment,)
    return "experiments", settings.experiments or ()


def drawn_tables(settings: ProbeFigure, experiments: Experiments, corpora: Corpora) -> list[tuple[str, str]]:
    """(experiment, what the table holds) of the tables that a figure draws of one model."""
    holds = ["probes"]
    if isinstance(settings, ProbesFigure | SummaryFigure):
        holds.append("hits")
    if isinstance(settings, CoordinationFigure):
        holds.append("coordination")
    return [(name, one) for name in drawn_experiments(settings, experiments, corpora) for one in holds]


OF_EXPERIMENTS = ("probes", "hits", "coordination")  # tables that are of an experiment, not of a corpus
