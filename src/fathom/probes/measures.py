"""How well out-of-fold predictions tell a label: fold by fold, and of many weightings of the texts at once.

In the functions of weightings, `weights` is (samples, texts), how often each text is in each bootstrap sample, and a
result is (samples,). Predictions of all folds are scored together, repeats are averaged. What compares numbers that
were predicted in different folds (AUC, r) does so inside each fold only: each fold has its own intercept, and a high
mean of the training labels goes with a low mean of the test labels, which would push such a score below chance where
nothing can be predicted (Forman and Scholz 2010, SIGKDD Explorations 12:49).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fathom.probes.targets import Labels, Target
from fathom.statistics.arrays import BoolArray, FloatArray, IntArray
from fathom.statistics.resampling import tails

# Share of the size of the predictions below which their spread is round-off: such predictions are all the same.
ROUND_OFF = 1e-12
NUMBERS = 2**22  # of float64 that are worked on at a time
MOST_PAIRS = 2**22  # of which a matrix is made; beyond it texts are sorted
EXACT_HALVES = 2**23
Weights = npt.NDArray[np.floating]
"""How often each text is in each bootstrap sample, (samples, texts): whole numbers."""


class RunningAccuracy:
    """Balanced accuracy of several labellings: the mean, over the classes present, of the share predicted correctly."""

    def __init__(self, classes: int, labellings: int) -> None:
        self._correct = np.zeros((classes, labellings))
        self._size = np.zeros((classes, labellings))

    def add(self, predicted: IntArray, codes: Labels) -> None:
        """Add texts: predicted and true codes, (texts, labellings) each."""
        correct = predicted == codes
        for code in range(len(self._size)):
            members = codes == code
            self._size[code] += members.sum(axis=0)
            self._correct[code] += (correct & members).sum(axis=0)

    def value(self) -> FloatArray:
        """Return the score of each labelling: (labellings,)."""
        present = self._size > 0
        shares = np.where(present, self._correct / np.where(present, self._size, 1.0), 0.0)
        return np.asarray(shares.sum(axis=0) / present.sum(axis=0), dtype=np.float64)


class RunningCorrelation:
    """Pearson's r of several labellings, predictions and numbers being centred in each fold; 0 without any spread."""

    def __init__(self, labellings: int) -> None:
        self._products, self._predicted, self._true = np.zeros((3, labellings))

    def add(self, predictions: FloatArray, numbers: FloatArray) -> None:
        """Add the texts of one fold: predictions and true numbers, (texts, labellings) each."""
        first, second = centred(predictions), centred(numbers)
        self._products += (first * second).sum(axis=0)
        self._predicted += (first**2).sum(axis=0)
        self._true += (second**2).sum(axis=0)

    def value(self) -> FloatArray:
        """Return the score of each labelling: (labellings,)."""
        return _correlation(self._products, self._predicted, self._true)


class RunningScore:
    """The primary measure of a target: balanced accuracy of classes, r of numbers."""

    def __init__(self, target: Target, labellings: int) -> None:
        self._target = target
        self._accuracy = RunningAccuracy(len(target.classes), labellings)
        self._correlation = RunningCorrelation(labellings)

    def add(self, predictions: FloatArray, labellings: Labels) -> None:
        """Add the texts of one fold: predictions (texts, labellings, width), labels (texts, labellings)."""
        if self._target.continuous:
            self._correlation.add(predictions[:, :, 0], labellings.astype(np.float64))
        else:
            self._accuracy.add(self._target.predicted(predictions), labellings)

    def value(self) -> FloatArray:
        """Return the score of each labelling: (labellings,)."""
        return self._correlation.value() if self._target.continuous else self._accuracy.value()


