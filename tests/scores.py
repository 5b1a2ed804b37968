"""Made-up scores of probes, as the figures get them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

EXPERIMENTS = {"items": 0.2, "relations": 0.5, "analogies": 0.8}
LAYERED = ("random", "shuffled", "template split", "control task")
# How far below the experiment's scores those of its controls are.
BELOW = {"": 0.0, "random": 0.3, "shuffled": 0.2, "static": 0.25, "template split": -0.05, "control task": 0.33}


def score_rows(
    model: str = "m",
    last: int = 30,
    experiment: str = "items",
    peak: int = 5,
    *,
    control: str = "",
    selection: str = "fixed",
    chance: float = 0.5,
    **columns: Any,
) -> pd.DataFrame:
    """One curve that peaks at one layer, at chance + 0.3, and is below chance far from it."""
    layers = np.array([0]) if control == "static" else np.arange(last + 1)
    score = chance - 0.1 + 0.4 * np.exp(-(((layers - peak) / 3) ** 2)) - BELOW[control]
    if selection == "inner":
        score = score + 0.01
    tested = control == "" and selection == "fixed"
    return pd.DataFrame(
        {
            "model": model,
            "experiment": experiment,
            "view": "original",
            "site": "residual",
            "position": "last",
            "sinks": "with",
            "label": "label.relation",
            "estimator": "svm",
            "selection": selection,
            "control": control,
            "measure": "balanced_accuracy",
            "layer": layers,
            "depth": layers / max(last, 1),
            "score": score,
            "low": score - 0.05,
            "high": score + 0.04,
            "chance": chance,
            "p_family_wise": np.where(score > chance + 0.05, 0.01, 0.6) if tested else np.nan,
            "peak": layers == (peak if len(layers) > 1 else 0),
            "peak_low": float(max(peak - 1, 0)),
            "peak_high": float(min(peak + 2, last)),
            "centre": 0.4,
            "centre_low": 0.3,
            "centre_high": 0.5,
            "texts": 160,
            "groups": 40,
            "texts_with_sinks": 0,
            "texts_left_out": 0,
            "distance": np.nan,
            **dict.fromkeys(("dip", "dip_low", "dip_high"), np.nan),
            **dict.fromkeys(("dip_left", "dip_bottom", "dip_right"), pd.array([pd.NA] * len(layers), dtype="Int64")),
            "dip_reason": "",
        }
    ).assign(**columns)


def with_controls(
    model: str = "m",
    last: int = 30,
    experiment: str = "items",
    peak: int = 5,
    *,
    controls: Sequence[str] = (*LAYERED, "static"),
    **columns: Any,
) -> pd.DataFrame:
    """A curve and its controls."""
    return pd.concat(
        [score_rows(model, last, experiment, peak, control=control, **columns) for control in ("", *controls)],
        ignore_index=True,
    )


def three_experiments(models: dict[str, int], *, controls: Sequence[str] = (*LAYERED, "static")) -> pd.DataFrame:
    """Three experiments of every model (name: last layer), with controls and with penalties by inner folds."""
    parts = []
    for model, last in models.items():
        for experiment, depth in EXPERIMENTS.items():
            parts.append(with_controls(model, last, experiment, round(depth * last), controls=controls))
            parts.append(score_rows(model, last, experiment, round(depth * last), selection="inner"))
    return pd.concat(parts, ignore_index=True)


def in_both_forms(rows: pd.DataFrame, *, sinks: int = 160) -> pd.DataFrame:
    """Curves of means over tokens with and without sinks, which `sinks` texts have; without, they score 0.1 more."""
    numbers = ["score", "low", "high"]
    means = rows.assign(position="mean", texts_with_sinks=sinks)
    without = means.assign(sinks="without", texts_with_sinks=0, **{one: means[one] + 0.1 for one in numbers})
    return pd.concat([means, without if sinks else means.assign(sinks="without")], ignore_index=True)
