"""Where a model comes from, and in which precision it runs: one class a kind of source."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from fathom.io.strict_json import read_json
from fathom.models.folders import what_it_is
from fathom.schema import (
    NOT_EXPECTED,
    Line,
    Name,
    PathLine,
    Repository,
    Revision,
    Seed,
    Settings,
    Wheel,
    is_commit,
    named_revision,
)

# Files of a folder that a checkpoint may need. Of any other name Snakemake might read more in it than a name.
CHECKPOINT_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.(json|safetensors|txt|model)")
LARGEST_CONFIG = 8 << 20  # bytes of a model's config.json


class Checkpoint(NamedTuple):
    """What a model is a checkpoint of."""

    entry: str
    """Name of the entry in the config."""
    label: str
    """Its name in figures."""
    step: int
    """Step of the training."""


STEP_IN_NAME = re.compile(r"step[-_]?(\d+)", re.IGNORECASE)
Steps = Annotated[int, Field(ge=0)]


class Model(Settings):
    """What the workflow asks of a model, whatever its source."""

    label: Line | None = None
    """Name in figures; the key if left out."""
    note: Line | None = None
    """What every figure made from this model must say, for example that its weights are 4-bit ones."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of weights and computation. float32 by default: on a CPU it is the fast one."""
    part: Literal["encoder", "decoder"] | None = None
    """Which half of an encoder-decoder (T5, BART) runs; the encoder if left out. The decoder reads the text's own
    tokens, not shifted, and attends to the encoder's states of the same text."""
    depth: Annotated[int, Field(ge=1)] | None = None
    """Number of blocks. Only needed to name single layers before the model is fetched; checked when it is loaded."""

    module: ClassVar[str]
    """Module that brings its checkpoint, by its function `bring(place, **options)`."""
    random: ClassVar[bool] = False
    """Whether its weights are random ones: a control."""
    ablated: ClassVar[bool] = False
    """Whether sinks are taken away as it runs."""
    derived: ClassVar[bool] = False
    """Whether it is made of another model of the config. Probes and tasks leave such models out unless they name them,
    and nothing else is made of them."""
    _checkpoint: Checkpoint | None = PrivateAttr(default=None)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The entry that it is a checkpoint of, and its step; none of a model that stands for itself."""
        return self._checkpoint

    def expanded(self, name: str, trainings: Mapping[str, Sequence[int]]) -> dict[str, Self]:  # noqa: ARG002 - of the nursery
        """The models that an entry of this name stands for: itself, or its checkpoints by name, in order of steps.

        `trainings` are the steps of each training of the nursery. Errors: ValueError if it has no such step.
        """
        return {name: self}

    def _at_steps(self, name: str, changes: Mapping[int, Mapping[str, object]]) -> dict[str, Self]:
        """Its checkpoints, each with some fields of its own."""
        found = {}
        for step, change in sorted(changes.items()):
            label = f"{self.label or name}, step {step:,}"
            one = self.model_copy(update={**change, "checkpoints": None, "label": label})
            one._checkpoint = Checkpoint(name, self.label or name, step)
            found[f"{name}-step{step}"] = one
        return found

    def series_origin(self) -> str:
        """Where all its checkpoints come from, in a few words for captions."""
        return self.origin()

    @property
    def described(self) -> dict[str, Any]:
        """Where it comes from, as its manifest says; without what changes no file of it.

        Nor with the list of checkpoints, each of which stands for itself.
        """
        return self.model_dump(mode="json", exclude={"label", "note", "dtype", "part", "depth", "checkpoints"})

    @property
    def required_files(self) -> tuple[tuple[str, str, str], ...]:
        """Files of the user's: the option that names where one is, its path, and what must be there."""
        return ()

    @property
    def files(self) -> tuple[str, ...]:
        """Files of the user's that it is made of, or the address of their folder; none of what is fetched."""
        return ()

    @property
    def own_folder(self) -> Path | None:
        """The user's folder that it is made of."""
        return None

    @property
    def base(self) -> str | None:
        """Name of the model whose shape it has."""
        return None

    @property
    def training(self) -> str | None:
        """Name of the training that it is a checkpoint of."""
        return None

    @property
    def pinned(self) -> bool:
        """Whether what is fetched is the same at any time."""
        return True

    def known_depth(self) -> int | None:
        """Number of blocks as far as it is known before the model is fetched."""
        return self.depth

    def origin(self) -> str:
        """Where it comes from, in a few words for captions."""
        raise NotImplementedError


