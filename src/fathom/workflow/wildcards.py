"""The wildcards of a job, as Snakemake hands them to what the rules ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wildcards:
    """Names that tell one job of a rule from another. Snakemake brings its own object, with those that a rule has."""

    model: str = ""
    training: str = ""
    corpus: str = ""
    shard: str = ""
    metric: str = ""
    text_metric: str = ""
    experiment: str = ""
    order: str = ""
    task: str = ""
    figure: str = ""


Inputs = Any
"""The input files of a job by their names in the rule: paths, or lists of them. Snakemake's own class is untyped."""
