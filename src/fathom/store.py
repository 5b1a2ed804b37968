"""The activation store, and the only code that knows Zarr.

A store is one Zarr v3 group in one file (a Zarr ZipStore), written by one job (one shard of a corpus):

    token_ids   (tokens,)               the ids that the model read
    offsets     (texts + 1,)            text i holds tokens offsets[i] .. offsets[i + 1]
    span_tokens (spans * texts * 2,)    where spans are marked: first and last token of each in every text
    <site>/tokens        (layers, tokens, width)
    <site>/mean          (layers, texts, width)    float32, accumulated in float32
    <site>/last          (layers, texts, width)
    <site>/span:<name>   (layers, texts, width)
    attention_texts      (sample,)                       where a sample of attention patterns is stored: its texts
    attention_patterns   (blocks, heads, sum of T * T)   float32, the patterns (T, T) of a text of T tokens, raveled

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
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from numcodecs.zstd import Zstd

from fathom.archive import Archive, ArchiveWriter, DamageError, Seal, check_size
from fathom.errors import FathomError, first_line
from fathom.provenance import read_manifest, write_manifest

FORMAT_VERSION = 4
KIND = "activations"
CHUNK_BYTES = 1 << 20  # what one read wants: about a megabyte of one layer
MINIMUM_ROWS = 64  # of a chunk of wide states: padding can take one row a chunk, which stays under 2 %
ZSTD_LEVEL = 1
OPEN_STORES = 8  # a reader of thousands of shards holds a few files open, and the directories of these in memory

Dtype = Literal["float32", "float16", "bfloat16"]
Compression = Literal["none", "zstd"]
States = npt.NDArray[Any]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
ArrayKey = tuple[str, str]
"""Site and position."""

_STORED_AS: dict[Dtype, npt.DTypeLike] = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}


def stored_dtype(dtype: Dtype) -> np.dtype[Any]:
    """The NumPy dtype that holds the bits of a model's compute dtype."""
    return np.dtype(_STORED_AS[dtype])


