"""How much attention every token receives, read from the forward pass itself while it computes its attention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fathom.models.architecture import hooking

MOST_QUERIES = 32
"""Queries of a text that are asked what they attend to, evenly spaced: all of a short text. What a token receives is a
mean over queries, so that 32 tell as much as 2,000, at a cost that grows no faster than the text."""
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


@dataclass(frozen=True)
class _View:
    """What the asked queries can see."""

    mask: Tensor | None
    is_causal: bool
    added: Tensor
    """What the mask adds to their scores, (texts, heads or 1, queries, keys); 0 for a query that sees nothing."""
    counted: Tensor
    """1 for every query that is counted, 0 for others, (texts, queries)."""
    seen: Tensor
    """How many counted queries see a key, (texts, keys)."""


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
        self._last_view: _View | None = None

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
        texts, heads, _, width = query.shape
        rows = torch.arange(texts, device=query.device)[:, None]
        asked = query.transpose(1, 2)[rows, self._queries] * (width**-0.5 if scale is None else scale)
        # Heads that share a key follow each other.
        grouped = asked.transpose(1, 2).reshape(texts, key.shape[1], -1, width)
        scores = (grouped @ key.transpose(-1, -2)).reshape(texts, heads, -1, self._longest).to(torch.float32)
        view = self._view(attn_mask, is_causal=is_causal)
        attention = scores.add_(view.added).softmax(dim=-1)
        self._note((view.counted[:, None, None] @ attention).squeeze(2), view.seen)

    def _view(self, mask: Tensor | None, *, is_causal: bool) -> _View:
        """What a mask lets the asked queries see; most blocks are given the very mask of the block before."""
        last = self._last_view
        if last is None or last.mask is not mask or last.is_causal != is_causal:
            last = self._last_view = self._make_view(mask, is_causal=is_causal)
        return last

    def _make_view(self, mask: Tensor | None, *, is_causal: bool) -> _View:
        queries, texts = self._queries[:, None, :, None], len(self._queries)
        added = torch.zeros((texts, 1, queries.shape[2], self._longest), device=queries.device)
        if is_causal:
            keys = torch.arange(self._longest, device=queries.device)
            added = added.masked_fill(keys > queries, -torch.inf)
        elif mask is not None:
            whole = mask.expand(texts, -1, self._longest, self._longest)
            rows = whole.gather(2, queries.expand(-1, whole.shape[1], -1, self._longest))
            added = added.masked_fill(~rows, -torch.inf) if rows.dtype == torch.bool else rows.to(torch.float32)
        # A mask may hold the lowest number of its dtype instead of minus infinity; no score comes near it.
        visible = added > torch.finfo(torch.float16).min
        counted = self._counted & visible.any(dim=(1, 3))
        added = added.masked_fill(~visible.any(dim=-1, keepdim=True), 0.0)
        seen = (visible.any(dim=1) & counted[:, :, None]).sum(dim=1)
        return _View(mask, is_causal, added, counted.to(torch.float32), seen)

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
        counted = self._counted[:, :, None]
        received = rows.masked_fill(~counted[:, None], 0.0).sum(dim=2)
        self._note(received, ((rows > 0.0).any(dim=1) & counted).sum(dim=1))

    def _over_the_text(self, query: Tensor, key: Tensor) -> bool:
        texts, longest = self.shares.shape[1:]
        fits = query.dim() == MAPS_AXES and query.shape[0] == texts == key.shape[0]
        return fits and query.shape[2] == longest == key.shape[2]

    def _note(self, received: Tensor, seen: Tensor) -> None:
        """`received` (texts, heads, keys) is attention, summed over the `seen` (texts, keys) queries that see a key."""
        shares = (received > self._threshold * seen.clamp_min(1)[:, None]).to(torch.float32).mean(dim=1)
        shares = shares.masked_fill(seen < FEWEST_QUERIES, 0.0)
        assert self._block is not None
        before = self.shares[self._block]
        # A block that attends more than once to the text counts with the larger share.
        self.shares[self._block] = torch.where(before.isnan(), shares, torch.maximum(before, shares))
