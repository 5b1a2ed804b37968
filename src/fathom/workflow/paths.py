"""Where results are that a rule asks for in numbers: one file a shard."""

from __future__ import annotations

from fathom.io.shards import shard_names

TASK_CORPUS = "task-"


def manifests_of(model: str, corpus: str, shards: int) -> list[str]:
    """Manifests of all shards of a model's states of a corpus."""
    return [f"{states_folder(model, corpus)}/{shard}.manifest.json" for shard in shard_names(shards)]


def stores_of(model: str, corpus: str, shards: int) -> list[str]:
    """Stores of all shards."""
    return [f"{states_folder(model, corpus)}/{shard}.zarr.zip" for shard in shard_names(shards)]


def task_corpus(task: str) -> str:
    """Name of the corpus of the texts that a task asks for."""
    return TASK_CORPUS + task


def states_folder(model: str, corpus: str) -> str:
    """Folder of a model's states of a corpus."""
    return f"results/activations/{model}/{corpus}"
