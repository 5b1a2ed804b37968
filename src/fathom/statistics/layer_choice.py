"""Which layer to take: by the scores of tasks in hindsight, by rules that know no score, and by what a metric says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.statistics.arrays import FloatArray
from fathom.statistics.resampling import bootstrap_mean
from fathom.statistics.task_scores import BEST, LAST, MIDDLE, ORACLE, POOLED, RANDOM, complete_tasks

Extreme = Literal["lowest", "highest"]
FEWEST_TASKS = 2


def mean_over_tasks(scores: pd.DataFrame) -> pd.Series[float]:
    """Mean score of every layer over tasks, (layers,).

    Args:
        scores: (tasks, layers).

    Raises:
        ValueError: if a task lacks a score at some layer: means of different sets of tasks cannot be compared.
    """
    whole = complete_tasks(scores)
    lacking = [str(task) for task in scores.index if str(task) not in whole]
    if lacking or not whole:
        shown = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
        msg = f"scores: a layer has no score of {shown or 'any task'}; expected the same complete tasks at every layer"
        raise ValueError(msg)
    return scores.mean(axis=0)


def chosen_layers(measured: pd.DataFrame, extreme: Extreme) -> pd.Series[int]:
    """The layer of each task where a metric of its texts is lowest or highest, the first of several.

    Args:
        measured: (tasks, layers), layer numbers as columns; NaN where a layer has no value. A task without any value
            is left out.
        extreme: which end.
    """
    known = measured[np.isfinite(measured.to_numpy(dtype=np.float64)).any(axis=1)]
    chosen = known.idxmin(axis=1) if extreme == "lowest" else known.idxmax(axis=1)
    layers: pd.Series[int] = chosen.astype("int64")
    return layers


def middle_layer(layers: npt.ArrayLike) -> int:
    """The layer nearest to half of the depth, the lower one of two."""
    numbers = np.asarray(layers, dtype=np.int64)
    return int(numbers[np.abs(2 * numbers - numbers.max()).argmin()])


def layer_choices(
    scores: pd.DataFrame,
    chosen: Mapping[str, pd.Series[int]],
    *,
    pooled: pd.Series[float] | None = None,
    samples: int,
    level: float,
    seed: int,
) -> pd.DataFrame:
    """What each way to choose a layer scores, on the same tasks.

    Args:
        scores: (tasks, layers), layer numbers as columns, complete.
        chosen: by the name of a rule, the layer that it chooses for each task.
        pooled: score of each task with the mean of all layers' vectors.
        samples: bootstrap samples of the tasks.
        level: coverage of the intervals.
        seed: of the resampling; all rows take the same samples of tasks.

    Returns:
        One row a choice: `choice`; `layer`, where it is one for all tasks; `score`, the mean over tasks; `gain` over
        the last layer with its interval `low` to `high` over tasks; `better`, the tasks on which it beats the last
        layer; and `tasks`. First the rules of `chosen`, then last, middle, best, oracle, random and pooled, then every
        fixed layer.

    Raises:
        ValueError: if scores are not complete, or a rule or `pooled` lacks a task or names no layer of the scores.
    """
    means = mean_over_tasks(scores)
    values, layers = scores.to_numpy(dtype=np.float64), scores.columns.to_numpy(dtype=np.int64)
    top, middle, best = int(layers.max()), middle_layer(layers), int(layers[means.to_numpy().argmax()])
    rows: list[tuple[str, int | None, FloatArray]] = []
    for name, picks in chosen.items():
        missing = [task for task in scores.index if task not in picks.index]
        if missing or not set(picks.reindex(scores.index)) <= set(scores.columns):
            msg = f"chosen: {name}: expected a layer of the scores for each task, found none for {missing or 'some'}"
            raise ValueError(msg)
        at = scores.columns.get_indexer(pd.Index(picks.reindex(scores.index)))
        rows.append((name, None, values[np.arange(len(values)), at]))
    rows += [
        (LAST, top, scores[top].to_numpy(dtype=np.float64)),
        (MIDDLE, middle, scores[middle].to_numpy(dtype=np.float64)),
        (BEST, best, scores[best].to_numpy(dtype=np.float64)),
        (ORACLE, None, np.asarray(values.max(axis=1), dtype=np.float64)),
        (RANDOM, None, np.asarray(values.mean(axis=1), dtype=np.float64)),
    ]
    if pooled is not None:
        own: FloatArray = np.asarray(pooled.reindex(scores.index), dtype=np.float64)
        if not np.isfinite(own).all():
            msg = "pooled: expected a score of each task"
            raise ValueError(msg)
        rows.append((POOLED, None, own))
    rows += [(f"layer {layer}", int(layer), scores[layer].to_numpy(dtype=np.float64)) for layer in layers.tolist()]
    last = scores[top].to_numpy(dtype=np.float64)
    gains = np.stack([of_tasks - last for _, _, of_tasks in rows], axis=1)
    low, high = bootstrap_over_tasks(gains, samples=samples, level=level, seed=seed)
    return pd.DataFrame(
        {
            "choice": [name for name, _, _ in rows],
            "layer": pd.array([layer for _, layer, _ in rows], dtype="Int64"),
            "score": [float(of_tasks.mean()) for _, _, of_tasks in rows],
            "gain": gains.mean(axis=0),
            "low": low,
            "high": high,
            "better": (gains > 0).sum(axis=0),
            "tasks": len(scores),
        }
    )


def bootstrap_over_tasks(
    values: npt.ArrayLike, *, samples: int, level: float, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Percentile interval of the mean over tasks, tasks being resampled with replacement.

    Args:
        values: (tasks, columns), finite.
        samples: bootstrap samples.
        level: coverage.
        seed: of the resampling; all columns take the same samples.

    Returns:
        low, high: (columns,) each; NaN of one task, which has no spread.
    """
    table = np.asarray(values, dtype=np.float64)
    if len(table) < FEWEST_TASKS:
        nothing = np.full(table.shape[1], np.nan)
        return nothing, nothing
    _, low, high = bootstrap_mean(table, np.arange(len(table)), samples=samples, level=level, seed=seed)
    return low, high
