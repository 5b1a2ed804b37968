"""A byte-level BPE tokenizer, trained on the documents that the model is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from fathom.runtime.errors import FathomError

BYTES = 256


class Special(NamedTuple):
    """Ids of special tokens."""

    start: int
    """Starts a text of an encoder."""
    end: int
    """Ends a document."""
    mask: int
    """Stands for a token that is to be predicted, where masked ones are."""
    padding: int
    number: int
    """How many ids from 0 on are special."""


Objective = Literal["next", "masked"]
# A decoder has one, as GPT-2 and Pythia, and adds none to a text. An encoder has BERT's, and frames a text by two.
NAMES: dict[Objective, tuple[str, ...]] = {"next": ("<|endoftext|>",), "masked": ("[CLS]", "[SEP]", "[PAD]", "[MASK]")}
SPECIAL: dict[Objective, Special] = {
    "next": Special(start=0, end=0, mask=0, padding=0, number=1),
    "masked": Special(start=0, end=1, mask=3, padding=2, number=4),
}


def train_tokenizer(documents: Iterable[str], vocabulary: int, objective: Objective) -> Tokenizer:
    """Train a tokenizer of exactly so many tokens. The same documents give the same one.

    Errors: FathomError if the documents do not hold so many merges.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    names = NAMES[objective]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(names),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    found = tokenizer.get_vocab_size()
    if found != vocabulary:
        msg = f"vocabulary: the documents hold merges for {found:,} tokens, expected {vocabulary:,}; ask for fewer"
        raise FathomError(msg)
    if objective == "masked":
        tokenizer.post_processor = processors.Sequence(
            [
                processors.ByteLevel(trim_offsets=True),
                processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]),
            ]
        )
    return tokenizer


def named_roles(objective: Objective) -> dict[str, str]:
    """Which special token serves for what, as transformers calls it."""
    names = NAMES[objective]
    if objective == "next":
        return {"bos_token": names[0], "eos_token": names[0]}
    return dict(zip(("cls_token", "sep_token", "pad_token", "mask_token"), names, strict=True))


def stream_of(tokenizer: Tokenizer, documents: Sequence[str], end: int) -> npt.NDArray[np.int32]:
    """The tokens of all documents, one after the other, each followed by the token that ends it."""
    encoded = tokenizer.encode_batch(list(documents), add_special_tokens=False)
    return np.concatenate([np.array([*one.ids, end], dtype=np.int32) for one in encoded])
