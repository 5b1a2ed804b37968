"""The metrics where the answer is known in closed form, and what they refuse."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from fathom.metrics import (
    as_published,
    curvature,
    dime,
    dime_with_error,
    effective_rank,
    infonce,
    label_overlap,
    lidar,
    linear_cka,
    matrix_entropy,
    neighbourhood_overlap,
    prepare,
    two_nn,
    two_nn_by_scale,
)
from fathom.metrics.definitions.curvature import curvature_of_states
from fathom.metrics.settings import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

Array = npt.NDArray[np.float64]
ALPHAS = (0.1, 0.5, 1.0, 2.0, 50.0, 1e4)


def orthonormal(rows: int, columns: int, *, seed: int = 0) -> Array:
    """Rows that are orthonormal, in a random direction."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((columns, rows)))
    return np.asarray(q.T, dtype=np.float64)


def with_spectrum(singular: Array, *, rows: int, columns: int) -> Array:
    """A matrix with these singular values."""
    return orthonormal(len(singular), rows, seed=1).T @ (singular[:, np.newaxis] * orthonormal(len(singular), columns))


# Entropy and effective rank


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(("rows", "columns"), [(12, 30), (30, 12), (12, 12)])
def test_entropy_of_a_flat_spectrum_is_the_log_of_its_rank(rows: int, columns: int, alpha: float) -> None:
    z = with_spectrum(np.full(7, 3.0), rows=rows, columns=columns)
    assert matrix_entropy(z, alpha=alpha) == pytest.approx(math.log(7), rel=1e-11)
    assert effective_rank(z) == pytest.approx(7.0, rel=1e-11)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_entropy_of_one_direction_is_zero(alpha: float) -> None:
    random = np.random.default_rng(2)
    z = np.outer(random.standard_normal(80), random.standard_normal(200))
    assert matrix_entropy(z, alpha=alpha) == pytest.approx(0.0, abs=1e-12)
    assert effective_rank(z) == pytest.approx(1.0, abs=1e-12)
    assert matrix_entropy(z[:1], alpha=alpha) == 0.0


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.9])
def test_entropy_of_a_geometric_spectrum(ratio: float) -> None:
    count = 9
    z = with_spectrum(np.sqrt(ratio ** np.arange(count)), rows=20, columns=40)
    total = (1 - ratio**count) / (1 - ratio)
    mean_power = sum(k * ratio**k for k in range(count)) / total
    assert matrix_entropy(z) == pytest.approx(math.log(total) - mean_power * math.log(ratio), rel=1e-11)
    for alpha in (0.5, 2.0, 3.0):
        power = (1 - ratio ** (count * alpha)) / (1 - ratio**alpha)
        expected = math.log(power / total**alpha) / (1 - alpha)
        assert matrix_entropy(z, alpha=alpha) == pytest.approx(expected, rel=1e-11)
    # The singular values are geometric too, with the root of the ratio.
    root = math.sqrt(ratio)
    total = (1 - root**count) / (1 - root)
    mean_power = sum(k * root**k for k in range(count)) / total
    assert effective_rank(z) == pytest.approx(total * root**-mean_power, rel=1e-9)


def test_entropy_is_continuous_at_alpha_one() -> None:
    z = with_spectrum(np.array([5.0, 2.0, 1.0, 0.1]), rows=6, columns=9)
    p = np.array([25.0, 4.0, 1.0, 0.01]) / 30.01
    log_p = np.log(p)
    slope = -0.5 * float(np.sum(p * log_p**2) - np.sum(p * log_p) ** 2)
    for step in (1e-14, 1e-10, 1e-6, -1e-6, -1e-10):
        assert matrix_entropy(z, alpha=1.0 + step) == pytest.approx(matrix_entropy(z) + slope * step, rel=1e-10)
    # The two forms that are used on either side of this distance from 1 agree.
    for edge in (0.99, 1.01):
        below, above = (matrix_entropy(z, alpha=edge + step) for step in (-1e-9, 1e-9))
        assert below - above == pytest.approx(2e-9 * -slope, rel=0.1)


def test_two_by_two_example_against_theorem_one() -> None:
    z = np.diag([2.0, 1.0])
    assert effective_rank(z) == pytest.approx(3 / 4 ** (1 / 3), rel=1e-12)
    assert math.exp(matrix_entropy(z)) == pytest.approx(5 / 4**0.8, rel=1e-12)
    assert effective_rank(z) > math.exp(matrix_entropy(z))


