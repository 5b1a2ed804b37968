"""Curves over layers from one value a text and layer: means with group bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fathom.statistics.resampling import bootstrap_mean

METRIC_COLUMNS = (
    "text",
    "group",
    "view",
    "layer",
    "depth",
    "preparation",
    "sinks",
    "value",
    "low",
    "high",
)
SUMMARY_COLUMNS = (
    "view",
    "sinks",
    "preparation",
    "layer",
    "depth",
    "value",
    "low",
    "high",
    "texts",
    "groups",
    "left_out",
)


def summarise_metric(frame: pd.DataFrame, *, samples: int, level: float, seed: int) -> pd.DataFrame:
    """Turn one metric of one model and corpus into curves: its mean over texts with a group bootstrap interval.

    Every layer is a mean over the texts that have a value there, so that no text depends on what others have; their
    number stands beside it. A layer at which no text has a value is NaN. Texts of a single group give a mean without an
    interval (NaN), since nothing can be resampled. A metric of the corpus as a whole (text is null) keeps the value and
    interval that it came with.

    Args:
        frame: columns text, group, view, layer, depth, preparation, sinks, value, low, high; one row a text and layer
        samples: bootstrap samples over groups
        level: of the interval, such as 0.95
        seed: of the bootstrap

    Returns:
        One row for every view, sinks, preparation and layer: view, sinks, preparation, layer, depth, value, low, high,
        texts (used; of a metric of the corpus, as they came), groups (of these texts; null for a metric of the corpus)
        and left_out (texts without a value; of a metric of the corpus, those that repeat another).

    Raises:
        ValueError: if columns or rows are missing, a text lacks a layer or has it twice, is in two groups or none, or
            texts and corpus-level rows are mixed.
    """
    missing = [column for column in METRIC_COLUMNS if column not in frame.columns]
    if missing:
        msg = f"frame: columns are missing: {', '.join(missing)}"
        raise ValueError(msg)
    if frame.empty:
        msg = "frame: there are no rows; expected one for every text and layer"
        raise ValueError(msg)
    if np.isinf(frame["value"].to_numpy(dtype=np.float64)).any():
        msg = "frame: column value holds an infinite value"
        raise ValueError(msg)
    if frame["text"].isna().any() and not frame["text"].isna().all():
        msg = "frame: rows with a text and rows without one are mixed; a metric is of texts or of the corpus"
        raise ValueError(msg)
    curves = []
    for _, rows in frame.groupby(["view", "sinks", "preparation"], sort=False, dropna=False):
        if rows["text"].isna().all():
            curve = _corpus_curve(rows)
        else:
            curve = _text_curve(rows, samples=samples, level=level, seed=seed)
        for column in ("view", "sinks", "preparation"):
            curve[column] = rows[column].iloc[0]
        curves.append(curve)
    summary = pd.concat(curves, ignore_index=True).reindex(columns=list(SUMMARY_COLUMNS))
    return summary.astype({"texts": "Int64", "groups": "Int64", "left_out": "Int64"})


def _corpus_curve(rows: pd.DataFrame) -> pd.DataFrame:
    if rows["layer"].duplicated().any():
        msg = "frame: a metric of the corpus has more than one row for a layer"
        raise ValueError(msg)
    columns = ["layer", "depth", "value", "low", "high", "texts", "repeats"]
    curve = rows.sort_values("layer").reindex(columns=columns).reset_index(drop=True)
    return curve.rename(columns={"repeats": "left_out"})


def _text_curve(rows: pd.DataFrame, *, samples: int, level: float, seed: int) -> pd.DataFrame:
    if rows.duplicated(["text", "layer"]).any():
        msg = "frame: a text has more than one row for a layer"
        raise ValueError(msg)
    groups = rows.groupby("text")["group"].agg(["nunique", "first"])
    if (groups["nunique"] != 1).any():
        msg = f"frame: column group: text {groups.index[groups['nunique'] != 1][0]} is not in exactly one group"
        raise ValueError(msg)
    depths = rows.drop_duplicates("layer").set_index("layer")["depth"].sort_index()
    if len(rows) != len(groups) * len(depths):
        msg = f"frame: expected {len(groups)} texts x {len(depths)} layers, found {len(rows)} rows"
        raise ValueError(msg)
    values = rows.pivot(index="text", columns="layer", values="value")
    matrix = values.to_numpy(dtype=np.float64)
    there = ~np.isnan(matrix)
    curve = pd.DataFrame({"layer": depths.index, "depth": depths.to_numpy()})
    curve[["value", "low", "high"]] = np.nan
    curve["groups"] = 0
    # Layers at which the same texts have a value share their resamples.
    for used in np.unique(there, axis=1).T:
        layers = (there == used[:, np.newaxis]).all(axis=0)
        if not used.any():
            continue
        chosen = matrix[np.ix_(used, layers)]
        names = groups.loc[values.index[used], "first"].to_numpy()
        curve.loc[layers, "value"] = chosen.mean(axis=0)
        curve.loc[layers, "groups"] = len(set(names))
        if len(set(names)) > 1:
            _, low, high = bootstrap_mean(chosen, names, samples=samples, level=level, seed=seed)
            curve.loc[layers, "low"] = low
            curve.loc[layers, "high"] = high
    curve["texts"] = there.sum(axis=0)
    curve["left_out"] = (~there).sum(axis=0)
    return curve
