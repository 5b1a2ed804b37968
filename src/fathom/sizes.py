"""How much memory and time a job needs, computed from the sizes of its model, its corpus and its settings.

Every term has a name below and stands in docs/cluster.md with the peaks that were measured. Memory is an upper bound
for what was measured, since a cluster kills what exceeds its share; time is several times what was measured, since
nobody knows the machine. Both grow with every attempt of a job.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

MB = 1_000_000

# Megabytes that are there before anything is read.
SNAKEMAKE = 350  # on a cluster two processes of Snakemake stand around every job, 130 to 160 MB each
TORCH = 500  # Python with torch and transformers
CUDA = 3000  # what torch's GPU libraries take of the main memory
NUMPY = 200  # Python with numpy, scipy, pandas
FITTING = 340  # and with scikit-learn

STEPS_HELD = 32  # arrays of tokens x width that a block of a model makes before they are freed
BLOCK = 128 * 1.048576  # token states that are read at a time, see fathom.metrics.text_tables
BLOCKS = 3  # as they are read, as they are cut into texts, and those of the block before
LAYERS_AT_A_TIME = 16 * 1.048576 * 6  # states of one text in float64, prepared and as they are, with and without sinks
LABEL = 6  # scores of the folds of one label, and of its resampled texts
TOKENISED = 12  # bytes of the tokens of a character: three, where an alphabet is cut into bytes
MATRICES = 6  # Gram matrices, their eigenvectors and work space

# Minutes, and operations a second that a job is trusted to do at least.
START = 10
PATIENCE = 4
CPU_THREAD = 5e9
GPU = 2e12
CHARACTERS = 1e5  # that a tokenizer reads in a second
LAPACK = 5e8  # of the small matrices of single texts, with one thread


class Needs(NamedTuple):
    """What a job asks for: megabytes and minutes."""

    mem_mb: int
    runtime: int

    def at(self, attempt: int) -> Needs:
        """What it asks for at its first, second, third attempt."""
        return Needs(self.mem_mb * attempt, self.runtime * attempt)


@dataclass(frozen=True)
class ModelSize:
    """A checkpoint: bytes of its files of weights and of a weight when it runs; its parameters, blocks and width."""

    file_bytes: int
    itemsize: int
    parameters: int
    depth: int
    width: int


@dataclass(frozen=True)
class CorpusSize:
    """A corpus: texts of all views, labels, characters of all texts and of the longest one (or tokens to be drawn)."""

    texts: int
    characters: int
    longest: int
    labels: int


@dataclass(frozen=True)
class StatesSize:
    """The stored states of a corpus: texts, passes (views), tokens, layers, width, bytes of a number."""

    texts: int
    passes: float
    tokens: int
    layers: int
    width: int
    itemsize: int

    def longest(self, corpus: CorpusSize) -> int:
        """Tokens of the longest text, as if all texts had as many tokens a character, and half as many again."""
        return min(self.tokens, math.ceil(1.5 * corpus.longest * self.tokens / max(1, corpus.characters)))


def cut(corpus: CorpusSize) -> Needs:
    """Needs of the job that tokenises a corpus to cut it into shards: the tokens of all texts beside the texts."""
    megabytes = SNAKEMAKE + TORCH + _table(corpus) + TOKENISED * corpus.characters / MB
    return _needs(megabytes, corpus.characters / CHARACTERS)


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
        + _table(corpus)
        + TOKENISED * corpus.characters / shards / MB
    )
    # Two operations a weight and token; a character is a token at most, where texts are written in an alphabet.
    operations = 2 * model.parameters * corpus.characters / shards
    return _needs(megabytes, operations / (GPU if gpu else CPU_THREAD * threads))


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
        + _table(corpus)
        + _results(states)
    )
    # With and without sinks, an eigenvalue problem of the smaller side of every text's matrix.
    side = min(longest, states.width)
    operations = 2 * states.layers * states.tokens * side * (10 * side + 2 * states.width)
    return _needs(megabytes, operations / (LAPACK * threads))


def corpus_metrics(states: StatesSize, corpus: CorpusSize, *, samples: int) -> Needs:
    """Needs of one metric of whole corpora: the mean states of all layers, and matrices of texts or of the width."""
    side = max(states.texts, states.width)
    means = states.layers * states.texts * states.width * 8 / MB
    megabytes = SNAKEMAKE + NUMPY + 3 * means + MATRICES * _square(side) + _table(corpus)
    operations = samples * states.layers**2 * states.texts**2 * states.width
    return _needs(megabytes, operations / CPU_THREAD)


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
        + threads * (MATRICES * _square(texts) + 4 * texts * columns * 8 / MB)
        + labels * (LABEL + states.layers * texts * 250 / MB)
        + _table(corpus)
    )
    # One eigenvalue problem a fold serves all labellings.
    operations = states.layers * fits * (20 * texts**3 + 4 * texts**2 * columns)
    return _needs(megabytes, operations / (CPU_THREAD * threads))


def coordination(states: StatesSize, corpus: CorpusSize, *, threads: int) -> Needs:
    """Needs of the coordination of adjacent layers: two layers of all views, and matrices of texts."""
    texts = math.ceil(states.texts / states.passes)
    megabytes = (
        SNAKEMAKE
        + FITTING
        + 8 * states.texts * states.width * 8 / MB
        + threads * MATRICES * _square(max(texts, states.width))
        + _table(corpus)
    )
    return _needs(megabytes, states.layers * 100 * texts**3 / (CPU_THREAD * threads))


def _needs(megabytes: float, seconds: float) -> Needs:
    return Needs(math.ceil(megabytes), START + math.ceil(PATIENCE * seconds / 60))


def _square(side: int) -> float:
    return 8 * side**2 / MB


def _patterns(model: ModelSize, tokens: int) -> float:
    """Attention patterns of one text at all blocks, as they come and as they are written; 64 numbers a head."""
    heads = math.ceil(model.width / 64)
    return 2 * 4 * model.depth * heads * tokens**2 / MB


def _table(corpus: CorpusSize) -> float:
    """A corpus as a data frame: a kilobyte a row and its characters, twice."""
    return (1000 * corpus.texts + 8 * corpus.characters) / MB


def _results(states: StatesSize) -> float:
    """A table of metrics: a hundred bytes for each of ten rows a text and layer, while it is put together."""
    return 1000 * states.texts * states.layers / MB
