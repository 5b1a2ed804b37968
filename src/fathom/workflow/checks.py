"""Checks of a whole config: combinations that no single section can see."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from fathom.activations.settings import CorpusActivations, holds
from fathom.corpora.settings import CorpusSettings
from fathom.metrics.settings import METRICS
from fathom.models.settings import ModelSettings
from fathom.probes.settings import ExperimentSettings
from fathom.runtime.errors import FathomError
from fathom.schema import Problem, unknown_names
from fathom.tasks.settings import TaskSettings
from fathom.workflow.config import Config
from fathom.workflow.defaults import Corpora, Experiments, random_models

FEWEST_MAPS = 20  # texts with attention maps, over which layers are correlated
EXPERIMENT_TABLES = (
    "layers",
    "choices",
    "texts",
    "coordination",
)  # files of an experiment beside the one called after it


def problems(config: Config, *, files_here: bool) -> Iterator[Problem]:
    """What cannot work in a config whose sections are right by themselves.

    Without `files_here` the files that the config names are not looked for: a job may run where they are not.
    """
    yield from _unpinned(config)
    yield from _colliding_names(config)
    if files_here:
        yield from _missing_files(config)
    yield from _wrong_bases(config)
    if files_here:
        yield from _unknown_tasks(config)
    yield from _unmeasurable_on_tasks(config)
    yield from _unknown_layers(config)
    yield from _unknown_names(config)
    yield from _unstored_positions(config)
    yield from impossible_experiments(config.experiments, config.corpora)
    yield from _unstored_for_probes(config)
    yield from impossible_figures(config)
    if not config.all_figures:
        yield "figures", "none", "at least one figure; the config asks for no metric and no experiment"


def _sources(config: Config) -> dict[str, ModelSettings | CorpusSettings | TaskSettings]:
    """Models, corpora and tasks by their place in the config."""
    sources: dict[str, ModelSettings | CorpusSettings | TaskSettings] = {}
    sources |= {f"models.{name}": one for name, one in config.models.items()}
    sources |= {f"corpora.{name}": one for name, one in config.corpora.items()}
    return sources | {f"tasks.{name}": one for name, one in config.tasks.items()}


def _unpinned(config: Config) -> Iterator[Problem]:
    if config.paper is None:
        return
    for place, source in _sources(config).items():
        if not source.pinned:
            expected = "a full commit hash (40 hexadecimal digits) in a paper's config"
            yield f"{place}.revision", getattr(source, "revision", None), expected


def _colliding_names(config: Config) -> Iterator[Problem]:
    """Names whose results would be one file: another table's, or where upper and lower case are the same."""
    sections: dict[str, Mapping[str, object]] = {
        "nursery": config.nursery,
        "models": config.models,
        "corpora": config.corpora,
        "probes": config.experiments,
        "tasks": config.tasks,
        "figures": config.all_figures,
    }
    for place, entries in sections.items():
        known: set[str] = set()
        for name in entries:
            if name.casefold() in known:
                yield f"{place}.{name}", name, "a name that differs from others in more than upper and lower case"
            known.add(name.casefold())
    for name in config.corpora:
        if name in config.task_corpora:
            yield f"corpora.{name}", name, f"another name, since the texts of task {config.task_corpora[name]} have it"
    for name in config.tasks:
        base, _, table = name.rpartition(".")
        if table == "layers" and base in config.tasks:
            yield f"tasks.{name}", name, f"another name, since results of {base} have this one"
    for name in config.experiments:
        base, _, table = name.rpartition(".")
        if table in EXPERIMENT_TABLES:
            whose = base if base in config.experiments else "an experiment"
            yield f"probes.{name}", name, f"another name, since results of {whose} have this one"


def _missing_files(config: Config) -> Iterator[Problem]:
    for place, source in _sources(config).items():
        for key, path, expected in source.required_files:
            if not Path(path).is_file():
                home = "; ~ is not expanded, write the path out" if path.startswith("~") else ""
                yield f"{place}.{key}", getattr(source, key), expected + home


def _wrong_bases(config: Config) -> Iterator[Problem]:
    """What is derived must be derived from something that is not derived itself."""
    for name, model in config.models.items():
        if model.base is not None and model.base not in config.trained_models:
            yield f"models.{name}.of", model.base, f"one of {', '.join(config.trained_models) or 'none'}"
        elif model.base is not None and model.ablated:
            whole = config.models[model.base]
            if model.dtype != whole.dtype:
                yield f"models.{name}.dtype", model.dtype, f"that of model {model.base}, {whole.dtype}"
    for name, model in config.models.items():
        if model.training is not None:
            yield from unknown_names(f"models.{name}.of", [model.training], config.nursery)
    for name, random in random_models(config.models, config.experiments).items():
        if name in config.models:
            taken = f"another name, since the model of random weights that goes with {random.of} has this one"
            yield f"models.{name}", name, taken
    known_corpora = [*(name for name, corpus in config.corpora.items() if corpus.written), *config.task_corpora]
    for name, corpus in config.corpora.items():
        if corpus.base is not None and corpus.base not in known_corpora:
            yield f"corpora.{name}.of", corpus.base, f"one of {', '.join(known_corpora) or 'none'}"