def test_states_may_be_of_any_real_type() -> None:
    whole = np.array([[3, 1, 0], [0, 2, 5], [1, 1, 4]])
    expected = matrix_entropy(whole.astype(np.float64))
    for dtype in (np.int64, np.float32, np.float16, ml_dtypes.bfloat16):
        assert matrix_entropy(whole.astype(dtype)) == expected
    assert matrix_entropy(whole.tolist()) == expected


# Curvature


def test_curvature_of_known_paths() -> None:
    direction = np.array([1.0, -2.0, 0.5])
    line = np.outer(np.array([0.0, 1.0, 1.5, 4.0, 40.0]), direction) + 7.0
    assert curvature(line) == pytest.approx(0.0, abs=1e-13)
    stairs = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [5.0, 1.0], [5.0, 1.5]])
    assert curvature(stairs) == pytest.approx(math.pi / 2, rel=1e-15)
    back_and_forth = np.outer(np.array([0.0, 1.0, 0.0, 1.0, -3.0]), direction)
    assert curvature(back_and_forth) == pytest.approx(math.pi, rel=1e-15)
    # Straight on once and a right angle once; and one turn by 120 degrees, as in a triangle.
    assert curvature(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [2.0, 1.0]])) == pytest.approx(math.pi / 4)
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])
    assert curvature(triangle) == pytest.approx(2 * math.pi / 3)


# On either side of the cosine 0.99, where arccos gives way to the exact form, too.
@pytest.mark.parametrize("angle", [1e-12, 1e-9, 1e-5, 0.1415, 0.1416, 1.0, math.pi - 0.1415, math.pi - 1e-9])
def test_curvature_keeps_its_digits_near_zero_and_pi(angle: float) -> None:
    path = np.array([[-1.0, 0.0], [0.0, 0.0], [math.cos(angle), math.sin(angle)]])
    assert curvature(path) == pytest.approx(angle, rel=1e-14, abs=1e-15)
    # pi - angle keeps the digits of pi, not its own: this is what is left of the angle.
    back = np.array([[1.0, 0.0], [0.0, 0.0], [math.cos(angle), math.sin(angle)]])
    assert math.pi - curvature(back) == pytest.approx(angle, abs=1e-15)


@pytest.mark.parametrize("width", [576, 4096])
@pytest.mark.parametrize("turn", [1e-6, 1e-3, 0.14, 0.1416, 0.5, 2.0, 3.0, 3.1415])
def test_curvature_is_exact_in_wide_states(width: int, turn: float) -> None:
    # Steps of unequal length, each turned by the same angle in a plane that lies across all columns.
    plane = orthonormal(2, width, seed=3)
    lengths = np.random.default_rng(4).uniform(0.1, 10.0, size=40)
    directions = np.column_stack([np.cos(turn * np.arange(40)), np.sin(turn * np.arange(40))])
    path = np.vstack([np.zeros(2), np.cumsum(lengths[:, np.newaxis] * directions, axis=0)]) @ plane
    # Rounding of the path itself turns a step by 1e-16 of its distance from the origin over its length.
    turned = 1e-16 * np.linalg.norm(path, axis=1).max() / 0.1
    assert curvature(path) == pytest.approx(turn, rel=1e-12, abs=10 * turned)


def test_curvature_over_steps_of_several_tokens() -> None:
    random = np.random.default_rng(5)
    z = random.standard_normal((11, 6))
    for k in (1, 2, 3, 5):
        angles = []
        for i in range(11 - 2 * k):
            one, other = z[i + k] - z[i], z[i + 2 * k] - z[i + k]
            angles.append(math.acos(float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))))
        assert curvature(z, k=k) == pytest.approx(np.mean(angles), rel=1e-13)
    # A circle of 12 tokens turns by 30 degrees at every token, and by 30 k at every k-th.
    circle = np.array([[math.cos(turn), math.sin(turn)] for turn in np.arange(12) * math.pi / 6])
    for k in (1, 2, 3, 5):
        assert curvature(circle, k=k) == pytest.approx(k * math.pi / 6, rel=1e-13)
    # A zigzag turns back at every token and is straight two tokens at a time.
    zigzag = np.array([[float(i), float(i % 2) * 1e-3] for i in range(9)])
    assert curvature(zigzag, k=2) == 0.0
    with pytest.raises(ValueError, match=r"4 rows; expected at least 5"):
        curvature(z[:4], k=2)
    with pytest.raises(ValueError, match=r"no angle: .* equal tokens \(5 tokens\)"):
        curvature(z[[0, 1, 0, 1, 2]], k=2)
    with pytest.raises(ValueError, match=r"`k` is 0; expected an integer of at least 1"):
        curvature(z, k=0)


