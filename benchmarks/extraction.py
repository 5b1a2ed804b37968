"""Extraction with the store against the bare forward pass over the very same batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.pairs import Aim, Comparison, clock, interleave, speeds
from fathom.activations.capture import Batch, forward
from fathom.activations.extraction import extract, stored_positions, window_batches, window_ranges
from fathom.activations.job import ExtractionSettings
from fathom.models.architecture import layer_names
from fathom.models.sites import BlockSites
from fathom.store.layout import Shape
from fathom.store.writer import StoreWriter

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.models import Case
    from fathom.activations.tokenisation import TokenisedTexts

PAIRS = 5


def measure(case: Case, folder: Path) -> tuple[Comparison, Path]:
    """Measure one model; returns the comparison and the manifest of the store that the last run left in `folder`."""
    before = torch.get_num_threads()
    torch.set_num_threads(case.threads)
    model, texts = case.model(), case.tokens()
    shape = Shape(
        layers={"residual": layer_names(case.activations.layers, model.architecture.depth, case.title)},
        texts=len(texts.ids),
        tokens=int(texts.lengths.sum()),
        width=model.architecture.width,
        depth=model.architecture.depth,
        dtype=case.dtype,
        positions=stored_positions(case.activations, texts, case.title),
    )
    settings = ExtractionSettings(
        model=case.title, corpus="random-tokens", dtype=case.dtype, shard=0, activations=case.activations
    )
    planned = same_batches(texts, shape, settings)
    names = [str(text) for text in range(shape.texts)]
    store, manifest = folder / "store.zarr.zip", folder / "store.manifest.json"

    def bare() -> None:
        with torch.inference_mode():
            for batch in planned:
                forward(model, batch)
        if model.device.type == "cuda":
            torch.cuda.synchronize()

    def with_store() -> None:
        writer = StoreWriter(store, shape, compression=case.activations.compression)
        # No text is so short that it is compared with the reference.
        extract(model, texts, shape, writer, settings, ids=names, found=BlockSites(), reference=texts.ids[0])
        writer.close(np.concatenate(texts.ids), texts.lengths)
        writer.finish(
            manifest, {"model": case.title, "sinks": {"rule": case.activations.sinks.in_words(), "strings": {}}}
        )

    def fresh_store() -> float:
        store.unlink(missing_ok=True)
        return clock(with_store)

    bare()  # the first pass pays for what later ones find ready
    fresh_store()
    seconds = interleave(fresh_store, lambda: clock(bare), PAIRS)
    torch.set_num_threads(before)
    comparison = Comparison(
        name=f"Extraction of {', '.join(case.activations.positions)}, {case.title}'s shape, {case.dtype}, "
        f"{case.place}, {shape.tokens:,} tokens",
        against="bare forward pass, same batches",
        unit="tokens/s",
        pairs=speeds(seconds, shape.tokens),
        aim=Aim("at least", 0.95),
    )
    return comparison, manifest


def same_batches(texts: TokenisedTexts, shape: Shape, settings: ExtractionSettings) -> list[Batch]:
    """The batches that `extract` makes of these texts."""
    return [
        batch
        for first, last in window_ranges(texts, shape, settings.activations)
        for batch in window_batches(texts, first, last, settings.activations.token_budget)
    ]
