"""Curves of the sink tokens of a corpus over layers: their norm, and the heads that attend to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.statistics.arrays import FloatArray
from fathom.statistics.resampling import bootstrap_mean

TOKEN_COLUMNS = ("text", "group", "view", "layer", "depth", "norm_ratio", "heads")
SUMMARY_COLUMNS = ("view", "layer", "depth", "value", "low", "high", "texts")


def summarise_sinks(sinks: pd.DataFrame, *, samples: int, level: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn the sink tokens of one model and corpus into curves over layers.

    Both are over the texts that have a sink. Norms: of each text, at every layer, the largest norm among its sink
    tokens, relative to the median norm of the text; then median and quartiles over texts. Heads: of each text, at every
    layer, the largest share of heads that attend to one of its sink tokens; then the mean over texts with a group
    bootstrap interval. Values of a single group have no interval (NaN).

    Args:
        sinks: text, group, view, layer, depth, norm_ratio (NaN after the final norm), heads (NaN where not known); one
            row a sink token and layer
        samples: bootstrap samples over groups
        level: of the intervals, such as 0.95
        seed: of the bootstrap

    Returns:
        norms, heads: view, layer, depth, value, low, high, texts; no rows for a view without sinks, nor of heads at a
        layer where nothing is known of attention

    Raises:
        ValueError: if columns are missing, a text lacks a layer, or is in two groups.
    """
    missing = [column for column in TOKEN_COLUMNS if column not in sinks.columns]
    if missing:
        msg = f"sinks: columns are missing: {', '.join(missing)}"
        raise ValueError(msg)
    norms: list[pd.DataFrame] = []
    heads: list[pd.DataFrame] = []
    for view, tokens in sinks.groupby("view", sort=False):
        groups = _groups(tokens)
        largest = _largest(tokens, "norm_ratio")
        if not largest.empty:
            low, median, high = np.quantile(largest.to_numpy(), [0.25, 0.5, 0.75], axis=0)
            norms.append(_curve(_depths(tokens, largest), median, low, high, texts=len(largest)).assign(view=view))
        attending = _largest(tokens, "heads")
        if not attending.empty:
            names, _ = pd.factorize(groups.loc[attending.index])
            curve = _mean_curve(
                _depths(tokens, attending), attending.to_numpy(), names, samples=samples, level=level, seed=seed
            )
            heads.append(curve.assign(view=view))
    return _joined(norms), _joined(heads)


def _joined(curves: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The curves below one another."""
    if not curves:
        return pd.DataFrame(columns=list(SUMMARY_COLUMNS), dtype=np.float64)
    return pd.concat(curves, ignore_index=True)[list(SUMMARY_COLUMNS)]


def _groups(tokens: pd.DataFrame) -> pd.Series:
    """Group of every text."""
    of_text = tokens.groupby("text")["group"].agg(["nunique", "first"])
    if (of_text["nunique"] != 1).any():
        msg = f"sinks: column group: text {of_text.index[of_text['nunique'] != 1][0]} is not in exactly one group"
        raise ValueError(msg)
    layers = tokens.groupby("text")["layer"].nunique()
    if (layers < layers.max()).any():
        msg = f"sinks: column layer: text {layers.idxmin()} has no row at some layer of the others"
        raise ValueError(msg)
    return of_text["first"]


def _largest(tokens: pd.DataFrame, column: str) -> pd.DataFrame:
    """Largest value among the sink tokens of a text, texts by layers, where it is known."""
    largest = tokens.groupby(["text", "layer"])[column].max().unstack()
    return largest.dropna(axis="columns", how="all").dropna()


def _depths(tokens: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """Relative depth of the layers of a table."""
    return tokens.drop_duplicates("layer").set_index("layer")["depth"].loc[table.columns]


def _mean_curve(
    depths: pd.Series,
    values: FloatArray,
    groups: npt.NDArray[np.int64],
    *,
    samples: int,
    level: float,
    seed: int,
) -> pd.DataFrame:
    low = high = np.full(values.shape[1], np.nan)
    if len(set(groups.tolist())) > 1:
        _, low, high = bootstrap_mean(values, groups, samples=samples, level=level, seed=seed)
    return _curve(depths, values.mean(axis=0), low, high, texts=len(values))


def _curve(depths: pd.Series, value: FloatArray, low: FloatArray, high: FloatArray, *, texts: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"layer": depths.index, "depth": depths.to_numpy(), "value": value, "low": low, "high": high, "texts": texts}
    )
