"""`fathom metrics`: measure metrics on every layer of a model for a corpus."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from pathlib import Path

import click
import pandas as pd

from fathom.io.corpus_table import of_views, read_corpus, with_facts_of_view
from fathom.io.manifests import sha256_of
from fathom.io.shards import shard_manifests
from fathom.io.tables import read_table, write_table
from fathom.metrics.job import ClaimJob, MetricJob, ModesJob
from fathom.metrics.measure import make_measure
from fathom.metrics.summaries import summaries_of_sinks, summarise
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work
from fathom.runtime.malloc import keep_freed_memory
from fathom.store.reader import Activations

log = logging.getLogger("fathom")
MODES, CLAIMS = "fathom.metrics.modes", "fathom.metrics.claims.evaluate"


@click.command()
@click.option("--settings", "settings_json", required=True, help="Settings, as JSON; - reads them from standard input.")
@click.option("--corpus", "corpus_file", type=click.Path(path_type=Path), help="Corpus of the states.")
@click.option("--states", type=click.Path(path_type=Path), help="Folder of the stores to read.")
@click.option("--shards", type=click.IntRange(min=1), default=1, help="Shards that the states are cut into.")
@click.option("--table", "table_file", type=click.Path(path_type=Path), help="Metric of texts, to test for two modes.")
@click.option("--folder", required=True, type=click.Path(path_type=Path), help="Folder of the Parquet files to write.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Texts or layers at a time.")
@click.argument("judged", nargs=-1, metavar="[TABLES]...", type=click.Path(path_type=Path))
def command(
    settings_json: str,
    corpus_file: Path | None,
    states: Path | None,
    shards: int,
    table_file: Path | None,
    folder: Path,
    threads: int,
    judged: tuple[Path, ...],
) -> Work:
    """Measure representation metrics on every layer of stored states.

    Or test a metric of texts for two modes, or judge on TABLES of metrics what a paper claims.
    All metrics of the tokens of a text that the settings name share one read of the stores.
    """
    if settings_json == "-":
        settings_json = sys.stdin.read().strip()
    if "claim" in json.loads(settings_json):
        return _judge(settings_json, judged, folder)
    if corpus_file is None:
        msg = "--corpus: expected the corpus of the states"
        raise FathomError(msg)
    if table_file is not None:
        return _test_modes(settings_json, corpus_file, table_file, folder)
    keep_freed_memory()
    job = MetricJob.model_validate_json(settings_json)
    if states is None:
        msg = f"--states: expected the folder of the states of {job.model} on {job.corpus}"
        raise FathomError(msg)
    corpus = read_corpus(corpus_file)
    manifests = shard_manifests(states, shards)
    activations = Activations(manifests)
    activations.require_corpus(sha256_of(corpus_file), corpus_file)
    corpus = of_views(corpus, activations.views)
    measures = [make_measure(one) for one in job.measured]
    of_texts = {one.name for one in job.measured if one.of == "text"}
    tables: dict[str, pd.DataFrame] = {}
    for module in dict.fromkeys(one.table_module for one in job.measured):
        chosen = [measure for measure in measures if measure.settings.table_module == module]
        # By its name: a job is re-run when code of its own metrics changes, and these modules hold that of all.
        tables |= importlib.import_module(module).make_tables(activations, corpus, chosen, job, threads)
    for name, table in tables.items():
        _report(name, table, job, needed=name in of_texts)
    folder.mkdir(parents=True, exist_ok=True)
    tables = {name: with_facts_of_view(table, corpus) for name, table in tables.items()}
    summaries = {
        f"{one.name}.layers": summarise(tables[one.name], one, job) for one in job.measured if one.of != "sinks"
    }
    if any(one.of == "sinks" for one in job.measured):
        summaries |= {f"{name}.layers": summary for name, summary in summaries_of_sinks(tables, job).items()}
    files = {folder / f"{name}.parquet": table for name, table in (tables | summaries).items()}
    for file, table in files.items():
        write_table(table, file, activations.reading_notes())
    return Work(settings_json, read=[corpus_file, *manifests], written=[*files])


def _test_modes(settings_json: str, corpus_file: Path, table_file: Path, folder: Path) -> Work:
    """Write METRIC.modes.parquet (dips of layers) and METRIC.mode_texts.parquet (texts at the modes)."""
    job = ModesJob.model_validate_json(settings_json)
    # By its name: the code of the dip test is none of the other jobs'.
    make = importlib.import_module(MODES).modes_tables
    try:
        tables = make(job, read_table(table_file), read_corpus(corpus_file))
    except ValueError as error:
        msg = f"modes of {job.metric} of model {job.model} on corpus {job.corpus}: {error}"
        raise FathomError(msg) from error
    written = [folder / f"{job.metric}.{name}.parquet" for name in ("modes", "mode_texts")]
    for table, file in zip(tables, written, strict=True):
        write_table(table, file)
    return Work(settings_json, read=[corpus_file, table_file], written=written)


def _judge(settings_json: str, files: tuple[Path, ...], folder: Path) -> Work:
    """Write FIGURE.parquet (verdicts on the claim of a paper that the figure speaks of)."""
    job = ClaimJob.model_validate_json(settings_json)
    if len(files) != len(job.tables):
        msg = f"claim {job.claim}: expected {len(job.tables)} tables, found {len(files)}"
        raise FathomError(msg)
    frames = [
        (table.model, table.corpus, table.content, read_table(file))
        for table, file in zip(job.tables, files, strict=True)
    ]
    # By its name: the code of claims is none of the other jobs'.
    claims = importlib.import_module(CLAIMS)
    try:
        verdicts = claims.verdicts_table(
            job.claim, frames or claims.of_spectra(job.spectra), samples=job.samples, level=job.level, seed=job.seed
        )
    except ValueError as error:
        msg = f"figure {job.figure}: {error}"
        raise FathomError(msg) from error
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f"{job.figure}.parquet"
    write_table(verdicts, written)
    return Work(settings_json, read=files, written=[written])


def _report(name: str, table: pd.DataFrame, job: MetricJob, *, needed: bool) -> None:
    """Say how many values are missing, and why the first one is; refuse a table without any value, where it is needed.

    A metric of whole corpora may have none: a few texts have no quarter, and no five neighbours.
    """
    if "reason" not in table.columns:
        return
    missing = table["value"].isna()
    place = f"metric {name} of model {job.model} on corpus {job.corpus}"
    if missing.all() and needed:
        msg = f"{place}: no value at all, first reason: {table['reason'].iloc[0]}"
        raise FathomError(msg)
    if missing.any():
        first = table[missing].iloc[0]
        counted = f"{int(missing.sum())} of {len(table)} values are NaN"
        log.warning("%s: %s; first: layer %s, %s", place, counted, first["layer"], first["reason"])
