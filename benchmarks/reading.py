"""Reading a store against reading a plain memory-mapped file of the same bytes, both warm in the page cache."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.pairs import Comparison, clock, interleave, speeds
from fathom.activations.settings import ActivationsSettings
from fathom.metrics.text_tables import BLOCK_BYTES
from fathom.store.layout import Shape
from fathom.store.reader import Activations
from fathom.store.writer import StoreWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAIRS = 9
LAYERS, WIDTH = 31, 576
TEXT_TOKENS = 100


def measure(folder: Path) -> list[Comparison]:
    """Measure all token states of 40 texts, and the mean states of 2,048 texts layer by layer."""
    return [_tokens(folder / "tokens", texts=40), _layers(folder / "mean", texts=2048)]


def _tokens(folder: Path, *, texts: int) -> Comparison:
    states = write_states(folder, "tokens", texts, texts * TEXT_TOKENS)
    block = BLOCK_BYTES // (4 * LAYERS * WIDTH * TEXT_TOKENS) * TEXT_TOKENS

    def ours() -> None:
        for _ in Activations([folder / "manifest.json"]).token_blocks(BLOCK_BYTES):
            pass

    def plain() -> None:
        mapped = np.memmap(folder / "plain.bin", dtype=np.float32, mode="r", shape=states)
        for first in range(0, states[1], block):
            np.array(mapped[:, first : first + block])

    return _compare(f"Read all token states of {texts} texts, blocks of {BLOCK_BYTES >> 20} MiB", ours, plain, states)


def _layers(folder: Path, *, texts: int) -> Comparison:
    states = write_states(folder, "mean", texts, texts)

    def ours() -> None:
        activations = Activations([folder / "manifest.json"])
        for layer in range(LAYERS):
            activations.pooled("mean", layer)

    def plain() -> None:
        mapped = np.memmap(folder / "plain.bin", dtype=np.float32, mode="r", shape=states)
        for layer in range(LAYERS):
            np.array(mapped[layer])

    return _compare(f"Read mean states of {texts:,} texts, one layer after another", ours, plain, states)


def write_states(folder: Path, position: str, texts: int, tokens: int) -> tuple[int, int, int]:
    """Write the same random states as a store and as a plain file; returns their shape."""
    folder.mkdir()
    rows = tokens if position == "tokens" else texts
    states = np.random.default_rng(0).standard_normal((LAYERS, rows, WIDTH), dtype=np.float32)
    states.tofile(folder / "plain.bin")
    shape = Shape(
        layers={"residual": tuple(str(layer) for layer in range(LAYERS))},
        texts=texts,
        tokens=tokens,
        width=WIDTH,
        depth=LAYERS - 1,
        dtype="float32",
        positions=(position,),
    )
    writer = StoreWriter(folder / "store.zarr.zip", shape, compression=ActivationsSettings().compression)
    facts = {key: np.zeros(shape.extent(key, texts, tokens), dtype=np.float32) for key in shape.arrays}
    writer.append(facts | {("residual", position): states})
    writer.close(np.zeros(tokens, dtype=np.int32), np.full(texts, tokens // texts, dtype=np.int64))
    writer.finish(folder / "manifest.json", {"sinks": {"rule": "none", "strings": {}}})
    return LAYERS, rows, WIDTH


def _compare(name: str, ours: Callable[[], None], plain: Callable[[], None], shape: tuple[int, int, int]) -> Comparison:
    ours()
    plain()
    seconds = interleave(lambda: clock(ours), lambda: clock(plain), PAIRS)
    megabytes = 4 * math.prod(shape) / 1e6
    return Comparison(
        name=f"{name}, float32, {megabytes:.0f} MB",
        against="numpy.memmap of the same bytes, copied to memory",
        unit="MB/s",
        pairs=speeds(seconds, megabytes),
        aim=None,
    )
