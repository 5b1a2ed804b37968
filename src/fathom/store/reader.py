"""The activation store, and the only code that knows Zarr.

A store is one Zarr v3 group in one file (a Zarr ZipStore), written by one job (one shard of a corpus):

    token_ids   (tokens,)               the ids that the model read
    offsets     (texts + 1,)            text i holds tokens offsets[i] .. offsets[i + 1]
    span_tokens (spans * texts * 2,)    where spans are marked: first and last token of each in every text
    with_tokens (texts,)                1 for a text whose token states are stored, where those of any are
    <site>/tokens        (layers, tokens, width)   of these texts
    <site>/mean          (layers, texts, width)    float32, accumulated in float32
    <site>/mean_without_sinks   the same over the tokens that are no sinks; NaN for a text that has no other
    residual/embedding_mean  (1, texts, width)     the mean of layer 0 alone, where nothing reads means of other layers
    <site>/last          (layers, texts, width)
    <site>/span:<name>   (layers, texts, width)
    <site>/normed_...    a mean, or the last token, of states after the model's final norm, at every layer
    token_facts/norm_ratios  (depth + 1, tokens, 1)   norm at layers 0 .. depth over the median norm of the text
    token_facts/head_shares  (depth, tokens, 1)       share of the block's heads that attend to it; NaN if unknown
    token_facts/sink_scores  (1, tokens, 1)           score of the rule that finds sinks; a token above 1 is one
    attention_texts      (sample,)                       where a sample of attention patterns is stored: its texts
    attention_patterns   (blocks, heads, sum of T * T)   float32, the patterns (T, T) of a text of T tokens, raveled;
                                                         NaN of a block without attention

Layers are those of the site: sub-layer sites have none before the first block. Texts keep the order of the corpus.
States are stored bit for bit in the dtype that the model computed in; NumPy has no bfloat16, so its bits are stored as
uint16 and the attribute `dtype` says so. A chunk holds one layer of a run of tokens or texts, about a megabyte; a chunk
of zeros is stored like any other. The manifest beside the store is written last and holds size and digest of the file,
and the digest of its directory, in which every chunk has a checksum. A store without a manifest does not exist.
Zarr makes the metadata. Chunks are written and read here: Zarr takes a missing chunk for zeros and cannot read a part
of one.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.io.manifests import read_manifest
from fathom.runtime.errors import FathomError, first_line
from fathom.store.chunks import read_chunk_rows
from fathom.store.layout import (
    FORMAT_VERSION,
    HEAD_SHARES,
    KIND,
    NORM_RATIOS,
    SINK_SCORES,
    TOKEN_FACTS,
    Float32Array,
    IntArray,
    Layout,
    States,
    fact_rows,
    is_pooled,
    of_embedding,
    to_float32,
)
from fathom.store.reading import reading_notes
from fathom.store.zip_archive import Archive, DamageError, Seal, check_size

LayerAxis = tuple[IntArray, npt.NDArray[np.float64]]
"""Numbers and relative depths of the layers of a site, (layers,) each."""
OPEN_STORES = 8  # a reader of thousands of shards holds a few files open, and the directories of these in memory


class _Arrays:
    """An open store: its file, and the layouts of those arrays that were read."""

    def __init__(self, path: Path, seal: Seal) -> None:
        self.archive = Archive(path, seal)
        self._layouts: dict[str, Layout] = {}

    def layout(self, name: str, rows: int) -> Layout:
        if name not in self._layouts:
            try:
                self._layouts[name] = _layout_of(json.loads(self.archive.read(f"{name}/zarr.json").tobytes()), rows)
            except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
                msg = f"{name}/zarr.json lacks or garbles {error}"
                raise DamageError(msg) from error
        return self._layouts[name]


def _layout_of(document: dict[str, Any], rows: int) -> Layout:
    """The layout of an array with rows along an axis, from Zarr's metadata of it."""
    shape = tuple(int(length) for length in document["shape"])
    chunk = tuple(int(length) for length in document["chunk_grid"]["configuration"]["chunk_shape"])
    dtype = np.dtype(str(document["data_type"]))
    zstd = any(codec["name"] == "zstd" for codec in document["codecs"])
    expected = (1, *shape[1:rows], chunk[rows], *shape[rows + 1 :]) if rows else shape
    if min(*shape, *chunk) < 1 or chunk != expected or dtype.hasobject:
        msg = f"the chunks: {chunk} of {shape}"
        raise ValueError(msg)
    return Layout(shape, chunk, rows, dtype, "zstd" if zstd else "none")


