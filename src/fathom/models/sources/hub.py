"""A model on the Hugging Face hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fathom.io.hub_commits import fetch_once
from fathom.models.checkpoint_checks import CONFIG
from fathom.models.prepare import OTHERS, TOKENIZERS, WEIGHTS, weight_files
from fathom.models.sources.place import Origin, Place, keep

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path


def bring(place: Place, *, repository: str, revision: str | None = None) -> Origin:
    """Fetch the files of a checkpoint at a revision; at the default branch if there is none."""
    fetched = place.scratch / "fetched"
    needed = ((CONFIG,), TOKENIZERS)
    commit = fetch_once(place.kept, repository, revision, OTHERS, fetched, weights=_weights, needed=needed)
    return Origin(commit, keep(fetched, place, own=True))


def _weights(names: Collection[str], bring: Callable[[str], Path]) -> list[str]:
    """The files of the weights; where there are none, the one that there should be, which no cache then holds."""
    return weight_files(names, bring) or [WEIGHTS]