def test_curvature_of_independent_tokens_is_two_thirds_of_pi() -> None:
    tokens = np.random.default_rng(3).standard_normal((400, 500))
    # The cosine of one angle scatters by about 1 / sqrt(500); the mean of 398 angles by 0.0025.
    assert curvature(tokens) == pytest.approx(2 * math.pi / 3, abs=0.01)
    assert as_published.curvature(tokens) == pytest.approx(math.pi / 3, abs=0.01)


def test_curvature_as_published_counts_an_equal_token_as_no_angle() -> None:
    tokens = np.random.default_rng(4).standard_normal((4, 6))
    repeated = tokens[[0, 1, 1, 2]]
    assert as_published.curvature(repeated) == 0.0
    with pytest.raises(ValueError, match="no angle"):
        curvature(repeated)
    # Equal directions are equal tokens once rows are brought to unit length, though rounding leaves a tiny step.
    scaled = prepare(tokens[[0, 1, 1, 2]] * np.array([[1.0], [3.0], [0.7], [1.0]]), "rows")
    with pytest.raises(ValueError, match="no angle"):
        curvature(scaled)


@pytest.mark.parametrize("k", [1, 2])
def test_curvature_is_the_mean_over_the_angles_that_exist(k: int) -> None:
    tokens = np.random.default_rng(6).standard_normal((9, 6)).astype(np.float32)
    repeated = tokens[[0, 1, 2, 2, 3, 4, 5, 5, 5, 6, 7, 8]]
    angles = []
    for i in range(len(repeated) - 2 * k):
        path = repeated[[i, i + k, i + 2 * k]]
        if len(np.unique(path[:2], axis=0)) == len(np.unique(path[1:], axis=0)) == 2:
            angles.append(curvature(path))
    found = curvature_of_states(repeated, k=k)
    assert found.value == pytest.approx(np.mean(angles))
    assert found.angles == len(angles)
    assert curvature(repeated, k=k) == found.value
    assert 0 < len(angles) < len(repeated) - 2 * k
    # States that a batch of another shape rounds otherwise are the same tokens too.
    rounded = repeated * (1 + np.array([[0.0], [2**-23]] * 6, dtype=np.float32))
    value, count = curvature_of_states(rounded, k=k)
    assert value == pytest.approx(found.value, abs=1e-5)
    assert count == len(angles)


# Prompt entropy as published


def test_prompt_entropy_as_published_of_two_tokens() -> None:
    # After centring, two tokens are opposite; without negative entries their Gram matrix is the identity.
    found = as_published.prompt_entropy(np.array([[1.0, 2.0, 3.0, 0.0], [0.0, 1.0, 0.0, 5.0]]))
    assert found == pytest.approx({"maxEntropy": 1.0, "raw": math.log(2), "logN": 1.0, "logD": 0.5})


def test_prompt_entropy_as_published_is_above_the_entropy_without_the_clamp() -> None:
    tokens = np.random.default_rng(5).standard_normal((30, 60)) @ np.diag(0.8 ** np.arange(60))
    found = as_published.prompt_entropy(tokens)
    assert found["raw"] > matrix_entropy(prepare(tokens, "centred")) + 0.1
    assert found["maxEntropy"] == found["logN"] == found["raw"] / math.log(30)


# Invariance


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_infonce_of_identical_orthonormal_views(temperature: float) -> None:
    rows = orthonormal(8, 20)
    expected = math.log1p(7 * math.exp(-1 / temperature))
    assert infonce(rows, rows, temperature=temperature) == pytest.approx(expected, abs=1e-14)
    published = as_published.infonce(np.vstack([np.eye(8), -np.eye(8)]), np.vstack([np.eye(8), -np.eye(8)]))
    assert published["raw"] == pytest.approx(math.log1p(14 * math.exp(-10) + math.exp(-20)), abs=1e-14)
    assert published["mi-lower-bound"] == pytest.approx(1 - published["raw"] / math.log(16))


def test_infonce_of_uninformative_and_of_swapped_views() -> None:
    rows = orthonormal(6, 9)
    # Views that are all alike leave a guess among the texts; one that points to a wrong text costs 1 / temperature.
    assert infonce(rows, np.ones((6, 9))) == pytest.approx(math.log(6), rel=1e-12)
    swapped = rows[[1, 0, 3, 2, 5, 4]]
    assert infonce(rows, swapped) == pytest.approx(10.0 + math.log1p(5 * math.exp(-10)), rel=1e-12)


def test_infonce_takes_dot_products_in_one_direction() -> None:
    a = np.array([[1.0, 0.0], [0.0, 2.0]])
    b = np.array([[3.0, 1.0], [0.0, 1.0]])
    # Logits at temperature 1: rows (3, 0) and (2, 2).
    expected = (math.log1p(math.exp(-3.0)) + math.log(2.0)) / 2
    assert infonce(a, b, temperature=1.0) == pytest.approx(expected, rel=1e-14)
    assert infonce(b, a, temperature=1.0) != pytest.approx(expected, rel=0.1)