def _unknown_tasks(config: Config) -> Iterator[Problem]:
    """Tasks that mteb does not have, or of types not scored. mteb is imported only for what fathom does not know."""
    for name, task in config.tasks.items():
        if task.mteb_name is None or task.known:
            continue
        from fathom.tasks.mteb_names import require_scorable

        try:
            require_scorable(task.mteb_name, task.options["subset"])
        except FathomError as error:
            yield f"tasks.{name}.name", task.mteb_name, f"a task of mteb that can be scored ({error})"


def _unmeasurable_on_tasks(config: Config) -> Iterator[Problem]:
    """Metrics that have no value of a task's texts at a layer, or whose views of these texts there are not."""
    known = [
        name
        for name, metric in METRICS.items()
        if metric.of not in ("layers", "sinks") and "label" not in metric.model_fields
    ]
    for name in config.metrics.tasks:
        if name in METRICS and name not in known:
            yield "metrics.tasks", name, f"one that has a value at each layer without labels: {', '.join(known)}"
        elif name in config.task_metrics and config.tasks and not config.task_metric_corpora(name):
            task = next(iter(config.tasks))
            yield "metrics.tasks", name, f"a corpus of the kind views `of: task-{task}`, whose views it reads"


def _unknown_layers(config: Config) -> Iterator[Problem]:
    wanted = config.activations.layers
    if isinstance(wanted, str):
        return
    if len(set(wanted)) != len(wanted):
        yield "activations.layers", list(wanted), "every layer once"
    numbers = [layer for layer in wanted if isinstance(layer, int)]
    if not numbers:
        return
    highest = max(numbers)
    for name, model in config.models.items():
        depth = (model if model.base is None else config.models[model.base]).known_depth()
        if depth is None:
            yield f"models.{name}.depth", None, "the number of blocks, since activations.layers names single layers"
        elif highest > depth:
            yield "activations.layers", highest, f"a layer from 0 to {depth}, for that is how deep model {name} is"


def _unknown_names(config: Config) -> Iterator[Problem]:
    references: list[tuple[str, Sequence[str], Sequence[str]]] = [
        ("metrics.corpora", config.metric_corpora, list(config.corpora)),
        ("activations.corpora", list(config.activations.corpora), [*config.corpora, *config.task_corpora]),
        ("metrics.only", config.metrics.only or (), list(METRICS)),
        ("metrics.tasks", config.metrics.tasks, list(METRICS)),
    ]
    for name, training in config.nursery.items():
        written = [corpus for corpus, one in config.corpora.items() if one.written]
        references += [(f"nursery.{name}.text", [training.text], written)]
        references += [(f"nursery.{name}.apart_from", training.apart_from, list(config.corpora))]
    references += [
        (f"probes.{name}.corpus", [experiment.corpus], list(config.corpora))
        for name, experiment in config.experiments.items()
    ]
    references += [
        (f"probes.{name}.test", experiment.corpora[1:], list(config.corpora))
        for name, experiment in config.experiments.items()
    ]
    for place, found, known in references:
        yield from unknown_names(place, found, known)


def _unstored(config: Config, corpus: str, position: str, reader: str) -> Iterator[Problem]:
    """A position that something reads and that is not kept of a corpus."""
    own = config.activations.corpora.get(corpus, CorpusActivations()).positions
    stored = config.activations.positions if own is None else own
    if stored != "auto" and not holds(stored, position):
        place = "activations.positions" if own is None else f"activations.corpora.{corpus}.positions"
        yield place, list(stored), f"'auto', or {position!r} too, since {reader} reads it"


def _unstored_positions(config: Config) -> Iterator[Problem]:
    for name in config.metric_settings:
        for measured in config.corpora_of(name):
            yield from _unstored(config, measured, METRICS[name].position, f"metrics.{name}")


