"""What the workflow asks of every figure, and what kinds of figures share. No job imports this file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from fathom.figures.claims.papers import CLAIMS, ClaimName
from fathom.figures.sentences import (
    corpora_sentences,
    definition,
    metric_axis,
    models_sentences,
    probes_sentences,
    tasks_sentences,
)
from fathom.schema import ConfigView, ExperimentView, Name, Problem, Settings, unknown_names

Names = Annotated[tuple[Name, ...], Field(min_length=1)]
Estimator = Literal["svm", "ridge", "logistic"]
CURVES = ("text", "corpus", "views")  # what metrics are of that are curves over depth
STEPS = range(3)  # of the hierarchy: items, relations, analogies
MOST_EXPERIMENTS = 6  # that colours tell apart in one panel
MOST_CURVES = 36  # that colours and markers tell apart in one figure of several panels


@dataclass(frozen=True)
class FigureTable:
    """One table that a figure is drawn from."""

    model: str | None
    corpus_or_experiment: str
    content: str
    """Metric, `sinks`, `sink_margins`, a table of an experiment (`probes`, `choices`, `told`, `confusion`,
    `coordination`), `order` (of experiments whose names are joined), `tasks`, or `texts`: the corpus itself. Of a
    figure's other tables together, and named after it: `verdicts` on a claim, `over_tasks`."""
    task: str = ""
    """Task on whose texts a metric is measured."""
    control: Literal["", "random"] = ""
    """`random` where the model is another one's shape with random weights."""
    summary: bool = False
    """Whether it is the summary of a metric: one row a curve and layer, with the interval."""

    @property
    def of_experiment(self) -> bool:
        """Whether the table is of an experiment, not of a corpus."""
        return self.content in {"probes", "choices", "told", "confusion", "coordination"}


class Figure(Settings):
    """What the workflow asks of a figure, whatever its kind."""

    module: ClassVar[str]
    """Module that draws it, by its function `figure(tables, job, notes, **options)`."""
    over_tasks: ClassVar[str] = ""
    """Module of the stage of tasks that takes several tasks together for it, by its function `over_tasks`."""
    over_options: ClassVar[tuple[str, ...]] = ()
    """Which of its options that function takes too."""
    explored: ClassVar[bool] = False
    """Whether that gives curves, which the page to explore shows."""

    @classmethod
    def defaults(cls, config: ConfigView) -> dict[str, Self]:  # noqa: ARG003 - a kind that nothing calls for asks nothing
        """Figures of this kind that a config calls for where it names none."""
        return {}

    @property
    def category(self) -> str:
        """Category in the report."""
        return "Representation metrics"

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of the module's `figure`, as plain JSON values."""
        return {}

    def job_options(self, config: ConfigView) -> dict[str, Any]:  # noqa: ARG002 - what the whole config adds
        """These arguments, with what the rest of the config says of them."""
        return self.options

    @property
    def paper_claim(self) -> ClaimName | None:
        """The claim of a paper that is judged on its tables."""
        return None

    def plotted_models(self, config: ConfigView) -> tuple[str, ...]:
        """Models, in order."""
        raise NotImplementedError

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """Every table that it is drawn from, model by model."""
        raise NotImplementedError

    def judged_tables(self, config: ConfigView) -> list[FigureTable]:
        """The tables that a paper's claim is judged on, if it has one, models in the order that the claim speaks of."""
        if self.paper_claim is None:
            return []
        whole = [replace(table, summary=False) for table in self.tables(config)]
        return list(dict.fromkeys(table for table in whole if table.content != "texts"))

    def title(self, config: ConfigView) -> str:
        """What it shows, in a few words."""
        raise NotImplementedError

    def subject(self, config: ConfigView) -> str:
        """What it shows, for the report's list."""
        return self.title(config)

    def sentences(self, config: ConfigView) -> list[str]:
        """What a reader must know of its data, but for models and claim."""
        raise NotImplementedError

    def caption(self, config: ConfigView) -> str:
        """What it is: data, definition, intervals, models, claim. Counts of texts are in its CSV and notes."""
        claim = [] if self.paper_claim is None else [f"The paper's claim: {CLAIMS[self.paper_claim]}"]
        models = models_sentences(config, self.plotted_models(config))
        return " ".join([*self.sentences(config), *models, *claim])

    def axes(self, config: ConfigView) -> dict[str, str]:
        """Metric -> label of the axis of its values."""
        return {metric: metric_axis(config, metric) for metric in self._metrics(config)}

    def order(self, config: ConfigView) -> tuple[str, ...]:  # noqa: ARG002 - that of figures of probes
        """Experiments whose peaks are said to follow one another."""
        return ()

    def reads_attention(self, config: ConfigView, model: str, corpus: str) -> bool:  # noqa: ARG002 - of coordination
        """Whether it shows what is measured on attention maps of a model on a corpus."""
        return False

    def sites_read(self, config: ConfigView, model: str, corpus: str) -> tuple[str, ...]:  # noqa: ARG002 - of block sites
        """Sites of a model on a corpus whose token states it shows beside the residual stream; `all` for every one."""
        return ()

    def dip_samples(self, model: str, corpus: str, metric: str) -> int:  # noqa: ARG002 - of bimodality
        """Uniform samples of the dip that it asks of a metric of a model on a corpus; 0 where it asks none."""
        return 0

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """What it asks for and the config has not: key below the figure, what was found, what was expected."""
        raise NotImplementedError

    def _metrics(self, config: ConfigView) -> list[str]:
        """Metrics among its tables."""
        contents = dict.fromkeys(table.content for table in self.tables(config))
        return [content for content in contents if content in config.metric_settings]

    def _metric_sentences(self, config: ConfigView, *, raw: bool = False, preparations: int | None = 1) -> list[str]:
        """Definitions of its metrics, and the texts on which they are measured."""
        metrics = self._metrics(config)
        corpora = [table.corpus_or_experiment for table in self.tables(config)]
        definitions = [definition(config, metric, raw=raw, preparations=preparations) for metric in metrics]
        return [*definitions, *corpora_sentences(config, corpora, metrics)]


