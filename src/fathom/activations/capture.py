"""One forward pass over a batch, and the states of every wanted layer from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fathom.activations.placed_attention import placing
from fathom.activations.received_attention import receiving
from fathom.models.architecture import FINAL, capturing, layer_names
from fathom.models.load import LoadedModel
from fathom.models.sites import RESIDUAL, BlockSites, tapping
from fathom.runtime.errors import FathomError
from fathom.store.layout import NORMED, ArrayKey, Shape, is_mean


@dataclass(frozen=True)
class Batch:
    """Texts that run together, padded on the right."""

    texts: npt.NDArray[np.int64]
    """Which texts, counted within the shard."""
    ids: npt.NDArray[np.int64]
    """Token ids, (batch, longest); 0 where padded."""
    lengths: npt.NDArray[np.int64]
    """Tokens of every text, (batch,)."""
    spans: dict[str, npt.NDArray[np.int64]]
    """Span name -> index of its last token, (batch,)."""

    def picked(self, position: str) -> npt.NDArray[np.int64]:
        """Index of the token that `last` or `span:<name>` means in every text, (batch,)."""
        return self.lengths - 1 if position == "last" else self.spans[position.removeprefix("span:")]


def make_batch(
    texts: npt.NDArray[np.int64], ids: list[npt.NDArray[np.int32]], spans: dict[str, npt.NDArray[np.int64]]
) -> Batch:
    """Pad the token ids of some texts to the longest of them."""
    lengths = np.array([len(ids[text]) for text in texts], dtype=np.int64)
    padded = np.zeros((len(texts), int(lengths.max())), dtype=np.int64)
    for row, text in enumerate(texts):
        padded[row, : lengths[row]] = ids[text]
    return Batch(texts=texts, ids=padded, lengths=lengths, spans={name: ends[texts] for name, ends in spans.items()})


def forward(model: LoadedModel, batch: Batch, **wanted: bool) -> Any:
    """The bare forward pass: what extraction is measured against. Returns the model's output.

    Without a cache of keys and values, which a decoder would keep for tokens that never follow.
    """
    mask = np.arange(batch.ids.shape[1]) < batch.lengths[:, None]
    return model.run(
        torch.from_numpy(batch.ids).to(model.device),
        torch.from_numpy(mask.astype(np.int64)).to(model.device),
        **wanted,
    )


@dataclass(frozen=True)
class Targets:
    """Where the states of a batch go: rows of arrays that may hold other texts too."""

    arrays: dict[ArrayKey, Tensor]
    """(Site, position) -> (layers, tokens or texts, width). On a GPU they hold this batch alone, in its order. Token
    states are among them where a mean is stored, even if they are not stored themselves."""
    tokens: npt.NDArray[np.int64]
    """Row of the first token of every text, (batch,)."""
    texts: npt.NDArray[np.int64]
    """Row of every text at pooled positions, (batch,)."""


def captured(shape: Shape) -> tuple[ArrayKey, ...]:
    """Arrays that a pass fills: those that are stored, and token states wherever something is made of them."""
    made = any(is_mean(position) or position.startswith(NORMED) for position in shape.positions)
    tokens = {(site, "tokens"): None for site in shape.layers} if made else {}
    return tuple(dict.fromkeys(shape.states) | tokens)


def packed_targets(batch: Batch, shape: Shape, device: torch.device) -> Targets:
    """Fresh memory for one batch: its tokens consecutive, its texts in the order of the batch, pads left out."""
    arrays = {
        key: torch.empty(
            shape.extent(key, len(batch.lengths), int(batch.lengths.sum())),
            dtype=torch.float32 if is_mean(key[1]) else getattr(torch, shape.dtype),
            device=device,
        )
        for key in captured(shape)
    }
    return Targets(arrays=arrays, tokens=np.cumsum(batch.lengths) - batch.lengths, texts=np.arange(len(batch.lengths)))


@dataclass(frozen=True)
class Observed:
    """What a pass shows of the tokens of a batch, beside their states."""

    norms: npt.NDArray[np.float32]
    """Norm of the residual stream at layers 0 .. depth, (layers, batch, longest); of pads too."""
    head_shares: npt.NDArray[np.float32]
    """Share of the heads of each block that attend to a token, (blocks, batch, longest); NaN where it is not known."""
    attentions: list[Tensor | None] | None
    """The model's attention patterns by block, (batch, heads, T, T), where they are asked for and can be placed."""


