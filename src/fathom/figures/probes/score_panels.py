"""What figures of probes share: checked scores, the controls beside a curve, and how each of them looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from fathom.figures.drawing.checks import check_curves
from fathom.figures.drawing.style import DASHED, FAINT, INK, LINES, MARKERS, PALETTE, SOLID
from fathom.figures.drawing.text import count, count_range, join_note, panel_width
from fathom.figures.probes.forms import FORMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.typing import LineStyleType


NUMBERS = ("score", "low", "high", "chance", "p_family_wise", "peak_low", "peak_high")
SCORE_COLUMNS = (
    "model",
    "experiment",
    "estimator",
    "selection",
    "sinks",
    "control",
    "measure",
    "layer",
    "depth",
    *NUMBERS,
    "peak",
    "texts",
    "groups",
    "texts_with_sinks",
)
ESTIMATORS = {"svm": "SVM", "ridge": "ridge", "logistic": "logistic"}
MEASURES = {"balanced_accuracy": "balanced accuracy", "auc": "AUC", "r": "r", "r2": "R\N{SUPERSCRIPT TWO}"}
# The one that curves are tested on: the first of these that a curve has.
PRIMARY = ("balanced_accuracy", "r")
SELECTIONS = ("fixed", "inner")
# What tells the rows of curves of single labels apart.
LABEL_KEY = ("model", "experiment", "label", "estimator", "selection", "control", "measure", "layer")
SIGNIFICANT = 0.05
# Points between two markers below which they would melt into a band.
MARKER_SPACING = 2.8
CHANCE_LINE: LineStyleType = (0, (1, 1.6))
INNER_WIDTH = 0.6
# How opaque controls are that have the colour of their curve.
COLOURED = 0.6
# More curves than this that lack a control are counted, not named.
MOST_NAMED = 5
SURFACES = ("surface", "length", "first_word")  # controls of what the surface of a text tells
TRANSFER = "transfer"  # what is trained on the texts of the curve and tested on another corpus
UNMISSED = (*SURFACES, TRANSFER)  # rows beside a curve that nobody misses where no curve has them


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Label and look of a control."""

    label: str
    colour: str
    line: LineStyleType
    width: float = 0.9


# Of the two that are not like the others, the embedding layer is a point of the main curve, and the control task and
# the template split belong together: their difference is the selectivity. Those two have a hue, the others are grey. No
# two share line and width, for in some figures the colour tells the experiment.
EMBEDDING = "embedding"
CONTROLS = {
    EMBEDDING: Look(label="embedding layer", colour=INK, line=(0, (9.0, 2.5)), width=0.6),
    "random": Look(label="random weights", colour="#5A5A5A", line=DASHED),
    "shuffled": Look(label="shuffled words", colour="#858585", line=(0, (5.0, 1.3, 1.0, 1.3))),
    "static": Look(label="summed static vectors", colour="#A6A6A6", line=SOLID, width=1.6),
    "surface": Look(label="words in a bag (tf-idf)", colour="#1F7A6B", line=(0, (6.0, 1.5)), width=1.1),
    "length": Look(label="length of the text", colour="#1F7A6B", line=(0, (1.0, 1.2)), width=0.8),
    "first_word": Look(label="first word", colour="#1F7A6B", line=(0, (3.0, 1.2, 1.0, 1.2)), width=0.6),
    "transfer": Look(label="tested on another corpus", colour="#8C2D62", line=SOLID, width=1.3),
    "template split": Look(label="template split", colour="#7A5510", line=SOLID),
    "control task": Look(label="control task on that split", colour="#B07F24", line=(0, (1.8, 1.4))),
}


