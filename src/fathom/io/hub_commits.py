"""A branch of the hub, or no revision at all, is looked up once: where it led to is kept, whatever runs again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fathom.io.download import fetch_hub
from fathom.io.manifests import read_manifest, write_manifest

KIND = "commit"
DEFAULT_BRANCH = "main"  # of every repository on the hub


def fetch_once(
    kept: Path, repository: str, revision: str | None, patterns: Iterable[str], folder: Path, **options: Any
) -> str:
    """Download as `fetch_hub` does, with its `options`; returns the commit.

    The commit that a branch or tag leads to is written to the file `kept`, and taken from there whenever the same is
    asked for again, until that file is deleted. Where the hub is switched off (HF_HUB_OFFLINE) its cache on this
    machine says where a branch leads.
    """
    kind = options.get("kind", "model")
    asked = {"repository": repository, "asked_for": revision}
    found = read_manifest(kept, KIND) if kept.is_file() else {}
    known = found.get("commit") if all(found.get(name) == value for name, value in asked.items()) else None
    wanted = known or revision or DEFAULT_BRANCH
    commit = fetch_hub(repository, _in_cache(repository, wanted, kind) or wanted, patterns, folder, **options)
    if commit != revision:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_manifest(kept, {"kind": KIND, **asked, "commit": commit})
    return commit


def _in_cache(repository: str, revision: str, kind: str) -> str | None:
    """The commit that a revision led to when the hub was last asked, where it cannot be asked; None if not known."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    if not constants.HF_HUB_OFFLINE:
        return None
    try:
        return Path(snapshot_download(repository, revision=revision, repo_type=kind, local_files_only=True)).name
    except (LocalEntryNotFoundError, HFValidationError):  # `fetch_hub` says what is wrong
        return None
