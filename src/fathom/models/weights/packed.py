"""Quantised weights in the blocks of the GGUF file that they came in, expanded to float32 when they are loaded.

The file is safetensors, under transformers' names and in its order of rows; what is not quantised it holds as numbers.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import xxhash
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open

from fathom.models.weight_headers import Weights, read_safetensors_header
from fathom.runtime.errors import FathomError, first_line
from fathom.schema import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gguf import ReaderTensor
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel

MARK = "packed_weights.safetensors"
BOUND = True
_PACKED = "packed"
"""Key of the file's metadata: which tensors are blocks, and of what."""
_ROWS_AT_ONCE = 16
"""So many rows gguf expands at once, however short they are."""
_NUMBERS_AT_ONCE = 1 << 16
"""So many make one step of expanding worth its overhead and still fit a processor's cache."""


class Blocks(Settings):
    """A tensor of quantised numbers."""

    type: str
    """Of the blocks, as GGUF calls it: Q4_K, say."""
    shape: tuple[Annotated[int, Field(ge=0)], ...]
    """Of the numbers."""
    turned: bool = False
    """Whether the rows of blocks are the columns of the tensor."""


def write(folder: Path, weights: Mapping[str, Tensor], source: Iterable[ReaderTensor]) -> None:
    """Write weights in the blocks of the tensors of a GGUF file that hold the same numbers, row by row.

    A weight whose rows are those of no tensor is written as it is.
    """
    from safetensors.torch import save_file

    kept = dict(weights)
    described: dict[str, Any] = {}
    left = [one for one in source if one.tensor_type.name != "F32"]
    for turned in (False, True):  # of most architectures none is left to be turned
        names = _by_rows(kept, described, turned=turned) if left else {}
        missed = []
        for one in left:
            found = list(_pack(one, names, kept, turned=turned))
            for name, rows in found:
                described[name] = {
                    "type": one.tensor_type.name,
                    "shape": list(weights[name].shape),
                    "turned": turned,
                }
                kept[name] = rows
            if not found:
                missed.append(one)
        left = missed
    tensors = {name: weight.contiguous() for name, weight in kept.items()}
    save_file(tensors, folder / MARK, metadata={_PACKED: json.dumps(described)})


def declared(folder: Path) -> Weights:
    """Names and shapes of all tensors as they are once they are expanded."""
    path = folder / MARK
    shapes = read_safetensors_header(path, in_blocks=True).shapes
    return Weights(shapes | {name: one.shape for name, one in _described(path, shapes).items()})


def load(
    folder: Path, *, dtype: str, attention: str | None, head: bool = False
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Expand the weights to float32, and give them to transformers."""
    import torch

    from fathom.models.weights.memory import config_of, empty_model, load_from_memory

    path = folder / MARK
    blocks = _described(path, read_safetensors_header(path, in_blocks=True).shapes)
    weights = {}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - safetensors' own, no dictionary's
            weight = file.get_tensor(name)
            weights[name] = torch.from_numpy(_expand(weight.numpy(), blocks[name])) if name in blocks else weight
    return load_from_memory(empty_model(config_of(folder), head=head), weights, dtype=dtype, attention=attention)


def _described(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Blocks]:
    """Which tensors are blocks. Errors: FathomError if what is said of one does not fit its bytes."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
        found = TypeAdapter(dict[str, Blocks]).validate_json(metadata.get(_PACKED, ""))
        for name, one in found.items():
            block, size = GGML_QUANT_SIZES[GGMLQuantizationType[one.type]]
            rows, length = shapes[name]
            if length % size or rows * (length // size) * block != prod(one.shape):
                msg = f"{name} of shape {one.shape} in {rows:,} rows of {length:,} bytes of {one.type}"
                raise ValueError(msg)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else first_line(error)
        msg = f"{path}: does not say what its blocks stand for ({why}); delete {path.parent} and run snakemake again"
        raise FathomError(msg) from error
    return found


def _pack(
    source: ReaderTensor, names: dict[bytes, list[str]], weights: Mapping[str, Tensor], *, turned: bool
) -> Iterator[tuple[str, Tensor]]:
    """The weights that have the rows of a tensor, and its blocks in their order."""
    import torch
    from gguf import dequantize

    numbers = _rows(dequantize(source.data, source.tensor_type))
    blocks = np.ascontiguousarray(source.data).view(np.uint8).reshape(len(numbers), -1)
    digests = _digests(numbers)
    for name in names.pop(np.sort(digests).tobytes(), []):
        wanted = _rows(_turned(weights[name]) if turned else weights[name].numpy())
        order = np.empty(len(numbers), dtype=np.intp)
        order[np.argsort(_digests(wanted), kind="stable")] = np.argsort(digests, kind="stable")
        if np.array_equal(numbers[order].view(np.uint32), wanted.view(np.uint32)):  # the bits, of zeros and NaN too
            yield name, torch.from_numpy(blocks[order])


def _by_rows(weights: Mapping[str, Tensor], but: Mapping[str, Any], *, turned: bool) -> dict[bytes, list[str]]:
    """Digests of the rows of weights, in order -> the names of these weights."""
    found: dict[bytes, list[str]] = {}
    for name, weight in weights.items():
        if name not in but and weight.is_floating_point() and weight.numel() and (weight.ndim == 2 or not turned):
            rows = _rows(_turned(weight) if turned else weight.numpy())
            found.setdefault(np.sort(_digests(rows)).tobytes(), []).append(name)
    return found


def _turned(weight: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(weight.numpy().T)


def _rows(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(numbers).reshape(-1, numbers.shape[-1] if numbers.ndim else 1)


def _digests(rows: NDArray[np.float32]) -> NDArray[np.uint64]:
    return np.fromiter((xxhash.xxh3_64_intdigest(row.data) for row in rows), np.uint64, len(rows))


def _expand(blocks: NDArray[np.uint8], stated: Blocks) -> NDArray[np.float32]:
    from gguf import GGMLQuantizationType, dequantize

    shape = stated.shape[::-1] if stated.turned else stated.shape
    rows = _long_rows(blocks, prod(shape))
    numbers: NDArray[np.float32] = dequantize(rows, GGMLQuantizationType[stated.type]).reshape(shape)
    return np.ascontiguousarray(numbers.T) if stated.turned else numbers


def _long_rows(blocks: NDArray[np.uint8], numbers: int) -> NDArray[np.uint8]:
    """The same blocks in longer rows: where a row ends does not matter to what a block stands for."""
    rows = len(blocks)
    together = max(1, _NUMBERS_AT_ONCE * rows // (_ROWS_AT_ONCE * max(1, numbers)))
    while rows % together:
        together -= 1
    return blocks.reshape(rows // together, -1)
