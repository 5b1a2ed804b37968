"""The losses of a corpus with and without sinks, as what figures read: means over texts, with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fathom.schema import Uncertainty
from fathom.statistics.resampling import bootstrap_mean


def loss_summary(losses: pd.DataFrame, uncertainty: Uncertainty) -> pd.DataFrame:
    """Mean loss over texts as the model is, with its sinks taken away, and the difference, with intervals over texts.

    Args:
        losses: group, intact, ablated (NaN of a text of one token), layer (where its first sink arises; null if none);
            one row a text
        uncertainty: samples, level and seed of the intervals

    Returns:
        form ("with" | "ablated" | "difference"); value, low, high in nats a token, the last two NaN of a single
        group; texts; arises: the layer at which most texts have their first sink, null if none has.

    Raises:
        ValueError: if no text has a loss.
    """
    known = losses.dropna(subset=["intact", "ablated"])
    if known.empty:
        msg = "losses: no text has more than one token, so that there is none to predict"
        raise ValueError(msg)
    values = known[["intact", "ablated"]].to_numpy(dtype=np.float64)
    values = np.column_stack([values, values[:, 1] - values[:, 0]])
    low = high = np.full(3, np.nan)
    if known["group"].nunique() > 1:
        _, low, high = bootstrap_mean(
            values,
            known["group"],
            samples=uncertainty.bootstrap,
            level=uncertainty.level,
            seed=uncertainty.seed,
        )
    arises = losses["layer"].dropna().mode()
    return pd.DataFrame(
        {
            "form": ["with", "ablated", "difference"],
            "value": values.mean(axis=0),
            "low": low,
            "high": high,
            "texts": len(known),
            "arises": pd.array([None if arises.empty else int(arises.iloc[0])] * 3, "Int64"),
        }
    )
