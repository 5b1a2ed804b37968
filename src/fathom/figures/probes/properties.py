"""Properties of items, a panel each: where in one model a probe reads them, in the order of their peaks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.grid import Panel, draw_panels, pages
from fathom.figures.drawing.style import house_style
from fathom.figures.drawing.text import join_note
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.probes.rows import fixed_curves, one_place
from fathom.figures.probes.score_panels import (
    ESTIMATORS,
    LABEL_KEY,
    MEASURES,
    PRIMARY,
    check_only,
    check_scores,
    control_handles,
    draw_chance,
    draw_controls,
    draw_inner,
    draw_scores,
    inner_handle,
    mark_handles,
    missing_controls,
    peak_handle,
    scores_note,
    split_selections,
)
from fathom.io.tables import MEAN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MOST_COLUMNS = 4
HEIGHT = 0.95
SCALES = ("two classes", "several classes", "numbers")
# The chance level of two classes is a half, but for the permutations it may come from; of three it is a third.
TWO_CLASSES = 0.45


def draw_properties(
    curves: pd.DataFrame,
    *,
    title: str = "",
    layers: str = "layer",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw the labels of one experiment, model and estimator over relative depth, a panel a label.

    Each label has the measure it is tested on, balanced accuracy or else r. Labels of two classes come first, on one
    axis, then those of more classes, whose chance level is lower, then numbers; of each the mean curve first, if there
    is one, and then the label that peaks at the lowest layer. A panel has the curve with its interval, its markers
    (filled where above chance, open where not, a dot where not tested) and its peak, the controls and the chance level.
    Above it stand the layer of the peak and its interval.

    Args:
        curves: as for `draw_probes`, and label ("label.edible" is written as "edible"); of one model, experiment and
            estimator
        title: of the figure
        layers: what to call the layers
        notes: lines of small text under the panels

    Raises:
        ValueError: as `draw_probes`; if there are several models, experiments or estimators; or if no label has a
            measure that is tested.
    """
    check_scores(curves, key=LABEL_KEY, columns=("label",))
    for column in ("model", "experiment", "estimator"):
        check_only(curves, column)
    measures = {}
    for label, rows in curves[curves["control"] == ""].groupby("label", sort=False):
        found = [measure for measure in PRIMARY if (rows["measure"] == measure).any()]
        if not found:
            msg = f"curves: column measure: expected some of {', '.join(PRIMARY)} for label {label}, found none"
            raise ValueError(msg)
        measures[label] = found[0]
    main, inner = split_selections(curves[curves["measure"] == curves["label"].map(measures)])
    with house_style():
        return _draw(main, inner[inner["control"] == ""], title=title, layers=layers, notes=notes)


def _draw(main: pd.DataFrame, inner: pd.DataFrame, *, title: str, layers: str, notes: Sequence[str]) -> Figure:
    last = last_layer(main)
    curves = main[main["control"] == ""]
    peaks = curves[curves["peak"].astype(bool)]
    peaks = peaks.assign(scale=[_scale(*kind) for kind in zip(peaks["measure"], peaks["chance"], strict=True)])
    peaks = peaks.assign(mean=peaks["label"] == MEAN).sort_values(
        ["mean", "layer"], ascending=[False, True], kind="stable"
    )
    columns = min(len(peaks), MOST_COLUMNS)

    def draw(axes: Axes, label: str) -> None:
        rows = main[main["label"] == label]
        draw_chance(axes, rows)
        draw_controls(axes, rows, name=label)
        draw_inner(axes, inner[inner["label"] == label], name=label, at=0)
        draw_scores(axes, rows[rows["control"] == ""], name=label, at=0, columns=columns, last=last)

    def panel(label: str) -> Panel:
        peak = peaks[peaks["label"] == label].iloc[0]
        interval = (
            "" if peak[["peak_low", "peak_high"]].isna().any() else f" ({peak.peak_low:.0f} to {peak.peak_high:.0f})"
        )
        return Panel(
            draw=partial(draw, label=label),
            unit=MEASURES[peak["measure"]],
            name=label.removeprefix("label."),
            note=join_note(
                [
                    f"peak {peak.layer}{interval}".replace(" ", "\N{NO-BREAK SPACE}"),
                    f"chance\N{NO-BREAK SPACE}{peak.chance:.3g}" if peak["scale"] == SCALES[1] else "",
                ]
            ),
            last=last,
            scale=peak["scale"],
            height=HEIGHT,
        )

    two, several, numbers = (list(peaks.loc[peaks["scale"] == scale, "label"]) for scale in SCALES)
    rows = [[panel(label) for label in page] for part in (two, [*several, *numbers]) for page in pages(part, columns)]
    handles = [*mark_handles(curves), peak_handle(interval=False), *([inner_handle()] if len(inner) else [])]
    described = scores_note(main, str(main["model"].iloc[0]), ESTIMATORS[str(main["estimator"].iloc[0])], last=last)
    return draw_panels(
        rows,
        title=title,
        layers=layers,
        legend=[handles, control_handles(main)],
        notes=[f"{described}.", missing_controls(main, of="label"), *notes],
    )


def _scale(measure: str, chance: float) -> str:
    """Give the axis of values that a label is on."""
    if measure == "r":
        return SCALES[2]
    return SCALES[0] if chance > TWO_CLASSES else SCALES[1]


def figure(tables: Tables, job: FigureJob, notes: list[str], *, estimator: str) -> Drawn:
    """A panel a label of one experiment."""
    rows = one_place(fixed_curves(tables, estimator=estimator))
    return Drawn(rows, draw_properties(rows, title=job.title, layers=job.layers, notes=notes), notes)
