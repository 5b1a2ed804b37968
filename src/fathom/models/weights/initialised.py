"""Randomly initialised weights, drawn anew whenever they are loaded: a seed and a digest take no space."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import xxhash
from pydantic import Field, StringConstraints, ValidationError

from fathom.io.strict_json import read_json
from fathom.models.weight_headers import Weights
from fathom.runtime.errors import FathomError, first_line
from fathom.schema import Seed, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedModel

MARK = "initialised_weights.json"
BOUND = False
DRAWN_BY = ("torch", "transformers")
"""Packages whose version decides what a seed gives."""
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Side = Annotated[int, Field(ge=0)]


class Recipe(Settings):
    """How the weights are drawn, and what comes of it."""

    seed: Seed
    versions: dict[str, str]
    xxh3_128: Digest
    """Of names, shapes, types and bytes of all weights in their order."""
    shapes: dict[str, tuple[Side, ...]]


def write(folder: Path, config: PretrainedConfig, *, seed: int) -> None:
    """Draw the weights of a config's model once, and write down how."""
    from fathom.models.weights.memory import weights_of

    weights = weights_of(initialise(config, seed))
    recipe = {
        "seed": seed,
        "versions": _versions(),
        "xxh3_128": digest_of(weights),
        "shapes": {name: list(weight.shape) for name, weight in weights.items()},
    }
    (folder / MARK).write_text(json.dumps(recipe) + "\n", encoding="utf-8")


def declared(folder: Path) -> Weights:
    """Names and shapes of what was drawn."""
    return Weights(dict(_read(folder).shapes))


def load(
    folder: Path, *, dtype: str, attention: str | None, head: bool = False
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Draw the weights once more.

    They are drawn on the CPU in float32, whatever device and dtype the model runs in.
    Errors: FathomError if they are not those that were drawn when the folder was made.
    """
    from fathom.models.weights.memory import config_of, empty_model, load_from_memory, weights_of

    if head:
        msg = f"{folder / MARK}: random weights have no head that predicts tokens"
        raise FathomError(msg)
    recipe, config = _read(folder), config_of(folder)
    shapes = {name: tuple(weight.shape) for name, weight in weights_of(empty_model(config)).items()}
    if shapes != recipe.shapes:
        msg = f"{folder / MARK}: the weights that were drawn are not those of config.json beside it; {_again(folder)}"
        raise FathomError(msg)
    model = initialise(config, recipe.seed)
    weights = weights_of(model)
    if digest_of(weights) != recipe.xxh3_128:
        msg = f"{folder / MARK}: its seed gave other weights with {_named(recipe.versions)} than it gives now, with "
        msg += f"{_named(_versions())}; {_again(folder)}"
        if recipe.versions == _versions():
            msg += " on a processor like this one, or with `stored: true` in its settings (or config.json was changed)"
        raise FathomError(msg)
    return load_from_memory(model, weights, dtype=dtype, attention=attention)


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """XXH3 (128 bits) of weights in memory, as 32 hexadecimal digits."""
    import torch

    state = xxhash.xxh3_128()
    for name, weight in weights.items():
        state.update(f"{name} {list(weight.shape)} {weight.dtype}\n".encode())
        state.update(weight.reshape(-1).view(torch.uint8).numpy().data)
    return state.hexdigest()


def initialise(config: PretrainedConfig, seed: int) -> PreTrainedModel:
    """A model with the weights of a seed, on the CPU in float32."""
    import torch

    from fathom.models.weights.memory import build

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(config)


def _read(folder: Path) -> Recipe:
    try:
        return Recipe.model_validate(read_json(folder / MARK))
    except (OSError, ValueError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else first_line(error)
        msg = f"{folder / MARK}: does not say how weights are drawn ({why}); {_again(folder)}"
        raise FathomError(msg) from error


def _versions() -> dict[str, str]:
    return {package: version(package) for package in DRAWN_BY}


def _named(versions: Mapping[str, str]) -> str:
    return " and ".join(f"{package} {number}" for package, number in sorted(versions.items()))


def _again(folder: Path) -> str:
    return f"delete {folder} and run snakemake again"
