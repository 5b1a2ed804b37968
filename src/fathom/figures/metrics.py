"""Metrics over layers: curves with intervals from the rows that the metrics stage writes, and their drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from fathom.figures.panels import (
    MOST_COLUMNS,
    check_curves,
    count,
    count_range,
    figure_width,
    head_height,
    head_panel,
    join_note,
    last_layer,
    note_height,
    set_depth_axis,
    set_title,
    set_value_axis,
    title_height,
)
from fathom.figures.style import (
    DASHED,
    INK,
    MARKERS,
    PALETTE,
    SOLID,
    house_style,
    legend_below,
    legend_height,
    open_figure,
)
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

SINKS = {"with": "all tokens", "without": "without sink tokens", "none": ""}
PREPARATIONS = {"none": "raw states", "rows": "unit rows", "centred": "centred"}

PANEL_HEIGHT = 1.5


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
        texts (used) and left_out (texts), the last two null for a metric of the corpus.

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
    return rows.sort_values("layer")[["layer", "depth", "value", "low", "high"]].reset_index(drop=True)


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

    Raises:
        ValueError: if columns or rows are missing, sinks or preparation are unknown, values do not fit the axis, two
            rows are the same point, or there are more corpora than colours.
    """
    numbers = ("value", "low", "high")
    check_curves(curves, columns=CURVE_COLUMNS, numbers=numbers, key=CURVE_KEY)
    for column, known in (("sinks", SINKS), ("preparation", PREPARATIONS)):
        unknown = sorted(set(curves[column]) - set(known))
        if unknown:
            msg = f"curves: column {column}: expected one of {', '.join(known)}, found {unknown[0]!r}"
            raise ValueError(msg)
    corpora = list(dict.fromkeys(curves["corpus"]))
    if len(corpora) > len(PALETTE):
        msg = f"curves: column corpus: at most {len(PALETTE)} can be told apart in one figure, found {len(corpora)}"
        raise ValueError(msg)
    if logarithmic and (curves[list(numbers)].min() <= 0).any():
        msg = "curves: a logarithmic axis needs values and intervals above 0"
        raise ValueError(msg)
    with house_style():
        return _draw(curves, corpora, title=title, unit=unit, layers=layers, logarithmic=logarithmic)


def _draw(
    curves: pd.DataFrame, corpora: Sequence[str], *, title: str, unit: str, layers: str, logarithmic: bool
) -> Figure:
    models = [str(model) for model in dict.fromkeys(curves["model"])]
    columns = min(len(models), MOST_COLUMNS)
    rows = [
        [
            curves[(curves["model"] == model) & (curves["preparation"] == preparation)]
            for model in models[at : at + columns]
        ]
        for preparation in dict.fromkeys(curves["preparation"])
        for at in range(0, len(models), columns)
    ]
    notes = [[_note(panel) if len(panel) else "" for panel in row] for row in rows]
    handles = _handles(corpora, list(dict.fromkeys(curves["sinks"])))
    width = figure_width(columns)
    heads = [head_height(models, row, columns) for row in notes]
    # Where a row has an empty place, the panels above it would lack their axis, so all rows have one.
    ragged = any(panel.empty for row in rows for panel in row) or len(rows[-1]) < columns
    foot = 0.4 * (len(rows) if ragged else 1) + legend_height(handles, width)
    figure = open_figure(width, title_height(title, columns) + sum(heads) + PANEL_HEIGHT * len(rows) + foot)
    grid = figure.add_gridspec(len(rows), columns)
    first: Axes | None = None
    for at_row, row in enumerate(rows):
        for at_column, panel in enumerate(row):
            if panel.empty:
                continue
            axes = figure.add_subplot(grid[at_row, at_column], sharey=first)
            if first is None:
                first = axes
                # Before the formatters are set: a new scale brings its own.
                axes.set_yscale("log" if logarithmic else "linear")
            for at, corpus in enumerate(corpora):
                _draw_corpus(axes, panel[panel["corpus"] == corpus], at=at, corpora=corpora)
            set_depth_axis(axes, label=ragged or at_row == len(rows) - 1)
            set_value_axis(axes, label=unit, height=PANEL_HEIGHT, numbers=at_column == 0)
            head_panel(
                axes,
                name=str(panel["model"].iloc[0]),
                note=notes[at_row][at_column],
                last=last_layer(panel),
                columns=columns,
                note_points=note_height(notes[at_row], columns),
                layers=layers if at_column == 0 else None,
            )
    set_title(figure, title, columns)
    legend_below(figure, handles)
    return figure


def _draw_corpus(axes: Axes, rows: pd.DataFrame, *, at: int, corpora: Sequence[str]) -> None:
    corpus, colour = corpora[at], PALETTE[at]
    for sinks, unsorted in rows.groupby("sinks", sort=False):
        curve = unsorted.sort_values("layer")
        # A few markers are enough to know a curve; corpora take turns, so that markers do not cover each other.
        step = max(1, len(curve) // 5)
        axes.fill_between(
            curve["depth"],
            curve["low"],
            curve["high"],
            color=colour,
            alpha=0.16,
            linewidth=0,
            label=f"{corpus}, {sinks}, interval",
        )
        axes.plot(
            curve["depth"],
            curve["value"],
            color=colour,
            linestyle=DASHED if sinks == "without" else SOLID,
            marker=MARKERS[at],
            markerfacecolor="white" if sinks == "without" else colour,
            markevery=(at * step // len(corpora), step),
            label=f"{corpus}, {sinks}",
        )


def _handles(corpora: Sequence[str], sinks: Sequence[str]) -> list[list[Line2D]]:
    colours = [
        Line2D([], [], color=PALETTE[at], marker=MARKERS[at], linestyle=SOLID, label=corpus)
        for at, corpus in enumerate(corpora)
    ]
    lines = [
        Line2D([], [], color=INK, linestyle=DASHED if known == "without" else SOLID, label=label)
        for known, label in SINKS.items()
        if known in sinks and label
    ]
    return [colours, lines]


def _note(panel: pd.DataFrame) -> str:
    parts = [
        PREPARATIONS[str(panel["preparation"].iloc[0])],
        count(last_layer(panel), "layer"),
        count_range(panel["texts"], "text"),
    ]
    if "left_out" in panel.columns and (panel["left_out"].fillna(0) > 0).any():
        parts.append(f"{int(panel['left_out'].max())}\N{NO-BREAK SPACE}left\N{NO-BREAK SPACE}out")
    return join_note(parts)
