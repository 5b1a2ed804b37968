"""The settings of all stages as one typed tree. Whatever is wrong in it is said before any job starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, model_validator

from fathom.activations.settings import ActivationsSettings, CorpusActivations
from fathom.corpora.settings import (
    TOKEN_SHAPES,
    CorpusSettings,
    DerivedCorpus,
    FileCorpus,
    HierarchyCorpus,
    HubCorpus,
    RandomTokensCorpus,
    ViewsCorpus,
    known_labels,
    measurable_shapes,
    spans_of,
)
from fathom.figures.settings import (
    BimodalityFigure,
    ComparisonFigure,
    CoordinationFigure,
    FigureSettings,
    MatrixFigure,
    MetricFigure,
    PowerLawFigure,
    ProbeFigure,
    PropertiesFigure,
    SinksFigure,
    StagesFigure,
    SweepFigure,
)
from fathom.metrics.settings import METRICS, Metric, MetricsSettings
from fathom.models.settings import HubModel, ModelSettings, PathModel, RandomModel
from fathom.probes.settings import ExperimentSettings
from fathom.schema import Name, Settings, Uncertainty
from fathom.workflow.checks import (
    COMMIT,
    FEWEST_PATTERNS,
    ImpossibleError,
    impossible_experiments,
    impossible_figures,
    is_missing,
    known_depth,
)
from fathom.workflow.defaults import (
    default_corpora,
    default_experiments,
    default_figure,
    default_figures,
    default_models,
    hierarchy,
    random_model_of,
    random_models,
)
from fathom.workflow.figure_tables import FigureTable, drawn_experiments, drawn_tables, named_experiments

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
        return tuple(name for name, corpus in self.corpora.items() if not isinstance(corpus, HierarchyCorpus))

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
        if METRICS[metric].of not in measurable_shapes(corpus):
            return False
        if "label" not in METRICS[metric].model_fields:
            return True
        return getattr(getattr(self.metrics, metric), "label", None) in known_labels(corpus)

    def extraction_of(self, corpus: str) -> ActivationsSettings:
        """Extraction settings of one corpus: those of all, and what it keeps instead."""
        own = self.activations.corpora.get(corpus, CorpusActivations())
        kept: dict[str, Any] = {"corpora": {}}
        if isinstance(self.corpora[corpus], ViewsCorpus):
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
        return any(
            isinstance(figure, CoordinationFigure)
            and figure.model == model
            and self.experiments[figure.experiment].corpus == corpus
            for figure in self.all_figures.values()
        )

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
        return None if isinstance(self.models.get(model), RandomModel) else random_model_of(self.all_models, model)

    @property
    def all_figures(self) -> dict[str, FigureSettings]:
        """Figures: as configured, or one a metric and those that the experiments call for."""
        if self.figures is not None:
            return self.figures
        drawn = {name: default_figure(name) for name in self.metric_settings if self.corpora_of(name)}
        return drawn | default_figures(self.experiments, self.corpora, self._trained_models)

    @property
    def _trained_models(self) -> tuple[str, ...]:
        return tuple(name for name, model in self.models.items() if not isinstance(model, RandomModel))

    def figure_models(self, figure: str) -> tuple[str, ...]:
        """Models of a figure, in its order."""
        settings = self.all_figures[figure]
        if isinstance(settings, PowerLawFigure):
            return ()
        if isinstance(settings, BimodalityFigure | PropertiesFigure | CoordinationFigure):
            return (settings.model,)
        if isinstance(settings, ProbeFigure):
            return settings.models or self._trained_models or tuple(self.models)
        return settings.models or tuple(self.models)

    def figure_tables(self, figure: str) -> list[FigureTable]:
        """Every table that a figure draws, model by model."""
        settings = self.all_figures[figure]
        if isinstance(settings, ProbeFigure):
            return self._probe_tables(figure, settings)
        pairs = self._figure_columns(settings)
        tables = [FigureTable(model, of, holds) for model in self.figure_models(figure) for of, holds in pairs]
        if isinstance(settings, BimodalityFigure):
            tables.append(FigureTable(None, settings.corpus, "texts"))
        return tables

    def _figure_columns(self, settings: FigureSettings) -> list[tuple[str, str]]:
        """(corpus or experiment, what the table holds) of the tables of one model."""
        match settings:
            case MetricFigure() | MatrixFigure():
                return [(of, settings.metric) for of in settings.corpora or self.corpora_of(settings.metric)]
            case ComparisonFigure():
                return [
                    (of, metric)
                    for of in settings.corpora
                    for metric in settings.metrics
                    if of in self.corpora_of(metric)
                ]
            case SweepFigure() | StagesFigure() | BimodalityFigure():
                return [(settings.corpus, settings.metric)]
            case SinksFigure():
                return [
                    (of, holds)
                    for of in settings.corpora or self.corpora_of("sinks")
                    for holds in ("prompt_entropy", "sinks", "token_norms")
                ]
            case _:
                return []

    def _probe_tables(self, figure: str, settings: ProbeFigure) -> list[FigureTable]:
        """Tables of a figure of probes: of the model, of the one with random weights, and the texts where needed."""
        columns = drawn_tables(settings, self.experiments, self.corpora)
        tables = []
        for model in self.figure_models(figure):
            for of, holds in columns:
                tables.append(FigureTable(model, of, holds))
                random = self.random_model(model)
                if holds == "probes" and random is not None and "random" in self.experiments[of].controls:
                    tables.append(FigureTable(random, of, holds, control="random"))
        if any(holds == "hits" for _, holds in columns):
            corpora = [self.experiments[of].corpus for of, _ in columns]
            tables += [FigureTable(None, corpus, "texts") for corpus in dict.fromkeys(corpora)]
        return tables

    def hierarchy_of(self, figure: str) -> tuple[str, ...]:
        """Experiments of a figure whose peaks are said to follow one another: items, relations, analogies."""
        settings = self.all_figures[figure]
        if not isinstance(settings, ProbeFigure):
            return ()
        drawn = drawn_experiments(settings, self.experiments, self.corpora)
        return hierarchy({name: self.experiments[name] for name in drawn}, self.corpora)

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
        yield from impossible_figures(self.all_figures, self.experiments, self.corpora)
        if not self.all_figures:
            yield "figures", "none", "at least one figure; the config asks for no metric and no experiment"

    def _unpinned(self) -> Iterator[tuple[str, object, str]]:
        if self.paper is None:
            return
        sources: dict[str, object] = {f"models.{name}": model for name, model in self.models.items()}
        sources |= {f"corpora.{name}": corpus for name, corpus in self.corpora.items()}
        for place, source in sources.items():
            if isinstance(source, HubModel | HubCorpus) and not COMMIT.fullmatch(source.revision):
                yield (
                    f"{place}.revision",
                    source.revision,
                    "a full commit hash (40 hexadecimal digits) in a paper's config",
                )

    def _wrong_bases(self) -> Iterator[tuple[str, object, str]]:
        """What is derived must be derived from something that is not derived itself."""
        for name, model in self.models.items():
            if isinstance(model, RandomModel):
                known = [other for other, base in self.models.items() if not isinstance(base, RandomModel)]
                if model.of not in known:
                    yield f"models.{name}.of", model.of, f"one of {', '.join(known) or 'none'}"
        for name, random in random_models(self.models, self.experiments).items():
            if name in self.models:
                taken = f"another name, since the model of random weights that goes with {random.of} has this one"
                yield f"models.{name}", name, taken
        for name, corpus in self.corpora.items():
            if isinstance(corpus, DerivedCorpus):
                known = [
                    other
                    for other, base in self.corpora.items()
                    if not isinstance(base, (DerivedCorpus, *HierarchyCorpus, RandomTokensCorpus))
                ]
                if corpus.of not in known:
                    yield f"corpora.{name}.of", corpus.of, f"one of {', '.join(known) or 'none'}"

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
        for name, model in self.models.items():
            if isinstance(model, PathModel) and is_missing(f"{model.path}/config.json"):
                yield f"models.{name}.path", model.path, "a folder with config.json, *.safetensors and a tokenizer"
        for name, corpus in self.corpora.items():
            if isinstance(corpus, FileCorpus) and is_missing(corpus.path):
                yield f"corpora.{name}.path", corpus.path, "an existing file"
            if isinstance(corpus, HierarchyCorpus) and corpus.table is not None and is_missing(corpus.table):
                yield f"corpora.{name}.table", corpus.table, "an existing CSV file"

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
            depth = known_depth(self.models[model.of] if isinstance(model, RandomModel) else model)
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
        for name, figure in self.all_figures.items():
            references += self._figure_references(f"figures.{name}", figure)
        for place, found, known in references:
            for one in found:
                if one not in known:
                    yield place, one, f"one of {', '.join(known) or 'none'}"
            if len(set(found)) != len(found):
                yield place, list(found), "every name once"

    def _figure_references(
        self, place: str, figure: FigureSettings
    ) -> Iterator[tuple[str, Sequence[str], Sequence[str]]]:
        """Names that a figure refers to: place, names found, names known."""
        models = list(self.models)
        if isinstance(figure, PowerLawFigure):
            return
        if isinstance(figure, BimodalityFigure | PropertiesFigure | CoordinationFigure):
            yield f"{place}.model", [figure.model], models
        else:
            yield f"{place}.models", figure.models or (), models
        if isinstance(figure, ProbeFigure):
            key, named = named_experiments(figure)
            yield f"{place}.{key}", named, list(self.experiments)
            return
        if isinstance(figure, ComparisonFigure):
            yield f"{place}.metrics", figure.metrics, _named(self.metric_settings, "text", "corpus", "views")
            yield f"{place}.corpora", figure.corpora, self.metric_corpora
            return
        if isinstance(figure, SinksFigure):
            yield place, ["sinks"], list(self.metric_settings)
            yield f"{place}.corpora", figure.corpora or (), self.corpora_of("sinks")
            return
        shapes = ("layers",) if isinstance(figure, MatrixFigure) else ("text", "corpus", "views")
        yield f"{place}.metric", [figure.metric], _named(self.metric_settings, *shapes)
        if figure.metric in self.metric_settings:
            if isinstance(figure, MetricFigure | MatrixFigure):
                yield f"{place}.corpora", figure.corpora or (), self.corpora_of(figure.metric)
            else:
                yield f"{place}.corpus", [figure.corpus], self.corpora_of(figure.metric)

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
            reads_patterns = experiment.coordination is not None and len(spans_of(self.corpora[experiment.corpus])) > 1
            if reads_patterns and stored.attention_texts < FEWEST_PATTERNS:
                place = f"activations.corpora.{experiment.corpus}.attention_texts"
                expected = f"at least {FEWEST_PATTERNS}, since the coordination of probes.{name} correlates over texts"
                yield place, stored.attention_texts, expected


def _named(metrics: Iterable[str], *shapes: str) -> list[str]:
    return [name for name in metrics if METRICS[name].of in shapes]
