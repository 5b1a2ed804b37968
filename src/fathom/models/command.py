"""`fathom models`: fetch, convert or draw a checkpoint, and write down what it is."""

from __future__ import annotations

import importlib
import logging
import shutil
from pathlib import Path

import click

from fathom.io.hashing import file_facts
from fathom.io.manifests import write_manifest
from fathom.io.scratch import scratch_folder
from fathom.models.job import ModelJob
from fathom.models.prepare import describe, keep_plain
from fathom.models.sources.place import Origin, Place
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work

log = logging.getLogger("fathom")


@click.command()
@click.option("--settings", "settings_json", required=True, help="Settings, as JSON.")
@click.option("--folder", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option("--manifest", required=True, type=click.Path(path_type=Path), help="Manifest to write last.")
@click.option("--base", type=click.Path(path_type=Path), help="Manifest of the model, or training, that it is made of.")
def command(settings_json: str, folder: Path, manifest: Path, base: Path | None) -> Work:
    """Fetch or convert a checkpoint, or draw its weights, into a folder without code."""
    job = ModelJob.model_validate_json(settings_json)
    if base is not None and job.base is None:
        msg = f"--base: expected none, model {job.name} has the shape of no other; found {base}"
        raise FathomError(msg)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder) as scratch:
        draft = scratch / "draft"
        draft.mkdir()
        options = {key: value for key, value in job.source.items() if key != "source"}
        place = Place(draft, scratch, folder.with_name(f"{folder.name}.commit.json"), base)
        # By name, so that the code of one kind of source is no part of another's.
        origin: Origin = importlib.import_module(job.module).bring(place, **options)
        try:
            kept = keep_plain(draft)
            facts = describe(draft, job.name, depth=job.depth, part=job.part)
        except FathomError as error:  # the draft goes; what it is made of stays
            msg = str(error).replace(str(draft), str(origin.folder or folder))
            raise FathomError(msg) from error
        draft.rename(folder)
    files = {path.name: file_facts(folder / path.name) for path in kept}
    where = {"source": job.source, "revision": origin.revision, **origin.facts}
    write_manifest(manifest, {"kind": "model", "model": job.name, **facts, **where, "files": files})
    log.info("model %s: %s, %s blocks, width %s", job.name, facts["architecture"], facts["depth"], facts["width"])
    if facts["context"] is not None:
        log.info("model %s: texts of at most %s tokens (%s)", job.name, f"{facts['context']:,}", facts["context_from"])
    copies = {} if origin.folder is None else {origin.folder / file: folder / file for file in files}
    read = [*copies] if base is None else [base]
    return Work(settings_json, read=read, written=[manifest], revision=origin.revision, copies=copies)
