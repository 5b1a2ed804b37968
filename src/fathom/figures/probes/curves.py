"""Probes over layers: scores with intervals, where each curve peaks, and every curve among its controls."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.grid import MOST_COLUMNS, Panel, draw_panels, pages
from fathom.figures.drawing.style import PALETTE, SMALL, fold, house_style
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.probes.forms import form_names, forms_notes, panels_of_forms
from fathom.figures.probes.notes import ORDER, hierarchy_notes
from fathom.figures.probes.rows import experiment_curves, main_measure, not_plotted_note, one_label, one_place
from fathom.figures.probes.score_panels import (
    ESTIMATORS,
    MEASURES,
    check_number_of,
    check_only,
    check_scores,
    choose_measure,
    control_handles,
    curve_handles,
    draw_chance,
    draw_controls,
    draw_inner,
    draw_peak,
    draw_scores,
    inner_handle,
    mark_handles,
    missing_controls,
    normalise,
    peak_handle,
    scores_note,
    split_selections,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


CURVE_KEY = ("model", "experiment", "estimator", "selection", "control", "measure", "layer")
TOP_HEIGHT = 1.45
OTHER_HEIGHT = 1.05
STRIP_LINE = 0.125
# Inches beyond which the name of an experiment is folded beside the strip.
NAME_WIDTH = 1.1
# Depth beyond which the number of a layer would run out of its panel.
ROOM_FOR_NUMBER = 0.85


def draw_probes(
    curves: pd.DataFrame,
    *,
    title: str = "",
    layers: str = "layer",
    measure: str = "balanced_accuracy",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw the scores of one estimator's probes over the relative depth of models, a column a model.

    Where a model's curves are there with and without sink tokens, and differ, each form has a column.
    Top: the curves of the experiments together, with intervals; thin lines are those whose penalty was chosen by inner
    folds. Colour, line and marker tell the experiment. A marker is filled where the score is above chance (family-wise
    p < 0.05), open where it is not, and a dot where that was not tested; a curve with many layers shows a part of its
    markers. The strip above has one line an experiment: its peak, the peak's interval, the number of the peak's layer.
    Second: the same curves as (score - chance) / (1 - chance); left out where chance is 0 everywhere, for nothing would
    change. Below: a row an experiment, its curve among its controls on the axis of the top row. Scores below chance are
    drawn as they are.

    Args:
        curves: model, experiment, estimator, selection ("fixed" | "inner"), sinks ("with" | "without"), control ("" for
            the experiment itself | "random" | "shuffled" | "static" | "template split" | "control task"), measure,
            layer, depth (0..1), score, low, high, chance (in the units of the measure), p_family_wise (NaN: not
            tested), peak (true at one layer of each curve), peak_low, peak_high (layers), texts, groups,
            texts_with_sinks (those whose state holds a sink token); one row a point. A control that has one row is
            a level line. Panels stand in the order of the rows
        title: of the figure
        layers: what to call the layers, such as "layer" or the name of another convention
        measure: "balanced_accuracy" | "auc" | "r" | "r2", that of the rows to draw
        notes: lines of small text under the panels

    Raises:
        ValueError: if columns or rows are missing, a number is infinite, a score or chance level is NaN, two rows are
            the same point, a word is unknown, a curve has no peak or several, there are several estimators or more
            experiments than colours, or no row is of `measure`.
    """
    check_scores(curves, key=CURVE_KEY)
    chosen = choose_measure(panels_of_forms(curves, form_names(curves)), measure)
    estimator = check_only(chosen, "estimator")
    experiments = check_number_of(chosen[chosen["control"] == ""], "experiment")
    main, inner = split_selections(chosen)
    with house_style():
        return _draw(
            main,
            inner[inner["control"] == ""],
            experiments,
            estimator=ESTIMATORS[estimator],
            unit=MEASURES[measure],
            title=title,
            layers=layers,
            notes=notes,
        )


