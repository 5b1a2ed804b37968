"""The stages inside a block beside each other, for effective ranks and the like: one colour a stage."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.lines import Line2D

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.checks import CURVE_VALUES, check_curves, check_words
from fathom.figures.drawing.curve import draw_curve, has_both_forms, panel_note, split_forms
from fathom.figures.drawing.grid import MOST_COLUMNS, Panel, draw_panels, pages
from fathom.figures.drawing.style import DOTTED, MARKERS, PALETTE, SOLID, house_style
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.metrics.rows import ORIGINAL, RESIDUAL, curve_rows, first_preparation, summaries, with_gaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


CURVE_KEY = ("model", "stage", "sinks", "preparation", "layer")


def draw_stages(
    curves: pd.DataFrame,
    *,
    title: str,
    unit: str,
    layers: str = "layer",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw a metric at the stages of a block over relative depth: one panel a model, one colour and marker a stage.

    The line is solid for stages on the residual stream and dotted, with open markers, for the outputs of sub-layers
    before they join it. Curves over all tokens and curves without the sink tokens stand in rows of panels of their own,
    on one axis of values. A model has the stages that its rows have.

    Args:
        curves: model, stage (its label), residual (bool: on the residual stream), sinks ("with" |
            "without" | "none"), preparation, layer, depth (0..1), value, low, high, texts (null where unknown) and, if
            there, left_out; one row a point
        title: of the figure
        unit: of the values, the label of their axis
        layers: what to call the layers
        notes: lines of small text under the panels

    Raises:
        ValueError: if columns or rows are missing, sinks or preparation are unknown, two rows are the same point, a
            stage is on the residual stream in some rows only, or there are more stages than colours.
    """
    check_curves(
        curves, columns=(*CURVE_KEY, "residual", *CURVE_VALUES), numbers=("value", "low", "high"), key=CURVE_KEY
    )
    check_words(curves)
    stages = curves.groupby("stage")["residual"].agg(["nunique", "first"])
    if (stages["nunique"] != 1).any():
        msg = f"curves: column residual: stage {stages.index[stages['nunique'] != 1][0]} is both true and false"
        raise ValueError(msg)
    if len(stages) > len(PALETTE):
        msg = f"curves: column stage: at most {len(PALETTE)} can be told apart in one figure, found {len(stages)}"
        raise ValueError(msg)
    residual = {stage: bool(stages.loc[stage, "first"]) for stage in _order(curves)}
    with house_style():
        return _draw(curves, residual, title=title, unit=unit, layers=layers, notes=notes)


def _order(curves: pd.DataFrame) -> list[str]:
    """Put the stages in the order of the model that has the most of them."""
    most = curves.groupby("model", sort=False)["stage"].nunique().idxmax()
    return list(dict.fromkeys([*curves.loc[curves["model"] == most, "stage"], *curves["stage"]]))


def _draw(
    curves: pd.DataFrame,
    residual: dict[str, bool],
    *,
    title: str,
    unit: str,
    layers: str,
    notes: Sequence[str],
) -> Figure:
    def draw(axes: Axes, rows: pd.DataFrame) -> None:
        for at, (stage, on_stream) in enumerate(residual.items()):
            for sinks, curve in rows[rows["stage"] == stage].groupby("sinks", sort=False):
                draw_curve(
                    axes,
                    curve,
                    label=f"{stage}, {sinks}",
                    colour=PALETTE[at],
                    marker=MARKERS[at],
                    line=SOLID if on_stream else DOTTED,
                    filled=on_stream,
                    turn=(at, len(residual)),
                )

    def panel(rows: pd.DataFrame, form: str) -> Panel | None:
        if rows.empty:
            return None
        return Panel(
            draw=partial(draw, rows=rows),
            unit=unit,
            name=str(rows["model"].iloc[0]),
            note=panel_note(rows, form=form),
            last=last_layer(rows),
        )

    models = list(dict.fromkeys(curves["model"]))
    rows = [
        [panel(form[form["model"] == model], label) for model in page]
        for _, prepared in curves.groupby("preparation", sort=False)
        for page in pages(models, MOST_COLUMNS)
        for label, form in (split_forms(prepared) if has_both_forms(prepared) else {"": prepared}).items()
    ]
    legend = [
        [
            Line2D(
                [],
                [],
                color=PALETTE[at],
                marker=MARKERS[at],
                markerfacecolor=PALETTE[at] if on_stream else "white",
                linestyle=SOLID if on_stream else DOTTED,
                label=stage,
            )
            for at, (stage, on_stream) in enumerate(residual.items())
        ]
    ]
    return draw_panels(rows, title=title, layers=layers, legend=legend, notes=notes)


SITES = {
    "attention_input": "what attention reads",
    "attention_patterns": "attention patterns, mean of heads",
    "attention": "attention output",
    "attention_residual": "residual after attention",
    "mlp_inner": "inner activations of the MLP",
    "mlp": "MLP output",
    "residual": "residual after the block",
}
ON_THE_STREAM = ("attention_residual", "residual")


def site_curves(tables: Tables) -> pd.DataFrame:
    """One row a model, stage of a block, sinks and layer."""
    curves = []
    for table, frame in summaries(tables):
        states = first_preparation(frame[frame["site"] != "attention_patterns"])
        # Attention patterns are no states: nothing is prepared, and they stand beside the states in one panel.
        patterns = frame[frame["site"] == "attention_patterns"].assign(preparation=states["preparation"].iloc[0])
        found = pd.concat([states, patterns], ignore_index=True)
        found = found[found["view"] == ORIGINAL]
        for site in SITES:
            rows = found[found["site"] == site]
            if len(rows):
                curve = curve_rows(rows)
                if site == "attention_patterns":
                    curve = with_gaps(curve, range(1, int(curve["layer"].max())))
                elif site != RESIDUAL:  # of a hybrid a site is in some blocks
                    among = found.loc[found["site"] == RESIDUAL, "layer"].astype("int64")
                    forms = [with_gaps(form, among) for _, form in curve.groupby("sinks", sort=False)]
                    curve = pd.concat(forms, ignore_index=True)
                place = {"metric": table.content, "model": table.model, "corpus": table.corpus_or_experiment}
                curves.append(curve.assign(**place, site=site, stage=SITES[site], residual=site in ON_THE_STREAM))
    return pd.concat(curves, ignore_index=True)


def figure(tables: Tables, job: FigureJob, notes: list[str], *, metric: str) -> Drawn:
    """Curves of one metric, a colour a site of a block."""
    curves = site_curves(tables)
    picture = draw_stages(curves, title=job.title, unit=job.axes[metric], layers=job.layers, notes=notes)
    return Drawn(curves, picture, notes)
