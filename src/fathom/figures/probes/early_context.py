"""Early context: what a probe reads from the last token of a pair that stood n tokens of filler before it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.grid import Panel, draw_panels
from fathom.figures.drawing.style import DASHED, FAINT, PALETTE, SOLID, house_style, ordered_colours
from fathom.figures.drawing.text import panel_width, spaced_texts
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.probes.forms import form_names, forms_notes, panels_of_forms
from fathom.figures.probes.rows import all_views, fixed_curves, main_measure, one_label
from fathom.figures.probes.score_panels import (
    CHANCE_LINE,
    COLOURED,
    CONTROLS,
    EMBEDDING,
    ESTIMATORS,
    MEASURES,
    SIGNIFICANT,
    check_only,
    check_scores,
    choose_measure,
    control_handles,
    control_rows,
    draw_chance,
    draw_controls,
    mark_handles,
    missing_controls,
    scores_note,
    split_selections,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import LineStyleType


CURVE_KEY = ("model", "view", "estimator", "selection", "control", "measure", "layer")
PLACES = {"start": "pair first, then the filler", "end": "filler first, then the pair"}
LINES: dict[str, LineStyleType] = {"start": SOLID, "end": DASHED}
COLOURS = {"start": PALETTE[0], "end": PALETTE[2]}
MARKERS = {"start": "o", "end": "s"}
COLUMNS = 3
HEIGHT = 1.5
MARKER = 3.0
CONTROL_WIDTH = 0.7


def draw_early_context(
    curves: pd.DataFrame,
    *,
    title: str = "",
    layers: str = "layer",
    measure: str = "balanced_accuracy",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw how a pair is read from the last token after n tokens of filler, three panels a model.

    Where a model's curves are there with and without sink tokens, and differ, each form has three panels.
    Left, over relative depth: a curve for every n, from dark to light, solid where the pair comes first and dashed
    where the filler comes first, so that the text is as long but the pair is at its end; and, in grey, the controls of
    the smallest n with the pair first. Middle and right, over n on a logarithmic axis that begins at 0: the scores with
    their intervals at the best layer of that curve, and at the last layer; markers are filled where the score is above
    chance at that layer, open where it is not, a dot where that was not tested; thin lines in the same two colours are
    the controls. Chance is dotted.

    Args:
        curves: as for `draw_probes`, and view with its quantity (n words of filler) and pair_at ("start" | "end": where
            in the text the pair stands); of one experiment and estimator
        title: of the figure
        layers: what to call the layers
        measure: "balanced_accuracy" | "auc" | "r" | "r2"
        notes: lines of small text under the panels

    Raises:
        ValueError: as `draw_probes`; if a view is another one; if there are several experiments or estimators; or if a
            model has no curve with the pair first.
    """
    check_scores(curves, key=CURVE_KEY, columns=("view", "quantity", "pair_at"))
    chosen, _ = split_selections(choose_measure(panels_of_forms(curves, form_names(curves)), measure))
    estimator = check_only(chosen, "estimator")
    check_only(chosen, "experiment")
    wrong = ~chosen["pair_at"].isin(PLACES) | chosen["quantity"].isna()
    if wrong.any():
        found = chosen["view"][wrong].iloc[0]
        msg = f"curves: column view: expected views with the pair at start or end and a quantity, found {found!r}"
        raise ValueError(msg)
    placed = chosen.assign(place=chosen["pair_at"], filler=chosen["quantity"].astype(int))
    for model, rows in placed.groupby("model", sort=False):
        if not ((rows["place"] == "start") & (rows["control"] == "")).any():
            msg = f"curves: column pair_at: expected some start for model {model}, found none"
            raise ValueError(msg)
    with house_style():
        return _draw(
            placed, estimator=ESTIMATORS[estimator], unit=MEASURES[measure], title=title, layers=layers, notes=notes
        )


