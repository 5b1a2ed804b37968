"""`fathom figures`: draw one figure, and write the numbers behind it."""

from __future__ import annotations

import logging
from pathlib import Path

import click
import pandas as pd
from matplotlib.figure import Figure

from fathom.errors import FathomError
from fathom.figures.metrics import draw_metric, summarise_metric
from fathom.figures.probes import draw_probes
from fathom.figures.settings import FigureJob
from fathom.figures.style import render
from fathom.tables import read_table

log = logging.getLogger("fathom")


@click.command()
@click.option("--settings", "settings_json", required=True, help="Settings, as JSON.")
@click.option("--svg", required=True, type=click.Path(path_type=Path), help="Picture to write, as SVG.")
@click.option("--png", required=True, type=click.Path(path_type=Path), help="Picture to write, as PNG.")
@click.option("--csv", required=True, type=click.Path(path_type=Path), help="Numbers to write.")
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(settings_json: str, svg: Path, png: Path, csv: Path, tables: tuple[Path, ...]) -> None:
    """Draw a figure from TABLES of metrics or probes, with the numbers behind it."""
    job = FigureJob.model_validate_json(settings_json)
    if len(tables) != len(job.tables):
        msg = f"figure {job.figure}: expected {len(job.tables)} tables, found {len(tables)}"
        raise FathomError(msg)
    frames = [read_table(table) for table in tables]
    try:
        curves = _metric_curves(frames, job) if job.kind == "metric" else _probe_curves(frames, job)
        figure = _draw(curves, job)
    except ValueError as error:
        msg = f"figure {job.figure}: {error}"
        raise FathomError(msg) from error
    svg.parent.mkdir(parents=True, exist_ok=True)
    curves.to_csv(csv, index=False)
    png.write_bytes(render(figure, "png", caption=job.caption))
    svg.write_bytes(render(figure, "svg", caption=job.caption))


def _metric_curves(frames: list[pd.DataFrame], job: FigureJob) -> pd.DataFrame:
    """One row a model, corpus, view, sinks and layer."""
    uncertainty = job.uncertainty
    curves = []
    for frame, table in zip(frames, job.tables, strict=True):
        curve = summarise_metric(frame, samples=uncertainty.bootstrap, level=uncertainty.level, seed=uncertainty.seed)
        shown = [table.of if view == "original" else f"{table.of}, {view}" for view in curve["view"]]
        curves.append(curve.assign(model=table.model, corpus=shown))
    return pd.concat(curves, ignore_index=True)


def _probe_curves(frames: list[pd.DataFrame], job: FigureJob) -> pd.DataFrame:
    """One row a model, experiment, estimator and layer; of several labels their mean."""
    curves = []
    for frame, table in zip(frames, job.tables, strict=True):
        label = "mean" if (frame["label"] == "mean").any() else frame["label"].iloc[0]
        curves.append(frame[frame["label"] == label].assign(model=table.model, experiment=table.of))
    return pd.concat(curves, ignore_index=True)


def _draw(curves: pd.DataFrame, job: FigureJob) -> Figure:
    if job.kind == "metric":
        return draw_metric(curves, title=job.title, unit=job.axis, layers=job.layers)
    return draw_probes(curves, title=job.title, score=job.axis, layers=job.layers)