def test_infonce_of_both_directions_is_their_mean() -> None:
    random = np.random.default_rng(7)
    a, b = random.standard_normal((9, 5)), random.standard_normal((9, 5))
    there, back = infonce(a, b), infonce(b, a)
    assert infonce(a, b, both=True) == pytest.approx((there + back) / 2, rel=1e-14)
    assert infonce(b, a, both=True) == infonce(a, b, both=True)
    assert abs(there - back) > 0.1


def test_dime_of_views_that_hold_nothing_or_cannot_be_told_from_chance() -> None:
    rows = orthonormal(10, 15)
    same = np.ones((10, 15))
    assert dime(rows, rows, permutations=3) == pytest.approx(0.0, abs=1e-12)
    assert dime(rows, same, permutations=3) == pytest.approx(0.0, abs=1e-12)


def test_dime_of_two_pairs_of_texts() -> None:
    clusters = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    # 8 of the 24 permutations keep the pairs together and give log 2 - log 2; the others part both: log 4 - log 2.
    draws = np.array([dime(clusters, clusters, permutations=1, seed=seed) for seed in range(600)])
    assert np.all(np.minimum(np.abs(draws), np.abs(draws - math.log(2))) < 1e-12)
    error = math.log(2) * math.sqrt(1 / 3 * 2 / 3 / 600)
    assert draws.mean() == pytest.approx(2 / 3 * math.log(2), abs=4 * error)


def test_dime_gives_the_error_of_its_permutations() -> None:
    random = np.random.default_rng(8)
    a = prepare(random.standard_normal((12, 6)), "centred")
    b = prepare(a + random.standard_normal((12, 6)), "centred")
    value, error = dime_with_error(a, b, permutations=40, seed=3)
    assert value == dime(a, b, permutations=40, seed=3)
    # Means of 40 permutations from other seeds scatter as the error says.
    means = np.array([dime(a, b, permutations=40, seed=seed) for seed in range(100, 160)])
    assert means.std(ddof=1) == pytest.approx(error, rel=0.4)
    assert abs(value - means.mean()) < 4.0 * error
    # Views that cannot be told from chance have no error either.
    assert dime_with_error(a, np.ones((12, 6)), permutations=5) == pytest.approx((0.0, 0.0), abs=1e-12)
    with pytest.raises(ValueError, match=r"`permutations` is 1; expected an integer of at least 2"):
        dime_with_error(a, b, permutations=1)


def test_dime_is_about_texts_even_where_there_are_more_of_them_than_columns() -> None:
    random = np.random.default_rng(6)
    a = prepare(random.standard_normal((40, 5)), "rows")
    b = prepare(a + 0.1 * random.standard_normal((40, 5)), "rows")
    # Turning the columns of one view by a rotation changes nothing between texts.
    turned = b @ orthonormal(5, 5, seed=7)
    assert dime(a, turned) == pytest.approx(dime(a, b), rel=1e-10)
    assert dime(a, b) > 0.1
    assert dime(a, b, seed=1) != dime(a, b, seed=0)
    assert dime(a, b, seed=1) == dime(a, b, seed=1)


def spread(means: Array, offsets: Array) -> Array:
    """Views (texts, 2 x width, width): each class mean plus and minus an offset along each axis."""
    steps = np.vstack([np.diag(offsets), -np.diag(offsets)])
    return np.asarray(means[:, np.newaxis] + steps, dtype=np.float64)


def test_lidar_of_well_separated_classes_counts_them() -> None:
    # Means at the corners of a simplex and equal noise on all axes: texts - 1 directions alike.
    assert lidar(spread(10.0 * np.eye(6), np.full(6, 0.1))) == pytest.approx(math.log(5), rel=1e-12)
    assert lidar(spread(10.0 * np.eye(2, 5), np.full(5, 0.1))) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("ridge", [1e-4, 1e-2, 1.0])
def test_lidar_divides_by_the_scatter_within_texts(ridge: float) -> None:
    means = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 3.0], [0.0, -3.0]])
    offsets = np.array([0.5, 1.5])
    # Each axis carries 2 of the 4 views' offsets, so its variance within texts is offset^2 / 2.
    signal = np.array([4.0, 9.0]) / 2 / (offsets**2 / 2 + ridge)
    p = signal / signal.sum()
    assert lidar(spread(means, offsets), ridge=ridge) == pytest.approx(-float(np.sum(p * np.log(p))), rel=1e-12)