def check_scores(curves: pd.DataFrame, *, key: Sequence[str], columns: Sequence[str] = ()) -> None:
    """Refuse scores of probes that cannot be drawn.

    Args:
        curves: the columns of SCORE_COLUMNS; low, high, p_family_wise, peak_low and peak_high may be NaN
        key: the columns that together name one row in one form, with or without sink tokens
        columns: further columns that must be there

    Raises:
        ValueError: if a column or all rows are missing, a number is infinite, a score or chance level is NaN or the
            chance level is not below 1, a form, control, selection, measure or estimator is unknown, two rows have the
            same key, or a curve of an experiment itself has not exactly one peak.
    """
    key = (*key, "sinks")
    check_curves(curves, columns=(*SCORE_COLUMNS, *columns), numbers=NUMBERS, key=key)
    for column in ("score", "chance"):
        if curves[column].isna().any():
            msg = f"curves: column {column} holds NaN"
            raise ValueError(msg)
    if (curves["chance"] >= 1).any():
        msg = f"curves: column chance: expected values below 1, found {curves['chance'].max():g}"
        raise ValueError(msg)
    known = {
        "control": ["", *(control for control in CONTROLS if control != EMBEDDING)],
        "selection": SELECTIONS,
        "sinks": FORMS,
        "measure": MEASURES,
        "estimator": ESTIMATORS,
    }
    for column, words in known.items():
        unknown = sorted(set(curves[column]) - set(words))
        if unknown:
            expected = ", ".join(word or "''" for word in words)
            msg = f"curves: column {column}: expected one of {expected}; found {unknown[0]!r}"
            raise ValueError(msg)
    of_curve = [column for column in key if column not in ("layer", "control")]
    for name, curve in curves[curves["control"] == ""].groupby(of_curve, sort=False):
        if curve["peak"].sum() != 1:
            which = ", ".join(map(str, [*name[:-1], FORMS[str(name[-1])]]))
            msg = f"curves: column peak: expected one peak for {which}, found {curve['peak'].sum()}"
            raise ValueError(msg)


def check_only(curves: pd.DataFrame, column: str) -> str:
    """Give the one value of a column of which a figure shows one only.

    Raises:
        ValueError: if there are several.
    """
    found = list(dict.fromkeys(curves[column]))
    if len(found) > 1:
        msg = f"curves: column {column}: expected one in one figure, found {', '.join(map(str, found))}"
        raise ValueError(msg)
    return str(found[0])


def check_number_of(curves: pd.DataFrame, column: str) -> list[str]:
    """Give the values of a column that colours tell apart, in the order of the rows.

    Raises:
        ValueError: if there are more than colours.
    """
    found = list(dict.fromkeys(map(str, curves[column])))
    if len(found) > len(PALETTE):
        msg = f"curves: column {column}: at most {len(PALETTE)} can be told apart in one figure, found {len(found)}"
        raise ValueError(msg)
    return found


def hue_column(curves: pd.DataFrame) -> str:
    """Give the column that tells the curves of a panel apart: experiment if there are several, else label.

    Raises:
        ValueError: if an experiment of several has several labels.
    """
    if curves["experiment"].nunique() == 1:
        return "label"
    if (curves.groupby("experiment")["label"].nunique() > 1).any():
        msg = "curves: column label: expected one for each experiment where there are several, found several"
        raise ValueError(msg)
    return "experiment"


