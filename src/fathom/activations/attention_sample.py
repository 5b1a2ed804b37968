"""Attention patterns of a sample of texts, from one more pass of each with eager attention."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from fathom.activations.capture import Batch, Targets, capture, make_batch, packed_targets
from fathom.activations.placed_attention import placing
from fathom.activations.pooling import pool
from fathom.activations.tokenisation import TokenisedTexts
from fathom.models.architecture import probe_ids
from fathom.models.load import LoadedModel
from fathom.models.sites import BlockSites, find_sites
from fathom.runtime.errors import FathomError, first_line
from fathom.store.layout import NORMED, WITHOUT_SINKS, ArrayKey, Float32Array, IntArray, Shape, is_pooled
from fathom.store.writer import StoreWriter

# Units of round-off by which a row of a pattern may miss 1: only the rounding of its own entries.
ROW_UNITS = 8.0
# Largest difference of eager attention's states from the stored ones, in units of the largest state of the layer. It is
# round-off of sums in another order, which grows from block to block: 3.8e-6 for SmolLM2 in float32, 4.6e-2 in
# bfloat16, 1.8e-6 for MiniLM in float32. The limits leave room above these; that of float16 was not measured.
TOLERANCE = {"float32": 1e-4, "float16": 3e-2, "bfloat16": 2e-1}


@dataclass(frozen=True)
class Sampled:
    """What came of a sample of attention patterns."""

    missing: str | None = None
    """Why there are none; the states are right all the same."""
    difference: float = 0.0
    """Largest difference of the states of eager attention from those in the store, by the largest state of a layer."""
    rest: float = 0.0
    """Mean share of attention that goes to no token, where a model has learned a sink beside the tokens (GPT-OSS)."""
    blocks: int = 0
    """Blocks that give patterns; the others of a hybrid have no attention over the tokens."""


class _NoMapsError(Exception):
    """Patterns that are not what they should be."""


def write_sample(
    model: LoadedModel,
    texts: TokenisedTexts,
    chosen: IntArray,
    shape: Shape,
    writer: StoreWriter,
    found: BlockSites,
    describe: Callable[[int], str],
) -> Sampled:
    """Run the chosen texts once more, one at a time, and store their attention patterns, all or none.

    Of a hybrid the blocks without attention have NaN. None are stored if the model has no eager attention, if no block
    gives a pattern, if a row of a pattern sums to more than 1, or if the states differ from the stored ones by more
    than round-off.
    """
    compared = [key for key in shape.states if not key[1].endswith(WITHOUT_SINKS) and not key[1].startswith(NORMED)]
    stored = texts.lengths if shape.with_tokens is None else texts.lengths * shape.with_tokens
    starts = np.cumsum(stored) - stored
    sampled = Sampled()
    writer.end_states()
    # They wait in a file until the last one is known to be right, for a store cannot take them back.
    with tempfile.TemporaryFile(dir=writer.folder) as waiting:
        for opened in (switched_attention, reloaded_attention):
            waiting.seek(0)
            differences, rests = [0.0], []
            sizes: list[tuple[int, ...]] = []
            try:
                with opened(model) as (eager, giving):
                    parts = found if eager is model or not found.taps else find_sites(eager.module, eager.architecture)
                    for text in chosen.tolist():
                        batch = make_batch(np.array([text]), texts.ids, texts.spans)
                        targets = packed_targets(batch, shape, eager.device)
                        seen = capture(eager, batch, shape, parts, targets, attention=1.0, attentions=True)
                        maps = _checked(seen.attentions, giving, eager.architecture.depth, describe(text))
                        none = [np.zeros(int(batch.lengths[0]), dtype=np.bool_)]
                        pool(batch, _without_normed(shape), targets, none, None)
                        differences.append(_difference(targets, batch, int(starts[text]), writer, compared))
                        _refuse_other_states(differences[-1], shape, describe(text))
                        rests.append(1.0 - float(maps[giving].sum(axis=-1, dtype=np.float64).mean()))
                        sizes.append(maps.shape)
                        waiting.write(maps.tobytes())
            except _NoMapsError as error:
                sampled = Sampled(missing=sampled.missing or str(error))
                continue
            waiting.seek(0)
            writer.write_patterns(chosen, texts.lengths[chosen], _read(waiting, sizes))
            return Sampled(None, max(differences), max(0.0, float(np.mean(rests))), len(giving))
    return sampled


def _refuse_other_states(difference: float, shape: Shape, place: str) -> None:
    if difference > TOLERANCE[shape.dtype]:
        msg = f"{place}: the states with eager attention differ from the stored ones by {difference:.1e} of the "
        msg += f"largest state of a layer, expected at most {TOLERANCE[shape.dtype]:.0e}"
        raise _NoMapsError(msg)


def _read(waiting: IO[bytes], sizes: list[tuple[int, ...]]) -> Iterator[Float32Array]:
    for size in sizes:
        yield np.frombuffer(waiting.read(4 * math.prod(size)), dtype=np.float32).reshape(size)


def _without_normed(shape: Shape) -> Shape:
    return replace(shape, positions=tuple(one for one in shape.positions if not one.startswith(NORMED)))


@contextmanager
def switched_attention(model: LoadedModel) -> Iterator[tuple[LoadedModel, list[int]]]:
    """While active, the model computes its attention patterns as matrices, which fused kernels do not.

    Yields the model and which of its blocks, from 0, give such patterns.
    """
    config: Any = model.module.config
    before = config._attn_implementation
    try:
        model.module.set_attn_implementation("eager")  # type: ignore[operator]  # nn.Module types it a Tensor
    except ValueError as error:
        msg = f"the model has no eager attention ({first_line(error)})"
        raise _NoMapsError(msg) from error
    try:
        yield model, _giving(model)
    finally:
        model.module.set_attn_implementation(before)  # type: ignore[operator]  # nn.Module types it a Tensor


@contextmanager
def reloaded_attention(model: LoadedModel) -> Iterator[tuple[LoadedModel, list[int]]]:
    """The same checkpoint loaded once more with eager attention, for models that choose theirs as they are built."""
    if model.reload is None:
        msg = "the model cannot be loaded once more"
        raise _NoMapsError(msg)
    try:
        eager = model.reload("eager")
    except FathomError as error:
        raise _NoMapsError(str(error)) from error
    yield eager, _giving(eager)


def _giving(model: LoadedModel) -> list[int]:
    """The blocks, from 0, that give attention patterns over the tokens; others may give states of another kind.

    Refuses a model that does not run where patterns are asked for, or of which no block gives any.
    """
    ids, depth = probe_ids(model.module), model.architecture.depth
    try:
        with torch.inference_mode(), placing(model.architecture.blocks) as place:
            output = model.run(ids, torch.ones_like(ids), output_attentions=True)
    except Exception as error:  # models raise anything
        msg = f"{model.kind} gives no attention patterns ({type(error).__name__}: {first_line(error)})"
        raise _NoMapsError(msg) from error
    placed = place(getattr(output, "attentions", None))
    if placed is None:
        msg = f"{model.kind} gives {len(output.attentions)} attention patterns that are not those of its {depth} blocks"
        raise _NoMapsError(msg)
    shapes = {block: tuple(one.shape) for block, one in enumerate(placed) if one is not None}
    giving = [block for block, shape in shapes.items() if shape[:1] + shape[2:] == (*ids.shape, ids.shape[1])]
    if not giving:
        found = f", but {' and '.join(sorted({str(shape[1:]) for shape in shapes.values()}))}" if shapes else ""
        msg = f"0 of {depth} blocks give attention patterns{' (heads, T, T)' if found else ''}{found}"
        raise _NoMapsError(msg)
    return giving


def _checked(attentions: list[Tensor | None] | None, giving: list[int], depth: int, place: str) -> Float32Array:
    """Patterns of one text as (blocks, heads, T, T), NaN for blocks that give none.

    A row sums to 1, or to less where a sink is learned.
    """
    blocks = [one for one in map((attentions or [None] * depth).__getitem__, giving) if one is not None]
    shapes = sorted({tuple(block.shape[1:]) for block in blocks})
    if len(blocks) != len(giving) or len(shapes) != 1 or shapes[0][-1] != shapes[0][-2]:
        msg = f"{place}: the blocks give attention patterns of shape {' and '.join(map(str, shapes)) or 'none'}, "
        msg += "expected one (heads, T, T) for all"
        raise _NoMapsError(msg)
    patterns = torch.cat(blocks)
    lowest, excess = float(patterns.min()), patterns.sum(dim=-1, dtype=torch.float64) - 1.0
    if lowest < 0.0:
        msg = f"{place}: attention of its blocks goes down to {lowest:.3g}, expected parts of 1"
        raise _NoMapsError(msg)
    # The largest is taken as "not at most", for NaN is no number that is larger.
    if not float(excess.max()) <= ROW_UNITS * torch.finfo(patterns.dtype).eps:
        block, head, row = (int(index) for index in np.unravel_index(int(excess.argmax()), excess.shape))
        total = float(patterns[block, head, row].sum(dtype=torch.float64))
        msg = f"{place}: attention of block {giving[block] + 1}, head {head + 1}, token {row} sums to {total:.6g}, "
        msg += "expected parts of 1"
        raise _NoMapsError(msg)
    whole = np.full((depth, *shapes[0]), np.nan, dtype=np.float32)
    whole[giving] = patterns.to(torch.float32).cpu().numpy()
    return whole


def _difference(
    targets: Targets, batch: Batch, first_token: int, writer: StoreWriter, compared: Sequence[ArrayKey]
) -> float:
    """Largest difference of the states of one text from the stored ones, by the largest state of each layer."""
    text, length = int(batch.texts[0]), int(batch.lengths[0])
    largest = 0.0
    for key in compared:
        states = targets.arrays[key]
        first, last = (text, text + 1) if is_pooled(key) else (first_token, first_token + length)
        stored = torch.from_numpy(writer.read_back(key, first, last))
        difference = (states.to(torch.float32).cpu() - stored).abs().flatten(1).amax(dim=1)
        scale = stored.abs().flatten(1).amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny)
        largest = max(largest, float((difference / scale).max()))
    return largest
