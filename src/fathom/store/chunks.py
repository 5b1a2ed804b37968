"""Rows of one chunked array, read and checked."""

from __future__ import annotations

import math

import numpy as np
from numcodecs.zstd import Zstd

from fathom.store.layout import Layout, States
from fathom.store.zip_archive import Archive, ArchiveWriter


def read_chunk_rows(
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
