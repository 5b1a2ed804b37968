"""Verdicts on claims: an estimate, its interval by resampling, and whether it agrees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fathom.figures.claims.rows import Curves, Level
from fathom.figures.drawing.text import three_digits
from fathom.statistics.resampling import bootstrap_mean


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What this run says to a claim."""

    statement: str
    """What was found."""
    statistic: str
    """What the number is."""
    value: float
    """The number."""
    low: float = math.nan
    """Its interval; NaN where it has none."""
    high: float = math.nan
    """Its interval; NaN where it has none."""
    p: float | None = None
    """Its p value, where it is judged by one."""
    agrees: bool | None
    """Whether the run agrees with the claim; None where it cannot be decided."""
    why: str = ""
    """Why it cannot be decided, where the interval does not say so."""

    def __str__(self) -> str:
        """One line for a caption."""
        word = {True: "agrees", False: "disagrees", None: "undecided"}[self.agrees]
        interval = f" [{three_digits(self.low)}, {three_digits(self.high)}]" if math.isfinite(self.low) else ""
        p = "" if self.p is None else f", p = {self.p:.2g}"
        reason = f" ({self.why})" if self.why else ""
        number = f" {three_digits(self.value)}{interval}{p}" if math.isfinite(self.value) else ""
        return f"{self.statement}: {self.statistic}{number}: {word}{reason}."


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How intervals and null distributions are made."""

    samples: int
    level: float
    seed: int


def verdict_on_texts(
    statement: str, statistic: str, values: pd.Series, groups: pd.Series, resampling: Resampling, *, expected: int
) -> Verdict:
    """On which side of zero the mean of one number a text lies; `expected` is 1 for above, -1 for below."""
    if values.empty:
        msg = f"{statement}: no text has a value everywhere"
        raise ValueError(msg)
    low, high = _interval(values, groups, resampling)
    return Verdict(
        statement=statement,
        statistic=statistic,
        value=float(values.mean()),
        low=low,
        high=high,
        agrees=_side(low, high, expected),
        why="" if math.isfinite(low) else "texts of a single group, nothing to resample",
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
    )


def _interval(values: pd.Series, groups: pd.Series, resampling: Resampling) -> tuple[float, float]:
    names = groups.loc[values.index].to_numpy()
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
    low, high = _interval(values, curves.groups, resampling)
    interval = f" [{three_digits(low)}, {three_digits(high)}]" if math.isfinite(low) else ""
    return f"{three_digits(float(values.mean()))}{interval}"
