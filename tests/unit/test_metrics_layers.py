"""Intrinsic dimension by scale, overlap with labels, and similarity between all layers."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from fathom.metrics import (
    label_overlap,
    label_overlap_chance,
    linear_cka,
    linear_cka_matrix,
    neighbourhood_overlap,
    neighbourhood_overlap_matrix,
    prepare,
    two_nn,
    two_nn_by_scale,
)
from fathom.metrics.definitions.intrinsic_dimension import two_nn_of_states
from fathom.metrics.definitions.linear_cka import centred_gram, cka_matrix_of_grams, cka_of_grams

Array = npt.NDArray[np.float64]


# Intrinsic dimension by scale


def test_two_nn_by_scale_of_a_plane_is_two_at_every_scale() -> None:
    random = np.random.default_rng(0)
    plane = random.uniform(size=(1600, 2)) @ random.standard_normal((2, 5))
    found = two_nn_by_scale(plane, draws=5)
    assert [points for points, _, _ in found] == [1600, 800, 400, 200]
    assert found[0] == pytest.approx((1600, two_nn(plane), two_nn(plane) / 40.0))
    for points, value, error in found:
        # All 1,600 points serve at every scale, so the error hardly grows; edges pull small sets down a little.
        assert 0.02 < error < 0.1
        assert value == pytest.approx(2.0, abs=4 * error + 2.0 / points**0.5)


def test_two_nn_by_scale_tells_noise_from_data() -> None:
    random = np.random.default_rng(1)
    line = np.zeros((1000, 8))
    line[:, 0] = random.uniform(size=1000)
    noisy = line + 0.0003 * random.standard_normal((1000, 8))
    values = [value for _, value, _ in two_nn_by_scale(noisy, fractions=(1.0, 0.1, 0.02))]
    # Neighbours are as near as the noise is wide at first, and far further apart at last.
    assert values[0] > 2.0 > values[1] > values[2]
    assert values[2] == pytest.approx(1.0, abs=0.25)


def test_two_nn_by_scale_is_the_mean_over_disjoint_sets() -> None:
    points = np.random.default_rng(2).standard_normal((31, 3))
    ((count, value, error),) = two_nn_by_scale(points, fractions=(0.3,), draws=2, seed=7)
    random = np.random.default_rng(7)
    orders = [random.permutation(31)[:27].reshape(3, 9) for _ in range(2)]
    values = np.array([[two_nn(points[part]) for part in order] for order in orders])
    assert count == 9
    assert value == pytest.approx(values.mean(), rel=1e-12)
    assert error == pytest.approx(math.sqrt(values.var(axis=1, ddof=1).mean() / 3), rel=1e-12)


def test_two_nn_by_scale_works_on_one_block_as_on_many(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(3).standard_normal((53, 4))
    whole = two_nn_by_scale(points), neighbourhood_overlap_matrix([points, points[:, :2]], k=5).tolist()
    monkeypatch.setattr("fathom.statistics.neighbours._BLOCK", 53 * 7)
    assert (
        two_nn_by_scale(points),
        neighbourhood_overlap_matrix([points, points[:, :2]], k=5).tolist(),
    ) == whole
    assert two_nn_by_scale(points) != two_nn_by_scale(points, seed=1)


@pytest.mark.parametrize("factor", [1.0, 1 + 2**-22, 1 - 2**-23])
def test_points_a_rounding_apart_are_one(factor: float) -> None:
    points = np.random.default_rng(4).standard_normal((60, 32)).astype(np.float32)
    again = np.vstack([points, points[:1] * np.float32(factor)])
    for z in (again, again.astype(np.float64)):
        with pytest.raises(ValueError, match=r"points more than once \(rows 0 and 60\)"):
            two_nn(z)
    with pytest.raises(ValueError, match="points more than once"):
        two_nn_of_states(prepare(again, "rows"), fractions=(1.0,), draws=1, seed=0)
    assert two_nn(np.vstack([points, points[:1] * np.float32(1 + 1e-4)])) < two_nn(points)


def test_two_nn_by_scale_refuses_scales_that_hold_nothing() -> None:
    points = np.random.default_rng(4).standard_normal((20, 4))
    with pytest.raises(ValueError, match=r"`fractions` holds 0.125 of 20 points; expected at most 1, and at least 3"):
        two_nn_by_scale(points)
    for fraction in (1.5, 1.0 + 1e-9):
        with pytest.raises(ValueError, match=r"`fractions` holds"):
            two_nn_by_scale(points, fractions=(fraction,))
    for bad in (0.0, -0.5, math.nan):
        with pytest.raises(ValueError, match=r"`fractions` is"):
            two_nn_by_scale(points, fractions=(bad,))
    with pytest.raises(ValueError, match=r"`draws` is 0"):
        two_nn_by_scale(points, fractions=(0.5,), draws=0)
    with pytest.raises(ValueError, match=r"`z` holds points more than once \(rows 0 and 3\)"):
        two_nn_by_scale(points[[0, 1, 2, 0, 4, 5, 6, 7]], fractions=(0.5,))
    with pytest.raises(ValueError, match=r"2 rows; expected at least 3"):
        two_nn_by_scale(points[:2])


# Labels


def test_label_overlap_by_hand() -> None:
    z = np.array([[0.0], [1.0], [1.1], [5.0], [5.5], [6.5]])
    labels = ["a", "a", "b", "b", "b", "c"]
    # Nearest two: of 0: 1 2; of 1: 2 0; of 2: 1 0; of 3: 4 5; of 4: 3 5; the last stands alone. Labels a count one
    # neighbour, labels b two.
    expected = np.mean([1.0, 0.0, 0.0, 0.5, 0.5])
    assert label_overlap(z, labels, k=2) == pytest.approx(expected)
    assert label_overlap(z, labels, k=5) == pytest.approx(expected)
    assert label_overlap(z, labels, k=1) == pytest.approx(np.mean([1, 0, 0, 1, 1]))
    # Two texts have 1 other of 5, three have 2 others of 5.
    assert label_overlap_chance(labels) == pytest.approx(np.mean([0.2, 0.2, 0.4, 0.4, 0.4]))


def test_label_overlap_of_clusters_and_of_nothing() -> None:
    random = np.random.default_rng(5)
    labels = np.repeat(np.arange(4), 100)
    clusters = 50.0 * np.eye(4)[labels] + random.standard_normal((400, 4))
    assert label_overlap(clusters, labels, k=30) == 1.0
    # 400 x 30 neighbours, each alike by chance with probability 99 / 399, though not independently.
    chance = label_overlap(random.standard_normal((400, 20)), labels, k=30)
    assert label_overlap_chance(labels) == 99 / 399
    assert chance == pytest.approx(99 / 399, abs=0.02)


def test_label_overlap_refuses_labels_that_fit_nothing() -> None:
    z = np.random.default_rng(6).standard_normal((5, 3))
    with pytest.raises(ValueError, match=r"`labels` has 4 entries and `z` has 5 rows"):
        label_overlap(z, [0, 0, 1, 1], k=1)
    for overlap in (lambda labels: label_overlap(z, labels, k=1), label_overlap_chance):
        with pytest.raises(ValueError, match=r"`labels` has no label that occurs twice"):
            overlap([0, 1, 2, 3, 4])
        with pytest.raises(ValueError, match=r"`labels` has shape \(5, 1\); expected 1 axis"):
            overlap([[0], [1], [2], [3], [4]])
    for k in (0, 5):
        with pytest.raises(ValueError, match=r"`k` is .*; expected an integer from 1 to 4"):
            label_overlap(z, [0, 0, 1, 1, 1], k=k)


# All layers with each other


def states(texts: int) -> list[Array]:
    """Layers of several widths that share something with each other."""
    random = np.random.default_rng(texts)
    common = random.standard_normal((texts, 4))
    layers = []
    for width, share in ((3, 0.0), (20, 0.5), (70, 2.0), (70, 1.0)):
        layers.append(
            share * common @ random.standard_normal((4, width)) + random.standard_normal((texts, width)) + 9.0
        )
    return layers


@pytest.mark.parametrize("texts", [2, 15, 60])
def test_cka_of_all_layers_is_that_of_each_pair(texts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = states(texts)
    expected = np.array([[linear_cka(one, other) for other in layers] for one in layers])
    found = linear_cka_matrix(layers)
    assert found == pytest.approx(expected, abs=1e-12)
    assert np.array_equal(found, found.T)
    grams = [centred_gram(layer) for layer in layers]
    assert cka_matrix_of_grams(grams) == pytest.approx(expected, abs=1e-12)
    assert cka_of_grams(grams[0], grams[2]) == pytest.approx(expected[0, 2], abs=1e-12)
    monkeypatch.setattr("fathom.metrics.definitions.linear_cka._BLOCK", 4 * 7 * texts)
    assert linear_cka_matrix(layers) == pytest.approx(expected, abs=1e-12)


def test_cka_of_some_texts_comes_from_the_gram_matrices_of_all() -> None:
    layers = states(40)
    chosen = np.random.default_rng(7).permutation(40)[:20]
    some = np.ix_(chosen, chosen)
    expected = linear_cka(layers[1][chosen], layers[3][chosen])
    assert cka_of_grams(centred_gram(layers[1])[some], centred_gram(layers[3])[some]) == pytest.approx(
        expected, abs=1e-12
    )
    # Gram matrices that are not centred give the same, with the digits that the mean costs.
    assert cka_of_grams((layers[1] @ layers[1].T)[some], (layers[3] @ layers[3].T)[some]) == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 4, 14])
def test_overlap_of_all_layers_is_that_of_each_pair(k: int) -> None:
    layers = states(15)
    found = neighbourhood_overlap_matrix(layers, k=k)
    assert found.tolist() == [[neighbourhood_overlap(one, other, k=k) for other in layers] for one in layers]


def test_matrices_refuse_what_the_pairs_refuse() -> None:
    layers = states(6)
    for matrix in (linear_cka_matrix, lambda layers: neighbourhood_overlap_matrix(layers, k=2)):
        with pytest.raises(ValueError, match=r"`layers` has layers of \[5, 6\] rows"):
            matrix([layers[0], layers[1][:5]])
        with pytest.raises(ValueError, match=r"`layers` has layers of \[\] rows; expected at least one"):
            matrix([])
        with pytest.raises(ValueError, match=r"`layers\[1\]` holds nan"):
            matrix([layers[0], np.full((6, 3), math.nan)])
    for bad in (0, 6):
        with pytest.raises(ValueError, match=r"`k` is .*; expected an integer from 1 to 5"):
            neighbourhood_overlap_matrix(layers, k=bad)
    equal = np.tile([0.1, 0.7, 1e3 / 3], (6, 1))
    with pytest.raises(ValueError, match=r"all rows of `layers\[1\]` are equal"):
        linear_cka_matrix([layers[0], equal])
    with pytest.raises(ValueError, match=r"all rows of `z` are equal"):
        centred_gram(equal)
    with pytest.raises(ValueError, match=r"all rows of `gram_b` are equal"):
        cka_of_grams(centred_gram(layers[0]), equal @ equal.T)
    with pytest.raises(ValueError, match=r"`gram_a` has shape \(6, 6\) and `gram_b` has shape \(5, 5\)"):
        cka_of_grams(centred_gram(layers[0]), centred_gram(layers[0][:5]))
    with pytest.raises(ValueError, match=r"`gram_a` has shape \(6, 3\); expected as many columns as rows"):
        cka_of_grams(layers[0], layers[0])
