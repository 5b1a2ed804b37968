"""Bring a checkpoint into one plain form: a folder with config.json, a tokenizer and weights (`weights.storage`)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fathom.models.checkpoint_checks import (
    CONFIG,
    INDEX,
    TOKENIZER_CONFIG,
    check_checkpoint,
    check_links,
    check_sizes,
    copy_config,
    named_weights,
    read_object,
)
from fathom.models.folders import what_it_is
from fathom.models.sizes import LARGEST_SIZE, Part, read_config, sizes
from fathom.models.weights.storage import marks_in, storage_of
from fathom.runtime.errors import FathomError

SAFETENSORS = ".safetensors"
WEIGHTS = f"model{SAFETENSORS}"
SENTENCE_TRANSFORMER = "sentence_bert_config.json"
# What a checkpoint needs beside its weights, and nothing that could be executed.
OTHERS = (
    CONFIG,
    INDEX,
    "tokenizer.json",
    TOKENIZER_CONFIG,
    SENTENCE_TRANSFORMER,
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)
# With the weights, as they are called where no index names them. A star would match in folders too, on the hub.
PATTERNS = (*OTHERS, WEIGHTS, f"model-?????-of-?????{SAFETENSORS}")
# Files that name the longest text that a model was made for, in tokens.
LENGTHS_OF_TEXTS = ((TOKENIZER_CONFIG, "model_max_length"), (SENTENCE_TRANSFORMER, "max_seq_length"))
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
OTHER_FORMS = (".gguf", ".h5", ".msgpack", ".onnx")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


def plain_files(folder: Path) -> list[Path]:
    """The files of a checkpoint folder that are kept.

    Errors: FathomError if there is no config.json, or no weights as safetensors (pickles are not read).
    """
    if not (folder / CONFIG).is_file():
        msg = f"{folder}: not a model folder, it holds no config.json; expected {what_it_is(folder)}"
        raise FathomError(msg)
    names = [path.name for path in folder.iterdir() if path.is_file()]
    weights = weight_files(names, folder.joinpath) or marks_in(names)
    if not weights:
        found = sorted(path for end in PICKLES for path in folder.glob(f"*{end}"))
        why = f", only {found[0].name}, a pickle, which is never loaded" if found else ""
        forms = sorted(path for end in OTHER_FORMS for path in folder.glob(f"*{end}"))
        if not found and forms:
            found, why = forms, f", only {forms[0].name}"
        if not found and (others := sorted(name for name in names if name.endswith(SAFETENSORS))):
            why = f" that transformers would load ({WEIGHTS}, or what {INDEX} names), only {others[0]}"
        out = "load it with transformers where you trust it, and save it again with model.save_pretrained(folder)"
        msg = f"{folder}: holds no weights as *.safetensors{why}; {out if found else 'expected ' + what_it_is(folder)}"
        raise FathomError(msg)
    if not any((folder / name).is_file() for name in TOKENIZERS):
        msg = f"{folder}: holds no tokenizer ({', '.join(TOKENIZERS)}); save it beside the model with "
        msg += "tokenizer.save_pretrained(folder)"
        raise FathomError(msg)
    return sorted(folder / name for name in {*OTHERS, *weights}.intersection(names))


def weight_files(names: Collection[str], bring: Callable[[str], Path]) -> list[str]:
    """The files of the weights: those that the index names, or else model*.safetensors at the top.

    `names` are those of all files there are, and `bring` gives the path of one. So copies of the weights in other forms
    (original/, consolidated.safetensors), or of earlier steps (checkpoint-500/), are left where they are.
    Errors: FathomError if the index is none.
    """
    if INDEX in names:
        return named_weights(bring(INDEX))
    found = sorted(name for name in names if fnmatchcase(name, f"model*{SAFETENSORS}") and "/" not in name)
    return [WEIGHTS] if WEIGHTS in found else found


def check_own(folder: Path) -> list[Path]:
    """The files that are kept of a folder that fathom did not make.

    Errors: as `plain_files`; FathomError too if one is a link out of the folder, or if there are no weights, only the
    seed of some.
    """
    files = plain_files(folder)
    check_links(files)
    if not storage_of(folder).BOUND:
        msg = f"{folder}: a model of random weights that fathom made, it holds none; write {{source: random, of: ...}} "
        msg += "in the config instead"
        raise FathomError(msg)
    return files


def keep_plain(folder: Path) -> list[Path]:
    """Take away what is no part of a plain checkpoint, and let all who may read its config read its files; the files.

    transformers saves beside a model what it would need to talk, and safetensors lets only their writer read its files.
    Errors: as `plain_files`.
    """
    files = plain_files(folder)
    for path in set(folder.iterdir()) - set(files):
        path.unlink()
    for path in files:
        shutil.copymode(folder / CONFIG, path)
    return files


def copy_plain(source: Path, target: Path, *, own: bool = False) -> set[str]:
    """Copy what is kept of a checkpoint folder; returns the keys of its configs that are left out (see `untrusted`).

    The copies are files of their own: a later write to one never changes the other. File systems that can share the
    content of two files until one is written to (Btrfs, XFS) do. Files of fathom's `own` are moved.
    Errors: FathomError if a file is a link out of its folder, or a config is no JSON.
    """
    files = check_own(source)
    left_out: set[str] = set()
    for path in files:
        if path.name in (CONFIG, TOKENIZER_CONFIG):
            left_out |= copy_config(path, target / path.name)
        elif own:
            path.rename(target / path.name)
        else:
            _clone(path, target / path.name)
    return left_out


def _clone(source: Path, target: Path) -> None:
    """Copy a file; the kernel shares the blocks of both where the file system can."""
    with source.open("rb") as read, target.open("xb") as write:
        try:
            while os.copy_file_range(read.fileno(), write.fileno(), 1 << 30):
                pass
        except (OSError, AttributeError):  # across some file systems, or not on this system
            read.seek(0)
            write.seek(0)
            write.truncate()
            shutil.copyfileobj(read, write, 1 << 22)


def describe(folder: Path, name: str, *, depth: int | None, part: Part | None = None) -> dict[str, Any]:
    """What a model is, by its config and the heads of its weights, which must fit each other and the `depth` wanted.

    Errors: FathomError if they do not, or if anything in the folder is refused (see `fathom.models.checkpoint_checks`).
    """
    weights = check_checkpoint(folder)
    config = read_config(folder)
    facts = {**sizes(config, f"models.{name}: {folder / CONFIG}", part), "parameters": weights.numbers}
    check_sizes(facts, weights, f"models.{name}")
    if depth not in (None, facts["depth"]):
        msg = f"models.{name}.depth: the checkpoint has {facts['depth']} blocks, the config says {depth}"
        raise FathomError(msg)
    from fathom.models.outline import outline  # it brings torch, and only now is it known that a model can be built

    found = outline(config, name, facts["part"], weights.numbers)
    from fathom.models.load import check_names

    check_names(folder, name, facts["part"])
    return facts | {"vocabulary": found["vocabulary"] or facts["vocabulary"]} | _context(folder, facts, found)


def describe_config(folder: Path, part: Part | None = None) -> dict[str, Any]:
    """Architecture, depth, width, context and vocabulary of a checkpoint, as its config.json names them.

    Errors: FathomError if config.json cannot be read or does not name depth and width.
    """
    return sizes(read_config(folder), str(folder / CONFIG), part)


def _context(folder: Path, facts: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The longest text that a model takes, in tokens, and what says so: the least of all that name one."""
    named = {CONFIG: facts["context"], "its position table": found["positions"]}
    for file, key in LENGTHS_OF_TEXTS:
        if (folder / file).exists():
            value = read_object(folder / file).get(key)
            named[f"{file}, {key}"] = value if type(value) is int and 1 <= value <= LARGEST_SIZE else None
    limits = {place: limit for place, limit in named.items() if limit is not None}
    if not limits:
        return {"context": None, "context_from": None}
    place = min(limits, key=lambda one: limits[one])
    others = ", ".join(f"{one}: {limit:,}" for one, limit in limits.items() if limit != limits[place])
    return {"context": limits[place], "context_from": f"{place} ({others})" if others else place}
