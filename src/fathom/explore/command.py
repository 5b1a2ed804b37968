"""`fathom explore`: write the page to explore the results."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import click

from fathom.explore.budget import Content, smaller
from fathom.explore.curves import as_columns, read_curves
from fathom.explore.job import ExploreJob, FigureView
from fathom.explore.page import write_page
from fathom.explore.provenance import read_jobs
from fathom.io.atomic import atomic_write
from fathom.runtime.errors import FathomError, first_line
from fathom.runtime.job_files import Work

log = logging.getLogger("fathom")
MEGABYTE = 1_000_000
VERDICT = "Here: "


@click.command()
@click.option("--settings", "settings_json", required=True, help="Settings, as JSON; - reads them from standard input.")
@click.option("--html", "page", required=True, type=click.Path(path_type=Path), help="Page to write.")
def command(settings_json: str, page: Path) -> Work:
    """Write the page to explore the results in a browser: one file, which asks no network.

    The settings name the files that it is made from: summaries, captions, records, and stores for the tokens of texts.
    """
    if settings_json == "-":
        settings_json = sys.stdin.read().strip()
    job = ExploreJob.model_validate_json(settings_json)
    made = page_of(job)
    page.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(page) as stream:
        stream.write(made)
    return Work(settings_json, read=_files(job), written=[page])


def page_of(job: ExploreJob) -> bytes:
    """The page from the files that its settings name.

    Errors: FathomError if a file is corrupt, or if not even the smallest page is small enough.
    """
    curves = read_curves([(Path(one.path), one.control, one.control_of) for one in job.tables])
    return fitting_page(job, Content(curves=curves, tokens=_tokens(job)))


def fitting_page(job: ExploreJob, content: Content) -> bytes:
    """The page with as much of its content as it may be large."""
    told = _told(job)
    made = _written(job, content, told)
    if len(made) > job.megabytes * MEGABYTE:
        for less in smaller(content, job.words):
            made = _written(job, less, told)
            if len(made) <= job.megabytes * MEGABYTE:
                break
    if len(made) > job.megabytes * MEGABYTE:
        msg = f"the page needs {len(made) / MEGABYTE:.2f} MB for one model's main curves, and explore.megabytes is "
        msg += f"{job.megabytes:g}: raise explore.megabytes"
        raise FathomError(msg)
    log.info("page of %.2f MB", len(made) / MEGABYTE)
    return made


def _tokens(job: ExploreJob) -> tuple[dict[str, object], ...]:
    if not job.token_texts:
        return ()
    from fathom.explore.tokens import read_texts

    return tuple(
        entry
        for one in job.tokens
        for entry in read_texts(
            one.model,
            one.corpus,
            [Path(path) for path in one.manifests],
            Path(one.texts),
            Path(one.tokenizer),
            job.token_texts,
        )
    )


def _told(job: ExploreJob) -> dict[str, object]:
    """What the page says beside numbers."""
    return {
        "version": version("fathom"),
        "level": job.level,
        "layers": job.layers,
        "words": [one.model_dump(mode="json") for one in job.words],
        "models": [one.model_dump(mode="json") for one in job.models],
        "corpora": [one.model_dump(mode="json") for one in job.corpora],
        "figures": [_figure(one) for one in job.figures],
        "records": {one.path: one.record.removesuffix(".record.json") for one in job.tables},
        "provenance": read_jobs([Path(path) for path in job.records]),
    }


def _figure(view: FigureView) -> dict[str, object]:
    """A figure with its caption, its notes, and the verdicts among them."""
    try:
        lines = Path(view.text).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{view.text}: cannot be read ({first_line(error)}); run snakemake again"
        raise FathomError(msg) from error
    notes = [line for line in lines[1:] if line != view.claim]
    return {
        "name": view.name,
        "title": view.title,
        "shows": list(view.shows),
        "caption": lines[0] if lines else "",
        "claim": view.claim,
        "judged": view.judged,
        "verdicts": [line.removeprefix(VERDICT) for line in notes if line.startswith(VERDICT)],
        "notes": [line for line in notes if not line.startswith(VERDICT)],
    }


def _written(job: ExploreJob, content: Content, told: dict[str, object]) -> bytes:
    data = {**told, **as_columns(content.curves), "tokens": list(content.tokens)}
    data["left_out"] = [*content.left_out, *(f"{path}: in the file only" for path in job.not_shown)]
    return write_page(data, "fathom")


def _files(job: ExploreJob) -> Sequence[Path]:
    """Files that the page was made of; of stores and models the manifests stand for the rest."""
    tokens = [path for one in job.tokens for path in (*one.manifests[:1], one.texts)] if job.token_texts else []
    paths = [*(one.path for one in job.tables), *(one.text for one in job.figures), *tokens]
    return [Path(path) for path in dict.fromkeys(paths)]
