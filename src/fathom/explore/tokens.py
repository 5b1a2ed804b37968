"""Texts as their tokens, with the norm of each at every layer and the attention that it receives."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from fathom.io.corpus_table import ORIGINAL, read_corpus
from fathom.store.reader import Activations

FloatArray = npt.NDArray[np.float32]
STEPS_PER_DOUBLING = 8  # of a norm in one byte: 9 %, finer than a colour tells
NORM_OF_ONE = 80  # the byte of a norm that is the median: from 2^-10 to 2^21 times the median
UNKNOWN = 255
SHARE_STEPS = 250  # of a share of heads in one byte
CONTEXT = 4  # tokens before one that say how it is written: a space before it, the rest of a letter


def read_texts(
    model: str, corpus: str, manifests: Sequence[Path], table: Path, tokenizer: Path, count: int
) -> list[dict[str, object]]:
    """The first texts of a corpus, as one entry each of a JSON document.

    Errors: FathomError if a store or the table is corrupt.
    """
    # Texts stand in the order of the corpus: the first ones are in the first shard.
    activations = Activations(manifests[:1])
    names = read_corpus(table)[["id", "view"]]
    if activations.views is not None:
        names = names[names["view"].isin(activations.views)]
    chosen = [place for place, view in enumerate(names["view"][: activations.texts]) if view == ORIGINAL][:count]
    if not chosen:
        return []
    ids, ratios, shares = activations.token_ids(), activations.norm_ratios(), activations.head_shares()
    sinks = activations.sinks()
    strings = _strings([ids[place] for place in chosen], tokenizer)
    return [
        {
            "model": model,
            "corpus": corpus,
            "text": str(names["id"].iloc[place]),
            "tokens": written,
            "sinks": np.flatnonzero(sinks[place]).tolist(),
            "layers": len(ratios[place]),
            "norm": _as_text(norm_bytes(ratios[place])),
            "attention": _as_text(share_bytes(shares[place])),
        }
        for place, written in zip(chosen, strings, strict=True)
    ]


def norm_bytes(ratios: FloatArray) -> npt.NDArray[np.uint8]:
    """Norms over the median norm on a log scale, a byte each; UNKNOWN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.round(NORM_OF_ONE + STEPS_PER_DOUBLING * np.log2(ratios))
    known = np.isfinite(ratios)
    return np.where(known, np.clip(np.where(known, steps, 0), 0, UNKNOWN - 1), UNKNOWN).astype(np.uint8)


def share_bytes(shares: FloatArray) -> npt.NDArray[np.uint8]:
    """Shares from 0 to 1, a byte each; UNKNOWN where there is none."""
    known = np.isfinite(shares)
    return np.where(known, np.round(SHARE_STEPS * np.where(known, shares, 0)), UNKNOWN).astype(np.uint8)


def _as_text(values: npt.NDArray[np.uint8]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def _strings(texts: Sequence[npt.NDArray[np.int32]], tokenizer: Path) -> Iterator[list[str]]:
    """Each token as it stands in its text; its number in angle brackets where the model has no tokenizer.json."""
    reader = _reader(tokenizer)
    for ids in texts:
        numbers = ids.tolist()
        if reader is None:
            yield [f"⟨{number}⟩" for number in numbers]
        else:
            yield [_written(reader, numbers, place) for place in range(len(numbers))]


@cache
def _reader(tokenizer: Path) -> Tokenizer | None:
    return Tokenizer.from_file(str(tokenizer)) if tokenizer.is_file() else None


def _written(reader: Tokenizer, ids: list[int], place: int) -> str:
    """What a token adds to the text before it; its own name where that is no whole letter."""
    before = ids[max(0, place - CONTEXT) : place]
    shorter = reader.decode(before, skip_special_tokens=False)
    longer = reader.decode([*before, ids[place]], skip_special_tokens=False)
    added = longer.removeprefix(shorter) if longer.startswith(shorter) else ""
    return added if added and "\ufffd" not in added else str(reader.id_to_token(ids[place]))
