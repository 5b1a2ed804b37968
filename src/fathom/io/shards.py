"""Shards of a corpus: their names, and the manifests of their stores in a folder."""

from __future__ import annotations

from pathlib import Path

from fathom.runtime.errors import FathomError

MANIFEST = ".manifest.json"


def shard_names(count: int) -> tuple[str, ...]:
    """Names of the shards of a corpus: "1-of-2", "2-of-2"."""
    return tuple(f"{shard}-of-{count}" for shard in range(1, count + 1))


def expected_manifests(folder: Path, count: int) -> list[Path]:
    """Where the manifests of all shards of a corpus that is cut into `count` belong, in its order."""
    return [folder / f"{shard}{MANIFEST}" for shard in shard_names(count)]


def shard_manifests(folder: Path, count: int) -> list[Path]:
    """Manifests of all shards of a corpus that is cut into `count`, in its order.

    What else lies in the folder is of no concern: shards of another cut stay behind when the number changes.
    Errors: FathomError if the folder or any of them is missing.
    """
    names = [f"{shard}{MANIFEST}" for shard in shard_names(count)]
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    missing = [name for name in names if name not in present]
    if missing:
        msg = f"{folder}: {len(missing)} of {count} shards have no manifest, first {missing[0]}; run snakemake again"
        raise FathomError(msg)
    return [folder / name for name in names]
