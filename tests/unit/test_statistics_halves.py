"""Half samples, and the intervals that their spread makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.statistics.resampling import FEWEST_GROUPS, half_sample_interval, half_samples

few = settings(max_examples=50, deadline=None)
some_groups = st.lists(st.integers(0, 7), min_size=1, max_size=40)
seeds = st.integers(0, 2**32)


@few
@given(some_groups, seeds)
def test_exactly_half_of_the_groups_and_each_of_them_whole(names: list[int], seed: int) -> None:
    halves = half_samples(names, samples=15, seed=seed)
    distinct, first = np.unique(names, return_index=True)
    if len(distinct) < FEWEST_GROUPS:
        assert halves.shape == (0, len(names))
        return
    assert halves.shape == (15, len(names))
    assert halves.dtype == np.bool_
    by_group = halves[:, first]
    assert (by_group.sum(axis=1) == len(distinct) // 2).all()
    assert (by_group[:, np.searchsorted(distinct, names)] == halves).all()


@few
@given(some_groups, seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_texts_changes_nothing(names: list[int], seed: int, random: object) -> None:
    order = list(range(len(names)))
    random.shuffle(order)  # type: ignore[attr-defined]
    halves = half_samples(names, samples=10, seed=seed)
    assert (half_samples([names[at] for at in order], samples=10, seed=seed) == halves[:, order]).all()


def test_halves_follow_the_seed() -> None:
    names = [f"g{index}" for index in range(10)]
    one, again, other = (half_samples(names, samples=30, seed=seed) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()
    assert len(np.unique(one, axis=0)) > 20  # and differ among themselves


def test_every_group_is_as_likely_and_so_is_every_pair() -> None:
    halves = half_samples(np.arange(6), samples=30_000, seed=0).astype(float)
    # Without replacement: a group is in 3 of 6, a pair in 3/6 x 2/5; the tolerance is five standard errors.
    error = 5 * np.sqrt(0.25 / 30_000)
    np.testing.assert_allclose(halves.mean(axis=0), 0.5, atol=error)
    together = (halves.T @ halves / len(halves))[~np.eye(6, dtype=bool)]
    np.testing.assert_allclose(together, 0.2, atol=error)


def test_an_odd_number_of_groups_is_rounded_down() -> None:
    assert (half_samples(np.arange(9), samples=20, seed=0).sum(axis=1) == 4).all()


@pytest.mark.parametrize(
    ("groups", "samples", "words"),
    [(["a", None], 5, "groups: no name for text 1"), (list("abcd"), 0, "samples: 0"), (list("ab"), 0, "samples: 0")],
)
def test_bad_arguments_are_refused(groups: list[object], samples: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        half_samples(groups, samples=samples, seed=0)  # type: ignore[arg-type]


# The interval --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [40, 101])
def test_width_for_a_mean_is_that_of_the_normal_interval(count: int) -> None:
    values = np.random.default_rng(1).standard_normal(count) * 3.0 + 7.0
    halves = half_samples(np.arange(count), samples=8000, seed=0)
    replicates = halves @ values / halves.sum(axis=1)
    low, high = half_sample_interval(values.mean(), replicates, halves, level=0.95)
    expected = 2 * 1.96 * values.std(ddof=1) / np.sqrt(count)
    assert high - low == pytest.approx(expected, rel=0.1)
    assert low < values.mean() < high


def test_width_does_not_hang_on_which_texts_were_drawn() -> None:
    """Over many data sets: the mean width is the normal one, and the interval holds the truth as often as it says."""
    random = np.random.default_rng(5)
    halves = half_samples(np.arange(30), samples=400, seed=0)
    ratios, held = [], 0
    for _ in range(300):
        values = random.standard_normal(30)
        low, high = half_sample_interval(values.mean(), halves @ values / 15, halves, level=0.95)
        ratios.append((high - low) / (2 * 1.96 * values.std(ddof=1) / np.sqrt(30)))
        held += bool(low < 0 < high)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)
    # The normal interval holds a mean of 30 in 94 % (Student's t); of 300 that is 282, standard deviation 4.1.
    assert 265 <= held <= 297


def test_texts_of_a_group_count_once() -> None:
    """Eight copies of every text in one group: as wide as the interval of the texts themselves."""
    values = np.random.default_rng(2).standard_normal(40)
    often, groups = np.repeat(values, 8), np.repeat(np.arange(40), 8)
    widths = []
    for all_values, names in ((values, np.arange(40)), (often, groups), (often, np.arange(320))):
        halves = half_samples(names, samples=3000, seed=0)
        low, high = half_sample_interval(values.mean(), halves @ all_values / halves.sum(axis=1), halves, level=0.95)
        widths.append(float(high - low))
    assert widths[1] == pytest.approx(widths[0], rel=1e-12)
    assert widths[2] == pytest.approx(widths[0] / np.sqrt(8), rel=0.1)


@few
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=4, max_size=20), seeds, st.floats(0.5, 0.99), st.floats(-5, 5))
def test_interval_moves_with_the_values_and_ignores_the_bias_of_a_half(
    values: list[float], seed: int, level: float, bias: float
) -> None:
    table = np.array(values)
    halves = half_samples(np.arange(len(table)), samples=25, seed=seed)
    replicates = halves @ table / halves.sum(axis=1)
    low, high = half_sample_interval(table.mean(), replicates, halves, level=level)
    assert low <= high
    moved = half_sample_interval(2 * table.mean() + 5, 2 * replicates + 5, halves, level=level)
    np.testing.assert_allclose(moved, (2 * low + 5, 2 * high + 5), atol=1e-8)
    # A half of the texts may give systematically another value; only its spread counts.
    np.testing.assert_allclose(
        half_sample_interval(table.mean(), replicates + bias, halves, level=level), (low, high), atol=1e-8
    )


def test_arrays_are_taken_entry_by_entry() -> None:
    random = np.random.default_rng(0)
    halves = half_samples(np.arange(8), samples=50, seed=0)
    value, replicates = random.standard_normal((2, 3)), random.standard_normal((50, 2, 3))
    low, high = half_sample_interval(value, replicates, halves, level=0.9)
    assert low.shape == high.shape == (2, 3)
    alone = half_sample_interval(value[1, 2], replicates[:, 1, 2], halves, level=0.9)
    assert (low[1, 2], high[1, 2]) == pytest.approx(tuple(map(float, alone)))


def test_without_halves_or_with_one_that_has_no_value_there_is_no_interval() -> None:
    low, high = half_sample_interval([1.0, 2.0], [], np.zeros((0, 3), dtype=np.bool_), level=0.95)
    assert np.isnan([low, high]).all()
    assert low.shape == (2,)
    halves = half_samples(np.arange(6), samples=10, seed=0)
    replicates = np.random.default_rng(0).standard_normal((10, 2))
    replicates[3, 1] = np.nan
    low, high = half_sample_interval([0.0, 0.0], replicates, halves, level=0.95)
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [False, True]


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 2.0])
def test_a_level_outside_0_to_1_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        half_sample_interval(0.0, [], np.zeros((0, 3), dtype=np.bool_), level=level)
