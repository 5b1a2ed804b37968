"""Digests of files, read at the speed of the disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import xxhash

BLOCK_BYTES = 8 << 20


def read_blocks(path: Path, *consumers: Callable[[memoryview], object]) -> int:
    """Hand a file to `consumers` block by block, from its start to its end; returns its size in bytes.

    One buffer serves all blocks: a consumer must not keep what it is handed. Reading and hashing of blocks of this size
    leave other threads alone.
    """
    buffer = bytearray(BLOCK_BYTES)
    view = memoryview(buffer)
    size = 0
    with path.open("rb", buffering=0) as stream:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while count := stream.readinto(buffer):
            size += count
            for consumer in consumers:
                consumer(view[:count])
    return size


def xxh3_of(path: Path) -> str:
    """XXH3 (128 bits) of a file, as 32 hexadecimal digits."""
    state = xxhash.xxh3_128()
    read_blocks(path, state.update)
    return state.hexdigest()


def file_facts(path: Path) -> dict[str, int | str]:
    """Size of a file and its digests, SHA-256 (which others publish) and XXH3 (which is fast), from one reading."""
    sha256, xxh3 = hashlib.sha256(), xxhash.xxh3_128()
    size = read_blocks(path, sha256.update, xxh3.update)
    return {"bytes": size, "sha256": sha256.hexdigest(), "xxh3_128": xxh3.hexdigest()}