def capture(
    model: LoadedModel,
    batch: Batch,
    shape: Shape,
    found: BlockSites,
    targets: Targets,
    *,
    attention: float,
    attentions: bool = False,
) -> Observed:
    """Run a batch and put the states of every site and layer of `shape` into their targets, at `captured` positions.

    `attention` is the threshold at which a head attends to a token. Means are left to `pool`, which is told the sinks.
    All states are in the dtype of the model. Errors: FathomError if a part of the model puts out another dtype, whose
    bits the store could not hold.
    """
    put = _put_on_host if model.device.type == "cpu" else _put_on_device
    residual = shape.layers.get(RESIDUAL, ())
    blocks = layer_names("all", model.architecture.depth, "")
    norms = torch.empty((len(blocks), *batch.ids.shape), device=model.device)
    read = [position for site, position in captured(shape) if site == next(iter(shape.layers))]
    read = [position for position in read if not is_mean(position) and not position.startswith(NORMED)]

    def keep(site: str, layer: str, state: Tensor) -> None:
        if shape.dtype == "float32":  # which holds every other precision, where a model mixes them
            state = state.to(torch.float32)
        if state.dtype != getattr(torch, shape.dtype):
            found_dtype = str(state.dtype).removeprefix("torch.")
            msg = f"{site} of layer {layer} is computed in {found_dtype}, expected the model's {shape.dtype}"
            raise FathomError(msg)
        index = shape.layers[site].index(layer)
        state = state.reshape(*batch.ids.shape, shape.width_of(site))
        for position in read:
            put(targets.arrays[site, position][index], position, state, batch, targets)

    def observe(layer: str, state: Tensor) -> None:
        state = state.reshape(*batch.ids.shape, -1)
        torch.linalg.vector_norm(state, dim=-1, dtype=torch.float32, out=norms[int(layer)])
        if layer in residual:
            keep(RESIDUAL, layer, state)

    sublayers = {site: layers for site, layers in shape.layers.items() if site != RESIDUAL}
    with (
        torch.inference_mode(),
        capturing(model.architecture, blocks, observe, tokens=batch.ids.shape[1]),
        tapping(found, sublayers, keep),
        receiving(model.architecture.blocks, batch.lengths, batch.ids.shape[1], attention) as shares,
    ):
        maps: list[Tensor | None] | None = None
        if attentions:
            with placing(model.architecture.blocks) as place:
                output = forward(model, batch, output_attentions=True)
            maps = place(getattr(output, "attentions", None))
        else:
            output = forward(model, batch)
        if FINAL in residual:
            keep(RESIDUAL, FINAL, output.last_hidden_state)
    return Observed(norms.cpu().numpy(), shares.cpu().numpy(), maps)


def _put_on_host(target: Tensor, position: str, state: Tensor, batch: Batch, targets: Targets) -> None:
    """Text by text: a plain copy of the rows of one text costs a tenth of an indexed one."""
    if position == "tokens":
        rows, source = as_numpy(target), as_numpy(state)
        for row, (first, length) in enumerate(zip(targets.tokens.tolist(), batch.lengths.tolist(), strict=True)):
            rows[first : first + length] = source[row, :length]
    else:
        picked = batch.picked(position)
        as_numpy(target)[targets.texts] = as_numpy(state)[np.arange(len(picked)), picked]


def _put_on_device(target: Tensor, position: str, state: Tensor, batch: Batch, targets: Targets) -> None:  # noqa: ARG001 - one signature for host and device
    """All texts at once: a GPU wants few large operations. The targets hold this batch alone."""
    if position == "tokens":
        real = torch.from_numpy(np.arange(batch.ids.shape[1]) < batch.lengths[:, None]).to(state.device)
        torch.index_select(state.flatten(0, 1), 0, real.flatten().nonzero().squeeze(1), out=target)
    else:
        picked = torch.from_numpy(batch.picked(position)).to(state.device)
        target.copy_(state[torch.arange(len(picked), device=state.device), picked])


def as_numpy(state: Tensor) -> npt.NDArray[Any]:
    """The same memory as NumPy sees it: bfloat16 as the bits of uint16."""
    return state.view(torch.uint16).numpy() if state.dtype == torch.bfloat16 else state.numpy()


def as_tensor(stored: npt.NDArray[Any]) -> Tensor:
    """The same memory as torch sees it: the reverse of `as_numpy`."""
    tensor = torch.from_numpy(stored)
    return tensor.view(torch.bfloat16) if stored.dtype == np.uint16 else tensor
