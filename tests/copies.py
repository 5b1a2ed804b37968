"""Copies of the package, for tests that edit its source."""

from __future__ import annotations

import shutil
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src/fathom"


def copy_package(folder: Path) -> None:
    """Copy fathom's source to a folder that is not there yet, with what Python has compiled of it, which saves time.

    What another process compiles right now has a name of its own until it is complete, and is left out.
    """
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("*.pyc.*"))
