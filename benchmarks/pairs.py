"""How two sides are timed and compared: in turn, A B A B, so that both see the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Literal

# What fathom took and what the other side took, in seconds or in any one unit.
Pairs = list[tuple[float, float]]


@dataclass(frozen=True)
class Aim:
    """What a ratio should be."""

    sense: Literal["at least", "at most"]
    limit: float

    def met(self, ratio: float) -> bool:
        """Whether a ratio is as it should be."""
        return ratio >= self.limit if self.sense == "at least" else ratio <= self.limit


@dataclass(frozen=True)
class Comparison:
    """One line of the table: fathom against something else, the same work on both sides."""

    name: str
    against: str
    unit: str
    pairs: Pairs
    aim: Aim | None

    @property
    def ratios(self) -> list[float]:
        """Fathom divided by the other side, pair by pair."""
        return [ours / theirs for ours, theirs in self.pairs]

    @property
    def medians(self) -> tuple[float, float]:
        """Median of either side."""
        return median(ours for ours, _ in self.pairs), median(theirs for _, theirs in self.pairs)


def clock(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleave(ours: Callable[[], float], theirs: Callable[[], float], count: int) -> Pairs:
    """Run both sides `count` times in turn. Each returns its own seconds, so that it can tidy up outside of them."""
    return [(ours(), theirs()) for _ in range(count)]


def speeds(seconds: Pairs, amount: float) -> Pairs:
    """Amount of work a second, from the seconds of either side."""
    return [(amount / ours, amount / theirs) for ours, theirs in seconds]
