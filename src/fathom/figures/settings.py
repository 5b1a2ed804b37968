"""Which figures are drawn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fathom.figures.claims.papers import ClaimName
from fathom.schema import Name, Settings

Names = Annotated[tuple[Name, ...], Field(min_length=1)]


class _Claimed(Settings):
    claim: ClaimName | None = None
    """What a paper claims here (`fathom.figures.claims.papers`); the figure then says in numbers whether this run agrees."""


class MetricFigure(_Claimed):
    """Curves of one metric over depth: a panel a model, a colour a corpus."""

    kind: Literal["metric"]
    metric: Name
    """Metric to draw."""
    models: Names | None = None
    """Models, in this order; all if left out."""
    corpora: Names | None = None
    """Corpora; all that are measured if left out."""


class ComparisonFigure(_Claimed):
    """Curves of several metrics over relative depth: a panel a metric, a colour a model."""

    kind: Literal["comparison"]
    metrics: Names
    """Metrics to draw, in this order."""
    models: Names | None = None
    """Models, in this order; all if left out."""
    corpora: Names
    """Corpora, one a row of panels; of each metric those on which it is measured."""
    ordered: bool = False
    """Whether the models are a series (sizes, training checkpoints): then their colours are one scale."""


class SweepFigure(_Claimed):
    """Curves of one metric over depth, coloured by what was changed in the texts: a panel a model."""

    kind: Literal["sweep"]
    metric: Name
    """Metric to draw."""
    raw: bool = False
    """In the metric's own unit, whatever `normalisation` says."""
    corpus: Name
    """Corpus whose views are the steps: repetition, randomness, or random tokens of several lengths."""
    models: Names | None = None
    """Models, in this order; all if left out."""


class MatrixFigure(Settings):
    """Heat maps of a metric of pairs of layers: a panel a model and corpus."""

    kind: Literal["matrix"]
    metric: Name
    """Metric to draw."""
    models: Names | None = None
    """Models, in this order; all if left out."""
    corpora: Names | None = None
    """Corpora; all that are measured if left out."""


class SinksFigure(_Claimed):
    """Entropy with and without sink tokens, their norm, and the heads that look at them, above one another."""

    kind: Literal["sinks"]
    models: Names | None = None
    """Models, in this order; all if left out."""
    corpora: Names | None = None
    """Corpora; all that are measured if left out."""


class StagesFigure(_Claimed):
    """A metric at every stage of a block (sub-layers' inputs and outputs, residual stream): a panel a model."""

    kind: Literal["stages"]
    metric: Literal["effective_rank"] = "effective_rank"
    """Metric to draw."""
    corpus: Name
    """Corpus whose store holds the sites."""
    models: Names | None = None
    """Models, in this order; all if left out."""


class BimodalityFigure(_Claimed):
    """Histograms of the texts' prompt entropy by layer, with Hartigan's dip test and the texts at the two modes."""

    kind: Literal["bimodality"]
    metric: Literal["prompt_entropy"] = "prompt_entropy"
    """Metric whose distribution is tested."""
    model: Name
    """Model."""
    corpus: Name
    """Corpus."""
    sinks: Literal["with", "without"] = "with"
    """All tokens, as in the paper, or without sink tokens."""
    samples: Annotated[int, Field(ge=100)] = 2000
    """Samples of the dip under unimodality (uniform). With 2,000 a p of 0.05 errs by 0.005."""


class PowerLawFigure(_Claimed):
    """Entropy of spectra that fall as a power law, over the order of the entropy. No model is read."""

    kind: Literal["power-law"]
    betas: Annotated[tuple[Annotated[float, Field(ge=0.0)], ...], Field(min_length=2)] = (0.0, 0.5, 1.0, 1.5, 2.0)
    """Exponents: eigenvalue i is proportional to i^-beta. 0 is flat."""
    alphas: Annotated[tuple[Annotated[float, Field(gt=0.0)], ...], Field(min_length=2)] = (
        0.1,
        0.25,
        0.5,
        0.75,
        1.0,
        1.5,
        2.0,
        3.0,
        5.0,
        10.0,
    )
    """Orders of the entropy."""
    dimension: Annotated[int, Field(ge=2)] = 1024
    """Number of eigenvalues: the width of Pythia-410M."""


class _OfProbes(Settings):
    estimator: Literal["svm", "ridge", "logistic"] = "ridge"
    """Whose scores are drawn."""


class ProbesFigure(_OfProbes):
    """Curves of probing experiments over depth, raw and normalised, and each with its controls: a column a model."""

    kind: Literal["probes"]
    models: Names | None = None
    """Models, in this order; all but those of random weights if left out."""
    experiments: Names | None = None
    """Experiments, at most 6; the first on each corpus of items, relations and analogies if left out. Where these three
    are drawn, the order of their peaks is tested."""


class PropertiesFigure(_OfProbes):
    """One panel a label of an experiment."""

    kind: Literal["properties"]
    model: Name
    """Model."""
    experiment: Name
    """Experiment with several labels."""


class SpansFigure(_OfProbes):
    """Heat maps of scores over layers and places in the text: a panel a model and experiment."""

    kind: Literal["spans"]
    models: Names | None = None
    """Models, in this order; all but those of random weights if left out."""
    experiments: Names
    """Experiments read at several positions."""


class SitesFigure(_OfProbes):
    """Residual stream, attention output and MLP output side by side: a row a model."""

    kind: Literal["sites"]
    models: Names | None = None
    """Models, in this order; all but those of random weights if left out."""
    experiments: Names
    """Experiments read at several sites, at their first position."""


class EarlyContextFigure(_OfProbes):
    """What is left of a pair after so many tokens of filler: a row a model."""

    kind: Literal["early-context"]
    models: Names | None = None
    """Models, in this order; all but those of random weights if left out."""
    experiment: Name
    """Experiment on an early-context corpus."""


class CoordinationFigure(_OfProbes):
    """How the attention outputs of adjacent layers coordinate, against what noise alone gives."""

    kind: Literal["coordination"]
    model: Name
    """Model."""
    experiment: Name
    """Experiment whose coordination is measured."""


class SummaryFigure(Settings):
    """A table of all experiments: peak, interval, score, controls, texts and groups."""

    kind: Literal["probe-summary"]
    models: Names | None = None
    """Models, in this order; all but those of random weights if left out."""
    experiments: Names | None = None
    """Experiments; all if left out."""


ProbeFigure = (
    ProbesFigure
    | PropertiesFigure
    | SpansFigure
    | SitesFigure
    | EarlyContextFigure
    | CoordinationFigure
    | SummaryFigure
)
FigureSettings = Annotated[
    MetricFigure
    | ComparisonFigure
    | SweepFigure
    | MatrixFigure
    | SinksFigure
    | StagesFigure
    | BimodalityFigure
    | PowerLawFigure
    | ProbeFigure,
    Field(discriminator="kind"),
]
