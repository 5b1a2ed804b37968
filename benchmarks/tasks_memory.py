"""Peak memory of scoring one task from a store: `python -m benchmarks.tasks_memory TYPE FOLDER`.

The scoring job itself runs, as in the workflow; what it peaks at, interpreter and libraries included, is printed in
megabytes. States are random, of width 576 at two layers: a job reads one layer after another, so that more of them
take no more. Types: `sets` (clusters of 1,000 texts each), `pairs` (likeness of two texts), `labels` (classification).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from fathom.io.corpus_table import ORIGINAL, write_corpus
from fathom.io.manifests import sha256_of
from fathom.store.layout import SINK_SCORES, TOKEN_FACTS, Shape, fact_rows
from fathom.store.writer import StoreWriter
from fathom.tasks.job import TaskJob
from fathom.tasks.scores import score_layers
from fathom.tasks.task_data import OwnTask, write_own_task

WIDTH, LAYERS, SET, LABELS, EXAMPLES = 576, ("0", "1"), 1_000, 10, 16
POSITION = "normed_mean"
TYPES = ("sets", "pairs", "labels")
BLOCK = 4_096  # texts that are written at a time


def task_of(type_: str, texts: list[str]) -> OwnTask:
    """A task that asks for each text once."""
    frame = pd.DataFrame({"text": texts, "label": [f"label {at % LABELS}" for at in range(len(texts))]})
    if type_ == "sets":
        return OwnTask("Clustering", {"test": frame.assign(set=frame.index // SET)})
    if type_ == "labels":
        examples = EXAMPLES * LABELS
        return OwnTask("Classification", {"train": frame[:examples], "test": frame[examples:]})
    score = np.random.default_rng(0).uniform(size=len(texts) // 2)
    return OwnTask("STS", {"test": pd.DataFrame({"sentence1": texts[::2], "sentence2": texts[1::2], "score": score})})


def write_states(corpus: Path, texts: int, folder: Path) -> None:
    """A store of random states."""
    folder.mkdir()
    shape = Shape({"residual": LAYERS}, texts, texts, WIDTH, 1, "float32", (POSITION, f"{POSITION}_without_sinks"))
    writer = StoreWriter(folder / "1-of-1.zarr.zip", shape, compression="none")
    rng = np.random.default_rng(0)
    for first in range(0, texts, BLOCK):
        count = min(BLOCK, texts - first)
        states = rng.standard_normal((len(LAYERS), count, WIDTH), dtype=np.float32)
        facts = {
            key: np.zeros((fact_rows(key[1], shape.depth), count, 1), dtype=np.float32)
            for key in shape.arrays
            if key[0] == TOKEN_FACTS
        }
        writer.append(dict.fromkeys(shape.states, states) | facts)
    writer.close(np.zeros(texts, dtype=np.int32), np.ones(texts, dtype=np.int64))
    told = {"model": "made", "corpus_sha256": sha256_of(corpus), "sinks": {"rule": SINK_SCORES, "strings": {}}}
    writer.finish(folder / "1-of-1.manifest.json", told | {"cut_texts": 0})


def prepare(type_: str, texts: int, folder: Path) -> None:
    """Data, corpus and states."""
    held = [f"text number {at}" for at in range(texts)]
    (folder / "data").mkdir()
    write_own_task(task_of(type_, held), type_, folder / "data" / "manifest.json")
    names = [f"text-{at}" for at in range(texts)]
    corpus = folder / f"task-{type_}.parquet"
    write_corpus(pd.DataFrame({"id": names, "text": held, "view": ORIGINAL, "group": names}), corpus, "made")
    write_states(corpus, texts, folder / "states")


def main(type_: str, folder: Path) -> None:
    """Score in this process, of which nothing else was asked before."""
    job = TaskJob(model="made", task=type_, corpus=f"task-{type_}", positions=(POSITION,), template=None)
    corpus = folder / f"task-{type_}.parquet"
    data, states = folder / "data" / "manifest.json", folder / "states"
    score_layers(job.model_dump_json(), data, corpus, states, 1, folder / "tasks", 1)
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    print(int(peak[1]) // 1000 if peak else "unknown")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
