"""Probes over layers: scores with intervals, chance, and where each curve peaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
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
    panel_width,
    plain_number,
    set_depth_axis,
    set_title,
    set_value_axis,
    title_height,
)
from fathom.figures.style import (
    FAINT,
    INK,
    LINES,
    MARKERS,
    PALETTE,
    SMALL,
    house_style,
    legend_below,
    legend_height,
    open_figure,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_COLUMNS = (
    "model",
    "experiment",
    "estimator",
    "layer",
    "depth",
    "score",
    "low",
    "high",
    "chance",
    "p_family_wise",
    "peak",
    "peak_low",
    "peak_high",
    "texts",
    "groups",
)
CURVE_KEY = ("model", "experiment", "estimator", "layer")
NUMBERS = ("score", "low", "high", "chance", "p_family_wise", "peak_low", "peak_high")

ESTIMATORS = {"svm": "SVM", "ridge": "ridge", "logistic": "logistic"}
SIGNIFICANT = 0.05

PANEL_HEIGHT = 1.45
STRIP_LINE = 0.125
# Depth beyond which the number of a layer would run out of its panel.
ROOM_FOR_NUMBER = 0.85
# Points between two markers below which they would melt into a band.
MARKER_SPACING = 2.8


def draw_probes(
    curves: pd.DataFrame,
    *,
    estimators: Sequence[str] | None = None,
    experiments: Sequence[str] | None = None,
    score: str = "balanced accuracy",
    title: str = "",
    layers: str = "layer",
) -> Figure:
    """Draw the scores of probes over the relative depth of models: a column a model, a row an estimator.

    Colour, line style and marker tell the experiment. A marker is filled where the score is above chance (family-wise
    p < 0.05) and open elsewhere; a curve with many layers shows a part of its markers. The dotted line is chance. A
    strip above each panel has one line an experiment: its peak, the peak's interval, and the number of the peak's
    layer. Scores below chance are drawn as they are.

    Args:
        curves: model, experiment, estimator, layer, depth (0..1), score, low, high, chance, p_family_wise, peak (true
            at one layer of each curve), peak_low, peak_high (layers), texts, groups; one row a point
        estimators: which, and from top to bottom; by default all, as they come
        experiments: which, and in which order; by default all, as they come
        score: the label of the axis of scores
        title: of the figure
        layers: what to call the layers, such as "layer" or the name of another convention

    Raises:
        ValueError: if columns or rows are missing, a number is not finite, two rows are the same point, a curve has no
            peak or several, or an estimator or experiment is not in `curves`.
    """
    check_curves(curves, columns=CURVE_COLUMNS, numbers=NUMBERS, key=CURVE_KEY)
    for column in NUMBERS:
        if curves[column].isna().any():
            msg = f"curves: column {column} holds NaN"
            raise ValueError(msg)
    chosen_estimators = _chosen(curves, "estimator", estimators)
    chosen_experiments = _chosen(curves, "experiment", experiments)
    if len(chosen_experiments) > len(PALETTE):
        msg = f"experiments: at most {len(PALETTE)} can be told apart in one figure, found {len(chosen_experiments)}"
        raise ValueError(msg)
    chosen = curves[curves["estimator"].isin(chosen_estimators) & curves["experiment"].isin(chosen_experiments)]
    for key, curve in chosen.groupby(["model", "experiment", "estimator"], sort=False):
        if curve["peak"].sum() != 1:
            msg = f"curves: column peak: expected one peak for {', '.join(map(str, key))}, found {curve['peak'].sum()}"
            raise ValueError(msg)
    with house_style():
        return _draw(chosen, chosen_estimators, chosen_experiments, score=score, title=title, layers=layers)


def _chosen(curves: pd.DataFrame, column: str, wanted: Sequence[str] | None) -> list[str]:
    found = list(dict.fromkeys(curves[column]))
    if wanted is None:
        return found
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        msg = f"{column}s: expected some of {', '.join(map(str, found))}, found {', '.join(missing) or 'none'}"
        raise ValueError(msg)
    return list(wanted)


def _draw(
    curves: pd.DataFrame,
    estimators: Sequence[str],
    experiments: Sequence[str],
    *,
    score: str,
    title: str,
    layers: str,
) -> Figure:
    models = [str(model) for model in dict.fromkeys(curves["model"])]
    columns = min(len(models), MOST_COLUMNS)
    blocks = [models[at : at + columns] for at in range(0, len(models), columns)]
    notes = {model: _note(curves[curves["model"] == model]) for model in models}
    handles = _handles(experiments)
    width = figure_width(columns)
    strip = STRIP_LINE * len(experiments)
    height = legend_height(handles, width) + title_height(title, columns) + 0.05
    for block in blocks:
        height += head_height(block, [notes[model] for model in block], columns) + 0.4
        height += (strip + PANEL_HEIGHT + 0.1) * len(estimators)
    figure = open_figure(width, height)
    rows = [(block, estimator) for block in blocks for estimator in estimators]
    grid = figure.add_gridspec(2 * len(rows), columns, height_ratios=[strip, PANEL_HEIGHT] * len(rows))
    limits = _limits(curves)
    for at_row, (block, estimator) in enumerate(rows):
        for at_column, model in enumerate(block):
            panel = curves[(curves["model"] == model) & (curves["estimator"] == estimator)]
            last = last_layer(curves[curves["model"] == model])
            peaks = figure.add_subplot(grid[2 * at_row, at_column])
            _draw_peaks(peaks, panel, experiments, last=last, names=at_column == 0)
            if estimator == estimators[0]:
                head_panel(
                    peaks,
                    name=model,
                    note=notes[model],
                    last=last,
                    columns=columns,
                    note_points=note_height([notes[other] for other in block], columns),
                    layers=layers if at_column == 0 else None,
                )
            axes = figure.add_subplot(grid[2 * at_row + 1, at_column])
            spacing = panel_width(columns) * 72 / max(last, 1)
            for at, experiment in enumerate(experiments):
                _draw_experiment(axes, panel[panel["experiment"] == experiment], at=at, spacing=spacing)
            _draw_chance(axes, panel, label=at_column == columns - 1)
            axes.set_ylim(limits)
            set_depth_axis(axes, label=estimator == estimators[-1])
            label = f"{ESTIMATORS.get(estimator, estimator)}\n{score}"
            set_value_axis(axes, label=label, height=PANEL_HEIGHT, numbers=at_column == 0)
    set_title(figure, title, columns)
    legend_below(figure, handles)
    return figure


def _limits(curves: pd.DataFrame) -> tuple[float, float]:
    """Give one range for all panels that holds every score, interval and chance level."""
    values = curves[["score", "low", "high", "chance"]].to_numpy(dtype=np.float64)
    room = 0.05 * (values.max() - values.min()) or 0.05
    return values.min() - room, values.max() + room


def _draw_experiment(axes: Axes, rows: pd.DataFrame, *, at: int, spacing: float) -> None:
    if rows.empty:
        return
    curve = rows.sort_values("layer")
    name, colour = str(curve["experiment"].iloc[0]), PALETTE[at]
    axes.fill_between(curve["depth"], curve["low"], curve["high"], color=colour, alpha=0.16, linewidth=0, label=name)
    axes.plot(curve["depth"], curve["score"], color=colour, linestyle=LINES[at], label=name)
    step = int(np.ceil(MARKER_SPACING / spacing))
    shown = curve.iloc[::step]
    above = shown["p_family_wise"] < SIGNIFICANT
    for part, fill, what in ((shown[above], colour, "above chance"), (shown[~above], "white", "not above chance")):
        axes.plot(
            part["depth"],
            part["score"],
            linestyle="none",
            marker=MARKERS[at],
            markersize=min(2.8, 0.7 * spacing * step),
            color=colour,
            markerfacecolor=fill,
            markeredgewidth=0.6,
            label=f"{name}, {what}",
        )
    peak = curve[curve["peak"].astype(bool)]
    _draw_peak(axes, peak, float(peak["score"].iloc[0]), at=at, size=5.5)


def _draw_peak(axes: Axes, peak: pd.DataFrame, height: float, *, at: int, size: float) -> None:
    """Draw the marker of a peak: filled if the peak is above chance, else open."""
    above = bool((peak["p_family_wise"] < SIGNIFICANT).all())
    axes.plot(
        peak["depth"],
        [height],
        linestyle="none",
        marker=MARKERS[at],
        markersize=size,
        markeredgecolor=INK if above else PALETTE[at],
        markerfacecolor=PALETTE[at] if above else "white",
        zorder=3,
        label=f"{peak['experiment'].iloc[0]}, peak",
    )


def _draw_chance(axes: Axes, panel: pd.DataFrame, *, label: bool) -> None:
    for _, curve in panel.drop_duplicates(["depth", "chance"]).groupby("experiment", sort=False):
        ordered = curve.sort_values("depth")
        axes.plot(
            ordered["depth"], ordered["chance"], color=FAINT, linestyle=(0, (1, 1.6)), linewidth=0.9, label="chance"
        )
    if label and len(panel):
        level = float(panel["chance"].iloc[-1])
        same = bool(np.allclose(panel["chance"], level))
        axes.annotate(
            f"chance\n{plain_number(level)}" if same else "chance",
            xy=(1, level),
            xycoords=("axes fraction", "data"),
            xytext=(2, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=SMALL,
            color=FAINT,
        )


def _draw_peaks(axes: Axes, panel: pd.DataFrame, experiments: Sequence[str], *, last: int, names: bool) -> None:
    """Draw the strip above a panel: a line an experiment with its peak, the interval of it and the layer's number."""
    for at, experiment in enumerate(experiments):
        peak = panel[(panel["experiment"] == experiment) & panel["peak"].astype(bool)]
        if peak.empty:
            continue
        low, high = (float(peak[column].iloc[0]) / max(last, 1) for column in ("peak_low", "peak_high"))
        axes.plot([low, high], [at, at], color=PALETTE[at], linewidth=1.0, solid_capstyle="butt", label=experiment)
        _draw_peak(axes, peak, at, at=at, size=4.0)
        at_peak = float(peak["depth"].iloc[0])
        # The number stands after the bar; where there is no room, before it; where the bar is too long, on it.
        if high < ROOM_FOR_NUMBER:
            beside, side = max(high, at_peak), 1
        elif low > 1 - ROOM_FOR_NUMBER:
            beside, side = min(low, at_peak), -1
        else:
            beside, side = at_peak, 1 if at_peak < ROOM_FOR_NUMBER else -1
        axes.annotate(
            str(int(peak["layer"].iloc[0])),
            xy=(beside, at),
            xytext=(4.5 * side, 0),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center_baseline",
            fontsize=SMALL,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )
    set_depth_axis(axes, label=False)
    axes.set_ylim(len(experiments) - 0.4, -0.6)
    axes.set_yticks(range(len(experiments)), labels=experiments if names else [""] * len(experiments))
    axes.tick_params(axis="both", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines[:].set_visible(False)


def _handles(experiments: Sequence[str]) -> list[list[Line2D]]:
    curves = [
        Line2D([], [], color=PALETTE[at], linestyle=LINES[at], marker=MARKERS[at], markersize=2.8, label=experiment)
        for at, experiment in enumerate(experiments)
    ]
    above = Line2D([], [], color=FAINT, linestyle="none", marker="o", markersize=2.8)
    above.set_label(f"above chance, p < {SIGNIFICANT:g}")
    other = Line2D([], [], color=FAINT, linestyle="none", marker="o", markersize=2.8, markerfacecolor="white")
    other.set_label("not above chance")
    peak = Line2D([], [], color=FAINT, linewidth=1.0, marker="o", markersize=4.0, markeredgecolor=INK)
    peak.set_label("peak and its interval")
    return [curves, [above, other, peak]]


def _note(panel: pd.DataFrame) -> str:
    parts = [
        count(last_layer(panel), "layer"),
        count_range(panel["texts"], "text"),
        count_range(panel["groups"], "group"),
    ]
    return join_note(parts)
