"""The settings of all stages as one typed tree. Whatever is wrong in it is said before any job starts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from fathom.activations.settings import ActivationsSettings, CorpusActivations, KeptActivations
from fathom.corpora.settings import TOKEN_SHAPES, CorpusSettings
from fathom.explore.settings import ExploreSettings
from fathom.figures.settings import FigureSettings
from fathom.metrics.settings import METRICS, Metric, MetricsSettings
from fathom.models.settings import ModelSettings
from fathom.nursery.settings import TrainingSettings
from fathom.probes.settings import ExperimentSettings
from fathom.schema import NOT_EXPECTED, MetricWords, Name, Settings, Uncertainty
from fathom.tasks.job import MTEB
from fathom.tasks.settings import EmbeddingSettings, TaskSettings
from fathom.workflow.defaults import (
    default_corpora,
    default_experiments,
    default_figures,
    default_models,
    default_tasks,
    random_model_of,
    random_models,
)
from fathom.workflow.kept_states import kept_states
from fathom.workflow.paths import task_corpus


class Config(Settings):
    """What a run does. A section that a config leaves out keeps its default; one that it writes replaces it whole."""

    paper: Name | None = None
    """Name of the paper that a config reproduces. Then every hub source must be pinned by a full commit hash."""
    nursery: dict[Name, TrainingSettings] = Field(default_factory=dict)
    """Small models to train, by name. A model of source `nursery` is one of their checkpoints."""
    models: Annotated[dict[Name, ModelSettings], Field(min_length=1)] = Field(default_factory=default_models)
    """Models (checkpoints) by name; the name is the folder of their results."""
    corpora: Annotated[dict[Name, CorpusSettings], Field(min_length=1)] = Field(default_factory=default_corpora)
    """Corpora by name."""
    activations: ActivationsSettings = ActivationsSettings()
    """Extraction and store."""
    metrics: MetricsSettings = MetricsSettings()
    """Representation metrics, on every model."""
    probes: dict[Name, ExperimentSettings] | None = None
    """Probing experiments by name, on every model; those that corpora of the hierarchy call for if left out."""
    tasks: dict[Name, TaskSettings] = Field(default_factory=default_tasks)
    """Downstream tasks by name, on every model but those of random weights. A config that names corpora and leaves the
    tasks out has none: the default ones go with the default corpora."""
    embeddings: EmbeddingSettings = EmbeddingSettings()
    """The vectors of texts that tasks are given."""
    figures: dict[Name, FigureSettings] | None = None
    """Figures by name; one a metric and those that experiments and tasks call for if left out."""
    explore: ExploreSettings = ExploreSettings()
    """The page to explore the results."""
    uncertainty: Uncertainty = Uncertainty()
    """Intervals."""

    @field_validator("models")
    @classmethod
    def _expand_checkpoints(cls, models: dict[str, ModelSettings], info: ValidationInfo) -> dict[str, ModelSettings]:
        """An entry with checkpoints stands for one model a checkpoint."""
        trainings = {name: training.checkpoints for name, training in info.data.get("nursery", {}).items()}
        found: dict[str, ModelSettings] = {}
        for name, model in models.items():
            try:
                expanded = model.expanded(name, trainings)
            except ValueError as error:
                raise PydanticCustomError(NOT_EXPECTED, "{why}", {"why": f"{name}: {error}"}) from None
            taken = sorted({*expanded} & ({*found} | ({*models} - {name})))
            if taken:
                why = f"{name}: its checkpoint {taken[0]} has the name of another model; give one of them another name"
                raise PydanticCustomError(NOT_EXPECTED, "{why}", {"why": why})
            found |= expanded
        return found

    @field_validator("figures")
    @classmethod
    def _show_checkpoints(
        cls, figures: dict[str, FigureSettings] | None, info: ValidationInfo
    ) -> dict[str, FigureSettings] | None:
        """A figure that names an entry with checkpoints shows all of them."""
        series: dict[str, list[str]] = {}
        for name, model in info.data.get("models", {}).items():
            if model.checkpoint is not None:
                series.setdefault(model.checkpoint.entry, []).append(name)
        shown = {name: getattr(figure, "models", None) for name, figure in (figures or {}).items()}
        return figures and {
            name: figure
            if shown[name] is None
            else figure.model_copy(
                update={"models": tuple(one for model in shown[name] or () for one in series.get(model, [model]))}
            )
            for name, figure in figures.items()
        }

    @model_validator(mode="before")
    @classmethod
    def _leave_default_tasks(cls, data: Any) -> Any:
        """The default tasks go with the default corpora."""
        own_corpora = isinstance(data, Mapping) and "corpora" in data and "tasks" not in data
        return {**data, "tasks": {}} if own_corpora else data

    @property
    def metric_corpora(self) -> tuple[str, ...]:
        """Corpora that are measured; of those made of a task's texts `metrics.tasks` says what is."""
        if self.metrics.corpora is not None:
            return self.metrics.corpora
        of_tasks = self.task_corpora
        return tuple(
            name for name, corpus in self.corpora.items() if corpus.measured_unasked and corpus.base not in of_tasks
        )

    @property
    def metric_settings(self) -> dict[str, Metric]:
        """Metrics that are measured."""
        names = METRICS if self.metrics.only is None else [name for name in METRICS if name in self.metrics.only]
        chosen = {name: getattr(self.metrics, name) for name in names}
        measured = {name: settings for name, settings in chosen.items() if settings is not None}
        return {
            name: settings
            for name, settings in measured.items()
            if settings.together_with is None or settings.together_with in measured
        }

    @property
    def token_metrics(self) -> tuple[str, ...]:
        """Metrics of the tokens of a text, which share one read of the states."""
        return tuple(name for name in self.metric_settings if METRICS[name].of in TOKEN_SHAPES)

    def corpora_of(self, metric: str) -> tuple[str, ...]:
        """Corpora on which a metric is measured: those that have what it reads."""
        return tuple(name for name in self.metric_corpora if self._measurable(metric, name))

    def _measurable(self, metric: str, name: str) -> bool:
        corpus = self.corpora.get(name)
        if corpus is None or METRICS[metric].of not in corpus.measurable_as:
            return False
        if "label" not in METRICS[metric].model_fields:
            return True
        return getattr(getattr(self.metrics, metric), "label", None) in (corpus.label_names or ())

    @property
    def task_metrics(self) -> tuple[str, ...]:
        """Metrics that are measured on the texts of tasks."""
        return tuple(name for name in self.metrics.tasks if name in self.metric_settings)

    def task_metric_corpora(self, metric: str) -> dict[str, str]:
        """Of each task, the corpus on which a metric of its own texts is measured: an excerpt, these texts, or views.

        A task without views is left out of what a metric of views is measured on.
        """
        if metric not in self.task_metrics:
            return {}
        shape = METRICS[metric].of
        made = {
            corpus.base: name
            for name, corpus in self.corpora.items()
            if corpus.stands_for_base and shape in corpus.measurable_as
        }
        whole = {} if shape == "views" else {task: task_corpus(task) for task in self.tasks}
        return whole | {task: made[task_corpus(task)] for task in self.tasks if task_corpus(task) in made}

    @property
    def mteb_version(self) -> str:
        """Version of the library that scores tasks."""
        return MTEB

    @property
    def task_corpora(self) -> dict[str, str]:
        """Corpora of the texts that tasks ask for, and their tasks."""
        return {task_corpus(task): task for task in self.tasks}

    def kept_states(self, model: str, corpus: str) -> KeptActivations:
        """Extraction settings of a model on a corpus: what is asked for, or what is read."""
        return kept_states(self, model, corpus)

    def shards_of(self, corpus: str) -> int:
        """How many shards a corpus is cut into."""
        own = self.activations.corpora.get(corpus, CorpusActivations())
        return own.shards or self.activations.shards

    @cached_property
    def experiments(self) -> dict[str, ExperimentSettings]:
        """Probing experiments: as configured, or those that the corpora of the hierarchy call for."""
        return default_experiments(self.corpora, self.activations) if self.probes is None else self.probes

    @cached_property
    def all_models(self) -> dict[str, ModelSettings]:
        """Models: as configured, and those of random weights that experiments are set against."""
        return self.models | random_models(self.models, self.experiments)

    def random_model(self, model: str) -> str | None:
        """The model of random weights that a model is set against; none if it is one itself."""
        found = self.models.get(model)
        return None if found is not None and found.random else random_model_of(self.all_models, model)

    @property
    def all_figures(self) -> dict[str, FigureSettings]:
        """Figures: as configured, or one a metric and those that the experiments call for."""
        if self.figures is not None:
            return self.figures
        return default_figures(self)

    @property
    def trained_models(self) -> tuple[str, ...]:
        """Models as configured but those that are made of another one: of random weights, or without their sinks."""
        return tuple(name for name, model in self.models.items() if not model.derived)

    def metric_words(self, metric: str) -> MetricWords:
        """What figures say of a metric."""
        about = METRICS[metric]
        named = {name: getattr(about, name) for name in MetricWords._fields if name != "range"}
        return MetricWords(**named, range=about.range())

    @property
    def sink_rule(self) -> str:
        """By which rule sink tokens are found, in a phrase."""
        return self.activations.sinks.in_words()

    @property
    def follows_transformers(self) -> bool:
        """Whether layers are numbered as in transformers' `hidden_states`."""
        return self.activations.layers == "transformers"
