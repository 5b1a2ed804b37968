"""One forward pass over a batch, and the states of every wanted layer from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fathom.models.architecture import FINAL, capturing
from fathom.models.load import LoadedModel
from fathom.models.sites import RESIDUAL, BlockSites, tapping
from fathom.runtime.errors import FathomError
from fathom.store.layout import ArrayKey, Shape


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
    """The bare forward pass: what extraction is measured against. Returns the model's output."""
    mask = np.arange(batch.ids.shape[1]) < batch.lengths[:, None]
    return model.module(
        input_ids=torch.from_numpy(batch.ids).to(model.device),
        attention_mask=torch.from_numpy(mask.astype(np.int64)).to(model.device),
        **wanted,
    )


@dataclass(frozen=True)
class Targets:
    """Where the states of a batch go: rows of arrays that may hold other texts too."""

    arrays: dict[ArrayKey, Tensor]
    """(Site, position) -> (layers, tokens or texts, width). On a GPU they hold this batch alone, in its order."""
    tokens: npt.NDArray[np.int64]
    """Row of the first token of every text, (batch,)."""
    texts: npt.NDArray[np.int64]
    """Row of every text at pooled positions, (batch,)."""


def packed_targets(batch: Batch, shape: Shape, device: torch.device) -> Targets:
    """Fresh memory for one batch: its tokens consecutive, its texts in the order of the batch, pads left out."""
    arrays = {
        key: torch.empty(
            shape.extent(key, len(batch.lengths), int(batch.lengths.sum())),
            dtype=torch.float32 if key[1] == "mean" else getattr(torch, shape.dtype),
            device=device,
        )
        for key in shape.arrays
    }
    return Targets(arrays=arrays, tokens=np.cumsum(batch.lengths) - batch.lengths, texts=np.arange(len(batch.lengths)))


def capture(
    model: LoadedModel, batch: Batch, shape: Shape, found: BlockSites, targets: Targets, *, attentions: bool = False
) -> tuple[Tensor | None, ...] | None:
    """Run a batch and put the states of every site, layer and position of `shape` into their targets.

    Returns the model's attention patterns by block, (batch, heads, T, T), where they are asked for. All states are in
    the dtype of the model but `mean`, which is accumulated in float32. Errors: FathomError if a part of the model puts
    out another dtype, whose bits the store could not hold.
    """
    put = _put_on_host if model.device.type == "cpu" else _put_on_device

    def keep(site: str, layer: str, state: Tensor) -> None:
        if state.dtype != getattr(torch, shape.dtype):
            found_dtype = str(state.dtype).removeprefix("torch.")
            msg = f"{site} of layer {layer} is computed in {found_dtype}, expected the model's {shape.dtype}"
            raise FathomError(msg)
        index = shape.layers[site].index(layer)
        state = state.reshape(*batch.ids.shape, shape.width)
        for position in shape.positions:
            put(targets.arrays[site, position][index], position, state, batch, targets)

    residual = shape.layers.get(RESIDUAL, ())
    sublayers = {site: layers for site, layers in shape.layers.items() if site != RESIDUAL}
    with (
        torch.inference_mode(),
        capturing(model.anatomy, residual, partial(keep, RESIDUAL)),
        tapping(found, sublayers, keep),
    ):
        output = forward(model, batch, output_attentions=True) if attentions else forward(model, batch)
        if FINAL in residual:
            keep(RESIDUAL, FINAL, output.last_hidden_state)
    return output.attentions if attentions else None


def _put_on_host(target: Tensor, position: str, state: Tensor, batch: Batch, targets: Targets) -> None:
    """Text by text: a plain copy of the rows of one text costs a tenth of an indexed one."""
    if position == "tokens":
        rows, source = as_numpy(target), as_numpy(state)
        for row, (first, length) in enumerate(zip(targets.tokens.tolist(), batch.lengths.tolist(), strict=True)):
            rows[first : first + length] = source[row, :length]
    elif position == "mean":
        for row, (text, length) in enumerate(zip(targets.texts.tolist(), batch.lengths.tolist(), strict=True)):
            target[text] = state[row, :length].sum(dim=0, dtype=torch.float32) / length
    else:
        picked = batch.picked(position)
        as_numpy(target)[targets.texts] = as_numpy(state)[np.arange(len(picked)), picked]


def _put_on_device(target: Tensor, position: str, state: Tensor, batch: Batch, targets: Targets) -> None:  # noqa: ARG001 - one signature for host and device
    """All texts at once: a GPU wants few large operations. The targets hold this batch alone."""
    real = torch.from_numpy(np.arange(batch.ids.shape[1]) < batch.lengths[:, None]).to(state.device)
    if position == "tokens":
        torch.index_select(state.flatten(0, 1), 0, real.flatten().nonzero().squeeze(1), out=target)
    elif position == "mean":
        # A pad's state is left out, not multiplied by 0: it may be infinite, and then the product is NaN.
        total = state.to(torch.float32).masked_fill(~real[..., None], 0.0).sum(dim=1)
        target.copy_(total / real.sum(dim=1, keepdim=True))
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
