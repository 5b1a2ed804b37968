"""What all metrics have in common when they are measured: settings bound to a function, and NaN with a reason."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from fathom.metrics.checks import FloatArray, MeanOfAngles
from fathom.metrics.job import Form, Measured, Normalisation

CURVE_COLUMNS = [
    "text",
    "group",
    "view",
    "site",
    "layer",
    "depth",
    "preparation",
    "sinks",
    "variant",
    "value",
    "raw",
    "low",
    "high",
    "error",
    "angles",
    "chance",
    "texts",
    "repeats",
    "reason",
]
# The variants of the public code of skean2025 by the names that fathom gives them.
PUBLISHED_VARIANTS = {"raw": "raw", "logN": "logN", "logD": "logD", "max": "maxEntropy"}


@dataclass(frozen=True)
class Value:
    """What a metric gives."""

    value: float
    """Normalised as the settings say."""
    raw: float
    """In the metric's own unit."""
    error: float = math.nan
    """Standard error that the method itself brings, in that unit; NaN if none."""
    angles: float = math.nan
    """Angles that it is a mean over; NaN if of none."""


@dataclass(frozen=True)
class Measure:
    """One metric of a job, bound to its settings."""

    settings: Measured
    function: partial[Any]
    """The metric in the paper's form."""
    published: Callable[..., float | tuple[float, float] | MeanOfAngles | Mapping[str, float]] | None
    """The metric in the form of the public code, of raw states."""
    chance: Callable[[Any], float] | None
    """The value by chance, of the texts' labels."""
    attention: Callable[[Any], FloatArray] | None
    """The metric of the attention maps of a text, (blocks, heads)."""

    @property
    def name(self) -> str:
        """The metric's name."""
        return self.settings.name

    @property
    def forms(self) -> tuple[Form, ...]:
        """Preparations of the states."""
        return self.settings.forms

    def normalised(self, found: float | tuple[float, float] | MeanOfAngles, rows: int, width: int) -> Value:
        """What the paper's form gave for states (rows, width), divided as the settings say.

        Raises ValueError for states of one row or column, whose logarithm is 0.
        """
        if isinstance(found, MeanOfAngles):
            return Value(found.value, found.value, angles=found.angles)
        raw, error = found if isinstance(found, tuple) else (found, math.nan)
        divisor = _divisor(self.settings.normalisation, rows, width)
        if divisor == 0.0:
            msg = f"states ({rows}, {width}): normalisation {self.settings.normalisation} divides by the logarithm of 1"
            raise ValueError(msg)
        return Value(raw / divisor, raw, error)

    def as_published(self, *states: Any) -> Value:
        """What the public code gives for raw states."""
        if self.published is None:
            msg = f"metric {self.name} has no form of its own in the public code"
            raise ValueError(msg)
        found = self.published(*states)
        if isinstance(found, Mapping):
            return Value(found[PUBLISHED_VARIANTS[self.settings.normalisation]], found["raw"])
        if isinstance(found, MeanOfAngles):
            return Value(found.value, found.value, angles=found.angles)
        return Value(found[0], *found) if isinstance(found, tuple) else Value(found, found)


def _divisor(normalisation: Normalisation, rows: int, width: int) -> float:
    match normalisation:
        case "raw":
            return 1.0
        case "logN":
            return math.log(rows)
        case "logD":
            return math.log(width)
        case "max":
            return math.log(min(rows, width))


def make_measure(settings: Measured) -> Measure:
    """Find the functions of a metric and bind them to its settings."""
    # By its name: a job runs again when the code of its own metrics changes, and imports that of no other.
    module = importlib.import_module(settings.module)
    published = None
    if settings.published is not None:
        bound = settings.arguments if settings.published_arguments else {}
        published = partial(getattr(module, settings.published), **bound)
    return Measure(
        settings=settings,
        function=partial(getattr(module, settings.function), **settings.arguments),
        published=published,
        chance=None if settings.chance is None else getattr(module, settings.chance),
        attention=None if settings.attention is None else getattr(module, settings.attention),
    )
