"""`fathom probes`: fit the probes of one experiment on every layer of a model, or measure how its layers coordinate."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pandas as pd

from fathom.io.corpus_table import of_views, read_corpus
from fathom.io.manifests import sha256_of
from fathom.io.shards import shard_manifests
from fathom.io.tables import read_table, write_table
from fathom.probes.coordination.table import SITE as COORDINATION_SITE
from fathom.probes.coordination.table import coordination_table
from fathom.probes.directions import write_directions
from fathom.probes.job import OrderJob, ProbeJob
from fathom.probes.peak_orders import Step, peak_order_table
from fathom.probes.tables import kept_directions, probe_tables
from fathom.probes.transfer import OtherCorpus
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work
from fathom.store.reader import Activations


@click.command()
@click.option("--settings", "settings_json", required=True, help="Settings, as JSON.")
@click.option(
    "--corpus",
    "corpus_files",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="Corpus of the states; for an order of peaks that of every experiment.",
)
@click.option("--test-corpus", type=click.Path(path_type=Path), help="Corpus that is tested besides.")
@click.option("--test-states", type=click.Path(path_type=Path), help="Folder of its stores.")
@click.option("--test-shards", type=click.IntRange(min=1), default=1, help="Shards that its states are cut into.")
@click.option("--texts", "texts_file", type=click.Path(path_type=Path), help="What the probes found, for coordination.")
@click.option("--states", type=click.Path(path_type=Path), help="Folder of the stores to read.")
@click.option("--shards", type=click.IntRange(min=1), default=1, help="Shards that the states are cut into.")
@click.option("--folder", required=True, type=click.Path(path_type=Path), help="Where the tables go.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Layers at a time.")
def command(
    settings_json: str,
    corpus_files: tuple[Path, ...],
    test_corpus: Path | None,
    test_states: Path | None,
    test_shards: int,
    texts_file: Path | None,
    states: Path | None,
    shards: int,
    folder: Path,
    threads: int,
) -> Work:
    """Fit linear probes on every layer of stored states, or test in which order their curves peak.

    Writes EXPERIMENT.parquet (scores of folds), EXPERIMENT.layers.parquet (curves), EXPERIMENT.choices.parquet (choices
    among the layers), EXPERIMENT.texts.parquet (accuracy per text), EXPERIMENT.told.parquet (since which layer a text
    is told) and EXPERIMENT.confusion.parquet (class by predicted class) into the folder; for coordination,
    EXPERIMENT.coordination.parquet; for directions, EXPERIMENT.directions.safetensors. For an order of peaks,
    the tables of experiments in the folder are read and EXPERIMENT+EXPERIMENT.order.parquet is written.
    """
    if "steps" in json.loads(settings_json):
        return _test_order(settings_json, corpus_files, folder)
    job = ProbeJob.model_validate_json(settings_json)
    if len(corpus_files) != 1 or states is None:
        msg = f"--corpus, --states: expected one corpus and the folder of its stores, of experiment {job.experiment}"
        raise FathomError(msg)
    corpus_file = corpus_files[0]
    corpus = read_corpus(corpus_file)
    manifests = shard_manifests(states, shards)
    activations = _states(manifests, corpus_file)
    corpus = of_views(corpus, activations.views)
    other, others = None, []
    if job.test is not None and job.coordination is None:
        if test_corpus is None or test_states is None:
            msg = f"--test-corpus, --test-states: expected those of {job.test}, on which {job.experiment} is tested"
            raise FathomError(msg)
        others = shard_manifests(test_states, test_shards)
        tested = _states(others, test_corpus)
        other = OtherCorpus(job.test, of_views(read_corpus(test_corpus), tested.views), tested)
        others = [test_corpus, *others]
    folder.mkdir(parents=True, exist_ok=True)
    texts = [] if texts_file is None else [texts_file]
    read = [corpus_file, *texts, *manifests, *others]
    try:
        if job.directions:
            kept = folder / f"{job.experiment}.directions.safetensors"
            facts = {name: getattr(job, name) for name in ("model", "corpus", "experiment")}
            facts |= {"penalty": job.design.penalty, "layers_of": activations.depth}
            write_directions(kept_directions(job, corpus, activations), facts, kept)
            return Work(settings_json, read=read, written=[kept])
        tables = _tables(job, corpus, activations, other, texts_file, threads)
    except ValueError as error:
        msg = f"experiment {job.experiment} of model {job.model}: {error}"
        raise FathomError(msg) from error
    files = {folder / f"{name}.parquet": table for name, table in tables.items()}
    for file, table in files.items():
        write_table(table, file, activations.reading_notes())
    return Work(settings_json, read=read, written=[*files])


def _test_order(settings_json: str, corpus_files: tuple[Path, ...], folder: Path) -> Work:
    """Test in which order the curves of experiments peak whose tables are in a folder."""
    job = OrderJob.model_validate_json(settings_json)
    if len(corpus_files) != len(job.steps):
        msg = f"--corpus: {len(corpus_files)} files; expected one of each experiment of {job.name}"
        raise FathomError(msg)
    read: list[Path] = []
    steps = []
    for step, corpus_file in zip(job.steps, corpus_files, strict=True):
        curves, hits = (folder / f"{step.experiment}.{table}.parquet" for table in ("layers", "texts"))
        read += [curves, hits, corpus_file]
        steps.append(Step(step.experiment, read_table(curves), read_table(hits), read_corpus(corpus_file)))
    written = folder / f"{job.name}.order.parquet"
    try:
        table = peak_order_table(job, steps)
    except ValueError as error:
        msg = f"order of {job.name} of model {job.model}: {error}"
        raise FathomError(msg) from error
    write_table(table.assign(stage="probes", model=job.model), written)
    return Work(settings_json, read=read, written=[written])


def _states(manifests: list[Path], corpus: Path) -> Activations:
    """The states of a corpus; refused if they are of another version of it."""
    activations = Activations(manifests)
    activations.require_corpus(sha256_of(corpus), corpus)
    return activations


def _tables(
    job: ProbeJob,
    corpus: pd.DataFrame,
    activations: Activations,
    other: OtherCorpus | None,
    texts_file: Path | None,
    threads: int,
) -> dict[str, pd.DataFrame]:
    """File name without ending -> table."""
    named = {"stage": "probes", "name": job.experiment, "model": job.model, "corpus": job.corpus}
    if job.coordination is not None:
        if texts_file is None:
            msg = "--texts: expected the texts table of the experiment, for coordination"
            raise FathomError(msg)
        table = coordination_table(job, job.coordination, corpus, activations, read_table(texts_file))
        place = {"view": job.views[0], "site": COORDINATION_SITE, "position": job.positions[0]}
        return {f"{job.experiment}.coordination": table.assign(**named, **place)}
    tables = probe_tables(job, corpus, activations, threads, other)
    return {
        job.experiment: tables.folds,
        f"{job.experiment}.layers": tables.curves.assign(**named),
        f"{job.experiment}.choices": tables.choices.assign(**named),
        f"{job.experiment}.texts": tables.texts,
        f"{job.experiment}.confusion": tables.confusion.assign(**named),
        f"{job.experiment}.told": tables.told.assign(**named),
    }
