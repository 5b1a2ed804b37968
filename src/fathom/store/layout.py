"""Which arrays a store holds, of which dtype, and how they are cut into chunks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FORMAT_VERSION = 7
KIND = "activations"
CHUNK_BYTES = 1 << 20  # what one read wants: about a megabyte of one layer
MINIMUM_ROWS = 64  # of a chunk of wide states: padding can take one row a chunk, which stays under 2 %
Dtype = Literal["float32", "float16", "bfloat16"]
Compression = Literal["none", "zstd"]
States = npt.NDArray[Any]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
ArrayKey = tuple[str, str]
"""Site and position, or `token_facts` and a fact."""
TOKEN_FACTS = "token_facts"
"""Where the facts of tokens lie, beside the sites."""
NORM_RATIOS, HEAD_SHARES, SINK_SCORES = "norm_ratios", "head_shares", "sink_scores"
WITHOUT_SINKS = "_without_sinks"
EMBEDDING_MEAN = "embedding_mean"
"""Mean of layer 0 of the residual stream alone: what a bag of the tokens' vectors is made of."""
MEANS = ("mean", "normed_mean", EMBEDDING_MEAN)
"""Positions that are a mean over the tokens of a text; each has a form without sink tokens beside it."""
NORMED = "normed_"
"""Prefix of the positions that are read after the model's final norm, at every layer."""
FACTS_CHUNK_BYTES = 1 << 16  # a fact is one number a token: a chunk of a megabyte would hold a whole corpus in memory
_STORED_AS: dict[Dtype, npt.DTypeLike] = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}


def stored_dtype(dtype: Dtype) -> np.dtype[Any]:
    """The NumPy dtype that holds the bits of a model's compute dtype."""
    return np.dtype(_STORED_AS[dtype])


