"""What a verb did, for the record of its job: which settings it was given, and which files it read and wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Work:
    """Every verb returns one; the command line writes it down where a record is asked for."""

    settings: str
    """As the verb was given them, in JSON."""
    read: Sequence[Path]
    """Files that the results were made of. Of stores and models the manifests: these hold the digests of the rest."""
    written: Sequence[Path]
    """Files that were made; of a store or a model the manifest."""
    revision: str | None = None
    """What was fetched, as exactly as its source names it: the commit of a repository, the version of a package."""
    copies: Mapping[Path, Path] = field(default_factory=dict)
    """Files read that were copied byte for byte -> the copy: its digest is that of both, so neither is read again."""