def _draw(placed: pd.DataFrame, *, estimator: str, unit: str, title: str, layers: str, notes: Sequence[str]) -> Figure:
    amounts = sorted(set(placed["filler"]))
    colours = dict(zip(amounts, ordered_colours(len(amounts)), strict=True))

    def draw_curves(axes: Axes, rows: pd.DataFrame) -> None:
        draw_chance(axes, rows)
        draw_controls(axes, _closest(rows), name="controls")
        for view, curve in rows[rows["control"] == ""].sort_values(["place", "filler"]).groupby("view", sort=False):
            ordered = curve.sort_values("layer")
            place, filler = str(curve["place"].iloc[0]), int(curve["filler"].iloc[0])
            axes.plot(
                ordered["depth"],
                ordered["score"],
                color=colours[filler],
                linestyle=LINES[place],
                label=str(view),
            )

    def row(model: str) -> list[Panel | None]:
        rows = placed[placed["model"] == model]
        last = last_layer(rows)
        closest = _closest(rows)
        smallest = int(closest["filler"].iloc[0])
        best = int(closest.loc[(closest["control"] == "") & closest["peak"].astype(bool), "layer"].iloc[0])
        deepest = int(rows.loc[rows["control"] == "", "layer"].max())
        described = scores_note(rows, estimator, last=last)
        return [
            Panel(
                draw=partial(draw_curves, rows=rows),
                unit=unit,
                name=str(model),
                note=described,
                last=last,
                scale="score",
                height=HEIGHT,
            ),
            _over_filler(rows, best, f"best layer of n = {smallest}: {best}", amounts),
            _over_filler(rows, deepest, f"last layer: {deepest}", amounts),
        ]

    main = placed[placed["control"] == ""]
    amount_handles = [Line2D([], [], color=colour, linestyle=SOLID, label=f"n = {n}") for n, colour in colours.items()]
    place_handles = [
        Line2D([], [], color=COLOURS[place], linestyle=LINES[place], marker=MARKERS[place], label=label)
        for place, label in PLACES.items()
        if (main["place"] == place).any()
    ]
    return draw_panels(
        [row(model) for model in dict.fromkeys(placed["model"])],
        title=title,
        layers=layers,
        legend=[amount_handles, [*place_handles, *mark_handles(main)], control_handles(placed, coloured=False)],
        notes=[missing_controls(placed.assign(view=placed["place"]), of="view"), *notes],
    )


def _closest(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the rows, with controls, of the smallest n with the pair first."""
    first = rows[rows["place"] == "start"]
    closest: pd.DataFrame = first[first["filler"] == first.loc[first["control"] == "", "filler"].min()]
    return closest


def _over_filler(rows: pd.DataFrame, layer: int, name: str, amounts: Sequence[int]) -> Panel:
    """Make a panel of scores at one layer over the amount of filler."""
    places = np.log2(1 + np.array(amounts, dtype=np.float64))

    def draw(axes: Axes) -> None:
        main = rows[(rows["control"] == "") & (rows["layer"] == layer)]
        levels = main.groupby("filler")["chance"].first()
        axes.plot(
            np.log2(1 + levels.index),
            levels,
            color=FAINT,
            linestyle=CHANCE_LINE,
            linewidth=0.9,
            zorder=1,
            label="chance",
        )
        for place in PLACES:
            of_place = rows[rows["place"] == place]
            for control, look in CONTROLS.items():
                curve = control_rows(of_place, control).sort_values("filler")
                if control not in (EMBEDDING, "static"):
                    curve = curve[curve["layer"] == layer]
                if curve.empty:
                    continue
                axes.plot(
                    np.log2(1 + curve["filler"]),
                    curve["score"],
                    color=COLOURS[place],
                    linestyle=look.line,
                    linewidth=CONTROL_WIDTH * look.width,
                    alpha=COLOURED,
                    label=f"{place}, {control}",
                )
            _draw_main(axes, main[main["place"] == place].sort_values("filler"), place)

    def set_across(axes: Axes, labelled: bool) -> None:
        room = 0.06 * (places[-1] - places[0]) or 0.5
        low, high = places[0] - room, places[-1] + room
        axes.set_xlim(low, high)
        inches = (places - low) / (high - low) * panel_width(COLUMNS)
        axes.set_xticks(places, labels=spaced_texts([str(amount) for amount in amounts], inches))
        axes.tick_params(axis="x", labelbottom=labelled)
        if labelled:
            axes.set_xlabel("n, words of filler")

    return Panel(draw=draw, unit="", name=name, scale="score", height=HEIGHT, set_across=set_across, across="filler")


def _draw_main(axes: Axes, curve: pd.DataFrame, place: str) -> None:
    """Draw scores over the amount of filler with their intervals and with markers that say what was tested."""
    if curve.empty:
        return
    across, colour = np.log2(1 + curve["filler"]), COLOURS[place]
    axes.fill_between(across, curve["low"], curve["high"], color=colour, alpha=0.16, linewidth=0, label=place)
    axes.plot(across, curve["score"], color=colour, linestyle=LINES[place], label=place)
    above, tested = curve["p_family_wise"] < SIGNIFICANT, curve["p_family_wise"].notna()
    for what, part, size, fill in (
        ("above chance", above, MARKER, colour),
        ("not above chance", tested & ~above, MARKER, "white"),
        ("not tested", ~tested, 0.5 * MARKER, colour),
    ):
        axes.plot(
            across[part],
            curve.loc[part, "score"],
            linestyle="none",
            marker=MARKERS[place],
            markersize=size,
            color=colour,
            markerfacecolor=fill,
            markeredgewidth=0.6,
            label=f"{place}, {what}",
        )


def figure(tables: Tables, job: FigureJob, notes: list[str], *, estimator: str) -> Drawn:
    """Scores over layers and over the amount of filler."""
    rows = one_label(all_views(fixed_curves(tables, estimator=estimator)))
    notes = [*notes, *forms_notes(rows)]
    picture = draw_early_context(rows, title=job.title, layers=job.layers, measure=main_measure(rows), notes=notes)
    return Drawn(rows, picture, notes)
