"""The data of a task on disk: a folder of Parquet tables in mteb's shapes, or of a dataset, and a manifest.

results/tasks/_data/{task}/manifest.json    what the task is, and size and digest of every file
                          /*.parquet        of fathom's own and of a user's tasks
                          /dataset/...      the repository of a task of mteb
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fathom.io.hashing import xxh3_of
from fathom.io.manifests import read_manifest, write_manifest
from fathom.io.tables import read_table, write_table
from fathom.runtime.errors import FathomError

KIND = "task"
FORMAT_VERSION = 1
# mteb's class -> the tables that it reads.
TABLES = {
    "Classification": ("train", "test"),
    "Clustering": ("test",),
    "PairClassification": ("test",),
    "STS": ("test",),
    "Reranking": ("queries", "candidates", "relevant"),
}
TYPES = tuple(TABLES)


@dataclass(frozen=True)
class OwnTask:
    """A task that mteb does not have: its tables by name.

    Classification: `train` and `test` of `text`, `label`. Clustering: `test` of `set`, `text`, `label`.
    PairClassification: `test` of `sentence1`, `sentence2`, `labels` (0 or 1). STS: `test` of `sentence1`, `sentence2`,
    `score`. Reranking: `queries` and `candidates` of `id`, `text`, and `relevant` of `query`, `candidate`, `relevance`:
    one row a candidate of a query.
    """

    type: str
    tables: Mapping[str, pd.DataFrame]
    instruction: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of mteb's class that differ from its own: `samples_per_label`, say."""


@dataclass(frozen=True)
class PublishedData:
    """A task of mteb, with the files of its dataset, which lie in the folder already."""

    name: str
    repository: str
    revision: str
    subset: str | None


def write_own_task(task: OwnTask, name: str, manifest: Path) -> list[Path]:
    """Write the tables of a task and their manifest; returns the tables.

    Errors: FathomError if a table is empty: mteb would fail on it after the model has run.
    """
    folder = manifest.parent
    for table, frame in task.tables.items():
        if frame.empty:
            msg = f"task {name}: its {table} split holds no row; expected at least one"
            raise FathomError(msg)
    files = []
    for table, frame in task.tables.items():
        write_table(frame.reset_index(drop=True), folder / f"{table}.parquet")
        files.append(folder / f"{table}.parquet")
    own = {"instruction": task.instruction, "options": dict(task.options)}
    rows = {table: len(frame) for table, frame in task.tables.items()}
    _write(manifest, name, {"own": own, "type": task.type, "rows": rows}, files)
    return files


def write_published(data: PublishedData, type_: str, name: str, manifest: Path) -> list[Path]:
    """Write the manifest of a fetched dataset; returns its files."""
    files = sorted(path for path in (manifest.parent / "dataset").rglob("*") if path.is_file())
    _write(manifest, name, {"published": vars(data), "type": type_}, files)
    return files


def _write(manifest: Path, name: str, facts: Mapping[str, Any], files: list[Path]) -> None:
    described = {
        path.relative_to(manifest.parent).as_posix(): {"bytes": path.stat().st_size, "xxh3_128": xxh3_of(path)}
        for path in files
    }
    write_manifest(manifest, {"kind": KIND, "format": FORMAT_VERSION, "task": name, **facts, "files": described})


def read_task(manifest: Path) -> dict[str, Any]:
    """What the manifest of a task says; its files are checked for their sizes.

    Errors: FathomError if it is missing or corrupt, or if a file is gone or of another size.
    """
    facts = read_manifest(manifest, KIND)
    advice = f"delete {manifest} and run snakemake again"
    if facts.get("format") != FORMAT_VERSION:
        msg = f"{manifest}: format {facts.get('format')!r}, this version reads {FORMAT_VERSION}; {advice}"
        raise FathomError(msg)
    for name, file in facts["files"].items():
        path = manifest.parent / name
        if not path.is_file() or path.stat().st_size != file["bytes"]:
            msg = f"{path}: gone, or not of the {file['bytes']:,} bytes that were fetched; {advice}"
            raise FathomError(msg)
    return facts


def read_tables(manifest: Path, type_: str) -> dict[str, pd.DataFrame]:
    """The tables of a task that mteb does not have."""
    return {table: read_table(manifest.parent / f"{table}.parquet") for table in TABLES[type_]}
