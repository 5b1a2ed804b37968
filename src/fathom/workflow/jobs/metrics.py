"""What the rules of the metrics stage ask."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from fathom.metrics.job import ClaimJob, JudgedTable, MetricJob, ModesJob
from fathom.metrics.settings import METRICS
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
from fathom.workflow.figure_tables import files_of
from fathom.workflow.jobs.settings_json import as_json
from fathom.workflow.paths import manifests_of, stores_of
from fathom.workflow.resources import (
    BLOCK,
    BLOCKS,
    CPU_THREAD,
    LAPACK,
    LAYERS_AT_A_TIME,
    MATRICES,
    MB,
    NUMPY,
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

# Half samples of the texts of a task: a layer is chosen by the values, and no interval of them is drawn.
TASK_SAMPLES = 20


class MetricJobs:
    """Jobs that measure the states of a corpus: one of all metrics of tokens, and one of each other metric."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @property
    def token_tables(self) -> tuple[str, ...]:
        """Tables of the metrics of the tokens of a text, which one job writes."""
        return tuple(table for name in self._config.token_metrics for table in (name, *METRICS[name].tables))

    @property
    def token_summaries(self) -> tuple[str, ...]:
        """Those of these tables that are summarised."""
        return tuple(table for name in self._config.token_metrics for table in (name, *METRICS[name].more_summaries))

    @property
    def names(self) -> tuple[str, ...]:
        """Metrics of whole corpora, views and pairs of layers, each with a job of its own."""
        return tuple(name for name in self._config.metric_settings if name not in self._config.token_metrics)

    def token_settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom metrics` for all metrics of the tokens of a text."""
        return self._settings(wildcards, self._config.token_metrics)

    def settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom metrics` for one metric of a whole corpus."""
        return self._settings(wildcards, (wildcards.metric,))

    @property
    def token_code(self) -> str:
        """Digest of the code behind all metrics of the tokens of a text."""
        return metric_code(self._config.token_metrics)

    def code(self, wildcards: Wildcards) -> str:
        """Digest of the code behind one metric; the other metrics' code is none of it."""
        return metric_code((wildcards.metric,))

    def modes_settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom metrics` that tests a metric of texts for two modes, with the samples asked for."""
        model, corpus, metric = wildcards.model, wildcards.corpus, wildcards.text_metric
        uncertainty = self._config.uncertainty
        figures = self._config.all_figures.values()
        return as_json(
            ModesJob(
                model=model,
                corpus=corpus,
                metric=metric,
                samples=max(figure.dip_samples(model, corpus, metric) for figure in figures),
                level=uncertainty.level,
                seed=uncertainty.seed,
            )
        )

    @property
    def modes_code(self) -> str:
        """Digest of the code behind the test for two modes."""
        return modes_code()

    @cached_property
    def claimed(self) -> tuple[str, ...]:
        """Figures in which a paper claims something of metrics."""
        return tuple(name for name, figure in self._config.all_figures.items() if figure.paper_claim is not None)

    def claim_settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom metrics` that judges what a paper claims in a figure."""
        figure, uncertainty = self._config.all_figures[wildcards.figure], self._config.uncertainty
        judged = figure.judged_tables(self._config)
        return as_json(
            ClaimJob(
                claim=str(figure.paper_claim),
                figure=wildcards.figure,
                tables=tuple(
                    JudgedTable(model=str(one.model), corpus=one.corpus_or_experiment, content=one.content)
                    for one in judged
                ),
                spectra={} if judged else figure.options,
                samples=uncertainty.bootstrap,
                level=uncertainty.level,
                seed=uncertainty.seed,
            )
        )

    def claim_tables(self, wildcards: Wildcards) -> list[str]:
        """The files of the tables that the claim of a figure is judged on."""
        return files_of(self._config.all_figures[wildcards.figure].judged_tables(self._config))

    @cached_property
    def claims_code(self) -> str:
        """Digest of the code behind verdicts."""
        return claims_code()

    def manifests(self, wildcards: Wildcards) -> list[str]:
        """Manifests of all shards of the states."""
        return manifests_of(wildcards.model, wildcards.corpus, self.shards(wildcards))

    def stores(self, wildcards: Wildcards) -> list[str]:
        """Stores of all shards of the states."""
        return stores_of(wildcards.model, wildcards.corpus, self.shards(wildcards))

    def shards(self, wildcards: Wildcards) -> int:
        """How many shards the states are cut into."""
        return self._config.shards_of(wildcards.corpus)

    def group(self, wildcards: Wildcards) -> str | None:
        """Jobs on a corpus of one shard are small: several go to the cluster as one, as the profile says how many."""
        return "measuring" if self.shards(wildcards) == 1 else None

    def token_resources(self, wildcards: Wildcards, input: Inputs, threads: int) -> Resources:  # noqa: ARG002 - as Snakemake calls it
        """Memory and time of all metrics of the tokens of a text."""
        return token_metric_resources(states_size(input.manifests), corpus_size(input.corpus), threads=threads)

    def resources(self, wildcards: Wildcards, input: Inputs, threads: int) -> Resources:  # noqa: ARG002 - as Snakemake calls it
        """Memory and time of one metric of a whole corpus."""
        samples = getattr(self._config.metric_settings[wildcards.metric], "samples", 1)
        if wildcards.corpus in self._config.task_corpora:
            samples = min(samples, TASK_SAMPLES)
        return corpus_metric_resources(states_size(input.manifests), corpus_size(input.corpus), samples=samples)

    def _settings(self, wildcards: Wildcards, metrics: Iterable[str]) -> str:
        uncertainty = self._config.uncertainty
        measured = [self._config.metric_settings[metric].measured(uncertainty.seed) for metric in metrics]
        if wildcards.corpus in self._config.task_corpora:
            measured = [one.model_copy(update={"samples": min(one.samples, TASK_SAMPLES)}) for one in measured]
        return as_json(
            MetricJob(
                model=wildcards.model,
                corpus=wildcards.corpus,
                measured=tuple(measured),
                bootstrap=uncertainty.bootstrap,
                level=uncertainty.level,
                seed=uncertainty.seed,
            )
        )


def modes_code() -> str:
    """Digest of the code behind the test for two modes."""
    return code_digest("fathom.metrics.command", "fathom.metrics.modes")


def claims_code() -> str:
    """Digest of the code behind verdicts on claims."""
    return code_digest("fathom.metrics.command", "fathom.metrics.claims.evaluate")


def metric_code(metrics: Iterable[str]) -> str:
    """Digest of the code behind some metrics; the other metrics' code is none of it."""
    modules = {module for metric in metrics for module in (METRICS[metric].module, METRICS[metric].table_module)}
    return code_digest("fathom.metrics.command", *sorted(modules))