def _draw(
    main: pd.DataFrame,
    inner: pd.DataFrame,
    experiments: Sequence[str],
    *,
    estimator: str,
    unit: str,
    title: str,
    layers: str,
    notes: Sequence[str],
) -> Figure:
    models = list(dict.fromkeys(main["model"]))
    columns = min(len(models), MOST_COLUMNS)
    lasts = {model: last_layer(main[main["model"] == model]) for model in models}
    names = [fold(experiment, NAME_WIDTH, size=SMALL) for experiment in experiments]
    with_normalised = bool((main["chance"] != 0).any())

    def draw_together(axes: Axes, model: str, curves: pd.DataFrame, companions: pd.DataFrame) -> None:
        draw_chance(axes, curves[curves["model"] == model])
        for at, experiment in enumerate(experiments):
            draw_inner(axes, _of(companions, model, experiment), name=experiment, at=at)
            own = _of(curves, model, experiment)
            of_curve = own[own["control"] == ""]
            draw_scores(axes, of_curve, name=experiment, at=at, columns=columns, last=lasts[model])

    def draw_among_controls(axes: Axes, model: str, experiment: str) -> None:
        rows = _of(main, model, experiment)
        draw_chance(axes, rows)
        draw_controls(axes, rows, name=experiment)
        of_curve, at = rows[rows["control"] == ""], experiments.index(experiment)
        draw_scores(axes, of_curve, name=experiment, at=at, columns=columns, last=lasts[model])

    def strip(model: str) -> Panel:
        rows = main[main["model"] == model]
        return Panel(
            draw=partial(_draw_peaks, rows=rows, experiments=experiments, last=lasts[model]),
            unit="",
            name=str(model),
            note=scores_note(rows, estimator, last=lasts[model]),
            last=lasts[model],
            scale="peaks",
            height=STRIP_LINE * len(experiments) * max(name.count("\n") + 1 for name in names),
            words={float(at): name for at, name in enumerate(names)},
        )

    def together(model: str) -> Panel:
        return Panel(
            draw=partial(draw_together, model=model, curves=main, companions=inner),
            unit=unit,
            scale="score",
            height=TOP_HEIGHT,
        )

    def normalised(model: str) -> Panel:
        return Panel(
            draw=partial(draw_together, model=model, curves=normalise(main), companions=normalise(inner)),
            unit="normalised",
            scale="normalised",
            height=OTHER_HEIGHT,
        )

    def among_controls(model: str, experiment: str) -> Panel | None:
        if _of(main, model, experiment).empty:
            return None
        return Panel(
            draw=partial(draw_among_controls, model=model, experiment=experiment),
            unit=f"{experiment}\n{unit}",
            scale="score",
            height=OTHER_HEIGHT,
        )

    rows: list[list[Panel | None]] = []
    for page in pages(models, MOST_COLUMNS):
        rows.append([strip(model) for model in page])
        rows.append([together(model) for model in page])
        if with_normalised:
            rows.append([normalised(model) for model in page])
        rows += [[among_controls(model, experiment) for model in page] for experiment in experiments]
    marks = [*mark_handles(main[main["control"] == ""]), peak_handle(interval=True)]
    if not inner.empty:
        marks.append(inner_handle())
    legend = [curve_handles(experiments), marks, control_handles(main)]
    explained = "Normalised: (score \N{MINUS SIGN} chance) / (1 \N{MINUS SIGN} chance)." if with_normalised else ""
    return draw_panels(
        rows, title=title, layers=layers, legend=legend, notes=[explained, missing_controls(main), *notes], wide=True
    )


def _of(curves: pd.DataFrame, model: str, experiment: str) -> pd.DataFrame:
    return curves[(curves["model"] == model) & (curves["experiment"] == experiment)]


def _draw_peaks(axes: Axes, rows: pd.DataFrame, experiments: Sequence[str], *, last: int) -> None:
    """Draw the strip above a panel: a line an experiment with its peak, the interval of it and the layer's number."""
    for at, experiment in enumerate(experiments):
        curve = rows[(rows["experiment"] == experiment) & (rows["control"] == "")]
        peak = curve[curve["peak"].astype(bool)]
        if peak.empty:
            continue
        at_peak = float(peak["depth"].iloc[0])
        # A peak without an interval has a bar without a length.
        low, high = (
            float(end) / max(last, 1) for end in peak[["peak_low", "peak_high"]].fillna(at_peak * last).iloc[0]
        )
        axes.plot([low, high], [at, at], color=PALETTE[at], linewidth=1.0, solid_capstyle="butt", label=experiment)
        draw_peak(axes, peak, at, name=experiment, at=at, size=4.0)
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
    axes.set_ylim(len(experiments) - 0.4, -0.6)
    axes.tick_params(axis="x", length=0)
    axes.spines[:].set_visible(False)


def figure(tables: Tables, job: FigureJob, notes: list[str], *, estimator: str) -> Drawn:
    """Curves of experiments, and a test of the order of their peaks where they are several of the hierarchy."""
    if any(table.content == ORDER for table, _ in tables):
        notes = [*notes, *hierarchy_notes(tables, estimator)]
    rows = one_label(one_place(experiment_curves(tables, estimator=estimator)))
    notes = [*notes, *forms_notes(rows)]
    under = [*notes, *not_plotted_note(rows)]
    picture = draw_probes(rows, title=job.title, layers=job.layers, measure=main_measure(rows), notes=under)
    return Drawn(rows, picture, notes)
