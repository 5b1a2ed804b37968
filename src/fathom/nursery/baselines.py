"""What a model must beat: the frequencies of tokens, and of pairs of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fathom.nursery.batches import NOTHING, Batch

Floats = npt.NDArray[np.float64]


class Counts:
    """Probabilities of tokens, and of tokens after a token, from a stream, interpolated after Witten and Bell (1991).

    A distribution that was seen n times with t different outcomes is trusted by n / (n + t); the rest goes to the
    simpler one: of a pair to the single token, of a single token to all tokens alike. There is no parameter to choose.
    """

    def __init__(self, stream: npt.NDArray[np.int32], vocabulary: int) -> None:
        self._vocabulary = vocabulary
        counts = np.bincount(stream, minlength=vocabulary).astype(np.float64)
        seen, kinds = counts.sum(), np.count_nonzero(counts)
        self._unigrams: Floats = (counts + kinds / vocabulary) / (seen + kinds)
        pairs = stream[:-1].astype(np.int64) * vocabulary + stream[1:]
        self._pairs, times = np.unique(pairs, return_counts=True)
        self._times: Floats = times.astype(np.float64)
        firsts = self._pairs // vocabulary
        after = np.bincount(firsts, weights=self._times, minlength=vocabulary)
        self._after: Floats = after.astype(np.float64)
        self._kinds_after: Floats = np.bincount(firsts, minlength=vocabulary).astype(np.float64)

    def unigram(self, tokens: npt.NDArray[np.int64]) -> Floats:
        """Probability of each token."""
        return self._unigrams[tokens]

    def bigram(self, before: npt.NDArray[np.int64], tokens: npt.NDArray[np.int64]) -> Floats:
        """Probability of each token after the one before it."""
        pairs = before.astype(np.int64) * self._vocabulary + tokens
        at = np.minimum(np.searchsorted(self._pairs, pairs), len(self._pairs) - 1)
        times = np.where(self._pairs[at] == pairs, self._times[at], 0.0)
        after, kinds = self._after[before], self._kinds_after[before]
        total = after + kinds
        known = total > 0
        mixed = (times + kinds * self._unigrams[tokens]) / np.where(known, total, 1.0)
        return np.where(known, mixed, self._unigrams[tokens])


def baseline_losses(counts: Counts, batches: Sequence[Batch]) -> tuple[float, float]:
    """Mean loss in nats a predicted token of unigrams and of bigrams, on the very tokens that a model is to predict."""
    there = [batch.targets != NOTHING for batch in batches]
    targets = np.concatenate([batch.targets[at] for batch, at in zip(batches, there, strict=True)])
    before = np.concatenate([batch.before[at] for batch, at in zip(batches, there, strict=True)])
    unigram, bigram = counts.unigram(targets), counts.bigram(before, targets)
    return float(-np.log(unigram).mean()), float(-np.log(bigram).mean())
