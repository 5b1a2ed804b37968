"""`fathom probes`: fit the probes of one experiment on every layer of a model."""

from __future__ import annotations

import logging
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.errors import FathomError
from fathom.probes.linear import ProbeResult, run_probe
from fathom.probes.settings import ProbeJob
from fathom.progress import Progress
from fathom.provenance import sha256_of
from fathom.statistics import peak_interval
from fathom.store import Activations
from fathom.tables import LABEL_PREFIX, read_corpus, write_table

log = logging.getLogger("fathom")
MEAN = "mean"  # the label of a curve that averages the labels of an experiment


@click.command()
@click.option("--settings", "settings_json", required=True, help="Settings, as JSON.")
@click.option("--corpus", "corpus_file", required=True, type=click.Path(path_type=Path), help="Corpus of the states.")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--folds", "folds_file", required=True, type=click.Path(path_type=Path), help="Scores of folds to write.")
@click.option("--layers", "layers_file", required=True, type=click.Path(path_type=Path), help="Curves to write.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Layers at a time.")
def command(
    settings_json: str,
    corpus_file: Path,
    manifests: tuple[Path, ...],
    folds_file: Path,
    layers_file: Path,
    threads: int,
) -> None:
    """Fit linear probes on every layer of the stores that MANIFESTS describe."""
    job = ProbeJob.model_validate_json(settings_json)
    corpus = read_corpus(corpus_file)
    activations = Activations(manifests)
    activations.require_corpus(sha256_of(corpus_file), corpus_file)
    labels = _labels(corpus, job)
    states = np.stack([activations.pooled(job.settings.position, layer) for layer in range(len(activations.layers))])
    axis = activations.layer_axis()

    curves, folds = [], []
    title = f"{job.experiment} of {job.model}"
    with Progress(title, len(labels) * len(job.settings.estimators), "probes") as progress:
        for estimator in job.settings.estimators:
            results: dict[str, ProbeResult] = {}
            for label, values in labels.items():
                results[label] = _probe(states, values, corpus, estimator, job, threads)
                progress.advance(1)
            curves += [
                _curve(result, job).assign(label=label, estimator=estimator)
                for label, result in _with_mean(results).items()
            ]
            folds += [result.folds.assign(label=label, estimator=estimator) for label, result in results.items()]
    facts = {"texts": len(corpus), "groups": corpus["group"].nunique()}
    layers_file.parent.mkdir(parents=True, exist_ok=True)
    write_table(_numbered(pd.concat(folds, ignore_index=True), *axis), folds_file)
    write_table(_numbered(pd.concat(curves, ignore_index=True), *axis).assign(**facts), layers_file)


def _labels(corpus: pd.DataFrame, job: ProbeJob) -> dict[str, npt.NDArray[np.float64]]:
    known = [column.removeprefix(LABEL_PREFIX) for column in corpus.columns if column.startswith(LABEL_PREFIX)]
    wanted = job.settings.labels or tuple(known)
    unknown = [label for label in wanted if label not in known]
    if unknown or not wanted:
        msg = (
            f"probes.{job.experiment}.labels: corpus {job.settings.corpus} has the labels "
            f"{', '.join(known) or 'none'}, found {', '.join(unknown) or 'none'}"
        )
        raise FathomError(msg)
    return {label: corpus[LABEL_PREFIX + label].to_numpy(dtype=np.float64) for label in wanted}


def _probe(
    states: npt.NDArray[np.float32],
    values: npt.NDArray[np.float64],
    corpus: pd.DataFrame,
    estimator: str,
    job: ProbeJob,
    threads: int,
) -> ProbeResult:
    settings = job.settings
    try:
        return run_probe(
            states,
            values,
            corpus["group"].to_numpy(dtype=str),
            estimator=estimator,  # type: ignore[arg-type]  # one of these words, as the config checked
            folds=settings.folds,
            repeats=settings.repeats,
            permutations=settings.permutations,
            penalty=settings.penalty,
            seed=settings.seed,
            bootstrap=job.uncertainty.bootstrap,
            level=job.uncertainty.level,
            jobs=threads,
        )
    except ValueError as error:
        msg = f"experiment {job.experiment} of model {job.model}: {error}"
        raise FathomError(msg) from error


def _with_mean(results: dict[str, ProbeResult]) -> dict[str, ProbeResult]:
    """Add the mean curve of several labels.

    Its interval comes from the same resampled groups for every label; its p is the largest of theirs: the mean counts
    as above chance where every label does.
    """
    if len(results) == 1:
        return results
    curves = [result.layers for result in results.values()]
    replicates = np.mean([result.replicates for result in results.values()], axis=0)
    mean = curves[0][["layer", "chance"]].assign(
        score=np.mean([curve["score"] for curve in curves], axis=0),
        p_family_wise=np.max([curve["p_family_wise"] for curve in curves], axis=0),
    )
    return results | {MEAN: ProbeResult(layers=mean, folds=pd.DataFrame(), replicates=replicates)}


def _curve(result: ProbeResult, job: ProbeJob) -> pd.DataFrame:
    """One row a layer, with interval and peak."""
    tail = 100 * (1 - job.uncertainty.level) / 2
    low, high = np.percentile(result.replicates, [tail, 100 - tail], axis=0)
    peak_low, peak_high = peak_interval(result.replicates, job.uncertainty.level)
    at = int(result.layers["score"].to_numpy().argmax())
    return result.layers.assign(
        low=low, high=high, peak=np.arange(len(low)) == at, peak_low=peak_low, peak_high=peak_high
    )


def _numbered(frame: pd.DataFrame, numbers: npt.NDArray[np.int64], depths: npt.NDArray[np.float64]) -> pd.DataFrame:
    """Rows counted from 0 become layer numbers, with their relative depth."""
    rows = frame["layer"].to_numpy()
    frame = frame.assign(layer=numbers[rows], depth=depths[rows])
    for column in ("peak_low", "peak_high"):
        if column in frame:
            frame[column] = numbers[frame[column].to_numpy()]
    return frame
