"""`fathom figures`: draw one figure, and write the numbers behind it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click
import pandas as pd
from matplotlib.figure import Figure

from fathom.errors import FathomError
from fathom.figures.bimodality import Sample, bimodality_table, draw_bimodality
from fathom.figures.claims import evaluate
from fathom.figures.comparison import draw_comparison
from fathom.figures.frames import (
    Tables,
    chance_notes,
    comparison_curves,
    comparison_units,
    matrix_cells,
    metric_curves,
    sink_frames,
    stage_curves,
    sweep_curves,
    text_rows,
)
from fathom.figures.matrix import draw_matrices
from fathom.figures.metrics import draw_metric
from fathom.figures.power_law import draw_power_law, power_law_entropies
from fathom.figures.probe_figures import draw_probe_figure, probe_notes
from fathom.figures.settings import (
    BimodalityFigure,
    ComparisonFigure,
    FigureJob,
    MatrixFigure,
    MetricFigure,
    PowerLawFigure,
    ProbeFigure,
    SinksFigure,
    StagesFigure,
    SweepFigure,
)
from fathom.figures.sinks import draw_sinks
from fathom.figures.stages import draw_stages
from fathom.figures.style import render
from fathom.figures.sweep import draw_sweep
from fathom.tables import read_corpus, read_table
from fathom.work import Work

log = logging.getLogger("fathom")

QUANTITIES = {"p": "probability that a token is replaced", "tokens": "tokens of a text"}


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
        notes = _claim(frames, job)
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


def _claim(frames: Tables, job: FigureJob) -> list[str]:
    """What a paper claims here, and in numbers whether this run agrees."""
    claim = getattr(job.settings, "claim", None)
    if claim is None:
        return []
    uncertainty = job.uncertainty
    rows = [(table.model, table.of, table.holds, frame) for table, frame in frames if table.holds != "texts"]
    if isinstance(job.settings, PowerLawFigure):
        rows.append(("", "", "power_law", _power_law(job.settings)))
    return evaluate(claim, rows, samples=uncertainty.bootstrap, level=uncertainty.level, seed=uncertainty.seed)


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
            return _draw_sinks(frames, job, notes)
        case StagesFigure():
            curves = stage_curves(frames, job)
            unit = job.axes[settings.metric]
            return curves, draw_stages(curves, title=title, unit=unit, layers=layers, notes=notes)
        case BimodalityFigure():
            return _draw_bimodality(frames, settings, job, notes)
        case PowerLawFigure():
            entropies = _power_law(settings)
            return entropies, draw_power_law(entropies, title=title, notes=notes)
        case _:
            return draw_probe_figure(frames, settings, job, notes)


def _power_law(settings: PowerLawFigure) -> pd.DataFrame:
    return power_law_entropies(settings.betas, settings.alphas, dimension=settings.dimension)


def _draw_sinks(frames: Tables, job: FigureJob, notes: list[str]) -> tuple[pd.DataFrame, Figure]:
    valley, norms, rates = sink_frames(frames, job)
    unit = job.axes["prompt_entropy"]
    figure = draw_sinks(valley, norms, rates, title=job.title, unit=unit, layers=job.layers, notes=notes)
    panels = [valley.assign(panel="entropy"), norms.assign(panel="norm"), rates.assign(panel="rate")]
    return pd.concat(panels, ignore_index=True), figure


def _draw_bimodality(
    frames: Tables, settings: BimodalityFigure, job: FigureJob, notes: list[str]
) -> tuple[pd.DataFrame, Figure]:
    rows = text_rows(frames, sinks=settings.sinks)
    texts = next(frame for table, frame in frames if table.holds == "texts")
    uncertainty = job.uncertainty
    by_layer, examples = bimodality_table(
        rows, texts, samples=settings.samples, seed=uncertainty.seed, level=uncertainty.level
    )
    table = job.tables[0]
    panel = Sample(name=f"{table.model}, {table.of}", rows=rows, layers=by_layer, examples=examples)
    unit = job.axes[settings.metric]
    figure = draw_bimodality([panel], title=job.title, unit=unit, layers=job.layers, notes=notes)
    parts = [by_layer.assign(part="layers"), examples.assign(part="examples")]
    return pd.concat(parts, ignore_index=True), figure
