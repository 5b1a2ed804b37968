"""A folder of the user's."""

from __future__ import annotations

from pathlib import Path

from fathom.models.sources.place import Origin, Place, keep
from fathom.schema import in_storage


def bring(place: Place, *, path: str) -> Origin:
    """Copy the files of a checkpoint."""
    folder = place.brought or Path(path)
    return Origin(path if in_storage(path) else "local folder", keep(folder, place), folder)
