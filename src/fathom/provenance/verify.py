"""`fathom verify`: read every result again, and say what is corrupt, missing, stale or unknown."""

from __future__ import annotations

import os
import shlex
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import click
import xxhash

from fathom.io.hashing import read_blocks
from fathom.io.shards import MANIFEST, expected_manifests
from fathom.provenance.lineage import READERS, Lineage
from fathom.provenance.records import (
    SUFFIX,
    FileEntry,
    Record,
    described_files,
    is_manifest,
    read_any_manifest,
    read_record,
    shards_entry,
)
from fathom.runtime.errors import FathomError, first_line
from fathom.runtime.progress import Progress
from fathom.stages import STAGES

Fault = Literal["corrupt", "missing", "stale", "unknown"]
FAULTS: tuple[Fault, ...] = ("corrupt", "missing", "stale", "unknown")
# What stands in a results folder and is no result: Snakemake's mark in a folder, what is made from results and records.
NO_RESULTS = {".snakemake_timestamp", "report.html", "report.zip", "ro-crate-metadata.json"}
FOLDER_OF_TRACES = "provenance"
READING = max(4, min(16, 2 * (os.cpu_count() or 1)))  # files at a time: disks serve several faster than one
WIDTH = 80


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one file."""

    fault: Fault
    path: Path
    why: str


@dataclass
class Found:
    """What stands in a results folder: records, and the files that these and the manifests speak of."""

    records: list[Record] = field(default_factory=list)
    files: dict[Path, FileEntry] = field(default_factory=dict)
    """As they should be."""
    findings: list[Finding] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)
    """Every file that there is and that is not one of `NO_RESULTS`."""


@click.command()
@click.argument("places", nargs=-1, metavar="[FOLDER|FILE]...", type=click.Path(path_type=Path))
@click.option(
    "--configfile", type=click.Path(path_type=Path), multiple=True, help="Compare with the settings of this config too."
)
def command(places: tuple[Path, ...], configfile: tuple[Path, ...]) -> None:
    """Read every digest of results again (of the folder `results`, if none is named).

    A result is corrupt if its bytes are not those that were written; missing if its record or manifest names the file
    and there is none; stale if its inputs, its code or (with --configfile) its settings are no longer those that made
    the result; unknown if neither a record nor a manifest names it. Nothing is changed: the command that repairs is
    printed.
    The exit status is 1 if anything is wrong.
    """
    started = time.monotonic()
    found = look(places or (Path("results"),))
    read = check_files(found)
    seconds = time.monotonic() - started
    findings = [*found.findings, *stale_results(found, configfile)]
    for line in report_lines(findings):
        click.echo(line)
    click.echo(summary(found, findings, read, seconds))
    for line in advice(findings, found.files, configfile):
        click.echo(line)
    if findings:
        raise SystemExit(1)


# What there is -------------------------------------------------------------------------------------------------------
def look(places: Sequence[Path]) -> Found:
    """Read the records and manifests of folders, or the records of the jobs that made some files.

    Errors: FathomError if there is no such file or folder.
    """
    found = Found()
    lineage = Lineage()
    for place in places:
        if place.is_dir():
            _look_into(place, found)
        elif place.is_file():
            _look_at(place, lineage.maker(place), found)
        else:
            msg = f"{place}: no such file or folder"
            raise FathomError(msg)
    named = {entry.path for entry in found.files.values()}
    bad = {finding.path for finding in found.findings}
    found.findings += [
        Finding("unknown", path, "no record or manifest names it") for path in sorted(found.seen - named - bad)
    ]
    return found


def _look_at(file: Path, maker: Record | None, found: Found) -> None:
    if maker is not None:
        _add(maker, found)
    elif is_manifest(file):
        found.files |= {entry.path: entry for entry in described_files(file, read_any_manifest(file))}
    else:
        found.seen.add(file)


def _look_into(folder: Path, found: Found) -> None:
    records, manifests = [], []
    for path in _files(folder):
        if path.name.endswith(SUFFIX):
            records.append(path)
        else:
            found.seen.add(path)
            if is_manifest(path):
                manifests.append(path)
    with ThreadPoolExecutor(READERS) as pool:
        for one in pool.map(_record_or_fault, records):
            if isinstance(one, Finding):
                found.findings.append(one)
            else:
                _add(one, found)
        for path, described in zip(manifests, pool.map(_described_or_fault, manifests), strict=True):
            if isinstance(described, Finding):
                found.findings.append(described)
            else:
                found.files |= {entry.path: entry for entry in described}
                if path not in found.files:
                    # It fits its own digest, and no record says what else it should be.
                    found.seen.discard(path)


def _files(folder: Path) -> Iterator[Path]:
    """Results below a folder: all files but what Snakemake or a running job keeps there for itself."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != FOLDER_OF_TRACES)
        for name in sorted(names):
            if name not in NO_RESULTS and not name.startswith(".") and not name.endswith(".part"):
                yield Path(root, name)


