"""Facts of tokens for stores that tests write themselves: judged by the rule from their own states, or plain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fathom.activations.settings import SinkSettings
from fathom.activations.sinks import Reference, judge_tokens
from fathom.store.layout import HEAD_SHARES, NORM_RATIOS, SINK_SCORES, TOKEN_FACTS, ArrayKey, Shape, fact_rows

RULE = SinkSettings()
SINK_FACTS: dict[str, Any] = {"rule": RULE.in_words(), "strings": {}}
"""What the manifest of a store says of sinks."""


def plain_facts(shape: Shape, tokens: int) -> dict[ArrayKey, npt.NDArray[np.float32]]:
    """Facts of so many tokens, none of which is a sink."""
    found = {fact: np.zeros((fact_rows(fact, shape.depth), tokens, 1), dtype=np.float32) for fact in FACTS}
    return {(TOKEN_FACTS, fact): values for fact, values in found.items()}


def judged_facts(
    shape: Shape, states: npt.NDArray[np.float32], heads: npt.NDArray[np.floating] | None = None
) -> dict[ArrayKey, npt.NDArray[np.float32]]:
    """Facts of one text from its states of layers 0 .. depth, (layers, tokens, width), as extraction finds them."""
    norms = np.linalg.norm(states.astype(np.float64), axis=2)
    shares = np.full((shape.depth, norms.shape[1]), np.nan) if heads is None else np.asarray(heads, dtype=np.float64)
    facts = judge_tokens(norms, shares, RULE, Reference(np.median(norms, axis=1), shares))
    found = {NORM_RATIOS: facts.norm_ratios, HEAD_SHARES: facts.head_shares, SINK_SCORES: facts.scores[np.newaxis]}
    return {(TOKEN_FACTS, fact): values[..., np.newaxis].astype(np.float32) for fact, values in found.items()}


def mean_without_sinks(
    states: npt.NDArray[np.float32], facts: dict[ArrayKey, npt.NDArray[np.float32]]
) -> npt.NDArray[np.float32]:
    """Mean of one text over the tokens that are no sinks, (layers, 1, width)."""
    kept = facts[TOKEN_FACTS, SINK_SCORES][0, :, 0] <= 1.0
    return states[:, kept].mean(axis=1, keepdims=True) if kept.any() else np.full_like(states[:, :1], np.nan)


def joined(facts: Sequence[dict[ArrayKey, npt.NDArray[np.float32]]]) -> dict[ArrayKey, npt.NDArray[np.float32]]:
    """Facts of several texts, one after the other."""
    return {key: np.concatenate([one[key] for one in facts], axis=1) for key in facts[0]}


FACTS = (NORM_RATIOS, HEAD_SHARES, SINK_SCORES)
