"""Atomic writes: a file takes its place when it is complete.

Two jobs may make the same file at once: a machine that the cluster believes to be dead goes on writing, while the job
is repeated on another one. So each writes a file with a name of its own, and the name that others read changes in one
step.

A job that is killed leaves its temporary file behind. Its lock ends with it, so that the next job that makes the same
file knows that nobody writes there any more, and deletes it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fathom.runtime.errors import FathomError

SUFFIX = ".part"


class AtomicFile:
    """A new file, open for reading and writing, that becomes `path` or nothing."""

    def __init__(self, path: Path) -> None:
        clear_abandoned(path)
        self._path = path
        self._own = path.with_name(f"{path.name}.{secrets.token_hex(4)}{SUFFIX}")
        self.descriptor = os.open(self._own, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        self.discard = weakref.finalize(self, _discard, self._own, self.descriptor)
        """Delete the temporary file, as at the end of the process; nothing once it took its place."""
        lock(self.descriptor)

    def publish(self) -> None:
        """Wait until the disk holds the file, and let it take its place.

        Errors: FathomError if another job deleted the temporary file, as it does where a file system keeps no locks.
        """
        os.fsync(self.descriptor)
        try:
            self._own.replace(self._path)
        except FileNotFoundError:
            msg = f"{self._path}: another job makes this file at the same time; run snakemake again when it has ended"
            raise FathomError(msg) from None
        self.discard.detach()
        os.close(self.descriptor)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A stream to write a file to, which takes its place at the end of the block, unless that ends with an error."""
    file = AtomicFile(path)
    try:
        with open(file.descriptor, "wb", closefd=False) as stream:
            yield stream
        file.publish()
    except BaseException:
        file.discard()
        raise


def clear_abandoned(path: Path) -> None:
    """Delete temporary files whose writers were killed."""
    for left in path.parent.glob(f"{path.name}.*{SUFFIX}"):
        try:
            descriptor = os.open(left, os.O_RDWR)
        except (FileNotFoundError, PermissionError):
            continue  # it took its place meanwhile, or is another user's
        try:
            if lock(descriptor):
                left.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _discard(temporary: Path, descriptor: int) -> None:
    temporary.unlink(missing_ok=True)
    os.close(descriptor)


def lock(descriptor: int) -> bool:
    """Take the lock of an open file, as long as it is open. False if another has it, or there are no locks here."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
