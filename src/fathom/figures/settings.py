"""Which figures are drawn: one class a kind, which says everything about it but how it is drawn.

How it is drawn is in the module that the class names. A job imports that one module by its name and is told `options`;
no job imports this file, so that other words or a new kind redraw no other figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field

from fathom.figures.base import (
    CURVES,
    STEPS,
    ClaimedFigure,
    Estimator,
    EstimatorFigure,
    Figure,
    FigureTable,
    ModelsFigure,
    Names,
    TaskFigure,
    TrainedModelsFigure,
    calling_for,
    default_estimator,
    hierarchy,
    measured_as,
    metric_problems,
    more_than_colours,
    summaries_of,
    tables_of,
    too_many_corpora,
    too_many_models,
)
from fathom.figures.sentences import (
    ESTIMATORS,
    definition,
    experiment_title,
    experiment_titles,
    interval_sentences,
    intervals_phrase,
    labelled_sentences,
    metric_axis,
    model_label,
)
from fathom.io.names import ORDERED
from fathom.schema import ConfigView, ExperimentView, Name, Problem, unknown_names

MANY_LABELS = 3  # beyond so many labels of items each has a panel of its own


class OneMetricFigure(ModelsFigure):
    """One metric on several corpora."""

    metric: Name
    """Metric to draw."""
    corpora: Names | None = None
    """Corpora; all that are measured if left out."""

    @property
    def options(self) -> dict[str, Any]:
        """Which metric."""
        return {"metric": self.metric}

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """One a model and corpus."""
        corpora = self.corpora or config.corpora_of(self.metric)
        return summaries_of(self.plotted_models(config), [(corpus, self.metric) for corpus in corpora])

    def title(self, config: ConfigView) -> str:
        """The metric."""
        return config.metric_words(self.metric).title


class MetricFigure(OneMetricFigure, ClaimedFigure):
    """Curves of one metric over depth: a panel a model, a colour a corpus."""

    kind: Literal["metric"]

    module: ClassVar[str] = "fathom.figures.metrics.curves"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One a metric that calls for it."""
        return {metric: cls(kind="metric", metric=metric) for metric in calling_for(config, "metric")}

    def sentences(self, config: ConfigView) -> list[str]:
        """Definition in all preparations, corpora, intervals."""
        return [*self._metric_sentences(config, preparations=None), *interval_sentences(config, [self.metric])]

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown names."""
        yield from unknown_names("models", self.models or (), config.models)
        known = measured_as(config, *CURVES)
        yield from metric_problems(config, self.metric, known, "corpora", self.corpora or ())
        if self.metric in config.metric_settings:
            corpora = self.corpora or config.corpora_of(self.metric)
            yield from too_many_corpora(config, corpora, views=config.metric_words(self.metric).of != "views")


class ComparisonFigure(ModelsFigure, ClaimedFigure):
    """Curves of several metrics over relative depth: a panel a metric, a colour a model."""

    kind: Literal["comparison"]
    metrics: Names
    """Metrics to draw, in this order."""
    corpora: Names
    """Corpora, one a row of panels; of each metric those on which it is measured."""
    ordered: bool = False
    """Whether the models are a series (sizes, training checkpoints): then their colours are one scale."""

    module: ClassVar[str] = "fathom.figures.metrics.comparison"

    @property
    def options(self) -> dict[str, Any]:
        """Whether the models are a series."""
        return {"ordered": self.ordered}

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """One a model, corpus and metric, where it is measured."""
        columns = [
            (corpus, metric)
            for corpus in self.corpora
            for metric in self.metrics
            if corpus in config.corpora_of(metric)
        ]
        return summaries_of(self.plotted_models(config), columns)

    def title(self, config: ConfigView) -> str:
        """The metrics."""
        return ", ".join(config.metric_words(metric).title for metric in self.metrics)

    def sentences(self, config: ConfigView) -> list[str]:
        """Definitions, corpora, intervals."""
        return [*self._metric_sentences(config), *interval_sentences(config, self._metrics(config))]

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown names."""
        yield from unknown_names("models", self.models or (), config.models)
        yield from unknown_names("metrics", self.metrics, measured_as(config, *CURVES))
        yield from unknown_names("corpora", self.corpora, config.metric_corpora)
        if not self.ordered:
            yield from too_many_models(self.plotted_models(config))


