"""The numbers behind a figure, as its CSV holds them: names of the config apart from the titles that are drawn."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from fathom.figures.job import Table

OF_EXPERIMENT = frozenset({"probes", "choices", "told", "confusion", "coordination"})
ID, TITLE = "_id", "_title"


def with_ids(numbers: pd.DataFrame, tables: Iterable[Table]) -> pd.DataFrame:
    """Numbers whose columns of models, corpora, experiments, tasks and metrics hold names, with the titles beside them.

    What a module of a figure calls `model_id` is the name, and `model` the title; where it gives titles alone, these
    are those of the figure's tables. What is of no table, such as the mean of several tasks, has one name for both.
    """
    known: dict[str, dict[str, str]] = {"model": {}, "corpus": {}, "experiment": {}, "task": {}}
    for table in tables:
        known["model"][table.model] = table.model_id
        if table.content in OF_EXPERIMENT:
            known["experiment"][table.corpus_or_experiment] = table.name
        elif table.content == "tasks":
            known["task"][table.corpus_or_experiment] = table.name
        else:
            known["corpus"][table.corpus_or_experiment] = table.name
    columns: dict[str, pd.Series] = {}
    for column in (str(name) for name in numbers.columns if not str(name).endswith(ID)):
        if f"{column}{ID}" in numbers.columns:
            columns[column] = numbers[f"{column}{ID}"]
        elif column in known:
            columns[column] = numbers[column].astype(object).replace(known[column])
        else:
            columns[column] = numbers[column]
            continue
        columns[f"{column}{TITLE}"] = numbers[column]
    return pd.DataFrame(columns)
