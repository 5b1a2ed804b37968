"""`fathom trace`: print what a result came from."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from fathom.io.manifests import read_manifest
from fathom.provenance.lineage import Lineage, Source, State, Step, walk
from fathom.provenance.records import Record
from fathom.store.layout import KIND
from fathom.store.reading import reading_notes

WIDTH = 80
MANIFEST = ".manifest.json"
NARROWEST = 40  # columns that text keeps, however deep it stands
CHANGED: dict[State, str] = {
    "as recorded": "as recorded",
    "changed": "CHANGED since it was read here",
    "missing": "MISSING",
}


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--all", "every_shard", is_flag=True, help="List every shard; else they are summed up.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that is known, as JSON.")
@click.option("--crate", type=click.Path(path_type=Path), help="Write it as an RO-Crate into this folder instead.")
def command(files: tuple[Path, ...], every_shard: bool, as_json: bool, crate: Path | None) -> None:
    """Print what a result came from, as a tree down to models and corpora.

    FILE is a figure (.svg, .png, .csv) or any other result. Every step says its settings, the digest of its code, the
    machine and the time, and whether each file still is what the step read. Weights and stores are only checked for
    their size here: `fathom verify` reads them.
    """
    lineage = Lineage()
    steps = [(file, lineage.step_of(file)) for file in files]
    if crate is not None:
        from fathom.provenance.crate import write_crate

        click.echo(write_crate(crate, steps))
    elif as_json:
        traces = [trace_json(file, step, lineage, every_shard=every_shard) for file, step in steps]
        click.echo(json.dumps(traces[0] if len(traces) == 1 else traces, indent=1, ensure_ascii=False))
    else:
        texts = ["\n".join(trace_lines(file, step, lineage, every_shard=every_shard)) for file, step in steps]
        click.echo("\n\n".join(texts))


# Text --------------------------------------------------------------------------------------------------------------
def trace_lines(file: Path, step: Step, lineage: Lineage, *, every_shard: bool = False) -> Iterator[str]:
    """What a file came from, in lines of 80 columns (paths and words may be longer)."""
    yield f"{file}  {CHANGED[_output_state(file, step, lineage)].replace('read here', 'made')}"
    yield from _Tree(every_shard=every_shard).below((step,), "")
    steps = list(walk(step))
    yield ""
    yield from _machine_lines(steps)
    yield from _package_lines(steps)
    yield from _wrapped(_verdict(file, step, steps, lineage), "", "  ")


class _Tree:
    """Lines of a tree. What was told once is not told again."""

    def __init__(self, *, every_shard: bool) -> None:
        self._every_shard = every_shard
        self._told: set[tuple[Path, ...]] = set()

    def below(self, steps: tuple[Step, ...], margin: str) -> Iterator[str]:
        """The steps that made a file (one a shard), and what they read."""
        sources = _distinct(source for step in steps for source in step.sources)
        bar = margin + ("│ " if sources else "  ")
        if len(steps) == 1 or self._every_shard:
            for step in steps:
                yield from _step_lines(step.record, bar, shard=len(steps) > 1)
        else:
            yield from _shards_lines(steps, bar)
        damaged = [path for step in steps for path in step.damaged]
        if damaged:
            yield from _wrapped(f"MISSING or of another size: {_some(damaged)}", bar, bar + "  ")
        for number, source in enumerate(sources):
            last = number == len(sources) - 1
            yield from self._source(source, margin + ("└─ " if last else "├─ "), margin + ("   " if last else "│  "))

    def _source(self, source: Source, head: str, margin: str) -> Iterator[str]:
        entry = source.entry
        name = f"{entry.path}: {entry.shards:,} shards" if entry.shards else f"{entry.path}"
        made = tuple(step.record.path for step in source.makers)
        told = made in self._told
        notes = [CHANGED[source.state]]
        if not source.makers:
            notes.append("no record")
        elif entry.shards > len(source.makers):
            notes.append(f"{entry.shards - len(source.makers)} without a record")
        if told and made:
            notes.append("told above")
        yield from _wrapped(f"{name}  {', '.join(notes)}", head, margin + "  ")
        if made and not told:
            self._told.add(made)
            yield from self.below(source.makers, margin)


def _step_lines(record: Record, margin: str, *, shard: bool = False) -> Iterator[str]:
    content = record.content
    words = [f"{record.verb}: {content['started'].replace('T', ' ').replace('+00:00', ' UTC')}"]
    words.append(f"{content['seconds']:,.1f} s on {_place(content)}")
    words.append(f"code {content['code']}" if content["code"] else "code not recorded")
    name = f"{record.path.name.split('.')[0]}, " if shard else ""
    yield from _wrapped(name + ", ".join(words), margin, margin + "  ")
    if content["revision"]:
        yield from _wrapped(f"revision: {content['revision']}", margin, margin + "  ")
    for note in _reading_notes((record,)):
        yield from _wrapped(f"texts: {note}", margin, margin + "  ")
    if not shard:
        yield from _wrapped(f"settings: {_flow(_slice(content['settings']))}", margin, margin + "  ")


def _shards_lines(steps: Sequence[Step], margin: str) -> Iterator[str]:
    facts = shards_facts(steps)
    first, last = (facts[when].replace("T", " ").replace("+00:00", "") for when in ("started", "ended"))
    places = ", ".join(f"{place} ({count:,})" for place, count in facts["machines"].items())
    codes = ", ".join(facts["codes"]) or "not recorded"
    said = (
        f"{steps[0].record.verb}: {facts['jobs']:,} jobs, {_size(facts['bytes'])}, {first} to {last} UTC, "
        f"{facts['seconds']:,.1f} s in all on {places}, code {codes}"
    )
    yield from _wrapped(said, margin, margin + "  ")
    for note in _reading_notes([step.record for step in steps]):
        yield from _wrapped(f"texts: {note}", margin, margin + "  ")
    for settings in facts["settings"]:
        yield from _wrapped(f"settings: {_flow(_slice(settings))}", margin, margin + "  ")


def _reading_notes(records: Sequence[Record]) -> list[str]:
    """What a reader must know of how a model read the texts, of the stores that some jobs wrote and that are there."""
    paths = [entry.path for record in records for entry in record.outputs if record.verb == KIND]
    manifests = [path for path in paths if path.name.endswith(MANIFEST) and path.is_file()]
    return reading_notes([read_manifest(path, KIND) for path in manifests]) if manifests else []


def shards_facts(steps: Sequence[Step]) -> dict[str, Any]:
    """What the jobs of many shards have in common, and what they come to."""
    contents = [step.record.content for step in steps]
    settings = {
        json.dumps({key: value for key, value in content["settings"].items() if key != "shard"}, sort_keys=True): None
        for content in contents
    }
    return {
        "jobs": len(steps),
        "bytes": sum(step.described_bytes for step in steps),
        "machines": dict(Counter(_place(content, slurm=False) for content in contents).most_common()),
        "started": min(content["started"] for content in contents),
        "ended": max(content["ended"] for content in contents),
        "seconds": round(sum(content["seconds"] for content in contents), 3),
        "codes": sorted({str(content["code"]) for content in contents if content["code"]}),
        "settings": [json.loads(one) for one in settings],
        "damaged": [str(path) for step in steps for path in step.damaged],
    }


def _place(content: Mapping[str, Any], *, slurm: bool = True) -> str:
    machine = content["machine"]
    gpus = [f"{count} x {name}" if count > 1 else name for name, count in Counter(machine["gpus"]).items()]
    words = [machine["host"], *(["with " + ", ".join(gpus)] if gpus else [])]
    if slurm and content["slurm_job"]:
        words.append(f"(Slurm job {content['slurm_job']})")
    return " ".join(words)


def _slice(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a job's settings is said of it: of a figure not the caption, titles and tables that follow from them."""
    if "caption" not in settings:
        return settings
    return {key: settings[key] for key in ("figure", "module", "options", "uncertainty") if key in settings}