class SweepFigure(ModelsFigure, ClaimedFigure):
    """Curves of one metric over depth, coloured by what was changed in the texts: a panel a model."""

    kind: Literal["sweep"]
    metric: Name
    """Metric to draw."""
    raw: bool = False
    """In the metric's own unit, whatever `normalisation` says."""
    corpus: Name
    """Corpus whose views are the steps: repetition, randomness, or random tokens of several lengths."""

    module: ClassVar[str] = "fathom.figures.metrics.sweep"

    @property
    def options(self) -> dict[str, Any]:
        """Which metric, and whether in its own unit."""
        return {"metric": self.metric, "raw": self.raw}

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """One a model."""
        return summaries_of(self.plotted_models(config), [(self.corpus, self.metric)])

    def title(self, config: ConfigView) -> str:
        """The metric, and what is varied."""
        return f"{config.metric_words(self.metric).title}: {config.corpora[self.corpus].swept}"

    def axes(self, config: ConfigView) -> dict[str, str]:
        """In the metric's own unit where that is asked for."""
        return {self.metric: metric_axis(config, self.metric, raw=self.raw)}

    def sentences(self, config: ConfigView) -> list[str]:
        """Definition, corpus, intervals."""
        return [*self._metric_sentences(config, raw=self.raw), *interval_sentences(config, [self.metric])]

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown names, or a corpus whose views are no steps."""
        yield from unknown_names("models", self.models or (), config.models)
        yield from metric_problems(config, self.metric, measured_as(config, *CURVES), "corpus", [self.corpus])
        corpus = config.corpora.get(self.corpus)
        if corpus is not None and corpus.swept is None:
            yield "corpus", self.corpus, "a corpus whose views are steps: repetition, randomness, random tokens"


class TrainingFigure(OneMetricFigure, ClaimedFigure):
    """A metric over layers and training: a map of both beside curves over the steps, a row a training and corpus."""

    kind: Literal["training"]

    module: ClassVar[str] = "fathom.figures.metrics.training"

    def plotted_models(self, config: ConfigView) -> tuple[str, ...]:
        """Those of its settings, or all checkpoints."""
        return self.models or tuple(name for name, model in config.models.items() if model.checkpoint is not None)

    def job_options(self, config: ConfigView) -> dict[str, Any]:
        """With the training and step of each model, by the model's name in figures."""
        points = {name: config.models[name].checkpoint for name in self.plotted_models(config)}
        steps = {
            model_label(config, name): (point.label, point.step) for name, point in points.items() if point is not None
        }
        return self.options | {"steps": steps}

    def title(self, config: ConfigView) -> str:
        """The metric, and that it is over training."""
        return f"{config.metric_words(self.metric).title} over layers and training"

    def sentences(self, config: ConfigView) -> list[str]:
        """Definition, corpora, intervals."""
        return [*self._metric_sentences(config), *interval_sentences(config, [self.metric])]

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown names, or models that are no checkpoints."""
        yield from unknown_names("models", self.models or (), config.models)
        known = measured_as(config, *CURVES)
        yield from metric_problems(config, self.metric, known, "corpora", self.corpora or ())
        entries: dict[str, int] = {}
        for name in self.plotted_models(config):
            point = config.models[name].checkpoint if name in config.models else None
            if name in config.models and point is None:
                yield "models", name, "entries with `checkpoints`, or some of their checkpoints"
            elif point is not None:
                entries[point.entry] = entries.get(point.entry, 0) + 1
        alone = [entry for entry, count in entries.items() if count == 1]
        if alone or not self.plotted_models(config):
            yield "models", alone[0] if alone else "none", "at least two checkpoints of a training"


class LossesFigure(Figure):
    """Losses of trainings over their steps, with those of unigrams and bigrams: a panel a training."""

    kind: Literal["losses"]
    trainings: Names | None = None
    """Trainings of the section `nursery`; all if left out."""

    module: ClassVar[str] = "fathom.figures.metrics.losses"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One where models are trained."""
        return {"losses": cls(kind="losses")} if config.nursery else {}

    @property
    def category(self) -> str:
        """Category in the report."""
        return "Nursery"

    def plotted_models(self, config: ConfigView) -> tuple[str, ...]:  # noqa: ARG002 - it reads trainings
        """None."""
        return ()

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """One a training."""
        return [FigureTable(None, name, "losses") for name in self.trainings or config.nursery]

    def title(self, config: ConfigView) -> str:  # noqa: ARG002 - always the same
        """What it shows."""
        return "Loss in training"

    def sentences(self, config: ConfigView) -> list[str]:
        """What is trained on what, and how loss and baselines are measured."""
        names = self.trainings or tuple(config.nursery)
        measured = (
            "Cross entropy in nats a predicted token: of a decoder or state-space model the next token, of an encoder "
            "the masked ones. Dashed: the same tokens by a uniform guess, by the frequencies of tokens in the text "
            "trained on, and by those of pairs of tokens (given the true token before), both smoothed after Witten and "
            "Bell 1991. Bands: 95 % intervals over windows of the text held out."
        )
        return [measured, *(f"{name}: {config.nursery[name].describe()}." for name in names if name in config.nursery)]

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown trainings, or none."""
        yield from unknown_names("trainings", self.trainings or (), config.nursery)
        if not config.nursery:
            yield "trainings", "none", "at least one training in the section `nursery`"


class MatrixFigure(OneMetricFigure):
    """Heat maps of a metric of pairs of layers: a panel a model and corpus."""

    kind: Literal["matrix"]

    module: ClassVar[str] = "fathom.figures.metrics.matrix"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One a metric that calls for it."""
        return {metric: cls(kind="matrix", metric=metric) for metric in calling_for(config, "matrix")}

    def sentences(self, config: ConfigView) -> list[str]:
        """Definition, corpora, intervals."""
        return [*self._metric_sentences(config), *interval_sentences(config, [self.metric])]

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown names."""
        yield from unknown_names("models", self.models or (), config.models)
        known = measured_as(config, "layers")
        yield from metric_problems(config, self.metric, known, "corpora", self.corpora or ())


class SinksFigure(ModelsFigure, ClaimedFigure):
    """Entropy with and without sink tokens, their norm, and the heads that look at them, above one another."""

    kind: Literal["sinks"]
    corpora: Names | None = None
    """Corpora; all that are measured if left out."""

    module: ClassVar[str] = "fathom.figures.metrics.sinks"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One where sinks are measured."""
        return {metric: cls(kind="sinks") for metric in calling_for(config, "sinks")}

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """Entropy, sink tokens and margins of each model and corpus."""
        corpora = self.corpora or config.corpora_of("sinks")
        models = self.plotted_models(config)
        curves = [(corpus, content) for corpus in corpora for content in ("prompt_entropy", "sinks")]
        margins = tables_of(models, [(corpus, "sink_margins") for corpus in corpora])
        return [*summaries_of(models, curves), *margins]

    def title(self, config: ConfigView) -> str:  # noqa: ARG002 - always the same
        """What the three rows of panels show."""
        return "Entropy valley, token norms and attention sinks"

    def sentences(self, config: ConfigView) -> list[str]:
        """Definitions, corpora, intervals."""
        return [*self._metric_sentences(config), *interval_sentences(config, self._metrics(config))]

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown names, or sinks that are not measured."""
        yield from unknown_names("models", self.models or (), config.models)
        yield from unknown_names("", ["sinks"], config.metric_settings)
        yield from unknown_names("corpora", self.corpora or (), config.corpora_of("sinks"))
        yield from too_many_corpora(config, self.corpora or config.corpora_of("sinks"), views=False)


class AblationFigure(Figure):
    """Metrics of a model with all tokens, without sink tokens, and with its sinks taken away, and its loss beside."""

    kind: Literal["ablation"]
    model: Name
    """Model of source `ablated-sinks`; the model that it is made of stands beside it."""
    corpus: Name
    """Corpus."""
    metrics: Names | None = None
    """Metrics to draw, in this order; prompt and dataset entropy, curvature and InfoNCE, as far as they are measured
    on the corpus, if left out."""

    module: ClassVar[str] = "fathom.figures.metrics.ablation"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One a model whose sinks are taken away, on the first corpus that is measured."""
        corpora = [corpus for corpus in config.metric_corpora if _ablation_metrics(config, corpus)]
        return {
            f"{name}-ablation": cls(kind="ablation", model=name, corpus=corpora[0])
            for name, model in config.models.items()
            if model.ablated and corpora
        }

    def plotted_models(self, config: ConfigView) -> tuple[str, ...]:
        """The model that it is made of, and itself."""
        return (str(config.models[self.model].base), self.model)

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """Summaries of the metrics of both models, and the losses."""
        metrics = self.metrics or _ablation_metrics(config, self.corpus)
        columns = [(self.corpus, metric) for metric in metrics]
        losses = FigureTable(self.model, self.corpus, "text_losses")
        return [*summaries_of(self.plotted_models(config), columns), losses]

    def job_options(self, config: ConfigView) -> dict[str, Any]:
        """With the name of the model whose sinks are taken away, in figures."""
        return {"ablated": model_label(config, self.model)}

    def title(self, config: ConfigView) -> str:
        """Which model's sinks."""
        return f"Sinks taken away: {model_label(config, str(config.models[self.model].base))}"

    def sentences(self, config: ConfigView) -> list[str]:
        """What is done, definitions, loss, corpus, intervals."""
        done = (
            "Sinks taken away: at the layer where the norm of a sink token first exceeds the limit that makes it one, "
            "its residual state is rescaled to the median norm of the text, and the rest of the model runs on from it "
            "(after Queipo-de-Llano et al. 2025, arXiv:2510.06477). Only its length changes: a block that norms what "
            "it reads sees the same token, and what blocks add to it counts from there on."
        )
        loss = (
            "Loss: cross entropy of the next token in nats, mean over the tokens of a text, then over texts; "
            f"{intervals_phrase(config)} over texts."
        )
        return [done, *self._metric_sentences(config), *interval_sentences(config, self._metrics(config)), loss]

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown names, a model that keeps its sinks, or no metric."""
        if self.model not in config.models or not config.models[self.model].ablated:
            known = [name for name, model in config.models.items() if model.ablated]
            yield "model", self.model, f"a model of source `ablated-sinks`: {', '.join(known) or 'none'}"
            return
        yield from unknown_names("corpus", [self.corpus], config.metric_corpora)
        for metric in self.metrics or ():
            yield from metric_problems(config, metric, measured_as(config, *CURVES), "corpus", [self.corpus])
        if self.corpus in config.metric_corpora and not (self.metrics or _ablation_metrics(config, self.corpus)):
            yield "corpus", self.corpus, f"a corpus on which one of {', '.join(ABLATION_METRICS)} is measured"


ABLATION_METRICS = ("prompt_entropy", "dataset_entropy", "curvature", "infonce")


def _ablation_metrics(config: ConfigView, corpus: str) -> tuple[str, ...]:
    known = [metric for metric in ABLATION_METRICS if metric in config.metric_settings]
    return tuple(metric for metric in known if corpus in config.corpora_of(metric))


class BlockSitesFigure(ModelsFigure, ClaimedFigure):
    """A metric at every site of a block (sub-layers' inputs and outputs, residual stream): a panel a model."""

    kind: Literal["block-sites"]
    metric: Literal["effective_rank"] = "effective_rank"
    """Metric to draw."""
    corpus: Name
    """Corpus whose store holds the sites."""

    module: ClassVar[str] = "fathom.figures.metrics.block_sites"

    @property
    def options(self) -> dict[str, Any]:
        """Which metric."""
        return {"metric": self.metric}

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """One a model."""
        return summaries_of(self.plotted_models(config), [(self.corpus, self.metric)])

    def title(self, config: ConfigView) -> str:
        """The metric, and where."""
        return f"{config.metric_words(self.metric).title} at every stage of a block"

    def sentences(self, config: ConfigView) -> list[str]:
        """Definition, corpus, intervals."""
        return [*self._metric_sentences(config), *interval_sentences(config, [self.metric])]

    def reads_attention(self, config: ConfigView, model: str, corpus: str) -> bool:
        """Those of its models on its corpus."""
        return corpus == self.corpus and model in self.plotted_models(config)

    def sites_read(self, config: ConfigView, model: str, corpus: str) -> tuple[str, ...]:
        """All of its models on its corpus."""
        return ("all",) if self.reads_attention(config, model, corpus) else ()

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown names."""
        yield from unknown_names("models", self.models or (), config.models)
        yield from metric_problems(config, self.metric, measured_as(config, *CURVES), "corpus", [self.corpus])


class BimodalityFigure(ClaimedFigure):
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
    """Samples of the dip under unimodality (uniform). With 2,000 a p of 0.05 errs by 0.005. Of several figures of one
    model and corpus the largest number holds."""

    module: ClassVar[str] = "fathom.figures.metrics.bimodality"

    @property
    def options(self) -> dict[str, Any]:
        """Which metric, and which tokens."""
        return {"metric": self.metric, "sinks": self.sinks}

    def dip_samples(self, model: str, corpus: str, metric: str) -> int:
        """Its samples, of its metric of its model on its corpus."""
        return self.samples if (model, corpus, metric) == (self.model, self.corpus, self.metric) else 0

    def plotted_models(self, config: ConfigView) -> tuple[str, ...]:  # noqa: ARG002 - it names its model
        """Its one model."""
        return (self.model,)

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """The metric, its dips, and the texts at the modes."""
        contents = (self.metric, f"{self.metric}.modes", f"{self.metric}.mode_texts")
        return tables_of(self.plotted_models(config), [(self.corpus, content) for content in contents])

    def judged_tables(self, config: ConfigView) -> list[FigureTable]:
        """Its dips."""
        return [table for table in super().judged_tables(config) if table.content.endswith(".modes")]

    def title(self, config: ConfigView) -> str:
        """The metric."""
        return f"Distribution of {config.metric_words(self.metric).title.lower()} over texts"

    def sentences(self, config: ConfigView) -> list[str]:
        """Definition, corpus, test."""
        test = (
            "Dip: Hartigan and Hartigan 1985; p against the uniform distribution from "
            f"{self.samples:,} samples, corrected over layers."
        )
        return [*self._metric_sentences(config), test]

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown names."""
        yield from unknown_names("model", [self.model], config.models)
        yield from metric_problems(config, self.metric, measured_as(config, *CURVES), "corpus", [self.corpus])


class PowerLawFigure(ClaimedFigure):
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

    module: ClassVar[str] = "fathom.figures.metrics.power_law"

    @property
    def options(self) -> dict[str, Any]:
        """Spectra and orders."""
        return {"betas": self.betas, "alphas": self.alphas, "dimension": self.dimension}

    def plotted_models(self, config: ConfigView) -> tuple[str, ...]:  # noqa: ARG002 - it reads none
        """None."""
        return ()

    def tables(self, config: ConfigView) -> list[FigureTable]:  # noqa: ARG002 - it reads none
        """None."""
        return []

    def title(self, config: ConfigView) -> str:  # noqa: ARG002 - always the same
        """What it shows."""
        return "Entropy of power-law spectra"

    def sentences(self, config: ConfigView) -> list[str]:  # noqa: ARG002 - it reads no data
        """The formula."""
        formula = (
            f"Matrix-based entropy S_alpha in nats of {self.dimension} eigenvalues proportional to i^-beta, over its "
            "order alpha: the metric's formula, no model and no data (after Skean et al. 2025, Fig. 7)."
        )
        return [formula]

    def problems(self, config: ConfigView) -> Iterator[Problem]:  # noqa: ARG002 - it names nothing
        """None."""
        yield from ()


class ProbesFigure(TrainedModelsFigure, EstimatorFigure):
    """Curves of probing experiments over depth, raw and normalised, and each with its controls: a column a model."""

    kind: Literal["probes"]
    experiments: Names | None = None
    """Experiments, at most 6; the first on each corpus of items, relations and analogies if left out. Where these three
    are drawn, the order of their peaks is tested."""

    module: ClassVar[str] = "fathom.figures.probes.curves"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One an estimator, of the steps of the hierarchy that have it."""
        figures: dict[str, Self] = {}
        steps = hierarchy(config, config.experiments)
        for estimator in get_args(Estimator):
            fitted = tuple(name for name in steps if estimator in config.experiments[name].estimators)
            if fitted:
                named = None if fitted == steps else fitted
                figures[f"probes-{estimator}"] = cls(kind="probes", estimator=estimator, experiments=named)
        return figures

    @property
    def named_experiments(self) -> tuple[str, tuple[str, ...]]:
        """Several, or none."""
        return "experiments", self.experiments or ()

    def plotted_experiments(self, config: ConfigView) -> tuple[str, ...]:
        """Those of its settings, or those of the hierarchy, or all."""
        return self.experiments or hierarchy(config, config.experiments) or tuple(config.experiments)

    def order(self, config: ConfigView) -> tuple[str, ...]:
        """Its experiments of the hierarchy."""
        return hierarchy(config, self.plotted_experiments(config))

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """Curves, and in which order they peak where they are several of the hierarchy."""
        order = self.order(config)
        if len(order) < 2:
            return super().tables(config)
        orders = tables_of(self.plotted_models(config), [(ORDERED.join(order), "order")])
        return [*super().tables(config), *orders]

    def title(self, config: ConfigView) -> str:
        """The whole hierarchy, or the titles of the experiments."""
        plotted = self.plotted_experiments(config)
        whole = len(self.order(config)) == len(STEPS) == len(plotted)
        shown = "Items, relations, analogies" if whole else experiment_titles(config, plotted)
        return f"{shown}: {ESTIMATORS[self.estimator]}"

    def sentences(self, config: ConfigView) -> list[str]:
        """The design, and what normalised scores are."""
        return [*super().sentences(config), "Normalised: (score - chance) / (1 - chance)."]

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """What figures of probes refuse, and more experiments than colours."""
        yield from super().problems(config)
        yield from more_than_colours(self.plotted_experiments(config))


class OneModelFigure(EstimatorFigure):
    """A figure of one experiment of one model."""

    model: Name
    """Model."""
    experiment: Name
    """Experiment."""

    @property
    def named_experiments(self) -> tuple[str, tuple[str, ...]]:
        """One."""
        return "experiment", (self.experiment,)

    def plotted_models(self, config: ConfigView) -> tuple[str, ...]:  # noqa: ARG002 - it names its model
        """Its one model."""
        return (self.model,)

    def _unknown_models(self, config: ConfigView) -> Iterator[Problem]:
        return unknown_names("model", [self.model], config.models)

    def title(self, config: ConfigView) -> str:
        """The experiment."""
        return f"{experiment_title(config, self.experiment)} by label"

    def subject(self, config: ConfigView) -> str:
        """The title, and the model."""
        return f"{self.title(config)}, {model_label(config, self.model)}"


class PropertiesFigure(OneModelFigure):
    """One panel a label of an experiment."""

    kind: Literal["properties"]

    module: ClassVar[str] = "fathom.figures.probes.properties"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One an experiment on many properties of items, and model."""
        figures: dict[str, Self] = {}
        for name, one in config.experiments.items():
            corpus = config.corpora.get(one.corpus)
            of_items = corpus is not None and corpus.step == 0
            if of_items and (one.labels is None or len(one.labels) > MANY_LABELS):
                estimator = default_estimator(one)
                for model in config.trained_models:
                    figures[f"{name}-{model}"] = cls(
                        kind="properties", model=model, experiment=name, estimator=estimator
                    )
        return figures


class OwnTextsFigure(OneModelFigure):
    """A figure of an experiment on the labels of one's own texts."""

    suffix: ClassVar[str] = ""
    """Ends its name in the default run."""

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One an experiment on labelled texts, and model."""
        (kind,) = get_args(cls.model_fields["kind"].annotation)
        return {
            f"{name}-{model}{cls.suffix}": cls.model_validate(
                {"kind": kind, "model": model, "experiment": name, "estimator": default_estimator(one)}
            )
            for name, one in config.experiments.items()
            if one.corpus in config.corpora and config.corpora[one.corpus].has_own_figure
            for model in config.trained_models
        }

    def sentences(self, config: ConfigView) -> list[str]:
        """Texts, fits, tests and controls."""
        return labelled_sentences(config, self.experiment, self.estimator)

    def _lacking(self, config: ConfigView, experiment: ExperimentView) -> str:
        corpus = config.corpora.get(experiment.corpus)
        return "" if corpus is None or corpus.has_own_figure else "an experiment on a table with labels"


class LabelledFigure(OwnTextsFigure):
    """The labels of one's own texts, a panel each, with what a reader must know of the labels, and of leaks."""

    kind: Literal["labelled"]

    module: ClassVar[str] = "fathom.figures.probes.labelled"
    contents: ClassVar[tuple[str, ...]] = ("probes", "choices")
    reads_texts: ClassVar[bool] = True


class ConfusionFigure(OwnTextsFigure):
    """Which classes a probe takes for which, at the peak of each label of one's own texts: a panel a label."""

    kind: Literal["confusion"]

    module: ClassVar[str] = "fathom.figures.probes.confusion"
    contents: ClassVar[tuple[str, ...]] = ("probes", "confusion")
    suffix: ClassVar[str] = "-confusion"

    def title(self, config: ConfigView) -> str:
        """The experiment."""
        return f"{experiment_title(config, self.experiment)}: classes and what they are taken for"


class ToldFigure(OwnTextsFigure):
    """The texts that a probe tells rightly from the lowest layer on, and those from the highest or never: a table."""

    kind: Literal["told"]

    module: ClassVar[str] = "fathom.figures.probes.told"
    contents: ClassVar[tuple[str, ...]] = ("probes", "told")
    reads_texts: ClassVar[bool] = True
    suffix: ClassVar[str] = "-told"

    def title(self, config: ConfigView) -> str:
        """The experiment."""
        return f"{experiment_title(config, self.experiment)}: texts told first and last"


class SpansFigure(TrainedModelsFigure, EstimatorFigure):
    """Heat maps of scores over layers and places in the text: a panel a model and experiment."""

    kind: Literal["spans"]
    experiments: Names
    """Experiments read at several positions."""

    module: ClassVar[str] = "fathom.figures.probes.spans"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One an experiment that reads several positions."""
        return {
            f"{name}-spans": cls(kind="spans", experiments=(name,), estimator=default_estimator(one))
            for name, one in config.experiments.items()
            if len(one.positions) > 1
        }

    @property
    def named_experiments(self) -> tuple[str, tuple[str, ...]]:
        """Several."""
        return "experiments", self.experiments

    def title(self, config: ConfigView) -> str:
        """The experiments."""
        return f"Where in a text it can be read: {experiment_titles(config, self.experiments)}"

    def _lacking(self, config: ConfigView, experiment: ExperimentView) -> str:  # noqa: ARG002 - the experiment tells
        return "experiments with several positions" if len(experiment.positions) < 2 else ""


class SitesFigure(TrainedModelsFigure, EstimatorFigure):
    """Residual stream, attention output and MLP output side by side: a row a model."""

    kind: Literal["sites"]
    experiments: Names
    """Experiments read at several sites, at their first position."""

    module: ClassVar[str] = "fathom.figures.probes.sites"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One an experiment that reads several sites."""
        return {
            f"{name}-sites": cls(kind="sites", experiments=(name,), estimator=default_estimator(one))
            for name, one in config.experiments.items()
            if len(one.sites) > 1
        }

    @property
    def named_experiments(self) -> tuple[str, tuple[str, ...]]:
        """Several."""
        return "experiments", self.experiments

    def title(self, config: ConfigView) -> str:
        """The experiments."""
        return f"Residual stream and sub-layers: {experiment_titles(config, self.experiments)}"

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """What figures of probes refuse, and more experiments than colours."""
        yield from super().problems(config)
        yield from more_than_colours(self.experiments)

    def _lacking(self, config: ConfigView, experiment: ExperimentView) -> str:  # noqa: ARG002 - the experiment tells
        return "experiments with several sites" if len(experiment.sites) < 2 else ""


class EarlyContextFigure(TrainedModelsFigure, EstimatorFigure):
    """What is left of a pair after so many tokens of filler: a row a model."""

    kind: Literal["early-context"]
    experiment: Name
    """Experiment on an early-context corpus."""

    module: ClassVar[str] = "fathom.figures.probes.early_context"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One an experiment whose corpus calls for it."""
        return {
            f"{name}-decay": cls(kind="early-context", experiment=name, estimator=default_estimator(one))
            for name, one in config.experiments.items()
            if one.corpus in config.corpora and "early-context" in config.corpora[one.corpus].calls_for
        }

    @property
    def named_experiments(self) -> tuple[str, tuple[str, ...]]:
        """One."""
        return "experiment", (self.experiment,)

    def title(self, config: ConfigView) -> str:  # noqa: ARG002 - always the same
        """What it shows."""
        return "What is left of an early pair"

    def _lacking(self, config: ConfigView, experiment: ExperimentView) -> str:
        corpus = config.corpora.get(experiment.corpus)
        fits = corpus is not None and self.kind in corpus.calls_for
        return "" if fits else "an experiment on an early-context corpus"


class CoordinationFigure(OneModelFigure):
    """How the attention outputs of adjacent layers coordinate, against what noise alone gives."""

    kind: Literal["coordination"]

    module: ClassVar[str] = "fathom.figures.probes.coordination"
    contents: ClassVar[tuple[str, ...]] = ("probes", "coordination")

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One an experiment whose coordination is measured, and model."""
        return {
            f"{name}-coordination-{model}": cls(
                kind="coordination", model=model, experiment=name, estimator=default_estimator(one)
            )
            for name, one in config.experiments.items()
            if one.coordination is not None
            for model in config.trained_models
        }

    def title(self, config: ConfigView) -> str:
        """The experiment."""
        return f"Coordination of adjacent layers: {experiment_title(config, self.experiment)}"

    def reads_attention(self, config: ConfigView, model: str, corpus: str) -> bool:
        """Those of its model on the texts of its experiment."""
        return model == self.model and corpus == config.experiments[self.experiment].corpus

    def _lacking(self, config: ConfigView, experiment: ExperimentView) -> str:  # noqa: ARG002 - the experiment tells
        return "an experiment that measures coordination" if experiment.coordination is None else ""


class SummaryFigure(TrainedModelsFigure):
    """A table of all experiments: peak, interval, score, controls, texts and groups."""

    kind: Literal["probe-summary"]
    experiments: Names | None = None
    """Experiments; all if left out."""

    module: ClassVar[str] = "fathom.figures.probes.summary"
    contents: ClassVar[tuple[str, ...]] = ("probes", "choices")

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One where there are experiments."""
        return {"probe-summary": cls(kind="probe-summary")} if config.experiments else {}

    @property
    def named_experiments(self) -> tuple[str, tuple[str, ...]]:
        """Several, or none."""
        return "experiments", self.experiments or ()

    def title(self, config: ConfigView) -> str:  # noqa: ARG002 - always the same
        """What it shows."""
        return "Summary of all probes"

    def sentences(self, config: ConfigView) -> list[str]:
        """The design, and what normalised scores are."""
        return [*super().sentences(config), "Normalised: (score - chance) / (1 - chance)."]


class TaskCurvesFigure(TaskFigure):
    """Scores of downstream tasks over relative depth, with and without sink tokens: their mean, then each task."""

    kind: Literal["task-curves"]
    ordered: bool = False
    """Whether the models are a series (sizes, training checkpoints): then their colours are one scale."""

    module: ClassVar[str] = "fathom.figures.tasks.curves"
    over_tasks: ClassVar[str] = "fathom.tasks.over_tasks.mean"
    explored: ClassVar[bool] = True

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One where there are tasks."""
        return {"task-scores": cls(kind="task-curves")} if config.tasks else {}

    @property
    def options(self) -> dict[str, Any]:
        """Whether the models are a series."""
        return {"ordered": self.ordered}

    def title(self, config: ConfigView) -> str:  # noqa: ARG002 - always the same
        """What it shows."""
        return "Downstream tasks, layer by layer"

    def sentences(self, config: ConfigView) -> list[str]:
        """The tasks, and the interval of their mean."""
        return [
            *super().sentences(config),
            f"Band of the mean of 10 tasks and more: {intervals_phrase(config)} over tasks.",
        ]


class TaskMatrixFigure(TaskFigure):
    """Heat maps of downstream tasks over layers: a panel a model and form, a row a task."""

    kind: Literal["task-matrix"]

    module: ClassVar[str] = "fathom.figures.tasks.matrix"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One where there are tasks."""
        return {"task-matrix": cls(kind="task-matrix")} if config.tasks else {}

    def title(self, config: ConfigView) -> str:  # noqa: ARG002 - always the same
        """What it shows."""
        return "Downstream tasks by layer"


class BestLayersFigure(TaskFigure):
    """Histograms of the layers at which tasks are best: a panel a model and form."""

    kind: Literal["best-layers"]

    module: ClassVar[str] = "fathom.figures.tasks.best_layers"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One where there are tasks."""
        return {"task-best-layers": cls(kind="best-layers")} if config.tasks else {}

    def title(self, config: ConfigView) -> str:  # noqa: ARG002 - always the same
        """What it shows."""
        return "At which layers tasks are best"


class MeasuredTasksFigure(TaskFigure):
    """A figure of scores of tasks beside metrics of their own texts."""

    @property
    def named_metrics(self) -> tuple[str, ...] | None:
        """Metrics, in this order; all of `metrics.tasks` if None."""
        raise NotImplementedError

    def plotted_metrics(self, config: ConfigView) -> tuple[str, ...]:
        """Those of its settings, or all that are measured on tasks."""
        return tuple(config.task_metrics) if self.named_metrics is None else self.named_metrics

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """Scores, then summaries of metrics."""
        tables = super().tables(config)
        for model in self.plotted_models(config):
            for metric in self.plotted_metrics(config):
                corpora = config.task_metric_corpora(metric)
                tables += [
                    FigureTable(model, corpora[task], f"{metric}.layers", task=task)
                    for task in self.plotted_tasks(config)
                    if task in corpora
                ]
        return tables

    def axes(self, config: ConfigView) -> dict[str, str]:
        """Of its metrics."""
        return {metric: metric_axis(config, metric) for metric in self.plotted_metrics(config)}

    def sentences(self, config: ConfigView) -> list[str]:
        """The tasks, and definitions of the metrics."""
        definitions = [definition(config, metric) for metric in self.plotted_metrics(config)]
        return [*super().sentences(config), "Metrics of the task's own texts.", *definitions]

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown names, or a metric that is not measured on the texts of a task."""
        yield from super().problems(config)
        yield from unknown_names("metrics", self.plotted_metrics(config), config.task_metrics)
        if not self.plotted_metrics(config):
            yield "metrics", "none", "at least one metric in metrics.tasks"
        for metric in self.plotted_metrics(config):
            corpora = config.task_metric_corpora(metric)
            for task in self.plotted_tasks(config):
                if metric in config.task_metrics and task in config.tasks and task not in corpora:
                    yield "metrics", metric, f"a corpus of the kind views `of: task-{task}`, whose views it reads"


class LayerChoiceFigure(MeasuredTasksFigure):
    """Ways to choose a layer for tasks: by a metric of their texts, by rules that know no score, and in hindsight."""

    kind: Literal["layer-choice"]
    choose: dict[Name, Literal["lowest", "highest"]] | None = None
    """Metrics of `metrics.tasks` whose `lowest` or `highest` value chooses a layer for each task. All of them at their
    lowest if left out, as in Skean et al. 2025, though that paper finds scores to rise with InfoNCE."""

    module: ClassVar[str] = "fathom.figures.tasks.choice"
    over_tasks: ClassVar[str] = "fathom.tasks.over_tasks.choices"
    over_options: ClassVar[tuple[str, ...]] = ("choose",)

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One where metrics are measured on tasks."""
        return {"task-layer-choice": cls(kind="layer-choice")} if config.tasks and config.task_metrics else {}

    @property
    def named_metrics(self) -> tuple[str, ...] | None:
        """Those that choose."""
        return None if self.choose is None else tuple(self.choose)

    def job_options(self, config: ConfigView) -> dict[str, Any]:
        """With the metrics that choose."""
        chosen = self.choose or dict.fromkeys(self.plotted_metrics(config), "lowest")
        return super().job_options(config) | {"choose": dict(chosen)}

    def title(self, config: ConfigView) -> str:  # noqa: ARG002 - always the same
        """What it shows."""
        return "Which layer to take"

    def sentences(self, config: ConfigView) -> list[str]:
        """Tasks, metrics, intervals."""
        intervals = f"Bars: {intervals_phrase(config)} of the gain over tasks. Numbers: mean score over tasks."
        return [*super().sentences(config), intervals]


class TaskScatterFigure(MeasuredTasksFigure):
    """Metrics of the texts of tasks against their scores, a point a layer: a panel a model, metric and form."""

    kind: Literal["task-scatter"]
    metrics: Names | None = None
    """Metrics of `metrics.tasks`; all of them if left out."""

    module: ClassVar[str] = "fathom.figures.tasks.scatter"
    over_tasks: ClassVar[str] = "fathom.tasks.over_tasks.dependence"

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:
        """One where metrics are measured on tasks."""
        return {"task-scatter": cls(kind="task-scatter")} if config.tasks and config.task_metrics else {}

    @property
    def named_metrics(self) -> tuple[str, ...] | None:
        """Those of its settings."""
        return self.metrics

    def title(self, config: ConfigView) -> str:  # noqa: ARG002 - always the same
        """What it shows."""
        return "What metrics tell of scores"


FigureSettings = Annotated[
    MetricFigure
    | ComparisonFigure
    | SweepFigure
    | TrainingFigure
    | MatrixFigure
    | SinksFigure
    | AblationFigure
    | BlockSitesFigure
    | BimodalityFigure
    | PowerLawFigure
    | LossesFigure
    | ProbesFigure
    | PropertiesFigure
    | LabelledFigure
    | ConfusionFigure
    | ToldFigure
    | SpansFigure
    | SitesFigure
    | EarlyContextFigure
    | CoordinationFigure
    | SummaryFigure
    | TaskCurvesFigure
    | TaskMatrixFigure
    | BestLayersFigure
    | LayerChoiceFigure
    | TaskScatterFigure,
    Field(discriminator="kind"),
]
KINDS: tuple[type[Figure], ...] = get_args(get_args(FigureSettings)[0])
"""All kinds, in the order in which figures that a config calls for stand."""
RENAMED = {"stages": "block-sites"}
"""Kinds that had another name."""
