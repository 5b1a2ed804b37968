"""Another model, whose attention sinks are taken away as it runs: its files are those of that model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fathom.io.manifests import read_manifest, sha256_of
from fathom.models.prepare import plain_files
from fathom.models.sizes import read_config
from fathom.models.sources.place import Origin, Place
from fathom.models.weights.storage import storage_of
from fathom.runtime.errors import FathomError


def bring(place: Place, *, of: str) -> Origin:
    """Take the files of the model whose manifest is `place.base`, and note that its sinks are taken away.

    Errors: FathomError if it is no model that predicts the next token.
    """
    if place.base is None:
        msg = f"--base: expected the manifest of model {of}, whose sinks are taken away"
        raise FathomError(msg)
    known = read_manifest(place.base, "model")
    folder = place.base.parent
    require_predictor(folder, of)
    for path in plain_files(folder):
        _share(path, place.draft / path.name)
    facts = {"ablates": "sinks", "base_manifest_sha256": sha256_of(place.base)}
    return Origin(f"{known['revision']}, sinks taken away", facts)


def require_predictor(folder: Path, name: str) -> None:
    """Refuse a model without a head that predicts the next token from those before it alone.

    Errors: FathomError, one line.
    """
    config = read_config(folder)
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.models.auto import modeling_auto as auto

    kind = config.model_type
    masked = kind in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False)
    if config.is_encoder_decoder or masked or kind not in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        msg = f"model {name}: {kind} does not predict the next token from those before it, so that it has no loss to "
        msg += "compare; expected a decoder or a state-space model in `of` of a model without its sinks"
        raise FathomError(msg)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    head = model.get_output_embeddings()
    names = [path for path, part in model.named_modules() if part is head]
    held = storage_of(folder).declared(folder).shapes
    tied = bool(getattr(config.get_text_config(), "tie_word_embeddings", False))
    if not names or not (tied or f"{names[0]}.weight" in held):
        found = f"{names[0]}.weight" if names else "a head"
        msg = f"model {name}: its checkpoint lacks {found}, which predicts the next token, so that it has no loss to "
        msg += f"compare; save the whole model ({type(model).__name__}) with save_pretrained"
        raise FathomError(msg)


def _share(source: Path, target: Path) -> None:
    """Weights under a second name, which take no room again; a copy where the file system gives a file one name only.

    Nothing writes into a file of a model once it is there.
    """
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
