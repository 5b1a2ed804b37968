"""Queries of the user's, each with candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from fathom.runtime.errors import FathomError
from fathom.tasks.sources import as_numbers, columns_of_csv
from fathom.tasks.task_data import OwnTask

if TYPE_CHECKING:
    from fathom.tasks.sources import TaskSources


def build(
    _sources: TaskSources, *, path: str, query: str, candidate: str, relevant: str, instruction: str | None
) -> OwnTask:
    """Rows with the same query are its candidates; a candidate of several queries is one text."""
    rows = columns_of_csv(path, {"query": query, "candidate": candidate, "relevant": relevant})
    rows["relevance"] = as_numbers(rows["relevant"], path, relevant)
    wrong = (~rows["relevance"].isin((0.0, 1.0))).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        msg = f"{path}: column {relevant!r}: expected 0 or 1 in line {row + 2}, found {rows['relevant'].iloc[row]!r}"
        raise FathomError(msg)
    twice = rows.duplicated(["query", "candidate"]).to_numpy()
    if twice.any():
        msg = f"{path}: line {int(twice.argmax()) + 2} has the query and the candidate of a line before it"
        raise FathomError(msg)
    for text, own in rows.groupby("query", sort=False):
        if own["relevance"].nunique() < 2:
            msg = f"{path}: query {str(text)[:60]!r}: expected candidates that are relevant and some that are not"
            raise FathomError(msg)
    queries = {text: f"q{at}" for at, text in enumerate(rows["query"].unique())}
    candidates = {text: f"d{at}" for at, text in enumerate(rows["candidate"].unique())}
    return OwnTask(
        "Reranking",
        {
            "queries": pd.DataFrame([(name, text) for text, name in queries.items()], columns=["id", "text"]),
            "candidates": pd.DataFrame([(name, text) for text, name in candidates.items()], columns=["id", "text"]),
            "relevant": pd.DataFrame(
                {
                    "query": rows["query"].map(queries),
                    "candidate": rows["candidate"].map(candidates),
                    "relevance": rows["relevance"].astype("int64"),
                }
            ),
        },
        instruction,
    )
