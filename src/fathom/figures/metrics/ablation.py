"""A model with all tokens, without sink tokens and with its sinks taken away: metrics over layers, and the loss."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.checks import CURVE_VALUES, FEWEST_TEXTS, check_curves
from fathom.figures.drawing.curve import draw_curve, panel_note
from fathom.figures.drawing.grid import Panel, draw_panels, pages
from fathom.figures.drawing.style import DASHED, SOLID, house_style, look
from fathom.figures.drawing.text import count, join_note
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.metrics.rows import RESIDUAL, curve_rows, first_preparation, one_view, summaries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


COLUMNS = 3
FORMS = {"with": "all tokens", "without": "without sink tokens", "ablated": "sinks taken away"}
LOOKS = {"with": (0, SOLID), "without": (0, DASHED), "ablated": (1, SOLID)}
"""Form -> colour and marker, and line; open markers where it is dashed."""
LOSSES = "text_losses"
CURVE_KEY = ("metric", "form", "layer")
EDGE = 0.5  # beside the first and the last form, in steps between forms


def draw_ablation(
    curves: pd.DataFrame,
    losses: pd.DataFrame,
    *,
    title: str,
    units: Mapping[str, str],
    layers: str = "layer",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw metrics of one model over relative depth in three forms, a panel a metric, and the loss in a last panel.

    Args:
        curves: metric (its title), form ("with" | "without" | "ablated"), model, preparation, layer, depth (0..1),
            value, low, high, texts; one row a point
        losses: form ("with" | "ablated"), value, low, high (NaN without an interval), texts; one row a form
        title: of the figure
        units: the label of the axis of values of each metric
        layers: what to call the layers
        notes: lines of small text under the panels

    Raises:
        ValueError: if columns or rows are missing, two rows are the same point, or a form is unknown.
    """
    check_curves(curves, columns=(*CURVE_KEY, *CURVE_VALUES), numbers=("value", "low", "high"), key=CURVE_KEY)
    unknown = sorted({*curves["form"], *losses["form"]} - {*FORMS})
    if unknown:
        msg = f"curves: column form: expected one of {', '.join(FORMS)}, found {unknown[0]!r}"
        raise ValueError(msg)
    with house_style():
        panels = [
            Panel(
                draw=partial(_draw_curves, rows=rows),
                unit=units[str(metric)],
                name=str(metric),
                note=panel_note(rows),
                last=last_layer(rows),
                scale=str(metric),
            )
            for metric, rows in curves.groupby("metric", sort=False)
        ]
        panels.append(
            Panel(
                draw=partial(_draw_losses, losses=losses),
                unit="nats a token",
                name="Loss of the next token",
                note=join_note([count(int(losses["texts"].iloc[0]), "text")]),
                scale="loss",
                set_across=partial(_set_forms, forms=list(losses["form"])),
                across="form",
            )
        )
        handles = [
            Line2D(
                [],
                [],
                color=look(at)[0],
                marker=look(at)[1],
                linestyle=line,
                markerfacecolor="white" if line == DASHED else look(at)[0],
                label=FORMS[form],
            )
            for form, (at, line) in LOOKS.items()
            if form in set(curves["form"])
        ]
        return draw_panels(pages(panels, COLUMNS), title=title, layers=layers, legend=[handles], notes=notes)


def _draw_curves(axes: Axes, *, rows: pd.DataFrame) -> None:
    for turn, (form, (at, line)) in enumerate(LOOKS.items()):
        colour, marker = look(at)
        draw_curve(
            axes,
            rows[rows["form"] == form],
            label=FORMS[form],
            colour=colour,
            marker=marker,
            line=line,
            filled=line == SOLID,
            turn=(turn, len(LOOKS)),
        )


def _draw_losses(axes: Axes, *, losses: pd.DataFrame) -> None:
    numbers = losses[["value", "low", "high"]].to_numpy(dtype=np.float64)
    for place, (form, (value, low, high)) in enumerate(zip(losses["form"], numbers, strict=True)):
        colour, marker = look(LOOKS[str(form)][0])
        if np.isfinite(low):
            axes.vlines(place, low, high, color=colour, linewidth=1.0)
        axes.plot([place], [value], color=colour, marker=marker, linestyle="none", label=FORMS[str(form)])


def _set_forms(axes: Axes, label: bool, *, forms: Sequence[str]) -> None:  # noqa: ARG001 - as all panels have it
    axes.set_xlim(-EDGE, len(forms) - 1 + EDGE)
    axes.set_xticks(range(len(forms)), labels=["as it is" if form == "with" else FORMS[form] for form in forms])
    axes.grid(visible=False, axis="x")


