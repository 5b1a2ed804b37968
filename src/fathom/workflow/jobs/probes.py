"""Settings and resources of the jobs of the probes stage."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fathom.probes.settings import ExperimentSettings
from fathom.workflow.config import Config
from fathom.workflow.defaults import Corpora
from fathom.workflow.resources import (
    CPU_THREAD,
    FITTING,
    LABEL,
    MATRICES,
    MB,
    SNAKEMAKE,
    CorpusSize,
    Needs,
    StatesSize,
    at_least,
    corpus_size,
    square_mb,
    states_size,
    table_mb,
)


def probed_views(experiment: ExperimentSettings, corpora: Corpora) -> tuple[str, ...]:
    """The views that an experiment probes."""
    return experiment.views or corpora[experiment.corpus].default_views


def probe_needs(
    config: Config, model: str, experiment: str, manifests: Sequence[str], texts: str, *, threads: int
) -> Needs:
    """Needs of an experiment's probes; a model of random weights is a control, with fewer fits."""
    one = config.experiments[experiment]
    control = config.all_models[model].random
    corpus = corpus_size(texts)
    labels = corpus.labels if one.labels is None else len(one.labels)
    views = len(probed_views(one, config.corpora))
    controls = 1 if control else 1 + len(one.controls)
    inner = 1 if control or not one.inner else 1 + one.inner_folds
    return probes(
        states_size(manifests),
        corpus,
        fits=one.folds * one.repeats * views * len(one.positions) * len(one.sites) * (inner + controls - 1),
        labels=labels,
        columns=labels * (1 if control else 1 + one.permutations),
        threads=threads,
    )


def coordination_needs(manifests: Sequence[str], texts: str, *, threads: int) -> Needs:
    """Needs of the coordination of adjacent layers."""
    return coordination(states_size(manifests), corpus_size(texts), threads=threads)


def probes(states: StatesSize, corpus: CorpusSize, *, fits: int, labels: int, columns: int, threads: int) -> Needs:
    """Needs of one experiment: `fits` training folds at every layer, each with `columns` labellings of `labels` labels.

    All views are held at one layer; a fold has the texts of one view.
    """
    texts = math.ceil(states.texts / states.passes)
    held = states.texts * states.width * 8 / MB
    megabytes = (
        SNAKEMAKE
        + FITTING
        + 4 * held
        + threads * (MATRICES * square_mb(texts) + 4 * texts * columns * 8 / MB)
        + labels * (LABEL + states.layers * texts * 250 / MB)
        + table_mb(corpus)
    )
    # One eigenvalue problem a fold serves all labellings.
    operations = states.layers * fits * (20 * texts**3 + 4 * texts**2 * columns)
    return at_least(megabytes, operations / (CPU_THREAD * threads))


def coordination(states: StatesSize, corpus: CorpusSize, *, threads: int) -> Needs:
    """Needs of the coordination of adjacent layers: two layers of all views, and matrices of texts."""
    texts = math.ceil(states.texts / states.passes)
    megabytes = (
        SNAKEMAKE
        + FITTING
        + 8 * states.texts * states.width * 8 / MB
        + threads * MATRICES * square_mb(max(texts, states.width))
        + table_mb(corpus)
    )
    return at_least(megabytes, states.layers * 100 * texts**3 / (CPU_THREAD * threads))
