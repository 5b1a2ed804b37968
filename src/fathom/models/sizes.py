"""Sizes of a model, from transformers' own config object: it knows what every architecture calls its depth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fathom.models.checkpoint_checks import CONFIG, read_object, without_orders
from fathom.models.offline import go_offline
from fathom.runtime.errors import FathomError, first_line

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Part = Literal["encoder", "decoder"]
LARGEST_SIZE = 1 << 31  # of depth and width


def read_config(folder: Path) -> PretrainedConfig:
    """The config object of a checkpoint. No file but config.json is read, and nothing of it is executed.

    Errors: FathomError if it names no architecture that transformers knows, or one that refuses its values.
    """
    path = folder / CONFIG
    content, _ = without_orders(read_object(path))
    go_offline()
    from transformers import CONFIG_MAPPING, __version__
    from transformers.utils import logging

    architecture = content.get("model_type")
    if not isinstance(architecture, str) or architecture not in CONFIG_MAPPING:
        msg = f"{path}: model_type: expected an architecture of transformers {__version__}; "
        msg += f"found {str(architecture)[:40]!r}"
        raise FathomError(msg)
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it warns of every key that it does not know
    try:
        kind = CONFIG_MAPPING[architecture]
        config: PretrainedConfig = kind.from_dict(kind._decode_special_floats(content))  # infinity, say
    except Exception as error:  # a bad config makes transformers raise anything
        msg = f"{path}: transformers refuses this config of {architecture} ({first_line(error)})"
        raise FathomError(msg) from error
    finally:
        logging.set_verbosity(verbosity)
    return config


def text_config(config: PretrainedConfig, part: Part | None) -> PretrainedConfig:
    """The config of what reads text: of a model that reads images as well, or of a half of an encoder-decoder."""
    own: Any = getattr(config, part, None) if part else None
    if hasattr(own, "get_text_config"):  # each half has a config of its own
        return text_config(own, None)
    if part == "encoder":
        return config.get_text_config(encoder=True)
    try:
        return config.get_text_config(decoder=True) if part == "decoder" else config.get_text_config()
    except ValueError:  # several readers of text
        return config.get_text_config(decoder=True)


def depth_of(config: PretrainedConfig, part: Part | None) -> Any:
    """Number of blocks that a config names; None if it names none."""
    # These two are no half's own: T5 shares one config between its halves, ProphetNet counts both together.
    own = getattr(config, f"num_{part}_layers", None) if part else None
    return own or getattr(text_config(config, part), "num_hidden_layers", None)


def sizes(config: PretrainedConfig, place: str, part: Part | None) -> dict[str, Any]:
    """Architecture, depth, width, context and vocabulary, and which half of an encoder-decoder runs.

    Errors: FathomError if the config names no depth and width, or a half of a model that has none.
    """
    if part is not None and not config.is_encoder_decoder:
        msg = f"{place}: part: expected none, {config.model_type} is no encoder-decoder; found {part!r}"
        raise FathomError(msg)
    half: Part | None = (part or "encoder") if config.is_encoder_decoder else None
    try:
        text = text_config(config, half)
        depth, width = depth_of(config, half), getattr(text, "hidden_size", None)
        vocabulary, context = getattr(text, "vocab_size", None), getattr(text, "max_position_embeddings", None)
    except Exception as error:  # some sizes are computed from others, which may be anything
        msg = f"{place}: transformers cannot tell the sizes of this config of {config.model_type} ({first_line(error)})"
        raise FathomError(msg) from error
    if not (_is_count(depth) and _is_count(width)):
        found = f"found {str(width)[:40]} and {str(depth)[:40]} in that of {config.model_type}"
        msg = f"{place}: expected a model config with hidden size and number of layers; {found}"
        raise FathomError(msg)
    return {
        "architecture": config.model_type,
        "part": half,
        "depth": depth,
        "width": width,
        "context": context if _is_count(context) else None,
        "vocabulary": vocabulary if _is_count(vocabulary) else None,
    }


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= LARGEST_SIZE
