"""Checks of a checkpoint folder that anybody may have made, before any library reads it. Nothing is executed.

transformers takes some keys of config.json as orders: to import code of the checkpoint, to fetch attention kernels from
the hub, to load other files than the usual ones. What a model is does not depend on them, so they are left out.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fathom.io.strict_json import read_json
from fathom.models.folders import ADAPTER
from fathom.models.weight_headers import Weights
from fathom.models.weights.storage import storage_of
from fathom.runtime.errors import FathomError, first_line

CONFIG, TOKENIZER_CONFIG, INDEX = "config.json", "tokenizer_config.json", "model.safetensors.index.json"
LARGEST_CONFIG = 8 << 20  # bytes; the largest published ones list every module of a model and take 2 MB
# Keys that name code, kernels or files. They are left out at whatever depth.
ORDERS = frozenset(
    {
        "auto_map",
        "custom_pipelines",
        "custom_generate",
        "attn_implementation",
        "_attn_implementation",
        "_attn_implementation_internal",
        "experts_implementation",
        "_experts_implementation",
        "_experts_implementation_internal",
        "use_kernels",
        "kernel_config",
        "transformers_weights",
        "distributed_config",
        "tokenizer_file",
        "vocab_file",
        "merges_file",
        "spm_file",
    }
)
# Weights that only code of other packages can read; what they stand for is not what the file holds.
QUANTISED = "quantization_config"
WRAPPERS = {
    "module.": "DataParallel",
    "_orig_mod.": "torch.compile",
    "_fsdp_wrapped_module.": "FSDP",
    "_forward_module.": "Lightning Fabric",
}
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MODEL_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# A class of transformers that reads text; AutoTokenizer would begin anew, RagTokenizer reads folders of its own.
_TOKENIZER_CLASS = re.compile(
    r"(?!Auto|Rag)\w+Tokenizer(Fast)?|PreTrainedTokenizerFast|TokenizersBackend|PythonBackend", re.ASCII
)


def read_object(path: Path, *, largest: int = LARGEST_CONFIG) -> dict[str, Any]:
    """A JSON file that holds a mapping. Errors: FathomError if it does not."""
    try:
        content = read_json(path, largest=largest)
    except (OSError, ValueError) as error:
        msg = f"{path}: expected JSON ({first_line(error)})"
        raise FathomError(msg) from error
    if not isinstance(content, dict):
        msg = f"{path}: expected a JSON mapping, found {type(content).__name__}"
        raise FathomError(msg)
    return content


def without_orders(content: Any) -> tuple[Any, set[str]]:
    """JSON without the keys that name code, kernels or files, and which of them it had."""
    found: set[str] = set()

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            found.update(ORDERS & value.keys())
            return {key: clean(one) for key, one in value.items() if key not in ORDERS}
        return [clean(one) for one in value] if isinstance(value, list) else value

    return clean(content), found


def copy_config(source: Path, target: Path) -> set[str]:
    """Copy config.json or tokenizer_config.json without orders; byte by byte if it has none.

    Returns the keys that were left out. Errors: FathomError if it is no JSON mapping.
    """
    content, left_out = without_orders(read_object(source))
    if left_out:
        target.write_text(json.dumps(content, indent=2, ensure_ascii=True) + "\n", encoding="utf-8")
    else:
        shutil.copyfile(source, target)
    return left_out


def check_links(files: list[Path]) -> None:
    """Refuse links that would bring in a file from elsewhere, a password file say.

    Weights may lie anywhere, since what is no safetensors file is refused anyway. Any other file may be a link within
    its folder, or, as in the cache of the hub, into the folder `blobs` beside `snapshots`.
    """
    for path in files:
        if not path.is_symlink() or path.suffix == ".safetensors":
            continue
        folder, real = path.parent.resolve(), path.resolve()
        cache = folder.parent.parent / "blobs" if folder.parent.name == "snapshots" else folder
        if real.parent not in (folder, cache):
            msg = f"{path}: a link to {real}, outside of its folder; put the file itself there"
            raise FathomError(msg)


def check_checkpoint(folder: Path) -> Weights:
    """Check everything in a folder of a checkpoint that transformers will be given; returns what its weights declare.

    Errors: FathomError, one line that names the file and what is wrong with it.
    """
    config = read_object(folder / CONFIG)
    if any(part.get(QUANTISED) for part in (config, *config.values()) if isinstance(part, dict)):
        msg = f"{folder / CONFIG}: quantised weights ({QUANTISED}) are not read; take those they were made of"
        raise FathomError(msg)
    _check_name(folder / CONFIG, "model_type", config.get("model_type"), _MODEL_TYPE)
    _check_tokenizer_class(folder / CONFIG, config)
    for name in ("tokenizer.json", "special_tokens_map.json", "added_tokens.json", "vocab.json"):
        if (folder / name).exists():
            read_object(folder / name, largest=256 << 20)
    if (folder / TOKENIZER_CONFIG).exists():
        _check_tokenizer_class(folder / TOKENIZER_CONFIG, read_object(folder / TOKENIZER_CONFIG))
    _check_indices(folder)
    weights = storage_of(folder).declared(folder)
    _check_prefixes(folder, weights.shapes)
    return weights


def _check_prefixes(folder: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """What wraps a model while it trains puts its own name before those of the weights; no class knows them then."""
    for prefix, wrapper in WRAPPERS.items():
        if shapes and all(name.startswith(prefix) for name in shapes):
            msg = f"{folder}: the names of its weights begin with {prefix!r}, as {wrapper} saves them; "
            msg += f"save the model inside instead (model.{prefix}save_pretrained(folder))"
            raise FathomError(msg)


def check_prepared(folder: Path) -> None:
    """Check a folder that `fathom models` made, once more before it is loaded: it may come from another machine.

    Errors: FathomError if it holds what that verb never leaves in one.
    """
    check_checkpoint(folder)
    orders = without_orders(read_object(folder / CONFIG))[1] - {"auto_map"}  # which trust_remote_code=False is for
    if orders or (folder / ADAPTER).exists():
        found = ADAPTER if (folder / ADAPTER).exists() else f"{CONFIG} with {', '.join(sorted(orders))}"
        msg = f"{folder}: not as `fathom models` leaves a model, it holds {found}; delete it and run snakemake again"
        raise FathomError(msg)


def _check_tokenizer_class(path: Path, content: dict[str, Any]) -> None:
    if content.get("tokenizer_class") is not None:
        _check_name(path, "tokenizer_class", content["tokenizer_class"], _TOKENIZER_CLASS)


def _check_name(path: Path, key: str, value: Any, pattern: re.Pattern[str]) -> None:
    if value is None and key == "model_type":
        return  # said where the config is described
    if not isinstance(value, str) or not pattern.fullmatch(value):
        msg = f"{path}: {key}: expected a name that transformers has for it; found {str(value)[:100]!r}"
        raise FathomError(msg)


def _check_indices(folder: Path) -> None:
    """An index names the file of every weight: each must be a safetensors file beside it."""
    for path in sorted(folder.glob("*.safetensors.index.json")):
        for name in named_weights(path):
            if not (folder / name).is_file():
                msg = f"{path}: names {name}, which is not there"
                raise FathomError(msg)


def named_weights(index: Path) -> list[str]:
    """The files that an index names. Errors: FathomError if it is none, or names others than files beside it."""
    weight_map = read_object(index, largest=256 << 20).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        msg = f"{index}: expected weight_map, a mapping of weights to files"
        raise FathomError(msg)
    names = sorted({str(one) for one in weight_map.values()})
    for name in names:
        if not (_FILE_NAME.fullmatch(name) and name.endswith(".safetensors")):
            msg = f"{index}: names {name[:100]!r}; expected only *.safetensors files beside it"
            raise FathomError(msg)
    return names


def check_sizes(facts: dict[str, Any], weights: Weights, place: str) -> None:
    """Compare what a config claims with its weights, before a model of that size is built.

    Errors: FathomError if it claims more blocks than there are tensors, or a width that no tensor has.
    """
    if facts["depth"] > len(weights.shapes):
        msg = f"{place}: claims {facts['depth']:,} blocks, its weights are {len(weights.shapes):,} tensors"
        raise FathomError(msg)
    if not any(side % facts["width"] == 0 for side in weights.sides if side):
        msg = f"{place}: claims width {facts['width']:,}, its weights have no tensor of that width"
        raise FathomError(msg)


def plain_names(names: Iterator[str]) -> list[str]:
    """Names of files that hold nothing that Snakemake, a shell or a path would interpret."""
    return sorted(name for name in names if _FILE_NAME.fullmatch(name))
