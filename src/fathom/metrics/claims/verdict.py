"""Verdicts on claims: an estimate, its interval by resampling, and whether it agrees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fathom.metrics.claims.rows import Curves, Level
from fathom.statistics.resampling import bootstrap_mean
from fathom.statistics.words import three_digits


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What this run says to a claim."""

    statement: str
    """What was found; models stand in it as `marked` gives them."""
    statistic: str
    """What the number is."""
    value: float
    """The number."""
    agrees: bool | None
    """Whether the run agrees with the claim; None where it cannot be decided."""
    metric: str
    """The metric that it is of."""
    models: tuple[str, ...] = ()
    """The models that are compared, or the one model."""
    corpus: str = ""
    sinks: str = ""
    layer: int | None = None
    """Where one layer is judged."""
    low: float = math.nan
    """Its interval; NaN where it has none."""
    high: float = math.nan
    """Its interval; NaN where it has none."""
    p: float = math.nan
    """Its p value, where it is judged by one."""
    texts: int | None = None
    """Texts that it is over, where it is over single texts."""
    groups: int | None = None
    """Groups of these texts."""
    why: str = ""
    """Why it cannot be decided, where the interval does not say so."""


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How intervals and null distributions are made."""

    samples: int
    level: float
    seed: int


def verdict_on_texts(
    statement: str,
    statistic: str,
    values: pd.Series,
    curves: Sequence[Curves],
    resampling: Resampling,
    *,
    expected: int,
) -> Verdict:
    """On which side of zero the mean of one number a text lies; `expected` is 1 for above, -1 for below.

    `curves` are those that the numbers come from, of one corpus and choice of tokens; the first has the groups.
    """
    first = curves[0]
    if values.empty:
        msg = f"{first.metric}: {first.model} on {first.corpus}: {statistic}: no text has a value everywhere"
        raise ValueError(msg)
    low, high = _interval(values, first, resampling)
    return Verdict(
        statement=statement,
        statistic=statistic,
        value=float(values.mean()),
        low=low,
        high=high,
        agrees=_side(low, high, expected),
        why="" if math.isfinite(low) else "texts of a single group, nothing to resample",
        metric=first.metric,
        models=tuple(one.model for one in curves),
        corpus=first.corpus,
        sinks=first.sinks,
        texts=len(values),
        groups=int(first.groups.loc[values.index].nunique()),
    )


def verdict_on_corpora(statement: str, statistic: str, *, small: Level, large: Level, expected: int) -> Verdict:
    """On which side of zero the difference between two levels lies, their errors taken as independent.

    They are of the same texts, so that their errors rather go together, and the interval is rather too wide.
    """
    difference = large.value - small.value
    low = difference - math.hypot(large.below, small.above)
    high = difference + math.hypot(large.above, small.below)
    return Verdict(
        statement=statement,
        statistic=statistic,
        value=difference,
        low=low,
        high=high,
        agrees=_side(low, high, expected),
        why="" if math.isfinite(low) else "no interval",
        metric=small.metric,
        models=(small.model, large.model),
        corpus=small.corpus,
        sinks=small.sinks,
    )


def _interval(values: pd.Series, curves: Curves, resampling: Resampling) -> tuple[float, float]:
    names = curves.groups.loc[values.index].to_numpy()
    if len(set(names)) < 2:
        return math.nan, math.nan
    _, low, high = bootstrap_mean(
        values.to_numpy(dtype=np.float64)[:, None],
        names,
        samples=resampling.samples,
        level=resampling.level,
        seed=resampling.seed,
    )
    return float(low[0]), float(high[0])


def _side(low: float, high: float, expected: int) -> bool | None:
    if low > 0 or high < 0:
        return (low > 0) == (expected > 0)
    return None


def mean_with_interval(values: pd.Series, curves: Curves, resampling: Resampling) -> str:
    """The mean of one number a text, with its interval where there is one."""
    low, high = _interval(values, curves, resampling)
    interval = f" [{three_digits(low)}, {three_digits(high)}]" if math.isfinite(low) else ""
    return f"{three_digits(float(values.mean()))}{interval}"
