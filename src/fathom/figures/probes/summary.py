"""The summary of probes: where each curve peaks, how high, and what its controls reach there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fathom.figures.drawing.checks import check_curves
from fathom.figures.drawing.style import (
    DOUBLE_COLUMN,
    FAINT,
    GRID,
    INK,
    SMALL,
    fold,
    house_style,
    open_figure,
    text_width,
)
from fathom.figures.drawing.text import foot_height, set_title, title_height, write_foot
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.probes.choices import INNER, choice_columns, experiment_choices
from fathom.figures.probes.forms import FORMS, forms_notes, forms_that_differ
from fathom.figures.probes.rows import fixed_curves, one_label, one_place, with_site_labels
from fathom.figures.probes.score_panels import (
    CONTROLS,
    EMBEDDING,
    ESTIMATORS,
    MEASURES,
    PRIMARY,
    SIGNIFICANT,
    SURFACES,
    check_scores,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


OF_CURVE = ("model", "experiment", "view", "site", "position", "sinks", "label", "estimator", "selection")
SCORE_KEY = (*OF_CURVE, "control", "measure", "layer")
CENTRE = ("centre", "centre_low", "centre_high")
DIP = ("dip", "dip_low", "dip_high")
# A control and its curve have these in common.
MATCHED = ("model", "experiment", "site", "position", "sinks", "label", "estimator", "selection")
# The controls that answer the experiment's own question on the experiment's own folds.
COMPARABLE = (EMBEDDING, "random", "shuffled", "static", *SURFACES)
# Controls of one row: they have no layers.
LEVEL = ("static", *SURFACES)
# The control task is made on a split of its own, in whatever view.
ON_A_SPLIT = ("template split", "control task")
TABLE_COLUMNS = (
    *OF_CURVE,
    "measure",
    "peak",
    "peak_low",
    "peak_high",
    "depth",
    "score",
    "low",
    "high",
    "chance",
    "normalised",
    "p_family_wise",
    "centre",
    "centre_low",
    "centre_high",
    "embedding",
    "random",
    "shuffled",
    "static",
    *SURFACES,
    "strongest_control",
    "strongest_score",
    "template_split",
    "control_task",
    "selectivity",
    "texts",
    "groups",
    *DIP,
)
UNKNOWN = "\N{EN DASH}"
ROW_GAP = 0.045
COLUMN_GAP = 0.1
LINE = 1.3 * SMALL / 72
# Inches under which a column of words is not folded.
NARROWEST = 0.45
# The columns of words, which give way where the table is too wide, and the one of the score.
WORD_COLUMNS = (0, 6)
SCORE_COLUMN = 3
CHOSEN = "inner\nfolds"


def summary_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Summarise every curve by its peak and by what its controls have at that layer.

    Controls are those of the same model, experiment, site, position, form (with or without sink tokens), label,
    estimator and selection; the shuffled words of a view are in its rows. The strongest control is the one with the
    highest score among the embedding layer, random weights, shuffled words, static vectors and the surface of the
    texts. Selectivity is the score on the template split minus that of the control task (Hewitt and Liang 2019,
    arXiv:1909.03368). What was not made is NaN, and a strongest control that there is not is "".

    Args:
        curves: as for `draw_probes`, with the columns view, site, position, label, centre, centre_low and centre_high
            (relative depth), dip, dip_low and dip_high as well, and any number of them

    Returns:
        One row a model, experiment, view, site, position, form, label, estimator and selection, in the order of the
        rows of `curves`, with the columns of TABLE_COLUMNS: `measure` the one that is tested (balanced_accuracy, else
        r); `peak` its layer with its interval, `depth` relative; `score` with its interval; `normalised` (score -
        chance) / (1 - chance); the controls' scores at the layer of the peak (the embedding layer's and the static
        vectors' at layer 0); `dip` the size of the dip between two maxima with its interval.

    Raises:
        ValueError: as `draw_probes`; if no curve has a measure that is tested; or if a control has several rows for one
            curve and layer.
    """
    check_scores(curves, key=SCORE_KEY, columns=(*CENTRE, *DIP))
    main = curves[(curves["control"] == "") & curves["measure"].isin(PRIMARY)]
    if main.empty:
        msg = f"curves: column measure: expected some of {', '.join(PRIMARY)} with control '', found none"
        raise ValueError(msg)
    controls = curves[curves["control"] != ""]
    of_curves = dict(iter(controls.groupby(list(MATCHED), sort=False)))
    rows = []
    for key, curve in main.groupby(list(OF_CURVE), sort=False):
        of_curve = dict(zip(OF_CURVE, key, strict=True))
        found = of_curves.get(tuple(of_curve[column] for column in MATCHED), controls.iloc[:0])
        found = found[(found["view"] == of_curve["view"]) | found["control"].isin(ON_A_SPLIT)]
        measure = next(measure for measure in PRIMARY if (curve["measure"] == measure).any())
        chosen = curve[curve["measure"] == measure].sort_values("layer")
        rows.append({**of_curve, **_summarise(chosen, found[found["measure"] == measure])})
    return pd.DataFrame(rows, columns=list(TABLE_COLUMNS))


