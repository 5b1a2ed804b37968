"""Metrics bound to settings, as the jobs of the metrics stage bind them: shared by the tests of that stage."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fathom.metrics.job import Measured
from fathom.metrics.measure import Measure, make_measure
from fathom.metrics.settings import METRICS

ARGUMENTS: dict[str, dict[str, Any]] = {
    "prompt_entropy": {"alpha": 1.0},
    "curvature": {"k": 1},
    "dataset_entropy": {"alpha": 1.0},
    "intrinsic_dimension": {"fractions": (1.0, 0.5), "draws": 4, "seed": 0},
    "label_overlap": {"k": 3},
    "infonce": {"temperature": 0.1, "both": False},
    "dime": {"alpha": 1.0, "permutations": 5, "seed": 0},
    "lidar": {"ridge": 1e-4},
    "neighbourhood_overlap": {"k": 3},
    "sinks": {"positions": 64},
}


def measured(metric: str, *forms: str, arguments: dict[str, Any] | None = None, **settings: Any) -> Measured:
    """Settings of a metric in a job; the arguments of its function are those above where not given."""
    chosen = {
        "forms": forms,
        "normalisation": "raw",
        "samples": 0,
        "label": None,
        "arguments": ARGUMENTS.get(metric, {}) | (arguments or {}),
    }
    return Measured.model_validate(METRICS[metric]().measured(seed=0).model_dump() | chosen | settings)


def measure(metric: str, *forms: str, arguments: dict[str, Any] | None = None, **settings: Any) -> Measure:
    """The same, bound to its function."""
    return make_measure(measured(metric, *forms, arguments=arguments, **settings))


def only(table: pd.DataFrame, **chosen: object) -> pd.DataFrame:
    """Rows of a table with these entries."""
    for column, value in chosen.items():
        table = table[table[column] == value]
    return table