class WheelModel(Model, Wheel):
    """A model inside a wheel on the package index: a GGUF file or a safetensors folder."""

    source: Literal["wheel"]

    module: ClassVar[str] = "fathom.models.sources.wheel"

    def origin(self) -> str:
        """Package and version."""
        return f"{self.package} {self.version}"


class HubModel(Model):
    """A model on the Hugging Face hub. Only safetensors are read, and no code of the repository runs."""

    source: Literal["hub"]
    repository: Repository
    """Repository, for example EleutherAI/pythia-410m."""
    revision: Revision | None = None
    """Commit hash (40 hexadecimal digits), branch or tag; the default branch if left out. A branch or tag is looked up
    once: the commit that it led to is in the model's manifest, and stays until the setting changes or
    `results/models/{model}.commit.json` is deleted. A paper's config names full commit hashes."""

    checkpoints: dict[Steps, Revision] | tuple[Revision, ...] | None = None
    """Checkpoints of its training, in place of `revision`: revisions with their steps in their names, `[step1, step512,
    step143000]`, or steps with their revisions, `{1: 0fe7c663..., 512: ...}`. Each is a model of its own, called
    `{name}-step{step}`; where a figure names this entry, it shows all of them in the order of their steps."""

    module: ClassVar[str] = "fathom.models.sources.hub"

    @model_validator(mode="after")
    def _name_steps(self) -> Self:
        if self.checkpoints is not None:
            if self.revision is not None:
                expected = "expected revision or checkpoints, not both"
                raise PydanticCustomError(NOT_EXPECTED, expected)
            named = [*self.checkpoints]
            unnumbered = [one for one in named if isinstance(one, str) and not STEP_IN_NAME.search(one)]
            steps = self._steps() if not unnumbered else {}
            if unnumbered or len(steps) != len(named) or not named:
                expected = "expected checkpoints of different steps: [step1, step512], or {1: revision, 512: revision}"
                raise PydanticCustomError(NOT_EXPECTED, expected)
        return self

    def _steps(self) -> dict[int, str]:
        if isinstance(self.checkpoints, dict):
            return self.checkpoints
        found = [(STEP_IN_NAME.search(one), one) for one in self.checkpoints or ()]
        return {int(match[1]): one for match, one in found if match is not None}

    def expanded(self, name: str, trainings: Mapping[str, Sequence[int]]) -> dict[str, Self]:  # noqa: ARG002 - not of it
        """Its checkpoints, each at its revision."""
        if self.checkpoints is None:
            return {name: self}
        return self._at_steps(name, {step: {"revision": revision} for step, revision in self._steps().items()})

    def series_origin(self) -> str:
        """Repository."""
        return self.repository

    @property
    def pinned(self) -> bool:
        """Whether the revision is a full commit hash."""
        return is_commit(self.revision or "")

    def origin(self) -> str:
        """Repository and revision."""
        return f"{self.repository} at {named_revision(self.revision)}"