def _summarise(curve: pd.DataFrame, controls: pd.DataFrame) -> dict[str, object]:
    peak = curve[curve["peak"].astype(bool)].iloc[0]
    scores = {control: _at_layer(controls, control, peak["layer"]) for control in CONTROLS}
    scores[EMBEDDING] = _at_layer(curve, "", 0)
    known = {control: scores[control] for control in COMPARABLE if not math.isnan(scores[control])}
    strongest = max(known, key=lambda control: known[control], default="")
    same = (
        "score",
        "low",
        "high",
        "chance",
        "depth",
        "p_family_wise",
        "peak_low",
        "peak_high",
        "texts",
        "groups",
        *CENTRE,
        *DIP,
    )
    return {
        **{column: peak[column] for column in same},
        "measure": peak["measure"],
        "peak": peak["layer"],
        "normalised": (peak["score"] - peak["chance"]) / (1 - peak["chance"]),
        **{control: scores[control] for control in COMPARABLE},
        "strongest_control": strongest,
        "strongest_score": known.get(strongest, np.nan),
        "template_split": scores["template split"],
        "control_task": scores["control task"],
        "selectivity": scores["template split"] - scores["control task"],
    }


def _at_layer(rows: pd.DataFrame, control: str, layer: int) -> float:
    """Give the score of a control at a layer, of a control with one row that row's; NaN where there is none."""
    of_control = rows[rows["control"] == control]
    at_layer = of_control if control in LEVEL else of_control[of_control["layer"] == layer]
    if len(at_layer) > 1:
        first = ", ".join(f"{column}={at_layer.iloc[0][column]}" for column in MATCHED)
        msg = f"curves: more than one row of control {control!r} at layer {at_layer.iloc[0]['layer']} for {first}"
        raise ValueError(msg)
    return float(at_layer["score"].iloc[0]) if len(at_layer) else math.nan


def draw_summary(table: pd.DataFrame, *, title: str = "", layers: str = "layer", notes: Sequence[str] = ()) -> Figure:
    """Draw the summary of probes as a table: a block a model, a line a curve.

    A score is in bold if it is above chance (family-wise p < 0.05). Where curves differ in more than the experiment and
    the estimator, such as in the label, the site or the form, the first column says in what.

    Args:
        table: as from `summary_table`
        title: above the table
        layers: what to call the layers
        notes: lines of small text under the table

    Raises:
        ValueError: if columns or rows are missing, a number is infinite, or two rows are of the same curve.
    """
    numbers = ("peak", "depth", "score", "low", "high", "chance", "normalised", "p_family_wise", "strongest_score")
    check_curves(table, columns=TABLE_COLUMNS, numbers=numbers, key=OF_CURVE, name="table")
    with house_style():
        return _draw(table, title=title, layers=layers, notes=notes)