class ModelsFigure(Figure):
    """A figure of what metrics are of several models."""

    models: Names | None = None
    """Models, in this order; all if left out."""

    def plotted_models(self, config: ConfigView) -> tuple[str, ...]:
        """Those of its settings, or all."""
        return self.models or tuple(config.models)


class ClaimedFigure(Figure):
    """A figure in which a paper may claim something."""

    claim: ClaimName | None = None
    """What a paper claims here (`fathom.figures.claims.papers`); the figure then says in numbers whether this run
    agrees."""

    @property
    def category(self) -> str:
        """Category in the report."""
        return super().category if self.claim is None else "Claims of the papers"

    @property
    def paper_claim(self) -> ClaimName | None:
        """The claim."""
        return self.claim


def tables_of(models: Sequence[str], columns: Sequence[tuple[str, str]]) -> list[FigureTable]:
    """Tables of (corpus, content) of each model."""
    return [FigureTable(model, corpus, content) for model in models for corpus, content in columns]


def summaries_of(models: Sequence[str], columns: Sequence[tuple[str, str]]) -> list[FigureTable]:
    """Summaries of (corpus, metric) of each model."""
    return [replace(table, summary=True) for table in tables_of(models, columns)]


def measured_as(config: ConfigView, *shapes: str) -> list[str]:
    """Metrics that are measured and of one of some shapes."""
    return [metric for metric in config.metric_settings if config.metric_words(metric).of in shapes]


def calling_for(config: ConfigView, kind: str) -> list[str]:
    """Metrics that are measured somewhere and call for a figure of some kind."""
    metrics = [metric for metric in config.metric_settings if config.metric_words(metric).default_figure == kind]
    return [metric for metric in metrics if config.corpora_of(metric)]


def metric_problems(
    config: ConfigView, metric: str, known: Collection[str], key: str, corpora: Sequence[str]
) -> Iterator[Problem]:
    """A metric that is not among the known ones, or corpora, named by a key, on which it is not measured."""
    yield from unknown_names("metric", [metric], known)
    if metric in config.metric_settings:
        yield from unknown_names(key, corpora, config.corpora_of(metric))


