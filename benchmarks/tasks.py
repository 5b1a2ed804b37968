"""Downstream tasks of all layers from one pass, against one truncated model a layer as the papers' code does it.

`python -m benchmarks.tasks MODEL_FOLDER [TASK ...]` (a folder that `fathom models` has prepared) prints a table, in CPU
seconds of one thread. Peers are timed at a few layers, between which their time is taken to grow evenly with the depth;
all else is run whole. The likeness of news texts is left out unless it is named: its 50 texts stand in 2,450 places of
the data, each of which a peer encodes anew.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from fathom.activations.command import command as activations
from fathom.store.reader import Activations
from fathom.tasks.data import write_data
from fathom.tasks.encoders import TextEncoder
from fathom.tasks.mteb_tasks import open_task, scores_of
from fathom.tasks.scores import score_layers
from fathom.tasks.texts import write_texts
from fathom.workflow.config import Config
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards

MODEL = "smollm2-135m"
SKIPPED = "news-likeness"
DEPTHS = (0, 0.5, 1)  # at which peers are timed
BATCH = 32  # texts, as mteb's own default
MEMORY_TEXTS = (1_000, 10_000, 100_000)
MEMORY = """
import re, sys
import numpy as np
from fathom.tasks.mteb_import import work_offline
work_offline(sys.argv[2])
from mteb.models import ModelMeta
from fathom.tasks.encoders import LayerEncoder, Rows
texts = [f"text {at}" for at in range(int(sys.argv[1]))]
rows, meta = Rows(texts, "made"), ModelMeta.create_empty({"name": "a/b", "revision": "1"})
class Inputs:
    dataset = {"text": texts}
