"""Coordination of adjacent layers: probe scores that alternate, attention that goes together, states that are alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fathom.figures.drawing.axes import last_layer, layer_ticks
from fathom.figures.drawing.checks import check_curves
from fathom.figures.drawing.grid import ColourBar, Panel, draw_panels
from fathom.figures.drawing.style import (
    DASHED,
    DOTTED,
    FAINT,
    GRID,
    INK,
    LINES,
    PALETTE,
    SMALL,
    SOLID,
    fold,
    house_style,
    ordered_colours,
)
from fathom.figures.drawing.text import plain_number, round_values
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.probes.forms import form_names, forms_notes, panels_of_forms
from fathom.figures.probes.rows import fixed_curves, main_measure, one_place
from fathom.figures.probes.score_panels import (
    CHANCE_LINE,
    ESTIMATORS,
    LABEL_KEY,
    MEASURES,
    SIGNIFICANT,
    check_only,
    check_scores,
    choose_measure,
    control_handles,
    curve_handles,
    draw_chance,
    draw_controls,
    draw_scores,
    hue_column,
    mark_handles,
    missing_controls,
    peak_handle,
    scores_note,
    split_selections,
)
from fathom.io.tables import MEAN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.typing import LineStyleType


NUMBERS = ("value", "low", "high", "null", "null_low", "null_high", "p")
COORDINATION_KEY = ("model", "experiment", "sinks", "estimator", "label", "measure", "layer", "other_layer")
COORDINATION_COLUMNS = (*COORDINATION_KEY, "depth", "other_depth", *NUMBERS)
# Measures of whole curves and of pairs of them, and how a panel is headed and its axis labelled.
INDICES = {
    "alternation": ("alternation", "index"),
    "alternation_cross": ("alternation, one half against the other", "index"),
    "parity": ("even minus odd layers", "difference of scores"),
}
PAIRS = {
    "tradeoff": ("trade-off of two curves at a layer", "correlation"),
    "tradeoff_lagged": ("trade-off with the next layer", "correlation"),
}
ADJACENT = {"attention_adjacent": ("attention weights, layers apart", "correlation")}
# Measures of two layers.
ATTENTION = "attention"
HEADS = "attention_heads"
SIMILARITIES = {"cka": "linear CKA", "neighbourhood_overlap": "neighbourhood overlap"}
COMPLEMENTARITY = "complementarity"
OF_LAYERS = (ATTENTION, HEADS, *SIMILARITIES, COMPLEMENTARITY)
OF_SCORES = (*INDICES, *PAIRS, COMPLEMENTARITY)
KNOWN = (*INDICES, *PAIRS, *ADJACENT, *OF_LAYERS)
COLUMNS = 3
HEIGHT = 1.3
LINE = 0.2
LEAST_LINES = 3
# Of pairs of curves, which grow with the square of the curves.
MOST_LINES = 12
# Inches beyond which the name beside a line is folded, and the part of a panel left free for p.
NAME_WIDTH = 1.0
P_ROOM = 0.42
NULL = "#D2D2D2"
# Half of the height of a null's bar, in lines.
BAR = 0.32
OFFSET_LINES: tuple[LineStyleType, ...] = (SOLID, DASHED, DOTTED)
# Blue below zero, white at it, red above.
COLOURS = "RdBu_r"


def draw_coordination(
    curves: pd.DataFrame,
    coordination: pd.DataFrame,
    *,
    title: str = "",
    layers: str = "layer",
    measure: str = "balanced_accuracy",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw whether adjacent layers take turns, go together or complement each other, and what chance gives.

    Of every model, from top to bottom: (1) scores of the probes at the attention's output over relative depth, beside
    them their controls, and what a probe of two adjacent layers gains on the better one of them; (2) indices of every
    curve: the alternation of adjacent layers, which noise alone brings to about 0.5, that of one half of the texts
    against the other, which noise leaves at 0, and the contrast of even and odd layers; (3) of every two curves their
    trade-off at a layer and one layer on, and how attention weights correlate of layers that are 1, 2, 3 apart; of more
    than 12 curves or pairs those with the smallest p are shown; (4) the correlation of the attention weights of every
    two layers as a heat map, a dot where p >= 0.05, and that of the best matching heads of adjacent layers; (5) how
    alike the states of layers are that are 1, 2, 3 apart; (4) and (5) for each experiment.

    Grey bars and areas are the null's interval and grey lines its mean; a marker is filled where p < 0.05, open where
    it is not, and small where there is no p; coloured lines and areas are intervals. What stands between two layers is
    drawn half way between them. Panels without rows are left out. Where there are curves with and without sink tokens
    that differ, all this is drawn for each form.

    Args:
        curves: as for `draw_probes`, and label; of one estimator; several experiments or several labels, not both
        coordination: model, experiment, sinks, estimator, label, measure (one of KNOWN), layer, other_layer (none in
            rows of whole curves), depth, other_depth (0..1), value, low, high, null, null_low, null_high, p (NaN where
            there is none); of models of `curves`. Rows of scores of another estimator than that of `curves` are left
            out
        title: of the figure
        layers: what to call the layers
        measure: of the curves, "balanced_accuracy" | "auc" | "r" | "r2"
        notes: lines of small text under the panels

    Raises:
        ValueError: as `draw_probes`; if columns or all rows of `coordination` are missing, a measure is unknown, a
            number is infinite, a value NaN, two rows are the same, a row of two layers lacks one, or a model is not in
            `curves`; or if there are more curves than colours.
    """
    check_scores(curves, key=LABEL_KEY, columns=("label",))
    _check(coordination, curves)
    names = form_names(curves)
    curves, coordination = panels_of_forms(curves, names), panels_of_forms(coordination, names)
    chosen, _ = split_selections(choose_measure(curves, measure))
    estimator = check_only(chosen, "estimator")
    of = hue_column(chosen)
    # Attention weights and the likeness of states have no estimator.
    coordination = coordination[~coordination["measure"].isin(OF_SCORES) | (coordination["estimator"] == estimator)]
    complementary = coordination[coordination["measure"] == COMPLEMENTARITY]
    if complementary.duplicated(["model", of, "layer"]).any():
        msg = f"coordination: column {of}: expected one curve of {COMPLEMENTARITY} for each, found several"
        raise ValueError(msg)
    told_apart = list(dict.fromkeys([*chosen.loc[chosen["control"] == "", of], *complementary[of]]))
    if len(told_apart) > len(PALETTE):
        msg = f"curves: column {of}: at most {len(PALETTE)} can be told apart in one figure, found {len(told_apart)}"
        raise ValueError(msg)
    words = _Words(of=of, names=told_apart, estimator=ESTIMATORS[estimator], unit=MEASURES[measure], layers=layers)
    with house_style():
        return _draw(chosen, coordination, words, title=title, notes=notes)