class PathModel(Model):
    """A folder of your own, as `save_pretrained` writes it: config.json, *.safetensors and a tokenizer."""

    source: Literal["path"]
    path: PathLine
    """The folder, relative to where Snakemake runs."""

    module: ClassVar[str] = "fathom.models.sources.folder"

    @property
    def required_files(self) -> tuple[tuple[str, str, str], ...]:
        """The config, which every checkpoint has."""
        return (("path", f"{self.path}/config.json", what_it_is(Path(self.path))),)

    @property
    def files(self) -> tuple[str, ...]:
        """What a checkpoint may need of the folder."""
        found = (path for path in Path(self.path).iterdir() if CHECKPOINT_FILE.fullmatch(path.name) and path.is_file())
        return tuple(sorted(map(str, found)))

    @property
    def own_folder(self) -> Path:
        """The folder itself."""
        return Path(self.path)

    def known_depth(self) -> int | None:
        """As its config.json says, unless the settings do."""
        if self.depth is not None:
            return self.depth
        try:
            config = read_json(Path(self.path) / "config.json", largest=LARGEST_CONFIG)
            return None if config.get("is_encoder_decoder") else int(config["num_hidden_layers"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # Another name for it, or not a config: the models stage says what is wrong.
            return None

    def origin(self) -> str:
        """That it is a folder of the user's."""
        return "local folder"


class RandomModel(Model):
    """Shape and tokenizer of another model with randomly initialised weights: a control, and step 0 of its training."""

    source: Literal["random"]
    of: Name
    """Name of the other model in the config."""
    seed: Seed = 0
    """Seed of the weights. Another one is another draw, for the spread among untrained models."""
    stored: bool = False
    """Whether the weights are stored, and take as much room as the other model's, in place of drawn whenever they are
    loaded. They have to be where a run mixes kinds of processors (x86 and ARM, say), which draw other numbers."""

    module: ClassVar[str] = "fathom.models.sources.random_weights"
    random: ClassVar[bool] = True
    derived: ClassVar[bool] = True

    @property
    def base(self) -> str:
        """The other model."""
        return self.of

    def origin(self) -> str:
        """Seed and shape."""
        return f"randomly initialised weights, seed {self.seed}, shape of {self.of}"


class AblatedModel(Model):
    """Another model whose attention sinks are taken away as it runs, after Queipo-de-Llano et al. (arXiv 2510.06477).

    Every text runs twice. The first pass finds its sink tokens (`activations.sinks`), and for each the layer at which
    its norm first exceeds the limit that makes it a sink. In the second pass the residual state of the token is
    rescaled there to the median norm of the text at that layer, and the rest of the model runs on from it. A text
    without a sink keeps its states. A figure of kind `ablation` sets both models side by side.
    """

    source: Literal["ablated-sinks"]
    of: Name
    """Name of the other model in the config: one that predicts the next token, since its loss is measured too."""

    module: ClassVar[str] = "fathom.models.sources.ablated_sinks"
    ablated: ClassVar[bool] = True
    derived: ClassVar[bool] = True

    @property
    def base(self) -> str:
        """The other model."""
        return self.of

    def origin(self) -> str:
        """What is done to which model."""
        return (
            f"{self.of}; each sink token rescaled to the median norm of its text at the layer where its norm exceeds "
            "the limit"
        )


class NurseryModel(Model):
    """A checkpoint of a model that the nursery has trained."""

    source: Literal["nursery"]
    of: Name
    """Name of the training in the section `nursery`."""
    step: Annotated[int, Field(ge=0)] | None = None
    """Step of the training: 0, 1, 2, 4, 8, ... or the last; the last if left out."""

    checkpoints: Literal["all"] | tuple[Steps, ...] | None = None
    """Steps of the training, in place of `step`, or `all` of them. Each is a model of its own, called
    `{name}-step{step}`; where a figure names this entry, it shows all of them in the order of their steps."""

    module: ClassVar[str] = "fathom.models.sources.nursery"

    @model_validator(mode="after")
    def _name_steps(self) -> Self:
        if self.checkpoints is not None and (self.step is not None or not self.checkpoints):
            expected = "expected step or checkpoints, not both, and some of them"
            raise PydanticCustomError(NOT_EXPECTED, expected)
        return self

    def expanded(self, name: str, trainings: Mapping[str, Sequence[int]]) -> dict[str, Self]:
        """Its checkpoints, each at its step."""
        known = trainings.get(self.of)
        named = [self.step] if isinstance(self.checkpoints, str | None) else [*self.checkpoints]
        for step in named if known is not None else ():
            if step is not None and step not in (known or ()):
                msg = f"step {step:,}, expected one of {', '.join(map(str, known or ()))}"
                raise ValueError(msg)
        if self.checkpoints is None or known is None:  # an unknown training is said elsewhere
            return {name: self}
        steps = known if isinstance(self.checkpoints, str) else self.checkpoints
        return self._at_steps(name, {step: {"step": step} for step in steps})

    def series_origin(self) -> str:
        """Training."""
        return f"trained here ({self.of})"

    @property
    def training(self) -> str:
        """The training."""
        return self.of

    def origin(self) -> str:
        """Training and step."""
        return f"trained here ({self.of}), {'last step' if self.step is None else f'step {self.step:,}'}"


ModelSettings = Annotated[
    WheelModel | HubModel | PathModel | RandomModel | AblatedModel | NurseryModel, Field(discriminator="source")
]
