"""Sites of a block beside each other: what a probe reads from the residual stream, from attention and from the MLP."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.grid import MOST_COLUMNS, Panel, draw_panels, pages
from fathom.figures.drawing.style import PALETTE, house_style
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.probes.forms import form_names, forms_notes, panels_of_forms
from fathom.figures.probes.rows import (
    fixed_curves,
    main_measure,
    not_plotted_note,
    one_label,
    one_position,
    with_site_labels,
)
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
    draw_scores,
    hue_column,
    mark_handles,
    missing_controls,
    peak_handle,
    scores_note,
    split_selections,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


CURVE_KEY = ("model", "site", "experiment", "label", "estimator", "selection", "control", "measure", "layer")
HEIGHT = 1.3
CONTROLS_HEIGHT = 0.9
# By which the lines of controls are thinner where colour tells the curve.
CONTROLS_WIDTH = 0.8


def draw_sites(
    curves: pd.DataFrame,
    *,
    title: str = "",
    layers: str = "layer",
    measure: str = "balanced_accuracy",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw scores over relative depth with a column of panels a site and two rows a model, all on one axis of values.

    Where a model's curves are there with and without sink tokens, and differ, each form has two rows. Upper row: the
    curves with their intervals, markers (filled where above chance, open where not, a dot where not
    tested) and peaks; colour, line and marker tell the experiment, or the label if there is one experiment only. Lower
    row: their controls in the same colours, line styles telling which control; and chance.

    Args:
        curves: as for `draw_probes`, and label and site (its label); several experiments or several labels,
            not both
        title: of the figure
        layers: what to call the layers
        measure: "balanced_accuracy" | "auc" | "r" | "r2"
        notes: lines of small text under the panels

    Raises:
        ValueError: as `draw_probes`; if there are several estimators; or if an experiment of several has several
            labels.
    """
    check_scores(curves, key=CURVE_KEY, columns=("site", "label"))
    chosen = choose_measure(panels_of_forms(curves, form_names(curves)), measure)
    estimator = check_only(chosen, "estimator")
    of = hue_column(chosen)
    names = check_number_of(chosen[chosen["control"] == ""], of)
    main, _ = split_selections(chosen)
    with house_style():
        return _draw(
            main,
            of,
            names,
            estimator=ESTIMATORS[estimator],
            unit=MEASURES[measure],
            title=title,
            layers=layers,
            notes=notes,
        )


def _draw(
    main: pd.DataFrame,
    of: str,
    names: Sequence[str],
    *,
    estimator: str,
    unit: str,
    title: str,
    layers: str,
    notes: Sequence[str],
) -> Figure:
    models, sites = list(dict.fromkeys(main["model"])), list(dict.fromkeys(main["site"]))
    columns = min(len(sites), MOST_COLUMNS)

    def draw(axes: Axes, rows: pd.DataFrame, last: int) -> None:
        draw_chance(axes, rows)
        for at, name in enumerate(names):
            curve = rows[(rows[of] == name) & (rows["control"] == "")]
            draw_scores(axes, curve, name=name, at=at, columns=columns, last=last)

    def draw_theirs(axes: Axes, rows: pd.DataFrame) -> None:
        draw_chance(axes, rows)
        for at, name in enumerate(names):
            draw_controls(axes, rows[rows[of] == name], name=name, colour=PALETTE[at], width=CONTROLS_WIDTH)

    def upper(model: str, site: str) -> Panel | None:
        rows = main[(main["model"] == model) & (main["site"] == site)]
        if rows.empty:
            return None
        last = last_layer(main[main["model"] == model])
        return Panel(
            draw=partial(draw, rows=rows, last=last),
            unit=unit,
            name=f"{model}, {site}",
            note=scores_note(rows, estimator, last=last),
            last=last,
            scale="score",
            height=HEIGHT,
        )

    def lower(model: str, site: str) -> Panel | None:
        rows = main[(main["model"] == model) & (main["site"] == site)]
        if rows.empty:
            return None
        return Panel(
            draw=partial(draw_theirs, rows=rows), unit=f"controls\n{unit}", scale="score", height=CONTROLS_HEIGHT
        )

    rows = [
        [kind(model, site) for site in page]
        for model in models
        for page in pages(sites, MOST_COLUMNS)
        for kind in (upper, lower)
    ]
    labels = [name.removeprefix("label.") for name in names]
    legend = [
        curve_handles(labels),
        [*mark_handles(main[main["control"] == ""]), peak_handle(interval=False)],
        control_handles(main, coloured=False),
    ]
    missing = missing_controls(main.assign(model=main["model"] + " at " + main["site"]), of=of)
    return draw_panels(rows, title=title, layers=layers, legend=legend, notes=[missing, *notes])


def figure(tables: Tables, job: FigureJob, notes: list[str], *, estimator: str) -> Drawn:
    """Scores at every site, at the first position."""
    rows = one_label(one_position(fixed_curves(tables, estimator=estimator)))
    notes = [*notes, *forms_notes(rows)]
    under = [*notes, *not_plotted_note(rows)]
    labelled = with_site_labels(rows)
    picture = draw_sites(labelled, title=job.title, layers=job.layers, measure=main_measure(rows), notes=under)
    return Drawn(rows, picture, notes)
