"""Tasks of MTEB from a hub: fetched as folders in the layouts of their repositories, then scored without a network.

The rows are made up; files, columns and configurations are those in which the hub has these datasets.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.hub import Hub, serving
from tests.tasks import WORDS, sentence

from fathom.tasks.published import PUBLISHED
from fathom.tasks.settings import PublishedTask

NAMES = (
    "Banking77Classification",
    "MTOPDomainClassification",
    "TwentyNewsgroupsClustering",
    "SprintDuplicateQuestions",
    "AskUbuntuDupQuestions",
    "STS12",
    "STS17",
)
FETCH = """
import json, sys
from pathlib import Path
from fathom.tasks.data import write_data
for name, told in json.loads(sys.argv[1]).items():
    write_data(json.dumps(told), Path(sys.argv[2]) / name / "manifest.json")
"""
SCORE = """
import json, socket, sys
from pathlib import Path

def refuse(*_): raise OSError("a network was asked for")

socket.socket.connect = refuse
import numpy as np
from fathom.tasks.encoders import RecordingEncoder
from fathom.tasks.mteb_import import work_offline
work_offline(sys.argv[2] + "/cache")
from mteb.models import ModelMeta
from fathom.tasks.mteb_tasks import open_task, scores_of
found = {}
for name in sys.argv[3:]:
    task = open_task(Path(sys.argv[1]) / name / "manifest.json")
    encoder = RecordingEncoder(ModelMeta.create_empty({"name": "a/b", "revision": "1"}), None)
    scores = scores_of(task, encoder)
    found[name] = {
        "subsets": {subset: float(one["main_score"]) for subset, one in scores.items()},
        "revision": task.metadata.revision,
        "texts": list(encoder.texts),
    }
print(json.dumps(found))
"""


def lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """JSON lines, compressed where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def card(folder: Path, files: dict[str, dict[str, str]], default: str | None = None) -> None:
    """The head of a README that names configurations, and the file of each split of them."""
    told = ["---", "configs:"]
    for config, splits in files.items():
        told += [f"- config_name: {config}", *(["  default: true"] if config == default else []), "  data_files:"]
        told += [line for split, path in splits.items() for line in (f"  - split: {split}", f"    path: {path}")]
    (folder / "README.md").write_text("\n".join([*told, "---", "# A dataset"]), encoding="utf-8")


