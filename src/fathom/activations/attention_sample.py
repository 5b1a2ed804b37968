"""Attention patterns of a sample of texts, from one more pass of each with eager attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fathom.activations.capture import Batch, Targets, capture, make_batch, packed_targets
from fathom.activations.pooling import pool
from fathom.activations.tokenisation import TokenisedTexts
from fathom.models.load import LoadedModel
from fathom.models.sites import BlockSites
from fathom.runtime.errors import FathomError, first_line
from fathom.store.layout import NORMED, WITHOUT_SINKS, ArrayKey, Float32Array, IntArray, Shape, is_pooled
from fathom.store.writer import StoreWriter

# Units of round-off by which a row of a pattern may miss 1: only the rounding of its own entries.
ROW_UNITS = 8.0
# Largest difference of eager attention's states from the stored ones, in units of the largest state of the layer. It is
# round-off of sums in another order, which grows from block to block: 3.8e-6 for SmolLM2 in float32, 4.6e-2 in
# bfloat16, 1.8e-6 for MiniLM in float32. The limits leave room above these; that of float16 was not measured.
TOLERANCE = {"float32": 1e-4, "float16": 3e-2, "bfloat16": 2e-1}


def write_sample(
    model: LoadedModel,
    texts: TokenisedTexts,
    chosen: IntArray,
    shape: Shape,
    writer: StoreWriter,
    found: BlockSites,
    describe: Callable[[int], str],
) -> float:
    """Run the chosen texts once more, one at a time, and store their attention patterns.

    Returns the largest difference of their states from those in the store, in units of the largest state of a layer.
    Errors: FathomError if the model has no eager attention, if the rows of a pattern do not sum to 1, or if the states
    differ by more than round-off.
    """
    differences = [0.0]
    compared = [key for key in shape.states if not key[1].endswith(WITHOUT_SINKS) and not key[1].startswith(NORMED)]
    starts = np.cumsum(texts.lengths) - texts.lengths

    def patterns() -> Iterator[Float32Array]:
        for text in chosen.tolist():
            batch = make_batch(np.array([text]), texts.ids, texts.spans)
            targets = packed_targets(batch, shape, model.device)
            seen = capture(model, batch, shape, found, targets, attention=1.0, attentions=True)
            pool(batch, _without_normed(shape), targets, [np.zeros(int(batch.lengths[0]), dtype=np.bool_)], None)
            differences.append(_difference(targets, batch, int(starts[text]), writer, compared))
            if differences[-1] > TOLERANCE[shape.dtype]:
                other = f"its states with eager attention differ from the stored ones by {differences[-1]:.1e}"
                msg = f"{describe(text)}: {other} of the largest state of a layer, expected at most "
                msg += f"{TOLERANCE[shape.dtype]:.0e}; set activations.attention_texts to 0"
                raise FathomError(msg)
            yield _checked(seen.attentions, describe(text))

    writer.end_states()
    with eager_attention(model, describe(int(chosen[0]))):
        writer.write_patterns(chosen, texts.lengths[chosen], patterns())
    return max(differences)


def _without_normed(shape: Shape) -> Shape:
    return replace(shape, positions=tuple(one for one in shape.positions if not one.startswith(NORMED)))


@contextmanager
def eager_attention(model: LoadedModel, place: str) -> Iterator[None]:
    """While active, the model computes its attention patterns as matrices, which fused kernels do not."""
    config: Any = model.module.config
    before = config._attn_implementation
    try:
        model.module.set_attn_implementation("eager")  # type: ignore[operator]  # nn.Module types it a Tensor
    except ValueError as error:
        msg = f"{place}: the model has no eager attention ({first_line(error)}); set activations.attention_texts to 0"
        raise FathomError(msg) from error
    try:
        yield
    finally:
        model.module.set_attn_implementation(before)  # type: ignore[operator]  # as above


def _checked(attentions: tuple[Tensor | None, ...] | None, place: str) -> Float32Array:
    """Patterns of one text as (blocks, heads, T, T), every row of which sums to 1."""
    blocks = [block for block in attentions or () if block is not None]
    if not blocks or len({block.shape for block in blocks}) != 1:
        msg = f"{place}: {len(blocks)} blocks give attention patterns of one shape, expected all; "
        msg += "set activations.attention_texts to 0"
        raise FathomError(msg)
    patterns = torch.cat(blocks)
    misses = (patterns.sum(dim=-1, dtype=torch.float64) - 1.0).abs()
    # The largest is taken as "not at most", for NaN is no number that is larger.
    if not float(misses.max()) <= ROW_UNITS * torch.finfo(patterns.dtype).eps:
        block, head, row = (int(index) for index in np.unravel_index(int(misses.argmax()), misses.shape))
        total = float(patterns[block, head, row].sum(dtype=torch.float64))
        msg = f"{place}: attention of block {block + 1}, head {head + 1}, token {row} sums to {total:.6g}, expected 1"
        raise FathomError(msg)
    return patterns.to(torch.float32).cpu().numpy()


def _difference(
    targets: Targets, batch: Batch, first_token: int, writer: StoreWriter, stored: Sequence[ArrayKey]
) -> float:
    """Largest difference of the states of one text from the stored ones, by the largest state of each layer."""
    text, length = int(batch.texts[0]), int(batch.lengths[0])
    largest = 0.0
    for key in stored:
        states = targets.arrays[key]
        first, last = (text, text + 1) if is_pooled(key) else (first_token, first_token + length)
        stored = torch.from_numpy(writer.read_back(key, first, last))
        difference = (states.to(torch.float32).cpu() - stored).abs().flatten(1).amax(dim=1)
        scale = stored.abs().flatten(1).amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny)
        largest = max(largest, float((difference / scale).max()))
    return largest