@functools.lru_cache(maxsize=OPEN_STORES)
def _opened(store: Store) -> _Arrays:
    """The file of a store, kept open while few others are read after it."""
    return _Arrays(store.path, store.seal)


class Store:
    """One finished store. Its file is opened when something of it is read."""

    def __init__(self, manifest: Path) -> None:
        facts = read_manifest(manifest, KIND)
        self.advice = f"delete {manifest} and run snakemake again"
        if facts.get("format") != FORMAT_VERSION:
            msg = f"{manifest}: format {facts.get('format')!r}, this version reads {FORMAT_VERSION}; {self.advice}"
            raise FathomError(msg)
        try:
            self.path = manifest.with_name(facts["store"])
            self.seal = Seal(
                int(facts["bytes"]),
                str(facts["xxh3_128"]),
                int(facts["directory_at"]),
                str(facts["directory_xxh3_128"]),
            )
            self.layers = {str(fact["site"]): tuple(str(layer) for layer in fact["layers"]) for fact in facts["sites"]}
            self.texts = int(facts["texts"])
            self.total_tokens = int(facts["tokens"])
            self.width = int(facts["width"])
            self.widths = {str(fact["site"]): int(fact["width"]) for fact in facts["sites"] if "width" in fact}
            self.positions = tuple(str(position) for position in facts["positions"])
            self.spans = tuple(str(span) for span in facts["spans"])
            views = facts.get("views")
            self.views = None if views is None else tuple(str(view) for view in views)
            self.sampled = int(facts["attention_texts"])
            self.depth = int(facts["depth"])
            self.sink_rule = str(facts["sinks"]["rule"])
            self.sink_strings = {int(token): str(text) for token, text in facts["sinks"]["strings"].items()}
            if not all(self.layers.values()) or min(len(self.layers), self.texts, self.total_tokens, self.width) < 1:
                msg = "its sites, layers, texts, tokens or width, of which there must be some"
                raise ValueError(msg)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"{manifest}: the manifest lacks or garbles {error}; {self.advice}"
            raise FathomError(msg) from error
        self.corpus_sha256: str | None = facts.get("corpus_sha256")
        self.facts = facts
        with self._naming_the_file():
            check_size(self.path, self.seal)

    @property
    def held(self) -> tuple[object, ...]:
        """What is the same in all shards of a corpus."""
        return self.layers, self.width, self.widths, self.depth, self.positions, self.spans, self.views, self.sink_rule

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        """Errors of the file as one line that says which one it is and what to do."""
        try:
            yield
        except DamageError as error:
            msg = f"{self.path}: {error}; {self.advice}"
            raise FathomError(msg) from error
        except (OSError, RuntimeError, ValueError) as error:
            msg = f"{self.path}: cannot be read ({first_line(error)}); {self.advice}"
            raise FathomError(msg) from error

    def _read_list(self, name: str, length: int) -> States:
        """A whole array of one axis, which is one chunk."""
        with self._naming_the_file():
            arrays = _opened(self)
            layout = arrays.layout(name, 0)
            _require_shape(name, layout, (length,))
            return arrays.archive.read(f"{name}/c/0").view(layout.dtype).reshape(layout.shape)

    def _read(self, name: str, shape: tuple[int, int, int], layers: range, first: int, last: int) -> Float32Array:
        """Rows first .. last - 1 along the second axis of an array of states."""
        if not shape[1]:  # of a shard of paraphrases alone
            return np.empty((len(layers), 0, shape[2]), dtype=np.float32)
        with self._naming_the_file():
            arrays = _opened(self)
            layout = arrays.layout(name, 1)
            _require_shape(name, layout, shape)
            return to_float32(read_chunk_rows(arrays.archive, name, layout, layers, first, last))

    @cached_property
    def with_tokens(self) -> npt.NDArray[np.bool_]:
        """Texts whose token states are stored, where those of any are, (texts,)."""
        return np.asarray(self._read_list("with_tokens", self.texts), dtype=np.bool_)

    @cached_property
    def token_offsets(self) -> IntArray:
        """Where the states of each text begin among the stored token states, and their number, (texts + 1,)."""
        return np.concatenate(([0], np.cumsum(np.diff(self.offsets) * self.with_tokens))).astype(np.int64)

    @cached_property
    def offsets(self) -> IntArray:
        """Where each text begins among the tokens, and the number of tokens, (texts + 1,)."""
        offsets = np.asarray(self._read_list("offsets", self.texts + 1), dtype=np.int64)
        if offsets[0] != 0 or offsets[-1] != self.total_tokens or (np.diff(offsets) < 0).any():
            msg = f"{self.path}: its offsets are not those of {self.total_tokens} tokens; {self.advice}"
            raise FathomError(msg)
        return offsets

    def token_ids(self) -> npt.NDArray[np.int32]:
        """Ids of all tokens, (tokens,)."""
        return np.asarray(self._read_list("token_ids", self.total_tokens), dtype=np.int32)

    def span_tokens(self, span: str) -> IntArray:
        """First and last token of a marked span in every text, (texts, 2), counted from the start of the text."""
        if span not in self.spans:
            msg = f"{self.path}: marks no span {span!r}, only {', '.join(self.spans) or 'none'}"
            raise FathomError(msg)
        tokens = np.asarray(self._read_list("span_tokens", 2 * len(self.spans) * self.texts), dtype=np.int64)
        return np.asarray(tokens.reshape(len(self.spans), self.texts, 2)[self.spans.index(span)])

    def width_of(self, site: str) -> int:
        """Width of the states of a site."""
        return self.widths.get(site, self.width)

    def pooled(self, position: str, layer: int, site: str = "residual") -> Float32Array:
        """States of one layer (counted from 0 within the site) at a pooled position, (texts, width)."""
        self._require(site, position)
        shape = (1 if of_embedding(position) else len(self.layers[site]), self.texts, self.width_of(site))
        at = range(shape[0])[layer]
        (states,) = self._read(f"{site}/{position}", shape, range(at, at + 1), 0, self.texts)
        return np.asarray(states)

    def rows(self, position: str, layer: int, first: int, last: int, site: str = "residual") -> Float32Array:
        """States first .. last - 1 of one layer along the texts of a position (or its tokens), (rows, width)."""
        self._require(site, position)
        layers = 1 if of_embedding(position) else len(self.layers[site])
        shape = (
            layers,
            self.texts if is_pooled((site, position)) else int(self.token_offsets[-1]),
            self.width_of(site),
        )
        at = range(shape[0])[layer]
        (states,) = self._read(f"{site}/{position}", shape, range(at, at + 1), first, last)
        return np.asarray(states)

    def tokens(self, first: int, last: int, site: str = "residual") -> Float32Array:
        """Stored token states of texts first .. last - 1 at all layers, (layers, tokens, width)."""
        self._require(site, "tokens")
        start, end = int(self.token_offsets[first]), int(self.token_offsets[last])
        shape = (len(self.layers[site]), int(self.token_offsets[-1]), self.width_of(site))
        return self._read(f"{site}/tokens", shape, range(shape[0]), start, end)

    def token_facts(self, fact: str) -> list[Float32Array]:
        """A fact of the tokens of every text: (layers or blocks, tokens) a text."""
        shape = (fact_rows(fact, self.depth), self.total_tokens, 1)
        read = self._read(f"{TOKEN_FACTS}/{fact}", shape, range(shape[0]), 0, self.total_tokens)
        return [np.ascontiguousarray(one) for one in np.split(read[:, :, 0], self.offsets[1:-1], axis=1)]

    def attention_patterns(self) -> Iterator[tuple[int, Float32Array]]:
        """Text and patterns of every sampled text: (index within this store, (blocks, heads, T, T))."""
        if not self.sampled:
            return
        texts = np.asarray(self._read_list("attention_texts", self.sampled), dtype=np.int64)
        if texts.min() < 0 or texts.max() >= self.texts:
            msg = f"{self.path}: has patterns of text {texts.max()}, expected at most {self.texts - 1}; {self.advice}"
            raise FathomError(msg)
        lengths = np.diff(self.offsets)[texts]
        ends = np.cumsum(lengths**2)
        for text, length, end in zip(texts.tolist(), lengths.tolist(), ends.tolist(), strict=True):
            with self._naming_the_file():
                arrays = _opened(self)
                layout = arrays.layout("attention_patterns", 2)
                _require_shape("attention_patterns", layout, (*layout.shape[:2], int(ends[-1])))
                blocks = range(layout.shape[0])
                patterns = read_chunk_rows(arrays.archive, "attention_patterns", layout, blocks, end - length**2, end)
            yield text, patterns.reshape(*patterns.shape[:2], length, length)

    def require_site(self, site: str) -> None:
        """Refuse a site that was not stored."""
        if site not in self.layers:
            msg = f"{self.path}: holds no site {site!r}, only {', '.join(self.layers)}"
            raise FathomError(msg)

    def _require(self, site: str, position: str) -> None:
        self.require_site(site)
        self.require_position(position)

    def require_position(self, position: str) -> None:
        """Refuse a position that was not stored."""
        if position not in self.positions:
            msg = f"{self.path}: holds no position {position!r}, only {', '.join(self.positions)}"
            raise FathomError(msg)


