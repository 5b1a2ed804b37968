"""Copies of files that are in a storage, so that a plan can read the needs of jobs from them. They go with the process.

Snakemake brings a file from a storage only while a job uses it. A copy is apart from where Snakemake puts the file: a
manifest there would make it think that the folder is there too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

_copies: dict[str, str] = {}


def readable(path: str) -> str:
    """Where a file can be read: its copy if there is one, else where it is."""
    return _copies.get(path, path)


def copied(path: str, files: Iterable[Any], wait: Callable[[Awaitable[Any]], Any]) -> bool:
    """Copy a file from its storage, if it is there and has not been copied; whether that was done.

    `files` are a job's inputs as Snakemake holds them, one of which is at `path`; `wait` runs a coroutine to its end. A
    file of this machine is never copied.
    """
    file = next(file for file in files if file == path)
    if Path(path).exists() or not file.is_storage or path in _copies:
        return False
    if not wait(file.exists_in_storage()):
        return False
    copy = Path(_folder().name, str(len(_copies)))
    found = file.storage_object.provider.object(file.storage_object.query)
    found.set_local_path(copy)
    wait(found.managed_retrieve())
    _copies[path] = str(copy)
    return True


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fathom-")
