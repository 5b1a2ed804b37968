"""What a file of weights declares, read from its head alone and checked before any library reads its weights.

Of safetensors the library itself checks all that there is to check. GGUF is checked here, before its library reads it:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError, safe_open

from fathom.runtime.errors import FathomError, first_line

_PLAIN = ("F64", "F32", "F16", "BF16")  # types of weights in safetensors' words
_GGUF_VERSIONS = (2, 3)
_GGUF_MOST_DIMENSIONS = 4
_GGUF_STRING, _GGUF_ARRAY = 8, 9
_GGUF_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True)
class Weights:
    """What files of weights declare."""

    shapes: dict[str, tuple[int, ...]]
    """Name of a tensor -> its shape."""

    @property
    def numbers(self) -> int:
        """Numbers in all tensors."""
        return sum(prod(shape) for shape in self.shapes.values())

    @property
    def sides(self) -> set[int]:
        """Every length that a side of a tensor has."""
        return {side for shape in self.shapes.values() for side in shape}


def read_safetensors_header(path: Path, *, in_blocks: bool = False) -> Weights:
    """Tensors that a safetensors file declares.

    The library checks the header itself: its length, every type, shape and offset, that the tensors cover the file byte
    by byte. No tensor is read. Errors: FathomError if it refuses the file, or if weights are integers or of 8 bits:
    what they stand for is not what the file holds. `in_blocks`: its metadata says what such weights stand for.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            shapes = {name: tuple(one.get_shape()) for name, one in slices.items()}
            kinds = {name: str(one.get_dtype()) for name, one in slices.items()}
    except (OSError, SafetensorError) as error:
        msg = f"{path}: not a safetensors file ({first_line(error)})"
        raise FathomError(msg) from error
    for name, kind in kinds.items():
        if not in_blocks and name.endswith("weight") and kind not in _PLAIN:
            msg = f"{path}: {name} is stored as {kind}: quantised weights are not read; take those they were made of"
            raise FathomError(msg)
    return Weights(shapes)


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file declares."""

    facts: dict[str, Any]
    """Its key-value pairs; of an array only the length."""
    weights: Weights

    def count(self, key: str) -> int | None:
        """A number that stands under the architecture's name, `block_count` say; None if it is not there."""
        value = self.facts.get(f"{self.facts.get('general.architecture')}.{key}")
        return value if type(value) is int else None


def read_gguf_header(path: Path) -> GgufHeader:
    """Facts and tensors that a GGUF file declares.

    Errors: FathomError if it is no GGUF file, ends within its header, or declares more than a file of its size holds.
    """
    try:
        with path.open("rb") as stream:
            reader = _GgufReader(stream, path.stat().st_size)
            return reader.header()
    except (OSError, ValueError) as error:
        msg = f"{path.name}: not a GGUF file that can be read ({first_line(error)})"
        raise FathomError(msg) from error


class _GgufReader:
    """Reads forward; every count is compared with the bytes that are left before anything of that size is made."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def header(self) -> GgufHeader:
        if self._bytes(4) != b"GGUF":
            msg = "it does not begin with GGUF"
            raise ValueError(msg)
        version = self._number("I")
        if version not in _GGUF_VERSIONS:
            msg = f"version {version}, expected {' or '.join(map(str, _GGUF_VERSIONS))}"
            raise ValueError(msg)
        tensors = self._count(least=24)
        pairs = self._count(least=13)
        facts: dict[str, Any] = {}
        for _ in range(pairs):
            key = self._string()
            facts[key] = self._value(self._number("I"))
        shapes: dict[str, tuple[int, ...]] = {}
        for _ in range(tensors):
            name, shape = self._tensor()
            shapes[name] = shape
        return GgufHeader(facts, Weights(shapes))

    def _bytes(self, count: int) -> bytes:
        if count > self._left:
            msg = "it ends within its header"
            raise ValueError(msg)
        self._left -= count
        content = self._stream.read(count)
        if len(content) != count:
            msg = "it ends within its header"
            raise ValueError(msg)
        return content

    def _number(self, kind: str) -> Any:
        return struct.unpack(f"<{kind}", self._bytes(struct.calcsize(f"<{kind}")))[0]

    def _count(self, *, least: int) -> int:
        """A number of things that take at least so many bytes each."""
        count = int(self._number("Q"))
        if count * least > self._left:
            msg = f"it declares {count:,} entries, more than a file of its size can hold"
            raise ValueError(msg)
        return count

    def _string(self) -> str:
        return self._bytes(self._count(least=1)).decode("utf-8", errors="replace")

    def _value(self, kind: int) -> Any:
        if kind == _GGUF_ARRAY:
            return self._array()
        if kind == _GGUF_STRING:
            return self._string()
        if kind not in _GGUF_FORMATS:
            msg = f"a value of unknown type {kind}"
            raise ValueError(msg)
        return self._number(_GGUF_FORMATS[kind])

    def _array(self) -> int:
        """Skip an array; returns its length."""
        kind = self._number("I")
        skip: Callable[[], Any]
        if kind in _GGUF_FORMATS:
            size = struct.calcsize(f"<{_GGUF_FORMATS[kind]}")
            count = self._count(least=size)
            self._left -= count * size
            self._stream.seek(count * size, 1)
            return count
        if kind == _GGUF_STRING:
            count, skip = self._count(least=8), self._string
            for _ in range(count):
                skip()
            return count
        msg = f"an array of unknown type {kind}"
        raise ValueError(msg)

    def _tensor(self) -> tuple[str, tuple[int, ...]]:
        name = self._string()
        dimensions = self._number("I")
        if dimensions > _GGUF_MOST_DIMENSIONS:
            msg = f"tensor {name[:100]!r} has {dimensions} dimensions, expected at most {_GGUF_MOST_DIMENSIONS}"
            raise ValueError(msg)
        shape = tuple(int(self._number("Q")) for _ in range(dimensions))
        self._number("I")
        self._number("Q")
        # No quantisation packs more than about 32 numbers into a byte or two.
        if prod(shape) > 64 * (self._left + 64):
            msg = f"tensor {name[:100]!r} of shape {shape} is larger than the file"
            raise ValueError(msg)
        return name, shape
