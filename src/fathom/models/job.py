"""The settings of one job of the models stage."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from fathom.models.sizes import Part
from fathom.schema import Name, Settings


class ModelJob(Settings):
    """One model. The kinds of sources that there are stand in fathom.models.settings, which no job reads."""

    name: Name
    """Of the model."""
    module: Annotated[str, StringConstraints(pattern=r"^fathom\.models\.sources\.\w+$")]
    """Module that brings its checkpoint."""
    source: dict[str, Any]
    """Where it comes from, as the manifest says: the kind of source and the arguments of the module's `bring`."""
    base: Name | None = None
    """The model whose shape it has, or the training that it is a checkpoint of."""
    part: Part | None = None
    """The half of an encoder-decoder that is described; the encoder if left out."""
    depth: Annotated[int, Field(ge=1)] | None = None
    """Number of blocks that it must have, if that is known."""
