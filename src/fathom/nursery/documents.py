"""Which documents a model is trained on, and which are held out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fathom.runtime.errors import FathomError

RUN = 13  # words in a row that two texts share by more than chance: the rule of GPT-3's authors (arXiv 2005.14165)
_WORD = re.compile(r"\w+")


class Documents(NamedTuple):
    """The documents of a training."""

    train: list[str]
    held_out: list[str]
    apart: int
    """How many of those held out share words with a text that is measured."""


def divide(documents: Sequence[str], measured: Iterable[str], *, share: float, seed: int) -> Documents:
    """Hold out every document that shares `RUN` words in a row with a measured text, then others until `share` is.

    A text of fewer words must be in the document whole. Errors: FathomError if nothing is left to train on, or nothing
    held out.
    """
    wanted = [_words(text) for text in measured]
    runs = {tuple(words[at : at + RUN]) for words in wanted for at in range(len(words) - RUN + 1)}
    short = {" ".join(words) for words in wanted if 0 < len(words) < RUN}
    apart = np.array([_shares(_words(text), runs, short) for text in documents], dtype=np.bool_)
    rest = np.random.default_rng(seed).permutation(np.flatnonzero(~apart))
    more = max(0, round(share * len(documents)) - int(apart.sum()))
    held = apart.copy()
    held[rest[:more]] = True
    if held.all() or not held.any():
        msg = (
            f"{len(documents)} documents, {int(apart.sum())} of which share {RUN} words with texts that are measured: "
            f"expected some to train on and some to hold out ({share:g} of all); name a text with more documents"
        )
        raise FathomError(msg)
    pairs = list(zip(documents, held, strict=True))
    return Documents([text for text, out in pairs if not out], [text for text, out in pairs if out], int(apart.sum()))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _shares(words: list[str], runs: set[tuple[str, ...]], short: set[str]) -> bool:
    if any(tuple(words[at : at + RUN]) in runs for at in range(len(words) - RUN + 1)):
        return True
    padded = f" {' '.join(words)} "
    return any(f" {text} " in padded for text in short)
