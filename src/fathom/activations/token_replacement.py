"""Replace tokens of a text with a given probability: Skean et al. 2025 (arXiv 2502.02013), Figure 6 a, b, Appendix F.

For one seed, the positions that a probability p replaces are among those that a larger p replaces, and each position
gets the same token whatever p is: all is sampled for all positions, whether it is used or not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int32]


def repeat_tokens(tokens: Tokens, probability: float, seed: int, *, as_published: bool = False) -> Tokens:
    """Replace every token with `probability` by one of the text's own tokens.

    Args:
        tokens: ids, (tokens,), without the tokenizer's special tokens.
        probability: in [0, 1]; 0 replaces none, 1 all.
        seed: seed of positions and replacements.
        as_published: one token, sampled once, replaces at all positions, as in the papers' code and in the examples of
            its text. Otherwise each position draws afresh, as the text says.

    Raises:
        ValueError: if `probability` is not in [0, 1].
    """
    rng = np.random.default_rng(seed)
    chosen = _positions(len(tokens), probability, rng)
    sources = rng.integers(len(tokens), size=1 if as_published else len(tokens))
    return np.where(chosen, tokens[sources], tokens)


def randomise_tokens(tokens: Tokens, probability: float, seed: int, vocabulary: Tokens) -> Tokens:
    """Replace every token with `probability` by one sampled uniformly from `vocabulary`.

    Args:
        tokens: ids, (tokens,), without the tokenizer's special tokens.
        probability: in [0, 1]; 0 replaces none, 1 all.
        seed: seed of positions and replacements.
        vocabulary: ids to draw from, (ids,).

    Raises:
        ValueError: if `probability` is not in [0, 1], or if `vocabulary` is empty.
    """
    if vocabulary.size == 0:
        msg = "vocabulary: expected at least one token to draw from, found none"
        raise ValueError(msg)
    rng = np.random.default_rng(seed)
    chosen = _positions(len(tokens), probability, rng)
    return np.where(chosen, vocabulary[rng.integers(len(vocabulary), size=len(tokens))], tokens)


def _positions(count: int, probability: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    if not 0 <= probability <= 1:
        msg = f"probability: expected a number from 0 to 1, found {probability}"
        raise ValueError(msg)
    return rng.random(count) < probability
