"""Settings and resources of the jobs of the activations stage."""

from __future__ import annotations

import math

from fathom.activations.settings import ActivationsSettings
from fathom.workflow.config import Config
from fathom.workflow.resources import (
    CHARACTERS,
    CPU_THREAD,
    CUDA,
    GPU,
    MB,
    SNAKEMAKE,
    STEPS_HELD,
    TOKENISED,
    TORCH,
    CorpusSize,
    ModelSize,
    Needs,
    at_least,
    corpus_size,
    model_size,
    table_mb,
)


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


CUT_BY = ("shards", "max_tokens", "truncate", "attention_texts", "attention_tokens")


def cut(corpus: CorpusSize) -> Needs:
    """Needs of the job that tokenises a corpus to cut it into shards: the tokens of all texts beside the texts."""
    megabytes = SNAKEMAKE + TORCH + table_mb(corpus) + TOKENISED * corpus.characters / MB
    return at_least(megabytes, corpus.characters / CHARACTERS)


def extraction(
    model: ModelSize,
    corpus: CorpusSize,
    *,
    shards: int,
    memory_mb: int,
    token_budget: int,
    attention_texts: int,
    attention_tokens: int,
    threads: int,
    gpu: bool,
) -> Needs:
    """Needs of one shard's extraction."""
    longest_batch = max(token_budget, corpus.longest)
    megabytes = (
        SNAKEMAKE
        + (TORCH + CUDA if gpu else TORCH)
        # The files as they are mapped, and the weights in the dtype that the model runs in.
        + (model.file_bytes + model.parameters * model.itemsize) / MB
        + memory_mb * 1.048576
        + STEPS_HELD * 4 * longest_batch * model.width / MB
        + _patterns(model, attention_tokens if attention_texts else 0)
        + table_mb(corpus)
        + TOKENISED * corpus.characters / shards / MB
    )
    # Two operations a weight and token; a character is a token at most, where texts are written in an alphabet.
    operations = 2 * model.parameters * corpus.characters / shards
    return at_least(megabytes, operations / (GPU if gpu else CPU_THREAD * threads))


def _patterns(model: ModelSize, tokens: int) -> float:
    """Attention patterns of one text at all blocks, as they come and as they are written; 64 numbers a head."""
    heads = math.ceil(model.width / 64)
    return 2 * 4 * model.depth * heads * tokens**2 / MB
