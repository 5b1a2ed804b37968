"""A shared file system on which files of other machines appear late: a FUSE view of a folder.

    python late.py FOLDER PLACE SECONDS

What was made through the view is there at once; what was made in the folder behind it is found only so many seconds
later, as with the caches of NFS.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mfusepy import FUSE, FuseOSError, Operations

UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2  # from Linux's sys/stat.h
FACTS = ("st_gid", "st_mode", "st_nlink", "st_size", "st_uid")
TIMES = ("st_atime", "st_ctime", "st_mtime")


class Late(Operations):  # type: ignore[misc]  # the library has no types
    """Passes everything on, and hides what others made since it began and less than `seconds` ago."""

    use_ns = True

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._began = time.time()
        self._own: set[str] = set()

    def _path(self, path: str) -> str:
        return str(self._folder / path.lstrip("/"))

    def _seen(self, path: str) -> str:
        """The real path of what the view shows; ENOENT for what it does not show yet."""
        real = self._path(path)
        if path != "/" and path not in self._own:
            try:
                born = os.lstat(real).st_ctime
            except OSError as error:
                raise FuseOSError(error.errno or errno.EIO) from None
            if born > self._began and time.time() - born < self._seconds:
                raise FuseOSError(errno.ENOENT)
            self._own.add(path)  # what was once seen stays
        return real

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:  # noqa: ARG002 - FUSE's signature
        try:
            found = os.lstat(self._seen(path))
        except FileNotFoundError:
            self._own.discard(path)
            raise FuseOSError(errno.ENOENT) from None
        facts = {name: getattr(found, name) for name in FACTS}
        return facts | {name: getattr(found, f"{name}_ns") for name in TIMES}

    def readdir(self, path: str, fh: int) -> Iterable[str]:  # noqa: ARG002 - FUSE's signature
        yield from (".", "..")
        for name in os.listdir(self._seen(path)):
            try:
                self._seen(f"{path.rstrip('/')}/{name}")
            except FuseOSError:
                continue
            yield name

    def _make(self, path: str) -> str:
        self._own.add(path)
        return self._path(path)

    def create(self, path: str, mode: int, fi: object = None) -> int:  # noqa: ARG002 - FUSE's signature
        return os.open(self._make(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._seen(path), flags)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:  # noqa: ARG002 - FUSE's signature
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:  # noqa: ARG002 - FUSE's signature
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:  # noqa: ARG002 - FUSE's signature
        os.truncate(self._seen(path), length)

    def flush(self, path: str, fh: int) -> None:  # noqa: ARG002 - FUSE's signature
        os.fsync(fh)

    def fsync(self, path: str, datasync: int, fh: int) -> None:  # noqa: ARG002 - FUSE's signature
        os.fsync(fh)

    def release(self, path: str, fh: int) -> None:  # noqa: ARG002 - FUSE's signature
        os.close(fh)

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._make(path), mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(self._path(path))
        self._own.discard(path)

    def unlink(self, path: str) -> None:
        os.unlink(self._path(path))
        self._own.discard(path)

    def rename(self, old: str, new: str) -> None:
        os.rename(self._path(old), self._make(new))
        moved = {path for path in self._own if path == old or path.startswith(f"{old}/")}
        self._own = (self._own - moved) | {new + path.removeprefix(old) for path in moved}

    def symlink(self, target: str, source: str) -> None:
        os.symlink(source, self._make(target))

    def link(self, target: str, source: str) -> None:
        os.link(self._path(source), self._make(target))

    def readlink(self, path: str) -> str:
        return os.readlink(self._seen(path))

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._seen(path), mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.chown(self._seen(path), uid, gid)

    def utimens(self, path: str, times: tuple[int, int]) -> None:
        real = self._seen(path)
        now, before = time.time_ns(), os.stat(real)
        special = [{UTIME_NOW: now, UTIME_OMIT: kept} for kept in (before.st_atime_ns, before.st_mtime_ns)]
        accessed, changed = (words.get(one, one) for words, one in zip(special, times, strict=True))
        os.utime(real, ns=(accessed, changed))

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._path(path))
        return {
            name: getattr(found, name) for name in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_files", "f_frsize")
        }


if __name__ == "__main__":
    folder, place, seconds = sys.argv[1:]
    FUSE(Late(Path(folder), float(seconds)), place, foreground=True, nothreads=True, entry_timeout=0, attr_timeout=0)