def labelled(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Rows of classification."""
    return [{"text": sentence(start + at), "label": at % 3, "label_text": WORDS[at % 3]} for at in range(count)]


def repository(name: str, folder: Path) -> Path:
    """A folder in the layout of the repository of a task."""
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("# A dataset", encoding="utf-8")
    match name:
        case "Banking77Classification":
            lines(folder / "train.jsonl", labelled(60))
            lines(folder / "test.jsonl", labelled(12, 100))
        case "MTOPDomainClassification":
            for language in ("de", "en"):
                for split, rows in (
                    ("train", labelled(60)),
                    ("validation", labelled(6, 90)),
                    ("test", labelled(9, 99)),
                ):
                    spoken = [row | {"text": f"{language}: {row['text']}"} for row in rows]
                    lines(folder / language / f"{split}.jsonl", spoken)
            splits = ("train", "validation", "test")
            card(folder, {one: {split: f"{one}/{split}.jsonl" for split in splits} for one in ("de", "en")})
        case "TwentyNewsgroupsClustering":
            sets = [
                {"sentences": [sentence(30 * one + at) for at in range(20)], "labels": [at % 2 for at in range(20)]}
                for one in range(2)
            ]
            lines(folder / "test.jsonl.gz", sets)
        case "SprintDuplicateQuestions":
            for split in ("validation", "test"):  # all pairs in one row
                pairs = [sentence(at) for at in range(20)], [sentence(at + at % 2) for at in range(20)]
                row = {"sent1": pairs[0], "sent2": pairs[1], "labels": [1 - at % 2 for at in range(20)]}
                lines(folder / f"{split}.jsonl.gz", [row])
        case "AskUbuntuDupQuestions":
            tables = {
                "corpus": [{"_id": f"d{at}", "text": sentence(at), "title": ""} for at in range(12)],
                "queries": [{"_id": f"q{at}", "text": sentence(200 + at)} for at in range(3)],
                "default": [
                    {"query-id": f"q{query}", "corpus-id": f"d{at}", "score": int(at % 4 == query)}
                    for query in range(3)
                    for at in range(12)
                ],
                "top_ranked": [
                    {"query-id": f"q{query}", "corpus-ids": [f"d{at}" for at in range(12)]} for query in range(3)
                ],
            }
            entries: Any
            for config, entries in tables.items():
                path = folder / config / "test-00000-of-00001.parquet"
                path.parent.mkdir()
                pd.DataFrame(entries).to_parquet(path)
            card(folder, {config: {"test": f"{config}/test-*"} for config in tables}, default="default")
        case "STS12":
            for split in ("train", "test"):
                rows = [
                    {"split": split, "sentence1": sentence(at), "sentence2": sentence(at * 7), "score": at % 6}
                    for at in range(20)
                ]
                lines(folder / f"{split}.jsonl.gz", rows)
        case "STS17":
            pairs_of = ("en-en", "es-en")
            for pair in pairs_of:
                rows = [
                    {
                        "sentence1": f"{pair} {sentence(at)}",
                        "sentence2": sentence(at * 3),
                        "score": at / 5,
                        "lang": pair,
                    }
                    for at in range(20)
                ]
                lines(folder / "data" / f"{pair}.jsonl.gz", rows)
            one = {pair: {"test": f"data/{pair}.jsonl.gz"} for pair in pairs_of}
            card(folder, {"default": {"test": "data/*.jsonl.gz"}} | one)
    return folder


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return subprocess.run(
        [sys.executable, "-c", *arguments],
        env=kept | {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of seven of the 32 tasks, from a hub that is gone by now."""
    folder = tmp_path_factory.mktemp("hub")
    told = {name: PublishedTask(kind="mteb", name=name).data_job(name).model_dump(mode="json") for name in NAMES}
    commits = {PUBLISHED[name].revision: repository(name, folder / "hub" / name) for name in NAMES}
    with serving(Hub(commits)) as hub:
        home = {"HF_ENDPOINT": hub.address, "HF_HOME": str(folder / "home")}
        done = run(FETCH, json.dumps(told), str(folder / "data"), **home)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def scored(fetched: Path) -> dict[str, Any]:
    """What mteb finds of random vectors, from the folders alone."""
    done = run(SCORE, str(fetched / "data"), str(fetched), *NAMES, HF_HOME=str(fetched / "elsewhere"))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_repository_is_fetched_whole_at_its_commit_with_a_manifest_of_its_files(fetched: Path) -> None:
    for name in NAMES:
        manifest = json.loads((fetched / "data" / name / "manifest.json").read_text(encoding="utf-8"))
        there = {path.relative_to(fetched / "hub" / name) for path in (fetched / "hub" / name).rglob("*.*")}
        assert set(manifest["files"]) == {f"dataset/{path.as_posix()}" for path in there if path.suffix != ""}
        assert all(len(file["xxh3_128"]) == 32 for file in manifest["files"].values())
        known = PUBLISHED[name]
        assert manifest["published"] == {
            "name": name,
            "repository": known.repository,
            "revision": known.revision,
            "subset": known.subset,
        }


@pytest.mark.parametrize("name", NAMES)
def test_a_fetched_task_is_scored_without_a_network(scored: dict[str, Any], name: str) -> None:
    found, known = scored[name], PUBLISHED[name]
    assert list(found["subsets"]) == [known.subset or "default"]
    assert all(-1 <= score <= 1 for score in found["subsets"].values())
    assert found["revision"] == known.revision


def test_only_the_papers_subset_and_its_texts_are_asked_for(scored: dict[str, Any]) -> None:
    assert all(text.startswith("en: ") for text in scored["MTOPDomainClassification"]["texts"])
    assert not [text for text in scored["STS17"]["texts"] if text.startswith("es-en")]
    assert len(scored["SprintDuplicateQuestions"]["texts"]) == 21  # 40 places
    assert len(scored["AskUbuntuDupQuestions"]["texts"]) == 15


def test_where_the_hub_is_out_of_reach_the_line_says_which_command_fetches_a_task(tmp_path: Path) -> None:
    told = {"STS12": PublishedTask(kind="mteb", name="STS12").data_job("STS12").model_dump(mode="json")}
    where = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = run(FETCH, json.dumps(told), str(tmp_path / "data"), **where)
    last = done.stderr.splitlines()[-1]
    assert "task STS12: hub dataset mteb/sts12-sts at a0d554a64d88" in last
    assert "the hub is out of reach (OfflineModeIsEnabled: " in last
    assert f"run `snakemake --cores 1 -- {tmp_path}/data/STS12/manifest.json` where there is a network" in last
    assert not (tmp_path / "data" / "STS12").exists()