def _check(coordination: pd.DataFrame, curves: pd.DataFrame) -> None:
    missing = [column for column in COORDINATION_COLUMNS if column not in coordination.columns]
    if missing:
        msg = f"coordination: columns are missing: {', '.join(missing)}"
        raise ValueError(msg)
    unknown = sorted(set(coordination["measure"]) - set(KNOWN))
    if unknown:
        msg = f"coordination: column measure: expected one of {', '.join(KNOWN)}; found {unknown[0]!r}"
        raise ValueError(msg)
    whole = ~coordination["measure"].isin(OF_LAYERS)
    # Rows of whole curves have no depth.
    placed = coordination.assign(depth=coordination["depth"].astype("float64").where(~whole, 0.0))
    check_curves(placed, columns=COORDINATION_COLUMNS, numbers=NUMBERS, key=COORDINATION_KEY, name="coordination")
    for column in ("layer", "other_layer", "depth", "other_depth"):
        if coordination.loc[~whole, column].isna().any():
            first = coordination.loc[~whole & coordination[column].isna(), "measure"].iloc[0]
            msg = f"coordination: column {column}: expected one in every row of {first}, found none"
            raise ValueError(msg)
    if coordination["value"].isna().any():
        msg = "coordination: column value holds NaN"
        raise ValueError(msg)
    strangers = set(coordination["model"]) - set(curves["model"])
    if strangers:
        msg = f"coordination: column model: {min(strangers)} is not in curves"
        raise ValueError(msg)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Words:
    of: str
    """The column that tells curves apart."""
    names: list[str]
    """What it holds, in the order of the colours."""
    estimator: str
    unit: str
    layers: str


