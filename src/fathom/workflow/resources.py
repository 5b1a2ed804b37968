"""How much memory and time a job needs, computed from the sizes of its model, its corpus and its settings.

Every term has a name below and stands in docs/cluster.md with the peaks that were measured. Memory is an upper bound
for what was measured, since a cluster kills what exceeds its share; time is several times what was measured, since
nobody knows the machine. Both grow with every attempt of a job.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fathom.runtime.errors import FathomError
from fathom.workflow.wildcards import Inputs, Wildcards

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


class Resources(NamedTuple):
    """Memory and time of a job: megabytes and minutes."""

    mem_mb: int
    runtime: int

    def at(self, attempt: int) -> Resources:
        """What the job asks for at its first, second, third attempt."""
        return Resources(self.mem_mb * attempt, self.runtime * attempt)


def per_attempt(
    resource: Literal["mem_mb", "runtime"], of: Callable[[Wildcards, Inputs, int], Resources]
) -> Callable[[Wildcards, Inputs, int, int], int]:
    """A function that Snakemake calls for one resource of a job; its arguments are named as Snakemake names them."""

    def value(wildcards: Wildcards, input: Inputs, attempt: int, threads: int) -> int:
        found: int = getattr(of(wildcards, input, threads).at(attempt), resource)
        return found

    return value


@dataclass(frozen=True)
class ModelSize:
    """A checkpoint: bytes it takes beside the model while it loads, bytes of a weight, parameters, blocks, width.

    Its vocabulary is 0 where it is not known.
    """

    file_bytes: int
    itemsize: int
    parameters: int
    depth: int
    width: int
    vocabulary: int = 0


@dataclass(frozen=True)
class CorpusSize:
    """A corpus: texts of all views, labels, characters of all texts and of the longest one (or sampled tokens).

    Of a task's texts, also how many vectors the task takes at a time, a text as often as it asks for it.
    """

    texts: int
    characters: int
    longest: int
    labels: int
    at_once: int = 0


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


def resources_for(megabytes: float, seconds: float) -> Resources:
    """Whole megabytes, and minutes with patience for a slower machine."""
    return Resources(math.ceil(megabytes), START + math.ceil(PATIENCE * seconds / 60))


def training_mb(weights: int, tokens: int, width: int, layers: int, vocabulary: int) -> float:
    """Megabytes of a training: weights, gradients and moments, and what a step of so many tokens makes."""
    return TORCH + NUMPY + (16 * weights + 4 * tokens * (STEPS_HELD * layers * width + 4 * vocabulary)) / MB


def training_seconds(weights: int, tokens: int) -> float:
    """Seconds of a training on one thread: six operations a weight and token, and as many again of all else."""
    return 12 * weights * tokens / CPU_THREAD


def square_mb(side: int) -> float:
    """Megabytes of a square matrix in float64."""
    return 8 * side**2 / MB


def table_mb(corpus: CorpusSize) -> float:
    """A corpus as a data frame: a kilobyte a row and its characters, twice."""
    return (1000 * corpus.texts + 8 * corpus.characters) / MB


ITEMSIZE = {"float32": 4, "float16": 2, "bfloat16": 2}


def model_size(manifest: str, dtype: str) -> ModelSize:
    """The size of a prepared model, from its manifest."""
    facts = _manifest(manifest, "parameters", "depth", "width", "files")
    held = sum(file["bytes"] for name, file in facts["files"].items() if name.endswith(".safetensors"))
    if held < ITEMSIZE["float16"] * facts["parameters"]:
        # Quantised weights, or the seed of random ones: they are made in float32 before they become the model.
        held += ITEMSIZE["float32"] * facts["parameters"]
    return ModelSize(
        held, ITEMSIZE[dtype], facts["parameters"], facts["depth"], facts["width"], facts.get("vocabulary") or 0
    )


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
        width=max(first["width"], *(site.get("width", 0) for site in first["sites"])),
        itemsize=ITEMSIZE[first["dtype"]],
    )


def _manifest(path: str, *facts: str) -> dict[str, Any]:
    """A manifest, unchecked: the job itself checks it, and says what is wrong with it."""
    content = _json(path, _version(path))
    if not isinstance(content, dict) or any(fact not in content for fact in facts):
        # From an earlier version of fathom, or corrupt: it is not there yet, as far as a plan goes.
        raise FileNotFoundError(errno.ENOENT, f"no manifest with {', '.join(facts)}", path)
    return content


def _version(path: str) -> tuple[int, int]:
    """What changes when a file does. A plan asks for the same files at every job."""
    found = os.stat(path)  # noqa: PTH116 - its error names the file as Snakemake does
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=1024)
def _json(path: str, _version: tuple[int, int]) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError):
        return None


@lru_cache(maxsize=1024)
def _corpus_size(texts: str, _version: tuple[int, int]) -> CorpusSize:
    from fathom.io.corpus_table import read_corpus_sizes  # it brings pandas, which a plan without corpora does not need

    try:
        return CorpusSize(**read_corpus_sizes(Path(texts)))
    except (FathomError, ValueError, TypeError) as error:
        # As with a manifest: the job reads it too, and says what is wrong in a line of its own.
        raise FileNotFoundError(errno.ENOENT, "no corpus that can be read", texts) from error
