"""Every layer of a model scored on one task, from stored states: no model runs, and no GPU is needed."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from fathom.io.atomic import atomic_write
from fathom.io.manifests import sha256_of
from fathom.io.scratch import scratch_folder
from fathom.io.shards import shard_manifests
from fathom.io.tables import read_arrow, write_table
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work
from fathom.runtime.progress import Progress
from fathom.store.layout import is_mean, without_sinks
from fathom.store.reader import Activations
from fathom.tasks.encoders import Float32Array, LayerEncoder, Rows
from fathom.tasks.job import AT_A_TIME, HELD, TaskJob
from fathom.tasks.mteb_import import work_offline
from fathom.tasks.mteb_tasks import SPLIT, open_task, scores_of
from fathom.tasks.task_data import read_task

if TYPE_CHECKING:
    from mteb.models import ModelMeta

log = logging.getLogger("fathom")
RESIDUAL = "residual"
WITH, WITHOUT = "with", "without"
MAIN = "main_score"
ALL = -1  # in place of a layer: the mean of the vectors of all layers
ONE_LAYER, ALL_LAYERS = "layer", "mean of layers"
LIBRARY = "mteb"  # folder of mteb's own results beside the tables of a model


@dataclass(frozen=True)
class Reading:
    """One set of vectors: a layer (counted from 0) or all, a position of the store, with or without sink tokens."""

    position: str
    sinks: str
    layer: int


@dataclass(frozen=True)
class Scored:
    """What mteb found of one set of vectors: scores of every subset, and how long it took."""

    reading: Reading
    scores: Mapping[str, Mapping[str, Any]]
    seconds: float


def score_layers(
    settings_json: str, data: Path, corpus_file: Path, states: Path, shards: int, folder: Path, threads: int
) -> Work:
    """Score every layer, and write the tables and mteb's own results."""
    job = TaskJob.model_validate_json(settings_json)
    manifests = shard_manifests(states, shards)
    folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder / job.task) as scratch:
        work_offline(scratch)
        facts = read_task(data)
        found = _Evaluation(job, data, corpus_file, manifests)
        readings = list(found.readings())
        with Progress(f"{job.task} of {job.model}", len(readings), "layers") as progress:
            scored = []
            for one in evaluate(found, readings, threads):
                scored.append(one)
                progress.advance(1)
        library = [path for one in scored for path in _write_library_result(found, one, folder / LIBRARY)]
        table = scores_table(job, str(facts["type"]), found, scored)
        notes = [*found.activations.reading_notes(), *found.notes()]
        files = [folder / f"{job.task}.parquet", folder / f"{job.task}.layers.parquet"]
        write_table(table, files[0], notes)
        write_table(summary_of(table, job), files[1], notes)
        seconds = sum(one.seconds for one in scored)
        log.info(
            "task %s of %s: %s layers, %.2f s each", job.task, job.model, len(scored), seconds / max(1, len(scored))
        )
        return Work(settings_json, read=[data, corpus_file, *manifests], written=[*files, *library])


class StoredVectors:
    """The vectors of a layer. Those of many texts stay in the store, from which the rows that are asked for are read.

    So a task that asks for its texts in parts, as clustering asks for one set after another, takes no more memory when
    it has more of them.
    """

    def __init__(self, read: Callable[[int, int], Float32Array], texts: int, width: int) -> None:
        self.shape = (texts, width)
        self._read = read
        self._held = read(0, texts) if texts * width * np.dtype(np.float32).itemsize <= HELD else None

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> Float32Array:
        """Some rows, in the order in which they are asked for; -1 is any row."""
        if self._held is not None:
            return self._held[rows]
        texts, width = self.shape
        found = np.empty((len(rows), width), dtype=np.float32)
        if not len(rows):
            return found
        blocks = np.maximum(rows, 0) // AT_A_TIME
        order = np.argsort(blocks, kind="stable")
        different, starts = np.unique(blocks[order], return_index=True)
        for block, places in zip(different.tolist(), np.split(order, starts[1:]), strict=True):
            first = block * AT_A_TIME
            states = self._read(first, min(first + AT_A_TIME, texts))
            found[places] = states[np.maximum(rows[places] - first, 0)]
        return found


