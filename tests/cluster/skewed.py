"""A shared file system as seen by a machine whose clock is wrong, and who dates what it writes itself.

python skewed.py FOLDER PLACE SECONDS
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from mfusepy import FUSE

from tests.cluster.late import UTIME_NOW, Late


class Skewed(Late):
    """Passes everything on; what is written through it is dated so many seconds ahead, or behind."""

    def __init__(self, folder: Path, seconds: float) -> None:
        super().__init__(folder, 0)
        self._ahead = round(seconds * 1e9)
        self._written: set[int] = set()

    def create(self, path: str, mode: int, fi: object = None) -> int:
        """Open a new file."""
        handle = super().create(path, mode, fi)
        self._written.add(handle)
        return handle

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        """Write to an open file."""
        self._written.add(fh)
        return super().write(path, data, offset, fh)

    def release(self, path: str, fh: int) -> None:
        """Close a file."""
        if fh in self._written:
            self._written.discard(fh)
            now = time.time_ns() + self._ahead
            os.utime(fh, ns=(now, now))
        super().release(path, fh)

    def utimens(self, path: str, times: tuple[int, int]) -> None:
        """Date a file."""
        now = time.time_ns() + self._ahead
        accessed, changed = (now if one == UTIME_NOW else one for one in times)
        super().utimens(path, (accessed, changed))


if __name__ == "__main__":
    folder, place, seconds = sys.argv[1:]
    FUSE(Skewed(Path(folder), float(seconds)), place, foreground=True, nothreads=True, entry_timeout=0, attr_timeout=0)
