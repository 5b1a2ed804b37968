"""Settings, code and resources of the jobs of the metrics stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fathom.metrics.settings import METRICS
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
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
    Needs,
    StatesSize,
    at_least,
    corpus_size,
    square_mb,
    states_size,
    table_mb,
)


def token_metric_needs(manifests: Sequence[str], texts: str, *, threads: int) -> Needs:
    """Needs of all metrics of tokens: `manifests` of all shards, `texts` the corpus."""
    return token_metrics(states_size(manifests), corpus_size(texts), threads=threads)


def corpus_metric_needs(config: Config, metric: str, manifests: Sequence[str], texts: str) -> Needs:
    """Needs of one metric of whole corpora."""
    samples = getattr(config.metric_settings[metric], "samples", 1)
    return corpus_metrics(states_size(manifests), corpus_size(texts), samples=samples)


def metric_code(metrics: Iterable[str]) -> str:
    """Digest of the code behind some metrics; the other metrics' code is none of it."""
    modules = {module for metric in metrics for module in (METRICS[metric].module, METRICS[metric].table_module)}
    return code_digest("fathom.metrics.command", *sorted(modules))


def token_metrics(states: StatesSize, corpus: CorpusSize, *, threads: int) -> Needs:
    """Needs of the metrics of the tokens of a text: a block of texts in memory, a text a thread."""
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
    )
    # With and without sinks, an eigenvalue problem of the smaller side of every text's matrix.
    side = min(longest, states.width)
    operations = 2 * states.layers * states.tokens * side * (10 * side + 2 * states.width)
    return at_least(megabytes, operations / (LAPACK * threads))


def corpus_metrics(states: StatesSize, corpus: CorpusSize, *, samples: int) -> Needs:
    """Needs of one metric of whole corpora: the mean states of all layers, and matrices of texts or of the width."""
    side = max(states.texts, states.width)
    means = states.layers * states.texts * states.width * 8 / MB
    megabytes = SNAKEMAKE + NUMPY + 3 * means + MATRICES * square_mb(side) + table_mb(corpus)
    operations = samples * states.layers**2 * states.texts**2 * states.width
    return at_least(megabytes, operations / CPU_THREAD)


def _results(states: StatesSize) -> float:
    """A table of metrics: a hundred bytes for each of ten rows a text and layer, while it is put together."""
    return 1000 * states.texts * states.layers / MB
