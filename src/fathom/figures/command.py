"""`fathom figures`: draw one figure, and write the numbers behind it."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from pathlib import Path

import click

from fathom.figures.claims.lines import verdict_lines
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.numbers import with_ids
from fathom.figures.own_matplotlib import import_matplotlib
from fathom.figures.table_notes import table_notes
from fathom.io.corpus_table import read_corpus
from fathom.io.tables import read_table
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work

log = logging.getLogger("fathom")
VERDICTS = "verdicts"


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
    import_matplotlib()
    from fathom.figures.drawing.style import render

    if len(tables) != len(job.tables):
        msg = f"figure {job.figure}: expected {len(job.tables)} tables, found {len(tables)}"
        raise FathomError(msg)
    frames = [
        (table, read_corpus(path) if table.content == "texts" else read_table(path))
        for table, path in zip(job.tables, tables, strict=True)
    ]
    try:
        drawn = draw(frames, job)
    except ValueError as error:
        msg = f"figure {job.figure}: {error}"
        raise FathomError(msg) from error
    for note in drawn.notes:
        log.info("%s: %s", job.figure, note)
    caption = "\n".join([job.caption, *drawn.notes])
    svg.parent.mkdir(parents=True, exist_ok=True)
    with_ids(drawn.numbers, job.tables).to_csv(csv, index=False)
    text.write_text(caption + "\n", encoding="utf-8")
    png.write_bytes(render(drawn.picture, "png", caption=caption))
    svg.write_bytes(render(drawn.picture, "svg", caption=caption))
    return Work(settings_json, read=tables, written=[svg, png, csv, text])


def draw(tables: Tables, job: FigureJob) -> Drawn:
    """Draw a figure by the one module that knows how, with what a paper claims there and whether this run agrees.

    Modules are imported by their names: the code of other kinds is none of a job's.
    """
    module = import_module(job.module)
    judged = [frame for table, frame in tables if table.content == VERDICTS]
    tables = [(table, frame) for table, frame in tables if table.content != VERDICTS]
    notes: list[str] = []
    if job.claim:
        titles = {table.model_id: table.model for table, _ in tables if table.model_id}
        notes = [job.claim, *(line for verdicts in judged for line in verdict_lines(verdicts, titles))]
    notes = [*notes, *table_notes(tables, job.titles)]
    drawn: Drawn = module.figure(tables, job, notes, **job.options)
    return drawn