def weighted(weights: Weights, values: FloatArray) -> FloatArray:
    """Return the weighted sums of values (texts, columns) in each sample: (samples, columns)."""
    step = max(1, NUMBERS // weights.shape[1])
    parts = [weights[first : first + step].astype(np.float64) @ values for first in range(0, len(weights), step)]
    return np.concatenate(parts)


def balanced_accuracy(correct: FloatArray, codes: Labels, weights: Weights) -> FloatArray:
    """Return the mean, over the classes in a sample, of the mean of `correct` (texts,), the accuracy per text.

    Raises:
        ValueError: if a sample holds fewer than two classes.
    """
    members = codes[:, None] == np.unique(codes)
    sizes = weighted(weights, members.astype(np.float64))
    sums = weighted(weights, members * correct[:, None])
    found = sizes > 0
    present = found.sum(axis=1)
    if (present < 2).any():
        raise _too_few()
    return np.asarray(np.where(found, sums / np.where(found, sizes, 1.0), 0.0).sum(axis=1) / present, dtype=np.float64)


class RankedPairs:
    """AUC: the share of pairs of a text of a class and one of another that are ranked correctly, ties counting half.

    Pairs are of one test fold. With more than two classes each is set against the rest, and the classes in a sample are
    averaged. What depends on the design only is made once: it serves all layers and estimators.

    Args:
        target: a label with classes.
        assignment: (repeats, texts), the fold in which each text is tested.
        groups: (texts,), numbers.
        weights: (samples, texts), the same for all texts of a group.
    """

    def __init__(self, target: Target, assignment: IntArray, groups: IntArray, weights: Weights) -> None:
        order = np.argsort(groups, kind="stable")
        codes = range(target.width) if target.width > 1 else [1]
        self._classes: list[_PairsOfClass | _RanksOfClass] = []
        for code in codes:
            inside, outside = order[target.values[order] == code], order[target.values[order] != code]
            if len(inside) * len(outside) <= MOST_PAIRS:
                self._classes.append(_PairsOfClass(inside, outside, assignment, groups, weights))
            else:
                self._classes.append(_RanksOfClass(target.values == code, assignment, weights))
        if not np.any([one.total > 0 for one in self._classes], axis=0).all():
            raise _too_few()

    def auc(self, decisions: FloatArray) -> FloatArray:
        """Return the AUC in each sample of decisions (texts, repeats, width)."""
        shares, present = np.zeros((2, len(self._classes[0].total)))
        for column, one in enumerate(self._classes):
            found = one.total > 0
            shares += np.where(found, one.ranked(decisions[:, :, column]) / np.where(found, one.total, 1.0), 0.0)
            present += found
        return np.asarray(shares / present, dtype=np.float64)


class _PairsOfClass:
    """The pairs of one class (`inside`) and the rest (`outside`), both sorted by group."""

    def __init__(
        self, inside: IntArray, outside: IntArray, assignment: IntArray, groups: IntArray, weights: Weights
    ) -> None:
        self._inside, self._outside = inside, outside
        self._together = assignment[:, inside, None] == assignment[:, None, outside]
        # All texts of a group have one weight, so pairs are first added up to pairs of groups.
        _, self._inside_starts = np.unique(groups[inside], return_index=True)
        _, self._outside_starts = np.unique(groups[outside], return_index=True)
        # Weighted pairs are whole numbers and halves, which float32 holds, and adds up, as they are up to 2 ** 23.
        most = len(assignment) * float((weights[:, inside].sum(axis=1) * weights[:, outside].sum(axis=1)).max())
        self._dtype = np.float32 if most < EXACT_HALVES else np.float64
        self._inside_weights: npt.NDArray[np.floating] = weights[:, inside[self._inside_starts]].astype(self._dtype)
        self._outside_weights: npt.NDArray[np.floating] = weights[:, outside[self._outside_starts]].astype(self._dtype)
        self.total = self._weighted(self._together.sum(axis=0, dtype=np.float64))

    def ranked(self, decisions: FloatArray) -> FloatArray:
        """Return the weight of the pairs that are ranked correctly in each sample; decisions (texts, repeats)."""
        correct = np.zeros((len(self._inside), len(self._outside)))
        for repeat, together in enumerate(self._together):
            higher = decisions[self._inside, repeat, None]
            lower = decisions[None, self._outside, repeat]
            correct += together * (0.5 * (higher > lower) + 0.5 * (higher >= lower))
        return self._weighted(correct)

    def _weighted(self, pairs: FloatArray) -> FloatArray:
        of_groups = np.add.reduceat(np.add.reduceat(pairs, self._inside_starts), self._outside_starts, axis=1)
        sums = self._inside_weights @ of_groups.astype(self._dtype)
        weighted: FloatArray = np.einsum("sg,sg->s", sums, self._outside_weights).astype(np.float64)
        return weighted


class _RanksOfClass:
    """The same for so many texts that their pairs would not fit: every fold is sorted by its decisions.

    Its time grows with the texts, and its memory is a block.
    """

    def __init__(self, inside: BoolArray, assignment: IntArray, weights: Weights) -> None:
        self._inside, self._weights = inside, weights
        self._folds = [
            (repeat, np.flatnonzero(fold_of == fold))
            for repeat, fold_of in enumerate(assignment)
            for fold in np.unique(fold_of)
        ]
        self.total = np.zeros(len(weights))
        for _, texts in self._folds:
            own = inside[texts]
            sums = weighted_of(weights, texts, np.column_stack([own, ~own]).astype(np.float64))
            self.total += sums[:, 0] * sums[:, 1]

    def ranked(self, decisions: FloatArray) -> FloatArray:
        """Return the weight of the pairs that are ranked correctly in each sample; decisions (texts, repeats)."""
        correct = np.zeros(len(self._weights))
        for repeat, fold in self._folds:
            texts = fold[np.argsort(decisions[fold, repeat], kind="stable")]
            values = decisions[texts, repeat]
            first = np.searchsorted(values, values, side="left")  # of texts that tie
            after = np.searchsorted(values, values, side="right")
            own = self._inside[texts]
            step = max(1, NUMBERS // len(texts))
            for start in range(0, len(self._weights), step):
                drawn = self._weights[start : start + step, texts].astype(np.float64)
                below = np.zeros((len(drawn), len(texts) + 1))  # weight of the others that come before a place
                np.cumsum(np.where(own, 0.0, drawn), axis=1, out=below[:, 1:])
                middle = 0.5 * (below[:, first[own]] + below[:, after[own]])
                correct[start : start + step] += np.einsum("st,st->s", drawn[:, own], middle)
        return correct


def weighted_of(weights: Weights, texts: IntArray, values: FloatArray) -> FloatArray:
    """Return what `weighted` does of some texts only, to which `values` (some texts, columns) belong."""
    step = max(1, NUMBERS // len(texts))
    return np.concatenate(
        [weights[first : first + step, texts].astype(np.float64) @ values for first in range(0, len(weights), step)]
    )


def correlation(predictions: FloatArray, numbers: FloatArray, assignment: IntArray, weights: Weights) -> FloatArray:
    """Return Pearson's r of predictions (texts, repeats) and numbers (texts,), centred in each fold; 0 without spread.

    The fold means are those of all texts: what is resampled are the texts, not the predictions.
    """
    first, second = np.empty_like(predictions), np.empty_like(predictions)
    for repeat, fold_of in enumerate(assignment):
        for fold in np.unique(fold_of):
            test = fold_of == fold
            first[test, repeat] = centred(predictions[test, repeat, None])[:, 0]
            second[test, repeat] = centred(numbers[test, None])[:, 0]
    of_repeats = _correlation(
        weighted(weights, first * second), weighted(weights, first**2), weighted(weights, second**2)
    )
    return np.asarray(of_repeats.mean(axis=1), dtype=np.float64)


def determination(predictions: FloatArray, numbers: FloatArray, assignment: IntArray, weights: Weights) -> FloatArray:
    """Return R2 = 1 - squared error / squared error of the mean of the training texts of each fold.

    Predicting that mean gives 0, anything worse is negative.

    Raises:
        ValueError: if the numbers of a sample do not vary.
    """
    residual, spread = np.empty_like(predictions), np.empty_like(predictions)
    for repeat, fold_of in enumerate(assignment):
        residual[:, repeat] = (numbers - predictions[:, repeat]) ** 2
        for fold in np.unique(fold_of):
            test = fold_of == fold
            spread[test, repeat] = (numbers[test] - numbers[~test].mean()) ** 2
    whole = weighted(weights, spread)
    if (whole == 0).any():
        raise _too_few()
    return np.asarray((1 - weighted(weights, residual) / whole).mean(axis=1), dtype=np.float64)


def interval(replicates: FloatArray, level: float) -> FloatArray:
    """Return low and high (2, layers) of bootstrap samples (samples, layers), NaN without any."""
    if len(replicates) == 0:
        return np.full((2, replicates.shape[1]), np.nan)
    return np.asarray(np.quantile(replicates, tails(level), axis=0), dtype=np.float64)


def centred(values: FloatArray) -> FloatArray:
    """Subtract the mean of each column; what is then no more than round-off becomes 0."""
    rest = values - values.mean(axis=0)
    noise = np.linalg.norm(rest, axis=0) <= ROUND_OFF * np.linalg.norm(values, axis=0)
    return np.where(noise, 0.0, rest)


def _correlation(products: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    scale = np.sqrt(first * second)
    spread = scale > 0
    return np.asarray(np.where(spread, products, 0.0) / np.where(spread, scale, 1.0), dtype=np.float64)


def _too_few() -> ValueError:
    return ValueError(
        "groups: too few for an interval, a bootstrap sample lacks one label; ask for 0 bootstrap samples"
    )
