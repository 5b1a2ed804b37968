"""Measures of probes: those of scikit-learn where it has them, and what weights of groups mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import balanced_accuracy_score, r2_score, roc_auc_score

from fathom.probes import measures as scores
from fathom.probes.targets import Target, read_targets

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
GROUPS = np.repeat(np.arange(20), 3)
CODES = (np.arange(60) * 7 % 5 % 3).astype(np.int16)
RNG = np.random.default_rng(0)
ASSIGNMENT = np.stack([RNG.permutation(np.arange(20) % 4)[GROUPS] for _ in range(2)])


def target(classes: int) -> Target:
    return read_targets({"x": np.array(["a", "b", "c"])[CODES % classes]}, 60)[0]


def drawn() -> FloatArray:
    """All texts, and four samples of groups."""
    samples = np.random.default_rng(1).multinomial(20, np.full(20, 0.05), size=4)[:, GROUPS]
    return np.vstack([np.ones(60), samples])


def repeated(weights: FloatArray) -> IntArray:
    """The texts that a sample holds."""
    return np.repeat(np.arange(60), weights.astype(np.int64))


def test_balanced_accuracy_is_that_of_scikit_learn() -> None:
    for classes in (2, 3):
        truth = target(classes).values
        predicted = np.where(np.arange(60) % 4 == 0, 0, truth)
        found = scores.balanced_accuracy((predicted == truth).astype(np.float64), truth, drawn())
        for value, weights in zip(found, drawn(), strict=True):
            rows = repeated(weights)
            assert value == pytest.approx(balanced_accuracy_score(truth[rows], predicted[rows]))
        running = scores.RunningAccuracy(classes, 2)
        for part in (slice(0, 25), slice(25, 60)):
            running.add(np.column_stack([predicted, truth])[part], np.column_stack([truth, truth])[part])
        np.testing.assert_allclose(running.value(), [found[0], 1.0])


def test_auc_is_that_of_scikit_learn_inside_the_folds() -> None:
    truth = target(2).values.astype(np.int64)
    # Whole numbers, of which many tie.
    decisions: FloatArray = (RNG.integers(-4, 5, (60, 2, 1)) + truth[:, None, None]).astype(np.float64)
    pairs = scores.RankedPairs(target(2), ASSIGNMENT, GROUPS, drawn())
    found = pairs.auc(decisions)
    for value, weights in zip(found, drawn(), strict=True):
        right, number = 0.0, 0.0
        for repeat, fold_of in enumerate(ASSIGNMENT):
            for fold in range(4):
                rows = repeated(weights * (fold_of == fold))
                positive = int(truth[rows].sum())
                count = positive * (len(rows) - positive)
                if count:
                    right += count * roc_auc_score(truth[rows], decisions[rows, repeat, 0])
                    number += count
        assert value == pytest.approx(right / number)
    # What differs between folds alone, as their intercepts do, changes nothing.
    shifted = decisions + 100.0 * ASSIGNMENT.T[:, :, None]
    np.testing.assert_allclose(pairs.auc(shifted), found)
    np.testing.assert_allclose(pairs.auc(-decisions), 1 - found)
    np.testing.assert_array_equal(pairs.auc(np.zeros((60, 2, 1))), 0.5)


def test_auc_of_several_classes_is_the_mean_of_each_against_the_rest() -> None:
    three, weights = target(3), drawn()
    decisions = RNG.standard_normal((60, 2, 3))
    each = []
    for code in range(3):
        one = read_targets({"x": (three.values == code).astype(np.int64)}, 60)[0]
        each.append(scores.RankedPairs(one, ASSIGNMENT, GROUPS, weights).auc(decisions[:, :, code : code + 1]))
    found = scores.RankedPairs(three, ASSIGNMENT, GROUPS, weights).auc(decisions)
    np.testing.assert_allclose(found, np.mean(each, axis=0))


def test_determination_is_one_minus_the_error_over_that_of_the_training_mean() -> None:
    numbers = RNG.standard_normal(60)
    predictions = numbers[:, None] + RNG.standard_normal((60, 2))
    found = scores.determination(predictions, numbers, ASSIGNMENT, drawn())
    expected = []
    for repeat, fold_of in enumerate(ASSIGNMENT):
        means = np.array([numbers[fold_of != fold].mean() for fold in fold_of])
        expected.append(1 - ((numbers - predictions[:, repeat]) ** 2).sum() / ((numbers - means) ** 2).sum())
    assert found[0] == pytest.approx(np.mean(expected))
    means = np.stack([[numbers[fold_of != fold].mean() for fold in fold_of] for fold_of in ASSIGNMENT], axis=1)
    np.testing.assert_allclose(scores.determination(means, numbers, ASSIGNMENT, drawn()), 0.0, atol=1e-12)
    np.testing.assert_allclose(
        scores.determination(np.column_stack([numbers] * 2), numbers, ASSIGNMENT, drawn()), 1.0, atol=1e-12
    )
    # Against a mean of no fold left out it is scikit-learn's, in the limit of as many folds as texts nearly so.
    alone = np.arange(60)[None]
    value = scores.determination(predictions[:, :1], numbers, alone, np.ones((1, 60)))[0]
    assert value == pytest.approx(1 - (1 - r2_score(numbers, predictions[:, 0])) * (59 / 60) ** 2)


def test_correlation_is_pearsons_r_of_what_is_centred_in_folds() -> None:
    numbers = RNG.standard_normal(60)
    predictions = numbers[:, None] + RNG.standard_normal((60, 2))
    found = scores.correlation(predictions, numbers, ASSIGNMENT, drawn())
    expected = []
    for repeat, fold_of in enumerate(ASSIGNMENT):
        first, second = predictions[:, repeat].copy(), numbers.copy()
        for fold in range(4):
            first[fold_of == fold] -= first[fold_of == fold].mean()
            second[fold_of == fold] -= second[fold_of == fold].mean()
        expected.append(np.corrcoef(first, second)[0, 1])
    assert found[0] == pytest.approx(np.mean(expected))
    running = scores.RunningCorrelation(1)
    for fold in range(4):
        test = ASSIGNMENT[0] == fold
        running.add(predictions[test, :1], numbers[test, None])
    assert running.value()[0] == pytest.approx(expected[0])
    np.testing.assert_array_equal(scores.correlation(np.full((60, 2), 0.1), numbers, ASSIGNMENT, drawn()), 0.0)


def test_samples_without_two_classes_are_refused() -> None:
    weights = (target(2).values == 0).astype(np.float64)[None]
    with pytest.raises(ValueError, match="a bootstrap sample lacks one label"):
        scores.balanced_accuracy(np.ones(60), target(2).values, weights)
    with pytest.raises(ValueError, match="a bootstrap sample lacks one label"):
        scores.RankedPairs(target(2), ASSIGNMENT, np.arange(60), weights)
    with pytest.raises(ValueError, match="a bootstrap sample lacks one label"):
        scores.determination(np.ones((60, 1)), np.arange(60.0), ASSIGNMENT[:1], np.zeros((1, 60)))
