"""What the experiments of a config imply: default designs, models of random weights, figures and their tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from fathom.activations.settings import ActivationsSettings, CorpusActivations
from fathom.corpora.settings import (
    AnalogiesCorpus,
    CorpusSettings,
    DocumentsCorpus,
    EarlyContextCorpus,
    ItemsCorpus,
    RelationsCorpus,
    labels_of,
    spans_of,
    views_of,
)
from fathom.figures.settings import (
    CoordinationFigure,
    EarlyContextFigure,
    FigureSettings,
    ProbeFigure,
    ProbesFigure,
    PropertiesFigure,
    SitesFigure,
    SpansFigure,
    SummaryFigure,
)
from fathom.models.settings import ModelSettings, RandomModel
from fathom.probes.settings import Control, Estimator, ExperimentSettings

Experiments = Mapping[str, ExperimentSettings]
Corpora = Mapping[str, CorpusSettings]
Problem = tuple[str, object, str]
"""Place in the config, what was found, what was expected."""

STEPS = (ItemsCorpus, RelationsCorpus, AnalogiesCorpus)  # of the hierarchy, in the order of its claim
MOST_EXPERIMENTS = 6  # that colours tell apart in one figure
# Of the properties in fathom's own table of items, three that do not follow from one another.
OWN_LABELS = ("edible", "manmade", "larger_than_person")


def default_experiments(corpora: Corpora, activations: ActivationsSettings) -> dict[str, ExperimentSettings]:
    """One experiment a corpus of the hierarchy, read at its last item; of items also one for all their properties.

    Their controls are those that can be had of the states that are kept.
    """
    experiments: dict[str, ExperimentSettings] = {}
    for name, corpus in corpora.items():
        controls = tuple(one for one in get_args(Control) if one != "static" or keeps_static(activations, name))
        match corpus:
            case ItemsCorpus():
                own = OWN_LABELS if corpus.table is None else None
                shared: dict[str, Any] = {
                    "corpus": name,
                    "positions": ("span:item",),
                    "strata": "category",
                    "controls": controls,
                }
                experiments[name] = ExperimentSettings(**shared, labels=own)
                experiments[f"{name}-properties"] = ExperimentSettings(**shared, estimators=("ridge",))
            case RelationsCorpus() | AnalogiesCorpus():
                label = "related" if isinstance(corpus, RelationsCorpus) else "same_relation"
                last = (f"span:{spans_of(corpus)[-1]}",)
                experiments[name] = ExperimentSettings(corpus=name, positions=last, labels=(label,), controls=controls)
            case DocumentsCorpus():
                experiments[name] = ExperimentSettings(
                    corpus=name, positions=("last",), labels=("one_theme",), controls=controls
                )
            case EarlyContextCorpus():
                experiments[name] = ExperimentSettings(
                    corpus=name, positions=("last",), labels=("related",), estimators=("ridge",), controls=controls
                )
    return experiments


def keeps_static(activations: ActivationsSettings, corpus: str) -> bool:
    """Whether the states are kept that static vectors are made of: the mean of the tokens before the first block."""
    own = activations.corpora.get(corpus, CorpusActivations())
    sites, positions, layers = (
        own.sites or activations.sites,
        own.positions or activations.positions,
        activations.layers,
    )
    residual = sites == "all" or "residual" in sites
    return residual and "mean" in positions and (isinstance(layers, str) or 0 in layers)


def random_models(models: Mapping[str, ModelSettings], experiments: Experiments) -> dict[str, RandomModel]:
    """Models of random weights that experiments need as a control and that the config does not name itself."""
    if not any("random" in experiment.controls for experiment in experiments.values()):
        return {}
    taken = {model.of for model in models.values() if isinstance(model, RandomModel)}
    return {
        f"{name}-random": RandomModel(
            source="random",
            of=name,
            label=f"{model.label or name}, random weights",
            note="random weights",
            dtype=model.dtype,
            depth=model.depth,
        )
        for name, model in models.items()
        if not isinstance(model, RandomModel) and name not in taken
    }


def random_model_of(models: Mapping[str, ModelSettings], model: str) -> str | None:
    """The model of random weights that another one is set against."""
    found = [name for name, other in models.items() if isinstance(other, RandomModel) and other.of == model]
    return found[0] if found else None


def hierarchy(experiments: Experiments, corpora: Corpora) -> tuple[str, ...]:
    """The first experiment on a corpus of items, of relations and of analogies, as far as there are such."""
    steps = []
    for kind in STEPS:
        found = [name for name, one in experiments.items() if isinstance(corpora.get(one.corpus), kind)]
        steps += found[:1]
    return tuple(steps)


def probed_views(experiment: ExperimentSettings, corpora: Corpora) -> tuple[str, ...]:
    """The views that an experiment probes."""
    return experiment.views or views_of(corpora[experiment.corpus])


def default_figures(experiments: Experiments, corpora: Corpora, models: Sequence[str]) -> dict[str, FigureSettings]:
    """The figures that experiments call for."""
    figures: dict[str, FigureSettings] = {}
    steps = hierarchy(experiments, corpora)
    for estimator in get_args(Estimator):
        drawn = tuple(name for name in steps if estimator in experiments[name].estimators)
        if drawn:
            named = None if drawn == steps else drawn
            figures[f"probes-{estimator}"] = ProbesFigure(kind="probes", estimator=estimator, experiments=named)
    for name, one in experiments.items():
        estimator = "ridge" if "ridge" in one.estimators else one.estimators[0]
        corpus = corpora.get(one.corpus)
        if isinstance(corpus, ItemsCorpus) and (one.labels is None or len(one.labels) > len(OWN_LABELS)):
            figures |= {
                f"{name}-{model}": PropertiesFigure(
                    kind="properties", model=model, experiment=name, estimator=estimator
                )
                for model in models
            }
        if len(one.positions) > 1:
            figures[f"{name}-spans"] = SpansFigure(kind="spans", experiments=(name,), estimator=estimator)
        if len(one.sites) > 1:
            figures[f"{name}-sites"] = SitesFigure(kind="sites", experiments=(name,), estimator=estimator)
        if isinstance(corpus, EarlyContextCorpus):
            figures[f"{name}-decay"] = EarlyContextFigure(kind="early-context", experiment=name, estimator=estimator)
        if one.coordination is not None:
            figures |= {
                f"{name}-coordination-{model}": CoordinationFigure(
                    kind="coordination", model=model, experiment=name, estimator=estimator
                )
                for model in models
            }
    if experiments:
        figures["probe-summary"] = SummaryFigure(kind="probe-summary")
    return figures


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


def impossible_experiments(experiments: Experiments, corpora: Corpora) -> Iterator[Problem]:
    """Experiments that ask of their corpus what it does not have."""
    titles = [one.title or name for name, one in experiments.items()]
    for name, one in experiments.items():
        if titles.count(one.title or name) > 1:
            yield f"probes.{name}.title", one.title or name, "a title of its own: figures tell experiments apart by it"
        if one.corpus not in corpora:
            continue  # said elsewhere
        marked = spans_of(corpora[one.corpus])
        for position in one.positions:
            if position.startswith("span:") and position.removeprefix("span:") not in marked:
                spans = ", ".join(f"span:{span}" for span in marked) or "none"
                yield f"probes.{name}.positions", position, f"a span that corpus {one.corpus} marks: {spans}"
        known = labels_of(corpora[one.corpus])
        for key, labels in (("labels", one.labels or ()), ("strata", (one.strata,) if one.strata else ())):
            for label in labels:
                if known is not None and label not in known:
                    yield f"probes.{name}.{key}", label, f"a label of corpus {one.corpus}: {', '.join(known) or 'none'}"
        if one.coordination is not None and "attention" not in one.sites:
            yield f"probes.{name}.sites", list(one.sites), "'attention' too, since coordination reads it"


def impossible_figures(
    figures: Mapping[str, FigureSettings], experiments: Experiments, corpora: Corpora
) -> Iterator[Problem]:
    """Figures that ask of experiments what they do not measure."""
    for name, figure in figures.items():
        if not isinstance(figure, ProbeFigure):
            continue
        place = f"figures.{name}"
        drawn = drawn_experiments(figure, experiments, corpora)
        if isinstance(figure, ProbesFigure | SitesFigure) and len(drawn) > MOST_EXPERIMENTS:
            yield f"{place}.experiments", list(drawn), f"at most {MOST_EXPERIMENTS}, which colours can tell apart"
        for one in drawn:
            if one not in experiments:
                continue  # said elsewhere
            experiment = experiments[one]
            estimator = getattr(figure, "estimator", experiment.estimators[0])
            if estimator not in experiment.estimators:
                yield (
                    f"{place}.estimator",
                    estimator,
                    f"an estimator of experiment {one}: {', '.join(experiment.estimators)}",
                )
            if isinstance(figure, SpansFigure) and len(experiment.positions) < 2:
                yield f"{place}.experiments", one, "experiments with several positions"
            if isinstance(figure, SitesFigure) and len(experiment.sites) < 2:
                yield f"{place}.experiments", one, "experiments with several sites"
            if isinstance(figure, EarlyContextFigure) and not isinstance(
                corpora.get(experiment.corpus), EarlyContextCorpus
            ):
                yield f"{place}.experiment", one, "an experiment on an early-context corpus"
            if isinstance(figure, CoordinationFigure) and experiment.coordination is None:
                yield f"{place}.experiment", one, "an experiment that measures coordination"
