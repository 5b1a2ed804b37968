"""One file that holds many named pieces of bytes, each with a checksum: a zip without compression.

It is written from its start to its end by one thread, every piece once, and its entries bear no time: the same pieces
in the same order give the same bytes. The list of pieces (the directory of a zip) comes last, so a file that was not
ended cannot be opened by anyone; and it takes its place only when it is published.
A reader is told the size of the file and the digest of the list, compares both when it opens the file, and compares
each piece with its checksum in that list when it first reads of it. So nothing is used that is not what was written.
The checksum is an xxh3, in an extra field of fathom's own, five times as fast as the CRC-32 that a zip has besides.
"""

from __future__ import annotations

import os
import struct
import threading
import weakref
import zipfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from fathom.io.atomic import AtomicFile
from fathom.runtime.errors import first_line

BLOCK_BYTES = 1 << 22  # of one read, where a file is read from end to end
_LOCAL_HEADER = struct.Struct("<26xHH")  # lengths of the name and of the extra field; the piece follows them
_EXTRA = struct.Struct("<HH")  # kind and size of an extra field
_CHECKSUM = struct.Struct("<HHQ")  # ours: kind, 8 bytes, the xxh3 of the piece
_CHECKSUM_KIND = 0x4678
Bytes = npt.NDArray[np.uint8]


class DamageError(Exception):
    """A file is not what was written. The message names the piece, not the file."""


@dataclass(frozen=True)
class Seal:
    """What identifies a finished file."""

    bytes: int
    xxh3_128: str
    """Digest of the whole file."""
    directory_at: int
    """Where the list of pieces begins; it reaches to the end of the file."""
    directory_xxh3_128: str


