"""Curvature of all texts of a store against a plain read of the same states from the same store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.pairs import Aim, Comparison, clock, interleave
from benchmarks.reading import LAYERS, TEXT_TOKENS, WIDTH, write_states
from fathom.metrics.definitions.curvature import curvature
from fathom.metrics.text_tables import BLOCK_BYTES
from fathom.store.reader import Activations

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PAIRS = 9
TEXTS = 40


def measure(folder: Path, texts: int = TEXTS) -> Comparison:
    """Measure curvature of all `texts` at all layers, the reading of their states included."""
    write_states(folder, "tokens", texts, texts * TEXT_TOKENS)

    def ours() -> None:
        for block in Activations([folder / "manifest.json"]).token_blocks(BLOCK_BYTES):
            for text in block:
                layer_curvatures(text)

    def plain() -> None:
        for _ in Activations([folder / "manifest.json"]).token_blocks(BLOCK_BYTES):
            pass

    ours()
    plain()
    size = f"{texts} texts x {LAYERS} layers of {TEXT_TOKENS} x {WIDTH}"
    return Comparison(
        name=f"Curvature, {size}, reading included, 1 thread",
        against="one read of the same states from the store",
        unit="s",
        pairs=interleave(lambda: clock(ours), lambda: clock(plain), PAIRS),
        aim=Aim("at most", 3.0),
    )


def layer_curvatures(text: npt.NDArray[np.floating]) -> list[float]:
    """Curvature of one text, (layers, tokens, width), at every layer."""
    return [curvature(layer) for layer in text]