# Intrinsic dimension and similarity


def test_two_nn_of_three_points_by_hand() -> None:
    # First and second neighbours at 1 and 3, 1 and 2, 2 and 3: the ratios multiply to 9.
    assert two_nn(np.array([[0.0], [1.0], [3.0]])) == pytest.approx(2 / math.log(9), rel=1e-14)


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_two_nn_of_uniform_cubes_in_a_wider_space(dimension: int) -> None:
    points = 2000
    cube = np.random.default_rng(8).uniform(size=(points, dimension)) @ orthonormal(dimension, 12)
    # The estimate scatters by dimension / sqrt(points); points near a face add less than that in these dimensions.
    assert two_nn(cube) == pytest.approx(dimension, abs=4 * dimension / math.sqrt(points))


def test_two_nn_works_on_one_block_as_on_many(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(9).standard_normal((53, 4))
    whole = two_nn(points), neighbourhood_overlap(points, points[:, :2], k=5)
    monkeypatch.setattr("fathom.statistics.neighbours._BLOCK", 53 * 7)
    assert (two_nn(points), neighbourhood_overlap(points, points[:, :2], k=5)) == whole
    with pytest.raises(ValueError, match=r"rows 20 and 52\)"):
        two_nn(np.vstack([points[:52], points[20]]))


def test_neighbourhood_overlap_by_hand() -> None:
    a = np.array([[0.0], [1.0], [3.0], [7.0]])
    b = np.array([[0.0], [9.0], [1.0], [3.0]])
    # Nearest in a: 1, 0, 1, 2; in b: 2, 3, 0, 2.
    assert neighbourhood_overlap(a, b, k=1) == 1 / 4
    # Two nearest in a: {1 2}, {0 2}, {1 0}, {2 1}; in b: {2 3}, {3 2}, {0 3}, {2 0}.
    assert neighbourhood_overlap(a, b, k=2) == 4 / 8
    assert neighbourhood_overlap(a, b, k=3) == 1.0
    # Nearest in a: 1, 0 (as near as 2, but earlier), 1; in b: 1, 2, 1.
    assert neighbourhood_overlap(np.array([[0.0], [1.0], [2.0]]), np.array([[9.0], [1.0], [0.5]]), k=1) == 2 / 3


def test_neighbourhood_overlap_of_itself_and_of_unrelated_states() -> None:
    random = np.random.default_rng(10)
    a, b = random.standard_normal((500, 8)), random.standard_normal((500, 30))
    assert neighbourhood_overlap(a, a, k=10) == 1.0
    # Each of the 5,000 neighbours is shared by chance with probability 10 / 499.
    assert neighbourhood_overlap(a, b, k=10) == pytest.approx(10 / 499, abs=0.01)


@pytest.mark.parametrize(("texts", "width"), [(30, 6), (30, 90)])
def test_linear_cka_of_a_rotated_scaled_and_shifted_copy_is_one(texts: int, width: int) -> None:
    a = np.random.default_rng(11).standard_normal((texts, width))
    assert linear_cka(a, 5.0 * a @ orthonormal(width, width) - 3.0) == pytest.approx(1.0, rel=1e-12)


def test_linear_cka_of_single_columns_is_the_squared_correlation() -> None:
    random = np.random.default_rng(12)
    a = random.standard_normal((25, 1))
    b = a + random.standard_normal((25, 1))
    assert linear_cka(a, b) == pytest.approx(np.corrcoef(a[:, 0], b[:, 0])[0, 1] ** 2, rel=1e-12)
    # Orthogonal columns, both centred.
    assert linear_cka([[1.0], [1.0], [-1.0], [-1.0]], [[1.0], [-1.0], [1.0], [-1.0]]) == pytest.approx(0.0, abs=1e-15)


def test_linear_cka_is_the_same_through_texts_and_through_columns() -> None:
    random = np.random.default_rng(13)
    a, b = random.standard_normal((20, 7)), random.standard_normal((20, 11))
    b[:, :7] += a
    # Columns of zeros change nothing but make the matrix wide, so that the other way is taken.
    wide = np.hstack([b, np.zeros((20, 40))])
    assert linear_cka(a, wide) == pytest.approx(linear_cka(a, b), rel=1e-12)


# Preparation and sinks


def test_prepare() -> None:
    z = np.array([[3.0, 4.0], [0.0, 2.0], [-6.0, 0.0]])
    assert np.array_equal(prepare(z, "none"), z)
    assert prepare(z, "rows") == pytest.approx(np.array([[0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]]))
    centred = prepare(z, "centred")
    # The mean is (-1, 2).
    assert centred == pytest.approx(np.array([[4.0, 2.0], [1.0, 0.0], [-5.0, -2.0]]) / np.sqrt([[20.0], [1.0], [29.0]]))
    assert prepare(z.astype(np.float32), "rows").dtype == np.float64


def test_prepare_refuses_rows_without_a_direction() -> None:
    with pytest.raises(ValueError, match=r"row 1 of `z` is zero"):
        prepare([[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]], "rows")
    with pytest.raises(ValueError, match=r"row 2 of `z` equals the mean of the rows"):
        prepare([[1.0, 1.0], [3.0, 3.0], [2.0, 2.0]], "centred")
    # Rounding keeps the mean of these rows from being exactly the rows themselves.
    with pytest.raises(ValueError, match=r"row 0 of `z` equals the mean of the rows \(as do 9 more rows\)"):
        prepare(np.tile([0.1, 0.7, 1e5 / 3], (10, 1)), "centred")
    with pytest.raises(ValueError, match=r"row 0 of `z` equals the mean"):
        prepare([[1.0, 2.0]], "centred")
    with pytest.raises(ValueError, match=r"`preparation` is 'centered'; expected one of none, rows, centred"):
        prepare([[1.0, 2.0]], "centered")  # type: ignore[arg-type]


# Refusals

GOOD = np.random.default_rng(14).standard_normal((6, 4))
GOOD_VIEWS = np.random.default_rng(15).standard_normal((5, 3, 4))

OF_Z: list[Callable[[npt.ArrayLike], object]] = [
    matrix_entropy,
    curvature,
    effective_rank,
    two_nn,
    as_published.prompt_entropy,
    as_published.curvature,
    lambda z: prepare(z, "rows"),
]
OF_PAIRS: list[Callable[[npt.ArrayLike, npt.ArrayLike], object]] = [
    infonce,
    dime,
    linear_cka,
    lambda a, b: neighbourhood_overlap(a, b, k=2),
    as_published.infonce,
    as_published.dime,
]
OF_VIEWS: list[Callable[[npt.ArrayLike], object]] = [lidar, as_published.lidar]


def spoil(z: Array, value: float) -> Array:
    spoilt = z.copy()
    spoilt[(2, *(1 for _ in z.shape[1:]))] = value
    return spoilt


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_refuse_what_is_not_finite(value: float) -> None:
    for metric in OF_Z:
        with pytest.raises(ValueError, match=rf"`z` holds {value} at \(2, 1\); expected finite numbers"):
            metric(spoil(GOOD, value))
    for pair in OF_PAIRS:
        with pytest.raises(ValueError, match=r"`a` holds"):
            pair(spoil(GOOD, value), GOOD)
        with pytest.raises(ValueError, match=r"`b` holds"):
            pair(GOOD, spoil(GOOD, value))
    for of_views in OF_VIEWS:
        with pytest.raises(ValueError, match=r"`views` holds"):
            of_views(spoil(GOOD_VIEWS, value))


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (GOOD[0], r"has shape \(4,\); expected 2 axes"),
        (GOOD_VIEWS, r"has shape \(5, 3, 4\); expected 2 axes"),
        (GOOD[:0], r"0 rows; expected at least"),
        (GOOD[:, :0], r"0 columns; expected at least"),
        (GOOD.astype(np.complex128), r"holds complex128"),
        (GOOD > 0, r"holds bool"),
        (GOOD.astype(str), r"expected real numbers"),
        (np.array([[object()] * 4] * 6), r"holds object"),
        (GOOD * 1e80, r"has largest magnitude"),
        (GOOD * 1e-80, r"has largest magnitude"),
    ],
)
def test_refuse_what_is_no_matrix_of_real_numbers(bad: npt.NDArray[np.generic], expected: str) -> None:
    for metric in OF_Z:
        with pytest.raises(ValueError, match=rf"`z` .*{expected}"):
            metric(bad)
    for pair in OF_PAIRS:
        with pytest.raises(ValueError, match=rf"`a` .*{expected}"):
            pair(bad, GOOD)
        with pytest.raises(ValueError, match=rf"`b` .*{expected}"):
            pair(GOOD, bad)


