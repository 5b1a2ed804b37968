"""Which models are trained: one class an architecture, which says everything about it but how it is built.

How it is built is in the module that the class names. A job imports that one module by its name and is told `shape`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from fathom.nursery.steps import checkpoint_steps
from fathom.schema import NOT_EXPECTED, Name, Seed, Settings, each_once

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
NOT_SHAPE = {
    "kind",
    "text",
    "apart_from",
    "held_out",
    "vocabulary",
    "context",
    "batch",
    "steps",
    "learning_rate",
    "warmup",
    "weight_decay",
    "masked",
    "seed",
}


class Training(Settings):
    """What the workflow asks of a training, whatever is trained."""

    text: Name
    """Corpus that is trained on: its texts are the documents."""
    apart_from: Annotated[tuple[Name, ...], AfterValidator(each_once)] = ()
    """Corpora that are measured with this model. A document that shares 13 words in a row with a text of theirs is not
    trained on (the rule by which the authors of GPT-3 looked for test texts, arXiv 2005.14165)."""
    held_out: Share = 0.05
    """Share of the documents that is held out, to measure the loss on: those of `apart_from`, and others by seed."""
    vocabulary: Annotated[int, Field(ge=262, le=1 << 20)] = 1000
    """Tokens of the byte-level BPE tokenizer, which is trained on the same documents: 256 bytes, a few special tokens,
    the rest merges. Small, since the bigrams of a larger one are not learned from a few million tokens."""
    layers: Count = 6
    """Blocks."""
    width: Annotated[int, Field(ge=8, multiple_of=8)] = 96
    """Width of the residual stream."""
    context: Annotated[int, Field(ge=8)] = 128
    """Tokens of a window. The texts that are measured must not be longer where positions are learned up to here."""
    batch: Count = 4
    """Windows of a step. Small: of a given number of tokens, many small steps learn more than few large ones here."""
    steps: Count = 2000
    """Steps of the training. It leaves checkpoints at 0, 1, 2, 4, 8, ... and the last."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 3e-3
    """Highest learning rate of AdamW. It rises from 0 over the warm-up, and falls along half a cosine to a tenth."""
    warmup: Annotated[int, Field(ge=0)] = 50
    """Steps of the warm-up."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.1
    """Weight decay of matrices; vectors have none. Pythia's."""
    seed: Seed = 0
    """Seed of weights, batches, masks and of the documents held out."""

    module: ClassVar[str]
    """Module that builds it, by its function `build(vocabulary=, special=, context=, **shape)`."""
    objective: ClassVar[Literal["next", "masked"]] = "next"
    """What is predicted: the next token, or masked ones."""

    @property
    def shape(self) -> dict[str, Any]:
        """Arguments of the module's `build`."""
        return self.model_dump(mode="json", exclude=NOT_SHAPE)

    def describe(self) -> str:
        """What is trained on what, in one phrase for captions."""
        size = f"{self.layers} blocks of width {self.width}, {self.vocabulary:,} tokens"
        steps = f"{self.steps:,} steps of {self.batch} x {self.context} tokens of {self.text}"
        apart = f", without what shares 13 words with {', '.join(self.apart_from)}" if self.apart_from else ""
        return f"{getattr(self, 'kind', '')}, {size}; {steps}, seed {self.seed}{apart}"

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """Steps with a checkpoint."""
        return checkpoint_steps(self.steps)

    @model_validator(mode="after")
    def _end_the_warmup(self) -> Self:
        if self.warmup > self.steps:
            expected = "expected a warm-up of at most as many steps as the training has"
            raise PydanticCustomError(NOT_EXPECTED, expected)
        return self


class _WithHeads(Training):
    heads: Count = 4
    """Heads of attention."""

    @model_validator(mode="after")
    def _divide_the_width(self) -> Self:
        if self.width % self.heads or (self.width // self.heads) % 2:
            expected = "expected heads that divide the width into even parts, since rotary positions turn pairs"
            raise PydanticCustomError(NOT_EXPECTED, expected)
        return self


class LlamaTraining(_WithHeads):
    """A decoder: Llama's block (RMS norm before each sub-layer, rotary positions, gated feed-forward)."""

    kind: Literal["llama"]

    module: ClassVar[str] = "fathom.nursery.architectures.llama"


class ModernBertTraining(_WithHeads):
    """An encoder: ModernBERT's block (norm before each sub-layer, rotary positions), trained on masked tokens."""

    kind: Literal["modernbert"]
    masked: Share = 0.15
    """Share of the tokens of a window that are predicted. Of these 80 % become [MASK], 10 % another token, 10 % stay
    (BERT's rule, arXiv 1810.04805)."""

    module: ClassVar[str] = "fathom.nursery.architectures.modernbert"
    objective: ClassVar[Literal["next", "masked"]] = "masked"


class MambaTraining(Training):
    """A state-space model: Mamba's block, trained with a scan of fathom's own (same loss, same gradients)."""

    kind: Literal["mamba"]
    state: Count = 16
    """Numbers that each channel keeps from token to token. Mamba's."""

    module: ClassVar[str] = "fathom.nursery.architectures.mamba"


TrainingSettings = Annotated[LlamaTraining | ModernBertTraining | MambaTraining, Field(discriminator="kind")]
