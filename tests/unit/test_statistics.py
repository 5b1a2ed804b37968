"""Bootstrap over groups, intervals of peaks, and the maximum-statistic test."""

from __future__ import annotations

import numpy as np
import pytest

from fathom.statistics.multiple_testing import family_wise_p, holm
from fathom.statistics.resampling import bootstrap_mean, group_codes, group_weights, peak_interval


def test_weights_draw_whole_groups_as_many_as_there_are() -> None:
    groups = ["a", "b", "a", "c", "b", "a"]
    weights = group_weights(groups, samples=200, seed=0)
    assert weights.shape == (200, 6)
    assert (weights[:, [0]] == weights[:, [2, 5]]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_weights_have_the_moments_of_drawing_with_replacement() -> None:
    weights = group_weights(np.arange(10), samples=20_000, seed=1)
    # A group's count is binomial (10, 1/10): mean 1, variance 0.9; the tolerances are five standard errors.
    assert weights.mean(axis=0) == pytest.approx(np.ones(10), abs=5 * np.sqrt(0.9 / 20_000))
    assert weights.var(axis=0) == pytest.approx(np.full(10, 0.9), abs=5 * np.sqrt(2.5 / 20_000))


def test_weights_follow_the_seed_and_not_the_order_of_the_texts() -> None:
    groups = np.array(["x", "y", "z", "x"])
    order = np.array([3, 1, 0, 2])
    weights = group_weights(groups, samples=50, seed=3)
    assert (group_weights(groups[order], samples=50, seed=3) == weights[:, order]).all()
    assert (group_weights(groups, samples=50, seed=4) != weights).any()


def test_bootstrap_mean_is_the_quantile_of_weighted_means() -> None:
    rng = np.random.default_rng(0)
    values, groups = rng.standard_normal((30, 4)), rng.integers(7, size=30)
    mean, low, high = bootstrap_mean(values, groups, samples=300, level=0.9, seed=5)
    weights = group_weights(groups, samples=300, seed=5)
    replicates = np.stack([np.average(values, axis=0, weights=weight) for weight in weights])
    np.testing.assert_allclose(mean, values.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(low, np.quantile(replicates, 0.05, axis=0), atol=1e-12)
    np.testing.assert_allclose(high, np.quantile(replicates, 0.95, axis=0), atol=1e-12)


def test_bootstrap_interval_has_the_width_of_the_normal_one() -> None:
    values = np.random.default_rng(0).standard_normal((400, 1))
    _, low, high = bootstrap_mean(values, np.arange(400), samples=4000, level=0.95, seed=0)
    # The bootstrap's standard error of a mean is the standard deviation (ddof 0) over the root of the count.
    assert (high - low)[0] == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)


def test_repeating_the_texts_of_a_group_does_not_narrow_the_interval() -> None:
    values, groups = np.random.default_rng(2).standard_normal((20, 3)), np.arange(20)
    once = bootstrap_mean(values, groups, samples=500, level=0.95, seed=0)
    often = bootstrap_mean(np.repeat(values, 8, axis=0), np.repeat(groups, 8), samples=500, level=0.95, seed=0)
    np.testing.assert_allclose(often, once, atol=1e-12)
    ungrouped = bootstrap_mean(np.repeat(values, 8, axis=0), np.arange(160), samples=500, level=0.95, seed=0)
    assert ((ungrouped[2] - ungrouped[1]) < (once[2] - once[1]) / 2).all()


def test_peak_interval_of_known_peaks() -> None:
    # Peaks at layers 0, 1, ..., 9, ten samples each. An eighth from either end lies in layers 1 and 8; a tenth lies
    # between the last sample of layer 0 and the first of layer 1, and is rounded outward.
    replicates = np.repeat(np.eye(10), 10, axis=0)
    assert peak_interval(replicates, 0.75) == (1, 8)
    assert peak_interval(replicates, 0.8) == (0, 9)
    assert peak_interval(np.tile([0.0, 2.0, 1.0], (5, 1)), 0.95) == (1, 1)


def test_peak_is_the_first_layer_of_a_plateau() -> None:
    assert peak_interval([[0.0, 1.0, 1.0]], 0.95) == (1, 1)


def test_family_wise_p_by_hand() -> None:
    null = [[0.1, 0.5], [0.4, 0.2], [0.3, 0.3], [0.9, 0.0]]  # largest: 0.5, 0.4, 0.3, 0.9
    p = family_wise_p([0.45, 0.95], null)
    np.testing.assert_allclose(p, [3 / 5, 1 / 5])


def test_family_wise_p_counts_ties_against_the_layer() -> None:
    np.testing.assert_allclose(family_wise_p([0.5], [[0.5], [0.4], [0.6]]), [3 / 4])


def test_family_wise_error_is_held_over_many_layers() -> None:
    rng = np.random.default_rng(0)
    smallest = np.array(
        [family_wise_p(rng.standard_normal(30), rng.standard_normal((99, 30))).min() for _ in range(400)]
    )
    # The smallest p is uniform on 0.01, 0.02, ..., 1: at most 0.1 in 40 of 400 cases, standard deviation 6.
    assert 16 <= (smallest <= 0.1).sum() <= 64


def test_group_codes_follow_the_sorted_names() -> None:
    assert group_codes(["b", "a", "c", "a"]).tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (["a", None], "groups: no name for text 1"),
        ([1.0, np.nan], "groups: no name for text 1"),
        (["a", "a"], "groups: only one"),
        ([], "groups: shape"),
        ([["a", "b"]], "groups: shape"),
    ],
)
def test_bad_groups_are_refused(groups: list[object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        group_weights(groups, samples=10, seed=0)  # type: ignore[arg-type]


def test_bad_numbers_are_refused() -> None:
    good = np.zeros((3, 2))
    with pytest.raises(ValueError, match="samples"):
        group_weights([0, 1], samples=0, seed=0)
    with pytest.raises(ValueError, match="values: holds NaN"):
        bootstrap_mean(np.array([[np.nan], [1.0]]), [0, 1], samples=10, level=0.95, seed=0)
    with pytest.raises(ValueError, match="groups: 2 names for 3 texts"):
        bootstrap_mean(good, [0, 1], samples=10, level=0.95, seed=0)
    with pytest.raises(ValueError, match="level"):
        bootstrap_mean(good, [0, 1, 2], samples=10, level=1.0, seed=0)
    with pytest.raises(ValueError, match="replicates: holds NaN"):
        peak_interval([[np.inf, 0.0]], 0.95)
    with pytest.raises(ValueError, match="level"):
        peak_interval(good, 0.0)
    with pytest.raises(ValueError, match="null: 1 layers for 2"):
        family_wise_p([0.1, 0.2], [[0.1]])
    with pytest.raises(ValueError, match="null: shape"):
        family_wise_p([0.1], np.empty((0, 1)))
    with pytest.raises(ValueError, match="observed: holds NaN"):
        family_wise_p([np.nan], [[0.1]])


def test_holm_by_hand() -> None:
    # Smallest x 4, then x 3, then x 2, then x 1, never falling below the one before, at most 1.
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.9]), [0.09, 0.04, 0.09, 0.9])
    np.testing.assert_allclose(holm([0.5, 0.6]), [1.0, 1.0])


def test_holm_holds_the_family_wise_error() -> None:
    rng = np.random.default_rng(0)
    found = sum(holm(rng.random(10)).min() <= 0.1 for _ in range(1000))
    # 1 - 0.99^10 = 0.0956 of the families, standard deviation 9 in 1,000.
    assert 65 <= found <= 128


def test_holm_refuses_what_is_no_p() -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        holm([0.5, 1.5])
