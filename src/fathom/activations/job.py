"""The settings of one job of the activations stage."""

from __future__ import annotations

from pydantic import Field

from fathom.activations.settings import KeptActivations
from fathom.schema import Name, Settings
from fathom.store.layout import Dtype


class ExtractionSettings(Settings):
    """The settings of one extraction job."""

    model: Name
    corpus: Name
    dtype: Dtype
    shard: int = Field(ge=0)
    activations: KeptActivations
