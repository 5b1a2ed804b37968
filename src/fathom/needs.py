"""What the rules ask for: the memory and time of a job, from the files that it reads and its part of the config.

A file that is not there yet is a FileNotFoundError that names it. Snakemake then asks again before it submits the job.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from fathom.activations.settings import ActivationsSettings
from fathom.config import Config
from fathom.copies import readable
from fathom.errors import FathomError
from fathom.experiments import probed_views
from fathom.models.settings import RandomModel
from fathom.sizes import (
    CorpusSize,
    ModelSize,
    Needs,
    StatesSize,
    coordination,
    corpus_metrics,
    cut,
    extraction,
    probes,
    token_metrics,
)

ITEMSIZE = {"float32": 4, "float16": 2, "bfloat16": 2}


def extraction_needs(
    config: Config, model: str, corpus: str, manifest: str, texts: str, *, shards: int, threads: int
) -> Needs:
    """Needs of one shard: `manifest` is the model's, `texts` the corpus."""
    wanted: ActivationsSettings = config.extraction_of(corpus)
    return extraction(
        model_size(manifest, config.all_models[model].dtype),
        corpus_size(texts),
        shards=shards,
        memory_mb=wanted.memory_mb,
        token_budget=wanted.token_budget,
        attention_texts=wanted.attention_texts if config.reads_patterns(model, corpus) else 0,
        attention_tokens=wanted.attention_tokens,
        threads=threads,
        gpu=wants_gpu(config),
    )


def cut_needs(texts: str) -> Needs:
    """Needs of the job that cuts a corpus into shards."""
    return cut(corpus_size(texts))


def wants_gpu(config: Config) -> bool:
    """Whether extraction asks the cluster for a GPU."""
    return config.activations.device != "cpu"


def token_metric_needs(manifests: Sequence[str], texts: str, *, threads: int) -> Needs:
    """Needs of all metrics of tokens: `manifests` of all shards, `texts` the corpus."""
    return token_metrics(states_size(manifests), corpus_size(texts), threads=threads)


def corpus_metric_needs(config: Config, metric: str, manifests: Sequence[str], texts: str) -> Needs:
    """Needs of one metric of whole corpora."""
    samples = getattr(config.metric_settings[metric], "samples", 1)
    return corpus_metrics(states_size(manifests), corpus_size(texts), samples=samples)


def probe_needs(
    config: Config, model: str, experiment: str, manifests: Sequence[str], texts: str, *, threads: int
) -> Needs:
    """Needs of an experiment's probes; a model of random weights is a control, with fewer fits."""
    one = config.experiments[experiment]
    control = isinstance(config.all_models[model], RandomModel)
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


def model_size(manifest: str, dtype: str) -> ModelSize:
    """The size of a prepared model, from its manifest."""
    facts = _manifest(manifest, "parameters", "depth", "width", "files")
    weights = [file["bytes"] for name, file in facts["files"].items() if name.endswith(".safetensors")]
    return ModelSize(sum(weights), ITEMSIZE[dtype], facts["parameters"], facts["depth"], facts["width"])


def corpus_size(texts: str) -> CorpusSize:
    """The size of a corpus, from what stands beside its table."""
    return _corpus_size(texts, _version(texts))


def states_size(manifests: Sequence[str]) -> StatesSize:
    """The size of all shards together, from the manifest of the first: shards have about as many tokens each."""
    first = _manifest(manifests[0], "texts", "passes", "tokens", "sites", "width", "dtype")
    return StatesSize(
        texts=first["texts"] * len(manifests),
        passes=first["passes"],
        tokens=first["tokens"] * len(manifests),
        layers=max(len(site["layers"]) for site in first["sites"]),
        width=first["width"],
        itemsize=ITEMSIZE[first["dtype"]],
    )


def _manifest(path: str, *facts: str) -> dict[str, Any]:
    """A manifest, unchecked: the job itself checks it, and says what is wrong with it."""
    content = _json(path, _version(path))
    if not isinstance(content, dict) or any(fact not in content for fact in facts):
        # From an earlier version of fathom, or torn: it is not there yet, as far as a plan goes.
        raise FileNotFoundError(errno.ENOENT, f"no manifest with {', '.join(facts)}", path)
    return content


def _version(path: str) -> tuple[int, int]:
    """What changes when a file does. A plan asks for the same files at every job."""
    found = os.stat(readable(path))  # noqa: PTH116 - its error names the file as Snakemake does
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=1024)
def _json(path: str, _version: tuple[int, int]) -> Any:
    try:
        return json.loads(Path(readable(path)).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError):
        return None


@lru_cache(maxsize=1024)
def _corpus_size(texts: str, _version: tuple[int, int]) -> CorpusSize:
    from fathom.tables import read_corpus_sizes  # it brings pandas, which a plan without corpora does not need

    try:
        return CorpusSize(**read_corpus_sizes(Path(readable(texts))))
    except (FathomError, ValueError, TypeError) as error:
        # As with a manifest: the job reads it too, and says what is wrong in a line of its own.
        raise FileNotFoundError(errno.ENOENT, "no corpus that can be read", texts) from error