def _draw(table: pd.DataFrame, *, title: str, layers: str, notes: Sequence[str]) -> Figure:
    heads = _heads(table, layers)
    varied = [column for column in ("view", "site", "position", "label", "selection") if table[column].nunique() > 1]
    in_both = table.duplicated([column for column in OF_CURVE if column != "sinks"], keep=False)
    table = table.assign(form=table["sinks"].map(FORMS).where(in_both, ""))
    varied.append("form")
    blocks = {
        str(model): [_cells(row, varied, chosen=_has_choices(table)) for _, row in rows.iterrows()]
        for model, rows in table.groupby("model", sort=False)
    }
    significant = {
        str(model): rows["p_family_wise"] < SIGNIFICANT for model, rows in table.groupby("model", sort=False)
    }
    lines = [heads, *(cells for block in blocks.values() for cells in block)]
    widths = _column_widths(lines)
    lefts = [0.05 + sum(widths[:at]) + COLUMN_GAP * at for at in range(len(widths))]
    blocks = {model: [_folded(cells, widths) for cells in block] for model, block in blocks.items()}
    head = _folded(heads, widths)
    folded_names = {model: fold(model, DOUBLE_COLUMN - 0.2, size=SMALL, weight="bold") for model in blocks}
    legend = [*_explain(table), *notes]
    heights = [_height(head)]
    for model, block in blocks.items():
        heights += [_height([folded_names[model]]), *map(_height, block)]
    top, foot = title_height(title, 2), foot_height(legend, 2)
    height = top + sum(heights) + foot + 0.1
    figure = open_figure(DOUBLE_COLUMN, height)
    # There are no panels that the layout could arrange.
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, DOUBLE_COLUMN), ylim=(0, height))
    axes.set_axis_off()
    at = height - top - 0.04
    at = _write_line(axes, head, lefts, widths, at, colour=FAINT)
    for model, block in blocks.items():
        axes.plot([0.05, DOUBLE_COLUMN - 0.05], [at, at], color=FAINT, linewidth=0.6)
        at = _write_line(axes, [folded_names[model]], lefts, widths, at, bold=(0,))
        for above, cells in zip(significant[model], block, strict=True):
            axes.plot([0.05, DOUBLE_COLUMN - 0.05], [at, at], color=GRID, linewidth=0.5)
            at = _write_line(axes, cells, lefts, widths, at, bold=(SCORE_COLUMN,) if above else ())
    axes.plot([0.05, DOUBLE_COLUMN - 0.05], [at, at], color=FAINT, linewidth=0.6)
    set_title(figure, title, 2)
    write_foot(figure, legend, 2)
    return figure


def _heads(table: pd.DataFrame, layers: str) -> list[str]:
    measures = list(dict.fromkeys(table["measure"]))
    score = MEASURES[measures[0]].replace(" ", "\n") if len(measures) == 1 else "score"
    return [
        "experiment",
        f"peak {layers}",
        "relative\ndepth",
        score,
        "chance",
        "normal-\nised",
        "strongest control",
        "selec-\ntivity",
        "p",
        "texts",
        "groups",
        *([CHOSEN] if _has_choices(table) else []),
    ]


def _has_choices(table: pd.DataFrame) -> bool:
    return INNER in table and bool(table[INNER].notna().any())


def _cells(row: pd.Series, varied: Sequence[str], *, chosen: bool) -> list[str]:
    """Write the cells of one row."""
    what = [
        str(row["experiment"]),
        ESTIMATORS.get(row["estimator"], str(row["estimator"])),
        *(str(row[name]) for name in varied if row[name]),
    ]
    strongest = str(row["strongest_control"])
    control = f"{CONTROLS[strongest].label} {_number(row['strongest_score'])}" if strongest else UNKNOWN
    return [
        ", ".join(what),
        _with_interval(row["peak"], row["peak_low"], row["peak_high"], digits=0),
        _number(row["depth"]),
        _with_interval(row["score"], row["low"], row["high"]),
        _number(row["chance"]),
        _number(row["normalised"]),
        control,
        _number(row["selectivity"]),
        _p(row["p_family_wise"]),
        _number(row["texts"], digits=0),
        _number(row["groups"], digits=0),
        *([_number(row[INNER])] if chosen else []),
    ]