def _flow(value: Mapping[str, Any]) -> str:
    """Settings as YAML on one line, without what is not set."""
    text = yaml.safe_dump(_set(value), default_flow_style=True, allow_unicode=True, width=1_000_000, sort_keys=False)
    return text.strip().removeprefix("{").removesuffix("}")


def _set(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _set(one) for key, one in value.items() if one not in (None, [], {})}
    return [_set(one) for one in value] if isinstance(value, list) else value


def _machine_lines(steps: Sequence[Step]) -> Iterator[str]:
    machines: dict[str, None] = {}
    for step in steps:
        one = step.record.content["machine"]
        machines[f"{one['host']}: {one['cpu']}, {one['cores']} cores, {one['platform']}"] = None
    for number, text in enumerate(machines):
        if number == 10:
            yield f"Machines: {len(machines) - 10:,} more (--json lists all)"
            return
        yield from _wrapped(f"Machine {text}", "", "  ")


def _package_lines(steps: Sequence[Step]) -> Iterator[str]:
    same, differ = packages(steps)
    yield from _wrapped("Packages: " + ", ".join(f"{name} {one}" for name, one in same.items()), "", "  ")
    for name, versions in differ.items():
        told = "; ".join(f"{one} in {_some(paths)}" for one, paths in versions.items())
        yield from _wrapped(f"DIFFERENT versions of {name}: {told}", "", "  ")


