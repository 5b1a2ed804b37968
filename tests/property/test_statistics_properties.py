"""What holds for bootstrap, peaks and tests whatever the numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fathom.statistics.multiple_testing import family_wise_p
from fathom.statistics.resampling import bootstrap_mean, group_weights, peak_interval

numbers = st.floats(-1e3, 1e3, width=32)
few = settings(max_examples=50, deadline=None)


@st.composite
def curves(draw: st.DrawFn) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    layers, permutations = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    return draw(arrays(np.float64, layers, elements=numbers)), draw(
        arrays(np.float64, (permutations, layers), elements=numbers)
    )


@few
@given(curves())
def test_family_wise_p_is_never_below_the_p_of_a_layer_alone(
    case: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> None:
    observed, null = case
    p = family_wise_p(observed, null)
    alone = np.array([family_wise_p(observed[[k]], null[:, [k]])[0] for k in range(len(observed))])
    assert (p >= alone).all()
    assert (p >= 1 / (1 + len(null))).all()
    assert (p <= 1).all()


@few
@given(curves())
def test_family_wise_p_falls_as_the_observed_score_rises(
    case: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> None:
    observed, null = case
    p = family_wise_p(observed, null)
    assert (np.diff(p[np.argsort(observed)]) <= 0).all()


@few
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 2**32))
def test_every_bootstrap_sample_draws_as_many_groups_as_there_are(names: list[int], seed: int) -> None:
    names = [*names, 6]  # at least two groups
    weights = group_weights(names, samples=20, seed=seed)
    uniques, first = np.unique(names, return_index=True)
    assert (weights[:, first].sum(axis=1) == len(first)).all()
    assert (weights[:, first][:, np.searchsorted(uniques, names)] == weights).all()


@few
@given(arrays(np.float64, (8, 3), elements=numbers), st.integers(0, 2**32), st.floats(0.5, 0.99))
def test_intervals_move_with_the_values_and_stay_among_the_group_means(
    values: npt.NDArray[np.float64], seed: int, level: float
) -> None:
    groups = np.repeat(np.arange(4), 2)
    mean, low, high = bootstrap_mean(values, groups, samples=40, level=level, seed=seed)
    shifted = bootstrap_mean(2 * values + 5, groups, samples=40, level=level, seed=seed)
    np.testing.assert_allclose(shifted, 2 * np.stack([mean, low, high]) + 5, atol=1e-9)
    group_means = values.reshape(4, 2, 3).mean(axis=1)
    assert (low <= high).all()
    assert (low >= group_means.min(axis=0) - 1e-9).all()
    assert (high <= group_means.max(axis=0) + 1e-9).all()


@few
@given(arrays(np.float64, (12, 6), elements=numbers), st.floats(0.1, 0.99))
def test_peak_interval_holds_at_least_its_level_and_ends_at_peaks(
    replicates: npt.NDArray[np.float64], level: float
) -> None:
    low, high = peak_interval(replicates, level)
    peaks = replicates.argmax(axis=1)
    assert {low, high} <= set(peaks.tolist())
    assert ((peaks >= low) & (peaks <= high)).mean() >= level - 1e-9
