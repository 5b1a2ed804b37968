"""Distance correlation against known values, and its null over layers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fathom.statistics.dependence import corrected_distance_correlation, dependence, distance_correlation

LINE = np.arange(8.0)
OTHER = np.array([3.0, 1, 4, 1, 5, 9, 2, 6])


# Made once with dcor 0.7 (`distance_correlation`, `u_distance_correlation_sqr`).
NORMAL = [
    0.126,
    -0.132,
    0.64,
    0.105,
    -0.536,
    0.362,
    1.304,
    0.947,
    -0.704,
    -1.265,
    -0.623,
    0.041,
    -2.325,
    -0.219,
    -1.246,
    -0.732,
    -0.544,
    -0.316,
    0.412,
    1.043,
    -0.129,
    1.366,
    -0.665,
    0.352,
    0.903,
]
BENT = [
    0.11,
    -0.726,
    -0.512,
    -0.447,
    0.507,
    -0.879,
    1.491,
    0.738,
    1.036,
    1.815,
    0.744,
    -0.652,
    5.276,
    0.832,
    3.046,
    -0.723,
    1.81,
    1.446,
    0.951,
    1.352,
    -0.297,
    3.324,
    2.402,
    1.926,
    2.131,
]
FROZEN = [
    (LINE, LINE**2, 0.9767922606291419, 0.9720615110512386),
    (LINE, OTHER, 0.6003320048798223, 0.09523809523809626),
    (NORMAL, BENT, 0.4613385538911322, 0.047429582483377045),
]


@pytest.mark.parametrize(("x", "y", "biased", "corrected"), FROZEN)
def test_values_are_those_of_dcor(x: npt.ArrayLike, y: npt.ArrayLike, biased: float, corrected: float) -> None:
    assert distance_correlation(x, y) == pytest.approx(biased, abs=1e-12)
    assert corrected_distance_correlation(x, y) == pytest.approx(corrected, abs=1e-12)


def test_of_two_points_and_of_a_line_it_is_one() -> None:
    assert distance_correlation([0, 1], [5, 3]) == pytest.approx(1)
    assert distance_correlation(LINE, 3 - 2 * LINE) == pytest.approx(1)
    assert corrected_distance_correlation(LINE, 3 - 2 * LINE) == pytest.approx(1)


def test_of_a_constant_it_is_zero() -> None:
    assert distance_correlation(LINE, np.ones(8)) == 0
    assert corrected_distance_correlation(LINE, np.ones(8)) == 0


def test_it_sees_what_no_correlation_of_ranks_sees() -> None:
    x = np.arange(-12.0, 13.0)
    found = dependence(x, x**2)
    assert abs(found.spearman) < 1e-9
    assert found.distance > 0.4
    assert found.distance_corrected > 0.1


@given(st.floats(0.01, 100), st.floats(-100, 100), st.integers(0, 1000))
def test_neither_scale_nor_place_nor_order_matters(scale: float, shift: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 12))
    order = rng.permutation(12)
    for measure in (distance_correlation, corrected_distance_correlation):
        assert measure(scale * x + shift, y) == pytest.approx(measure(x, y), abs=1e-6)
        assert measure(x[order], y[order]) == pytest.approx(measure(x, y), abs=1e-9)
        assert measure(x, y) == pytest.approx(measure(y, x), abs=1e-12)


def test_only_the_biased_form_is_far_from_zero_for_independent_points() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(300, 2, 25))
    assert np.mean([distance_correlation(x, y) for x, y in draws]) > 0.25
    assert abs(np.mean([corrected_distance_correlation(x, y) for x, y in draws])) < 0.015


def test_the_null_of_shifts_keeps_its_level_for_smooth_curves_where_free_permutations_do_not() -> None:
    rng = np.random.default_rng(0)
    kernel = np.ones(5)
    noise = rng.normal(size=(150, 2, 29))
    smooth = [[np.convolve(curve, kernel, "valid") for curve in pair] for pair in noise]
    found = [dependence(metric, score) for metric, score in smooth]
    for p in ("p_distance", "p_spearman", "p_kendall"):
        assert np.mean([getattr(one, p) <= 0.1 for one in found]) < 0.16
    assert np.mean([stats.spearmanr(metric, score).pvalue <= 0.1 for metric, score in smooth]) > 0.3


def test_p_cannot_be_below_one_over_the_layers() -> None:
    found = dependence(LINE, LINE**3)
    assert found.smallest_p == 1 / 8
    assert found.p_spearman == found.smallest_p
    assert (found.spearman, found.kendall) == pytest.approx((1, 1))


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (LINE, LINE[:5], "expected the same"),
        (LINE, [np.nan, *LINE[1:]], "not finite"),
        (LINE[:3], LINE[:3], "at least 4"),
        (LINE, np.ones(8), "score: the same at every layer"),
        (np.ones(8), LINE, "metric: the same at every layer"),
    ],
)
def test_bad_curves_are_named(x: npt.ArrayLike, y: npt.ArrayLike, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        dependence(x, y)
