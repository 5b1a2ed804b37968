"""The tables of sink tokens: one row a sink token and layer, and a profile of the first positions of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.metrics.checks import FloatArray

if TYPE_CHECKING:
    from fathom.metrics.definitions.sinks import TokenProfile

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
    sink at this layer, and the mean share of heads that attend to it (over the sampled texts). Only the first
    `positions` tokens; a text counts as far as it reaches.
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
