"""The settings of all stages as one typed tree. Whatever is wrong in it is said before any job starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, model_validator

from fathom.activations.settings import ActivationsSettings, CorpusActivations
from fathom.corpora.settings import TOKEN_SHAPES, CorpusSettings
from fathom.figures.settings import FigureSettings
from fathom.metrics.settings import METRICS, Metric, MetricsSettings
from fathom.models.settings import ModelSettings
from fathom.probes.settings import ExperimentSettings
from fathom.schema import MetricWords, Name, Settings, Uncertainty, unknown_names
from fathom.workflow.checks import (
    FEWEST_PATTERNS,
    ImpossibleError,
    impossible_experiments,
    impossible_figures,
    is_missing,
)
from fathom.workflow.defaults import (
    default_corpora,
    default_experiments,
    default_figures,
    default_models,
    random_model_of,
    random_models,
)

FILES_ELSEWHERE = "files elsewhere"
EXPERIMENT_TABLES = ("layers", "texts", "coordination")  # files of an experiment beside the one called after it


class Config(Settings):
    """What a run does. A section that a config leaves out keeps its default; one that it writes replaces it whole."""

    paper: Name | None = None
    """Name of the paper that a config reproduces. Then every hub source must be pinned by a full commit hash."""
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
    figures: dict[Name, FigureSettings] | None = None
    """Figures by name; one a metric and those that experiments call for if left out."""
    uncertainty: Uncertainty = Uncertainty()
    """Intervals."""

    @property
    def metric_corpora(self) -> tuple[str, ...]:
        """Corpora that are measured."""
        if self.metrics.corpora is not None:
            return self.metrics.corpora
        return tuple(name for name, corpus in self.corpora.items() if not corpus.designed)

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
        return getattr(getattr(self.metrics, metric), "label", None) in (corpus.labels or ())

    def extraction_of(self, corpus: str) -> ActivationsSettings:
        """Extraction settings of one corpus: those of all, and what it keeps instead."""
        own = self.activations.corpora.get(corpus, CorpusActivations())
        kept: dict[str, Any] = {"corpora": {}}
        if self.corpora[corpus].measurable_as.isdisjoint(TOKEN_SHAPES):
            kept["positions"] = tuple(one for one in self.activations.positions if one != "tokens")
        measured = "sinks" in self.metric_settings and corpus in self.corpora_of("sinks")
        if not measured and not any(one.corpus == corpus and one.coordination for one in self.experiments.values()):
            kept["attention_texts"] = 0
        kept |= {name: value for name, value in own if value is not None}
        return self.activations.model_copy(update=kept)

    def reads_patterns(self, model: str, corpus: str) -> bool:
        """Whether attention patterns of a model on a corpus are read: by its sinks, or by a figure of coordination."""
        if model in self.models and "sinks" in self.metric_settings and corpus in self.corpora_of("sinks"):
            return True
        return any(figure.reads_attention(self, model, corpus) for figure in self.all_figures.values())

    @property
    def experiments(self) -> dict[str, ExperimentSettings]:
        """Probing experiments: as configured, or those that the corpora of the hierarchy call for."""
        return default_experiments(self.corpora, self.activations) if self.probes is None else self.probes

    @property
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
        """Models as configured but those of random weights."""
        return tuple(name for name, model in self.models.items() if not model.random)

    def metric_words(self, metric: str) -> MetricWords:
        """What figures say of a metric."""
        about = METRICS[metric]
        named = {name: getattr(about, name) for name in MetricWords._fields if name != "range"}
        return MetricWords(**named, range=about.range())

    @property
    def sink_multiple(self) -> float:
        """How many times the median norm of its text a sink token's norm exceeds."""
        return self.metrics.sink_multiple

    @property
    def follows_transformers(self) -> bool:
        """Whether layers are numbered as in transformers' `hidden_states`."""
        return self.activations.layers == "transformers"

    @model_validator(mode="after")
    def _refuse_impossible(self, info: ValidationInfo) -> Config:
        for place, found, expected in self._impossible(files_here=info.context != FILES_ELSEWHERE):
            raise ImpossibleError(place, found, expected)
        return self

    def _impossible(self, *, files_here: bool) -> Iterator[tuple[str, object, str]]:
        """Combinations that no single section can see: place, what was found, what was expected."""
        yield from self._unpinned()
        yield from self._colliding_names()
        if files_here:
            yield from self._missing_files()
        yield from self._wrong_bases()
        yield from self._unknown_layers()
        yield from self._unknown_names()
        yield from self._unstored_positions()
        yield from impossible_experiments(self.experiments, self.corpora)
        yield from self._unstored_for_probes()
        yield from impossible_figures(self)
        if not self.all_figures:
            yield "figures", "none", "at least one figure; the config asks for no metric and no experiment"

    def _sources(self) -> dict[str, ModelSettings | CorpusSettings]:
        """Models and corpora by their place in the config."""
        models: dict[str, ModelSettings | CorpusSettings] = {f"models.{name}": one for name, one in self.models.items()}
        return models | {f"corpora.{name}": one for name, one in self.corpora.items()}

    def _unpinned(self) -> Iterator[tuple[str, object, str]]:
        if self.paper is None:
            return
        for place, source in self._sources().items():
            if not source.pinned:
                expected = "a full commit hash (40 hexadecimal digits) in a paper's config"
                yield f"{place}.revision", getattr(source, "revision", None), expected

    def _wrong_bases(self) -> Iterator[tuple[str, object, str]]:
        """What is derived must be derived from something that is not derived itself."""
        for name, model in self.models.items():
            if model.base is not None and model.base not in self.trained_models:
                yield f"models.{name}.of", model.base, f"one of {', '.join(self.trained_models) or 'none'}"
        for name, random in random_models(self.models, self.experiments).items():
            if name in self.models:
                taken = f"another name, since the model of random weights that goes with {random.of} has this one"
                yield f"models.{name}", name, taken
        for name, corpus in self.corpora.items():
            known = [other for other, base in self.corpora.items() if base.written]
            if corpus.base is not None and corpus.base not in known:
                yield f"corpora.{name}.of", corpus.base, f"one of {', '.join(known) or 'none'}"

    def _colliding_names(self) -> Iterator[tuple[str, object, str]]:
        """Names whose results would be one file: another table's, or where upper and lower case are the same."""
        for section in ("models", "corpora", "experiments", "all_figures"):
            names = list(getattr(self, section))
            place = {"experiments": "probes", "all_figures": "figures"}.get(section, section)
            folded = [name.casefold() for name in names]
            for index, name in enumerate(names):
                if folded[index] in folded[:index]:
                    yield f"{place}.{name}", name, "a name that differs from others in more than upper and lower case"
        for name in self.experiments:
            base, _, table = name.rpartition(".")
            if table in EXPERIMENT_TABLES and base in self.experiments:
                yield f"probes.{name}", name, f"another name, since results of {base} have this one"

    def _missing_files(self) -> Iterator[tuple[str, object, str]]:
        for place, source in self._sources().items():
            for option, path, expected in source.required_files:
                if is_missing(path):
                    yield f"{place}.{option}", getattr(source, option), expected

    def _unknown_layers(self) -> Iterator[tuple[str, object, str]]:
        wanted = self.activations.layers
        if isinstance(wanted, str):
            return
        if len(set(wanted)) != len(wanted):
            yield "activations.layers", list(wanted), "every layer once"
        numbers = [layer for layer in wanted if isinstance(layer, int)]
        if not numbers:
            return
        highest = max(numbers)
        for name, model in self.models.items():
            depth = (model if model.base is None else self.models[model.base]).known_depth()
            if depth is None:
                yield f"models.{name}.depth", None, "the number of blocks, since activations.layers names single layers"
            elif highest > depth:
                yield "activations.layers", highest, f"a layer from 0 to {depth}, for that is how deep model {name} is"

    def _unknown_names(self) -> Iterator[tuple[str, object, str]]:
        references: list[tuple[str, Sequence[str], Sequence[str]]] = [
            ("metrics.corpora", self.metric_corpora, list(self.corpora)),
            ("activations.corpora", list(self.activations.corpora), list(self.corpora)),
            ("metrics.only", self.metrics.only or (), list(METRICS)),
        ]
        for name, experiment in self.experiments.items():
            references.append((f"probes.{name}.corpus", [experiment.corpus], list(self.corpora)))
        for place, found, known in references:
            yield from unknown_names(place, found, known)

    def _unstored(self, corpus: str, position: str, reader: str) -> Iterator[tuple[str, object, str]]:
        """A position that something reads and that is not kept of a corpus."""
        stored = self.extraction_of(corpus).positions
        if position not in stored:
            own = self.activations.corpora.get(corpus, CorpusActivations()).positions
            place = "activations.positions" if own is None else f"activations.corpora.{corpus}.positions"
            yield place, list(stored), f"{position!r} too, since {reader} reads it"

    def _unstored_positions(self) -> Iterator[tuple[str, object, str]]:
        stored = self.activations.positions
        if len(set(stored)) != len(stored):
            yield "activations.positions", list(stored), "every position once"
        for name in self.metric_settings:
            for measured in self.corpora_of(name):
                yield from self._unstored(measured, METRICS[name].position, f"metrics.{name}")

    def _unstored_for_probes(self) -> Iterator[tuple[str, object, str]]:
        """What experiments read and extraction does not keep."""
        for name, experiment in self.experiments.items():
            if experiment.corpus not in self.corpora:
                continue  # said elsewhere
            for position in experiment.positions:
                kept = position.split(":")[0].replace("span", "spans")
                yield from self._unstored(experiment.corpus, kept, f"probes.{name}")
            stored = self.extraction_of(experiment.corpus)
            needed = set(experiment.sites)
            if "static" in experiment.controls:
                reader = f"the control `static` of probes.{name}"
                needed.add("residual")
                yield from self._unstored(experiment.corpus, "mean", reader)
                if not isinstance(stored.layers, str) and 0 not in stored.layers:
                    yield "activations.layers", list(stored.layers), f"layer 0 too, since {reader} reads it"
            missing = [] if stored.sites == "all" else sorted(needed - set(stored.sites))
            if missing:
                place = f"activations.corpora.{experiment.corpus}.sites"
                yield place, list(stored.sites), f"{', '.join(missing)} too, since probes.{name} reads it"
            reads_patterns = experiment.coordination is not None and len(self.corpora[experiment.corpus].spans) > 1
            if reads_patterns and stored.attention_texts < FEWEST_PATTERNS:
                place = f"activations.corpora.{experiment.corpus}.attention_texts"
                expected = f"at least {FEWEST_PATTERNS}, since the coordination of probes.{name} correlates over texts"
                yield place, stored.attention_texts, expected
