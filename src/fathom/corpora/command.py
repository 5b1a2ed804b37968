"""`fathom corpora`: build the texts of a corpus."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path

import click
import pandas as pd

from fathom.corpora.compared import check_classes
from fathom.corpora.job import CorpusJob
from fathom.corpora.leaks import leaks_table
from fathom.corpora.sources import Sources
from fathom.io.corpus_table import read_corpus, write_corpus
from fathom.io.scratch import scratch_folder
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work

log = logging.getLogger("fathom")


@click.command()
@click.option("--settings", "settings_json", required=True, help="Settings, as JSON.")
@click.option("--base", type=click.Path(path_type=Path), default=None, help="Corpus that it is made of, if any.")
@click.option(
    "--compared", multiple=True, type=click.Path(path_type=Path), help="Corpus of the same classes; any number."
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Parquet file to write.")
@click.option("--leaks", type=click.Path(path_type=Path), default=None, help="CSV of nearly equal texts to write.")
def command(
    settings_json: str, base: Path | None, compared: tuple[Path, ...], output: Path, leaks: Path | None
) -> Work:
    """Build the texts of a corpus and their views, and list those that are nearly equal across groups."""
    job = CorpusJob.model_validate_json(settings_json)
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        if base is not None and job.base is None:
            msg = f"--base: expected none, the corpus is made of no other; found {base}"
            raise FathomError(msg)
        with scratch_folder(output) as scratch:
            kept = output.with_name(f"{job.name}.commit.json")
            sources = Sources(scratch, kept, None if base is None else read_corpus(base), job.base)
            # By name, so that the code of one kind of corpus is no part of another's.
            frame: pd.DataFrame = importlib.import_module(job.module).build(sources, **job.options)
        for other in compared:
            place = job.files[0] if job.files else "its table"
            check_classes(frame, place, read_corpus(other), other.stem, job.compared[other.stem])
    except (FathomError, ValueError) as error:
        msg = f"corpus {job.name}: {error}"
        raise FathomError(msg) from error
    write_corpus(frame, output, job.name)
    log.info("corpus %s: %s texts", job.name, len(frame))
    if leaks is not None:
        leaks_table(frame).to_csv(leaks, index=False)
    read = [*map(Path, job.files), *([] if base is None else [base]), *compared]
    return Work(
        settings_json, read=read, written=[output, *([] if leaks is None else [leaks])], revision=sources.revision
    )
