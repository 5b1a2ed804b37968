"""Sink tokens of a text: how much they stand out, how many heads attend to them, what is left without them.

After Queipo-de-Llano et al. (arXiv 2510.06477): the mid-depth valley of token-level metrics in real decoders is the
work of one or a few tokens of huge norm, to which the attention heads of the same depth attend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fathom.metrics.attention_maps import as_attention_maps
from fathom.metrics.checks import FloatArray, as_matrix
from fathom.metrics.preparation import row_norms

States = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]


def norm_ratios(z: npt.ArrayLike) -> FloatArray:
    """Norm of each token of `z` (tokens, d) divided by the median norm of the text: (tokens,), from 0.

    What the rule that finds sinks compares with its thresholds, layer by layer.

    Raises ValueError unless `z` is a finite real matrix, and where the median norm is 0.
    """
    norms = row_norms(as_matrix("z", z))
    return _over_median(norms, _median(norms), "norm")


def activation_ratios(z: npt.ArrayLike) -> FloatArray:
    """Largest |activation| of each token of `z` (tokens, d) divided by the median |activation| of the text: (tokens,).

    From 0. The median is over all activations of all tokens. Sun et al. (arXiv 2402.17762) call an activation massive
    that exceeds 100 in magnitude and about 1,000 times the median.

    Raises ValueError unless `z` is a finite real matrix, and where the median |activation| is 0.
    """
    magnitudes = np.abs(as_matrix("z", z))
    return _over_median(magnitudes.max(axis=1), _median(magnitudes), "|activation|")


def heads_attending(maps: npt.ArrayLike, *, threshold: float = 0.3) -> FloatArray:
    """Share of the heads of each block that attend to each token: (blocks, tokens), from 0 to 1.

    `maps` (blocks, heads, tokens, tokens) holds the attention of one text, [..., i, j] from query i to token j. A head
    attends to a token where its attention to that token, averaged over the queries that can see it, exceeds `threshold`
    (Gu et al., arXiv 2410.10781, whose epsilon is 0.3). Where no query attends to a later token the model is taken as
    causal, and only queries i >= j can see token j; else all can. The last tokens of a causal text are seen by few
    queries, the last by itself alone.

    Raises ValueError unless `maps` is a finite real array of square matrices with numbers from 0 to 1, and
    `threshold` from 0 to 1.
    """
    maps = as_attention_maps(maps)
    if not 0.0 <= threshold <= 1.0:
        msg = f"`threshold` is {threshold!r}; expected a number from 0 to 1"
        raise ValueError(msg)
    tokens = maps.shape[-1]
    causal = not np.triu(maps, k=1).any()
    seen_by = np.arange(tokens, 0, -1) if causal else tokens
    attending: FloatArray = (maps.sum(axis=2) / seen_by > threshold).mean(axis=1)
    return attending


@dataclass(frozen=True)
class TokenProfile:
    """How much every token of a text stands out at every layer."""

    norms: FloatArray
    """Norm / median norm of the text, (layers, tokens); NaN after the final norm, at which no sinks are looked for."""
    activations: FloatArray
    """Largest |activation| of the token / median |activation| of the text, (layers, tokens); NaN where that is 0."""
    heads: FloatArray
    """Share of the heads of the layer's block that attend to the token, (layers, tokens); NaN where it is not known."""
    scores: FloatArray
    """How near the token is to being a sink, (tokens,): above 1 it is one."""

    @property
    def sinks(self) -> BoolArray:
        """Which tokens are sinks, (tokens,)."""
        return self.scores > 1.0

    def first(self, positions: int) -> TokenProfile:
        """The profile of the first tokens only."""
        return TokenProfile(
            norms=self.norms[:, :positions].copy(),
            activations=self.activations[:, :positions].copy(),
            heads=self.heads[:, :positions].copy(),
            scores=self.scores[:positions].copy(),
        )


@dataclass(frozen=True, kw_only=True)
class SinkProfiler:
    """The metric bound to its settings: one read of the states serves it together with the other metrics of tokens."""

    positions: int
    """Token positions of the profile of a corpus, from the start of the texts."""

    def profile(self, states: States, norms: FloatArray, heads: FloatArray, scores: FloatArray) -> TokenProfile:
        """Profile of the tokens of one text.

        `states` is (layers, tokens, width), `norms` and `heads` are (layers, tokens), `scores` is (tokens,): what was
        found of the tokens while the states were extracted.
        """
        activations = np.stack([_activation_ratios(layer) for layer in states])
        return TokenProfile(norms=norms, activations=activations, heads=heads, scores=scores)


def _activation_ratios(layer: npt.NDArray[np.floating]) -> FloatArray:
    """`activation_ratios`, or NaN where most activations are 0, as in a text of padding: nothing is large beside 0."""
    if 2 * np.count_nonzero(layer) >= layer.size:
        return activation_ratios(layer)
    return np.full(len(layer), np.nan)


def _median(values: FloatArray) -> float:
    """Median of all `values`. `numpy.median` asks for both middle places at once, which takes ten times as long."""
    half = values.size // 2
    parted = np.partition(values, half, axis=None)
    upper = float(parted[half])
    return upper if values.size % 2 else 0.5 * (float(parted[:half].max()) + upper)


def _over_median(values: FloatArray, median: float, what: str) -> FloatArray:
    if median == 0.0:
        msg = f"`z` has median {what} 0, so no {what} is large or small beside it"
        raise ValueError(msg)
    ratios: FloatArray = values / median
    return ratios
