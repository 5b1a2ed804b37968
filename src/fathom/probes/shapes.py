"""The shape of the curves of probes: their peak, centre of mass and normalised score, and the mean over labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fathom.io.tables import MEAN
from fathom.statistics.arrays import FloatArray
from fathom.statistics.curve_shape import centre_interval, centre_of_mass, normalised
from fathom.statistics.resampling import peak_interval, tails

KEY = ["label", "estimator", "selection", "measure"]
CurveKey = tuple[str, str, str, str]
Replicates = Mapping[CurveKey, FloatArray]


def shaped(curves: pd.DataFrame, replicates: Replicates, depths: FloatArray, level: float) -> pd.DataFrame:
    """Curves with their mean over labels, and of each its peak, centre of mass and normalised score."""
    curves, replicates = _with_mean(curves, replicates, level)
    parts = []
    for _, curve in curves.groupby(KEY, sort=False):
        key = key_of(curve)
        samples, score, chance = replicates[key], curve["score"].to_numpy(), float(curve["chance"].iloc[0])
        at = depths[curve["layer"].to_numpy()]
        first, last = peak_interval(samples, level)
        low, high = centre_interval(samples, chance, at, level=level)
        parts.append(
            curve.assign(
                normalised=normalised(score, chance),
                peak=np.arange(len(curve)) == score.argmax(),
                peak_low=first,
                peak_high=last,
                centre=float(centre_of_mass(score[None], chance, at)[0]),
                centre_low=low,
                centre_high=high,
            )
        )
    return pd.concat(parts, ignore_index=True)


def _with_mean(curves: pd.DataFrame, replicates: Replicates, level: float) -> tuple[pd.DataFrame, Replicates]:
    """Add the mean curve of the labels with two values, where there are several.

    Its interval comes from the same resampled groups for every label; its p is the largest of theirs: the mean counts
    as above chance where every label does.
    """
    accuracy = curves[(curves["measure"] == "balanced_accuracy") & (curves["chance"] == 1 / 2)]
    binary = set(accuracy["label"])
    if len(binary) < 2:
        return curves, replicates
    means, samples = [], dict(replicates)
    for _, part in curves[curves["label"].isin(binary)].groupby(KEY[1:], sort=False):
        _, estimator, selection, measure = key_of(part)
        average = np.mean(
            [replicates[(label, estimator, selection, measure)] for label in part["label"].unique()], axis=0
        )
        low, high = np.quantile(average, tails(level), axis=0)
        by_layer = part.groupby("layer", sort=True)
        mean = by_layer[["score", "chance"]].mean()
        means.append(
            mean.assign(
                low=low,
                high=high,
                p_family_wise=by_layer["p_family_wise"].max(),
                texts=by_layer["texts"].max(),
                groups=by_layer["groups"].max(),
                label=MEAN,
                estimator=estimator,
                selection=selection,
                measure=measure,
            ).reset_index()
        )
        samples[(MEAN, estimator, selection, measure)] = average
    return pd.concat([*means, curves], ignore_index=True), samples


def key_of(rows: pd.DataFrame) -> CurveKey:
    """Label, estimator, selection and measure of the first row."""
    label, estimator, selection, measure = (str(rows[column].iloc[0]) for column in KEY)
    return label, estimator, selection, measure