def _number(value: float, *, digits: int = 2) -> str:
    return UNKNOWN if pd.isna(value) else f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.0005 else _number(value, digits=3)


def _with_interval(value: float, low: float, high: float, *, digits: int = 2) -> str:
    if np.isnan([low, high]).any():
        return _number(value, digits=digits)
    ends = f"{_number(low, digits=digits)} to {_number(high, digits=digits)}"
    return f"{_number(value, digits=digits)}\n({ends})".replace(" ", "\N{NO-BREAK SPACE}")


def _explain(table: pd.DataFrame) -> list[str]:
    lines = [
        f"Bold: above chance, family-wise p < {SIGNIFICANT:g}.",
        "Normalised: (score \N{MINUS SIGN} chance) / (1 \N{MINUS SIGN} chance).",
        "Selectivity: template split \N{MINUS SIGN} control task.",
        "Strongest control: highest of embedding layer, random weights, shuffled words, static vectors and surface.",
    ]
    if _has_choices(table):
        lines.append(
            "Inner folds: the score where the layer is chosen inside every training fold. The peak is an oracle: it is "
            "chosen on the tested texts."
        )
    if table["measure"].nunique() > 1:
        lines.append("Scores: balanced accuracy where chance is above 0, else the correlation r.")
    return lines


def _column_widths(lines: Sequence[Sequence[str]]) -> list[float]:
    """Give each column the width of its widest cell, and what is left of the page to those of words."""
    widths = [
        max(text_width(part, size=SMALL, weight="bold") for cell in column for part in cell.split("\n")) + 0.02
        for column in zip(*lines, strict=True)
    ]
    room = DOUBLE_COLUMN - 0.1 - COLUMN_GAP * (len(widths) - 1)
    free = room - sum(width for at, width in enumerate(widths) if at not in WORD_COLUMNS)
    wanted = sum(widths[at] for at in WORD_COLUMNS)
    for at in WORD_COLUMNS:
        widths[at] = max(widths[at] * min(1.0, free / wanted), NARROWEST)
    return widths


def _folded(cells: Sequence[str], widths: Sequence[float]) -> list[str]:
    return [
        fold(cell, widths[at], size=SMALL, weight="bold") if at in WORD_COLUMNS else cell
        for at, cell in enumerate(cells)
    ]


def _height(cells: Sequence[str]) -> float:
    return (max(cell.count("\n") for cell in cells) + 1) * LINE + 2 * ROW_GAP


def _write_line(
    axes: Axes,
    cells: Sequence[str],
    lefts: Sequence[float],
    widths: Sequence[float],
    top: float,
    *,
    colour: str = INK,
    bold: Sequence[int] = (),
) -> float:
    """Write the cells of a line, words from the left and numbers to the right, from `top` down; give where it ends."""
    for at, cell in enumerate(cells):
        words = at in WORD_COLUMNS
        # A text each, for lines of one text do not stand on the baselines of another's.
        for line, part in enumerate(cell.split("\n")):
            axes.text(
                lefts[at] if words else lefts[at] + widths[at],
                top - ROW_GAP - (line + 0.77) * LINE,
                part,
                ha="left" if words else "right",
                va="baseline",
                fontsize=SMALL,
                color=colour,
                fontweight="bold" if at in bold else "normal",
            )
    return top - _height(cells)


def figure(tables: Tables, job: FigureJob, notes: list[str]) -> Drawn:
    """A table of all experiments: of every place in the numbers, of the first in the picture."""
    curves = fixed_curves(tables)
    choices = experiment_choices(tables)
    every = choice_columns(choices, summary_table(one_label(curves)))
    first = one_label(one_place(curves))
    notes = [*notes, *forms_notes(first)]
    shown = with_site_labels(choice_columns(choices, summary_table(forms_that_differ(first))))
    return Drawn(every, draw_summary(shown, title=job.title, layers=job.layers, notes=notes), notes)