def _record_or_fault(path: Path) -> Record | Finding:
    try:
        return read_record(path)
    except FathomError as error:
        return Finding("corrupt", path, str(error).removeprefix(f"{path}: "))


def _described_or_fault(path: Path) -> list[FileEntry] | Finding:
    try:
        return described_files(path, read_any_manifest(path))
    except FathomError as error:
        return Finding("corrupt", path, str(error).removeprefix(f"{path}: "))


def _add(record: Record, found: Found) -> None:
    found.records.append(record)
    for entry in record.outputs:
        found.files.setdefault(entry.path, entry)


# Digests -------------------------------------------------------------------------------------------------------------
def check_files(found: Found) -> int:
    """Read all files, several at a time, and note which are corrupt or missing; returns the bytes read."""
    bad = {finding.path for finding in found.findings}
    entries = sorted((entry for entry in found.files.values() if entry.path not in bad), key=lambda entry: entry.path)
    sizes = {entry.path: _size(entry.path) for entry in entries}
    there = [entry for entry in entries if sizes[entry.path] == entry.bytes]
    total = sum(entry.bytes for entry in there)
    lock = threading.Lock()
    with Progress("reading", total, "bytes") as progress, ThreadPoolExecutor(READING) as pool:

        def advance(block: memoryview) -> None:
            with lock:
                progress.advance(len(block))

        digests = dict(zip(there, pool.map(lambda entry: _digest(entry, advance), there), strict=True))
    for entry in entries:
        size = sizes[entry.path]
        origin = f"its manifest {entry.manifest.name}" if entry.manifest is not None else "its record"
        if size is None:
            found.findings.append(Finding("missing", entry.path, f"{origin} names it"))
        elif size != entry.bytes:
            why = f"it holds {size:,} bytes, {origin} says {entry.bytes:,}"
            found.findings.append(Finding("corrupt", entry.path, why))
        elif digests[entry] != entry.xxh3_128:
            found.findings.append(Finding("corrupt", entry.path, _unequal(digests[entry], origin)))
    return total


def _unequal(digest: str | OSError, origin: str) -> str:
    if isinstance(digest, OSError):
        return f"it cannot be read ({first_line(digest)})"
    return f"its digest is not that of {origin}"


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _digest(entry: FileEntry, advance: Callable[[memoryview], None]) -> str | OSError:
    """Digest of a file as the disk has it, where the system can be asked to forget what it remembers of the file."""
    state = xxhash.xxh3_128()
    try:
        _forget(entry.path)
        read_blocks(entry.path, state.update, advance)
    except OSError as error:
        return error
    return state.hexdigest()


