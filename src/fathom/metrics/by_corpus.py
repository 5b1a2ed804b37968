"""Metrics of all texts of a corpus: one value a layer, with an interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from fathom.metrics.job import Form
from fathom.metrics.measure import Measure, Value
from fathom.metrics.parallel import in_parallel
from fathom.metrics.preparation import prepare
from fathom.statistics.resampling import half_sample_interval
from fathom.statistics.words import counted

States = npt.NDArray[np.floating]
Names = npt.NDArray[np.object_]
COLUMNS = ["row", "preparation", "variant", "value", "raw", "low", "high", "error", "texts", "reason"]


def measure_corpus(
    layers: Sequence[Sequence[States]],
    measure: Measure,
    *,
    halves: npt.NDArray[np.bool_],
    labels: Names | None,
    level: float,
    threads: int,
    advance: Callable[[int], object] = lambda _: None,
) -> pd.DataFrame:
    """Measure the texts of a corpus at every layer; returns a data frame with COLUMNS, `row` says which layer.

    `layers` gives for each layer the states (texts, width) of every view that the metric reads, all in one order of
    texts. `halves` (samples, texts) marks the half samples behind the intervals; `labels` (texts,) is for a metric that
    reads them. `advance` hears of every layer that is done.
    """
    function = partial(_measure_layer, measure=measure, halves=halves, labels=labels, level=level)
    found = in_parallel(function, layers, threads=threads, advance=advance)
    rows = [{"row": row, **one} for row, estimates in enumerate(found) for one in estimates]
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def _measure_layer(
    views: Sequence[States], *, measure: Measure, halves: npt.NDArray[np.bool_], labels: Names | None, level: float
) -> list[dict[str, object]]:
    estimates: list[dict[str, object]] = []
    for form in measure.forms:
        try:
            found = (
                list(_values_by_scale(views, measure, form, level))
                if measure.settings.by_scale
                else [_estimate(views, measure, form, halves, labels, level)]
            )
        except ValueError as error:  # states for which the metric is not defined: the table says so
            found = [{"value": np.nan, "raw": np.nan, "reason": str(error)}]
        estimates += [{"preparation": form, "texts": len(views[0]), **one} for one in found]
    return estimates


def _estimate(
    views: Sequence[States],
    measure: Measure,
    form: Form,
    halves: npt.NDArray[np.bool_],
    labels: Names | None,
    level: float,
) -> dict[str, object]:
    found = evaluate(views, measure, form, labels)
    replicates = []
    for half in halves:
        chosen = None if labels is None else labels[half]
        try:
            replicates.append(evaluate([view[half] for view in views], measure, form, chosen).value)
        except ValueError:  # a half for which the metric is not defined: then there is no interval
            replicates.append(np.nan)
    low, high = half_sample_interval(found.value, replicates, halves, level=level)
    return {"value": found.value, "raw": found.raw, "low": float(low), "high": float(high), "error": found.error}


def evaluate(views: Sequence[States], measure: Measure, form: Form, labels: Names | None) -> Value:
    """What a metric gives on one layer.

    Raises ValueError where the metric is not defined for these states.
    """
    texts, width = views[0].shape
    if texts < measure.settings.minimum_rows:
        msg = f"{counted(texts, 'text')}, expected at least {measure.settings.minimum_rows}"
        raise ValueError(msg)
    stacked = measure.settings.views is None
    if form == "as_published":
        return measure.as_published(*([np.stack(views, axis=1)] if stacked else views))
    prepared = [prepare(view, form) for view in views]
    arguments: list[object] = [np.stack(prepared, axis=1)] if stacked else list(prepared)
    if labels is not None:
        arguments.append(labels)
    return measure.normalised(measure.function(*arguments), texts, width)


def _values_by_scale(
    views: Sequence[States], measure: Measure, form: Form, level: float
) -> Iterator[dict[str, object]]:
    """The metric's own standard error makes the interval, since half of the points would be another scale."""
    if form == "as_published":
        msg = f"the public code has no form of {measure.name}"
        raise ValueError(msg)
    quantile = float(ndtri((1 + level) / 2))
    for fraction in measure.function.keywords["fractions"]:
        # One name for a scale at every layer and on every corpus, whether it has a value there or not.
        name = "all texts" if fraction == 1.0 else f"{fraction:.3g} of the texts"
        scale = {"variant": name, "texts": math.floor(len(views[0]) * fraction)}
        try:
            ((_, value, error),) = measure.function(prepare(views[0], form), fractions=(fraction,))
        except ValueError as why:  # too few texts for this scale, or equal ones: the table says so
            yield {**scale, "value": np.nan, "raw": np.nan, "reason": str(why)}
            continue
        yield {
            **scale,
            "value": value,
            "raw": value,
            "low": max(value - quantile * error, 0.0),
            "high": value + quantile * error,
            "error": error,
        }