def _draw(main: pd.DataFrame, coordination: pd.DataFrame, words: _Words, *, title: str, notes: Sequence[str]) -> Figure:
    models = list(dict.fromkeys(main["model"]))
    attention = coordination.loc[coordination["measure"] == ATTENTION, "value"]
    largest = float(attention.abs().max()) if attention.abs().any() else 1.0
    rows: list[list[Panel | None]] = []
    for model in models:
        of_model = coordination[coordination["model"] == model]
        rows += _rows_of(model, main[main["model"] == model], of_model, words, largest)
    bar = ColourBar(
        colours=ScalarMappable(Normalize(-largest, largest), colormaps[COLOURS]),
        label="correlation of attention weights",
        values=round_values(largest),
    )
    return draw_panels(
        rows,
        title=title,
        layers=words.layers,
        legend=_legend(main, coordination, words),
        notes=[_left_out(coordination), missing_controls(main, of=words.of), *notes],
        bar=bar if len(attention) else None,
    )


def _rows_of(
    model: str, curves: pd.DataFrame, coordination: pd.DataFrame, words: _Words, largest: float
) -> list[list[Panel | None]]:
    last = last_layer(curves)

    def draw(axes: Axes) -> None:
        draw_chance(axes, curves)
        for at, name in enumerate(words.names):
            curve = curves[(curves[words.of] == name) & (curves["control"] == "")]
            draw_scores(axes, curve, name=name, at=at, columns=COLUMNS, last=last)

    def draw_theirs(axes: Axes) -> None:
        draw_chance(axes, curves)
        for at, name in enumerate(words.names):
            draw_controls(axes, curves[curves[words.of] == name], name=name, colour=PALETTE[at])

    scores = Panel(
        draw=draw,
        unit=words.unit,
        name=model,
        note=scores_note(curves, words.estimator, last=last),
        last=last,
        scale=f"{model}, scores",
        height=HEIGHT,
    )
    controls = Panel(
        draw=draw_theirs, unit=words.unit, name="their controls", last=last, scale=f"{model}, scores", height=HEIGHT
    )

    def over_depth(rows: pd.DataFrame, measure: str, name: str, unit: str, draw: Callable[..., None]) -> Panel | None:
        of_measure = rows[rows["measure"] == measure]
        if of_measure.empty:
            return None
        return Panel(
            draw=partial(draw, rows=of_measure),
            unit=unit,
            name=name,
            last=last,
            scale=f"{model}, {name}",
            height=HEIGHT,
        )

    gains = over_depth(
        coordination,
        COMPLEMENTARITY,
        "two layers together",
        f"gain in {words.unit}",
        partial(_draw_gains, words=words),
    )
    panels: list[list[Panel | None]] = [
        [scores, controls, gains],
        _index_panels(coordination, INDICES, model),
        [*_index_panels(coordination, PAIRS, model), *_index_panels(coordination, ADJACENT, model)],
    ]
    of_states = coordination[coordination["measure"].isin((ATTENTION, HEADS, *SIMILARITIES))]
    for experiment, rows in of_states.groupby("experiment", sort=False):
        of = f", {experiment}" if of_states["experiment"].nunique() > 1 else ""
        panels += [
            [
                _heat_map(
                    rows,
                    largest,
                    name=f"attention weights of two layers{of}",
                    scale=f"{model}, map{of}",
                    layers=words.layers,
                ),
                over_depth(rows, HEADS, f"best matching heads{of}", "|r|", _draw_heads),
            ],
            [over_depth(rows, measure, f"{name}{of}", name, _draw_offsets) for measure, name in SIMILARITIES.items()],
        ]
    return panels


