"""Records: what one job did, when, where and with what. Only `fathom trace` and `fathom verify` read them.

A manifest holds nothing that differs between two runs which made the same bytes; a record holds the rest: times, the
machine, versions. So nothing is ever made from a record.
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import xxhash

from fathom.io.hashing import xxh3_of
from fathom.io.manifests import read_manifest, write_manifest
from fathom.io.shards import expected_manifests
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work

KIND = "record"
FORMAT_VERSION = 1
SUFFIX = ".record.json"
MANIFEST = "manifest.json"
SHARD_MANIFEST = re.compile(r"^(\d+)-of-(\d+)\.manifest\.json$")
# Modules that are not called as the package that holds them.
MODULES = {"pyyaml": "yaml", "scikit-learn": "sklearn"}


@dataclass(frozen=True)
class FileEntry:
    """One file of a record, or all manifests of a corpus's shards as one entry."""

    path: Path
    bytes: int
    xxh3_128: str
    shards: int = 0
    """Above 0: `path` is a folder, and the digest that of its so many shards' manifests (see `shards_entry`)."""
    manifest: Path | None = None
    """The manifest that describes the file: without it the file does not count."""


@dataclass(frozen=True)
class Record:
    """A record that was read."""

    path: Path
    content: dict[str, Any]
    inputs: tuple[FileEntry, ...]
    outputs: tuple[FileEntry, ...]

    @property
    def verb(self) -> str:
        """The verb that made the outputs."""
        return str(self.content["verb"])


class Started:
    """When a job started."""

    def __init__(self) -> None:
        self.utc = datetime.now(UTC)
        self._clock = time.monotonic()

    def seconds(self) -> float:
        """Time since then, whatever becomes of the machine's clock."""
        return round(time.monotonic() - self._clock, 3)


def write_record(path: Path, verb: str, work: Work, code: str | None, started: Started) -> None:
    """Write the record of a job that has succeeded.

    Files are written as paths from the record's folder, so that a copied project keeps its history; what lies outside
    the working folder stays absolute.
    """
    outputs = list(_outputs(work.written))
    written = {entry.path: entry for entry in outputs}
    inputs = _inputs(work, written)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "kind": KIND,
        "format": FORMAT_VERSION,
        "verb": verb,
        "settings": json.loads(work.settings),
        "code": code,
        "revision": work.revision,
        "inputs": [_as_json(entry, path.parent) for entry in inputs],
        "outputs": [_as_json(entry, path.parent) for entry in outputs],
        "packages": loaded_packages(),
        "machine": machine(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "started": started.utc.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": started.seconds(),
        **used(),
    }
    write_manifest(path, content)


def read_record(path: Path) -> Record:
    """Read a record.

    Errors: FathomError if it is missing, corrupt, of another kind, or of another version.
    """
    content = read_manifest(path, KIND)
    if content.get("format") != FORMAT_VERSION:
        msg = f"{path}: a record of format {content.get('format')!r}, this version reads {FORMAT_VERSION}"
        raise FathomError(msg)
    try:
        inputs, outputs = (tuple(_from_json(one, path.parent) for one in content[part]) for part in PARTS)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{path}: the record lacks or garbles {error}"
        raise FathomError(msg) from error
    return Record(path, content, inputs, outputs)


PARTS = ("inputs", "outputs")


def entry_of(path: Path, manifest: Path | None = None) -> FileEntry:
    """A file as it is now: its size and digest."""
    return FileEntry(path, path.stat().st_size, xxh3_of(path), manifest=manifest)


def shards_entry(folder: Path, entries: Sequence[FileEntry]) -> FileEntry:
    """The manifests of all shards of a corpus as one entry: 10,000 of them would fill every record that reads them.

    The digest is that of a list of their names, sizes and digests, one a line, in the order of the shards.
    """
    lines = "".join(f"{entry.path.name} {entry.bytes} {entry.xxh3_128}\n" for entry in entries)
    digest = xxhash.xxh3_128_hexdigest(lines.encode())
    return FileEntry(folder, sum(entry.bytes for entry in entries), digest, shards=len(entries))