class _Evaluation:
    """A task and the states that it is scored on. Its data are loaded once; states are read a layer at a time."""

    def __init__(self, job: TaskJob, data: Path, corpus_file: Path, manifests: Sequence[Path]) -> None:
        self.parts = (job, data, corpus_file, tuple(manifests))
        self.job = job
        self.activations = Activations(manifests)
        self.activations.require_corpus(sha256_of(corpus_file), corpus_file)
        for position in job.positions:
            self.activations.require_position(position)
        self.texts = self.activations.texts
        sinks = self.activations.sinks()
        self.with_sinks = sum(bool(mask.any()) for mask in sinks)
        self._sinks_alone: npt.NDArray[np.bool_] = np.array([bool(mask.all()) for mask in sinks])
        self.task = open_task(data)
        self._rows = Rows(read_arrow(corpus_file, ["text"])["text"].to_pylist(), job.task)

    def readings(self) -> Iterator[Reading]:
        """Every set of vectors; a mean without sinks where some text has one, for else it is the same."""
        layers = (*range(len(self.activations.layers_of(RESIDUAL))), ALL)
        for position in self.job.positions:
            yield from (Reading(position, WITH, layer) for layer in layers)
            if is_mean(position) and self.with_sinks:
                yield from (Reading(position, WITHOUT, layer) for layer in layers)

    def notes(self) -> list[str]:
        """What a reader must know of the states."""
        alone = int(self._sinks_alone.sum())
        if not alone:
            return []
        return [f"{alone:,} of {self.texts:,} texts hold sink tokens alone, and keep them in the form without sinks"]

    def states(self, reading: Reading) -> StoredVectors:
        """The vectors of all texts of the corpus, (texts, width)."""
        return StoredVectors(partial(self._read, reading), self.texts, self.activations.width)

    def _read(self, reading: Reading, first: int, last: int) -> Float32Array:
        """The vectors of texts first .. last - 1."""
        if reading.layer == ALL:
            layers = range(len(self.activations.layers_of(RESIDUAL)))
            total = np.zeros((last - first, self.activations.width), dtype=np.float64)
            for layer in layers:
                total += self._read(replace(reading, layer=layer), first, last)
            return (total / len(layers)).astype(np.float32)
        stored = without_sinks(reading.position) if reading.sinks == WITHOUT else reading.position
        states = self.activations.rows(stored, reading.layer, first, last)
        alone = self._sinks_alone[first:last]
        if reading.sinks == WITHOUT and alone.any():
            states[alone] = self.activations.rows(reading.position, reading.layer, first, last)[alone]
        return states

    def layer_name(self, reading: Reading) -> str:
        """A layer as the store names it; `mean` of all."""
        return "mean" if reading.layer == ALL else self.activations.layers_of(RESIDUAL)[reading.layer]

    def meta(self, reading: Reading) -> ModelMeta:
        """The model as mteb names it: one experiment a layer and form."""
        from mteb.models import ModelMeta

        store = self.activations.stores[0]
        kwargs: dict[str, Any] = {
            "layer": self.layer_name(reading),
            "position": reading.position,
            "sinks": reading.sinks,
        }
        if self.task.metadata.name != self.job.task:
            kwargs["task"] = self.job.task
        named = {
            "name": f"fathom/{self.job.model}",
            "revision": str(store.facts.get("revision") or "none").replace(" ", "-"),
        }
        return ModelMeta.create_empty({**named, "experiment_kwargs": kwargs})

    def score(self, reading: Reading) -> Scored:
        """Let mteb score one set of vectors.

        Errors: FathomError if mteb refuses them.
        """
        started = time.monotonic()
        encoder = LayerEncoder(self.meta(reading), self.job.template, self._rows, self.states(reading))
        try:
            with threadpool_limits(1):
                scores = scores_of(self.task, encoder)
        except ValueError as error:
            place = f"task {self.job.task} of {self.job.model}, layer {self.layer_name(reading)}"
            msg = f"{place}: mteb refuses the vectors or the data: "
            msg += f"{str(error).splitlines()[0]}"
            raise FathomError(msg) from error
        return Scored(reading, scores, time.monotonic() - started)


_own: list[_Evaluation] = []  # of a process that scores some of the layers


