"""The states that probes read, one layer at a time."""

from __future__ import annotations

import numpy as np

from fathom.statistics.arrays import FloatArray, IntArray
from fathom.store.reader import Activations


class LayerStates:
    """States of some texts at one site and position: `states[layer]` reads (texts, width), nothing is kept."""

    def __init__(self, activations: Activations, site: str, position: str, texts: IntArray) -> None:
        self._activations, self._site, self._position, self._texts = activations, site, position, texts

    def __len__(self) -> int:
        return len(self._activations.layers_of(self._site))

    def __getitem__(self, layer: int) -> FloatArray:
        if not 0 <= layer < len(self):
            raise IndexError(layer)
        states = self._activations.pooled(self._position, layer, self._site)
        return states[self._texts].astype(np.float64)


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


def static_vectors(activations: Activations, texts: IntArray) -> FloatArray:
    """The sum of a text's token vectors before the first block, (1 layer, texts, width).

    What a text would tell if its words stood in a bag. Where a model adds vectors of position to its embeddings, these
    are in the sum too.
    """
    mean = activations.pooled("mean", activations.layers_of("residual").index("0"))
    return (mean.astype(np.float64) * activations.lengths[:, None])[texts][None]