class _Pieces(ABC):
    """Reads pieces of an open file. Several threads may read at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._intact: set[str] = set()
        self._room = threading.local()

    @abstractmethod
    def _find(self, name: str) -> zipfile.ZipInfo:
        """The entry of a piece. Errors: KeyError if there is none."""

    def read(self, name: str) -> Bytes:
        """A whole piece, after a check of its checksum."""
        info = self._info(name)
        content = np.empty(info.file_size, dtype=np.uint8)
        self._fill_checked(info, content)
        return content

    def read_into(self, name: str, offset: int, target: Bytes) -> None:
        """Fill `target` with the bytes of a piece from `offset` on. The first time, the whole piece is checked."""
        info = self._info(name)
        if not 0 <= offset <= offset + target.size <= info.file_size:
            msg = f"{name} holds {info.file_size} bytes, expected at least {offset + target.size}"
            raise DamageError(msg)
        if name in self._intact:
            self._fill(info, offset, target)
        elif target.size < info.file_size:
            whole = self._room_for(info.file_size)
            self._fill_checked(info, whole)
            target[:] = whole[offset : offset + target.size]
        else:
            self._fill_checked(info, target)

    def _room_for(self, size: int) -> Bytes:
        """Bytes that this thread uses again and again: fresh memory takes as long as the read."""
        room: Bytes | None = getattr(self._room, "bytes", None)
        if room is None or room.size < size:
            room = self._room.bytes = np.empty(size, dtype=np.uint8)
        return room[:size]

    def _fill_checked(self, info: zipfile.ZipInfo, target: Bytes) -> None:
        """Fill `target` with a whole piece and compare it with its checksum."""
        self._fill(info, 0, target)
        if xxhash.xxh3_64_intdigest(target.data) != _checksum(info):
            msg = f"{info.filename} does not fit its checksum"
            raise DamageError(msg)
        self._intact.add(info.filename)

    def _info(self, name: str) -> zipfile.ZipInfo:
        try:
            info = self._find(name)
        except KeyError:
            msg = f"{name} is missing"
            raise DamageError(msg) from None
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            msg = f"{name} is compressed, expected it as it is"
            raise DamageError(msg)
        return info

    def _fill(self, info: zipfile.ZipInfo, offset: int, target: Bytes) -> None:
        header = os.pread(self._descriptor, _LOCAL_HEADER.size, info.header_offset)
        if len(header) == _LOCAL_HEADER.size:
            start = info.header_offset + len(header) + sum(_LOCAL_HEADER.unpack(header)) + offset
            done = 0
            while done < target.size:
                count = os.preadv(self._descriptor, [target[done:].data], start + done)
                if not count:
                    break
                done += count
            else:
                return
        msg = f"{info.filename} reaches beyond the end of the file"
        raise DamageError(msg)


class Archive(_Pieces):
    """A finished file, opened for reading; it is closed when it is no longer used.

    Errors: DamageError if the file is missing, of another size, or its list of pieces is not the one that was written;
    when reading, if a piece is missing or damaged. OSError if the disk fails.
    """

    def __init__(self, path: Path, seal: Seal) -> None:
        check_size(path, seal)
        descriptor = os.open(path, os.O_RDONLY)
        super().__init__(descriptor)
        self._close = weakref.finalize(self, os.close, descriptor)
        self._check_directory(seal)
        self._entries = self._read_directory()

    def _check_directory(self, seal: Seal) -> None:
        digest = xxhash.xxh3_128()
        at = seal.directory_at
        while block := os.pread(self._descriptor, BLOCK_BYTES, at):
            digest.update(block)
            at += len(block)
        if digest.hexdigest() != seal.directory_xxh3_128:
            msg = f"its directory, from byte {seal.directory_at} to the end, is not the one that the manifest names"
            raise DamageError(msg)

    def _read_directory(self) -> dict[str, zipfile.ZipInfo]:
        try:
            with open(self._descriptor, "rb", closefd=False) as stream, zipfile.ZipFile(stream) as opened:
                infos = opened.infolist()
        except (zipfile.BadZipFile, ValueError, OverflowError, struct.error, NotImplementedError) as error:
            msg = f"not a zip ({first_line(error)})"
            raise DamageError(msg) from error
        return {info.filename: info for info in infos}

    def _find(self, name: str) -> zipfile.ZipInfo:
        return self._entries[name]


def check_size(path: Path, seal: Seal) -> None:
    """Refuse a file that is missing or of another size than it was written with.

    Errors: DamageError.
    """
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        msg = "missing"
        raise DamageError(msg) from None
    if found != seal.bytes:
        msg = f"holds {found} bytes, the manifest says {seal.bytes}"
        raise DamageError(msg)


class ArchiveWriter(_Pieces):
    """Writes one file. What was added can be read back; `end` makes it whole, `publish` lets it take its place."""

    def __init__(self, path: Path) -> None:
        self._file = AtomicFile(path)
        self._stream = _Stream(self._file.descriptor)
        super().__init__(self._file.descriptor)
        self._zip = _Zip(self._stream, "w", zipfile.ZIP_STORED)  # write and tell are enough

    def add(self, name: str, content: bytes | npt.NDArray[Any]) -> None:
        """Append a piece: bytes, or a C-contiguous array's."""
        info = zipfile.ZipInfo(name)  # of 1980, where a zip's time begins
        info.external_attr = 0o644 << 16
        data = content if isinstance(content, bytes) else content.reshape(-1).view(np.uint8).data
        info.extra = _CHECKSUM.pack(_CHECKSUM_KIND, _CHECKSUM.size - _EXTRA.size, xxhash.xxh3_64_intdigest(data))
        self._zip.writestr(info, data)

    def end(self) -> Seal:
        """Write the list of pieces."""
        directory_at, digest = self._stream.tell(), xxhash.xxh3_128()
        self._stream.digests.append(digest)
        self._zip.close()
        return Seal(
            bytes=self._stream.tell(),
            xxh3_128=self._stream.digests[0].hexdigest(),
            directory_at=directory_at,
            directory_xxh3_128=digest.hexdigest(),
        )

    def publish(self) -> None:
        """Wait until the disk holds the file, and let it take its place. It was ended before."""
        self._file.publish()

    def discard(self) -> None:
        """Take away what was written, unless it was published."""
        self._file.discard()

    def _find(self, name: str) -> zipfile.ZipInfo:
        return self._zip.getinfo(name)


def _checksum(info: zipfile.ZipInfo) -> int | None:
    """The xxh3 of a piece, as its entry has it; none if it has none."""
    at = 0
    while at + _EXTRA.size <= len(info.extra):
        kind, size = _EXTRA.unpack_from(info.extra, at)
        if kind == _CHECKSUM_KIND and at + _CHECKSUM.size <= len(info.extra):
            return int(_CHECKSUM.unpack_from(info.extra, at)[2])
        at += _EXTRA.size + size
    return None


class _Zip(zipfile.ZipFile):
    def __del__(self) -> None:
        """Write no directory: what was not ended shall not look like a whole file."""


class _Stream:
    """An open file to which bytes are appended, and their digests on the way. Nothing is held back in a buffer."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._written = 0
        self.digests = [xxhash.xxh3_128()]

    def write(self, content: bytes | memoryview) -> int:
        for digest in self.digests:
            digest.update(content)
        left = memoryview(content)
        while left:
            left = left[os.write(self.descriptor, left) :]
        self._written += len(content)
        return len(content)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing to do: the file is closed when it takes its place or is deleted."""
