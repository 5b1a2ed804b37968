"""Which layer to take: choices with and without a look at the scores, over tasks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.statistics.arrays import FloatArray


def complete_tasks(scores: pd.DataFrame) -> list[str]:
    """Tasks with a finite score at every layer; `scores` is (tasks, layers), NaN where one is missing."""
    values = scores.to_numpy(dtype=np.float64)
    return [str(task) for task, whole in zip(scores.index, np.isfinite(values).all(axis=1), strict=True) if whole]


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
    count = len(table)
    if count < 2:
        nothing = np.full(table.shape[1], np.nan)
        return nothing, nothing
    drawn = np.random.default_rng(seed).integers(count, size=(samples, count))
    means = table[drawn].mean(axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(means, (tail, 1 - tail), axis=0)
    return low, high