for layer in range(31):
    states = np.random.default_rng(layer).standard_normal((len(texts), 576), dtype=np.float32)
    encoder = LayerEncoder(meta, None, rows, states)
    first = encoder.encode(Inputs, task_metadata=None, hf_split="test", hf_subset="default")
    float(encoder.similarity_pairwise(first[:-1], first[1:]).mean())
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)  # of this program alone
"""


class TruncatedModel(TextEncoder):
    """A model cut off after a block that encodes every text it is asked for, in the order of the data set."""

    def __init__(self, meta: Any, folder: Path, layer: int) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        super().__init__(meta, None)
        self._torch, self.seconds, self.texts = torch, 0.0, 0
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._tokenizer.pad_token = self._tokenizer.pad_token or self._tokenizer.eos_token
        self._model = AutoModel.from_pretrained(folder).eval()
        self._model.layers = self._model.layers[:layer]

    def _vectors(self, texts: list[str], *, is_query: bool) -> Any:  # noqa: ARG002 - all are alike here
        started, found = time.process_time(), []
        with self._torch.inference_mode():
            for first in range(0, len(texts), BATCH):
                batch = self._tokenizer(texts[first : first + BATCH], padding=True, return_tensors="pt")
                states = self._model(**batch).last_hidden_state
                mask = batch["attention_mask"][..., None]
                found.append(((states * mask).sum(1) / mask.sum(1)).numpy())
        self.seconds += time.process_time() - started
        self.texts += len(texts)
        return np.concatenate(found)


def main(source: Path, tasks: list[str]) -> None:
    """Measure and print."""
    import torch
    from mteb.models import ModelMeta

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch, threadpool_limits(1):
        folder = Path(scratch)
        plan = planned(source)
        tasks = tasks or [name for name in plan.config.tasks if name != SKIPPED]
        ours = {task: one_pass(plan, task, source, folder) for task in tasks}
        depth = int(max(ours[tasks[0]]["scores"]["layer"]))
        at = sorted({round(share * depth) for share in DEPTHS})
        rows = []
        for task in tasks:
            found = open_task(folder / "data" / task / "manifest.json")
            encode, whole, worst = [], [], 0.0
            for layer in at:
                peer = TruncatedModel(ModelMeta.create_empty({"name": "a/b", "revision": "1"}), source, layer)
                for patched in ("_calculate_scores", "_undersample_data"):
                    found.__dict__.pop(patched, None)  # stock mteb
                started = time.process_time()
                (scores,) = scores_of(found, peer).values()
                whole.append(time.process_time() - started)
                encode.append(peer.seconds)
                own = ours[task]["scores"]
                ours_here = own[own["main"] & (own["layer"] == layer) & (own["sinks"] == "with")]["value"].iloc[0]
                worst = max(worst, abs(float(scores["main_score"]) - float(ours_here)))
            peers = [float(np.interp(range(depth + 1), at, seconds).sum()) for seconds in (encode, whole)]
            rows.append(
                {"task": task, **ours[task]["seconds"], "peer_encode": peers[0], "peer_total": peers[1], "worst": worst}
            )
        table = pd.DataFrame(rows)
        report(table, at, depth)
        equal_states(plan, source, folder, tasks[-1], [layer for layer in at if 0 < layer < depth])


def planned(source: Path) -> Plan:
    """The default tasks, on the model alone."""
    models = {MODEL: {"source": "path", "path": str(source)}}
    config = Config()
    tasks = {name: task.model_dump(mode="json") for name, task in config.tasks.items()}
    return Plan(load_config({"models": models, "tasks": tasks, "activations": {"device": "cpu"}}, [], files_here=False))


def one_pass(plan: Plan, task: str, source: Path, folder: Path) -> dict[str, Any]:
    """Data, texts, one forward pass and the scores of all layers; seconds of the last two."""
    wildcards = Wildcards(model=MODEL, corpus=f"task-{task}", shard="1-of-1", task=task)
    data, corpus = folder / "data" / task / "manifest.json", folder / "corpora" / f"task-{task}.parquet"
    write_data(plan.tasks.data_settings(wildcards), data)
    write_texts(plan.tasks.texts_settings(wildcards), data, corpus)
    states = folder / "states" / task
    started = time.process_time()
    extract(plan.activations.settings(wildcards), corpus, source / "manifest.json", states)
    passed = time.process_time()
    score_layers(plan.tasks.settings(wildcards), data, corpus, states, 1, folder / "tasks", 1)
    done = time.process_time()
    scores = pd.read_parquet(folder / "tasks" / f"{task}.parquet")
    return {"seconds": {"encode": passed - started, "score": done - passed}, "scores": scores}


def extract(settings: str, corpus: Path, model: Path, states: Path) -> None:
    """One forward pass, in this process."""
    arguments = ["--settings", settings, "--corpus", str(corpus), "--model", str(model)]
    files = ["--store", str(states / "1-of-1.zarr.zip"), "--manifest", str(states / "1-of-1.manifest.json")]
    activations.main([*arguments, *files], standalone_mode=False)


def equal_states(plan: Plan, source: Path, folder: Path, task: str, layers: list[int]) -> None:
    """Whether the states of a truncated model, run in the same batches, are those of the one pass, bit for bit."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    whole = Activations([folder / "states" / task / "1-of-1.manifest.json"])
    for layer in layers:
        cut = folder / f"cut-{layer}"
        model = AutoModel.from_pretrained(source, dtype=torch.float32)
        model.layers = model.layers[:layer]
        model.config.num_hidden_layers = layer
        model.save_pretrained(cut / "source")
        AutoTokenizer.from_pretrained(source).save_pretrained(cut / "source")
        manifest = cut / "model" / "manifest.json"
        settings = planned(cut / "source").models.settings(Wildcards(model=MODEL))
        command = [sys.executable, "-m", "fathom.cli", "models", "--settings", settings]
        files = ["--folder", str(manifest.parent), "--manifest", str(manifest)]
        subprocess.run([*command, *files], check=True)
        wildcards = Wildcards(model=MODEL, corpus=f"task-{task}", shard="1-of-1", task=task)
        extract(
            plan.activations.settings(wildcards), folder / "corpora" / f"task-{task}.parquet", manifest, cut / "states"
        )
        truncated = Activations([cut / "states" / "1-of-1.manifest.json"])
        same = np.array_equal(truncated.pooled("normed_mean", layer), whole.pooled("normed_mean", layer))
        print(
            f"{task}, truncated after block {layer}, same batches: states {'equal bit for bit' if same else 'DIFFER'}"
        )


def report(table: pd.DataFrame, layers: list[int], depth: int) -> None:
    """Seconds of every task, and the ratios."""
    total = table.drop(columns="task").sum()
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    encode = total["peer_encode"] / total["encode"]
    whole = total["peer_total"] / (total["encode"] + total["score"])
    print(f"peers timed at layers {layers} of 0 to {depth}")
    print(f"encoding: {encode:.1f} times faster than one truncated model a layer; with scores: {whole:.1f} times")
    print(f"largest difference of a main score from the peer's, whose batches are others: {table['worst'].max():.2g}")
    forms = 2 * (depth + 2)
    print(f"scoring takes {total['score'] / forms / len(table):.2f} s a task, layer and form in the mean")
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")
    with tempfile.TemporaryDirectory() as scratch:
        for texts in MEMORY_TEXTS:
            command = [sys.executable, "-c", MEMORY, str(texts), scratch]
            peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[-1]
            one = texts * 576 * 4 / 1e6
            print(f"31 layers of {texts:,} texts of width 576: peak {peak} MB; one layer is {one:.0f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
