"""Downstream tasks of all layers from one pass, against one truncated model a layer as the papers' code does it.

`python -m benchmarks.tasks MODEL_FOLDER [TASK ...]` (a folder of SmolLM2-135M that `fathom models` has prepared) runs
the default tasks in one process of one thread and prints CPU seconds, then the peak memory of scoring as texts grow.

Two comparisons are made of every task, after the first block, in the middle, and after the last one:

- *In equal batches*: the model truncated there is a checkpoint of its own, prepared and extracted like any other; its
  states are set beside those of the one pass, and all scores that stock mteb gives to them beside the stored ones.
- *As the papers' code works*: the truncated model encodes every text that mteb asks for, in the order of the data and
  in batches of 32, under stock mteb. Its time at the layers between is interpolated: blocks are all alike, so that it
  grows evenly with their number.

Of the 1,225 pairs of news texts 60 are drawn: a peer encodes each text in every pair that it stands in.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.tasks_memory import TYPES, prepare
from fathom.activations.command import command as activations
from fathom.models.command import command as models
from fathom.store.reader import Activations
from fathom.tasks.data import write_data
from fathom.tasks.encoders import LayerEncoder, Rows, TextEncoder
from fathom.tasks.job import MTEB
from fathom.tasks.mteb_tasks import open_task, scores_of
from fathom.tasks.scores import score_layers
from fathom.tasks.task_data import OwnTask, read_tables, read_task, write_own_task
from fathom.tasks.texts import write_texts
from fathom.workflow.config import Config
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards

MODEL = "smollm2-135m"
DRAWN = {"news-likeness": 60}  # pairs
BATCH = 32  # texts, as mteb's own default
POSITION = "normed_mean"
MEMORY_TEXTS = (1_000, 10_000, 100_000)


class TruncatedModel(TextEncoder):
    """A model cut off after a block that encodes every text it is asked for, in the order of the data set."""

    def __init__(self, folder: Path) -> None:
        from mteb.models import ModelMeta
        from transformers import AutoModel, AutoTokenizer

        super().__init__(ModelMeta.create_empty({"name": "a/b", "revision": "1"}), None)
        started, self.texts = time.process_time(), 0
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._tokenizer.pad_token = self._tokenizer.pad_token or self._tokenizer.eos_token
        self._model = AutoModel.from_pretrained(folder).eval()
        self.seconds = time.process_time() - started

    def _vectors(self, texts: list[str], *, is_query: bool) -> Any:  # noqa: ARG002 - all are alike here
        import torch

        started, found = time.process_time(), []
        with torch.inference_mode():
            for first in range(0, len(texts), BATCH):
                batch = self._tokenizer(texts[first : first + BATCH], padding=True, return_tensors="pt")
                states = self._model(**batch).last_hidden_state
                mask = batch["attention_mask"][..., None]
                found.append(((states * mask).sum(1) / mask.sum(1)).numpy())
        self.seconds += time.process_time() - started
        self.texts += len(texts)
        return np.concatenate(found)


def main(source: Path, tasks: Sequence[str]) -> None:
    """Measure and print."""
    import torch

    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as scratch, threadpool_limits(1):
        folder = Path(scratch)
        run = Run(source, folder)
        depth = run.depth
        at = [1, depth // 2, depth]
        cut = {layer: run.truncated(layer) for layer in at}
        rows = [run.measured(task, at, cut) for task in tasks or run.plan.config.tasks]
    report(pd.DataFrame(rows), at, depth)
    report_memory()


class Run:
    """The default tasks on one model; a folder for all that is written."""

    def __init__(self, source: Path, folder: Path) -> None:
        from fathom.models.load import load_model, pick_device

        self.source, self.folder = source, folder
        self.plan = planned(source)
        loaded = load_model(source, MODEL, dtype="float32", device=pick_device("cpu"))
        self.depth, self._module = loaded.architecture.depth, loaded.module

    def truncated(self, layer: int) -> Path:
        """The model cut off after a block: a checkpoint of transformers, and that prepared by `fathom models`."""
        from transformers import AutoTokenizer

        folder = self.folder / f"cut-{layer}"
        module: Any = self._module
        blocks, module.config.num_hidden_layers = module.layers, layer
        module.layers = blocks[:layer]
        module.save_pretrained(folder / "source")
        module.layers, module.config.num_hidden_layers = blocks, self.depth
        AutoTokenizer.from_pretrained(self.source).save_pretrained(folder / "source")
        settings = planned(folder / "source").models.settings(Wildcards(model=MODEL))
        files = ["--folder", str(folder / "model"), "--manifest", str(folder / "model" / "manifest.json")]
        models.main(["--settings", settings, *files], standalone_mode=False)
        return folder

    def measured(self, task: str, at: Sequence[int], cut: dict[int, Path]) -> dict[str, Any]:
        """Everything about one task: a row of the table."""
        data, corpus = self._texts(task)
        states = self.folder / "states" / task
        started = time.process_time()
        self._extract(task, corpus, self.source, states)
        encode = time.process_time() - started
        started = time.process_time()
        wildcards = Wildcards(model=MODEL, corpus=f"task-{task}", shard="1-of-1", task=task)
        score_layers(self.plan.tasks.settings(wildcards), data, corpus, states, 1, self.folder / "tasks", 1)
        score = time.process_time() - started
        table = pd.read_parquet(self.folder / "tasks" / f"{task}.parquet")
        ours = table[table["sinks"] == "with"]
        encoding: list[float] = []
        whole: list[float] = []
        worst = 0.0
        same_states = same_scores = True
        asked = 0
        for layer in at:
            here = ours[ours["layer"] == layer].set_index("measure")["value"]
            self._extract(task, corpus, cut[layer] / "model", cut[layer] / "states" / task)
            theirs = Activations([cut[layer] / "states" / task / "1-of-1.manifest.json"]).pooled(POSITION, layer)
            mine = Activations([states / "1-of-1.manifest.json"]).pooled(POSITION, layer)
            same_states &= bool(np.array_equal(theirs, mine))
            stored = LayerEncoder(None, None, Rows(pd.read_parquet(corpus)["text"].tolist(), task), theirs)
            scores, _ = stock_scores(data, stored)
            theirs_too = [float(scores[measure]) for measure in here.index]
            same_scores &= bool(np.array_equal(theirs_too, here.to_numpy(), equal_nan=True))
            peer = TruncatedModel(cut[layer] / "source")
            scores, seconds = stock_scores(data, peer)
            encoding.append(peer.seconds)
            whole.append(seconds + peer.seconds)
            worst = max(worst, abs(float(scores["main_score"]) - float(here[ours["measure"][ours["main"]].iloc[0]])))
            asked = peer.texts
        layers = range(self.depth + 1)
        forms = len(table[table["main"]])
        return {
            "task": task,
            "asked": asked,
            "different": int(table["texts"].iloc[0]),
            "one pass": encode,
            "scores": score,
            "sets of vectors": forms,
            "a model a layer": float(np.interp(layers, at, encoding).sum()),
            "with stock mteb": float(np.interp(layers, at, whole).sum()),
            "states equal": same_states,
            "scores equal": same_scores,
            "main score, other batches": worst,
        }

    def _texts(self, task: str) -> tuple[Path, Path]:
        """Data of a task, or some of its pairs, and the corpus of its texts."""
        wildcards = Wildcards(model=MODEL, task=task)
        data, corpus = self.folder / "data" / task / "manifest.json", self.folder / "corpora" / f"task-{task}.parquet"
        write_data(self.plan.tasks.data_settings(wildcards), data)
        if task in DRAWN:
            facts = read_task(data)
            rows = read_tables(data, facts["type"])["test"].sample(DRAWN[task], random_state=0)
            write_own_task(OwnTask(facts["type"], {"test": rows}), task, data)
        write_texts(self.plan.tasks.texts_settings(wildcards), data, corpus)
        return data, corpus

    def _extract(self, task: str, corpus: Path, model: Path, states: Path) -> None:
        """One forward pass, in this process."""
        wildcards = Wildcards(model=MODEL, corpus=f"task-{task}", shard="1-of-1", task=task)
        settings = self.plan.activations.settings(wildcards)
        arguments = ["--settings", settings, "--corpus", str(corpus), "--model", str(model / "manifest.json")]
        files = ["--store", str(states / "1-of-1.zarr.zip"), "--manifest", str(states / "1-of-1.manifest.json")]
        activations.main([*arguments, *files], standalone_mode=False)


def planned(source: Path) -> Plan:
    """The default tasks, on the model alone."""
    told = {MODEL: {"source": "path", "path": str(source)}}
    tasks = {name: task.model_dump(mode="json") for name, task in Config().tasks.items()}
    config = {"models": told, "tasks": tasks, "activations": {"device": "cpu"}}
    return Plan(load_config(config, [], files_here=False))


def stock_scores(data: Path, encoder: TextEncoder) -> tuple[dict[str, Any], float]:
    """What mteb gives without any of our shortcuts, and the CPU seconds that it takes beside the encoder."""
    task = open_task(data)
    for patched in ("_calculate_scores", "_undersample_data"):
        task.__dict__.pop(patched, None)
    before = getattr(encoder, "seconds", 0.0)
    started = time.process_time()
    (scores,) = scores_of(task, encoder).values()
    return scores, time.process_time() - started - (getattr(encoder, "seconds", 0.0) - before)


def report(table: pd.DataFrame, layers: Sequence[int], depth: int) -> None:
    """Seconds of every task, and the ratios."""
    print(f"mteb {MTEB}, CPU seconds of one thread; peers run at layers {', '.join(map(str, layers))} of 0 to {depth}")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    total = table.select_dtypes("number").sum()
    print(f"encoding: {total['a model a layer'] / total['one pass']:.1f} times as fast as one truncated model a layer")
    ours = total["one pass"] + total["scores"]
    times = total["with stock mteb"] / ours
    print(f"with scores, of which ours are of two forms of every layer: {times:.1f} times as fast as stock mteb looped")
    each = (table["scores"] / table["sets of vectors"]).round(3)
    stock = ((table["with stock mteb"] - table["a model a layer"]) / (depth + 1)).round(3)
    for task, one, other in zip(table["task"], each, stock, strict=True):
        print(f"scoring {task}: {one} s a set of vectors, {other} s in stock mteb")


def report_memory() -> None:
    """Peak memory of scoring as texts grow."""
    print("peak megabytes of a scoring job, by type and texts of width 576:")
    for type_ in TYPES:
        peaks = []
        for texts in MEMORY_TEXTS:
            with tempfile.TemporaryDirectory() as scratch:
                prepare(type_, texts, Path(scratch))
                command = [sys.executable, "-m", "benchmarks.tasks_memory", type_, scratch]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                peaks.append(f"{texts:,}: {done.stdout.strip().splitlines()[-1]}")
        print(f"  {type_}: {'; '.join(peaks)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