def impossible_experiments(experiments: Experiments, corpora: Corpora) -> Iterator[Problem]:
    """Experiments that ask of their corpus what it does not have."""
    titles = [one.title or name for name, one in experiments.items()]
    for name, one in experiments.items():
        if titles.count(one.title or name) > 1:
            yield f"probes.{name}.title", one.title or name, "a title of its own: figures tell experiments apart by it"
        corpus = corpora.get(one.corpus)
        if corpus is None:
            continue  # said elsewhere
        if one.test is not None and one.test in corpora:
            yield from _impossible_test(name, one, corpus, corpora[one.test])
        for position in one.positions:
            if position.startswith("span:") and position.removeprefix("span:") not in corpus.span_names:
                spans = ", ".join(f"span:{span}" for span in corpus.span_names) or "none"
                yield f"probes.{name}.positions", position, f"a span that corpus {one.corpus} marks: {spans}"
        named = {"labels": one.labels or (), "stratify_by": () if one.stratify_by is None else (one.stratify_by,)}
        for key, labels in named.items():
            for label in labels:
                if corpus.label_names is not None and label not in corpus.label_names:
                    expected = f"a label of corpus {one.corpus}: {', '.join(corpus.label_names) or 'none'}"
                    yield f"probes.{name}.{key}", label, expected
        if one.coordination is not None and "attention" not in one.sites:
            yield f"probes.{name}.sites", list(one.sites), "'attention' too, since coordination reads it"


def _impossible_test(
    name: str, one: ExperimentSettings, corpus: CorpusSettings, tested: CorpusSettings
) -> Iterator[Problem]:
    """What an experiment reads of the corpus that it is tested on besides, and that one lacks."""
    if one.test == one.corpus:
        yield f"probes.{name}.test", one.test, "another corpus than the one that is trained on"
    if corpus.designed != tested.designed:
        kind = "a design of items" if corpus.designed else "a corpus that is no design of items"
        yield f"probes.{name}.test", one.test, f"{kind}, as {one.corpus} is"
    for position in one.positions:
        span = position.removeprefix("span:")
        if position.startswith("span:") and span not in tested.span_names and span in corpus.span_names:
            yield (
                f"probes.{name}.test",
                one.test,
                f"a corpus that marks the span {span!r}, which is read in {one.corpus}",
            )
    labels = one.labels or corpus.label_names or ()
    known = tested.label_names
    for label in labels if known is not None else ():
        if label not in (known or ()):
            expected = f"a corpus with the label {label!r} of {one.corpus}; it has {', '.join(known or ()) or 'none'}"
            yield f"probes.{name}.test", one.test, expected


def impossible_figures(config: Config) -> Iterator[Problem]:
    """What figures ask for and the config has not."""
    for name, figure in config.all_figures.items():
        for key, found, expected in figure.problems(config):
            yield f"figures.{name}.{key}" if key else f"figures.{name}", found, expected


def _unstored_sites(config: Config, corpus: str, needed: Collection[str], reader: str) -> Iterator[Problem]:
    """Sites that something reads and that are not kept of a corpus."""
    own = config.activations.corpora.get(corpus, CorpusActivations()).sites
    sites = own or config.activations.sites
    missing = [] if isinstance(sites, str) else sorted(set(needed) - set(sites))
    if missing:
        place = "activations.sites" if own is None else f"activations.corpora.{corpus}.sites"
        yield place, list(sites), f"'auto', or {', '.join(missing)} too, since {reader} reads it"


def _unstored_for_probes(config: Config) -> Iterator[Problem]:
    """What experiments read and extraction does not keep."""
    for name, experiment in config.experiments.items():
        if experiment.corpus not in config.corpora:
            continue  # said elsewhere
        for position in experiment.positions:
            for corpus in experiment.corpora:
                yield from _unstored(config, corpus, position, f"probes.{name}")
        own = config.activations.corpora.get(experiment.corpus, CorpusActivations())
        needed = set(experiment.sites)
        if "static" in experiment.controls:
            reader = f"the control `static` of probes.{name}"
            needed.add("residual")
            yield from _unstored(config, experiment.corpus, "embedding_mean", reader)
            layers = config.activations.layers
            if not isinstance(layers, str) and 0 not in layers:
                yield "activations.layers", list(layers), f"layer 0 too, since {reader} reads it"
        yield from _unstored_sites(config, experiment.corpus, needed, f"probes.{name}")
        for corpus in experiment.corpora[1:]:
            yield from _unstored_sites(config, corpus, set(experiment.sites), f"probes.{name}")
        reads_maps = experiment.coordination is not None and len(config.corpora[experiment.corpus].span_names) > 1
        maps = config.activations.attention_texts if own.attention_texts is None else own.attention_texts
        if reads_maps and maps != "auto" and maps < FEWEST_MAPS:
            place = f"activations.corpora.{experiment.corpus}.attention_texts"
            expected = f"at least {FEWEST_MAPS}, since the coordination of probes.{name} correlates over texts"
            yield place, maps, expected