# Indices of whole curves ---------------------------------------------------------------------------------------------
def _index_panels(coordination: pd.DataFrame, kinds: Mapping[str, tuple[str, str]], model: str) -> list[Panel | None]:
    """Make a panel of each kind, with a line for everything that some kind has a row of."""
    rows = coordination[coordination["measure"].isin(kinds)]
    rows = rows.assign(line=_line_names(rows))
    lines = _lines(rows)
    names = {float(at): fold(line.replace("label.", ""), NAME_WIDTH, size=SMALL) for at, line in enumerate(lines)}
    tallest = max((name.count("\n") + 1 for name in names.values()), default=1)

    def panel(measure: str) -> Panel | None:
        of_kind = rows[(rows["measure"] == measure) & rows["line"].isin(lines)]
        if of_kind.empty:
            return None
        name, unit = kinds[measure]
        return Panel(
            draw=partial(_draw_indices, rows=of_kind, lines=lines),
            unit="",
            name=name,
            scale=f"{model}, lines of {next(iter(kinds))}",
            height=LINE * max(len(lines), LEAST_LINES) * max(1.0, 0.6 * tallest),
            words=names,
            set_across=partial(_set_index_axis, unit=unit),
            across=measure,
        )

    return [panel(measure) for measure in kinds]


def _line_names(rows: pd.DataFrame) -> pd.Series:
    """Name each row by its label, and by the experiment where there are several."""
    labels = rows["label"].astype(str)
    return rows["experiment"].astype(str).str.cat(labels, sep=", ") if rows["experiment"].nunique() > 1 else labels


def _lines(rows: pd.DataFrame) -> list[str]:
    """Give the lines in the order of the rows; if there are too many, those with the smallest p."""
    lines = list(dict.fromkeys(rows["line"]))
    if len(lines) <= MOST_LINES:
        return lines
    smallest = set(rows.groupby("line")["p"].min().nsmallest(MOST_LINES, keep="first").index)
    return [line for line in lines if line in smallest]


def _left_out(coordination: pd.DataFrame) -> str:
    """Say how many lines a panel leaves out, if it does."""
    parts = []
    for what, kinds in (("curves", INDICES), ("pairs of curves", PAIRS)):
        rows = coordination[coordination["measure"].isin(kinds)]
        most = int(rows.assign(line=_line_names(rows)).groupby("model")["line"].nunique().max()) if len(rows) else 0
        if most > MOST_LINES:
            parts.append(f"Of {most} {what} of a model, the {MOST_LINES} with the smallest p are shown.")
    return " ".join(parts)


def _draw_indices(axes: Axes, rows: pd.DataFrame, lines: Sequence[str]) -> None:
    """Draw a line of each row: the null's interval and mean, the value with its interval, and p."""
    for _, row in rows.iterrows():
        line, at, p = str(row["line"]), lines.index(row["line"]), float(row["p"])
        ends = [at - BAR, at + BAR]
        null = row[["null_low", "null_high"]].to_numpy(dtype=np.float64)
        axes.fill_between(null, ends[0], ends[1], color=NULL, linewidth=0, label=f"{line}, null")
        axes.plot([row["null"]] * 2, ends, color=FAINT, linewidth=0.9, label=f"{line}, null")
        axes.plot([row["low"], row["high"]], [at, at], color=PALETTE[0], linewidth=1.0, label=f"{line}, interval")
        axes.plot(
            [row["value"]],
            [at],
            linestyle="none",
            marker="o",
            color=PALETTE[0],
            markersize=2.0 if np.isnan(p) else 3.6,
            markerfacecolor="white" if p >= SIGNIFICANT else PALETTE[0],
            label=line,
        )
        if not np.isnan(p):
            axes.annotate(
                "p < 0.001" if p < 0.0005 else f"p = {p:.3f}",
                xy=(1, at),
                xycoords=("axes fraction", "data"),
                ha="right",
                va="center",
                fontsize=SMALL,
                color=INK,
            )
    numbers = rows[["value", "low", "high", "null", "null_low", "null_high"]].to_numpy(dtype=np.float64)
    low, high = min(float(np.nanmin(numbers)), 0.0), max(float(np.nanmax(numbers)), 0.0)
    room = 0.06 * (high - low) or 0.1
    # p stands to the right of everything.
    axes.set_xlim(low - room, high + room + P_ROOM * (high - low + 2 * room) / (1 - P_ROOM))
    axes.axvline(0, color=FAINT, linewidth=0.5, zorder=0.5)
    axes.set_ylim(len(lines) - 0.5, -0.5)


