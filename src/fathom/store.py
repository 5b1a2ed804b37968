"""The activation store, and the only code that knows Zarr.

A store is one Zarr v3 group, written by one job (one shard of a corpus):

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
uint16 and the attribute `dtype` says so. One Zarr shard (a file) holds all layers of a run of tokens or texts, an inner
chunk one layer of a part of it; every chunk carries a crc32c checksum. The manifest beside the store lists every file
with size and digest. A store without a manifest does not exist.
Reading compares the digest of a file before its first byte is used: zarrs looks at the checksums of chunks only where
it decodes a whole Zarr shard, and what one read wants is a part of one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xxhash
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from fathom.errors import FathomError, first_line
from fathom.provenance import read_manifest, write_manifest

zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})

FORMAT_VERSION = 3
KIND = "activations"
CHUNK_BYTES = 1 << 20  # what one read wants: about a megabyte of one layer
MINIMUM_ROWS = 64  # of a chunk of wide states: padding can take one row a chunk, which stays under 2 %

Dtype = Literal["float32", "float16", "bfloat16"]
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


@dataclass(frozen=True)
class Grid:
    """How an axis of `length` rows is cut: inner chunks of `chunk` rows, Zarr shards of `shard` rows."""

    chunk: int
    shard: int

    @classmethod
    def fitting(cls, length: int, layers: int, row_bytes: int, shard_bytes: int) -> Grid:
        """Cut `length` rows (of `row_bytes` in each of `layers` layers) evenly: the last chunk is hardly padded."""
        wanted = max(MINIMUM_ROWS, CHUNK_BYTES // row_bytes)
        chunk = math.ceil(length / math.ceil(length / wanted))
        per_shard = max(1, shard_bytes // (chunk * row_bytes * layers))
        return cls(chunk=chunk, shard=chunk * min(per_shard, math.ceil(length / chunk)))


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

    def grid(self, key: ArrayKey, shard_bytes: int) -> Grid:
        """How an array is cut into files of about `shard_bytes`."""
        layers, rows, _ = self.extent(key, self.texts, self.tokens)
        return Grid.fitting(rows, layers, self.width * array_dtype(key[1], self.dtype).itemsize, shard_bytes)

    def buffer_bytes(self, shard_bytes: int) -> int:
        """Memory that a writer holds for files that are not yet full."""
        return sum(
            len(self.layers[key[0]])
            * self.grid(key, shard_bytes).shard
            * self.width
            * array_dtype(key[1], self.dtype).itemsize
            for key in self.arrays
        )


class _RowWriter:
    """Appends rows along one axis of a three-dimensional array, and writes whole Zarr shards only."""

    def __init__(self, array: zarr.Array[Any], axis: int, shard: int) -> None:
        self._array = array
        self._axis = axis
        extent = list(array.shape)
        extent[axis] = shard
        self._buffer = np.empty(extent, dtype=array.dtype)
        self._held = 0
        self._written = 0

    def append(self, rows: States) -> None:
        start, count, shard = 0, rows.shape[self._axis], self._buffer.shape[self._axis]
        while start < count:
            taken = min(shard - self._held, count - start)
            if taken == shard:
                self._write(rows[self._along(start, start + taken)])
            else:
                kept = self._along(self._held, self._held + taken)
                self._buffer[kept] = rows[self._along(start, start + taken)]
                self._held += taken
                if self._held == shard:
                    self._flush()
            start += taken

    def _along(self, start: int, end: int) -> tuple[slice, ...]:
        return (*(slice(None),) * self._axis, slice(start, end))

    def _flush(self) -> None:
        self._write(self._buffer[self._along(0, self._held)])
        self._held = 0

    def _write(self, rows: States) -> None:
        end = self._written + rows.shape[self._axis]
        self._array[self._along(self._written, end)] = rows
        self._written = end

    def close(self) -> None:
        if self._held:
            self._flush()
        if self._written != self._array.shape[self._axis]:
            msg = f"{self._array.name}: {self._written} of {self._array.shape[self._axis]} rows were written"
            raise FathomError(msg)


class StoreWriter:
    """Writes one store in the order of the corpus: states, then patterns, then `close`; the manifest comes last."""

    def __init__(self, path: Path, shape: Shape, *, shard_bytes: int, compression: Literal["none", "zstd"]) -> None:
        self._path = path
        self._shape = shape
        self._shard_bytes = shard_bytes
        self._codecs: list[Any] = [Crc32cCodec()] if compression == "none" else [ZstdCodec(level=1), Crc32cCodec()]
        self._root = zarr.open_group(path, mode="w", zarr_format=3)
        self._root.attrs.update({"format": FORMAT_VERSION, "dtype": shape.dtype, "width": shape.width})
        for site, layers in shape.layers.items():
            self._root.create_group(site).attrs.update({"layers": list(layers)})
        self._arrays = {key: self._create(key) for key in shape.arrays}
        self._rows = {
            key: _RowWriter(array, 1, shape.grid(key, shard_bytes).shard) for key, array in self._arrays.items()
        }
        self._sampled = 0
        self._spans: tuple[str, ...] = ()

    def _create(self, key: ArrayKey) -> zarr.Array[Any]:
        shape, (site, position) = self._shape, key
        layers, rows, width = shape.extent(key, shape.texts, shape.tokens)
        grid = shape.grid(key, self._shard_bytes)
        # Several threads would put the chunks of a file in an order of chance; the same states give the same bytes.
        with zarr.config.set({"threading.max_workers": 1}):
            return self._root.create_array(
                f"{site}/{position}",
                shape=(layers, rows, width),
                chunks=(1, grid.chunk, width),
                shards=(layers, grid.shard, width),
                dtype=array_dtype(position, shape.dtype),
                compressors=self._codecs,
                fill_value=0,
                dimension_names=("layer", "text" if is_pooled(position) else "token", "width"),
                attributes={"dtype": "float32" if position == "mean" else shape.dtype},
            )

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
        return to_float32(np.asarray(self._arrays[key][:, first:last]))

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
        grid = Grid.fitting(entries, blocks, heads * 4, self._shard_bytes)
        with zarr.config.set({"threading.max_workers": 1}):
            array = self._root.create_array(
                "attention_patterns",
                shape=(blocks, heads, entries),
                chunks=(1, heads, grid.chunk),
                shards=(blocks, heads, grid.shard),
                dtype=np.float32,
                compressors=self._codecs,
                fill_value=0,
                dimension_names=("block", "head", "entry"),
            )
        return _RowWriter(array, 2, grid.shard)

    def write_spans(self, starts: Mapping[str, IntArray], ends: Mapping[str, IntArray]) -> None:
        """Write the first and last token of every marked span in every text."""
        if starts:
            self._spans = tuple(starts)
            both = np.stack([np.stack([starts[name], ends[name]], axis=1) for name in self._spans])
            self._write_list("span_tokens", both.reshape(-1), "span_edge")

    def close(self, token_ids: npt.NDArray[np.int32], lengths: IntArray) -> None:
        """Write what is left, the token ids and the offsets."""
        self.end_states()
        self._write_list("token_ids", token_ids, "token")
        self._write_list("offsets", np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), "text_edge")
        with warnings.catch_warnings():
            # Consolidated metadata lets xarray open the store without listing the folder, in which Snakemake leaves a
            # file of its own. Zarr warns that version 3 of its format does not define it yet.
            warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
            zarr.consolidate_metadata(self._path)

    def _write_list(self, name: str, values: npt.NDArray[Any], dimension: str) -> None:
        array = self._root.create_array(
            name,
            shape=values.shape,
            chunks=values.shape,
            dtype=values.dtype,
            compressors=[Crc32cCodec()],
            fill_value=0,
            dimension_names=(dimension,),
        )
        array[:] = values

    def finish(self, manifest: Path, facts: Mapping[str, Any]) -> None:
        """Write the manifest: `facts`, what the store holds, and every file with its size and digest."""
        shape = self._shape
        content = {
            **facts,
            "kind": KIND,
            "format": FORMAT_VERSION,
            "store": self._path.name,
            "sites": [{"site": site, "layers": list(layers)} for site, layers in shape.layers.items()],
            "texts": shape.texts,
            "tokens": shape.tokens,
            "width": shape.width,
            "dtype": shape.dtype,
            "positions": list(shape.positions),
            "spans": list(self._spans),
            "attention_texts": self._sampled,
            "files": {name: _describe(self._path / name) for name in _files(self._path)},
        }
        write_manifest(manifest, content)


def _files(store: Path) -> list[str]:
    """Files of a store; Snakemake's own timestamp is none of it."""
    names = (path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file())
    return sorted(name for name in names if name != ".snakemake_timestamp")


