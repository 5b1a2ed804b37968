"""Bring a checkpoint into one plain form: a folder with config.json, *.safetensors and a tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from fathom.errors import FathomError, first_line

# What a checkpoint needs, and nothing that could be executed.
PATTERNS = (
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)


def plain_files(folder: Path) -> list[Path]:
    """The files of a checkpoint folder that are kept.

    Errors: FathomError if there is no config.json, or no weights as safetensors (pickles are not read).
    """
    if not (folder / "config.json").is_file():
        msg = f"{folder}: not a model folder, it holds no config.json"
        raise FathomError(msg)
    if not any(folder.glob("*.safetensors")):
        pickles = [path.name for path in sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))]
        why = f", only {pickles[0]}, a pickle, which is never loaded" if pickles else ""
        msg = f"{folder}: holds no weights as *.safetensors{why}"
        raise FathomError(msg)
    return sorted({path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()})


def copy_plain(source: Path, target: Path) -> None:
    """Copy what is kept of a checkpoint folder; on one file system large files are linked and cost no space."""
    for path in plain_files(source):
        try:
            (target / path.name).hardlink_to(path.resolve())
        except OSError:  # another file system, or one without links
            shutil.copyfile(path, target / path.name)


def convert_gguf(file: Path, target: Path) -> dict[str, Any]:
    """Turn a GGUF file into a safetensors folder, its quantised weights expanded to float32.

    Returns what was done, for the manifest. Errors: FathomError if transformers cannot read the file.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(file.parent, gguf_file=file.name)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        quantised = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        msg = f"{file.name}: transformers cannot read this GGUF file ({first_line(error)})"
        raise FathomError(msg) from error
    # A model that carries its GGUF origin refuses to be saved; one built from the bare config does not.
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(quantised.state_dict())
    plain.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return {"from": file.name, "to": "safetensors", "dtype": "float32"}


def draw_weights(source: Path, target: Path, *, seed: int) -> None:
    """Write a model of the shape and with the tokenizer of a prepared checkpoint, its weights drawn anew in float32.

    They come from the architecture's own initialiser, which is where training starts. Errors: FathomError if
    transformers cannot build such a model.
    """
    import torch
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(source, local_files_only=True, trust_remote_code=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        msg = f"{source}: transformers cannot build a model of this shape ({first_line(error)})"
        raise FathomError(msg) from error
    model.save_pretrained(target)
    for path in plain_files(source):
        if path.name != "config.json" and "safetensors" not in path.name:
            shutil.copyfile(path, target / path.name)


def describe_config(folder: Path) -> dict[str, Any]:
    """Architecture, depth, width and context of a checkpoint, from its config.json.

    Errors: FathomError if config.json cannot be read or does not name depth and width.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        text = config.get("text_config", config)
        # GPT-2 and DistilBERT have names of their own for what all others call the same.
        depth = text.get("num_hidden_layers", text.get("n_layer", text.get("n_layers")))
        width = text.get("hidden_size", text.get("n_embd", text.get("dim")))
        return {
            "architecture": str(config["model_type"]),
            "depth": int(depth),
            "width": int(width),
            "context": text.get("max_position_embeddings", text.get("n_positions")),
            "vocabulary": text.get("vocab_size"),
        }
    except (
        OSError,
        UnicodeDecodeError,
        json.JSONDecodeError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        msg = f"{path}: expected a model config with model_type, hidden size and number of layers ({error})"
        raise FathomError(msg) from error
