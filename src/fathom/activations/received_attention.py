"""How much attention every token receives, read from the forward pass itself while it computes its attention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fathom.models.architecture import hooking

MOST_QUERIES = 64
"""Queries of a text that are asked what they attend to, evenly spaced: all of a short text. What a token receives is a
mean over queries, so that 64 tell as much as 2,000, at a cost that grows no faster than the text."""
FEWEST_QUERIES = 4
"""Of so few queries the mean says nothing: the last token of a causal model is seen by itself alone."""
MAPS_AXES = 4  # texts, heads, queries, keys

_FUSED = torch.nn.functional.scaled_dot_product_attention
_SOFTMAX = (torch.softmax, torch.nn.functional.softmax, torch.Tensor.softmax)


@contextmanager
def receiving(
    blocks: nn.ModuleList, lengths: npt.NDArray[np.int64], longest: int, threshold: float
) -> Iterator[Tensor]:
    """While active, a forward pass fills (blocks, texts, longest) with the share of heads that attend to each token.

    A head attends to a token where its attention to that token, averaged over the queries that can see it, exceeds
    `threshold` (Gu et al., arXiv 2410.10781, whose epsilon is 0.3). NaN where a block computes no attention over the
    tokens of the text, or in a way that is not seen here; 0 for tokens that fewer than FEWEST_QUERIES queries see.
    """
    device = next(blocks.parameters()).device
    watch = _Watch(lengths, longest, threshold, len(blocks), device)
    with hooking(blocks, before=watch.entering, after=watch.leaving), watch:
        yield watch.shares


class _Watch(TorchFunctionMode):
    """Sees every function that torch is asked for, and looks at those that make attention."""

    def __init__(
        self, lengths: npt.NDArray[np.int64], longest: int, threshold: float, blocks: int, device: torch.device
    ) -> None:
        super().__init__()
        self.shares = torch.full((blocks, len(lengths), longest), torch.nan, device=device)
        self._block: int | None = None
        self._threshold = threshold
        self._longest = longest
        # Texts shorter than the most queries are asked at every token; the places behind these count for none.
        count = min(MOST_QUERIES, longest)
        asked = np.minimum(lengths, count)
        places = np.arange(count) * lengths[:, np.newaxis] // asked[:, np.newaxis]
        counted = np.arange(count) < asked[:, np.newaxis]
        self._queries = torch.from_numpy(np.where(counted, places, 0)).to(device)
        self._counted = torch.from_numpy(counted).to(device)

    def entering(self, block: int, _: tuple[Any, ...], __: dict[str, Any]) -> None:
        self._block = block

    def leaving(self, _: int, __: Any) -> None:
        self._block = None

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if self._block is not None and func is _FUSED:
            self._see_fused(*args, **kwargs)
        elif self._block is not None and func in _SOFTMAX:
            self._see_maps(output)
        return output

    def _see_fused(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,  # noqa: ARG002 - as torch's function is called
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,  # noqa: ARG002 - as above
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,  # noqa: ARG002 - as above
    ) -> None:
        """Fused attention gives no maps: those of the asked queries are made once more."""
        if not self._over_the_text(query, key):
            return
        heads = query.shape[1]
        places = self._queries[:, None, :, None].expand(-1, heads, -1, query.shape[-1])
        if key.shape[1] != heads:
            key = key.repeat_interleave(heads // key.shape[1], dim=1)
        scores = query.gather(2, places) @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
        scores = scores.to(torch.float32)
        keys = torch.arange(self._longest, device=query.device)
        if is_causal:
            scores = scores.masked_fill(keys > self._queries[:, None, :, None], -torch.inf)
        elif attn_mask is not None:
            mask = attn_mask.expand(len(query), -1, query.shape[2], -1)
            rows = mask.gather(2, self._queries[:, None, :, None].expand(-1, mask.shape[1], -1, mask.shape[-1]))
            added = (
                torch.zeros_like(rows, dtype=torch.float32).masked_fill(~rows, -torch.inf)
                if rows.dtype == torch.bool
                else rows
            )
            scores = scores + added
        # A mask may hold the lowest number of its dtype instead of minus infinity; no score comes near it.
        visible = (scores > torch.finfo(torch.float16).min).any(dim=1)
        self._note(scores.softmax(dim=-1), visible)

    def _see_maps(self, maps: Any) -> None:
        """Plain attention makes whole maps, some with one column more for a sink that is learned."""
        shape = tuple(maps.shape) if isinstance(maps, Tensor) else ()
        texts, longest = self.shares.shape[1:]
        if (
            len(shape) != MAPS_AXES
            or shape[0] != texts
            or shape[2] != longest
            or shape[3] not in {longest, longest + 1}
        ):
            return
        maps = maps[..., :longest]
        rows = maps.gather(2, self._queries[:, None, :, None].expand(-1, shape[1], -1, longest)).to(torch.float32)
        self._note(rows, (rows > 0.0).any(dim=1))

    def _over_the_text(self, query: Tensor, key: Tensor) -> bool:
        texts, longest = self.shares.shape[1:]
        fits = query.dim() == MAPS_AXES and query.shape[0] == texts == key.shape[0]
        return fits and query.shape[2] == longest == key.shape[2]

    def _note(self, rows: Tensor, visible: Tensor) -> None:
        """`rows` (texts, heads, queries, keys) is attention, `visible` (texts, queries, keys) which keys are seen."""
        counted = self._counted[:, :, None]
        seen = (visible & counted).sum(dim=1)
        received = rows.masked_fill(~counted[:, None], 0.0).sum(dim=2) / seen.clamp_min(1)[:, None]
        shares = (received > self._threshold).to(torch.float32).mean(dim=1)
        shares = shares.masked_fill(seen < FEWEST_QUERIES, 0.0)
        assert self._block is not None
        before = self.shares[self._block]
        # A block that attends more than once to the text counts with the larger share.
        self.shares[self._block] = torch.where(before.isnan(), shares, torch.maximum(before, shares))
