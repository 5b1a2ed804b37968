"""Writing a store: rows in, chunks out, the archive closed at the end."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numcodecs.zstd import Zstd

from fathom.io.manifests import write_manifest
from fathom.runtime.errors import FathomError
from fathom.store.chunks import read_chunk_rows
from fathom.store.layout import (
    FORMAT_VERSION,
    KIND,
    TOKEN_FACTS,
    ArrayKey,
    Compression,
    Float32Array,
    IntArray,
    Layout,
    Shape,
    States,
    chunk_rows,
    is_mean,
    is_pooled,
    to_float32,
)
from fathom.store.zip_archive import ArchiveWriter, Seal

ZSTD_LEVEL = 1


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
            made = site == TOKEN_FACTS or is_mean(position)
            axes = ("layer", "text" if is_pooled((site, position)) else "token", "width")
            self._metadata.add(f"{site}/{position}", layout, axes, {"dtype": "float32" if made else shape.dtype})
        self._sampled = 0
        self._spans: tuple[str, ...] = ()
        self._seal: Seal | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Take away what was written of a store that was not finished."""
        self._archive.discard()

    @property
    def folder(self) -> Path:
        """Where the store is written."""
        return self._path.parent

    def append(self, states: Mapping[ArrayKey, States]) -> None:
        """Append the rows of the next texts to arrays: (layers, tokens or texts, width) each, in the stored dtype."""
        for key, rows in states.items():
            self._rows[key].append(rows)

    def end_states(self) -> None:
        """Write what is left of the states; from here on they can be read back."""
        for rows in self._rows.values():
            rows.close()

    def read_back(self, key: ArrayKey, first: int, last: int) -> Float32Array:
        """Rows first .. last - 1 of an array as they are on disk, (layers, rows, width)."""
        layout = self._layouts[key]
        return to_float32(read_chunk_rows(self._archive, "/".join(key), layout, range(layout.shape[0]), first, last))

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
        marked = self._shape.with_tokens
        with_tokens = np.ones(len(lengths), dtype=np.uint8) if marked is None else marked.astype(np.uint8)
        self._write_list("with_tokens", with_tokens, "text")
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
            "sites": [
                {"site": site, "layers": list(layers)} | ({"width": shape.widths[site]} if site in shape.widths else {})
                for site, layers in shape.layers.items()
            ],
            "texts": shape.texts,
            "tokens": shape.tokens,
            "width": shape.width,
            "depth": shape.depth,
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
        self._root.create_group(TOKEN_FACTS)

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