def ablation_curves(tables: Tables, titles: Mapping[str, str], ablated: str) -> pd.DataFrame:
    """One row a metric, form and layer: of the model as it is with and without sink tokens, of the other with all."""
    curves = []
    for table, frame in summaries(tables):
        rows = one_view(first_preparation(frame[frame["site"] == RESIDUAL]))
        forms = rows["sinks"].replace("none", "with")
        if table.model == ablated:
            rows = rows[forms == "with"]
            forms = pd.Series("ablated", index=rows.index)
        found = curve_rows(rows).assign(form=forms.to_numpy(), metric_id=table.content, metric=titles[table.content])
        curves.append(found.assign(model=table.model, corpus=table.corpus_or_experiment))
    every = pd.concat(curves, ignore_index=True)
    order = {title: at for at, title in enumerate(dict.fromkeys(every["metric"]))}
    return every.sort_values("metric", key=lambda column: column.map(order), kind="stable", ignore_index=True)


def metric_verdict(rows: pd.DataFrame, arises: int | None) -> str:
    """What taking the sinks away makes of a metric behind the layer where they arise, in a sentence.

    The mean over the layers at which all tokens and those without the sinks part by more than their intervals. At the
    layer itself the sinks have the others' length by construction, so that it says nothing.

    Args:
        rows: metric, form, layer, value, low, high of one metric
        arises: the layer at which most sinks arise; None where no token is one
    """
    name = str(rows["metric"].iloc[0])
    if arises is None:
        return f"{name}: no token is a sink, so that nothing was taken away."
    table = rows.pivot(index="layer", columns="form", values=["value", "low", "high"])
    table = table[table.index > arises].dropna(subset=[("value", form) for form in FORMS])
    overlap = (table["low"]["with"] <= table["high"]["without"]) & (table["low"]["without"] <= table["high"]["with"])
    found = table.loc[~overlap, "value"]
    behind = f"{name}, behind layer {arises}, where the sinks arise"
    if found.empty:
        return f"{behind}: all tokens and those without sinks part nowhere by more than their intervals."
    whole, without, ablated = (float(found[form].mean()) for form in FORMS)
    layers = [int(layer) for layer in found.index]
    where = (
        f"{count(len(layers), 'layer')} from {layers[0]} to {layers[-1]}" if len(layers) > 1 else f"layer {layers[0]}"
    )
    return (
        f"{behind}: mean over {where}, at which all tokens and those without sinks part, {whole:.2f} with all tokens, "
        f"{without:.2f} without sink tokens, {ablated:.2f} with the sinks taken away: "
        f"{(ablated - whole) / (without - whole):.0%} of the gap closed."
    )


def loss_verdict(rows: pd.DataFrame, level: float) -> str:
    """What taking the sinks away costs, in a sentence; `rows` as in the table of losses."""
    whole, ablated, change = rows["value"].to_numpy(dtype=np.float64)
    low, high = (float(rows[name].iloc[-1]) for name in ("low", "high"))
    interval = f"{100 * level:g} % interval {low:.2f} to {high:.2f}" if np.isfinite(low) else "no interval"
    return (
        f"Loss: {whole:.2f} nats a token as it is, {ablated:.2f} with the sinks taken away; change {change:+.2f} "
        f"({interval}, {count(int(rows['texts'].iloc[0]), 'text')})."
    )


def figure(tables: Tables, job: FigureJob, notes: list[str], *, ablated: str) -> Drawn:
    """Metrics in three forms and the loss in two, and what both say."""
    curves = ablation_curves(tables, job.titles, ablated)
    units = {job.titles[metric]: axis for metric, axis in job.axes.items()}
    table, losses = next((table, frame) for table, frame in tables if table.content == LOSSES)
    arises = None if losses["arises"].isna().all() else int(losses["arises"].iloc[0])
    if int(losses["texts"].iloc[0]) < FEWEST_TEXTS:
        losses = losses.assign(low=np.nan, high=np.nan)
    verdicts = [metric_verdict(rows, arises) for _, rows in curves.groupby("metric", sort=False)]
    said = [*verdicts, loss_verdict(losses, job.uncertainty.level), *notes]
    drawn = losses[losses["form"] != "difference"]
    picture = draw_ablation(curves, drawn, title=job.title, units=units, layers=job.layers, notes=said)
    named = {"metric": "loss", "metric_id": "loss", "model": table.model, "corpus": table.corpus_or_experiment}
    return Drawn(pd.concat([curves, losses.drop(columns="arises").assign(**named)], ignore_index=True), picture, said)
