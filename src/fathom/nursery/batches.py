"""Windows of a stream of tokens, and what is to be predicted in them. Each is a function of seed and step alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fathom.nursery.tokenizer import Special
from fathom.runtime.errors import FathomError

Ids = npt.NDArray[np.int64]
MASKED, REPLACED = 0.8, 0.1  # of the predicted tokens; the rest stay. BERT's rule (arXiv 1810.04805)
HELD_OUT_SEED = 1  # beside the seed of the settings: the masks of the windows on which loss is measured


class Batch(NamedTuple):
    """Windows of tokens."""

    inputs: Ids
    """What the model reads, (windows, tokens)."""
    targets: Ids
    """What it is to predict there; `NOTHING` where nothing, (windows, tokens)."""
    before: Ids
    """The true token before each target, (windows, tokens)."""


NOTHING = -100  # what torch's cross entropy leaves out


class Windows:
    """Windows of one stream: for the next token, or framed and masked."""

    def __init__(
        self, stream: npt.NDArray[np.int32], *, context: int, special: Special, masked: float | None, vocabulary: int
    ) -> None:
        self._stream = stream.astype(np.int64)
        self._context, self._special, self._masked, self._vocabulary = context, special, masked, vocabulary
        # The next token needs one more than the model reads; a frame leaves room for two fewer.
        self._taken = context + 1 if masked is None else context - 2
        if len(stream) < self._taken + 1:
            msg = f"text: {len(stream):,} tokens, expected more than the {self._taken} of a window; name a longer text"
            raise FathomError(msg)

    def drawn(self, seed: int, step: int, count: int) -> Batch:
        """The windows of a step, from anywhere in the stream."""
        random = np.random.default_rng([seed, step])
        return self._cut(random.integers(0, len(self._stream) - self._taken, size=count), random)

    def spread(self, seed: int, most: int) -> list[Batch]:
        """At most so many windows without overlap, spread evenly over the stream, one a batch of 1."""
        possible = len(self._stream) // self._taken
        chosen = np.linspace(0, possible - 1, num=min(most, possible)).round().astype(np.int64)
        random = np.random.default_rng([seed, 0, HELD_OUT_SEED])
        return [self._cut(np.array([at * self._taken]), random) for at in chosen]

    def _cut(self, starts: npt.NDArray[np.int64], random: np.random.Generator) -> Batch:
        tokens = self._stream[starts[:, np.newaxis] + np.arange(self._taken)]
        if self._masked is None:
            return Batch(tokens[:, :-1], tokens[:, 1:], tokens[:, :-1])
        return mask(tokens, random, share=self._masked, special=self._special, vocabulary=self._vocabulary)


def mask(tokens: Ids, random: np.random.Generator, *, share: float, special: Special, vocabulary: int) -> Batch:
    """Frame windows by the tokens that start and end a text, and hide the same number of tokens in each, at least one.

    The token that ends a document is never hidden.
    """
    count, length = tokens.shape
    frame = [np.full((count, 1), one, dtype=np.int64) for one in (special.start, special.end)]
    targets = np.full((count, length), NOTHING, dtype=np.int64)
    inputs = tokens.copy()
    order = random.random((count, length)) + (tokens < special.number)
    hidden = np.argsort(order, axis=1, kind="stable")[:, : max(1, round(share * length))]
    hidden = hidden[:, : max(1, int((tokens >= special.number).sum(axis=1).min()))]
    rows = np.arange(count)[:, np.newaxis]
    targets[rows, hidden] = tokens[rows, hidden]
    fate = random.random(hidden.shape)
    others = random.integers(special.number, vocabulary, size=hidden.shape)
    shown = np.where(fate < MASKED, special.mask, np.where(fate < MASKED + REPLACED, others, tokens[rows, hidden]))
    inputs[rows, hidden] = shown
    nothing = np.full((count, 1), NOTHING, dtype=np.int64)
    before = np.hstack([frame[0], frame[0], tokens])
    return Batch(
        np.hstack([frame[0], inputs, frame[1]]),
        np.hstack([nothing, targets, nothing]),
        before,
    )