def token_metric_resources(states: StatesSize, corpus: CorpusSize, *, threads: int) -> Resources:
    """Resources of the metrics of the tokens of a text: a block of texts in memory, a text a thread."""
    longest = states.longest(corpus)
    matrix = longest * max(longest, states.width) * 8 / MB
    one_text = longest * states.layers * states.width * states.itemsize / MB
    megabytes = (
        SNAKEMAKE
        + NUMPY
        + BLOCKS * max(BLOCK, one_text)
        + threads * max(LAYERS_AT_A_TIME, MATRICES * matrix)
        + table_mb(corpus)
        + _results(states)
        + _facts(states)
    )
    # With and without sinks, an eigenvalue problem of the smaller side of every text's matrix.
    side = min(longest, states.width)
    operations = 2 * states.layers * states.tokens * side * (10 * side + 2 * states.width)
    return resources_for(megabytes, operations / (LAPACK * threads))


def corpus_metric_resources(states: StatesSize, corpus: CorpusSize, *, samples: int) -> Resources:
    """Resources of one metric of whole corpora: the means of all layers, and matrices of texts or of the width."""
    side = max(states.texts, states.width)
    means = states.layers * states.texts * states.width * 8 / MB
    megabytes = SNAKEMAKE + NUMPY + 3 * means + MATRICES * square_mb(side) + table_mb(corpus)
    operations = samples * states.layers**2 * states.texts**2 * states.width
    return resources_for(megabytes, operations / CPU_THREAD)


def _results(states: StatesSize) -> float:
    """A table of metrics: a hundred bytes for each of ten rows a text and layer, while it is put together."""
    return 1000 * states.texts * states.layers / MB


def _facts(states: StatesSize) -> float:
    """What is known of every token: a norm and a share of heads at every layer."""
    return 2 * 4 * states.layers * states.tokens / MB