def _require_shape(name: str, layout: Layout, expected: tuple[int, ...]) -> None:
    if layout.shape != expected:
        msg = f"{name} is of shape {layout.shape}, expected {expected}"
        raise DamageError(msg)


class Activations:
    """One logical array over all shards of a corpus. Nothing is read before it is asked for."""

    def __init__(self, manifests: Sequence[Path]) -> None:
        self.stores = [Store(manifest) for manifest in manifests]
        first = self.stores[0]
        for store in self.stores[1:]:
            if store.held != first.held:
                msg = f"{store.path}: sites, layers, width, positions, spans, views or the rule of sinks differ from "
                msg += f"{first.path}; {store.advice}"
                raise FathomError(msg)
        self.sites = tuple(first.layers)
        self.layers = self.layers_of("residual" if "residual" in self.sites else self.sites[0])
        self.width = first.width
        self.texts = sum(store.texts for store in self.stores)

    def layers_of(self, site: str) -> tuple[str, ...]:
        """Names of the layers of a site.

        Errors: FathomError if the site was not stored.
        """
        self.stores[0].require_site(site)
        return self.stores[0].layers[site]

    def width_of(self, site: str) -> int:
        """Width of the states of a site."""
        return self.stores[0].width_of(site)

    def reading_notes(self) -> list[str]:
        """What a reader of any result must know of how the model read the texts."""
        return reading_notes([store.facts for store in self.stores])

    def layer_axis(self, site: str = "residual") -> LayerAxis:
        """Numbers and relative depths of the layers of a site, (layers,) each."""
        return layer_axis(self.layers_of(site), self.depth)

    @property
    def views(self) -> tuple[str, ...] | None:
        """Views of the corpus whose texts have states; None for all of them."""
        return self.stores[0].views

    def require_corpus(self, sha256: str, corpus: Path) -> None:
        """Refuse states that were extracted from another corpus than the file of this digest."""
        for store in self.stores:
            if store.corpus_sha256 != sha256:
                msg = f"{store.path}: its states are not of the texts in {corpus}; {store.advice}"
                raise FathomError(msg)

    @property
    def depth(self) -> int:
        """Number of blocks of the model."""
        return self.stores[0].depth

    @cached_property
    def _sink_scores(self) -> list[Float32Array]:
        return [scores[0] for store in self.stores for scores in store.token_facts(SINK_SCORES)]

    def sink_scores(self) -> list[npt.NDArray[np.float64]]:
        """How near the tokens of every text are to being sinks, (tokens,): above 1 a token is one."""
        return [scores.astype(np.float64) for scores in self._sink_scores]

    def sinks(self) -> list[npt.NDArray[np.bool_]]:
        """Which tokens of every text are sinks, (tokens,). They are left out of every state without sinks."""
        return [scores > 1.0 for scores in self._sink_scores]

    def norm_ratios(self) -> list[Float32Array]:
        """Norm of every token over the median norm of its text, (depth + 1, tokens) a text, of the residual stream.

        Of a text that is too short for a median, over the median norm that the rule compares it with.
        """
        return [ratios for store in self.stores for ratios in store.token_facts(NORM_RATIOS)]

    def head_shares(self) -> list[Float32Array]:
        """Share of the heads of every block that attend to each token, (depth, tokens) a text; NaN where unknown."""
        return [shares for store in self.stores for shares in store.token_facts(HEAD_SHARES)]

    def sink_rule(self) -> str:
        """The rule by which sinks were found, in a phrase."""
        return self.stores[0].sink_rule

    def token_strings(self) -> dict[int, str]:
        """The tokens that are sinks in some text, as the tokenizer writes them, by id."""
        return {token: text for store in self.stores for token, text in store.sink_strings.items()}

    def token_ids(self) -> list[npt.NDArray[np.int32]]:
        """Ids of the tokens of every text, in the order of the corpus."""
        return [ids for store in self.stores for ids in np.split(store.token_ids(), store.offsets[1:-1])]

    @property
    def spans(self) -> tuple[str, ...]:
        """Names of the marked spans."""
        return self.stores[0].spans

    def span_tokens(self, span: str) -> IntArray:
        """First and last token of a marked span in every text, (texts, 2), counted from the start of the text."""
        return np.concatenate([store.span_tokens(span) for store in self.stores])

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of every text, (texts,)."""
        return np.concatenate([np.diff(store.offsets) for store in self.stores])

    @property
    def stored_lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of every text whose states are stored: all of a text or none, (texts,)."""
        return np.concatenate([np.diff(store.token_offsets) for store in self.stores])

    def pooled(self, position: str, layer: int, site: str = "residual") -> Float32Array:
        """States of one layer (counted from 0 within the site) at a pooled position, (texts, width) in float32."""
        if len(self.stores) == 1:
            return self.stores[0].pooled(position, layer, site)
        states, first = np.empty((self.texts, self.width_of(site)), dtype=np.float32), 0
        for store in self.stores:
            states[first : first + store.texts] = store.pooled(position, layer, site)
            first += store.texts
        return states

    @property
    def tokens(self) -> int:
        """Tokens of all texts whose states are stored."""
        return sum(int(store.token_offsets[-1]) for store in self.stores)

    def require_position(self, position: str) -> None:
        """Refuse a position that was not stored."""
        self.stores[0].require_position(position)

    def rows(self, position: str, layer: int, first: int, last: int, site: str = "residual") -> Float32Array:
        """States first .. last - 1 of one layer along all texts of a position (or all tokens), (rows, width)."""
        parts, before = [np.empty((0, self.width_of(site)), dtype=np.float32)], 0
        for store in self.stores:
            length = store.texts if is_pooled((site, position)) else int(store.token_offsets[-1])
            start, end = max(first - before, 0), min(last - before, length)
            if start < end:
                parts.append(store.rows(position, layer, start, end, site))
            before += length
        return np.concatenate(parts)

    def token_blocks(self, max_bytes: int, site: str = "residual") -> Iterator[list[Float32Array]]:
        """Token states in the order of the corpus: lists of (layers, tokens, width), one a text.

        A text whose token states are not stored has no tokens there. A block is one read of at most `max_bytes` of
        float32 (or one text, where that is larger).
        """
        row_bytes = 4 * len(self.layers_of(site)) * self.width_of(site)
        for store in self.stores:
            first = 0
            while first < store.texts:
                limit = store.token_offsets[first] + max_bytes // row_bytes
                last = max(first + 1, int(np.searchsorted(store.token_offsets, limit, side="right")) - 1)
                states = store.tokens(first, last, site)
                edges = (store.token_offsets[first + 1 : last] - store.token_offsets[first]).tolist()
                yield np.split(states, edges, axis=1)
                first = last

    def attention_patterns(self) -> Iterator[tuple[int, Float32Array]]:
        """Index of a text in the corpus and its attention patterns, (blocks, heads, T, T); nothing if none are stored.

        Row i of a pattern says how much token i looks at every token, and sums to 1; a block without attention has NaN.
        """
        first = 0
        for store in self.stores:
            for text, patterns in store.attention_patterns():
                yield first + text, patterns
            first += store.texts


