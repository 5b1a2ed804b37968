"""A task on disk as an instance of mteb's own class for its type, with its data loaded."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fathom.runtime.errors import FathomError, first_line
from fathom.tasks.mteb_import import import_mteb
from fathom.tasks.task_data import read_tables, read_task

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

SPLIT = "test"
QUIETLY: dict[str, Any] = {"batch_size": 1024, "show_progress_bar": False}
"""What mteb hands to an encoder, and heeds itself."""
MAIN_SCORES = {
    "Classification": "accuracy",
    "Clustering": "v_measure",
    "PairClassification": "max_ap",
    "STS": "cosine_spearman",
    "Reranking": "map_at_1000",
}


def open_task(manifest: Path) -> AbsTask:
    """The task of a folder, loaded.

    Errors: FathomError if its data are damaged, or are not what mteb reads.
    """
    facts = read_task(manifest)
    import_mteb()
    task = _own(facts, manifest) if "own" in facts else _published(facts, manifest)
    _require_rows(task, facts["task"])
    return quick(task)


def reset(task: AbsTask) -> AbsTask:
    """Let the task draw as a new instance does: some types use up a generator of the instance."""
    task.rng_state = random.Random(task.seed)
    task.np_rng = np.random.default_rng(task.seed)
    return task


def scores_of(task: AbsTask, encoder: Any) -> dict[str, dict[str, Any]]:
    """What mteb finds of an encoder on a task, a subset each.

    Of a label that is never predicted, mteb's secondary measures take a precision of 0, and a fit of its classifier
    ends after 100 steps: both belong to the definition of the scores, and are no news.
    """
    from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning

    with warnings.catch_warnings():
        for category in (ConvergenceWarning, UndefinedMetricWarning):
            warnings.simplefilter("ignore", category)
        return dict(reset(task).evaluate(encoder, SPLIT, encode_kwargs=QUIETLY))


def _published(facts: Mapping[str, Any], manifest: Path) -> AbsTask:
    """A task of mteb that reads its fetched dataset in place of the hub; its own revision stays in its results."""
    import mteb

    told = facts["published"]
    task = mteb.get_task(told["name"], hf_subsets=None if told["subset"] is None else [told["subset"]])
    folder = {"path": str(manifest.parent / "dataset"), "revision": told["revision"]}
    task.metadata = task.metadata.model_copy(update={"dataset": folder})
    try:
        task.load_data()
    except Exception as error:
        msg = (
            f"task {facts['task']}: its data cannot be loaded from {folder['path']} ({type(error).__name__}: "
            f"{first_line(error)}); delete {manifest} and run `snakemake {manifest}` where there is a network"
        )
        raise FathomError(msg) from error
    return task


def _own(facts: Mapping[str, Any], manifest: Path) -> AbsTask:
    from mteb.abstasks import AbsTaskClassification, AbsTaskPairClassification, AbsTaskRetrieval, AbsTaskSTS
    from mteb.abstasks.clustering_legacy import AbsTaskClusteringLegacy
    from mteb.abstasks.task_metadata import TaskMetadata

    bases: dict[str, tuple[type[AbsTask], Callable[[dict[str, pd.DataFrame]], Any]]] = {
        "Classification": (AbsTaskClassification, _classification),
        "Clustering": (AbsTaskClusteringLegacy, _clustering),
        "PairClassification": (AbsTaskPairClassification, _pairs),
        "STS": (AbsTaskSTS, _pairs),
        "Reranking": (AbsTaskRetrieval, _reranking),
    }
    kind, own = facts["type"], facts["own"]
    base, shaped = bases[kind]
    tables = read_tables(manifest, kind)
    data = shaped(tables)

    class OwnTask(base):  # type: ignore[misc, valid-type]
        metadata = TaskMetadata(
            name=facts["task"],
            description=f"{facts['task']}, a task of a fathom config",
            type=kind,
            category="t2t",
            eval_langs=["eng-Latn"],
            main_score=MAIN_SCORES[kind],
            dataset={"path": f"fathom/{facts['task']}", "revision": _digest(facts)},
            prompt=own["instruction"],
        )

        def load_data(self, num_proc: int | None = None, **_: Any) -> None:  # noqa: ARG002 - mteb's signature
            self.dataset = data
            self.data_loaded = True

    for name, value in own["options"].items():
        setattr(OwnTask, name, value)
    if kind == "STS":
        OwnTask.min_score = float(tables["test"]["score"].min())
        OwnTask.max_score = float(tables["test"]["score"].max())
    task: AbsTask = OwnTask()
    task.load_data()
    return task


def _digest(facts: Mapping[str, Any]) -> str:
    """What stands for a revision: the digests of the tables, shortened."""
    return "-".join(file["xxh3_128"][:8] for _, file in sorted(facts["files"].items()))


def _classification(tables: dict[str, pd.DataFrame]) -> Any:
    from datasets import Dataset, DatasetDict

    numbers = {label: at for at, label in enumerate(sorted(set(pd.concat(tables.values())["label"])))}
    return DatasetDict(
        {
            half: Dataset.from_dict({"text": frame["text"].tolist(), "label": [numbers[one] for one in frame["label"]]})
            for half, frame in tables.items()
        }
    )


def _clustering(tables: dict[str, pd.DataFrame]) -> Any:
    from datasets import Dataset, DatasetDict

    sets = [own for _, own in tables["test"].groupby("set", sort=True)]
    held = {"sentences": [own["text"].tolist() for own in sets], "labels": [own["label"].tolist() for own in sets]}
    return DatasetDict({SPLIT: Dataset.from_dict(held)})


def _pairs(tables: dict[str, pd.DataFrame]) -> Any:
    from datasets import Dataset, DatasetDict

    return DatasetDict({SPLIT: Dataset.from_dict({name: list(column) for name, column in tables["test"].items()})})


def _reranking(tables: dict[str, pd.DataFrame]) -> Any:
    from datasets import Dataset

    queries, candidates, relevant = tables["queries"], tables["candidates"], tables["relevant"]
    found: dict[str, dict[str, int]] = {}
    ranked: dict[str, list[str]] = {}
    for query, candidate, relevance in relevant.itertuples(index=False):
        ranked.setdefault(query, []).append(candidate)
        if relevance > 0:
            found.setdefault(query, {})[candidate] = int(relevance)
    corpus = {"id": candidates["id"].tolist(), "text": candidates["text"].tolist(), "title": [""] * len(candidates)}
    asked = {"id": queries["id"].tolist(), "text": queries["text"].tolist()}
    split = {
        "corpus": Dataset.from_dict(corpus),
        "queries": Dataset.from_dict(asked),
        "relevant_docs": found,
        "top_ranked": ranked,
    }
    return {"default": {SPLIT: split}}


def _require_rows(task: AbsTask, name: str) -> None:
    """Refuse an empty split, on which mteb would fail only after a model has run."""
    for subset in task.hf_subsets:
        data: Any = task.dataset if subset == "default" and subset not in task.dataset else task.dataset[subset]
        if SPLIT not in data:
            msg = f"task {name}, subset {subset}: has no split {SPLIT!r}, only {', '.join(map(str, data))}"
            raise FathomError(msg)
        parts = data[SPLIT] if isinstance(data[SPLIT], dict) else {"": data[SPLIT]}
        empty = [part for part, held in parts.items() if held is not None and len(held) == 0]
        if empty:
            place = f"split {SPLIT}{f', {empty[0]}' if empty[0] else ''}"
            msg = f"task {name}, subset {subset}: {place} holds no row; expected at least one"
            raise FathomError(msg)


def quick(task: AbsTask) -> AbsTask:
    """The task with two computations that change no score taken out of mteb's classification.

    Labels come to scikit-learn as an array, not as a lazy column that is read through Arrow again and again; and the
    draw of the examples, which knows labels and seed only, is remembered from layer to layer.
    """
    from mteb.abstasks import AbsTaskClassification

    if not isinstance(task, AbsTaskClassification):
        return task
    scored, drawn = task._calculate_scores, task._undersample_data
    remembered: dict[tuple[str, int, int | None], tuple[Any, list[int], list[int]]] = {}

    def calculate(y_test: Any, y_pred: Any) -> Any:
        return scored(np.asarray(list(y_test)), y_pred)

    def undersample(dataset: Any, experiment: int, order: list[int] | None = None) -> Any:
        key = (str(dataset._fingerprint), experiment, None if order is None else hash(tuple(order)))
        if key not in remembered:
            remembered[key] = drawn(dataset, experiment, order)
        selected, permuted, rows = remembered[key]
        return selected, list(permuted), list(rows)

    task._calculate_scores, task._undersample_data = calculate, undersample
    return task