def to_float32(stored: States) -> Float32Array:
    """Stored bits as float32, exactly: every float16 and bfloat16 number is a float32 number."""
    if stored.dtype == np.uint16:
        return (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return stored.astype(np.float32, copy=False)


def is_pooled(key: ArrayKey) -> bool:
    """Whether an array holds one vector a text (mean, last, span) and not one a token."""
    return key[0] != TOKEN_FACTS and not of_tokens(key)


def of_tokens(key: ArrayKey) -> bool:
    """Whether an array holds the states of tokens, which may be left out of some texts."""
    return key[0] != TOKEN_FACTS and key[1] == "tokens"


def without_sinks(position: str) -> str:
    """Position that is the same mean over the tokens that are no sinks."""
    return position + WITHOUT_SINKS


def of_embedding(position: str) -> bool:
    """Whether a position is of layer 0 alone."""
    return position.removesuffix(WITHOUT_SINKS) == EMBEDDING_MEAN


def is_mean(position: str) -> bool:
    """Whether a position is a mean over tokens, in either form."""
    return position.removesuffix(WITHOUT_SINKS) in MEANS


def array_dtype(key: ArrayKey, dtype: Dtype) -> np.dtype[Any]:
    """The dtype on disk: means and facts of tokens are new numbers and kept in float32, all else the model gave."""
    return np.dtype(np.float32) if key[0] == TOKEN_FACTS or is_mean(key[1]) else stored_dtype(dtype)


def chunk_rows(length: int, row_bytes: int, chunk_bytes: int | None = None) -> int:
    """Rows of a chunk of an axis of `length` rows of `row_bytes`: cut evenly, so that the last one is hardly padded."""
    if not length:
        return MINIMUM_ROWS
    wanted = max(MINIMUM_ROWS, (chunk_bytes or CHUNK_BYTES) // row_bytes)
    return math.ceil(length / math.ceil(length / wanted))


@dataclass(frozen=True)
class Shape:
    """What a store will hold, known before the first batch runs."""

    layers: Mapping[str, tuple[str, ...]]
    """Site -> names of its layers: "0", "1", ... and "final"."""
    texts: int
    tokens: int
    width: int
    depth: int
    """Blocks of the model."""
    dtype: Dtype
    positions: tuple[str, ...]
    """Positions that are stored of every site, both forms of a mean among them."""
    with_tokens: npt.NDArray[np.bool_] | None = field(default=None, compare=False)
    """Texts whose token states are stored, (texts,); all of them if left out."""
    token_rows: int | None = None
    """Tokens of these texts."""
    widths: Mapping[str, int] = field(default_factory=dict)
    """Width of each site that has another than the residual stream."""

    def width_of(self, site: str) -> int:
        """Width of the states of a site."""
        return self.widths.get(site, self.width)

    @property
    def states(self) -> tuple[ArrayKey, ...]:
        """Site and position of every array of states."""
        return tuple(
            (site, position)
            for site in self.layers
            for position in self.positions
            if site == "residual" or not of_embedding(position)
        )

    @property
    def arrays(self) -> tuple[ArrayKey, ...]:
        """Every array of a row a token or text: states, and facts of tokens."""
        return (*self.states, *((TOKEN_FACTS, fact) for fact in (NORM_RATIOS, HEAD_SHARES, SINK_SCORES)))

    def extent(self, key: ArrayKey, texts: int, tokens: int) -> tuple[int, int, int]:
        """Shape of an array for some texts: (layers, tokens or texts, width)."""
        site, position = key
        if site == TOKEN_FACTS:
            return fact_rows(position, self.depth), tokens, 1
        layers = 1 if of_embedding(position) else len(self.layers[site])
        return layers, texts if is_pooled(key) else tokens, self.width_of(site)

    def stored_extent(self, key: ArrayKey) -> tuple[int, int, int]:
        """Shape of a whole array: (layers, tokens or texts, width)."""
        layers, rows, width = self.extent(key, self.texts, self.tokens)
        return layers, rows if self.token_rows is None or not of_tokens(key) else self.token_rows, width

    def sizes(self, lengths: IntArray) -> IntArray:
        """Bytes of all states and facts of every text, (texts,), from their tokens."""
        sizes = np.zeros(len(lengths), dtype=np.int64)
        for key in self.arrays:
            layers, _, width = self.extent(key, 1, 1)
            row_bytes = layers * width * array_dtype(key, self.dtype).itemsize
            sizes += row_bytes if is_pooled(key) else row_bytes * lengths
        return sizes

    def layout(self, key: ArrayKey, compression: Compression = "none") -> Layout:
        """How an array is laid out on disk."""
        layers, rows, width = self.stored_extent(key)
        dtype = array_dtype(key, self.dtype)
        chunk_bytes = FACTS_CHUNK_BYTES if key[0] == TOKEN_FACTS else None
        chunk = chunk_rows(rows, width * dtype.itemsize, chunk_bytes)
        return Layout((layers, rows, width), (1, chunk, width), 1, dtype, compression)

    @property
    def buffer_bytes(self) -> int:
        """Memory that a writer holds for chunks that are not yet full."""
        layouts = [self.layout(key) for key in self.arrays]
        return sum(layout.shape[0] * math.prod(layout.chunk) * layout.dtype.itemsize for layout in layouts)


def fact_rows(fact: str, depth: int) -> int:
    """Rows of a fact of tokens in a model of `depth` blocks: of each layer, of each block, or one."""
    return {NORM_RATIOS: depth + 1, HEAD_SHARES: depth, SINK_SCORES: 1}[fact]


@dataclass(frozen=True)
class Layout:
    """How an array of three axes is cut: chunks hold one index of the first axis and a run of rows along one other."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    rows: int
    """The axis of the rows, 1 or 2."""
    dtype: np.dtype[Any]
    compression: Compression

    def chunk_name(self, name: str, layer: int, run: int) -> str:
        """Name of the chunk that holds a run of rows of a layer."""
        return f"{name}/c/{layer}/{run}/0" if self.rows == 1 else f"{name}/c/{layer}/0/{run}"

    def along(self, first: int, last: int) -> tuple[slice, ...]:
        """Rows first .. last - 1 of an array of a layer, which has one axis less."""
        return (*(slice(None),) * (self.rows - 1), slice(first, last))
