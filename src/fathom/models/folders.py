"""What a folder is that is no checkpoint, as far as its files tell: it is said what to name instead."""

from __future__ import annotations

from pathlib import Path

from fathom.io.strict_json import read_json

ADAPTER = "adapter_config.json"  # of PEFT; transformers would load what it names
CHECKPOINT = "a folder with config.json, *.safetensors and a tokenizer"
LARGEST = 1 << 20  # bytes of an adapter's config
MOST_NAMED = 5


def what_it_is(folder: Path) -> str:
    """What is expected of a folder, and what it seems to be instead."""
    inside = sorted(path.parent.name for path in folder.glob("*/config.json"))
    adapters = sorted(path.parent.name for path in folder.glob(f"*/{ADAPTER}"))
    if (folder / ADAPTER).is_file():
        advice = "merge it first (model.merge_and_unload()) and save the whole"
        return f"{CHECKPOINT}, this is an adapter of {_base(folder / ADAPTER)}: {advice}"
    if inside:
        named = ", ".join(inside[:MOST_NAMED]) + (", ..." if len(inside) > MOST_NAMED else "")
        return f"{CHECKPOINT}, this holds folders of them: name one ({named})"
    if adapters:
        return f"{CHECKPOINT}, this holds folders of adapters ({', '.join(adapters[:MOST_NAMED])}): merge one first"
    return CHECKPOINT


def _base(path: Path) -> str:
    """The model that an adapter was trained on."""
    try:
        named = read_json(path, largest=LARGEST)["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        return "another model"
    return named if isinstance(named, str) and named.isprintable() and named else "another model"