def _set_index_axis(axes: Axes, labelled: bool, *, unit: str) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(plain_number))
    axes.tick_params(axis="x", labelbottom=labelled)
    if labelled:
        axes.set_xlabel(unit)


# What two layers have ------------------------------------------------------------------------------------------------
def _between(rows: pd.DataFrame) -> pd.DataFrame:
    """Give rows of two layers half way between them, from the first on."""
    middle = (rows["depth"].astype("float64") + rows["other_depth"].astype("float64")) / 2
    return rows.assign(depth=middle).sort_values("depth", kind="stable")


def _draw_line(axes: Axes, curve: pd.DataFrame, *, name: str, colour: str, line: LineStyleType = SOLID) -> None:
    axes.fill_between(
        curve["depth"], curve["low"], curve["high"], color=colour, alpha=0.16, linewidth=0, label=f"{name}, interval"
    )
    axes.plot(curve["depth"], curve["value"], color=colour, linestyle=line, label=name)


def _draw_heads(axes: Axes, rows: pd.DataFrame) -> None:
    curve = _between(rows)
    axes.fill_between(curve["depth"], curve["null_low"], curve["null_high"], color=NULL, linewidth=0, label="null")
    axes.plot(curve["depth"], curve["null"], color=FAINT, linewidth=0.9, label="null")
    _draw_line(axes, curve, name="heads", colour=PALETTE[0])
    above = curve["p"] < SIGNIFICANT
    for what, part, fill in (
        ("above the null", above, PALETTE[0]),
        ("not above the null", curve["p"] >= SIGNIFICANT, "white"),
    ):
        axes.plot(
            curve.loc[part, "depth"],
            curve.loc[part, "value"],
            linestyle="none",
            marker="o",
            markersize=2.4,
            color=PALETTE[0],
            markerfacecolor=fill,
            markeredgewidth=0.6,
            label=f"heads, {what}",
        )


def _draw_offsets(axes: Axes, rows: pd.DataFrame) -> None:
    offsets = (rows["other_layer"] - rows["layer"]).astype("int64")
    colours = _offset_colours(rows)
    for offset, of_offset in rows.groupby(offsets, sort=True):
        curve = _between(of_offset)
        name, colour = f"{offset} apart", colours[int(offset)]
        _draw_line(axes, curve, name=name, colour=colour, line=OFFSET_LINES[(int(offset) - 1) % len(OFFSET_LINES)])
        axes.plot(
            curve["depth"],
            curve["null"],
            color=FAINT,
            linestyle=CHANCE_LINE,
            linewidth=0.9,
            zorder=1,
            label=f"{name}, null",
        )


def _offset_colours(rows: pd.DataFrame) -> dict[int, str]:
    offsets = sorted(set((rows["other_layer"] - rows["layer"]).astype("int64").tolist()))
    return dict(zip(offsets, ordered_colours(len(offsets)), strict=True))


def _draw_gains(axes: Axes, rows: pd.DataFrame, words: _Words) -> None:
    axes.axhline(0, color=FAINT, linewidth=0.5, zorder=0.5)
    for name, of_name in rows.groupby(words.of, sort=False):
        at = words.names.index(str(name))
        _draw_line(axes, _between(of_name), name=str(name), colour=PALETTE[at], line=LINES[at])