def choose_measure(curves: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Give the rows of one measure.

    Raises:
        ValueError: if the measure is unknown, or no row has it.
    """
    if measure not in MEASURES:
        msg = f"measure: expected one of {', '.join(MEASURES)}, found {measure!r}"
        raise ValueError(msg)
    chosen = curves[curves["measure"] == measure]
    if chosen.empty:
        msg = (
            f"measure: expected one of those in curves ({', '.join(dict.fromkeys(curves['measure']))}), found {measure}"
        )
        raise ValueError(msg)
    return chosen


def split_selections(curves: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the rows that figures draw first from their companions.

    Those of one penalty everywhere come first, since a penalty chosen at each layer could shape the curve; where an
    experiment of a model has only chosen penalties, these do, and it has no companion.

    Args:
        curves: model, experiment, selection ("fixed" | "inner")
    """
    fixed = curves["selection"] == "fixed"
    has_fixed = fixed.groupby([curves["model"], curves["experiment"]]).transform("any")
    return curves[fixed | ~has_fixed], curves[~fixed & has_fixed]


def normalise(curves: pd.DataFrame) -> pd.DataFrame:
    """Put scores and intervals on the scale where 0 is chance and 1 the ceiling: (score - chance) / (1 - chance)."""
    numbers = {
        column: (curves[column] - curves["chance"]) / (1 - curves["chance"]) for column in ("score", "low", "high")
    }
    return curves.assign(**numbers, chance=0.0)


def draw_scores(
    axes: Axes, rows: pd.DataFrame, *, name: str, at: int, columns: int, last: int, width: float | None = None
) -> None:
    """Draw a main curve with its interval, its markers and its peak.

    A marker is filled where the score is above chance (family-wise p < 0.05), open where it is not, and a dot where
    that was not tested. A curve with many layers shows a part of its markers.

    Args:
        axes: the panel
        rows: of the one curve; without rows there is nothing to draw
        name: of the line; other parts have it before theirs ("{name}, above chance", ...)
        at: which colour, line and marker
        columns: of panels in the figure, which give the room for markers
        last: the last layer of the model
        width: inches of the panel, where it is not that of `columns` panels
    """
    if rows.empty:
        return
    curve = rows.sort_values("layer")
    colour = PALETTE[at]
    axes.fill_between(curve["depth"], curve["low"], curve["high"], color=colour, alpha=0.16, linewidth=0, label=name)
    axes.plot(curve["depth"], curve["score"], color=colour, linestyle=LINES[at], label=name)
    spacing = (width or panel_width(columns)) * 72 / max(last, 1)
    step = int(np.ceil(MARKER_SPACING / spacing))
    size = min(2.8, 0.7 * spacing * step)
    shown = curve.iloc[::step]
    above, tested = shown["p_family_wise"] < SIGNIFICANT, shown["p_family_wise"].notna()
    parts = (
        ("above chance", above, MARKERS[at], size, colour),
        ("not above chance", tested & ~above, MARKERS[at], size, "white"),
        ("not tested", ~tested, "o", 0.65 * size, colour),
    )
    for what, part, marker, points, fill in parts:
        axes.plot(
            shown.loc[part, "depth"],
            shown.loc[part, "score"],
            linestyle="none",
            marker=marker,
            markersize=points,
            color=colour,
            markerfacecolor=fill,
            markeredgewidth=0.6 if what != "not tested" else 0.0,
            label=f"{name}, {what}",
        )
    peak = curve[curve["peak"].astype(bool)]
    draw_peak(axes, peak, float(peak["score"].iloc[0]), name=name, at=at, size=5.5)


def draw_peak(axes: Axes, peak: pd.DataFrame, height: float, *, name: str, at: int, size: float) -> None:
    """Draw the marker of a peak: filled if it is above chance or was not tested, edged if it is above chance."""
    p = float(peak["p_family_wise"].iloc[0])
    axes.plot(
        peak["depth"],
        [height],
        linestyle="none",
        marker=MARKERS[at],
        markersize=size,
        markeredgecolor=INK if p < SIGNIFICANT else PALETTE[at],
        markerfacecolor="white" if p >= SIGNIFICANT else PALETTE[at],
        zorder=3,
        label=f"{name}, peak",
    )


def draw_inner(axes: Axes, rows: pd.DataFrame, *, name: str, at: int) -> None:
    """Draw the thin companion of a main curve, whose penalty was chosen by inner folds."""
    if rows.empty:
        return
    curve = rows.sort_values("layer")
    axes.plot(
        curve["depth"],
        curve["score"],
        color=PALETTE[at],
        linewidth=INNER_WIDTH,
        alpha=0.8,
        label=f"{name}, inner",
    )


def draw_controls(axes: Axes, rows: pd.DataFrame, *, name: str, colour: str | None = None, width: float = 1.0) -> None:
    """Draw the controls of one curve: the score of its embedding layer, and every other control that there is.

    The embedding layer and the static vectors, which have one score, are lines from side to side.

    Args:
        axes: the panel
        rows: the main curve (control "") and its controls
        name: of the curve; the lines are "{name}, {control}"
        colour: of all lines, where colour tells the curve; by default each control has its own
        width: by which the widths of the lines are multiplied
    """
    for control, look in CONTROLS.items():
        curve = control_rows(rows, control)
        if curve.empty:
            continue
        level = len(curve) == 1
        if control == TRANSFER:
            axes.fill_between(
                curve["depth"],
                curve["low"],
                curve["high"],
                color=colour or look.colour,
                alpha=0.14,
                linewidth=0,
                label=f"{name}, {control}",
            )
        axes.plot(
            [0, 1] if level else curve["depth"],
            [curve["score"].iloc[0]] * 2 if level else curve["score"],
            color=colour or look.colour,
            linestyle=look.line,
            linewidth=width * look.width,
            alpha=COLOURED if colour else 1.0,
            zorder=1.5,
            label=f"{name}, {control}",
        )


def control_rows(rows: pd.DataFrame, control: str) -> pd.DataFrame:
    """Give the rows of a control by layer; those of the embedding layer are the main curve's at layer 0."""
    if control == EMBEDDING:
        return rows[(rows["control"] == "") & (rows["layer"] == 0)]
    return rows[rows["control"] == control].sort_values("layer", kind="stable")


def draw_chance(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the chance level of the main curves of a panel as dotted lines, curves of one level with one line."""
    main = rows[rows["control"] == ""]
    drawn: list[list[list[float]]] = []
    of_curve = [column for column in ("experiment", "label", "view") if column in main.columns]
    for _, curve in main.groupby(of_curve, sort=False):
        level = _level(curve["chance"])
        points = curve.sort_values("layer")[["depth", "chance"]].to_numpy().tolist()
        line = points if level is None else [[0.0, level], [1.0, level]]
        if line not in drawn:
            drawn.append(line)
            axes.plot(*zip(*line, strict=True), color=FAINT, linestyle=CHANCE_LINE, linewidth=0.9, label="chance")


def _level(numbers: pd.Series) -> float | None:
    """Give the number that all of some numbers are, or nothing."""
    first = float(numbers.iloc[0])
    return first if np.allclose(numbers, first) else None


def curve_handles(names: Sequence[str]) -> list[Line2D]:
    """Legend of the main curves."""
    return [
        Line2D([], [], color=PALETTE[at], linestyle=LINES[at], marker=MARKERS[at], markersize=2.8, label=name)
        for at, name in enumerate(names)
    ]


def mark_handles(main: pd.DataFrame) -> list[Line2D]:
    """Legend of the markers that main curves have."""
    handles = []
    p = main["p_family_wise"]
    if p.notna().any():
        above = Line2D([], [], color=FAINT, linestyle="none", marker="o", markersize=2.8)
        above.set_label(f"above chance, p < {SIGNIFICANT:g}")
        other = Line2D([], [], color=FAINT, linestyle="none", marker="o", markersize=2.8, markerfacecolor="white")
        other.set_label("not above chance")
        handles += [above, other]
    if p.isna().any():
        untested = Line2D([], [], color=FAINT, linestyle="none", marker="o", markersize=1.8, markeredgewidth=0)
        untested.set_label("not tested")
        handles.append(untested)
    return handles


def peak_handle(*, interval: bool) -> Line2D:
    """Legend of a peak."""
    return Line2D(
        [],
        [],
        color=FAINT,
        linestyle=SOLID if interval else "none",
        linewidth=1.0,
        marker="o",
        markersize=4.0,
        markeredgecolor=INK,
        label="peak and its interval" if interval else "peak",
    )


def inner_handle() -> Line2D:
    """Legend of the companion curves."""
    return Line2D([], [], color=FAINT, linewidth=INNER_WIDTH, label="penalty by inner folds")


def control_handles(curves: pd.DataFrame, *, coloured: bool = True) -> list[Line2D]:
    """Legend of the controls that there are, and of chance.

    Args:
        curves: main curves (control "") and controls
        coloured: whether each control has its own colour; where colour tells the curve, the legend is grey
    """
    handles = [
        Line2D(
            [],
            [],
            color=look.colour if coloured else FAINT,
            linestyle=look.line,
            linewidth=look.width,
            label=look.label,
        )
        for control, look in CONTROLS.items()
        if not control_rows(curves, control).empty
    ]
    level = _level(curves.loc[curves["control"] == "", "chance"])
    label = "chance" if level is None else f"chance ({level:.3g})"
    return [*handles, Line2D([], [], color=FAINT, linestyle=CHANCE_LINE, linewidth=0.9, label=label)]


def missing_controls(curves: pd.DataFrame, of: str = "experiment") -> str:
    """Say which controls some curves lack, or nothing if they have all.

    Args:
        curves: main curves (control "") and controls
        of: the column that names the curves of a model
    """
    wanted = set(map(tuple, curves.loc[curves["control"] == "", [of, "model"]].to_numpy()))
    names, models = list(dict.fromkeys(curves[of])), list(dict.fromkeys(curves["model"]))
    parts = []
    for control, look in CONTROLS.items():
        if control == EMBEDDING or (control in UNMISSED and not (curves["control"] == control).any()):
            continue  # the surface is a control of labelled texts, another corpus is asked for
        found = set(map(tuple, curves.loc[curves["control"] == control, [of, "model"]].to_numpy()))
        lacking = [(name, model) for name in names for model in models if (name, model) in wanted - found]
        if not lacking:
            continue
        whole = [name for name in names if {pair for pair in wanted if pair[0] == name} <= set(lacking)]
        of_models = [f"{name} of {model}" for name, model in lacking if name not in whole]
        which = [str(name).removeprefix("label.") for name in [*whole, *of_models]]
        if len(which) > MOST_NAMED:
            which = [f"{len(lacking)} of {len(wanted)}"]
        parts.append(look.label if len(lacking) == len(wanted) else f"{look.label} ({', '.join(which)})")
    return f"Controls not in these tables: {'; '.join(parts)}." if parts else ""


def scores_note(curves: pd.DataFrame, *words: str, last: int) -> str:
    """Describe main curves of a model with so many layers: the words, and the numbers of layers, texts and groups."""
    main = curves[curves["control"] == ""]
    return join_note(
        [
            *words,
            count(last, "layer"),
            count_range(main["texts"], "text"),
            count_range(main["groups"], "group"),
        ]
    )
