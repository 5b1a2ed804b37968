"""The settings of one job of the activations stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fathom.activations.settings import KeptActivations, SinkSettings, StartToken
from fathom.schema import Name, Settings, Uncertainty
from fathom.store.layout import Dtype


class ExtractionSettings(Settings):
    """The settings of one extraction job."""

    model: Name
    corpus: Name
    dtype: Dtype
    shard: int = Field(ge=0)
    activations: KeptActivations


class LossSettings(Settings):
    """The settings of a job that measures losses with and without sinks."""

    model: Name
    corpus: Name
    dtype: Dtype
    sinks: SinkSettings
    max_tokens: int | None
    truncate: bool
    start_token: StartToken
    device: Literal["auto", "cpu", "cuda"]
    uncertainty: Uncertainty
