"""Spectra by way of one Gram matrix against those of the prepared rows themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest

from fathom.metrics.definitions.effective_rank import effective_rank, effective_rank_of
from fathom.metrics.preparation import prepare
from fathom.metrics.spectrum import gram_of, prepared_gram, prepared_spectrum, spectrum
from fathom.statistics.renyi import renyi_entropy

if TYPE_CHECKING:
    from fathom.metrics.preparation import Preparation

Array = npt.NDArray[np.float64]
PREPARATIONS: tuple[Preparation, ...] = ("none", "rows", "centred")


def random_rows(rows: int, width: int) -> Array:
    return np.random.default_rng(rows).standard_normal((rows, width))


def with_sink(rows: int, width: int) -> Array:
    z = random_rows(rows, width)
    z[0] *= 200.0
    return z


def low_rank(rows: int, width: int) -> Array:
    return random_rows(rows, 4) @ np.random.default_rng(1).standard_normal((4, width))


def decaying(rows: int, width: int) -> Array:
    return np.asarray(random_rows(rows, width) * np.exp(-0.3 * np.arange(width)) + 0.2)


def far_from_zero(rows: int, width: int) -> Array:
    return random_rows(rows, width) + 5.0


def near_constant(rows: int, width: int) -> Array:
    return 1e-6 * random_rows(rows, width) + np.random.default_rng(2).standard_normal(width)


SHAPES = (random_rows, with_sink, low_rank, decaying, far_from_zero, near_constant)


@pytest.mark.parametrize("make", SHAPES)
@pytest.mark.parametrize(("rows", "width"), [(12, 40), (90, 576), (90, 91)])
@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_one_gram_matrix_gives_the_entropies_of_the_prepared_rows(
    make: type, rows: int, width: int, preparation: Preparation
) -> None:
    z = make(rows, width).astype(np.float32)
    gram = gram_of(z)
    some = np.random.default_rng(3).random(rows) < 0.8
    for keep in (None, np.arange(rows) != 0, some):
        found = prepared_spectrum(z, gram, preparation, keep=keep)
        expected = spectrum(prepare(z if keep is None else z[keep], preparation), of="`z`")
        assert found.shape == expected.shape
        for alpha in (1.0, 2.0):
            assert renyi_entropy(found, alpha=alpha) == pytest.approx(renyi_entropy(expected, alpha=alpha), abs=1e-11)
        # Smaller eigenvalues weigh more here, and a decaying spectrum is cut off at another one of them.
        assert effective_rank_of(found) == pytest.approx(effective_rank_of(expected), rel=1e-5)


def test_the_gram_matrix_is_used_where_it_is_exact_and_not_where_it_is_not() -> None:
    for make in SHAPES:
        assert prepared_gram(gram_of(make(50, 200)), "rows")[1] == 1.0
    for make in (random_rows, with_sink, low_rank, far_from_zero):
        assert 1.0 <= prepared_gram(gram_of(make(50, 200)), "centred")[1] < 100.0
    loss = prepared_gram(gram_of(near_constant(50, 200)), "centred")[1]
    # Norms of 1 are to norms of 1e-6 as digits lost: about 1e12, which rounding of the squares blurs.
    assert loss > 1e10
    two = np.array([[3.0, 0.0], [1.0, 0.0]])
    # The mean is (2, 0), both rows are 1 away from it, and the longer has norm 3.
    assert prepared_gram(gram_of(two), "centred")[1] == pytest.approx(9.0)
    assert prepared_gram(gram_of(two), "centred")[0] == pytest.approx(np.array([[1.0, -1.0], [-1.0, 1.0]]))


def test_rows_without_a_direction_are_refused_as_prepare_refuses_them() -> None:
    z = random_rows(6, 20)
    cases: list[tuple[Array, Preparation, npt.NDArray[np.bool_] | None]] = []
    zero = z.copy()
    zero[3] = 0.0
    cases += [(zero, "rows", None), (zero, "rows", np.arange(6) > 0)]
    average = z.copy()
    average[4] = z[:4].mean(axis=0)
    cases.append((average, "centred", np.arange(6) < 5))
    cases += [(np.ones((6, 20)), "centred", None), (z, "centred", np.arange(6) == 2), (z, "none", np.zeros(6, bool))]
    cases.append((np.zeros((6, 20)), "none", None))
    for states, preparation, keep in cases:
        with pytest.raises(ValueError, match=r"`z`") as expected:
            spectrum(prepare(states if keep is None else states[keep], preparation), of="`z`")
        with pytest.raises(ValueError, match=r"`z`") as found:
            prepared_spectrum(states, gram_of(states), preparation, keep=keep)
        assert str(found.value) == str(expected.value)


def test_more_rows_than_columns_need_no_gram_matrix() -> None:
    z = random_rows(30, 7)
    for preparation in PREPARATIONS:
        expected = spectrum(prepare(z, preparation), of="`z`")
        assert len(expected) == 7
        assert np.array_equal(prepared_spectrum(z, None, preparation), expected)
        assert np.array_equal(prepared_spectrum(z, gram_of(z), preparation), expected)
    # Of these rows few enough are kept for the Gram matrix to be the smaller one.
    keep = np.arange(30) < 5
    assert len(prepared_spectrum(z, gram_of(z), "centred", keep=keep)) == 5


def test_one_spectrum_serves_entropy_and_effective_rank() -> None:
    z = random_rows(20, 50)
    assert effective_rank_of(spectrum(z, of="`z`")) == effective_rank(z)
    # Singular values 3, 2, 1: eigenvalues 9, 4, 1 of 14.
    p = np.array([1.0, 4.0, 9.0]) / 14.0
    q = np.array([1.0, 2.0, 3.0]) / 6.0
    assert effective_rank_of(p) == pytest.approx(np.exp(-np.sum(q * np.log(q))), rel=1e-14)
    assert effective_rank_of(np.array([0.0, 0.5, 0.5])) == pytest.approx(2.0, rel=1e-14)


def test_gram_of_refuses_what_is_no_matrix() -> None:
    with pytest.raises(ValueError, match=r"`z` holds nan at \(0, 1\)"):
        gram_of([[1.0, np.nan]])
    assert gram_of(np.array([[1, 2], [3, 4]], dtype=np.float32)).dtype == np.float64