def described_files(manifest: Path, content: Mapping[str, Any]) -> list[FileEntry]:
    """The files that a manifest describes: those of a model, or of a store.

    Errors: FathomError if the manifest does not say their sizes and digests.
    """
    try:
        if "store" in content:
            store = manifest.with_name(str(content["store"]))
            return [FileEntry(store, int(content["bytes"]), str(content["xxh3_128"]), manifest=manifest)]
        return [
            FileEntry(manifest.with_name(name), int(facts["bytes"]), str(facts["xxh3_128"]), manifest=manifest)
            for name, facts in content.get("files", {}).items()
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{manifest}: the manifest lacks or garbles {error}; delete it and run snakemake again"
        raise FathomError(msg) from error


def read_any_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest of whatever kind and check it against its own digest.

    Errors: FathomError if it is missing, corrupt, or changed since it was written.
    """
    try:
        kind = json.loads(path.read_text(encoding="utf-8")).get("kind")
    except (OSError, ValueError, AttributeError):
        kind = None  # what is wrong is told by the next line
    return read_manifest(path, str(kind))


def is_manifest(path: Path) -> bool:
    """Whether a file is a manifest, by its name."""
    return path.name == MANIFEST or path.name.endswith("." + MANIFEST)


def _outputs(written: Sequence[Path]) -> Iterable[FileEntry]:
    """What was written; of what a manifest describes its digests are taken over, not computed again."""
    for path in written:
        yield entry_of(path)
        if is_manifest(path):
            yield from described_files(path, read_any_manifest(path))


def _inputs(work: Work, written: Mapping[Path, FileEntry]) -> list[FileEntry]:
    groups = _shard_groups(work.read)
    grouped = {path for paths in groups.values() for path in paths}
    single = []
    for path in work.read:
        if path in grouped:
            continue
        copy = written.get(work.copies[path]) if path in work.copies else None
        single.append(entry_of(path) if copy is None else FileEntry(path, copy.bytes, copy.xxh3_128))
    together = [shards_entry(folder, [entry_of(path) for path in paths]) for folder, paths in groups.items()]
    return [*single, *together]


def _shard_groups(paths: Sequence[Path]) -> dict[Path, list[Path]]:
    """Folder -> manifests of its shards, where all shards of a corpus that has several are among `paths`."""
    found: dict[tuple[Path, int], set[Path]] = {}
    for path in paths:
        if match := SHARD_MANIFEST.match(path.name):
            found.setdefault((path.parent, int(match[2])), set()).add(path)
    complete = {folder: expected_manifests(folder, count) for folder, count in found if count > 1}
    return {folder: all_ for folder, all_ in complete.items() if found[folder, len(all_)] == set(all_)}


def _as_json(entry: FileEntry, folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "path": _portable(entry.path, folder),
        "bytes": entry.bytes,
        "xxh3_128": entry.xxh3_128,
    }
    if entry.shards:
        facts["shards"] = entry.shards
    if entry.manifest is not None:
        facts["manifest"] = _portable(entry.manifest, folder)
    return facts


def _from_json(facts: Mapping[str, Any], folder: Path) -> FileEntry:
    manifest = facts.get("manifest")
    return FileEntry(
        path=joined(folder, str(facts["path"])),
        bytes=int(facts["bytes"]),
        xxh3_128=str(facts["xxh3_128"]),
        shards=int(facts.get("shards", 0)),
        manifest=None if manifest is None else joined(folder, str(manifest)),
    )


def _portable(path: Path, folder: Path) -> str:
    """A path as seen from `folder`, if it lies in the working folder."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links, and a result may be one
    if not absolute.is_relative_to(Path.cwd()):
        return str(absolute)
    return os.path.relpath(absolute, folder)


def joined(folder: Path, path: str) -> Path:
    """A path seen from `folder`, without `..` where it can be said without."""
    return Path(os.path.normpath(folder / path))


def used() -> dict[str, float]:
    """Processor time and largest memory of this process and what it has started, the interpreter's start included.

    A fork (see `fathom.forks`) counts from when it was forked, and the memory that it shares with others too.
    """
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    kilobyte = 1 if sys.platform == "darwin" else 1 << 10  # macOS counts bytes
    return {
        "processor_seconds": round(sum(part.ru_utime + part.ru_stime for part in parts), 3),
        "peak_mb": round(max(part.ru_maxrss for part in parts) * kilobyte / 1e6, 1),
    }


def loaded_packages() -> dict[str, str]:
    """Versions of fathom, of Python, and of the packages fathom needs of which this process has used something."""
    needed = [re.split(r"[^A-Za-z0-9_.-]", one, maxsplit=1)[0] for one in requires("fathom") or ()]
    used = [name for name in [*needed, "tokenizers"] if MODULES.get(name, name.replace("-", "_")) in sys.modules]
    versions = {name: version(name) for name in sorted(set(used))}
    return {"fathom": version("fathom"), "python": platform.python_version(), **versions}


def machine() -> dict[str, Any]:
    """Name, system and processors of this machine, and the GPUs that this process has used."""
    return {
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpus": _gpus(),
    }


def _cpu() -> str:
    """The processor's name; its architecture where the system does not tell more."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()


def _gpus() -> list[str]:
    """Names of the GPUs, where this process has computed on one. torch is looked at only if the verb imported it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return []
    return [str(torch.cuda.get_device_name(index)) for index in range(torch.cuda.device_count())]