def _describe(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "xxh3_128": _digest(path)}


def _digest(path: Path) -> str:
    state = xxhash.xxh3_128()
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            state.update(block)
    return state.hexdigest()


class Store:
    """One finished store, opened for reading."""

    def __init__(self, manifest: Path) -> None:
        self.manifest = read_manifest(manifest, KIND)
        self.advice = f"delete {manifest} and run snakemake again"
        if self.manifest.get("format") != FORMAT_VERSION:
            found = self.manifest.get("format")
            msg = f"{manifest}: format {found!r}, this version reads {FORMAT_VERSION}; {self.advice}"
            raise FathomError(msg)
        try:
            self.path = manifest.with_name(self.manifest["store"])
            self.layers = {
                str(fact["site"]): tuple(str(layer) for layer in fact["layers"]) for fact in self.manifest["sites"]
            }
            self.texts = int(self.manifest["texts"])
            self.width = int(self.manifest["width"])
            self.positions = tuple(str(position) for position in self.manifest["positions"])
            self.spans = tuple(str(span) for span in self.manifest["spans"])
            self.sampled = int(self.manifest["attention_texts"])
            self._files = {
                str(name): (int(fact["bytes"]), str(fact["xxh3_128"])) for name, fact in self.manifest["files"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"{manifest}: the manifest lacks or garbles {error}; {self.advice}"
            raise FathomError(msg) from error
        self._intact: set[str] = set()
        self._check_files()
        self.offsets = np.asarray(self._read_list("offsets"), dtype=np.int64)

    def _check_files(self) -> None:
        """Zarr reads a missing or cut file as zeros, so sizes are checked before anything is read, and the metadata."""
        for name, (size, _) in self._files.items():
            path = self.path / name
            if not path.is_file():
                msg = f"{path}: missing; {self.advice}"
                raise FathomError(msg)
            if path.stat().st_size != size:
                msg = f"{path}: holds {path.stat().st_size} bytes, the manifest says {size}; {self.advice}"
                raise FathomError(msg)
            if path.name == "zarr.json":
                self._check_digest(name)

    def _check_digest(self, name: str) -> None:
        """Compare a file with the manifest, once. A chunk of zeros has no file."""
        if name in self._intact or name not in self._files:
            return
        path = self.path / name
        if _digest(path) != self._files[name][1]:
            msg = f"{path}: its digest is not the manifest's; {self.advice}"
            raise FathomError(msg)
        self._intact.add(name)

    def _read_list(self, name: str) -> States:
        """A whole array of one axis, which is one file."""
        self._check_digest(f"{name}/c/0")
        return self._select(zarr.open_array(self.path / name, mode="r", zarr_format=3), slice(None))

    def _read(self, name: str, layers: int | slice, axis: int, first: int, last: int) -> States:
        """Rows first .. last - 1 along an axis, after a check of the files (Zarr shards) that hold them."""
        array = zarr.open_array(self.path / name, mode="r", zarr_format=3)
        rows = (array.shards or array.chunks)[axis]
        for file in range(first // rows, math.ceil(last / rows)):
            place = ["0", "0", "0"]
            place[axis] = str(file)
            self._check_digest(f"{name}/c/{'/'.join(place)}")
        between = (slice(None),) * (axis - 1)
        return self._select(array, (layers, *between, slice(first, last)))

    def _select(self, array: zarr.Array[Any], selection: Any) -> States:
        try:
            return np.asarray(array[selection])
        except (RuntimeError, OSError, ValueError) as error:
            msg = f"{self.path}: {array.name} cannot be read ({first_line(error)}); {self.advice}"
            raise FathomError(msg) from error

    def token_ids(self) -> npt.NDArray[np.int32]:
        """Ids of all tokens, (tokens,)."""
        return np.asarray(self._read_list("token_ids"), dtype=np.int32)

    def span_tokens(self, span: str) -> IntArray:
        """First and last token of a marked span in every text, (texts, 2), counted from the start of the text."""
        if span not in self.spans:
            msg = f"{self.path}: marks no span {span!r}, only {', '.join(self.spans) or 'none'}"
            raise FathomError(msg)
        tokens = np.asarray(self._read_list("span_tokens"), dtype=np.int64).reshape(len(self.spans), self.texts, 2)
        return np.asarray(tokens[self.spans.index(span)])

    def pooled(self, position: str, layer: int, site: str = "residual") -> Float32Array:
        """States of one layer (counted from 0 within the site) at a pooled position, (texts, width)."""
        self._require(site, position)
        return to_float32(self._read(f"{site}/{position}", layer, 1, 0, self.texts))

    def tokens(self, first: int, last: int, site: str = "residual") -> Float32Array:
        """Token states of texts first .. last - 1 at all layers, (layers, tokens of these texts, width)."""
        self._require(site, "tokens")
        start, end = int(self.offsets[first]), int(self.offsets[last])
        return to_float32(self._read(f"{site}/tokens", slice(None), 1, start, end))

    def attention_patterns(self) -> Iterator[tuple[int, Float32Array]]:
        """Text and patterns of every sampled text: (index within this store, (blocks, heads, T, T))."""
        if not self.sampled:
            return
        start = 0
        for text in self._read_list("attention_texts").tolist():
            length = int(self.offsets[text + 1] - self.offsets[text])
            patterns = self._read("attention_patterns", slice(None), 2, start, start + length**2)
            yield text, patterns.reshape(*patterns.shape[:2], length, length)
            start += length**2

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
            if store.manifest.get("corpus_sha256") != sha256:
                msg = f"{store.path}: its states are not of the texts in {corpus}; {store.advice}"
                raise FathomError(msg)

    @property
    def depth(self) -> int:
        """Number of blocks of the model."""
        return int(self.stores[0].manifest["depth"])

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
        return np.concatenate([store.pooled(position, layer, site) for store in self.stores])

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
