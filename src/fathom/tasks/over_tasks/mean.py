"""The mean score over tasks at every layer, with a bootstrap interval over tasks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fathom.statistics.layer_choice import bootstrap_over_tasks
from fathom.statistics.task_scores import complete, forms_of, score_matrix
from fathom.tasks.over_tasks.tables import JOINED, OverTasks

FEWEST_TASKS = 10  # of whose mean there is an interval: over fewer, it says how different the tasks are


def over_tasks(of: OverTasks) -> pd.DataFrame:
    """One row a model, form and layer; without any row where fewer than two tasks are complete."""
    scores = of.scores()
    tasks, _ = complete(scores, forms_of(scores))
    means: list[pd.DataFrame] = []
    kept = scores[scores["task"].isin(tasks)] if len(tasks) > 1 else scores.iloc[:0]
    for (model, sinks), own in kept.groupby(["model", "sinks"], sort=False):
        matrix = score_matrix(own, str(model), str(sinks))
        few = np.nan if len(matrix) < FEWEST_TASKS else 0.0
        low, high = bootstrap_over_tasks(
            matrix.to_numpy(dtype=np.float64), samples=of.samples, level=of.level, seed=of.seed
        )
        depths = own.drop_duplicates("layer").set_index("layer")["depth"]
        value = matrix.mean(axis=0).to_numpy()
        means.append(
            pd.DataFrame(
                {
                    "model": model,
                    "sinks": sinks,
                    "layer": matrix.columns.to_numpy(),
                    "depth": depths.reindex(matrix.columns).to_numpy(),
                    "value": value,
                    "low": low + few,
                    "high": high + few,
                    "peak": np.arange(len(value)) == value.argmax(),
                    "tasks": len(matrix),
                    "names": JOINED.join(matrix.index),
                    "variant": JOINED.join(matrix.index),
                    "measure": "mean of main scores",
                }
            )
        )
    return pd.concat(means, ignore_index=True) if means else pd.DataFrame(columns=["layer", "value"])
