"""Figures of probes: which rows of their tables each kind draws."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from fathom.figures.coordination import COMPLEMENTARITY, draw_coordination
from fathom.figures.early_context import draw_early_context
from fathom.figures.probe_frames import (
    Tables,
    all_views,
    experiment_curves,
    main_measure,
    one_label,
    one_place,
    one_position,
    one_site,
    with_site_words,
)
from fathom.figures.probe_notes import dip_columns, hierarchy_notes
from fathom.figures.probes import draw_probes
from fathom.figures.properties import draw_properties
from fathom.figures.settings import (
    CoordinationFigure,
    EarlyContextFigure,
    FigureJob,
    ProbeFigure,
    ProbesFigure,
    PropertiesFigure,
    SitesFigure,
    SpansFigure,
    SummaryFigure,
)
from fathom.figures.sites import draw_sites
from fathom.figures.spans import draw_spans
from fathom.figures.style import PALETTE
from fathom.figures.summary import draw_summary, summary_table
from fathom.tables import MEAN

FIXED = "fixed"  # the penalty of the curves that are compared: controls have no other


def probe_notes(tables: Tables, job: FigureJob) -> list[str]:
    """What a figure says of the order of the experiments; nothing where it does not draw several of the hierarchy."""
    if len(job.order) < 2 or not isinstance(job.settings, ProbesFigure):
        return []
    return hierarchy_notes(tables, job, job.settings.estimator)


def draw_probe_figure(
    tables: Tables, settings: ProbeFigure, job: FigureJob, notes: list[str]
) -> tuple[pd.DataFrame, Figure]:
    """The numbers of a figure of probes, and the figure."""
    title, layers = job.title, job.layers
    curves = experiment_curves(tables, estimator=getattr(settings, "estimator", None))
    fixed = curves[curves["selection"] == FIXED]
    match settings:
        case ProbesFigure():
            rows = one_label(one_place(curves))
            measure, notes = main_measure(rows), [*notes, *_not_drawn(rows)]
            return rows, draw_probes(rows, title=title, layers=layers, measure=measure, notes=notes)
        case PropertiesFigure():
            rows = one_place(fixed)
            return rows, draw_properties(rows, title=title, layers=layers, notes=notes)
        case SpansFigure():
            rows = one_label(one_site(fixed))
            measure, notes = main_measure(rows), [*notes, *_not_drawn(rows)]
            return rows, draw_spans(rows, title=title, layers=layers, measure=measure, notes=notes)
        case SitesFigure():
            rows = one_label(one_position(fixed))
            measure, notes = main_measure(rows), [*notes, *_not_drawn(rows)]
            figure = draw_sites(with_site_words(rows), title=title, layers=layers, measure=measure, notes=notes)
            return rows, figure
        case EarlyContextFigure():
            rows = one_label(all_views(fixed))
            figure = draw_early_context(rows, title=title, layers=layers, measure=main_measure(rows), notes=notes)
            return rows, figure
        case CoordinationFigure():
            return _coordination(tables, fixed, job, notes)
        case SummaryFigure():
            every = dip_columns(tables, job, summary_table(one_label(fixed)))
            shown = with_site_words(summary_table(one_label(one_place(fixed))))
            return every, draw_summary(shown, title=title, layers=layers, notes=notes)


def _not_drawn(rows: pd.DataFrame) -> list[str]:
    """A note that names the experiments whose labels have not the measure that is drawn, if there are such."""
    drawn = set(rows.loc[rows["measure"] == main_measure(rows), "experiment"])
    names = [name for name in rows["experiment"].unique() if name not in drawn]
    return [f"Not drawn, for their labels are numbers, not classes: {', '.join(names)}."] if names else []


def _coordination(
    tables: Tables, curves: pd.DataFrame, job: FigureJob, notes: list[str]
) -> tuple[pd.DataFrame, Figure]:
    """Scores at the attention's output of the labels whose coordination was measured; of too many the first ones."""
    measures = pd.concat(
        [
            frame.assign(model=table.model, experiment=table.of)
            for table, frame in tables
            if table.holds == "coordination"
        ],
        ignore_index=True,
    )
    rows = one_place(curves[curves["site"] == "attention"])
    rows = rows[(rows["label"] != MEAN) & (rows["measure"] == main_measure(rows))]
    labels = list(rows["label"].unique())
    shown = labels[: len(PALETTE)]
    if len(shown) < len(labels):
        notes = [*notes, f"Scores of {len(shown)} of {len(labels)} labels are shown."]
    known = measures["measure"] != COMPLEMENTARITY
    figure = draw_coordination(
        rows[rows["label"].isin(shown)],
        measures[known | measures["label"].isin(shown)],
        title=job.title,
        layers=job.layers,
        measure=main_measure(rows),
        notes=notes,
    )
    return pd.concat([measures.assign(part="coordination"), rows.assign(part="scores")], ignore_index=True), figure
