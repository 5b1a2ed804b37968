"""The rule that finds the sink tokens of a text, from the norms of its tokens and the attention that they receive.

That a few tokens of huge norm, to which most heads attend, rule what is measured over the tokens of a text is shown by
Queipo-de-Llano et al. (arXiv 2510.06477); this rule for finding them is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fathom.activations.settings import SinkSettings

FloatArray = npt.NDArray[np.float64]
FEWEST_TOKENS = 5
"""The median norm of fewer tokens is no measure of an ordinary token, for one of them is the sink itself."""
REFERENCE_TOKENS = 64
"""Tokens of the text that shorter ones are compared with."""


@dataclass(frozen=True)
class TokenFacts:
    """What is known of the tokens of a text."""

    norm_ratios: FloatArray
    """Norm over the median norm of the text, (layers, tokens), of layers 0 .. depth of the residual stream."""
    head_shares: FloatArray
    """Share of the heads of each block that attend to the token, (blocks, tokens); NaN where it is not known."""
    scores: FloatArray
    """How near the token is to being a sink, (tokens,): above 1 it is one."""

    @property
    def sinks(self) -> npt.NDArray[np.bool_]:
        """Which tokens are sinks, (tokens,)."""
        return self.scores > 1.0


@dataclass(frozen=True)
class Reference:
    """A text of random tokens, which gives what a text of fewer than FEWEST_TOKENS tokens cannot give itself."""

    norms: FloatArray
    """Median norm of its tokens, (layers,)."""
    head_shares: FloatArray
    """Share of the heads of each block that attend to its first tokens, (blocks, FEWEST_TOKENS - 1)."""


def judge_tokens(
    norms: FloatArray, head_shares: FloatArray, rule: SinkSettings, reference: Reference | None
) -> TokenFacts:
    """Judge the tokens of one text from its norms (layers, tokens) and the attention that they receive.

    A token is a sink where, at some layer, its norm exceeds `rule.norm` times the median norm of the text; or where it
    exceeds `rule.attended_norm` times that median and more than `rule.heads` of all the heads of the model attend to
    it. The score is the larger of the norm over the first threshold, and of the smaller of the norm and the share of
    heads over theirs. Where no block's attention is known, the norm alone decides.

    A text of fewer than FEWEST_TOKENS tokens has no median to compare with, and too few queries to tell what heads
    attend to: its norms are compared with the median norms of the `reference` text, and the heads are those that attend
    to the token at the same place of that text.

    Raises ValueError for a text that is so short without a reference.
    """
    if norms.shape[1] < FEWEST_TOKENS:
        if reference is None:
            msg = f"{norms.shape[1]} tokens, expected a reference text beside fewer than {FEWEST_TOKENS}"
            raise ValueError(msg)
        medians, head_shares = reference.norms, reference.head_shares[:, : norms.shape[1]]
    else:
        medians = np.median(norms, axis=1)
    # A median of 0 has nothing large beside it: all tokens but a few are zero vectors, as padding's embeddings are.
    ratios = np.divide(norms, medians[:, np.newaxis], out=np.zeros_like(norms), where=medians[:, np.newaxis] > 0.0)
    largest = ratios.max(axis=0)
    known = ~np.isnan(head_shares)
    heads = np.where(known, head_shares, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    attended = np.minimum(largest / rule.attended_norm, heads / rule.heads)
    return TokenFacts(norm_ratios=ratios, head_shares=head_shares, scores=np.maximum(largest / rule.norm, attended))
