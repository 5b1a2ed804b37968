"""The settings of one job of the nursery stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from fathom.schema import Name, Seed, Settings


class TrainingJob(Settings):
    """One training. The architectures that there are stand in fathom.nursery.settings, which no job reads."""

    name: Name
    """Of the training."""
    module: Annotated[str, StringConstraints(pattern=r"^fathom\.nursery\.architectures\.\w+$")]
    """Module that builds the model."""
    shape: dict[str, Any]
    """Arguments of the module's `build`: plain JSON values."""
    objective: Literal["next", "masked"]
    """What is predicted."""
    text: Name
    """Corpus that is trained on."""
    apart_from: tuple[Name, ...] = ()
    """Corpora whose texts are not trained on."""
    held_out: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Share of the documents that is held out."""
    vocabulary: Annotated[int, Field(ge=262)]
    """Tokens of the tokenizer."""
    context: Annotated[int, Field(ge=8)]
    """Tokens of a window."""
    batch: Annotated[int, Field(ge=1)]
    """Windows of a step."""
    steps: Annotated[int, Field(ge=1)]
    """Steps of the training."""
    learning_rate: Annotated[float, Field(gt=0.0)]
    """Highest learning rate."""
    warmup: Annotated[int, Field(ge=0)]
    """Steps of the warm-up."""
    weight_decay: Annotated[float, Field(ge=0.0)]
    """Weight decay of matrices."""
    masked: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Share of the tokens that are predicted, of masked ones."""
    seed: Seed
    """Seed of weights, batches, masks and of the documents held out."""
