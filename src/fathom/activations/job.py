"""What one job of the activations stage is told."""

from __future__ import annotations

from pydantic import Field

from fathom.activations.settings import KeptActivations
from fathom.schema import Name, Settings
from fathom.store.layout import Dtype


class ExtractionSettings(Settings):
    """What one extraction job is told."""

    model: Name
    corpus: Name
    dtype: Dtype
    shard: int = Field(ge=0)
    activations: KeptActivations
