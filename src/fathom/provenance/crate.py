"""What results came from, as an RO-Crate: one file of JSON-LD that other tools read.

It follows RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) and its profile Process Run Crate 0.5
(https://w3id.org/ro/wfrun/process/0.5): a File for every file, a CreateAction for every record, a SoftwareApplication
for every version of fathom that ran.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import xxhash

from fathom.io.shards import expected_manifests
from fathom.provenance.lineage import Step, walk
from fathom.provenance.records import FileEntry

NAME = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
Entity = dict[str, Any]
LICENSE: Entity = {
    "@id": "#license",
    "@type": "CreativeWork",
    "name": "Not stated",
    "description": "Models, texts and figures have the licenses of their makers, which fathom does not know.",
}


def write_crate(folder: Path, steps: Sequence[tuple[Path, Step]]) -> Path:
    """Write the crate of some results into a folder that holds them, or is beside them; returns the file written."""
    path = folder / NAME
    crate = crate_of(folder, steps)
    temporary = path.with_name(path.name + ".part")
    folder.mkdir(parents=True, exist_ok=True)
    temporary.write_text(json.dumps(crate, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def crate_of(folder: Path, steps: Sequence[tuple[Path, Step]]) -> Entity:
    """The crate of some results, each with the step that made it, as seen from `folder`."""
    found: dict[Path, Step] = {one.record.path: one for _, step in steps for one in walk(step)}
    graph = _Graph(folder)
    actions = [graph.action(step) for step in found.values()]
    ended = max((step.record.content["ended"] for step in found.values()), default="1970-01-01T00:00:00+00:00")
    named = ", ".join(sorted({file.stem for file, _ in steps}))
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": "Results of fathom",
        "description": f"{named}: what a model's hidden states hold, layer by layer, and what these results came from.",
        "datePublished": ended,
        "license": {"@id": LICENSE["@id"]},
        "conformsTo": {"@id": PROFILE},
        "hasPart": _one_or_all(graph.parts()),
        "mentions": _one_or_all(actions),
    }
    descriptor = {
        "@id": NAME,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": SPECIFICATION},
    }
    profile = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    return {
        "@context": f"{SPECIFICATION}/context",
        "@graph": [descriptor, root, profile, LICENSE, *graph.entities.values()],
    }


class _Graph:
    """The entities of a crate, by their ids."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.entities: dict[str, Entity] = {}
        self._files: dict[str, None] = {}

    def parts(self) -> list[Entity]:
        """References to all files inside the folder, or on the web."""
        return [{"@id": one} for one in self._files]

    def action(self, step: Step) -> Entity:
        """A record as a CreateAction; returns the reference to it."""
        content = step.record.content
        settings = self._value(f"#settings-{_key(step.record.path)}", "settings", content["settings"])
        code = self._value(f"#code-{_key(step.record.path)}", "digest of the code", content["code"])
        return self._add(
            {
                "@id": f"#{_key(step.record.path)}",
                "@type": "CreateAction",
                "name": f"fathom {step.record.verb}: {step.record.path.name.removesuffix('.record.json')}",
                "description": _told(content),
                "instrument": self._software(content["packages"]),
                "object": [*(one for entry in step.record.inputs for one in self._entries(entry)), settings, code],
                "result": _one_or_all([self._file(entry, made=True) for entry in step.record.outputs]),
                "startTime": content["started"],
                "endTime": content["ended"],
                "actionStatus": "http://schema.org/CompletedActionStatus",
            }
        )

    def _entries(self, entry: FileEntry) -> list[Entity]:
        if not entry.shards:
            return [self._file(entry)]
        return [self._file_id(path) for path in expected_manifests(entry.path, entry.shards)]

    def _file(self, entry: FileEntry, *, made: bool = False) -> Entity:
        """A file; its size and digest are those that its maker told, else those that a reader found."""
        reference = self._file_id(entry.path)
        digest = self._value(f"#xxh3_128-{entry.xxh3_128}", "xxh3_128", entry.xxh3_128)
        facts = {"contentSize": str(entry.bytes), "identifier": digest}
        known = self.entities[reference["@id"]]
        self.entities[reference["@id"]] = {**known, **facts} if made else {**facts, **known}
        return reference

    def _file_id(self, path: Path) -> Entity:
        relative = os.path.relpath(path, self._folder)
        inside = not relative.startswith("..")
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
        where = quote(Path(relative).as_posix()) if inside else absolute.as_uri()
        self._files[where] = None
        facts: Entity = {"@id": where, "@type": "File", "name": path.name}
        if kind := FORMATS.get(path.suffix):
            facts["encodingFormat"] = kind
        self.entities.setdefault(where, facts)
        return {"@id": where}

    def _software(self, packages: dict[str, str]) -> Entity:
        needs = [self._package(name, version) for name, version in packages.items() if name != "fathom"]
        listed = "-".join(f"{name}-{version}" for name, version in packages.items())
        return self._add(
            {
                "@id": f"#fathom-{packages['fathom']}-{_short(listed)}",
                "@type": "SoftwareApplication",
                "name": "fathom",
                "softwareVersion": packages["fathom"],
                "softwareRequirements": needs,
            }
        )

    def _package(self, name: str, version: str) -> Entity:
        entity = {
            "@id": f"https://pypi.org/project/{name}/{version.split('+')[0]}/",
            "@type": "SoftwareApplication",
            "name": name,
            "softwareVersion": version,
        }
        if name == "python":
            entity["@id"] = f"https://www.python.org/downloads/release/python-{version.replace('.', '')}/"
        return self._add({**entity, "url": entity["@id"]})

    def _value(self, identifier: str, name: str, value: Any) -> Entity:
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
        return self._add({"@id": identifier, "@type": "PropertyValue", "name": name, "propertyID": name, "value": text})

    def _add(self, entity: Entity) -> Entity:
        self.entities[entity["@id"]] = entity
        return {"@id": entity["@id"]}


FORMATS = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".zip": "application/zip",
}


def _one_or_all(references: list[Entity]) -> Entity | list[Entity]:
    """A list of one is written without brackets, as the specification recommends."""
    return references[0] if len(references) == 1 else references


def _told(content: dict[str, Any]) -> str:
    machine = content["machine"]
    words = [f"{content['seconds']} s on {machine['host']} ({machine['cpu']}, {machine['platform']})"]
    words += [f"GPU {gpu}" for gpu in machine["gpus"]]
    words += [f"Slurm job {content['slurm_job']}"] if content["slurm_job"] else []
    words += [f"made from {content['revision']}"] if content["revision"] else []
    return ", ".join(words)


def _key(path: Path) -> str:
    return quote(path.as_posix().removesuffix(".json"), safe="")


def _short(text: str) -> str:
    return xxhash.xxh3_64_hexdigest(text.encode())
