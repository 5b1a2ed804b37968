"""What the rules of the probes stage ask."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

from fathom.io.names import ORDERED
from fathom.probes.design import MANY_TEXTS
from fathom.probes.job import OrderedStep, OrderJob, ProbeJob
from fathom.probes.settings import ExperimentSettings
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
from fathom.workflow.defaults import probed_views
from fathom.workflow.jobs.settings_json import as_json
from fathom.workflow.paths import manifests_of, stores_of
from fathom.workflow.resources import (
    CPU_THREAD,
    FITTING,
    LABEL,
    MATRICES,
    MB,
    SNAKEMAKE,
    CorpusSize,
    Resources,
    StatesSize,
    corpus_size,
    resources_for,
    square_mb,
    states_size,
    table_mb,
)
from fathom.workflow.wildcards import Inputs, Wildcards

CLASSES = 10  # of a label, whose number is not known before the corpus is read
MOST_HELD = 512 * 2**20  # bytes, as in fathom.probes.kept_outcomes, which no plan imports
MOST_NUMBERS = 2**25  # of labellings that are fitted together


class ProbeJobs:
    """Jobs that fit the probes of an experiment, and those that measure the coordination of adjacent layers."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @cached_property
    def code(self) -> str:
        """Digest of the code of probes and of coordination."""
        return code_digest("fathom.probes.command")

    def settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom probes`; of a model of random weights, those of a control."""
        return as_json(self._job(wildcards))

    def coordination_settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom probes` for the coordination of adjacent layers."""
        one, _, _ = self._design(wildcards)
        return as_json(one.coordination_job(self._job(wildcards), self._config.uncertainty))

    def directions_settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom probes` that keeps the directions of an experiment."""
        one, _, _ = self._design(wildcards)
        return as_json(one.directions_job(self._job(wildcards)))

    @property
    def directions(self) -> list[str]:
        """Files of the directions that experiments keep, of every model but those of random weights."""
        return [
            f"results/probes/{model}/{name}.directions.safetensors"
            for name, one in self._config.experiments.items()
            if one.keep_directions
            for model in self._config.trained_models
        ]

    @cached_property
    def orders(self) -> dict[str, tuple[str, ...]]:
        """Experiments whose peaks are said to follow one another in some figure, by their joined names."""
        orders = [figure.order(self._config) for figure in self._config.all_figures.values()]
        return {ORDERED.join(steps): steps for steps in orders if len(steps) > 1}

    def order_settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom probes` that tests such an order."""
        config, uncertainty = self._config, self._config.uncertainty
        corpora = {name: config.experiments[name].corpus for name in self.orders[wildcards.order]}
        # The claim is: items < relations <= analogies.
        steps = tuple(
            OrderedStep(experiment=name, corpus=corpus, strict=config.corpora[corpus].step == 0)
            for name, corpus in corpora.items()
        )
        return as_json(
            OrderJob(
                model=wildcards.model,
                steps=steps,
                samples=uncertainty.bootstrap,
                level=uncertainty.level,
                seed=uncertainty.seed,
            )
        )

    def order_tables(self, wildcards: Wildcards) -> list[str]:
        """The tables of these experiments."""
        return [
            f"results/probes/{wildcards.model}/{name}.{table}.parquet"
            for name in self.orders[wildcards.order]
            for table in ("layers", "texts")
        ]

    def order_corpora(self, wildcards: Wildcards) -> list[str]:
        """The texts of each of them."""
        experiments = self._config.experiments
        return [f"results/corpora/{experiments[name].corpus}.parquet" for name in self.orders[wildcards.order]]

    def order_options(self, wildcards: Wildcards) -> list[str]:
        """Options of `fathom probes` that name them, as words that the rule quotes one by one."""
        return [word for corpus in self.order_corpora(wildcards) for word in ("--corpus", corpus)]

    def corpus(self, wildcards: Wildcards) -> str:
        """The table of the texts that an experiment probes."""
        return f"results/corpora/{self._corpus(wildcards)}.parquet"

    def manifests(self, wildcards: Wildcards) -> list[str]:
        """Manifests of all shards of the states."""
        return manifests_of(wildcards.model, self._corpus(wildcards), self.shards(wildcards))

    def stores(self, wildcards: Wildcards) -> list[str]:
        """Stores of all shards of the states."""
        return stores_of(wildcards.model, self._corpus(wildcards), self.shards(wildcards))

    def shards(self, wildcards: Wildcards) -> int:
        """How many shards the states are cut into."""
        return self._config.shards_of(self._corpus(wildcards))

    def test_corpus(self, wildcards: Wildcards) -> list[str]:
        """The table of the texts that an experiment is tested on besides, where it names such a corpus."""
        return [f"results/corpora/{test}.parquet" for test in self._tests(wildcards)]

    def test_manifests(self, wildcards: Wildcards) -> list[str]:
        """Manifests of all shards of its states."""
        return [
            manifest
            for test in self._tests(wildcards)
            for manifest in manifests_of(wildcards.model, test, self._config.shards_of(test))
        ]

    def test_stores(self, wildcards: Wildcards) -> list[str]:
        """Stores of all shards of its states."""
        return [
            store
            for test in self._tests(wildcards)
            for store in stores_of(wildcards.model, test, self._config.shards_of(test))
        ]

    def test_options(self, wildcards: Wildcards, input: Inputs) -> list[str]:
        """Options of `fathom probes` that name them, as words that the rule quotes one by one."""
        words: list[str] = []
        for test in self._tests(wildcards):
            words += ["--test-corpus", str(input.test_corpus[0])]
            words += ["--test-states", str(Path(input.test_manifests[0]).parent)]
            words += ["--test-shards", str(self._config.shards_of(test))]
        return words

    def _tests(self, wildcards: Wildcards) -> tuple[str, ...]:
        """The corpus that is tested besides, if there is one; a model of random weights is tested on none."""
        one, _, control = self._design(wildcards)
        return () if control else one.corpora[1:]

    def group(self, wildcards: Wildcards) -> str | None:
        """Jobs on a corpus of one shard are small: several go to the cluster as one, as the profile says how many."""
        return "measuring" if self.shards(wildcards) == 1 else None

    def resources(self, wildcards: Wildcards, input: Inputs, threads: int) -> Resources:
        """Memory and time of an experiment's probes; a model of random weights is a control, with fewer fits."""
        tested = states_size(input.test_manifests).texts if self._tests(wildcards) else 0
        return self._resources(wildcards, input, threads, tested)

    def directions_resources(self, wildcards: Wildcards, input: Inputs, threads: int) -> Resources:
        """Memory and time of directions: at most those of the probes."""
        return self._resources(wildcards, input, threads, 0)

    def _resources(self, wildcards: Wildcards, input: Inputs, threads: int, tested: int) -> Resources:
        one, views, control = self._design(wildcards)
        corpus = corpus_size(input.corpus)
        labels = corpus.labels if one.labels is None else len(one.labels)
        controls = 1 if control else 1 + len(one.controls)
        inner = 1 if control or not one.inner else 1 + one.inner_folds
        return probe_resources(
            states_size(input.manifests),
            corpus,
            fits=one.folds * one.repeats * len(views) * len(one.positions) * len(one.sites) * (inner + controls - 1),
            labels=labels,
            columns=labels * (1 if control else 1 + one.permutations),
            threads=threads,
            tested=tested,
            predictions=one.repeats * (4 * one.folds * bool(one.inner) + 8),
        )

    def coordination_resources(
        self,
        wildcards: Wildcards,  # noqa: ARG002 - all such functions take the same
        input: Inputs,
        threads: int,
    ) -> Resources:
        """Memory and time of the coordination of adjacent layers."""
        return coordination_resources(states_size(input.manifests), corpus_size(input.corpus), threads=threads)

    def _job(self, wildcards: Wildcards) -> ProbeJob:
        """What the job is told that fits the probes."""
        one, views, control = self._design(wildcards)
        designed = self._config.corpora[one.corpus].designed
        uncertainty = self._config.uncertainty
        return one.job(wildcards.model, wildcards.experiment, views, uncertainty, control=control, designed=designed)

    def _corpus(self, wildcards: Wildcards) -> str:
        return self._config.experiments[wildcards.experiment].corpus

    def _design(self, wildcards: Wildcards) -> tuple[ExperimentSettings, tuple[str, ...], bool]:
        """An experiment, the views that it probes, and whether the model is a control of random weights."""
        one = self._config.experiments[wildcards.experiment]
        return one, probed_views(one, self._config.corpora), self._config.all_models[wildcards.model].random


def probe_resources(
    states: StatesSize,
    corpus: CorpusSize,
    *,
    fits: int,
    labels: int,
    columns: int,
    threads: int,
    tested: int = 0,
    predictions: int = 0,
) -> Resources:
    """Resources of one experiment: `fits` training folds a layer, each with `columns` labellings of `labels` labels.

    All views are held at one layer; a fold has the texts of one view, and those of another corpus that are `tested`
    besides. Of every layer, label and class `predictions` bytes a text are kept, by which layers are compared; beyond a
    bound in files.
    """
    texts = math.ceil(states.texts / states.passes) + tested
    held = (states.texts + tested) * states.width * 8 / MB
    # Of many texts ridge takes moments of the width of the states, and no Gram matrix is made.
    many = texts > MANY_TEXTS
    side = states.width if many else texts
    megabytes = (
        SNAKEMAKE
        + FITTING
        + 4 * held
        + threads * (MATRICES * square_mb(side) + 4 * min(texts * columns, MOST_NUMBERS) * 8 / MB)
        + labels * (LABEL + states.layers * texts * 250 / MB)
        + min(MOST_HELD, labels * states.layers * texts * predictions * CLASSES) / MB
        + table_mb(corpus)
    )
    # One tridiagonal form a fold serves all labellings; moments take two passes over the texts besides.
    operations = states.layers * fits * (20 * side**3 + 4 * texts * side * (columns + (side if many else 0)))
    return resources_for(megabytes, operations / (CPU_THREAD * threads))


def coordination_resources(states: StatesSize, corpus: CorpusSize, *, threads: int) -> Resources:
    """Resources of the coordination of adjacent layers: two layers of all views, and matrices of texts."""
    texts = math.ceil(states.texts / states.passes)
    megabytes = (
        SNAKEMAKE
        + FITTING
        + 8 * states.texts * states.width * 8 / MB
        + threads * MATRICES * square_mb(max(texts, states.width))
        + table_mb(corpus)
    )
    return resources_for(megabytes, states.layers * 100 * texts**3 / (CPU_THREAD * threads))
