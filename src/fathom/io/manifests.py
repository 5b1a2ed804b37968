"""Manifests: what a result was made from, written last, so that a result without one does not exist."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fathom.io.atomic import atomic_write
from fathom.io.strict_json import read_json
from fathom.runtime.errors import FathomError, first_line

DIGEST = "manifest_sha256"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def versions_of(*packages: str) -> dict[str, str]:
    """Installed versions of packages."""
    return {package: version(package) for package in sorted(packages)}


def write_manifest(path: Path, content: dict[str, Any]) -> None:
    """Write a manifest in one step: it is there whole, or not at all.

    It holds nothing that differs between two runs that made the same bytes (no times, no host), so that whoever reads
    the result stays up to date when its maker ran again and nothing changed. A digest of its own content goes with it.
    """
    signed = {**content, DIGEST: _digest(content)}
    text = json.dumps(signed, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    with atomic_write(path) as stream:
        stream.write(text.encode())


def read_manifest(path: Path, kind: str) -> dict[str, Any]:
    """Read a manifest and check that it is one of `kind`.

    Its digest finds accidents, not forgers: whoever writes a manifest can sign it. What stands in it is checked where
    it is used. Errors: FathomError if it is missing, corrupt, changed since it was written, or of another kind.
    """
    try:
        content = read_json(path)
    except FileNotFoundError:
        msg = f"{path}: no such manifest; the stage that makes it has not finished: run snakemake again"
        raise FathomError(msg) from None
    except (OSError, ValueError) as error:
        msg = f"{path}: not a manifest ({first_line(error)}); delete it and run snakemake again"
        raise FathomError(msg) from error
    found = content.get("kind") if isinstance(content, dict) else None
    if found != kind:
        msg = f"{path}: expected a manifest of kind {kind!r}, found {found!r}; delete it and run snakemake again"
        raise FathomError(msg)
    if content.pop(DIGEST, None) != _digest(content):
        msg = f"{path}: changed since it was written, it does not fit its own digest; delete it and run snakemake again"
        raise FathomError(msg)
    return dict(content)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