def test_refuse_too_few() -> None:
    for metric, rows in ((curvature, 3), (two_nn, 3), (as_published.curvature, 3), (as_published.prompt_entropy, 2)):
        with pytest.raises(ValueError, match=rf"`z` has shape .*{rows - 1} rows; expected at least {rows}"):
            metric(GOOD[: rows - 1])
    with pytest.raises(ValueError, match=r"`z` has shape \(6, 1\), so 1 columns; expected at least 2"):
        as_published.prompt_entropy(GOOD[:, :1])
    for pair in OF_PAIRS:
        with pytest.raises(ValueError, match=r"`a` has shape \(1, 4\), so 1 rows; expected at least 2"):
            pair(GOOD[:1], GOOD[:1])
    for of_views in OF_VIEWS:
        with pytest.raises(ValueError, match=r"so 1 texts; expected at least 2"):
            of_views(GOOD_VIEWS[:1])
        with pytest.raises(ValueError, match=r"so 1 views; expected at least 2"):
            of_views(GOOD_VIEWS[:, :1])
        with pytest.raises(ValueError, match=r"`views` has shape \(6, 4\); expected 3 axes"):
            of_views(GOOD)


def test_refuse_views_that_do_not_match() -> None:
    for pair in OF_PAIRS:
        with pytest.raises(ValueError, match=r"`a` has .*6.* and `b` has .*5"):
            pair(GOOD, GOOD[:5])
    for same_width in (infonce, dime, as_published.infonce, as_published.dime):
        with pytest.raises(ValueError, match=r"expected equal shapes"):
            same_width(GOOD, GOOD[:, :3])


