"""What every source of models is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fathom.models.prepare import copy_plain


@dataclass(frozen=True)
class Place:
    """Where a checkpoint is put, and where files are found."""

    draft: Path
    """Folder for the checkpoint."""
    scratch: Path
    """Folder for what is fetched; it goes once the checkpoint is there."""
    kept: Path
    """File in which a source keeps what a name that can move has led to. It outlives the checkpoint."""
    base: Path | None = None
    """Manifest of the model whose shape it has, or of the training that it is a checkpoint of."""


@dataclass(frozen=True)
class Origin:
    """What a source says of a checkpoint that it has put into its place."""

    revision: str
    """What it is, as exactly as its source names it."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else goes into the manifest."""
    folder: Path | None = None
    """The user's folder that its files are copies of."""


def keep(folder: Path, place: Place, *, own: bool = False) -> dict[str, Any]:
    """Copy what is kept of a folder (of fathom's `own`, move); what its configs had and lost, where there was any."""
    left_out = copy_plain(folder, place.draft, own=own)
    return {"left_out": sorted(left_out)} if left_out else {}