def _start(parts: tuple[TaskJob, Path, Path, tuple[Path, ...]], scratch: Path) -> None:
    work_offline(scratch)
    _own.append(_Evaluation(*parts))


def _score(reading: Reading) -> Scored:
    return _own[0].score(reading)


def evaluate(evaluation: _Evaluation, readings: Sequence[Reading], processes: int) -> Iterable[Scored]:
    """Score sets of vectors, in their order. Layers go to processes: mteb's classifiers are shared by threads."""
    processes = min(processes, len(readings))
    if processes == 1:
        yield from map(evaluation.score, readings)
        return
    context = multiprocessing.get_context("spawn")
    arguments = (evaluation.parts, Path(os.environ["HF_DATASETS_CACHE"]))
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_start, initargs=arguments) as pool:
        yield from pool.map(_score, readings)


def scores_table(job: TaskJob, type_: str, evaluation: _Evaluation, scored: Sequence[Scored]) -> pd.DataFrame:
    """One row a set of vectors, subset and measure.

    `main` marks the score that mteb takes for the task. `vectors` says whether they are of a layer, or the mean of all
    layers, whose `layer` is -1. Where no text has a sink token, the form without is the same as with, and stands there
    too.
    """
    numbers, depths = evaluation.activations.layer_axis(RESIDUAL)
    metadata = evaluation.task.metadata
    rows = []
    for one in scored:
        place = one.reading
        for subset, scores in one.scores.items():
            for measure, value in scores.items():
                if measure == MAIN or isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                    continue
                rows.append(
                    {
                        "vectors": ALL_LAYERS if place.layer == ALL else ONE_LAYER,
                        "layer": ALL if place.layer == ALL else int(numbers[place.layer]),
                        "depth": np.nan if place.layer == ALL else float(depths[place.layer]),
                        "position": place.position,
                        "sinks": place.sinks if is_mean(place.position) else "none",
                        "subset": subset,
                        "measure": measure,
                        "main": measure == metadata.main_score,
                        "value": float(value),
                    }
                )
    table = pd.DataFrame(rows)
    if not evaluation.with_sinks:
        same = table[table["sinks"] == WITH].assign(sinks=WITHOUT)
        table = pd.concat([table, same], ignore_index=True)
    return table.assign(
        task=job.task,
        type=type_,
        model=job.model,
        corpus=job.corpus,
        texts=evaluation.texts,
        texts_with_sinks=evaluation.with_sinks,
        split=SPLIT,
        revision=str(metadata.dataset.get("revision")),
        mteb_version=job.mteb,
        template=job.template or "",
    )


def summary_of(table: pd.DataFrame, job: TaskJob) -> pd.DataFrame:
    """The main score of every layer, averaged over subsets, with the columns that summaries share."""
    main = table[table["main"] & (table["vectors"] == ONE_LAYER)]
    keys = ["position", "sinks", "measure", "layer", "depth"]
    mean = main.groupby(keys, sort=False, as_index=False).agg(value=("value", "mean"), texts=("texts", "first"))
    best = mean.groupby(["position", "sinks"])["value"].transform("max")
    return mean.assign(
        stage="tasks",
        name=job.task,
        model=job.model,
        corpus=job.corpus,
        site=RESIDUAL,
        peak=(mean["value"] == best) & ~mean.assign(top=mean["value"] == best).duplicated(["position", "sinks", "top"]),
    )


def _write_library_result(evaluation: _Evaluation, one: Scored, cache: Path) -> list[Path]:
    """Write mteb's own result of a layer where `mteb.ResultCache` of a folder finds it; returns the files."""
    from mteb import ResultCache
    from mteb.results import TaskResult

    meta, task = evaluation.meta(one.reading), evaluation.task
    path = ResultCache(cache).get_task_result_path(task.metadata.name, meta)
    path.parent.mkdir(parents=True, exist_ok=True)
    result = TaskResult.from_task_results(task, {SPLIT: one.scores}, evaluation_time=one.seconds)
    draft = path.with_name(f".{path.name}")
    result.to_disk(draft)
    draft.replace(path)
    described = path.with_name("model_meta.json")
    with atomic_write(described) as stream:
        stream.write(json.dumps(meta.to_dict(), default=str, indent=1).encode())
    return [path, described]