def test_refuse_parameters_out_of_range() -> None:
    for value in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"`alpha` is .*; expected a finite number above 0"):
            matrix_entropy(GOOD, alpha=value)
        with pytest.raises(ValueError, match=r"`alpha` is"):
            dime(GOOD, GOOD, alpha=value)
        with pytest.raises(ValueError, match=r"`temperature` is"):
            infonce(GOOD, GOOD, temperature=value)
        with pytest.raises(ValueError, match=r"`ridge` is"):
            lidar(GOOD_VIEWS, ridge=value)
    with pytest.raises(ValueError, match=r"`alpha` is '2'"):
        matrix_entropy(GOOD, alpha="2")  # type: ignore[arg-type]
    for k in (0, 6, -1, 2.0):
        with pytest.raises(ValueError, match=r"`k` is .*; expected an integer from 1 to 5"):
            neighbourhood_overlap(GOOD, GOOD, k=k)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`permutations` is 0; expected an integer of at least 1"):
        dime(GOOD, GOOD, permutations=0)
    with pytest.raises(ValueError, match=r"`seed` is -1"):
        dime(GOOD, GOOD, seed=-1)


def test_refuse_what_has_no_spectrum_or_no_direction() -> None:
    for metric in (matrix_entropy, effective_rank):
        with pytest.raises(ValueError, match=r"`z` is zero, so it has no spectrum"):
            metric(np.zeros((4, 3)))
    zero_row = GOOD.copy()
    zero_row[3] = 0.0
    with pytest.raises(ValueError, match=r"row 3 of `b` is zero"):
        dime(GOOD, zero_row)
    with pytest.raises(ValueError, match=r"row 0 of `b` equals the mean of the rows"):
        as_published.infonce(GOOD, np.ones((6, 4)))
    views = GOOD_VIEWS.copy()
    views[:, 1] = 1.0
    with pytest.raises(ValueError, match=r"row 0 of `views\[:, 1\]` equals the mean"):
        as_published.lidar(views)
    constant = np.tile([0.1, 0.7], (6, 1))
    with pytest.raises(ValueError, match=r"all rows of `a` are equal"):
        linear_cka(constant, GOOD)
    with pytest.raises(ValueError, match=r"all rows of `b` are equal"):
        linear_cka(GOOD, constant)


ONE = GOOD[:1]
ALIKE = np.tile(GOOD[0], (6, 1))
WITH_ZERO = np.vstack([np.zeros(4), GOOD[1:]])
NO_DIRECTION = "so it has no direction"


