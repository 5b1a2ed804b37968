"""Texts of random tokens, sampled once for all models: each maps the draws to its own vocabulary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from fathom.corpora.sources import Sources


def build(_sources: Sources, *, texts: int, tokens: int | Sequence[int], seed: int) -> pd.DataFrame:
    """Texts of one length or of several; they are made of nothing but the seed."""
    return random_texts(texts=texts, tokens=tokens, seed=seed)


def random_texts(*, texts: int, tokens: int | Sequence[int], seed: int) -> pd.DataFrame:
    """`texts` texts of `tokens` draws in [0, 1) each; the text itself is left empty.

    With several lengths every text comes in all of them, as the views `64 tokens`, `128 tokens`, ...: the length is the
    quantity of a view. A shorter text is the start of a longer one, so that lengths differ by what was added alone.
    """
    lengths = (tokens,) if isinstance(tokens, int) else tokens
    draws = np.random.default_rng(seed).random((texts, max(lengths)))
    names = [f"random-{index:05d}" for index in range(texts)]
    rows = [
        {
            "id": name,
            "text": None,
            "view": "original" if isinstance(tokens, int) else f"{length} tokens",
            "quantity": math.nan if isinstance(tokens, int) else length,
            "group": name,
            "token_draws": own[:length],
        }
        for length in lengths
        for name, own in zip(names, draws, strict=True)
    ]
    return pd.DataFrame(rows)