def packages(steps: Iterable[Step]) -> tuple[dict[str, str], dict[str, dict[str, list[Path]]]]:
    """Versions of packages that all steps agree on; and of the others, version -> records."""
    found: dict[str, dict[str, list[Path]]] = {}
    for step in steps:
        for name, one in step.record.content["packages"].items():
            found.setdefault(name, {}).setdefault(one, []).append(step.record.path)
    same = {name: next(iter(versions)) for name, versions in sorted(found.items()) if len(versions) == 1}
    return same, {name: versions for name, versions in sorted(found.items()) if len(versions) > 1}


def _verdict(file: Path, step: Step, steps: Sequence[Step], lineage: Lineage) -> str:
    changed = {str(source.entry.path) for one in steps for source in one.sources if source.state != "as recorded"}
    if _output_state(file, step, lineage) != "as recorded":
        changed.add(str(file))
    changed |= {str(path) for one in steps for path in one.damaged}
    if changed:
        return f"NOT as recorded: {_some(sorted(changed))}."
    return "Every file is as recorded (of weights and stores the sizes: `fathom verify` reads them)."


def _output_state(file: Path, step: Step, lineage: Lineage) -> State:
    return lineage.state(next(entry for entry in step.record.outputs if entry.path == file))


def _distinct(sources: Iterable[Source]) -> list[Source]:
    """Shards read the same files: each is told once."""
    return list({(source.entry.path, source.entry.xxh3_128): source for source in sources}.values())


def _some(paths: Sequence[Path | str]) -> str:
    shown = ", ".join(map(str, paths[:3]))
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3:,} more"


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def _wrapped(text: str, head: str, margin: str) -> list[str]:
    """Lines of 80 columns, the first after `head`, the others after `margin`."""
    width = max(WIDTH, len(margin) + NARROWEST)
    return textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


# JSON ----------------------------------------------------------------------------------------------------------------
def trace_json(file: Path, step: Step, lineage: Lineage, *, every_shard: bool = False) -> dict[str, Any]:
    """What a file came from. Steps are named by their records; shards are summed up unless each is asked for."""
    steps = list(walk(step))
    summed = set() if every_shard else _shard_records(steps) - {step.record.path}
    same, differ = packages(steps)
    return {
        "file": str(file),
        "state": _output_state(file, step, lineage),
        "made_by": str(step.record.path),
        "steps": {
            str(one.record.path): _step_json(one, every_shard=every_shard)
            for one in steps
            if one.record.path not in summed
        },
        "packages": {"same": same, "different": {name: _strings(versions) for name, versions in differ.items()}},
    }


def _shard_records(steps: Sequence[Step]) -> set[Path]:
    """Records of steps that are only known as one of the shards that another step read."""
    of_shards, others = set[Path](), set[Path]()
    for source in (source for step in steps for source in step.sources):
        (of_shards if source.entry.shards else others).update(maker.record.path for maker in source.makers)
    return of_shards - others


def _strings(versions: Mapping[str, Sequence[Path]]) -> dict[str, list[str]]:
    return {one: list(map(str, paths)) for one, paths in versions.items()}


def _step_json(step: Step, *, every_shard: bool) -> dict[str, Any]:
    content = dict(step.record.content)
    content["outputs"] = [
        {"path": str(entry.path), "bytes": entry.bytes, "xxh3_128": entry.xxh3_128} for entry in step.record.outputs
    ]
    content["inputs"] = [_source_json(source, every_shard=every_shard) for source in step.sources]
    content["texts"] = _reading_notes((step.record,))
    content["missing_or_of_another_size"] = [str(path) for path in step.damaged]
    return content


def _source_json(source: Source, *, every_shard: bool) -> dict[str, Any]:
    entry = source.entry
    facts: dict[str, Any] = {"path": str(entry.path), "bytes": entry.bytes, "xxh3_128": entry.xxh3_128}
    facts["state"] = source.state
    if not entry.shards or every_shard:
        facts["made_by"] = [str(step.record.path) for step in source.makers]
        return facts
    facts["shards"] = entry.shards
    if source.makers:
        read = _distinct(one for step in source.makers for one in step.sources)
        inputs = [_source_json(one, every_shard=False) for one in read]
        facts["made_by"] = {"verb": source.makers[0].record.verb, **shards_facts(source.makers), "inputs": inputs}
    return facts
