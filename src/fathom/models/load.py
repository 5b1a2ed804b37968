"""Load a prepared checkpoint: safetensors only, no code of its own, every weight accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerFast

from fathom.errors import FathomError
from fathom.models.anatomy import Anatomy, check_anatomy, find_anatomy


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run, in evaluation mode."""

    module: nn.Module
    anatomy: Anatomy
    device: torch.device


def pick_device(setting: str) -> torch.device:
    """The device that a setting means; `auto` is the GPU where there is one.

    Errors: FathomError if a GPU is asked for and there is none.
    """
    if setting == "cuda" and not torch.cuda.is_available():
        msg = "activations.device: expected a CUDA device, found none (auto falls to the CPU, cuda does not)"
        raise FathomError(msg)
    if setting == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(setting)


def load_tokenizer(folder: Path, name: str) -> PreTrainedTokenizerFast:
    """Load the tokenizer of a prepared checkpoint.

    Errors: FathomError if it cannot be read, or cannot tell which characters a token covers (spans need that).
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        msg = f"model {name}: its tokenizer cannot be read from {folder} ({str(error).splitlines()[0]})"
        raise FathomError(msg) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        msg = f"model {name}: its tokenizer ({type(tokenizer).__name__}) gives no character offsets; a fast one is needed"
        raise FathomError(msg)
    return tokenizer


def context_length(folder: Path) -> int | None:
    """Longest text that the model's config allows, in tokens; None where it sets no limit (state-space models)."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False).get_text_config()
    limit = getattr(config, "max_position_embeddings", None)
    return int(limit) if limit else None


def load_model(folder: Path, name: str, *, dtype: str, device: torch.device) -> LoadedModel:
    """Load a prepared checkpoint and check where its layers are.

    Errors: FathomError if weights are missing or of another shape, or the anatomy is not understood.
    """
    try:
        module, info = AutoModel.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        msg = f"model {name}: cannot be loaded from {folder} ({str(error).splitlines()[0]})"
        raise FathomError(msg) from error
    _check_weights(info, name)
    module = module.to(device).eval()
    anatomy = find_anatomy(module, name)
    check_anatomy(module, anatomy, name)
    return LoadedModel(module=module, anatomy=anatomy, device=device)


def _check_weights(info: dict[str, Any], name: str) -> None:
    """A weight that the checkpoint lacks would be drawn at random, and nobody would see it in a figure."""
    # BERT's pooler sits behind the last layer and is not read; sentence encoders are published without it.
    missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
    differing = sorted(str(key) for key in info["mismatched_keys"])
    if missing or differing:
        wrong = missing or differing
        msg = f"model {name}: {len(wrong)} weights are missing or of another shape in its checkpoint, first {wrong[0]}"
        raise FathomError(msg)
