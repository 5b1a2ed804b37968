"""Metrics over layers: curves with intervals from the rows that the metrics stage writes, and their drawing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from fathom.figures.panels import (
    MOST_COLUMNS,
    Panel,
    check_curves,
    check_words,
    draw_panels,
    draw_with_and_without,
    last_layer,
    pages,
    panel_note,
    sinks_handles,
)
from fathom.figures.style import MARKERS, PALETTE, SOLID, house_style
from fathom.statistics import bootstrap_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    "left_out",
)
CURVE_COLUMNS = ("model", "corpus", "sinks", "preparation", "layer", "depth", "value", "low", "high", "texts")
CURVE_KEY = ("model", "corpus", "sinks", "preparation", "layer")


def summarise_metric(frame: pd.DataFrame, *, samples: int, level: float, seed: int) -> pd.DataFrame:
    """Turn one metric of one model and corpus into curves: its mean over texts with a group bootstrap interval.

    A text whose value is NaN at a layer is left out of the whole curve, so that every layer is a mean over the same
    texts; a layer at which no text has a value is left as NaN and leaves no text out of the others. Texts of a single
    group give a mean without an interval (NaN), since nothing can be resampled. A metric of the corpus as a whole (text
    is null) keeps the value and interval that it came with.

    Args:
        frame: columns text, group, view, layer, depth, preparation, sinks, value, low, high; one row a text and layer
        samples: bootstrap samples over groups
        level: of the interval, such as 0.95
        seed: of the bootstrap

    Returns:
        One row for every view, sinks, preparation and layer: view, sinks, preparation, layer, depth, value, low, high,
        texts (used; of a metric of the corpus, as they came) and left_out (texts; null for one of the corpus).

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
    return summary.astype({"texts": "Int64", "left_out": "Int64"})


def _corpus_curve(rows: pd.DataFrame) -> pd.DataFrame:
    if rows["layer"].duplicated().any():
        msg = "frame: a metric of the corpus has more than one row for a layer"
        raise ValueError(msg)
    columns = ["layer", "depth", "value", "low", "high", "texts"]
    return rows.sort_values("layer").reindex(columns=columns).reset_index(drop=True)


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
    measured = ~np.isnan(matrix).all(axis=0)
    complete = ~np.isnan(matrix[:, measured]).any(axis=1)
    curve = pd.DataFrame({"layer": depths.index, "depth": depths.to_numpy()})
    curve[["value", "low", "high"]] = np.nan
    if measured.any() and complete.any():
        used = matrix[np.ix_(complete, measured)]
        names = groups.loc[values.index[complete], "first"].to_numpy()
        curve.loc[measured, "value"] = used.mean(axis=0)
        if len(set(names)) > 1:
            _, low, high = bootstrap_mean(used, names, samples=samples, level=level, seed=seed)
            curve.loc[measured, "low"] = low
            curve.loc[measured, "high"] = high
    curve["texts"] = np.where(measured, complete.sum(), 0)
    curve["left_out"] = np.where(measured, (~complete).sum(), len(complete))
    return curve


def draw_metric(
    curves: pd.DataFrame,
    *,
    title: str,
    unit: str,
    layers: str = "layer",
    logarithmic: bool = False,
    notes: Sequence[str] = (),
) -> Figure:
    """Draw a metric over the relative depth of models: one panel a model (and preparation, if there are several).

    Colour and marker tell the corpus; a solid line with filled markers is over all tokens, a dashed one with open
    markers without the sink tokens. Bands are the intervals. The absolute layer stands on top. Where the metric has no
    value, the curve has a gap. A text may be left out of some curves only; the note gives the range of their numbers.

    Args:
        curves: model, corpus, sinks ("with" | "without" | "none"), preparation, layer, depth (0..1), value, low, high,
            texts (null where unknown) and, if there, left_out; one row a point
        title: of the figure, such as "Prompt entropy"
        unit: of the values, the label of their axis
        layers: what to call the layers, such as "layer" or the name of another convention
        logarithmic: whether the axis of values is
        notes: lines of small text under the panels

    Raises:
        ValueError: if columns or rows are missing, sinks or preparation are unknown, values do not fit the axis, two
            rows are the same point, or there are more corpora than colours.
    """
    numbers = ("value", "low", "high")
    check_curves(curves, columns=CURVE_COLUMNS, numbers=numbers, key=CURVE_KEY)
    check_words(curves)
    corpora = list(dict.fromkeys(curves["corpus"]))
    if len(corpora) > len(PALETTE):
        msg = f"curves: column corpus: at most {len(PALETTE)} can be told apart in one figure, found {len(corpora)}"
        raise ValueError(msg)
    if logarithmic and (curves[list(numbers)].min() <= 0).any():
        msg = "curves: a logarithmic axis needs values and intervals above 0"
        raise ValueError(msg)
    with house_style():
        return _draw(curves, corpora, title=title, unit=unit, layers=layers, logarithmic=logarithmic, notes=notes)


def _draw(
    curves: pd.DataFrame,
    corpora: Sequence[str],
    *,
    title: str,
    unit: str,
    layers: str,
    logarithmic: bool,
    notes: Sequence[str],
) -> Figure:
    def draw(axes: Axes, rows: pd.DataFrame) -> None:
        for at, corpus in enumerate(corpora):
            draw_with_and_without(
                axes,
                rows[rows["corpus"] == corpus],
                label=corpus,
                colour=PALETTE[at],
                marker=MARKERS[at],
                turn=(at, len(corpora)),
            )

    def panel(model: str, preparation: str) -> Panel | None:
        rows = curves[(curves["model"] == model) & (curves["preparation"] == preparation)]
        if rows.empty:
            return None
        return Panel(
            draw=partial(draw, rows=rows),
            unit=unit,
            name=model,
            note=panel_note(rows),
            last=last_layer(rows),
            logarithmic=logarithmic,
        )

    rows = [
        [panel(model, preparation) for model in page]
        for preparation in dict.fromkeys(curves["preparation"])
        for page in pages(list(dict.fromkeys(curves["model"])), MOST_COLUMNS)
    ]
    colours = [
        Line2D([], [], color=PALETTE[at], marker=MARKERS[at], linestyle=SOLID, label=corpus)
        for at, corpus in enumerate(corpora)
    ]
    legend = [colours, sinks_handles(list(curves["sinks"].unique()))]
    return draw_panels(rows, title=title, layers=layers, legend=legend, notes=notes)
