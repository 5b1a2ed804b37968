"""What a folder is that is no checkpoint, as far as its files tell: it says what to name instead."""

from __future__ import annotations

from pathlib import Path

from fathom.io.strict_json import read_json

ADAPTER = "adapter_config.json"  # of PEFT; transformers would load what it names
CHECKPOINT = "a folder with config.json, *.safetensors and a tokenizer"
LARGEST = 1 << 20  # bytes of an adapter's config
MOST_NAMED = 5


def what_it_is(folder: Path) -> str:
    """One phrase for an error: what was expected, and what the folder seems to be."""
    if not folder.is_dir():
        return f"expected {CHECKPOINT}"
    if (folder / ADAPTER).is_file():
        advice = "merge it first (model.merge_and_unload()) and save the whole"
        return f"it is an adapter of {_base(folder / ADAPTER)}: {advice}"
    inside = sorted(path.parent.name for path in folder.glob("*/config.json"))
    if inside:
        named = ", ".join(inside[:MOST_NAMED]) + (", ..." if len(inside) > MOST_NAMED else "")
        return f"it holds folders of checkpoints: name one of them ({named})"
    inside = sorted(path.parent.name for path in folder.glob(f"*/{ADAPTER}"))
    if inside:
        return f"it holds folders of adapters ({', '.join(inside[:MOST_NAMED])}): merge one into its model first"
    return f"expected {CHECKPOINT}"


def _base(path: Path) -> str:
    """The model that an adapter was trained on."""
    try:
        named = read_json(path, largest=LARGEST)["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        return "another model"
    return named if isinstance(named, str) and named.isprintable() and named else "another model"
