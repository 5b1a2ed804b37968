"""States that are made of a text's token states: means with and without its sinks, and states after the final norm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fathom.activations.capture import Batch, Targets
from fathom.models.sites import RESIDUAL
from fathom.store.layout import NORMED, WITHOUT_SINKS, Shape, is_mean, of_embedding

Norm = Callable[[Tensor], Tensor]
EMBEDDING = "0"
"""Name of the layer before the first block."""


def pool(
    batch: Batch, shape: Shape, targets: Targets, sinks: Sequence[npt.NDArray[np.bool_]], norm: Norm | None
) -> None:
    """Make the pooled states of a batch from its token states, in its targets.

    `sinks` marks the sink tokens of every text of the batch; `norm` is the model's final norm. A mean is taken in
    float32. A text without any token that is no sink has a mean without sinks of NaN.
    """
    made = [position for position in shape.positions if is_mean(position) or position.startswith(NORMED)]
    if not made:
        return
    means = _means_on_host if next(iter(targets.arrays.values())).device.type == "cpu" else _means_on_device
    embedding = [position for position in made if of_embedding(position)]
    plain = [position for position in made if not position.startswith(NORMED) and not of_embedding(position)]
    normed = [position for position in made if position.startswith(NORMED)]
    with torch.inference_mode():
        for site, layers in shape.layers.items():
            for layer, name in enumerate(layers):
                tokens = targets.arrays[site, "tokens"][layer]
                into = {one: targets.arrays[site, one][layer] for one in plain}
                if site == RESIDUAL and name == EMBEDDING:
                    into |= {one: targets.arrays[site, one][0] for one in embedding}
                if into:
                    means(tokens, into, batch, targets, sinks)
                if normed:
                    assert norm is not None
                    _normed(
                        tokens, {one: targets.arrays[site, one][layer] for one in normed}, batch, targets, sinks, norm
                    )


def _normed(
    tokens: Tensor,
    into: dict[str, Tensor],
    batch: Batch,
    targets: Targets,
    sinks: Sequence[npt.NDArray[np.bool_]],
    norm: Norm,
) -> None:
    """The norm is asked for the tokens of this batch alone, whatever else the memory holds."""
    rows = np.concatenate([np.arange(first, first + length) for first, length in _segments(batch, targets)])
    own = norm(tokens[torch.from_numpy(rows).to(tokens.device)])
    packed = Targets(arrays={}, tokens=np.cumsum(batch.lengths) - batch.lengths, texts=targets.texts)
    means = _means_on_host if tokens.device.type == "cpu" else _means_on_device
    means(own, {name: target for name, target in into.items() if is_mean(name)}, batch, packed, sinks)
    for name, target in into.items():
        if not is_mean(name):
            last = torch.from_numpy(packed.tokens + batch.lengths - 1).to(tokens.device)
            target[torch.from_numpy(targets.texts).to(tokens.device)] = own[last]


def _segments(batch: Batch, targets: Targets) -> list[tuple[int, int]]:
    return list(zip(targets.tokens.tolist(), batch.lengths.tolist(), strict=True))


def _means_on_host(
    tokens: Tensor,
    into: dict[str, Tensor],
    batch: Batch,
    targets: Targets,
    sinks: Sequence[npt.NDArray[np.bool_]],
) -> None:
    for row, (first, length), left_out in zip(targets.texts.tolist(), _segments(batch, targets), sinks, strict=True):
        text = tokens[first : first + length]
        whole = text.sum(dim=0, dtype=torch.float32) / length
        for name, target in into.items():
            if not name.endswith(WITHOUT_SINKS) or not left_out.any():
                target[row] = whole
                continue
            kept = text[torch.from_numpy(~left_out)]
            target[row] = kept.sum(dim=0, dtype=torch.float32) / len(kept)


def _means_on_device(
    tokens: Tensor,
    into: dict[str, Tensor],
    batch: Batch,
    targets: Targets,  # noqa: ARG001 - on a device the targets hold this batch alone
    sinks: Sequence[npt.NDArray[np.bool_]],
) -> None:
    """All texts at once, padded again."""
    texts, longest = batch.ids.shape
    real = torch.from_numpy(np.arange(longest) < batch.lengths[:, None]).to(tokens.device)
    states = torch.zeros((texts * longest, tokens.shape[-1]), dtype=torch.float32, device=tokens.device)
    states[real.flatten()] = tokens.to(torch.float32)
    states = states.reshape(texts, longest, -1)
    rest = torch.zeros((texts, longest), dtype=torch.bool)
    for row, left_out in enumerate(sinks):
        rest[row, : len(left_out)] = torch.from_numpy(~left_out)
    rest = rest.to(tokens.device)
    for name, target in into.items():
        counted = rest if name.endswith(WITHOUT_SINKS) else real
        # A sink is left out, not multiplied by 0: it may be infinite, and then the product is NaN.
        total = states.masked_fill(~counted[..., None], 0.0).sum(dim=1)
        target.copy_(total / counted.sum(dim=1, keepdim=True))