def to_float32(stored: States) -> Float32Array:
    """Stored bits as float32, exactly: every float16 and bfloat16 number is a float32 number."""
    if stored.dtype == np.uint16:
        return (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return stored.astype(np.float32, copy=False)


def is_pooled(position: str) -> bool:
    """Whether a position holds one vector a text (mean, last, span) and not one a token."""
    return position != "tokens"


def array_dtype(position: str, dtype: Dtype) -> np.dtype[Any]:
    """The dtype on disk of a position: a mean is a new number and kept in float32, all else is what the model gave."""
    return np.dtype(np.float32) if position == "mean" else stored_dtype(dtype)


def chunk_rows(length: int, row_bytes: int) -> int:
    """Rows of a chunk of an axis of `length` rows of `row_bytes`: cut evenly, so that the last one is hardly padded."""
    wanted = max(MINIMUM_ROWS, CHUNK_BYTES // row_bytes)
    return math.ceil(length / math.ceil(length / wanted))


@dataclass(frozen=True)
class Shape:
    """What a store will hold, known before the first batch runs."""

    layers: Mapping[str, tuple[str, ...]]
    """Site -> names of its layers: "0", "1", ... and "final"."""
    texts: int
    tokens: int
    width: int
    dtype: Dtype
    positions: tuple[str, ...]

    @property
    def arrays(self) -> tuple[ArrayKey, ...]:
        """Site and position of every array of states."""
        return tuple((site, position) for site in self.layers for position in self.positions)

    def extent(self, key: ArrayKey, texts: int, tokens: int) -> tuple[int, int, int]:
        """Shape of an array for some texts: (layers, tokens or texts, width)."""
        site, position = key
        return len(self.layers[site]), texts if is_pooled(position) else tokens, self.width

    def sizes(self, lengths: IntArray) -> IntArray:
        """Bytes of all states of every text, (texts,), from their tokens."""
        sizes = np.zeros(len(lengths), dtype=np.int64)
        for site, position in self.arrays:
            row_bytes = len(self.layers[site]) * self.width * array_dtype(position, self.dtype).itemsize
            sizes += row_bytes if is_pooled(position) else row_bytes * lengths
        return sizes

    def layout(self, key: ArrayKey, compression: Compression = "none") -> Layout:
        """How an array of states is laid out on disk."""
        layers, rows, width = self.extent(key, self.texts, self.tokens)
        dtype = array_dtype(key[1], self.dtype)
        chunk = chunk_rows(rows, width * dtype.itemsize)
        return Layout((layers, rows, width), (1, chunk, width), 1, dtype, compression)

    @property
    def buffer_bytes(self) -> int:
        """Memory that a writer holds for chunks that are not yet full."""
        layouts = [self.layout(key) for key in self.arrays]
        return sum(layout.shape[0] * math.prod(layout.chunk) * layout.dtype.itemsize for layout in layouts)


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


class _RowWriter:
    """Appends rows along one axis of an array, and writes whole chunks only."""

    def __init__(self, archive: ArchiveWriter, name: str, layout: Layout) -> None:
        self._archive = archive
        self._name = name
        self._layout = layout
        self._codec = Zstd(level=ZSTD_LEVEL) if layout.compression == "zstd" else None
        self._buffer = np.empty((layout.shape[0], *layout.chunk[1:]), dtype=layout.dtype)
        self._held = self._appended = self._runs = 0

    def append(self, rows: States) -> None:
        start, count, run = 0, rows.shape[self._layout.rows], self._layout.chunk[self._layout.rows]
        while start < count:
            taken = min(run - self._held, count - start)
            if taken == run:
                self._write(rows[self._along(start, start + taken)])
            else:
                kept = self._along(self._held, self._held + taken)
                self._buffer[kept] = rows[self._along(start, start + taken)]
                self._held += taken
                if self._held == run:
                    self._write(self._buffer)
                    self._held = 0
            start += taken
        self._appended += count

    def _along(self, first: int, last: int) -> tuple[slice, ...]:
        return (slice(None), *self._layout.along(first, last))

    def _write(self, rows: States) -> None:
        """Write one chunk of every layer."""
        for layer, chunk in enumerate(rows):
            content = np.ascontiguousarray(chunk)
            encoded = content if self._codec is None else self._codec.encode(content)
            self._archive.add(self._layout.chunk_name(self._name, layer, self._runs), encoded)
        self._runs += 1

    def close(self) -> None:
        """Write the last chunk, padded with zeros; a second time it does nothing."""
        run, expected = self._layout.chunk[self._layout.rows], self._layout.shape[self._layout.rows]
        if self._held:
            self._buffer[self._along(self._held, run)] = 0
            self._write(self._buffer)
            self._held = 0
        if self._appended != expected:
            msg = f"{self._name}: {self._appended} of {expected} rows were written"
            raise FathomError(msg)


def _read_rows(
    archive: Archive | ArchiveWriter, name: str, layout: Layout, layers: range, first: int, last: int
) -> States:
    """Rows first .. last - 1 of some layers of an array, (layers, rows, width) or (layers, heads, rows)."""
    run = layout.chunk[layout.rows]
    shape = list(layout.shape)
    shape[0], shape[layout.rows] = len(layers), last - first
    found = np.empty(shape, dtype=layout.dtype)
    row_bytes = math.prod(layout.chunk[layout.rows + 1 :]) * layout.dtype.itemsize
    # Rows along the axis after the layers follow each other in a chunk as they do in what is returned.
    direct = layout.rows == 1 and layout.compression == "none"
    for number in range(first // run, math.ceil(last / run)):
        start, end = max(first, number * run), min(last, (number + 1) * run)
        within, place = (start - number * run, end - number * run), layout.along(start - first, end - first)
        for at, layer in enumerate(layers):
            chunk = layout.chunk_name(name, layer, number)
            if direct:
                archive.read_into(chunk, within[0] * row_bytes, found[at][place].reshape(-1).view(np.uint8))
            else:
                found[at][place] = _decoded(archive, chunk, layout)[layout.along(*within)]
    return found


def _decoded(archive: Archive | ArchiveWriter, chunk: str, layout: Layout) -> States:
    content = archive.read(chunk)
    if layout.compression == "none":
        return content.view(layout.dtype).reshape(layout.chunk[1:])
    decoded = np.empty(layout.chunk[1:], dtype=layout.dtype)
    Zstd().decode(content, decoded)
    return decoded


class StoreWriter:
    """Writes one store in the order of the corpus: states, then patterns, then `close`; the manifest comes last."""

    def __init__(self, path: Path, shape: Shape, *, compression: Compression) -> None:
        self._path = path
        self._shape = shape
        self._compression = compression
        self._archive = ArchiveWriter(path)
        self._metadata = _Metadata(shape)
        self._layouts = {key: shape.layout(key, compression) for key in shape.arrays}
        self._rows = {key: _RowWriter(self._archive, "/".join(key), layout) for key, layout in self._layouts.items()}
        for (site, position), layout in self._layouts.items():
            attributes = {"dtype": "float32" if position == "mean" else shape.dtype}
            axes = ("layer", "text" if is_pooled(position) else "token", "width")
            self._metadata.add(f"{site}/{position}", layout, axes, attributes)
        self._sampled = 0
        self._spans: tuple[str, ...] = ()
        self._seal: Seal | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Take away what was written of a store that was not finished."""
        self._archive.discard()

    def append(self, states: Mapping[ArrayKey, States]) -> None:
        """Append the states of the next texts: (layers, tokens or texts, width) of every array, in the stored dtype."""
        for key, rows in self._rows.items():
            rows.append(states[key])

    def end_states(self) -> None:
        """Write what is left of the states; from here on they can be read back."""
        for rows in self._rows.values():
            rows.close()

    def read_back(self, key: ArrayKey, first: int, last: int) -> Float32Array:
        """Rows first .. last - 1 of an array as they are on disk, (layers, rows, width)."""
        layout = self._layouts[key]
        return to_float32(_read_rows(self._archive, "/".join(key), layout, range(layout.shape[0]), first, last))

    def write_patterns(self, texts: IntArray, lengths: IntArray, patterns: Iterator[Float32Array]) -> None:
        """Write the attention patterns of a sample of texts: one array (blocks, heads, T, T) a text."""
        rows: _RowWriter | None = None
        for pattern in patterns:
            blocks, heads = pattern.shape[:2]
            rows = rows or self._pattern_rows(blocks, heads, int((lengths**2).sum()))
            rows.append(pattern.reshape(blocks, heads, -1))
        if rows is not None:
            rows.close()
            self._write_list("attention_texts", texts, "sample")
            self._sampled = len(texts)

    def _pattern_rows(self, blocks: int, heads: int, entries: int) -> _RowWriter:
        chunk = (1, heads, chunk_rows(entries, heads * 4))
        layout = Layout((blocks, heads, entries), chunk, 2, np.dtype(np.float32), self._compression)
        self._metadata.add("attention_patterns", layout, ("block", "head", "entry"))
        return _RowWriter(self._archive, "attention_patterns", layout)

    def write_spans(self, starts: Mapping[str, IntArray], ends: Mapping[str, IntArray]) -> None:
        """Write the first and last token of every marked span in every text."""
        if starts:
            self._spans = tuple(starts)
            both = np.stack([np.stack([starts[name], ends[name]], axis=1) for name in self._spans])
            self._write_list("span_tokens", both.reshape(-1), "span_edge")

    def close(self, token_ids: npt.NDArray[np.int32], lengths: IntArray) -> None:
        """Write what is left, the token ids, the offsets and the metadata. The store is whole then."""
        self.end_states()
        self._write_list("token_ids", token_ids, "token")
        self._write_list("offsets", np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), "text_edge")
        for name, document in self._metadata.documents():
            self._archive.add(name, document)
        self._seal = self._archive.end()

    def _write_list(self, name: str, values: npt.NDArray[Any], dimension: str) -> None:
        content = np.ascontiguousarray(values)
        self._metadata.add(name, Layout(content.shape, content.shape, 0, content.dtype, "none"), (dimension,))
        self._archive.add(f"{name}/c/0", content)

    def finish(self, manifest: Path, facts: Mapping[str, Any]) -> None:
        """Let a closed store take its place, then its manifest: `facts`, what it holds, its size and its digests."""
        shape = self._shape
        if self._seal is None:
            msg = f"{self._path}: the store was not closed"
            raise RuntimeError(msg)
        self._archive.publish()
        content = {
            **facts,
            "kind": KIND,
            "format": FORMAT_VERSION,
            "store": self._path.name,
            **asdict(self._seal),
            "sites": [{"site": site, "layers": list(layers)} for site, layers in shape.layers.items()],
            "texts": shape.texts,
            "tokens": shape.tokens,
            "width": shape.width,
            "dtype": shape.dtype,
            "positions": list(shape.positions),
            "spans": list(self._spans),
            "attention_texts": self._sampled,
        }
        write_manifest(manifest, content)


class _Metadata:
    """What Zarr says of the groups and arrays of a store, kept in memory until the store is closed."""

    def __init__(self, shape: Shape) -> None:
        import zarr  # takes half a second, and a reader needs none of it
        from zarr.storage import MemoryStore

        self._documents: dict[str, Any] = {}
        self._store = MemoryStore(self._documents)
        facts = {"format": FORMAT_VERSION, "dtype": shape.dtype, "width": shape.width}
        self._root = zarr.create_group(self._store, zarr_format=3, attributes=facts)
        for site, layers in shape.layers.items():
            self._root.create_group(site, attributes={"layers": list(layers)})

    def add(
        self, name: str, layout: Layout, axes: tuple[str, ...], attributes: Mapping[str, Any] | None = None
    ) -> None:
        from zarr.codecs import ZstdCodec

        self._root.create_array(
            name,
            shape=layout.shape,
            chunks=layout.chunk,
            dtype=layout.dtype,
            compressors=None if layout.compression == "none" else [ZstdCodec(level=ZSTD_LEVEL)],
            fill_value=0,
            dimension_names=axes,
            attributes=dict(attributes or {}),
        )

    def documents(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of every document. That of the root comes last and repeats all others."""
        import zarr

        with warnings.catch_warnings():
            # Zarr warns that version 3 of its format does not define consolidated metadata yet.
            warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
            zarr.consolidate_metadata(self._store)
        root = "zarr.json"
        for name in [*sorted(self._documents.keys() - {root}), root]:
            yield name, self._documents[name].to_bytes()


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
            self.positions = tuple(str(position) for position in facts["positions"])
            self.spans = tuple(str(span) for span in facts["spans"])
            self.sampled = int(facts["attention_texts"])
            if not all(self.layers.values()) or min(len(self.layers), self.texts, self.total_tokens, self.width) < 1:
                msg = "its sites, layers, texts, tokens or width, of which there must be some"
                raise ValueError(msg)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"{manifest}: the manifest lacks or garbles {error}; {self.advice}"
            raise FathomError(msg) from error
        self.depth: int | None = facts.get("depth")
        self.corpus_sha256: str | None = facts.get("corpus_sha256")
        with self._naming_the_file():
            check_size(self.path, self.seal)

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
        with self._naming_the_file():
            arrays = _opened(self)
            layout = arrays.layout(name, 1)
            _require_shape(name, layout, shape)
            return to_float32(_read_rows(arrays.archive, name, layout, layers, first, last))

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

    def pooled(self, position: str, layer: int, site: str = "residual") -> Float32Array:
        """States of one layer (counted from 0 within the site) at a pooled position, (texts, width)."""
        self._require(site, position)
        shape = (len(self.layers[site]), self.texts, self.width)
        at = range(shape[0])[layer]
        (states,) = self._read(f"{site}/{position}", shape, range(at, at + 1), 0, self.texts)
        return np.asarray(states)

    def tokens(self, first: int, last: int, site: str = "residual") -> Float32Array:
        """Token states of texts first .. last - 1 at all layers, (layers, tokens of these texts, width)."""
        self._require(site, "tokens")
        start, end = int(self.offsets[first]), int(self.offsets[last])
        shape = (len(self.layers[site]), self.total_tokens, self.width)
        return self._read(f"{site}/tokens", shape, range(shape[0]), start, end)

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
                patterns = _read_rows(arrays.archive, "attention_patterns", layout, blocks, end - length**2, end)
            yield text, patterns.reshape(*patterns.shape[:2], length, length)

    def require_site(self, site: str) -> None:
        """Refuse a site that was not stored."""
        if site not in self.layers:
            msg = f"{self.path}: holds no site {site!r}, only {', '.join(self.layers)}"
            raise FathomError(msg)

    def _require(self, site: str, position: str) -> None:
        self.require_site(site)
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
            held = (store.layers, store.width, store.positions, store.spans)
            if held != (first.layers, first.width, first.positions, first.spans):
                msg = f"{store.path}: sites, layers, width, positions or spans differ from {first.path}; {store.advice}"
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

    def layer_axis(self, site: str = "residual") -> tuple[IntArray, npt.NDArray[np.float64]]:
        """Numbers and relative depths of the layers of a site, (layers,) each."""
        return layer_axis(self.layers_of(site), self.depth)

    def require_corpus(self, sha256: str, corpus: Path) -> None:
        """Refuse states that were extracted from another corpus than the file of this digest."""
        for store in self.stores:
            if store.corpus_sha256 != sha256:
                msg = f"{store.path}: its states are not of the texts in {corpus}; {store.advice}"
                raise FathomError(msg)

    @property
    def depth(self) -> int:
        """Number of blocks of the model."""
        first = self.stores[0]
        if first.depth is None:
            msg = f"{first.path}: its manifest does not say how many blocks the model has; {first.advice}"
            raise FathomError(msg)
        return first.depth

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

    def pooled(self, position: str, layer: int, site: str = "residual") -> Float32Array:
        """States of one layer (counted from 0 within the site) at a pooled position, (texts, width) in float32."""
        if len(self.stores) == 1:
            return self.stores[0].pooled(position, layer, site)
        states, first = np.empty((self.texts, self.width), dtype=np.float32), 0
        for store in self.stores:
            states[first : first + store.texts] = store.pooled(position, layer, site)
            first += store.texts
        return states

    def token_blocks(self, max_bytes: int, site: str = "residual") -> Iterator[list[Float32Array]]:
        """Token states in the order of the corpus: lists of (layers, tokens, width), one a text.

        A block is one read of at most `max_bytes` of float32 (or one text, where that is larger).
        """
        row_bytes = 4 * len(self.layers_of(site)) * self.width
        for store in self.stores:
            first = 0
            while first < store.texts:
                limit = store.offsets[first] + max_bytes // row_bytes
                last = max(first + 1, int(np.searchsorted(store.offsets, limit, side="right")) - 1)
                states = store.tokens(first, last, site)
                edges = (store.offsets[first + 1 : last] - store.offsets[first]).tolist()
                yield np.split(states, edges, axis=1)
                first = last

    def attention_patterns(self) -> Iterator[tuple[int, Float32Array]]:
        """Index of a text in the corpus and its attention patterns, (blocks, heads, T, T); nothing if none are stored.

        Row i of a pattern says how much token i looks at every token, and sums to 1.
        """
        first = 0
        for store in self.stores:
            for text, patterns in store.attention_patterns():
                yield first + text, patterns
            first += store.texts


def layer_axis(names: Sequence[str], depth: int) -> tuple[IntArray, npt.NDArray[np.float64]]:
    """Numbers of named layers of a model of `depth` blocks, and their relative depth (0..1).

    Layer l is the residual stream after block l. `final` comes one after the last block; where that block is not stored
    itself it takes its number, as in transformers' `hidden_states`.
    """
    final = depth + 1 if str(depth) in names else depth
    numbers = np.array([final if name == "final" else int(name) for name in names], dtype=np.int64)
    return numbers, numbers / max(depth, int(numbers.max()))
