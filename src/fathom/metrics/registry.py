"""The metrics that the workflow computes: what each is called, reads and means, and where its code is. Imports none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric: its wording for figures, reports and documentation, and how to run it."""

    name: str
    """Name in the config and in file names."""
    title: str
    """Name in a figure's title or a table."""
    symbol: str
    """Symbol in a formula or beside an axis."""
    unit: str
    """Unit of the value as computed."""
    low: str
    """Lowest value, and what it means."""
    high: str
    """Highest value, and what it means."""
    direction: str
    """What a lower value says."""
    reference: str
    """Where the definition is from."""
    reads: Literal["tokens", "mean"]
    """`tokens`: the token states of a text, one value a text. `mean`: the mean states of all texts, one a corpus."""
    module: str
    """Module of the function. The job is re-run when this module, or one that it imports, changes."""
    function: str
    """Name of the function: rows of states (n, d) in, one number out."""
    minimum_rows: int
    """Fewest rows for which the metric has a meaning."""
    normalise: bool
    """Whether figures divide the value by log min(n, d), its upper bound."""


_SKEAN_2025 = "Skean et al. 2025, arXiv:2502.02013"

_METRICS = (
    Metric(
        name="prompt_entropy",
        title="Prompt entropy",
        symbol="S₁",
        unit="nats",
        low="0 (all tokens of a text in one direction)",
        high="log min(tokens, width) (all directions used alike)",
        direction="lower: the tokens of a text are compressed into fewer directions",
        reference=f"{_SKEAN_2025}, Eq. 1",
        reads="tokens",
        module="fathom.metrics.entropy",
        function="matrix_entropy",
        minimum_rows=2,
        normalise=True,
    ),
    Metric(
        name="dataset_entropy",
        title="Dataset entropy",
        symbol="S₁",
        unit="nats",
        low="0 (all texts in one direction)",
        high="log min(texts, width) (all directions used alike)",
        direction="lower: the texts of the corpus are compressed into fewer directions",
        reference=f"{_SKEAN_2025}, Eq. 1 over the mean states of the texts",
        reads="mean",
        module="fathom.metrics.entropy",
        function="matrix_entropy",
        minimum_rows=2,
        normalise=True,
    ),
    Metric(
        name="curvature",
        title="Curvature",
        symbol="C",
        unit="rad",
        low="0 (tokens on a straight line)",
        high="π (the path turns back at every token)",
        direction="lower: the path from token to token is straighter",
        reference=f"{_SKEAN_2025}, after Hosseini and Fedorenko 2023, arXiv:2311.04930",
        reads="tokens",
        module="fathom.metrics.geometry",
        function="curvature",
        minimum_rows=3,
        normalise=False,
    ),
    Metric(
        name="effective_rank",
        title="Effective rank",
        symbol="erank",
        unit="dimensions",
        low="1 (all tokens of a text in one direction)",
        high="min(tokens, width) (all directions used alike)",
        direction="lower: the tokens of a text span fewer directions",
        reference="Roy and Vetterli 2007, EUSIPCO",
        reads="tokens",
        module="fathom.metrics.geometry",
        function="effective_rank",
        minimum_rows=2,
        normalise=False,
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _METRICS}
