"""Which metrics are measured, on which corpora, and on which preparation of the states."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fathom.settings import Name, Settings


class MetricSettings(Settings):
    """Settings of one metric."""

    preparation: Literal["none", "rows", "centred"] = "centred"
    """What is done to the states first: `none` (the papers' formulas), `rows` (unit rows), `centred` (centre, then unit
    rows, as the papers' public code does)."""


class EntropySettings(MetricSettings):
    """Settings of a matrix-based entropy."""

    alpha: Annotated[float, Field(gt=0.0)] = 1.0
    """Order of the entropy; 1 is the von Neumann entropy, which both papers use."""
    normalisation: Literal["raw", "logN", "logD", "max"] = "max"
    """Divide by log rows, log width, or the smaller of both (`max`), so that texts of different length compare."""


class CorpusEntropySettings(EntropySettings):
    """Settings of an entropy over the texts of a corpus."""

    bootstrap: Annotated[int, Field(ge=100)] = 200
    """Bootstrap samples, an eigendecomposition a layer each. With 200 the ends err by about 5 % of the width."""


class MetricsSettings(Settings):
    """Metrics by name; null leaves one out."""

    corpora: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Corpora to measure; all without marked spans if left out."""
    sink_multiple: Annotated[float, Field(ge=1.0)] = 20.0
    """A token is a sink where its norm exceeds so many times the median norm of its text at some layer. In the 80 Bible
    texts of the default run SmolLM2's first token reaches 142 to 192 times; 77 of them have no other above 20."""
    prompt_entropy: EntropySettings | None = EntropySettings()
    """Entropy over the tokens of a text."""
    dataset_entropy: CorpusEntropySettings | None = CorpusEntropySettings()
    """Entropy over the mean states of the texts of a corpus."""
    curvature: MetricSettings | None = MetricSettings()
    """Mean angle between steps from token to token."""
    effective_rank: MetricSettings | None = MetricSettings()
    """Dimensions that the tokens of a text span."""


class MetricJob(Settings):
    """What one job of the metrics stage is told."""

    model: Name
    corpus: Name
    metric: Name
    preparation: Literal["none", "rows", "centred"]
    normalisation: Literal["raw", "logN", "logD", "max"] = "raw"
    arguments: dict[str, float] = Field(default_factory=dict)
    """Arguments of the metric's function."""
    sink_multiple: float
    bootstrap: int
    level: float
    seed: int
