"""`fathom metrics`: measure one metric on every layer of a model for a corpus."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.errors import FathomError
from fathom.metrics.measure import Measure, MetricFunction, measure_layers, measure_texts
from fathom.metrics.registry import METRICS, Metric
from fathom.metrics.settings import MetricJob
from fathom.progress import Progress
from fathom.provenance import sha256_of
from fathom.statistics import group_weights
from fathom.store import Activations
from fathom.tables import read_corpus, write_table

log = logging.getLogger("fathom")
BLOCK_BYTES = 128 << 20  # token states in memory at a time

COLUMNS = ["text", "group", "view", "layer", "depth", "preparation", "sinks", "value", "low", "high", "reason"]


@click.command()
@click.option("--settings", "settings_json", required=True, help="Settings, as JSON.")
@click.option("--corpus", "corpus_file", required=True, type=click.Path(path_type=Path), help="Corpus of the states.")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Parquet file to write.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Texts or layers at a time.")
def command(settings_json: str, corpus_file: Path, manifests: tuple[Path, ...], output: Path, threads: int) -> None:
    """Measure a representation metric on every layer of the stores that MANIFESTS describe."""
    job = MetricJob.model_validate_json(settings_json)
    metric = METRICS[job.metric]
    corpus = read_corpus(corpus_file)
    activations = Activations(manifests)
    activations.require_corpus(sha256_of(corpus_file), corpus_file)
    measure = make_measure(metric, job)
    frame = (
        _by_text(activations, corpus, measure, job, threads)
        if metric.reads == "tokens"
        else _by_corpus(activations, corpus, measure, job, threads)
    )
    numbers, depths = activations.layer_axis()
    frame["layer"] = numbers[frame["row"].to_numpy()]
    frame["depth"] = depths[frame["row"].to_numpy()]
    frame["preparation"] = job.preparation
    _report(frame, job)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_table(frame.reindex(columns=COLUMNS), output)


def make_measure(metric: Metric, job: MetricJob) -> Measure:
    """The metric's function, bound to its settings."""
    function: MetricFunction = getattr(importlib.import_module(metric.module), metric.function)
    return Measure(
        function=partial(function, **job.arguments),
        preparation=job.preparation,
        normalisation=job.normalisation,
        minimum_rows=metric.minimum_rows,
    )


def _by_text(
    activations: Activations, corpus: pd.DataFrame, measure: Measure, job: MetricJob, threads: int
) -> pd.DataFrame:
    tables: list[pd.DataFrame] = []
    with Progress(f"{job.metric} of {job.model} on {job.corpus}", len(corpus), "texts") as progress:
        for texts in activations.token_blocks(BLOCK_BYTES):
            tables += measure_texts(texts, measure, sink_multiple=job.sink_multiple, threads=threads)
            progress.advance(len(texts))
    named = [
        table.assign(text=text, group=group, view=view)
        for table, text, group, view in zip(tables, corpus["id"], corpus["group"], corpus["view"], strict=True)
    ]
    return pd.concat(named, ignore_index=True)


def _by_corpus(
    activations: Activations, corpus: pd.DataFrame, measure: Measure, job: MetricJob, threads: int
) -> pd.DataFrame:
    views = list(dict.fromkeys(corpus["view"]))
    tables = []
    with Progress(f"{job.metric} of {job.model} on {job.corpus}", len(views), "views") as progress:
        for view in views:
            chosen = (corpus["view"] == view).to_numpy()
            weights = group_weights(corpus["group"].to_numpy()[chosen], samples=job.bootstrap, seed=job.seed)
            layers = _mean_states(activations, chosen)
            table = measure_layers(layers, weights, measure, level=job.level, threads=threads)
            tables.append(table.assign(view=view, text=None, group=None))
            progress.advance(1)
    return pd.concat(tables, ignore_index=True)


def _mean_states(activations: Activations, chosen: npt.NDArray[np.bool_]) -> Iterator[npt.NDArray[np.float32]]:
    for layer in range(len(activations.layers)):
        yield activations.pooled("mean", layer)[chosen]


def _report(frame: pd.DataFrame, job: MetricJob) -> None:
    missing = frame["value"].isna()
    if missing.all():
        reason = frame["reason"].iloc[0]
        msg = (
            f"metric {job.metric} of model {job.model} on corpus {job.corpus}: no value at all, first reason: {reason}"
        )
        raise FathomError(msg)
    if missing.any():
        first = frame[missing].iloc[0]
        log.warning(
            "%s of %s on %s: %s of %s values are NaN; first: layer %s, %s",
            job.metric,
            job.model,
            job.corpus,
            int(missing.sum()),
            len(frame),
            first["layer"],
            first["reason"],
        )
