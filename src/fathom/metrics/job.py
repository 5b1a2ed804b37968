"""What one job of the metrics stage is told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from fathom.schema import NOT_EXPECTED, Name, Settings


def _listed(value: Any) -> Any:
    """One preparation may be written without brackets."""
    return (value,) if isinstance(value, str) else value


def _once(forms: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(forms)) != len(forms):
        raise PydanticCustomError(NOT_EXPECTED, "expected every preparation once")
    return forms


Prepared = Literal["none", "rows", "centred"]
Form = Literal["none", "rows", "centred", "as_published"]
Preparations = Annotated[tuple[Prepared, ...], BeforeValidator(_listed), Field(min_length=1), AfterValidator(_once)]
Forms = Annotated[tuple[Form, ...], BeforeValidator(_listed), Field(min_length=1), AfterValidator(_once)]
Normalisation = Literal["raw", "logN", "logD", "max"]


class Measured(Settings):
    """One metric of a job, and how it is measured."""

    metric: Name
    forms: tuple[Form, ...] = ()
    normalisation: Normalisation = "raw"
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the metric's function."""
    samples: int = 0
    label: Name | None = None


class MetricJob(Settings):
    """What one job of the metrics stage is told."""

    model: Name
    corpus: Name
    measured: Annotated[tuple[Measured, ...], Field(min_length=1)]
    sink_multiple: float
    looking: float
    positions: int
    level: float
    seed: int
