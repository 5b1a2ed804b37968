"""A folder of the user's."""

from __future__ import annotations

from pathlib import Path

from fathom.models.sources.place import Origin, Place, keep


def bring(place: Place, *, path: str) -> Origin:
    """Copy the files of a checkpoint."""
    folder = Path(path)
    return Origin("local folder", keep(folder, place), folder)
