"""The tables of sinks: a row a sink token and layer, a row a text, and a profile of the first positions of a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    "token_id",
    "score",
    "norm_ratio",
    "activation_ratio",
    "heads",
    "entropy",
    "entropy_left",
    "rule",
]
MARGIN_COLUMNS = ["tokens", "sink_tokens", "weakest_sink", "nearest_other"]
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
    profile: TokenProfile, left: FloatArray, token_ids: npt.NDArray[np.int32], strings: Mapping[int, str]
) -> pd.DataFrame:
    """One row for every layer and every sink token of a text: SINK_COLUMNS but the rule.

    `left` is what `entropy_left` gives for the sinks in order; `strings` are the sink tokens as the tokenizer writes
    them.
    """
    positions = np.flatnonzero(profile.sinks)
    layers = len(profile.norms)
    ids = token_ids[positions]
    return pd.DataFrame(
        {
            "row": np.repeat(np.arange(layers), len(positions)),
            "position": np.tile(positions, layers),
            "token": np.tile(np.array([strings[int(one)] for one in ids], dtype=object), layers),
            "token_id": np.tile(ids, layers),
            "score": np.tile(profile.scores[positions], layers),
            "norm_ratio": profile.norms[:, positions].ravel(),
            "activation_ratio": profile.activations[:, positions].ravel(),
            "heads": profile.heads[:, positions].ravel(),
            "entropy": np.repeat(left[:, 0], len(positions)),
            "entropy_left": left[:, 1:].ravel(),
        },
        columns=[name for name in SINK_COLUMNS if name != "rule"],
    )


def margins(scores: Sequence[npt.NDArray[np.float64]]) -> pd.DataFrame:
    """How near each text is to other sinks than it has, one row a text: MARGIN_COLUMNS.

    `scores` holds those of the tokens of every text: above 1 a token is a sink. The lowest score of a sink and the
    highest one of another token are NaN where a text has no such token.
    """
    rows = []
    for of_text in scores:
        sinks = of_text > 1.0
        weakest = of_text[sinks].min() if sinks.any() else np.nan
        nearest = np.nan if sinks.all() else of_text[~sinks].max()
        rows.append((len(of_text), np.count_nonzero(sinks), weakest, nearest))
    return pd.DataFrame(rows, columns=MARGIN_COLUMNS)


def summarise_profiles(profiles: Sequence[TokenProfile], *, positions: int) -> pd.DataFrame:
    """Profile by layer and token position over the texts of a corpus: PROFILE_COLUMNS.

    Median and quartiles of the norm ratio, median of the activation ratio, the share of texts whose token there is a
    sink, and the mean share of heads that attend to it, over the texts for which each is known. Only the first
    `positions` tokens; a text counts as far as it reaches.
    """
    longest = min(positions, max(profile.norms.shape[1] for profile in profiles))
    layers = len(profiles[0].norms)
    norms = _by_position([profile.norms for profile in profiles], longest)
    activations = _by_position([profile.activations for profile in profiles], longest)
    heads = _by_position([profile.heads for profile in profiles], longest)
    sinks = _by_position([np.tile(profile.sinks.astype(np.float64), (layers, 1)) for profile in profiles], longest)
    low, median, high = _quantiles(norms, (QUARTILES[0], 0.5, QUARTILES[1]))
    return pd.DataFrame(
        {
            "row": np.repeat(np.arange(layers), longest),
            "position": np.tile(np.arange(longest), layers),
            "norm_ratio": median.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            "activation_ratio": _quantiles(activations, (0.5,)).ravel(),
            "sink_rate": _mean(sinks).ravel(),
            "heads": _mean(heads).ravel(),
            "texts": (~np.isnan(sinks)).sum(axis=0).ravel(),
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


def _quantiles(values: FloatArray, shares: Sequence[float]) -> FloatArray:
    """Quantiles over texts, NaN where no text has a value: (shares, layers, positions)."""
    found = np.full((len(shares), *values.shape[1:]), np.nan)
    known = ~np.isnan(values).all(axis=0)
    found[:, known] = np.nanquantile(values[:, known], shares, axis=0)
    return found


def _mean(values: FloatArray) -> FloatArray:
    """Mean over texts, NaN where no text has a value: (layers, positions)."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