def _heat_map(coordination: pd.DataFrame, largest: float, *, name: str, scale: str, layers: str) -> Panel | None:
    rows = coordination[coordination["measure"] == ATTENTION]
    if rows.empty:
        return None
    blocks = sorted({*rows["layer"].astype("int64"), *rows["other_layer"].astype("int64")})
    places = {block: at for at, block in enumerate(blocks)}
    image = np.full((len(blocks), len(blocks)), np.nan)
    above = rows["layer"].map(places).to_numpy(), rows["other_layer"].map(places).to_numpy()
    for one, other in (above, above[::-1]):
        image[one, other] = rows["value"]
    ticks = layer_ticks(len(blocks) - 1, most=5)
    colours = colormaps[COLOURS].with_extremes(bad=GRID)

    def draw(axes: Axes) -> None:
        axes.imshow(
            image,
            cmap=colours,
            vmin=-largest,
            vmax=largest,
            origin="lower",
            interpolation="nearest",
            aspect="auto",
        )
        weak = rows["p"].to_numpy(dtype=np.float64) >= SIGNIFICANT
        axes.plot(
            np.concatenate([above[0][weak], above[1][weak]]),
            np.concatenate([above[1][weak], above[0][weak]]),
            linestyle="none",
            marker="o",
            markersize=min(1.3, 30 / len(blocks)),
            markeredgewidth=0,
            color=INK,
            label="not above the null",
        )
        axes.set_yticks(ticks)
        axes.grid(visible=False)

    def set_across(axes: Axes, labelled: bool) -> None:
        axes.set_xticks(ticks, labels=[str(blocks[tick]) for tick in ticks])
        axes.tick_params(axis="x", labelbottom=labelled)
        if labelled:
            axes.set_xlabel(layers)

    return Panel(
        draw=draw,
        unit=layers,
        name=name,
        scale=scale,
        height=HEIGHT,
        words={tick: str(blocks[tick]) for tick in ticks},
        set_across=set_across,
        across="blocks",
    )


def _legend(main: pd.DataFrame, coordination: pd.DataFrame, words: _Words) -> list[list[Artist]]:
    curves = main[main["control"] == ""]
    similar = coordination[coordination["measure"].isin(SIMILARITIES)]
    offsets = [
        Line2D([], [], color=colour, linestyle=OFFSET_LINES[(offset - 1) % len(OFFSET_LINES)], label=f"{offset} apart")
        for offset, colour in (_offset_colours(similar) if len(similar) else {}).items()
    ]
    null: list[Artist] = [Patch(color=NULL, label="null: interval and mean")] if len(coordination) else []
    return [
        [*curve_handles([str(name).removeprefix("label.") for name in words.names])],
        [*mark_handles(curves), peak_handle(interval=False)],
        [*control_handles(main, coloured=False)],
        [*offsets, *null],
    ]


def _unmeasured_notes(measures: pd.DataFrame) -> list[str]:
    """Say where means were measured with sink tokens alone, which is so where too few groups have other tokens."""
    of_means = measures[measures["position"].astype(str).str.endswith("mean")]
    forms = of_means.groupby(["experiment", "model"], sort=False)["sinks"].agg(set).reset_index()
    lacking = [
        f"{experiment} ({model})"
        for experiment, model, found in zip(forms["experiment"], forms["model"], forms["sinks"], strict=True)
        if "without" not in found
    ]
    if not lacking:
        return []
    fewest = "too few groups have texts with other tokens"
    return [f"Coordination is not measured without sink tokens, since {fewest}: {', '.join(lacking)}."]


def figure(tables: Tables, job: FigureJob, notes: list[str], *, estimator: str) -> Drawn:
    """Scores at the attention's output of the labels whose coordination was measured; of too many the first ones."""
    measures = pd.concat(
        [
            frame.assign(model=table.model, experiment=table.corpus_or_experiment)
            for table, frame in tables
            if table.content == "coordination"
        ],
        ignore_index=True,
    )
    curves = fixed_curves(tables, estimator=estimator)
    rows = one_place(curves[curves["site"] == "attention"])
    rows = rows[(rows["label"] != MEAN) & (rows["measure"] == main_measure(rows))]
    notes = [*notes, *forms_notes(rows), *_unmeasured_notes(measures)]
    labels = list(rows["label"].unique())
    shown = labels[: len(PALETTE)]
    under = (
        notes if len(shown) == len(labels) else [*notes, f"Scores of {len(shown)} of {len(labels)} labels are shown."]
    )
    known = measures["measure"] != COMPLEMENTARITY
    picture = draw_coordination(
        rows[rows["label"].isin(shown)],
        measures[known | measures["label"].isin(shown)],
        title=job.title,
        layers=job.layers,
        measure=main_measure(rows),
        notes=under,
    )
    parts = [measures.assign(part="coordination"), rows.assign(part="scores")]
    return Drawn(pd.concat(parts, ignore_index=True), picture, notes)
