"""Metrics of pairs of layers: a matrix over the layers, with an interval in every cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.metrics.measure import Measure
from fathom.metrics.parallel import in_parallel
from fathom.metrics.preparation import Preparation, prepare
from fathom.statistics.resampling import half_sample_interval

States = npt.NDArray[np.floating]
COLUMNS = ["row", "other_row", "preparation", "value", "low", "high", "reason"]


def measure_layer_pairs(
    layers: Sequence[States],
    measure: Measure,
    *,
    halves: npt.NDArray[np.bool_],
    level: float,
    threads: int,
    advance: Callable[[int], object] = lambda _: None,
) -> pd.DataFrame:
    """Measure every pair of layers, each (texts, width); returns a data frame with COLUMNS, one row a cell.

    `halves` (samples, texts) marks the half samples behind the intervals. All layers are held in memory at once: layers
    x texts x width numbers. Where the metric is not defined for these texts, all cells are NaN and `reason` says why.
    `advance` hears of every half sample that is done.
    """
    tables = []
    for form in measure.forms:
        if form == "as_published":
            msg = f"the public code has no form of {measure.name}"
            raise ValueError(msg)
        reason = None
        try:
            cells = _cells(layers, measure, form)
        except ValueError as error:  # texts for which the metric is not defined: the table says so
            cells, reason = np.full((len(layers), len(layers)), np.nan), str(error)
        replicates = in_parallel(
            partial(_half, layers=layers, measure=measure, preparation=form), halves, threads=threads, advance=advance
        )
        low, high = half_sample_interval(cells, np.array(replicates), halves, level=level)
        row, other = (axis.ravel() for axis in np.indices(cells.shape))
        tables.append(
            pd.DataFrame(
                {
                    "row": row,
                    "other_row": other,
                    "preparation": form,
                    "value": cells.ravel(),
                    "low": low.ravel(),
                    "high": high.ravel(),
                    "reason": reason,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _half(
    half: npt.NDArray[np.bool_], *, layers: Sequence[States], measure: Measure, preparation: Preparation
) -> npt.NDArray[np.float64]:
    try:
        return _cells([layer[half] for layer in layers], measure, preparation)
    except ValueError:  # a half for which the metric is not defined: then there is no interval
        return np.full((len(layers), len(layers)), np.nan)


def _cells(layers: Sequence[States], measure: Measure, preparation: Preparation) -> npt.NDArray[np.float64]:
    cells: npt.NDArray[np.float64] = measure.function([prepare(layer, preparation) for layer in layers])
    return cells
