"""Attention sinks taken away while a model runs: what becomes of the layers behind them, and of the loss.

After Queipo-de-Llano et al. (arXiv 2510.06477). The norm of a sink token is set to the median norm of its text at the
layer where it arises; its direction is kept, and all later layers run on from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fathom.activations.settings import SinkSettings
from fathom.activations.sinks import TokenFacts
from fathom.models.architecture import Architecture, hooking


def arising_layers(facts: TokenFacts, rule: SinkSettings) -> npt.NDArray[np.int64]:
    """The layer at which each token becomes a sink, (tokens,); -1 of a token that is none.

    The first at which its norm exceeds the limit that makes it one: `rule.norm` times the median of the text, or
    `rule.attended_norm` times where it is a sink by the heads that attend to it and never exceeds the former.
    """
    largest = facts.norm_ratios.max(axis=0)
    limits = np.where(largest > rule.norm, rule.norm, rule.attended_norm)
    first = (facts.norm_ratios > limits).argmax(axis=0)
    return np.where(facts.sinks, first, -1).astype(np.int64)


@dataclass(frozen=True)
class _Place:
    """Tokens of a batch whose state is rescaled at one layer, and the norms that it gets."""

    rows: Tensor
    tokens: Tensor
    norms: Tensor

    def rescaled(self, state: Tensor, *, tokens_first: bool) -> Tensor:
        """A copy of the states (batch, tokens, width) in which these tokens have these norms."""
        state = state.clone()
        at = (self.tokens, self.rows) if tokens_first else (self.rows, self.tokens)
        chosen = state[at].to(torch.float32)
        own = torch.linalg.vector_norm(chosen, dim=-1).clamp_min(torch.finfo(torch.float32).tiny)
        state[at] = (chosen * (self.norms / own)[:, None]).to(state.dtype)
        return state


class SinkAblation:
    """Takes the sinks of batches away, and counts them."""

    def __init__(self) -> None:
        self.texts = 0
        """Texts that have run."""
        self.texts_with_sinks = 0
        self.layers: Counter[int] = Counter()
        """Layer -> sink tokens that arise there."""

    @contextmanager
    def taken_away(
        self,
        architecture: Architecture,
        norms: npt.NDArray[np.float64],
        facts: Sequence[TokenFacts],
        rule: SinkSettings,
    ) -> Iterator[None]:
        """While active, a pass of the batch runs without the sinks that another pass of it has shown.

        `norms` are those of that pass, (layers, batch, tokens), and `facts` what it tells of the tokens of every text.
        """
        found: dict[int, list[tuple[int, int, float]]] = {}
        self.texts += len(facts)
        for row, one in enumerate(facts):
            layers = arising_layers(one, rule)
            self.texts_with_sinks += int((layers >= 0).any())
            for token in np.flatnonzero(layers >= 0).tolist():
                layer = int(layers[token])
                self.layers[layer] += 1
                median = norms[layer, row, token] / one.norm_ratios[layer, token]
                found.setdefault(layer, []).append((row, token, float(median)))
        device = next(architecture.blocks.parameters()).device
        places = {layer: _place(tokens, device) for layer, tokens in found.items()}

        def rescale(layer: int, state: Tensor) -> Tensor:
            return places[layer].rescaled(state, tokens_first=architecture.tokens_first)

        def before(block: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if block or 0 not in places:
                return None
            if args:
                return (rescale(0, args[0]), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": rescale(0, kwargs["hidden_states"])}

        def after(block: int, output: Any) -> Any:
            if block + 1 not in places:
                return None
            if isinstance(output, (tuple, list)):
                return type(output)((rescale(block + 1, output[0]), *output[1:]))
            return rescale(block + 1, output)

        with hooking(architecture.blocks, before=before, after=after):
            yield

    def notes(self, left: int) -> list[str]:
        """What captions must say of it, where so many texts have a sink when it is done."""
        if not self.layers:
            return ["no token is a sink by the rule: nothing was taken away"]
        where = ", ".join(
            f"{layer} ({count:,} {'token' if count == 1 else 'tokens'})" for layer, count in sorted(self.layers.items())
        )
        after = f"; {left:,} texts have a sink all the same" if left else ""
        return [f"sinks taken away in {self.texts_with_sinks:,} of {self.texts:,} texts, at layer {where}{after}"]

    def counted(self) -> dict[str, Any]:
        """For a manifest."""
        layers = {str(layer): count for layer, count in sorted(self.layers.items())}
        return {"texts": self.texts_with_sinks, "layers": layers}


def _place(tokens: list[tuple[int, int, float]], device: torch.device) -> _Place:
    rows, places, norms = zip(*tokens, strict=True)
    return _Place(
        torch.tensor(rows, device=device),
        torch.tensor(places, device=device),
        torch.tensor(norms, dtype=torch.float32, device=device),
    )
