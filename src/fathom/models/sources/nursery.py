"""A checkpoint of a model that the nursery has trained."""

from __future__ import annotations

import shutil

from fathom.io.hashing import xxh3_of
from fathom.io.manifests import read_manifest, sha256_of
from fathom.models.prepare import OTHERS, WEIGHTS
from fathom.models.sources.place import Origin, Place
from fathom.runtime.errors import FathomError


def bring(place: Place, *, of: str, step: int | None = None) -> Origin:
    """Copy the weights of a step, the last if none is named, with config and tokenizer."""
    if place.base is None:
        msg = f"--base: expected the manifest of training {of}, of which this is a checkpoint"
        raise FathomError(msg)
    trained = read_manifest(place.base, "nursery")
    wanted = trained["training"]["steps"] if step is None else step
    weights = f"step-{wanted}.safetensors"
    if weights not in trained["files"]:
        steps = sorted(int(name[5:-12]) for name in trained["files"] if name.startswith("step-"))
        msg = f"training {of} has no checkpoint of step {wanted}, expected one of {', '.join(map(str, steps))}"
        raise FathomError(msg)
    names = {weights: WEIGHTS} | {name: name for name in trained["files"] if name in OTHERS}
    for name, kept in names.items():
        shutil.copyfile(place.base.with_name(name), place.draft / kept)
        if xxh3_of(place.draft / kept) != trained["files"][name]["xxh3_128"]:
            msg = f"{place.base.with_name(name)}: not the file that was written; delete {place.base} and run again"
            raise FathomError(msg)
    return Origin(f"{of}, step {wanted}", {"step": wanted, "base_manifest_sha256": sha256_of(place.base)})
