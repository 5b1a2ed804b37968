"""Sink tokens of a text: which they are, how much they stand out, which heads look at them, what is left without them.

After Queipo-de-Llano et al. (arXiv 2510.06477): the mid-depth valley of token-level metrics in real decoders is the
work of one or a few tokens of huge norm, at which the attention heads of the same depth look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.metrics.preparation import find_sinks
from fathom.metrics.profile import activation_ratios, norm_ratios

States = npt.NDArray[np.floating]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SINK_COLUMNS = [
    "row",
    "position",
    "token",
    "norm_ratio",
    "activation_ratio",
    "named",
    "rule",
    "heads",
    "entropy",
    "entropy_left",
]
PROFILE_COLUMNS = [
    "row",
    "position",
    "norm_ratio",
    "low",
    "high",
    "activation_ratio",
    "sink_rate",
    "heads",
    "texts",
]
QUARTILES = (0.25, 0.75)


@dataclass(frozen=True)
class TokenProfile:
    """How much every token of a text stands out at every layer."""

    norms: FloatArray
    """Norm / median norm of the text, (layers, tokens)."""
    activations: FloatArray
    """Largest |activation| of the token / median |activation| of the text, (layers, tokens)."""
    heads: FloatArray
    """Share of the heads of the layer's block that look at the token, (layers, tokens); NaN where not sampled."""
    named: BoolArray
    """Whether the rule names the token at the layer, (layers, tokens); see `named_tokens`."""

    def first(self, positions: int) -> TokenProfile:
        """The profile of the first tokens only."""
        return TokenProfile(
            norms=self.norms[:, :positions].copy(),
            activations=self.activations[:, :positions].copy(),
            heads=self.heads[:, :positions].copy(),
            named=self.named[:, :positions].copy(),
        )


def named_tokens(states: States, multiple: float) -> BoolArray:
    """Which tokens of a text (layers, tokens, width) the rule names at each layer: (layers, tokens).

    See `find_sinks`. A token that is named at some layer is a sink of the text.

    Raises ValueError for a text whose median norm is 0 at some layer.
    """
    return np.stack([find_sinks(np.linalg.norm(layer, axis=1), multiple=multiple) for layer in states])


def profile_text(states: States, named: BoolArray, heads: FloatArray) -> TokenProfile:
    """Profile of the tokens of one text; `states` is (layers, tokens, width), `named` and `heads` (layers, tokens).

    Raises ValueError for a text whose median norm or median activation is 0 at some layer.
    """
    return TokenProfile(
        norms=np.stack([norm_ratios(layer) for layer in states]),
        activations=np.stack([activation_ratios(layer) for layer in states]),
        heads=heads,
        named=named,
    )


def sink_rows(
    profile: TokenProfile, left: FloatArray, token_ids: npt.NDArray[np.int32], *, multiple: float
) -> pd.DataFrame:
    """One row for every layer and every token of a text that is a sink at some layer: SINK_COLUMNS.

    `multiple` is that of the rule behind `profile.named`; `left` is what `entropy_left` gives for the sinks in order.
    """
    positions = np.flatnonzero(profile.named.any(axis=0))
    layers = len(profile.named)
    return pd.DataFrame(
        {
            "row": np.repeat(np.arange(layers), len(positions)),
            "position": np.tile(positions, layers),
            "token": np.tile(token_ids[positions].astype(str), layers),
            "norm_ratio": profile.norms[:, positions].ravel(),
            "activation_ratio": profile.activations[:, positions].ravel(),
            "named": profile.named[:, positions].ravel(),
            "rule": f"norm > {multiple:g} x median",
            "heads": profile.heads[:, positions].ravel(),
            "entropy": np.repeat(left[:, 0], len(positions)),
            "entropy_left": left[:, 1:].ravel(),
        },
        columns=SINK_COLUMNS,
    )


def summarise_profiles(profiles: Sequence[TokenProfile], *, positions: int) -> pd.DataFrame:
    """Profile by layer and token position over the texts of a corpus: PROFILE_COLUMNS.

    Median and quartiles of the norm ratio, median of the activation ratio, the share of texts whose token there is a
    sink at this layer, and the mean share of heads that look at it (over the sampled texts). Only the first `positions`
    tokens; a text counts as far as it reaches.
    """
    longest = min(positions, max(profile.norms.shape[1] for profile in profiles))
    norms = _by_position([profile.norms for profile in profiles], longest)
    activations = _by_position([profile.activations for profile in profiles], longest)
    heads = _by_position([profile.heads for profile in profiles], longest)
    sinks = _by_position([profile.named.astype(np.float64) for profile in profiles], longest)
    layers = norms.shape[1]
    known = ~np.isnan(norms)
    low, high = np.nanquantile(norms, QUARTILES, axis=0)
    sampled = ~np.isnan(heads)
    counted = sampled.sum(axis=0)
    seen = np.where(counted > 0, np.where(sampled, heads, 0.0).sum(axis=0) / np.maximum(counted, 1), np.nan)
    return pd.DataFrame(
        {
            "row": np.repeat(np.arange(layers), longest),
            "position": np.tile(np.arange(longest), layers),
            "norm_ratio": np.nanmedian(norms, axis=0).ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            "activation_ratio": np.nanmedian(activations, axis=0).ravel(),
            "sink_rate": np.nanmean(sinks, axis=0).ravel(),
            "heads": seen.ravel(),
            "texts": known.sum(axis=0).ravel(),
        },
        columns=PROFILE_COLUMNS,
    )


def _by_position(tables: Sequence[FloatArray], longest: int) -> FloatArray:
    """(texts, layers, positions), NaN behind the end of a text."""
    stacked = np.full((len(tables), len(tables[0]), longest), np.nan)
    for row, table in enumerate(tables):
        shown = min(longest, table.shape[1])
        stacked[row, :, :shown] = table[:, :shown]
    return stacked
