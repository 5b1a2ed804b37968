"""The shape and tokenizer of another model, with randomly initialised weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from fathom.io.manifests import read_manifest, sha256_of, versions_of
from fathom.models.checkpoint_checks import INDEX, check_checkpoint
from fathom.models.offline import go_offline
from fathom.models.prepare import plain_files
from fathom.models.sources.place import Origin, Place
from fathom.models.weights import initialised
from fathom.models.weights.storage import MARKED
from fathom.runtime.errors import FathomError, first_line

MOST_UNREAD = 2  # a config's model may have heads (BERT's pooler) that its files lack, never as many weights again


def bring(place: Place, *, of: str, seed: int, stored: bool = False) -> Origin:
    """Draw the weights of a model of the shape of another one, whose manifest is `place.base`."""
    if place.base is None:
        msg = f"--base: expected the manifest of model {of}, whose shape this one has"
        raise FathomError(msg)
    shape = read_manifest(place.base, "model")
    draw_weights(place.base.parent, place.draft, seed=seed, stored=stored)
    facts = {"base_manifest_sha256": sha256_of(place.base), "versions": versions_of("transformers", "torch")}
    return Origin(f"random weights, seed {seed}, shape of {shape['revision']}", facts)


def draw_weights(source: Path, target: Path, *, seed: int, stored: bool = False) -> None:
    """Make a model with the shape and tokenizer of a prepared checkpoint and randomly initialised float32 weights.

    They come from the architecture's own initialiser, which is where training starts. Unless they are `stored`, whoever
    loads the model draws them again. Errors: FathomError if transformers cannot build such a model.
    """
    checked = check_checkpoint(source)
    go_offline()
    from fathom.models.weights.memory import config_of, empty_model

    try:
        config = config_of(source)
        claimed = sum(parameter.numel() for parameter in empty_model(config).parameters())
        if claimed > MOST_UNREAD * checked.numbers:
            msg = f"its config claims {claimed:,} weights, its files hold {checked.numbers:,}"
            raise ValueError(msg)
        if stored:
            initialised.initialise(config, seed).save_pretrained(target)
        else:
            initialised.write(target, config, seed=seed)
    except Exception as error:  # a bad config makes transformers raise anything
        msg = f"{source}: transformers cannot build a model of this shape ({first_line(error)})"
        raise FathomError(msg) from error
    for path in plain_files(source):
        written = (target / path.name).exists()  # config.json beside stored weights
        if path.suffix != ".safetensors" and path.name not in {INDEX, *MARKED} and not written:
            shutil.copyfile(path, target / path.name)
