"""Folders that a job works in, deleted when it ends. What a killed job left is deleted by the next of the same name."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fathom.io.atomic import lock

SUFFIX = ".scratch"
RANDOM_BYTES = 4


@contextmanager
def scratch_folder(result: Path) -> Iterator[Path]:
    """An empty folder beside `result`, hidden and on the same disk, until the end of the block.

    Two jobs may work on the same result at once (see `fathom.io.atomic`), so each has a folder and a lock of its own.
    """
    _clear_abandoned(result)
    folder = result.with_name(f".{result.name}.{secrets.token_hex(RANDOM_BYTES)}{SUFFIX}")
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(descriptor)
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(descriptor)


def _clear_abandoned(result: Path) -> None:
    for left in result.parent.glob(f".{result.name}.{'?' * 2 * RANDOM_BYTES}{SUFFIX}"):
        try:
            descriptor = os.open(left, os.O_RDONLY)
        except (FileNotFoundError, PermissionError):
            continue  # its job has ended meanwhile, or is another user's
        try:
            if lock(descriptor):
                shutil.rmtree(left)
        finally:
            os.close(descriptor)