def _forget(path: Path) -> None:
    """A byte may have turned on the disk while memory still holds the right one."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# Stale results -------------------------------------------------------------------------------------------------------
def stale_results(found: Found, configfiles: Sequence[Path]) -> list[Finding]:
    """Results whose inputs, code or settings (by the config files, if any) are no longer what they were made from.

    An input that is corrupt or missing itself makes nothing stale: once it is made anew it is what it was.
    """
    from fathom.provenance.expected_jobs import PlannedJobs, current_code

    planned = PlannedJobs(configfiles) if configfiles else None
    lineage = Lineage()
    findings = []
    for record in found.records:
        reasons = [
            f"{entry.path} is another one now" for entry in record.inputs if not _still(entry, found.files, lineage)
        ]
        settings = record.content["settings"]
        wanted = None if planned is None else planned.settings(record)
        if wanted not in (None, settings):
            reasons.append("its settings in the config are others now")
        if record.content["code"] not in (None, current_code(record.verb, settings)):
            reasons.append("its code has changed")
        if reasons:
            why = "; ".join(reasons[:2]) + (f"; {len(reasons) - 2} more" if len(reasons) > 2 else "")
            main = next(iter(record.outputs)).path if record.outputs else record.path
            findings.append(Finding("stale", main, why))
    return findings


def _still(entry: FileEntry, files: Mapping[Path, FileEntry], lineage: Lineage) -> bool:
    """Whether an input is what its reader found: as its own maker wrote it down, else as it is on the disk."""
    if entry.shards:
        now = [_written(path, files, lineage) for path in expected_manifests(entry.path, entry.shards)]
        known = [one for one in now if one is not None]
        return len(known) < entry.shards or shards_entry(entry.path, known).xxh3_128 == entry.xxh3_128
    written = _written(entry.path, files, lineage)
    if written is not None:
        return written.xxh3_128 == entry.xxh3_128
    return lineage.state(entry) == "as recorded"


def _written(path: Path, files: Mapping[Path, FileEntry], lineage: Lineage) -> FileEntry | None:
    if path in files:
        return files[path]
    try:
        maker = lineage.maker(path)
    except FathomError:
        return None  # its record is corrupt, which is told of itself
    return None if maker is None else next(entry for entry in maker.outputs if entry.path == path)


# What is said --------------------------------------------------------------------------------------------------------
def report_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """The findings, the worst kind first."""
    for finding in sorted(findings, key=lambda one: (FAULTS.index(one.fault), one.path)):
        yield f"{finding.fault:<8} {finding.path}"
        yield from textwrap.wrap(
            finding.why,
            WIDTH,
            initial_indent=" " * 13,
            subsequent_indent=" " * 13,
            break_long_words=False,
            break_on_hyphens=False,
        )


def summary(found: Found, findings: Sequence[Finding], read: int, seconds: float) -> str:
    """One line: how much was read, how fast, and how much of it is wrong."""
    counts = {fault: sum(finding.fault == fault for finding in findings) for fault in FAULTS}
    told = ", ".join(f"{count:,} {fault}" for fault, count in counts.items()) if findings else "all is well"
    speed = read / max(seconds, 1e-9) / 1e9
    return f"{len(found.files):,} files, {read / 1e9:,.2f} GB read in {seconds:,.1f} s ({speed:,.2f} GB/s): {told}"


def _to_make(finding: Finding, files: Mapping[Path, FileEntry]) -> Path:
    """The output of a rule that a finding is about: of a store or model, and of a shard's record, the manifest."""
    entry = files.get(finding.path)
    if entry is not None and entry.manifest is not None:
        return entry.manifest
    manifest = finding.path.with_name(finding.path.name.removesuffix(SUFFIX) + MANIFEST)
    return manifest if finding.path.name.endswith(SUFFIX) and manifest.exists() else finding.path


def _by_stage(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """Paths of one stage after the other: in one run, Snakemake would make anew what lies between two of them."""
    stages: dict[int, list[Path]] = {}
    for path in sorted(paths):
        stage = next((number for number, name in enumerate(STAGES) if name in path.parts), len(STAGES))
        stages.setdefault(stage, []).append(path)
    yield from (stages[stage] for stage in sorted(stages))


def advice(findings: Iterable[Finding], files: Mapping[Path, FileEntry], configfiles: Sequence[Path]) -> Iterator[str]:
    """What to do about the findings: one command for what is corrupt or missing, one for what is stale.

    Targets are forced: of a store that is corrupt or was deleted, the manifest still stands. Each stage is a run of its
    own: within one run Snakemake takes what was made anew for changed; only the next one compares bytes.
    """
    snakemake = "snakemake --cores all" + (f" --configfile {shlex.join(map(str, configfiles))}" if configfiles else "")
    kinds = {finding.fault for finding in findings}
    if kinds & {"corrupt", "missing"}:
        lost = (_to_make(finding, files) for finding in findings if finding.fault in {"corrupt", "missing"})
        runs = [
            f"{snakemake} --force " + " \\\n        ".join(shlex.quote(str(path)) for path in targets)
            for targets in _by_stage(dict.fromkeys(lost))
        ]
        unsaid = "" if configfiles else " (with the --configfile of your run, if it had one)"
        yield f"\nThis makes only what is corrupt or missing anew{unsaid}:"
        yield "    " + " && \\\n    ".join(runs)
    if "stale" in kinds:
        yield f"\nThis makes what is stale, and all that was made from it, anew:\n    {snakemake}"
