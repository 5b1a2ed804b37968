"""Texts of random tokens, drawn once for all models: each maps the draws to its own vocabulary."""

from __future__ import annotations

import numpy as np
import pandas as pd


def random_texts(*, texts: int, tokens: int, seed: int) -> pd.DataFrame:
    """`texts` texts of `tokens` draws in [0, 1) each; the text itself is left empty."""
    draws = np.random.default_rng(seed).random((texts, tokens))
    names = [f"random-{index:05d}" for index in range(texts)]
    return pd.DataFrame({"id": names, "text": None, "view": "original", "group": names, "token_draws": list(draws)})
