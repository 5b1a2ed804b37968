"""Small tasks of a user's, of every type, for the tests of the tasks stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fathom.tasks.data import write_data
from fathom.tasks.settings import OwnLabelsTask, OwnPairsTask, OwnQueriesTask, Task

WORDS = ("river", "engine", "cheese", "violin", "planet", "carpet", "doctor", "winter", "pepper", "market")


def sentence(at: int) -> str:
    """Different short texts."""
    first, second, third = (WORDS[(at // 10**place) % 10] for place in range(3))
    return f"the {first} and the {second} near a {third}"


def own_tables(folder: Path) -> dict[str, Task]:
    """A CSV of each kind, and the settings that make a task of it."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    labels = pd.DataFrame({"text": [sentence(at) for at in range(60)], "label": [WORDS[at % 3] for at in range(60)]})
    labels.to_csv(folder / "labels.csv", index=False)
    pairs = pd.DataFrame(
        {"first": [sentence(at) for at in range(30)], "second": [sentence(at + 1) for at in range(30)]}
    )
    pairs.assign(score=np.arange(30) % 2).to_csv(folder / "pairs.csv", index=False)
    pairs.assign(score=rng.uniform(size=30).round(3)).to_csv(folder / "alike.csv", index=False)
    rows = [
        {"query": sentence(500 + query), "candidate": sentence(candidate), "relevant": int(candidate == 3 * query)}
        for query in range(4)
        for candidate in range(10)
    ]
    pd.DataFrame(rows).to_csv(folder / "queries.csv", index=False)
    return {
        "mood": OwnLabelsTask(kind="labels", path=str(folder / "labels.csv"), examples=4),
        "groups": OwnLabelsTask(kind="labels", path=str(folder / "labels.csv"), type="clustering"),
        "together": OwnPairsTask(kind="pairs", path=str(folder / "pairs.csv")),
        "alike": OwnPairsTask(kind="pairs", path=str(folder / "alike.csv")),
        "found": OwnQueriesTask(kind="queries", path=str(folder / "queries.csv")),
    }


def bring(task: Task, name: str, folder: Path) -> Path:
    """The data of a task, as its job brings them; returns the manifest."""
    manifest = folder / name / "manifest.json"
    write_data(task.data_job(name).model_dump_json(), manifest)
    return manifest


def csv_of(folder: Path, content: str) -> str:
    """A file with this content."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mine.csv"
    path.write_text(content, encoding="utf-8")
    return str(path)