def layer_axis(names: Sequence[str], depth: int) -> LayerAxis:
    """Numbers of named layers of a model of `depth` blocks, and their relative depth (0..1).

    Layer l is the residual stream after block l. `final` comes one after the last block; where that block is not stored
    itself it takes its number, as in transformers' `hidden_states`.
    """
    final = depth + 1 if str(depth) in names else depth
    numbers = np.array([final if name == "final" else int(name) for name in names], dtype=np.int64)
    return numbers, numbers / max(depth, int(numbers.max()))


def block_axis(depth: int) -> LayerAxis:
    """The axis of all blocks of a model, whichever of their layers are stored: that of its attention maps."""
    return layer_axis([str(block) for block in range(1, depth + 1)], depth)


def number_layers(
    table: pd.DataFrame, axis: LayerAxis, row: str = "layer", *, layer: str = "layer", depth: str | None = "depth"
) -> pd.DataFrame:
    """A table with the numbers of layers, and their relative depths, for rows that are counted from 0 along an axis.

    Args:
        table: with a column of such rows; where that is nullable, some may be missing and then stay so.
        axis: of the site that the rows are of.
        row: the column of rows.
        layer: the column that takes the numbers.
        depth: the column that takes the depths; None for none.
    """
    numbers, depths = axis
    known = table[row].notna().to_numpy()
    rows = table.loc[known, row].to_numpy(dtype=np.int64)
    if known.all() and not isinstance(table[row].dtype, pd.Int64Dtype):
        columns: dict[str, Any] = {layer: numbers[rows]}
    else:
        columns = {layer: pd.Series(numbers[rows], index=table.index[known], dtype="Int64").reindex(table.index)}
    if depth is not None:
        at = np.full(len(table), np.nan)
        at[known] = depths[rows]
        columns[depth] = at
    return table.assign(**columns)
