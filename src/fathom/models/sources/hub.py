"""A model on the Hugging Face hub."""

from __future__ import annotations

from fathom.io.hub_commits import fetch_once
from fathom.models.prepare import PATTERNS
from fathom.models.sources.place import Origin, Place, keep


def bring(place: Place, *, repository: str, revision: str | None = None) -> Origin:
    """Fetch the files of a checkpoint at a revision; at the default branch if there is none."""
    fetched = place.scratch / "fetched"
    commit = fetch_once(place.kept, repository, revision, PATTERNS, fetched)
    return Origin(commit, keep(fetched, place, own=True))
