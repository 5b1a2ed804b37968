"""Labels of one experiment, a panel each: where in one model a probe reads them, in the order of their peaks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.grid import Panel, draw_panels, pages
from fathom.figures.drawing.style import house_style
from fathom.figures.drawing.text import join_note
from fathom.figures.probes.forms import FORMS, forms_that_differ
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
    is one, and then the label that peaks at the lowest layer. Where there are curves with and without sink tokens that
    differ, a label has a panel of each form. A panel has the curve with its interval, its markers
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
    curves = forms_that_differ(curves)
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
    # Both forms of a label stand where that with sinks peaks.
    of_label = peaks.sort_values("sinks", kind="stable").groupby("label")["layer"].transform("first")
    peaks = peaks.assign(mean=peaks["label"] == MEAN, of_label=of_label).sort_values(
        ["mean", "of_label"], ascending=[False, True], kind="stable"
    )
    labels = list(dict.fromkeys(peaks["label"]))
    peaks = peaks.iloc[peaks["label"].map(labels.index).argsort(kind="stable")]
    forms = [form for form in FORMS if form in set(peaks["sinks"])]
    columns = min(len(peaks), MOST_COLUMNS)

    def name_of(label: str, sinks: str) -> str:
        return f"{label}, {FORMS[sinks]}" if len(forms) > 1 else label

    def draw(axes: Axes, label: str, sinks: str) -> None:
        rows, name = main[(main["label"] == label) & (main["sinks"] == sinks)], name_of(label, sinks)
        companion = inner[(inner["label"] == label) & (inner["sinks"] == sinks)]
        draw_chance(axes, rows)
        draw_controls(axes, rows, name=name)
        draw_inner(axes, companion, name=name, at=0)
        draw_scores(axes, rows[rows["control"] == ""], name=name, at=0, columns=columns, last=last)

    def panel(label: str, sinks: str) -> Panel:
        peak = peaks[(peaks["label"] == label) & (peaks["sinks"] == sinks)].iloc[0]
        interval = (
            "" if peak[["peak_low", "peak_high"]].isna().any() else f" ({peak.peak_low:.0f} to {peak.peak_high:.0f})"
        )
        return Panel(
            draw=partial(draw, label=label, sinks=sinks),
            unit=MEASURES[peak["measure"]],
            name=name_of(label, sinks).removeprefix("label."),
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

    two, several, numbers = (
        list(peaks.loc[peaks["scale"] == scale, ["label", "sinks"]].itertuples(index=False, name=None))
        for scale in SCALES
    )
    rows = [[panel(*shown) for shown in page] for part in (two, [*several, *numbers]) for page in pages(part, columns)]
    handles = [*mark_handles(curves), peak_handle(interval=False), *([inner_handle()] if len(inner) else [])]
    named = main.assign(label=[name_of(*shown) for shown in zip(main["label"], main["sinks"], strict=True)])
    described = scores_note(main, str(main["model"].iloc[0]), ESTIMATORS[str(main["estimator"].iloc[0])], last=last)
    return draw_panels(
        rows,
        title=title,
        layers=layers,
        legend=[handles, control_handles(main)],
        notes=[f"{described}.", missing_controls(named, of="label"), *notes],
    )


def _scale(measure: str, chance: float) -> str:
    """Give the axis of values that a label is on."""
    if measure == "r":
        return SCALES[2]
    return SCALES[0] if chance > TWO_CLASSES else SCALES[1]
