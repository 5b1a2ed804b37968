"""The states that probes read, one layer at a time, with and without the sink tokens of a text."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from fathom.statistics.arrays import FloatArray, IntArray
from fathom.store.layout import EMBEDDING_MEAN, is_mean, without_sinks
from fathom.store.reader import Activations

Sinks = Literal["with", "without"]
WITH: Sinks = "with"
WITHOUT: Sinks = "without"


class LayerStates:
    """States of some texts at one site and position: `states[layer]` reads (texts, width), nothing is kept."""

    def __init__(self, activations: Activations, site: str, position: str, texts: IntArray) -> None:
        self._activations, self._site, self._position, self.texts = activations, site, position, texts

    def __len__(self) -> int:
        return len(self._activations.layers_of(self._site))

    def __getitem__(self, layer: int) -> FloatArray:
        if not 0 <= layer < len(self):
            raise IndexError(layer)
        states = self._activations.pooled(self._position, layer, self._site)
        return states[self.texts].astype(np.float64)


class StackedStates:
    """States of the texts of two corpora, one after the other: `states[layer]` is (texts of both, width)."""

    def __init__(self, first: LayerStates, second: LayerStates) -> None:
        self._first, self._second = first, second

    def __len__(self) -> int:
        return len(self._first)

    def __getitem__(self, layer: int) -> FloatArray:
        if not 0 <= layer < len(self):
            raise IndexError(layer)
        return np.vstack([self._first[layer], self._second[layer]])


class AdjacentLayers:
    """States of each layer and the next one side by side: `states[layer]` is (texts, 2 width)."""

    def __init__(self, states: LayerStates) -> None:
        self._states = states

    def __len__(self) -> int:
        return len(self._states) - 1

    def __getitem__(self, layer: int) -> FloatArray:
        if not 0 <= layer < len(self):
            raise IndexError(layer)
        return np.hstack([self._states[layer], self._states[layer + 1]])


def forms_of(position: str) -> tuple[Sinks, ...]:
    """The forms in which a position is read: a mean with and without sink tokens, a single token as it is."""
    return (WITH, WITHOUT) if is_mean(position) else (WITH,)


def stored_position(position: str, sinks: Sinks) -> str:
    """Position of the store that holds a form of a position."""
    return without_sinks(position) if sinks == WITHOUT else position


def static_vectors(activations: Activations, texts: IntArray, sinks: Sinks = WITH) -> FloatArray:
    """The sum of a text's token vectors before the first block, (1 layer, texts, width).

    What a text would tell if its words stood in a bag. Where a model adds vectors of position to its embeddings, these
    are in the sum too. Without sinks, it is the sum over the other tokens, NaN for a text that has none.
    """
    if EMBEDDING_MEAN in activations.stores[0].positions:
        mean = activations.pooled(stored_position(EMBEDDING_MEAN, sinks), 0)
    else:
        mean = activations.pooled(stored_position("mean", sinks), activations.layers_of("residual").index("0"))
    tokens = activations.lengths - (SinkFacts(activations).counts if sinks == WITHOUT else 0)
    return (mean.astype(np.float64) * tokens[:, None])[texts][None]


class SinkFacts:
    """Which texts have sinks, and which states are read at them."""

    def __init__(self, activations: Activations) -> None:
        self._activations, self._masks = activations, activations.sinks()
        self.counts: IntArray = np.array([int(mask.sum()) for mask in self._masks], dtype=np.int64)
        """Sinks of every text, (texts,)."""

    def has_state(self, sinks: Sinks) -> npt.NDArray[np.bool_]:
        """Which texts have a state in a form, (texts,): without sinks, those with a token that is none."""
        return np.asarray((self.counts < self._activations.lengths) | (sinks == WITH))

    def held(self, position: str, sinks: Sinks) -> npt.NDArray[np.bool_]:
        """Which texts have a sink among the tokens that their state is made of, (texts,)."""
        if sinks == WITHOUT:
            return np.zeros(len(self._masks), dtype=np.bool_)
        if is_mean(position):
            return self.counts > 0
        if position.startswith("span:"):
            read = self._activations.span_tokens(position.removeprefix("span:"))[:, 1]
        else:
            read = self._activations.lengths - 1
        return np.array([mask[token] for mask, token in zip(self._masks, read, strict=True)], dtype=np.bool_)
