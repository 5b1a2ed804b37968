"""Figures of probes: which rows of their tables each kind draws."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from fathom.figures.coordination import draw_coordination
from fathom.figures.early_context import draw_early_context
from fathom.figures.probe_frames import Tables, experiment_curves, one_label, one_place, one_position, one_site
from fathom.figures.probe_notes import dip_columns, hierarchy_notes
from fathom.figures.probes import draw_probes
from fathom.figures.properties import draw_properties
from fathom.figures.settings import (
    CoordinationFigure,
    EarlyContextFigure,
    FigureJob,
    ProbesFigure,
    PropertiesFigure,
    SitesFigure,
    SpansFigure,
    SummaryFigure,
)
from fathom.figures.sites import draw_sites
from fathom.figures.spans import draw_spans
from fathom.figures.summary import draw_summary, summary_table

ProbeFigure = (
    ProbesFigure
    | PropertiesFigure
    | SpansFigure
    | SitesFigure
    | EarlyContextFigure
    | CoordinationFigure
    | SummaryFigure
)
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
            return rows, draw_probes(rows, title=title, layers=layers, notes=notes)
        case PropertiesFigure():
            rows = one_place(fixed)
            return rows, draw_properties(rows, title=title, layers=layers, notes=notes)
        case SpansFigure():
            rows = one_label(one_site(fixed))
            return rows, draw_spans(rows, title=title, layers=layers, notes=notes)
        case SitesFigure():
            rows = one_label(one_position(fixed))
            return rows, draw_sites(rows, title=title, layers=layers, notes=notes)
        case EarlyContextFigure():
            rows = one_label(fixed)
            return rows, draw_early_context(rows, title=title, layers=layers, notes=notes)
        case CoordinationFigure():
            rows = one_label(fixed[fixed["site"] == "attention"])
            rows = one_place(rows)
            measures = pd.concat(
                [
                    frame.assign(model=table.model, experiment=table.of)
                    for table, frame in tables
                    if table.holds == "coordination"
                ],
                ignore_index=True,
            )
            figure = draw_coordination(rows, measures, title=title, layers=layers, notes=notes)
            return pd.concat([measures.assign(part="coordination"), rows.assign(part="scores")]), figure
        case SummaryFigure():
            every = dip_columns(tables, job, summary_table(one_label(fixed)))
            shown = summary_table(one_label(one_place(fixed)))
            return every, draw_summary(shown, title=title, layers=layers, notes=notes)
