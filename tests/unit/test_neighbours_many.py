"""Neighbours among many rows are those that all distances give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from fathom.metrics.definitions import dime, infonce
from fathom.metrics.definitions.intrinsic_dimension import two_nn_by_scale
from fathom.metrics.definitions.neighbourhood_overlap import neighbourhood_overlap
from fathom.metrics.preparation import prepare
from fathom.statistics import neighbours


def _points(kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    if kind == "grid":  # every row has many neighbours at one distance
        return rng.integers(0, 4, size=(600, 4)).astype(np.float64)
    if kind == "far":  # squares of numbers of which rounding leaves little
        return 1e7 + 1e-3 * rng.normal(size=(600, 20))
    points = rng.normal(size=(600, 20))
    if kind == "doubled":
        points[300:] = points[:300]
    return points


@pytest.mark.parametrize("kind", ["normal", "doubled", "grid", "far"])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_neighbours_are_those_of_all_distances(kind: str, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    z = _points(kind)
    distances = cdist(z, z)
    np.fill_diagonal(distances, np.inf)
    expected = np.argsort(distances, axis=1, kind="stable")[:, :k]
    monkeypatch.setattr(neighbours, "FEW", 100)
    monkeypatch.setattr(neighbours, "_BLOCK", 600 * 256)
    rows, found = neighbours.nearest(z, k)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(found, np.take_along_axis(distances, expected, axis=1))


def test_dimensions_are_those_of_all_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    z = _points("normal")
    expected = []
    for fraction in (1.0, 0.5, 0.125):
        rng, chosen = np.random.default_rng(0), []
        parts, points = int(1 / fraction), int(len(z) * fraction)
        for _ in range(3 if points < len(z) else 1):
            order = rng.permutation(len(z))[: parts * points]
            chosen += [np.sort(part) for part in order.reshape(parts, points)]
        values = []
        for part in chosen:
            distances = np.sort(cdist(z[part], z[part]), axis=1)
            values.append((points - 1) / np.log(distances[:, 2] / distances[:, 1]).sum())
        expected.append(np.mean(values))
    monkeypatch.setattr(neighbours, "FEW", 100)
    for fraction, value in zip((1.0, 0.5, 0.125), expected, strict=True):
        ((_, found, _),) = two_nn_by_scale(z, fractions=(fraction,), draws=3, seed=0)
        assert found == pytest.approx(value, rel=1e-12)


def test_overlap_of_lists_is_that_of_sets() -> None:
    rng = np.random.default_rng(1)
    one, other = (rng.normal(size=(80, 6)) for _ in range(2))
    rows, others = neighbours.nearest_neighbours(one, 7), neighbours.nearest_neighbours(other, 7)
    expected = np.mean([len(set(a) & set(b)) / 7 for a, b in zip(rows.tolist(), others.tolist(), strict=True)])
    assert neighbourhood_overlap(one, other, k=7) == pytest.approx(expected, rel=1e-12)


def test_dime_of_many_texts_is_the_mean_over_blocks_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    meaning = rng.normal(size=(900, 12))
    views = [prepare(meaning + 0.5 * rng.normal(size=(900, 12)), "centred") for _ in range(2)]
    monkeypatch.setattr(dime, "BLOCK_TEXTS", 300)
    found, error = dime.dime_with_error(*views, permutations=10, seed=3)
    monkeypatch.setattr(dime, "BLOCK_TEXTS", 2000)
    parts = [dime.dime(*(view[rows] for view in views), permutations=10) for rows in np.arange(900).reshape(3, 300)]
    assert found == pytest.approx(np.mean(parts), abs=4 * np.std(parts) + 4 * error)
    unrelated = prepare(rng.normal(size=(900, 12)), "centred")
    monkeypatch.setattr(dime, "BLOCK_TEXTS", 300)
    assert abs(dime.dime(views[0], unrelated, permutations=10)) < found / 10


@pytest.mark.parametrize("both", [False, True])
def test_infonce_in_blocks_is_infonce(both: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    a = prepare(rng.normal(size=(101, 8)), "centred")
    b = prepare(a + 0.1 * rng.normal(size=(101, 8)), "centred")
    whole = infonce.infonce(a, b, both=both)
    monkeypatch.setattr(infonce, "BLOCK", 1000)
    assert infonce.infonce(a, b, both=both) == pytest.approx(whole, rel=1e-12)