class TaskFigure(ModelsFigure):
    """A figure of scores of downstream tasks."""

    models: Names | None = None
    """Models, in this order; all but those of random weights if left out."""
    tasks: Names | None = None
    """Tasks, in this order; all if left out."""
    position: Literal["mean", "last"] | None = None
    """Whose scores are drawn, where `embeddings.positions` has several; the first of them if left out."""

    @property
    def category(self) -> str:
        """Category in the report."""
        return "Downstream tasks"

    def plotted_models(self, config: ConfigView) -> tuple[str, ...]:
        """Those of its settings, or all but those of random weights."""
        return self.models or config.trained_models or tuple(config.models)

    def plotted_tasks(self, config: ConfigView) -> tuple[str, ...]:
        """Those of its settings, or all."""
        return self.tasks or tuple(config.tasks)

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """One a model and task."""
        return tables_of(self.plotted_models(config), [(task, "tasks") for task in self.plotted_tasks(config)])

    def job_options(self, config: ConfigView) -> dict[str, Any]:
        """With the position that is drawn."""
        return self.options | {"position": self.position or config.embeddings.positions[0]}

    def sentences(self, config: ConfigView) -> list[str]:
        """The tasks, and how intervals are made."""
        return tasks_sentences(config, self.plotted_tasks(config))

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown names, no task, or a position that is not scored."""
        yield from unknown_names("models", self.models or (), config.models)
        yield from unknown_names("tasks", self.tasks or (), config.tasks)
        if not config.tasks:
            yield "tasks", "none", "at least one task in the section `tasks`"
        if self.position is not None and self.position not in config.embeddings.positions:
            yield "position", self.position, f"one of embeddings.positions: {', '.join(config.embeddings.positions)}"


class ProbeFigure(Figure):
    """A figure of probing experiments."""

    contents: ClassVar[tuple[str, ...]] = ("probes",)
    """What the tables of an experiment hold that it is drawn from."""
    reads_texts: ClassVar[bool] = False
    """Whether it reads the texts too."""

    @property
    def category(self) -> str:
        """Category in the report."""
        return "Probes"

    @property
    def named_experiments(self) -> tuple[str, tuple[str, ...]]:
        """Key by which it names experiments, and the names."""
        raise NotImplementedError

    def plotted_experiments(self, config: ConfigView) -> tuple[str, ...]:
        """Experiments, in order."""
        return self.named_experiments[1] or tuple(config.experiments)

    def tables(self, config: ConfigView) -> list[FigureTable]:
        """Tables of each model, of the one with random weights, and the texts where they are read."""
        experiments = self.plotted_experiments(config)
        tables = []
        for model in self.plotted_models(config):
            random = config.random_model(model)
            for name in experiments:
                for content in self.contents:
                    tables.append(FigureTable(model, name, content))
                    if content == "probes" and random is not None and "random" in config.experiments[name].controls:
                        tables.append(FigureTable(random, name, content, control="random"))
        if self.reads_texts:
            corpora = dict.fromkeys(config.experiments[name].corpus for name in experiments)
            tables += [FigureTable(None, corpus, "texts") for corpus in corpora]
        return tables

    def sentences(self, config: ConfigView) -> list[str]:
        """The design of its experiments."""
        return probes_sentences(config, self.plotted_experiments(config), self.options.get("estimator"))

    def problems(self, config: ConfigView) -> Iterator[Problem]:
        """Unknown names, and what its experiments do not measure."""
        yield from self._unknown_models(config)
        key, named = self.named_experiments
        yield from unknown_names(key, named, config.experiments)
        for name in self.plotted_experiments(config):
            if name not in config.experiments:
                continue
            experiment = config.experiments[name]
            estimator = self.options.get("estimator")
            if estimator is not None and estimator not in experiment.estimators:
                known = ", ".join(experiment.estimators)
                yield "estimator", estimator, f"an estimator of experiment {name}: {known}"
            expected = self._lacking(config, experiment)
            if expected:
                yield key, name, expected

    def _unknown_models(self, config: ConfigView) -> Iterator[Problem]:
        raise NotImplementedError

    def _lacking(self, config: ConfigView, experiment: ExperimentView) -> str:  # noqa: ARG002 - nothing is asked of all
        """What it asks of an experiment that this one has not; empty if nothing."""
        return ""


class TrainedModelsFigure(ProbeFigure):
    """A figure of probes of several models."""

    models: Names | None = None
    """Models, in this order; all but those of random weights if left out."""

    def plotted_models(self, config: ConfigView) -> tuple[str, ...]:
        """Those of its settings, or all but those of random weights."""
        return self.models or config.trained_models or tuple(config.models)

    def _unknown_models(self, config: ConfigView) -> Iterator[Problem]:
        return unknown_names("models", self.models or (), config.models)


class EstimatorFigure(ProbeFigure):
    """A figure of the scores of one estimator."""

    estimator: Estimator = "ridge"
    """Whose scores are drawn."""

    @property
    def options(self) -> dict[str, Any]:
        """Whose scores."""
        return {"estimator": self.estimator}


def hierarchy(config: ConfigView, names: Collection[str]) -> tuple[str, ...]:
    """The first of some experiments on a corpus of items, of relations and of analogies, as far as there are such."""
    steps = {}
    for name in names:
        corpus = config.corpora.get(config.experiments[name].corpus)
        steps[name] = None if corpus is None else corpus.step
    found = ([name for name, step in steps.items() if step == wanted] for wanted in STEPS)
    return tuple(name for names in found for name in names[:1])


def default_estimator(experiment: ExperimentView) -> Any:
    """Whose scores a figure shows that an experiment calls for."""
    return "ridge" if "ridge" in experiment.estimators else experiment.estimators[0]


def too_many_models(models: Sequence[str]) -> Iterator[Problem]:
    """More models without an order than one figure tells apart."""
    if len(models) > MOST_CURVES:
        expected = f"at most {MOST_CURVES} in one figure, which colours and markers can tell apart (or ordered: true)"
        yield "models", f"{len(models)} models", expected


def too_many_corpora(config: ConfigView, corpora: Sequence[str], *, views: bool) -> Iterator[Problem]:
    """More corpora, or views of their texts where each has a curve, than one figure tells apart."""
    known = [config.corpora[name] for name in corpora if name in config.corpora]
    count = sum(corpus.view_count if views else 1 for corpus in known)
    if count > MOST_CURVES:
        expected = f"at most {MOST_CURVES} in one figure, which colours and markers can tell apart; name some here"
        yield "corpora", f"{len(known)} corpora" + (f" with {count} views" if views else ""), expected


def more_than_colours(names: Sequence[str]) -> Iterator[Problem]:
    """More experiments in one panel than colours."""
    if len(names) > MOST_EXPERIMENTS:
        yield "experiments", list(names), f"at most {MOST_EXPERIMENTS}, which colours can tell apart"
