"""What a result came from: its record, those of what it was made from, and so on down to models and corpora."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from fathom.io.hashing import xxh3_of
from fathom.io.shards import expected_manifests
from fathom.provenance.records import SUFFIX, FileEntry, Record, entry_of, read_record, shards_entry
from fathom.runtime.errors import FathomError

State = Literal["as recorded", "changed", "missing"]
READERS = 16  # threads; records of shards are many small files, often on a file system that answers slowly


@dataclass(frozen=True)
class Source:
    """Something that a step read: as the step's record has it, how it is now, and the steps that made it."""

    entry: FileEntry
    state: State
    makers: tuple[Step, ...]
    """None where it is the user's own, or older than records. Of the manifests of shards, one a shard."""


@dataclass(frozen=True)
class Step:
    """One job of the past."""

    record: Record
    sources: tuple[Source, ...]
    damaged: tuple[Path, ...]
    """Outputs that a manifest describes (weights, stores) and that are gone or of another size. They are not read."""

    @cached_property
    def described_bytes(self) -> int:
        """Size of the weights or the store that it made."""
        return sum(entry.bytes for entry in self.record.outputs if entry.manifest is not None)


class Lineage:
    """Finds records from results. Every file is looked at once."""

    def __init__(self) -> None:
        self._records: dict[Path, Record] = {}
        self._steps: dict[Path, Step] = {}
        self._open: set[Path] = set()
        self._now: dict[tuple[Path, int], FileEntry | None] = {}

    def maker(self, path: Path) -> Record | None:
        """The record of the job that made a file.

        Errors: FathomError if a record where it should be is corrupt.
        """
        for candidate in _candidates(path):
            record = self._read(candidate)
            if any(entry.path == path for entry in record.outputs):
                return record
        return None

    def _read(self, path: Path) -> Record:
        if path not in self._records:
            self._records[path] = read_record(path)
        return self._records[path]

    def step_of(self, path: Path) -> Step:
        """The step that made a file, with all that it came from.

        Errors: FathomError if there is no such file or no record of it.
        """
        if not path.exists():
            msg = f"{path}: no such file"
            raise FathomError(msg)
        record = self.maker(path)
        if record is None:
            msg = (
                f"{path}: no record says how it was made: it is no result, or an older version of fathom made it "
                "(then `snakemake` makes it anew)"
            )
            raise FathomError(msg)
        return self.step(record)

    def step(self, record: Record) -> Step:
        """A step, with all that it came from."""
        if record.path not in self._steps:
            if record.path in self._open:
                msg = f"{record.path}: says that its results were made of themselves; delete it and run snakemake again"
                raise FathomError(msg)
            self._open.add(record.path)
            sources = tuple(self._source(entry) for entry in record.inputs)
            self._steps[record.path] = Step(record, sources, tuple(_damaged(record)))
        return self._steps[record.path]

    def _source(self, entry: FileEntry) -> Source:
        if not entry.shards:
            maker = self.maker(entry.path)
            return Source(entry, self.state(entry), () if maker is None else (self.step(maker),))
        paths = [path.with_name(path.name.replace(".manifest.json", SUFFIX)) for path in _manifests(entry)]
        with ThreadPoolExecutor(READERS) as pool:
            records = list(pool.map(self._read, [path for path in paths if path.is_file()]))
        return Source(entry, self.state(entry), tuple(self.step(record) for record in records))

    def state(self, entry: FileEntry) -> State:
        """How a file is now, seen from a record that names it."""
        now = self.now(entry)
        if now is None:
            return "missing"
        return "as recorded" if now.xxh3_128 == entry.xxh3_128 else "changed"

    def now(self, entry: FileEntry) -> FileEntry | None:
        """The same entry from the file as it is now; None if it is gone. A file of another size is not read."""
        key = (entry.path, entry.shards)
        if key not in self._now:
            self._now[key] = _shards_now(entry) if entry.shards else _file_now(entry)
        return self._now[key]


def walk(step: Step) -> Iterator[Step]:
    """A step and all that it came from, each once, the nearest first."""
    seen: dict[Path, Step] = {}
    waiting = deque([step])
    while waiting:
        one = waiting.popleft()
        if one.record.path not in seen:
            seen[one.record.path] = one
            waiting.extend(maker for source in one.sources for maker in source.makers)
    yield from seen.values()


def _candidates(path: Path) -> Iterator[Path]:
    """Where the record of a file may be, the likeliest first. A model's stands beside its folder."""
    parts = path.name.split(".")
    likely = [path.with_name(".".join(parts[:count]) + SUFFIX) for count in range(len(parts), 0, -1)]
    likely.append(path.parent.with_name(path.parent.name + SUFFIX) if path.parent.name else path)
    found = [one for one in likely if one != path and one.is_file()]
    yield from found
    yield from (one for one in sorted(path.parent.glob("*" + SUFFIX)) if one not in found)


def _damaged(record: Record) -> Iterator[Path]:
    for entry in record.outputs:
        if entry.manifest is not None and _size(entry.path) != entry.bytes:
            yield entry.path


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _manifests(entry: FileEntry) -> list[Path]:
    return expected_manifests(entry.path, entry.shards)


def _file_now(entry: FileEntry) -> FileEntry | None:
    size = _size(entry.path)
    if size is None:
        return None
    return replace(entry, bytes=size, xxh3_128=xxh3_of(entry.path) if size == entry.bytes else "")


def _shards_now(entry: FileEntry) -> FileEntry | None:
    paths = _manifests(entry)
    if not all(path.is_file() for path in paths):
        return None
    with ThreadPoolExecutor(READERS) as pool:
        return shards_entry(entry.path, list(pool.map(entry_of, paths)))
