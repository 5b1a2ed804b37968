"""Load a prepared checkpoint: safetensors only, no code of its own, every weight accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerFast

from fathom.models.architecture import Anatomy, check_anatomy, find_anatomy
from fathom.models.checkpoint_checks import check_prepared
from fathom.models.offline import close_doors
from fathom.runtime.errors import FathomError, first_line

# RoBERTa and its kin count positions from the padding token's id + 1, so that many of their positions cannot be used.
POSITIONS_AFTER_PADDING = {"roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet"}


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


def _guard(folder: Path, name: str) -> None:
    """What comes before any library reads a file of the folder."""
    close_doors()
    try:
        check_prepared(folder)
    except FathomError as error:
        msg = f"model {name}: cannot be loaded ({error})"
        raise FathomError(msg) from error


def load_tokenizer(folder: Path, name: str) -> PreTrainedTokenizerFast:
    """Load the tokenizer of a prepared checkpoint.

    Errors: FathomError if it cannot be read, or cannot tell which characters a token covers (spans need that).
    """
    _guard(folder, name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises bare Exception, KeyError and more
        msg = f"model {name}: its tokenizer cannot be read from {folder} ({first_line(error)})"
        raise FathomError(msg) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        msg = (
            f"model {name}: its tokenizer ({type(tokenizer).__name__}) gives no character offsets; a fast one is needed"
        )
        raise FathomError(msg)
    return tokenizer


def context_length(folder: Path, name: str) -> int | None:
    """Longest text that the model's config allows, in tokens; None where it sets no limit (state-space models).

    Errors: FathomError if transformers does not know such a model.
    """
    _guard(folder, name)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False).get_text_config()
    except Exception as error:  # a bad config makes transformers raise anything
        msg = f"model {name}: its config cannot be read from {folder} ({first_line(error)})"
        raise FathomError(msg) from error
    limit = getattr(config, "max_position_embeddings", None)
    if not limit:
        return None
    if type(limit) is not int or limit < 1:
        msg = f"model {name}: max_position_embeddings: expected a number of tokens; found {str(limit)[:40]!r}"
        raise FathomError(msg)
    unused = int(config.pad_token_id) + 1 if config.model_type in POSITIONS_AFTER_PADDING else 0
    return int(limit) - unused


def load_model(folder: Path, name: str, *, dtype: str, device: torch.device) -> LoadedModel:
    """Load a prepared checkpoint and check where its layers are.

    Errors: FathomError if weights are missing or of another shape, or the anatomy is not understood.
    """
    _guard(folder, name)
    try:
        module, info = AutoModel.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:  # a bad config or file makes the libraries raise anything
        msg = f"model {name}: cannot be loaded from {folder} ({first_line(error)})"
        raise FathomError(msg) from error
    _check_weights(info, name)
    module = module.to(device).eval()
    anatomy = find_anatomy(module, name)
    check_anatomy(module, anatomy, name)
    return LoadedModel(module=module, anatomy=anatomy, device=device)


def _check_weights(info: dict[str, Any], name: str) -> None:
    """A weight that the checkpoint lacks would be initialised at random, and nobody would see it in a figure."""
    # BERT's pooler sits behind the last layer and is not read; sentence encoders are published without it.
    missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
    differing = sorted(str(key) for key in info["mismatched_keys"])
    if missing or differing:
        wrong = missing or differing
        msg = f"model {name}: {len(wrong)} weights are missing or of another shape in its checkpoint, first {wrong[0]}"
        raise FathomError(msg)
