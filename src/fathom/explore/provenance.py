"""What the records of jobs say, as far as the page shows it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fathom.io.strict_json import read_json
from fathom.runtime.errors import FathomError, first_line

SEEDS = 3  # levels of settings in which a seed may stand


def read_jobs(records: Sequence[Path]) -> dict[str, object]:
    """The jobs of a run: when, how long, on which machine, with which packages and seeds, from which files.

    Machines and sets of packages are listed once. Paths are those that the records stand at, without `.record.json`.

    Errors: FathomError if a record is corrupt.
    """
    machines: dict[str, int] = {}
    packages: dict[str, int] = {}
    makers: dict[str, int] = {}
    jobs: list[dict[str, object]] = []
    read: list[list[str]] = []
    for number, path in enumerate(records):
        record = _read(path)
        makers |= {_place(path, entry): number for entry in record.get("outputs", [])}
        read.append([_place(path, entry) for entry in record.get("inputs", [])])
        jobs.append(
            {
                "path": str(path).removesuffix(".record.json"),
                "ended": str(record.get("ended", "")),
                "seconds": record.get("seconds"),
                "code": str(record.get("code") or ""),
                "revision": str(record.get("revision") or ""),
                "machine": _once(machines, record.get("machine", {})),
                "packages": _once(packages, record.get("packages", {})),
                "seeds": sorted(set(_seeds(record.get("settings")))),
            }
        )
    for job, places in zip(jobs, read, strict=True):
        job["from"] = sorted({makers[place] for place in places if place in makers})
        job["files"] = [place for place in places if place not in makers]
    return {"jobs": jobs, "machines": _listed(machines), "packages": _listed(packages)}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        record = read_json(path)
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read as a record ({first_line(error)}); delete it and run snakemake again"
        raise FathomError(msg) from error
    if not isinstance(record, dict):
        msg = f"{path}: is no record; delete it and run snakemake again"
        raise FathomError(msg)
    return record


def _place(record: Path, entry: Mapping[str, Any]) -> str:
    return os.path.normpath(record.parent / str(entry.get("path", "")))


def _once(known: dict[str, int], facts: object) -> int:
    return known.setdefault(json.dumps(facts, sort_keys=True), len(known))


def _listed(known: Mapping[str, int]) -> list[object]:
    return [json.loads(text) for text in known]


def _seeds(settings: object, depth: int = SEEDS) -> list[int]:
    if depth and isinstance(settings, Mapping):
        own = [settings["seed"]] if isinstance(settings.get("seed"), int) else []
        return own + [seed for part in settings.values() for seed in _seeds(part, depth - 1)]
    return []