@pytest.mark.parametrize(
    ("metric", "z", "reason"),
    [
        (lambda z: matrix_entropy(prepare(z, "centred")), ONE, NO_DIRECTION),
        (curvature, ONE, "expected at least 3"),
        (two_nn, ONE, "expected at least 3"),
        (as_published.prompt_entropy, ONE, "expected at least 2"),
        (as_published.curvature, ONE, "expected at least 3"),
        (lambda z: infonce(z, z), ONE, "expected at least 2"),
        (lambda z: dime(z, z), ONE, "expected at least 2"),
        (lambda z: linear_cka(z, z), ONE, "expected at least 2"),
        (lambda z: neighbourhood_overlap(z, z, k=1), ONE, "expected at least 2"),
        (lambda z: label_overlap(z, [0], k=1), ONE, "expected at least 2"),
        (lambda z: lidar(z[:, np.newaxis]), GOOD, "so 1 views; expected at least 2"),
        (lambda z: matrix_entropy(prepare(z, "centred")), ALIKE, NO_DIRECTION),
        (curvature, ALIKE, "no angle"),
        (lambda z: curvature(z, k=2), ALIKE, "no angle"),
        (two_nn, ALIKE, "points more than once"),
        (lambda z: two_nn_by_scale(z, fractions=(0.5,)), ALIKE, "points more than once"),
        (as_published.prompt_entropy, ALIKE, NO_DIRECTION),
        (as_published.curvature, ALIKE, NO_DIRECTION),
        (lambda z: as_published.infonce(z, z), ALIKE, NO_DIRECTION),
        (lambda z: as_published.dime(z, z), ALIKE, NO_DIRECTION),
        (lambda z: linear_cka(z, GOOD), ALIKE, "nothing to align"),
        (lambda z: lidar(np.stack([z, z], axis=1)), ALIKE, "equal means for all texts"),
        (lambda z: matrix_entropy(prepare(z, "rows")), WITH_ZERO, NO_DIRECTION),
        (lambda z: dime(z, GOOD), WITH_ZERO, "expected rows that have a direction"),
        (lambda z: dime_with_error(GOOD, z), WITH_ZERO, "expected rows that have a direction"),
    ],
)
def test_refuse_degenerate_states(metric: Callable[[Array], object], z: Array, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        metric(z)


def test_states_that_look_degenerate_and_have_a_value() -> None:
    # One direction: no entropy, rank 1. Views that are all alike leave a guess, and nothing above chance.
    assert matrix_entropy(ALIKE) == pytest.approx(0.0, abs=1e-14)
    assert effective_rank(ALIKE) == pytest.approx(1.0, abs=1e-14)
    assert infonce(ALIKE, ALIKE) == pytest.approx(math.log(6), rel=1e-12)
    assert dime(ALIKE, ALIKE) == pytest.approx(0.0, abs=1e-12)
    # Fewer texts than views: two texts span one direction, three at most two.
    many_views = np.random.default_rng(17).standard_normal((3, 16, 8))
    assert lidar(many_views[:2]) == pytest.approx(0.0, abs=1e-12)
    assert 0.0 < lidar(many_views) <= math.log(2)


def test_two_nn_refuses_points_without_a_dimension() -> None:
    with pytest.raises(ValueError, match=r"`z` holds points more than once \(rows 0 and 2\)"):
        two_nn(GOOD[[0, 1, 0, 2]])
    with pytest.raises(ValueError, match=r"\(rows 0 and 1, 0 and 2, 0 and 3, \.\.\.\)"):
        two_nn(np.ones((5, 2)))
    for simplex in (np.eye(4) / 3, orthonormal(20, 50)):
        with pytest.raises(ValueError, match=r"first two neighbours at one distance"):
            two_nn(simplex)


def test_lidar_refuses_what_cannot_be_whitened() -> None:
    random = np.random.default_rng(16)
    with pytest.raises(ValueError, match=r"`views` has equal means for all texts"):
        lidar(np.tile(random.standard_normal((1, 3, 4)), (5, 1, 1)))
    # 5 texts of 3 views leave directions without scatter, and the ridge vanishes beside the others.
    wide = random.standard_normal((5, 3, 40))
    assert 0.0 < lidar(wide) < math.log(4)
    # Far below the rounding the scatter is not positive definite; near it, it is so by luck.
    for scale in (1e6, 2e5, 1e5):
        with pytest.raises(ValueError, match=r"`ridge` is lost in the rounding"):
            lidar(scale * wide, ridge=1e-4)
    assert lidar(1e4 * wide, ridge=1e-4) == pytest.approx(lidar(1e3 * wide, ridge=1e-4), rel=1e-4)


# The front door


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_the_metrics_loads_neither_torch_nor_scikit_learn() -> None:
    loaded = modules_after("from fathom.metrics import *")
    # To a user the prompt entropy is `matrix_entropy` of the tokens; its own function reads a spectrum.
    definitions = {metric.module for name, metric in METRICS.items() if name != "prompt_entropy"}
    assert definitions | {"fathom.metrics.as_published"} <= loaded
    assert not loaded & {"torch", "sklearn", "pandas", "scipy.spatial", "scipy.stats", "scipy.linalg"}


def test_importing_one_metric_loads_the_code_of_no_other() -> None:
    for metric in METRICS.values():
        loaded = modules_after(f"import {metric.module}")
        definitions = {name for name in loaded if name.startswith("fathom.metrics.definitions.")}
        assert definitions == {metric.module}
        assert not loaded & {"fathom.metrics.settings", "fathom.metrics.as_published", "pandas"}


def test_importing_the_settings_is_quick_because_it_loads_no_arrays() -> None:
    assert not modules_after("import fathom.metrics.settings") & {"numpy", "scipy", "pandas"}
