"""The dip against its definition, against published values, and its test against its own null hypothesis."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from fathom.statistics.dip_test import dip, dip_null, dip_p, dip_test, modes

FloatArray = npt.NDArray[np.float64]

few = settings(max_examples=50, deadline=None)

# Quality of the faculty of 63 departments of statistics, the example of Hartigan and Hartigan 1985 (Scully 1982).
FACULTY = (
    *(30, 33, 35, 36, 37, 37, *[39] * 5, *[40] * 4, 41, 42, 43, 43, 43, 44, 44, 45, 45, 46, 46, 47, 47, 48, 48, 48, 49),
    *(50, 50, 51, 52, 52, *[53] * 5, 54, 54, 57, 57, 59, 60, 60, 60, *[61] * 4, *[62] * 4, 63, 66, 70, 72, 72),
)


def dip_by_definition(values: list[float]) -> float:
    """The nearest unimodal distribution function by linear programming, over every place that its mode can have.

    Unknown are the function's limits before and after each value, and the distance.
    """
    x, counts = np.unique(values, return_counts=True)
    count = len(x)
    after = counts.cumsum() / len(values)
    before = after - counts / len(values)
    none = np.zeros(2 * count + 1)

    def difference(terms: dict[int, float]) -> FloatArray:
        row = none.copy()
        for at, factor in terms.items():
            row[at] += factor
        return row

    def slope(at: int) -> FloatArray:
        return difference({at + 1: 1 / (x[at + 1] - x[at]), count + at: -1 / (x[at + 1] - x[at])})

    found = []
    for mode in range(count):
        rows, bounds, equal = [], [], []
        for at in range(count):
            for unknown, target in ((at, before[at]), (count + at, after[at])):
                for sign in (1.0, -1.0):
                    rows.append(difference({unknown: sign, 2 * count: -1.0}))
                    bounds.append(sign * target)
            step = difference({at: 1.0, count + at: -1.0})
            if at == mode:
                rows.append(step)
                bounds.append(0.0)
            else:
                equal.append(step)
        changes = [
            slope(at) - slope(at + 1) if at + 2 <= mode else slope(at + 1) - slope(at) for at in range(count - 2)
        ]
        curved = [change for at, change in enumerate(changes) if at + 2 <= mode or at >= mode]
        rising = [-slope(at) for at in range(count - 1)]
        rows += curved + rising
        bounds += [0.0] * (len(curved) + len(rising))
        solution = linprog(
            difference({2 * count: 1.0}),
            A_ub=np.array(rows),
            b_ub=bounds,
            A_eq=np.array(equal) if equal else None,
            b_eq=np.zeros(len(equal)) if equal else None,
            bounds=[(0, 1)] * len(none),
        )
        assert solution.success
        assert solution.x is not None
        found.append(float(solution.x[-1]))
    return min(found)


@few
@given(st.lists(st.integers(0, 12), min_size=2, max_size=9).filter(lambda values: len(set(values)) > 1))
def test_dip_is_the_distance_from_the_nearest_unimodal_function(values: list[int]) -> None:
    assert dip(values) == pytest.approx(dip_by_definition([float(value) for value in values]), abs=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_dip_of_distinct_values_is_the_distance_too(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(0, 1, 6), rng.normal(4, 1, 5)])
    assert dip(values) == pytest.approx(dip_by_definition(values.tolist()), abs=1e-8)


@few
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60).filter(lambda values: len(set(values)) > 1))
def test_dip_stays_in_its_bounds_and_does_not_know_left_from_right(values: list[float]) -> None:
    found = dip(values)
    assert 1 / (2 * len(values)) - 1e-12 <= found <= 0.25 + 1e-12
    assert dip([-value for value in values]) == pytest.approx(found, abs=1e-9)


@few
@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=40), st.integers(0, 100))
def test_dip_ignores_shift_scale_and_order(values: list[int], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(values)
    assert dip(8.0 * shuffled - 5.0) == pytest.approx(dip(values), abs=1e-12)


@pytest.mark.parametrize("count", [2, 3, 4, 10, 101])
def test_equally_spaced_points_are_as_unimodal_as_steps_can_be(count: int) -> None:
    assert dip(np.arange(count)) == pytest.approx(1 / (2 * count))


def test_dip_of_clusters() -> None:
    assert dip([1, 1, 2, 2]) == pytest.approx(0.25)
    # The smaller of two atoms of 1/4 and 3/4 stands beside the mode: half of it must be spread on either side.
    assert dip([1, 1, 1, 2]) == pytest.approx(0.125)
    assert dip([7.0]) == dip([7.0, 7.0, 7.0]) == 0.0
    rng = np.random.default_rng(0)
    assert dip(np.concatenate([rng.normal(0, 1e-3, 500), rng.normal(1, 1e-3, 500)])) == pytest.approx(0.25, abs=0.003)


def test_dip_survives_the_ends_of_the_number_range() -> None:
    assert dip([0.0, 5e-324, 1.0, 1.0]) == pytest.approx(0.25)
    assert dip([-1e308, -1e308, 1e308, 1e308]) == pytest.approx(0.25)


def test_published_example() -> None:
    """Hartigan and Hartigan 1985: dip 0.059, tail probability about 10 %."""
    found, p = dip_test(FACULTY, samples=2000, seed=0)
    assert len(FACULTY) == 63
    assert found == pytest.approx(0.059, abs=0.001)
    assert p == pytest.approx(0.1, abs=0.03)


def test_published_quantile() -> None:
    """Hartigan and Hartigan 1985, Table 1, from 9,999 samples: of 100 uniform values, 90 % have a dip below 0.0471."""
    null = dip_null(100, samples=2000, seed=0)
    # 2,000 samples place the 90 % point between the 88.7 and 91.3 % points in 95 of 100 cases.
    assert np.quantile(null, 0.9) == pytest.approx(0.0471, abs=0.0012)


def test_uniform_samples_are_rejected_as_often_as_said() -> None:
    null = dip_null(30, samples=500, seed=0)
    rng = np.random.default_rng(1)
    p = dip_p([dip(rng.random(30)) for _ in range(500)], null)
    # Binomial, 500 draws at 0.1: standard deviation 6.7, and as much again from the null distribution.
    assert 30 <= (p <= 0.1).sum() <= 75


def test_normal_samples_are_rejected_less_and_two_clusters_always() -> None:
    null = dip_null(100, samples=200, seed=0)
    rng = np.random.default_rng(2)
    assert (dip_p([dip(rng.normal(size=100)) for _ in range(100)], null) <= 0.05).sum() <= 5
    apart = [np.concatenate([rng.normal(0, 1, 50), rng.normal(6, 1, 50)]) for _ in range(20)]
    assert (dip_p([dip(one) for one in apart], null) == 1 / 201).all()


def test_p_by_hand() -> None:
    # Of 0.1, 0.2, 0.3: all reach 0.05, two reach 0.2, none reaches 0.4.
    np.testing.assert_allclose(dip_p([0.05, 0.2, 0.4], [0.3, 0.1, 0.2]), [1, 3 / 4, 1 / 4])


def test_null_is_the_same_again() -> None:
    np.testing.assert_array_equal(dip_null(20, samples=10, seed=3), dip_null(20, samples=10, seed=3))
    assert (dip_null(20, samples=10, seed=3) != dip_null(20, samples=10, seed=4)).any()


def test_modes_are_the_medians_of_two_clusters() -> None:
    assert modes([30, 3, 2, 1, 11, 10]) == (3.0, 30.0)
    assert modes([5, 1, 1, 5, 5]) == (1.0, 5.0)
    rng = np.random.default_rng(0)
    low, high = modes(np.concatenate([rng.normal(0.2, 0.01, 900), rng.normal(0.8, 0.01, 100)]))
    assert low == pytest.approx(0.2, abs=0.005)
    assert high == pytest.approx(0.8, abs=0.005)


def test_one_outlier_is_no_mode() -> None:
    values = [*[1.0] * 30, *[2.0] * 30, 500.0]
    assert modes(values) == (1.0, 2.0)
    assert modes([*[1.0] * 60, 500.0]) == (1.0, 500.0)  # nothing else to choose


@few
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=12).filter(lambda values: len(set(values)) > 1))
def test_modes_come_from_the_cut_of_least_squares(values: list[int]) -> None:
    low, high = modes(values)
    ordered = np.sort(np.array(values, dtype=np.float64))
    cuts = [cut for cut in range(1, len(ordered)) if ordered[cut] > ordered[cut - 1]]
    squares = {cut: sum(part.var() * len(part) for part in np.split(ordered, [cut])) for cut in cuts}
    least = min(squares.values())
    best = [cut for cut in cuts if squares[cut] <= least + 1e-9]
    assert (low, high) in [(np.median(ordered[:cut]), np.median(ordered[cut:])) for cut in best]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="values: holds NaN"):
        dip([0.0, np.nan])
    with pytest.raises(ValueError, match="values: shape"):
        dip([])
    with pytest.raises(ValueError, match="values: all are 3"):
        modes([3.0, 3.0])
    with pytest.raises(ValueError, match="samples: 0"):
        dip_null(5, samples=0, seed=0)
    with pytest.raises(ValueError, match="texts: 0"):
        dip_null(0, samples=5, seed=0)
