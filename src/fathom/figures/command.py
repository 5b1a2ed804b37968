"""`fathom figures`: draw one figure, and write the numbers behind it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click
import pandas as pd
from matplotlib.figure import Figure

from fathom.figures.claims.evaluate import claim_notes
from fathom.figures.drawing.style import render
from fathom.figures.job import FigureJob
from fathom.figures.metrics.bimodality import bimodality_figure
from fathom.figures.metrics.block_sites import draw_stages, stage_curves
from fathom.figures.metrics.comparison import comparison_curves, comparison_units, draw_comparison
from fathom.figures.metrics.curves import chance_notes, draw_metric, metric_curves
from fathom.figures.metrics.matrix import draw_matrices, matrix_cells
from fathom.figures.metrics.power_law import draw_power_law, power_law_numbers
from fathom.figures.metrics.sinks import sinks_figure
from fathom.figures.metrics.sweep import QUANTITIES, draw_sweep, sweep_curves
from fathom.figures.probes.coordination import coordination_figure
from fathom.figures.probes.curves import draw_probes
from fathom.figures.probes.early_context import draw_early_context
from fathom.figures.probes.notes import dip_columns, not_drawn_note, probe_notes
from fathom.figures.probes.properties import draw_properties
from fathom.figures.probes.rows import (
    FIXED,
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
from fathom.figures.probes.sites import draw_sites
from fathom.figures.probes.spans import draw_spans
from fathom.figures.probes.summary import draw_summary, summary_table
from fathom.figures.settings import (
    BimodalityFigure,
    ComparisonFigure,
    CoordinationFigure,
    EarlyContextFigure,
    MatrixFigure,
    MetricFigure,
    PowerLawFigure,
    ProbeFigure,
    ProbesFigure,
    PropertiesFigure,
    SinksFigure,
    SitesFigure,
    SpansFigure,
    StagesFigure,
    SummaryFigure,
    SweepFigure,
)
from fathom.io.corpus_table import read_corpus
from fathom.io.tables import read_table
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work

log = logging.getLogger("fathom")


@click.command()
@click.option("--settings", "settings_json", required=True, help="Settings, as JSON; - reads them from standard input.")
@click.option("--svg", required=True, type=click.Path(path_type=Path), help="Picture to write, as SVG.")
@click.option("--png", required=True, type=click.Path(path_type=Path), help="Picture to write, as PNG.")
@click.option("--csv", required=True, type=click.Path(path_type=Path), help="Numbers to write.")
@click.option("--text", required=True, type=click.Path(path_type=Path), help="Caption to write.")
@click.argument("tables", nargs=-1, type=click.Path(path_type=Path))
def command(settings_json: str, svg: Path, png: Path, csv: Path, text: Path, tables: tuple[Path, ...]) -> Work:
    """Draw a figure from TABLES of metrics or probes, with the numbers behind it and its caption."""
    if settings_json == "-":
        settings_json = sys.stdin.read().strip()
    job = FigureJob.model_validate_json(settings_json)
    if len(tables) != len(job.tables):
        msg = f"figure {job.figure}: expected {len(job.tables)} tables, found {len(tables)}"
        raise FathomError(msg)
    frames = [
        (table, read_corpus(path) if table.holds == "texts" else read_table(path))
        for table, path in zip(job.tables, tables, strict=True)
    ]
    try:
        notes = claim_notes(frames, job)
        if isinstance(job.settings, MetricFigure):
            notes = [*chance_notes(frames), *notes]
        if isinstance(job.settings, ProbeFigure):
            notes = probe_notes(frames, job)
        numbers, figure = _draw(frames, job, notes)
    except ValueError as error:
        msg = f"figure {job.figure}: {error}"
        raise FathomError(msg) from error
    for note in notes:
        log.info("%s: %s", job.figure, note)
    caption = "\n".join([job.caption, *notes])
    svg.parent.mkdir(parents=True, exist_ok=True)
    numbers.to_csv(csv, index=False)
    text.write_text(caption + "\n", encoding="utf-8")
    png.write_bytes(render(figure, "png", caption=caption))
    svg.write_bytes(render(figure, "svg", caption=caption))
    return Work(settings_json, read=tables, written=[svg, png, csv, text])


def _draw(frames: Tables, job: FigureJob, notes: list[str]) -> tuple[pd.DataFrame, Figure]:
    """The numbers of a figure, and the figure."""
    settings, title, layers = job.settings, job.title, job.layers
    match settings:
        case MetricFigure():
            curves = metric_curves(frames, job)
            unit = job.axes[settings.metric]
            return curves, draw_metric(curves, title=title, unit=unit, layers=layers, notes=notes)
        case ComparisonFigure():
            curves = comparison_curves(frames, job)
            units = comparison_units(frames, curves, job)
            figure = draw_comparison(
                curves, title=title, units=units, layers=layers, notes=notes, ordered=settings.ordered
            )
            return curves, figure
        case SweepFigure():
            curves = sweep_curves(frames, job, raw=settings.raw)
            quantity = QUANTITIES["p" if str(curves["view"].iloc[0]).startswith("p") else "tokens"]
            unit = job.axes[settings.metric]
            figure = draw_sweep(curves, title=title, unit=unit, quantity=quantity, layers=layers, notes=notes)
            return curves, figure
        case MatrixFigure():
            cells = matrix_cells(frames)
            unit = job.axes[settings.metric]
            return cells, draw_matrices(cells, title=title, unit=unit, layers=layers, notes=notes)
        case SinksFigure():
            return sinks_figure(frames, job, notes)
        case StagesFigure():
            curves = stage_curves(frames, job)
            unit = job.axes[settings.metric]
            return curves, draw_stages(curves, title=title, unit=unit, layers=layers, notes=notes)
        case BimodalityFigure():
            return bimodality_figure(frames, settings, job, notes)
        case PowerLawFigure():
            entropies = power_law_numbers(settings)
            return entropies, draw_power_law(entropies, title=title, notes=notes)
        case _:
            return draw_probe_figure(frames, settings, job, notes)


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
            measure, notes = main_measure(rows), [*notes, *not_drawn_note(rows)]
            return rows, draw_probes(rows, title=title, layers=layers, measure=measure, notes=notes)
        case PropertiesFigure():
            rows = one_place(fixed)
            return rows, draw_properties(rows, title=title, layers=layers, notes=notes)
        case SpansFigure():
            rows = one_label(one_site(fixed))
            measure, notes = main_measure(rows), [*notes, *not_drawn_note(rows)]
            return rows, draw_spans(rows, title=title, layers=layers, measure=measure, notes=notes)
        case SitesFigure():
            rows = one_label(one_position(fixed))
            measure, notes = main_measure(rows), [*notes, *not_drawn_note(rows)]
            figure = draw_sites(with_site_words(rows), title=title, layers=layers, measure=measure, notes=notes)
            return rows, figure
        case EarlyContextFigure():
            rows = one_label(all_views(fixed))
            figure = draw_early_context(rows, title=title, layers=layers, measure=main_measure(rows), notes=notes)
            return rows, figure
        case CoordinationFigure():
            return coordination_figure(tables, fixed, job, notes)
        case SummaryFigure():
            every = dip_columns(tables, job, summary_table(one_label(fixed)))
            shown = with_site_words(summary_table(one_label(one_place(fixed))))
            return every, draw_summary(shown, title=title, layers=layers, notes=notes)
