"""One forward pass over a batch, and the states of every wanted layer from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fathom.models.anatomy import FINAL, capturing
from fathom.models.load import LoadedModel


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


def make_batch(
    texts: npt.NDArray[np.int64], ids: list[npt.NDArray[np.int32]], spans: dict[str, npt.NDArray[np.int64]]
) -> Batch:
    """Pad the token ids of some texts to the longest of them."""
    lengths = np.array([len(ids[text]) for text in texts], dtype=np.int64)
    padded = np.zeros((len(texts), int(lengths.max())), dtype=np.int64)
    for row, text in enumerate(texts):
        padded[row, : lengths[row]] = ids[text]
    return Batch(texts=texts, ids=padded, lengths=lengths, spans={name: ends[texts] for name, ends in spans.items()})


def forward(model: LoadedModel, batch: Batch) -> Tensor:
    """The bare forward pass: what extraction is measured against."""
    mask = np.arange(batch.ids.shape[1]) < batch.lengths[:, None]
    output = model.module(
        input_ids=torch.from_numpy(batch.ids).to(model.device),
        attention_mask=torch.from_numpy(mask.astype(np.int64)).to(model.device),
    )
    final: Tensor = output.last_hidden_state
    return final


def capture(
    model: LoadedModel, batch: Batch, layers: tuple[str, ...], positions: tuple[str, ...], width: int
) -> dict[str, Tensor]:
    """Run a batch and return position -> (layers, tokens or texts, width) on the model's device.

    Tokens of a text are consecutive, texts follow the batch, pads are left out. All is in the dtype of the model but
    `mean`, which is accumulated and returned in float32.
    """
    longest = batch.ids.shape[1]
    real = torch.from_numpy(np.arange(longest) < batch.lengths[:, None]).to(model.device)
    picked = {"last": batch.lengths - 1, **{f"span:{name}": ends for name, ends in batch.spans.items()}}
    tokens = real.flatten().nonzero().squeeze(1)
    rows = torch.arange(len(batch.lengths), device=model.device)
    dtype = next(model.module.parameters()).dtype
    counts = {
        position: int(batch.lengths.sum()) if position == "tokens" else len(batch.lengths) for position in positions
    }
    states = {
        position: torch.empty(
            (len(layers), count, width), dtype=torch.float32 if position == "mean" else dtype, device=model.device
        )
        for position, count in counts.items()
    }

    def keep(layer: str, state: Tensor) -> None:
        target = layers.index(layer)
        for position, kept in states.items():
            if position == "tokens":
                torch.index_select(state.reshape(-1, width), 0, tokens, out=kept[target])
            elif position == "mean":
                # A pad's state is left out, not multiplied by 0: it may be infinite, and then the product is NaN.
                total = state.to(torch.float32).masked_fill(~real[..., None], 0.0).sum(dim=1)
                kept[target] = total / real.sum(dim=1, keepdim=True)
            else:
                kept[target] = state[rows, torch.from_numpy(picked[position]).to(model.device)]

    with torch.inference_mode(), capturing(model.anatomy, layers, keep):
        final = forward(model, batch)
        if FINAL in layers:
            keep(FINAL, final)
    return states
