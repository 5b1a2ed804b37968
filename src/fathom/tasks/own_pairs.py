"""Pairs of texts of the user's, each with a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fathom.runtime.errors import FathomError
from fathom.tasks.sources import as_numbers, columns_of_csv
from fathom.tasks.task_data import OwnTask

if TYPE_CHECKING:
    from fathom.tasks.sources import TaskSources

FEWEST = 3  # pairs that a rank correlation takes


def build(_sources: TaskSources, *, path: str, first: str, second: str, score: str, instruction: str | None) -> OwnTask:
    """Pairs that belong together or do not, where all scores are 0 or 1; else pairs that are more or less alike."""
    rows = columns_of_csv(path, {"sentence1": first, "sentence2": second, "score": score})
    rows["score"] = as_numbers(rows["score"], path, score)
    different = len(rows[["sentence1", "sentence2"]].drop_duplicates())
    if rows["score"].nunique() < 2 or different < FEWEST or (rows["sentence1"] == rows["sentence2"]).all():
        msg = f"{path}: {different} different pairs, scores {sorted(set(rows['score']))[:3]}; expected at least "
        msg += f"{FEWEST} pairs, not all of equal texts, and different scores"
        raise FathomError(msg)
    if set(rows["score"]) <= {0.0, 1.0}:
        pairs = rows.rename(columns={"score": "labels"}).astype({"labels": "int64"})
        return OwnTask("PairClassification", {"test": pairs}, instruction)
    return OwnTask("STS", {"test": rows}, instruction)
