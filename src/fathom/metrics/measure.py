"""A metric over the texts and layers of a corpus: states in, one value a text and layer out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from fathom.metrics.preparation import Preparation, find_sinks, prepare, row_norms

FloatArray = npt.NDArray[np.float64]
MetricFunction = Callable[[FloatArray], float]

NORMALISERS: dict[str, Callable[[int, int], float]] = {
    "raw": lambda rows, width: 1.0,  # noqa: ARG005
    "logN": lambda rows, width: math.log(rows),  # noqa: ARG005
    "logD": lambda rows, width: math.log(width),  # noqa: ARG005
    "max": lambda rows, width: math.log(min(rows, width)),
}


@dataclass(frozen=True)
class Measure:
    """How one metric is measured."""

    function: MetricFunction
    preparation: Preparation
    normalisation: str
    minimum_rows: int

    def __call__(self, z: npt.NDArray[np.floating]) -> tuple[float, str | None]:
        """Value of the metric on rows z (n, d), or NaN and the reason why these rows have none."""
        if len(z) < self.minimum_rows:
            return math.nan, f"{len(z)} rows, expected at least {self.minimum_rows}"
        try:
            value = self.function(prepare(z, self.preparation))
        except ValueError as error:  # rows for which the metric is not defined: the table says so
            return math.nan, str(error)
        return value / NORMALISERS[self.normalisation](len(z), z.shape[1]), None


def text_sinks(states: npt.NDArray[np.floating], multiple: float) -> npt.NDArray[np.bool_]:
    """Tokens of a text, (layers, tokens, width), that are a sink at some layer: (tokens,).

    They are left out at every layer, so that a curve without sinks is over the same tokens at every depth.
    """
    norms = [row_norms(layer.astype(np.float64)) for layer in states]
    sinks: npt.NDArray[np.bool_] = np.any([find_sinks(one, multiple=multiple) for one in norms], axis=0)
    return sinks


def measure_text(states: npt.NDArray[np.floating], measure: Measure, *, sink_multiple: float) -> pd.DataFrame:
    """Measure one text, (layers, tokens, width), with all its tokens and without its sink tokens."""
    with_all = [measure(layer) for layer in states]
    try:
        sinks = text_sinks(states, sink_multiple)
    except ValueError as error:  # most tokens are zero at some layer: the table says so
        without: list[tuple[float, str | None]] = [(math.nan, str(error))] * len(states)
    else:
        without = [measure(layer[~sinks]) for layer in states] if sinks.any() else with_all
    return pd.DataFrame(
        [
            {"row": row, "sinks": name, "value": value, "reason": reason}
            for name, values in (("with", with_all), ("without", without))
            for row, (value, reason) in enumerate(values)
        ]
    )


def measure_texts(
    texts: Iterable[npt.NDArray[np.floating]], measure: Measure, *, sink_multiple: float, threads: int
) -> list[pd.DataFrame]:
    """Measure texts in parallel, one a thread with LAPACK held to one: small matrices do not gain from more."""
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(partial(measure_text, measure=measure, sink_multiple=sink_multiple), texts))


def measure_corpus(
    z: npt.NDArray[np.floating], weights: npt.NDArray[np.int64], measure: Measure, *, level: float
) -> tuple[float, float, float, str | None]:
    """Measure the texts of a corpus at one layer, (texts, width), with a bootstrap interval.

    `weights` (samples, texts) says how often each sample draws each text. A sample that draws a text twice spans fewer
    directions than the corpus, so its entropy is too low; only the spread of the samples about their mean is used, and
    put around the value of the whole corpus, no further than an entropy can reach.
    """
    value, reason = measure(z)
    if reason is not None:
        return math.nan, math.nan, math.nan, reason
    replicates = np.array([measure(np.repeat(z, row, axis=0))[0] for row in weights])
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(replicates - replicates.mean(), [tail, 100 - tail])
    highest = NORMALISERS["max"](*z.shape) / NORMALISERS[measure.normalisation](*z.shape)
    return value, max(value + float(low), 0.0), min(value + float(high), highest), None


def measure_layers(
    layers: Iterable[npt.NDArray[np.floating]],
    weights: npt.NDArray[np.int64],
    measure: Measure,
    *,
    level: float,
    threads: int,
) -> pd.DataFrame:
    """Measure a corpus at every layer: columns row, value, low, high, reason."""
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(partial(measure_corpus, weights=weights, measure=measure, level=level), layers))
    frame = pd.DataFrame(found, columns=["value", "low", "high", "reason"])
    return frame.assign(row=np.arange(len(frame)), sinks="none")
