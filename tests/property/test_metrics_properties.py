"""What must hold of the metrics for any states."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fathom.metrics import (
    as_published,
    attention_rank,
    curvature,
    dime,
    dime_with_error,
    effective_rank,
    heads_attending,
    infonce,
    label_overlap,
    label_overlap_chance,
    lidar,
    linear_cka,
    linear_cka_matrix,
    matrix_entropy,
    neighbourhood_overlap,
    neighbourhood_overlap_matrix,
    prepare,
    two_nn,
    two_nn_by_scale,
)
from fathom.metrics.spectrum import gram_of, normalised_eigenvalues, prepared_spectrum, spectrum
from fathom.statistics.renyi import renyi_entropy

if TYPE_CHECKING:
    from collections.abc import Callable

    from fathom.metrics.preparation import Preparation

Array = npt.NDArray[np.float64]
examples = settings(deadline=None, max_examples=50)
few_examples = settings(deadline=None, max_examples=20)
alphas = st.floats(0.1, 8.0)
seeds = st.integers(0, 2**32 - 1)
scales = st.floats(1e-6, 1e6)


@st.composite
def matrices(draw: st.DrawFn, *, rows: int = 1, columns: int = 1) -> Array:
    """States of any shape up to 24 x 24, of any rank, with or without one token of huge norm."""
    n, d = draw(st.integers(rows, 24)), draw(st.integers(columns, 24))
    random = np.random.default_rng(draw(seeds))
    rank = draw(st.integers(1, min(n, d)))
    z = random.standard_normal((n, rank)) @ random.standard_normal((rank, d))
    if draw(st.booleans()):
        z[0] *= 100.0
    if draw(st.booleans()):
        z = z + 3.0
    return np.asarray(z, dtype=np.float64)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Array, Array]:
    """Two views (texts, d) of the same texts, prepared, from nearly equal to nearly unrelated."""
    n, d = draw(st.integers(3, 20)), draw(st.integers(2, 20))
    random = np.random.default_rng(draw(seeds))
    a = random.standard_normal((n, d))
    b = a + draw(st.floats(0.01, 3.0)) * random.standard_normal((n, d))
    return prepare(a, "centred"), prepare(b, "centred")


def rotation(size: int, seed: int) -> Array:
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))
    return np.asarray(q, dtype=np.float64)


def value_or_reason(work: Callable[[], float]) -> float | str:
    """The value, or the message of the error."""
    try:
        return work()
    except ValueError as error:
        return str(error)


@examples
@given(matrices(), alphas)
def test_entropy_lies_between_zero_and_log_of_the_smaller_side(z: Array, alpha: float) -> None:
    entropy = matrix_entropy(z, alpha=alpha)
    assert 0.0 <= entropy <= math.log(min(z.shape)) + 1e-12


@examples
@given(matrices(), alphas, seeds, scales)
def test_entropy_does_not_see_rotation_scale_or_order(z: Array, alpha: float, seed: int, scale: float) -> None:
    expected = pytest.approx(matrix_entropy(z, alpha=alpha), rel=1e-6, abs=1e-9)
    assert matrix_entropy(z @ rotation(z.shape[1], seed), alpha=alpha) == expected
    assert matrix_entropy(-scale * z, alpha=alpha) == expected
    order = np.random.default_rng(seed).permutation(len(z))
    assert matrix_entropy(z[order], alpha=alpha) == expected


@examples
@given(matrices(), st.lists(st.one_of(alphas, st.floats(0.98, 1.02)), min_size=2, max_size=5))
def test_entropy_does_not_rise_with_alpha(z: Array, some: list[float]) -> None:
    entropies = np.array([matrix_entropy(z, alpha=alpha) for alpha in sorted([*some, 1.0])])
    assert np.all(np.diff(entropies) <= 1e-11)


@examples
@given(
    st.lists(st.floats(1e-2, 1e2), min_size=1, max_size=10),
    st.integers(0, 10),
    st.integers(0, 10),
    st.floats(0.5, 8.0),
    seeds,
)
def test_entropy_and_effective_rank_are_those_of_the_singular_values_planted(
    singular: list[float], more_rows: int, more_columns: int, alpha: float, seed: int
) -> None:
    sigma = np.array(singular)
    size = len(sigma)
    z = rotation(size + more_rows, seed)[:, :size] * sigma @ rotation(size + more_columns, seed + 1)[:size]
    p, q = sigma**2 / np.sum(sigma**2), sigma / np.sum(sigma)
    assert matrix_entropy(z) == pytest.approx(-float(np.sum(p * np.log(p))), abs=1e-10)
    assume(abs(alpha - 1.0) > 0.05)
    assert matrix_entropy(z, alpha=alpha) == pytest.approx(math.log(np.sum(p**alpha)) / (1 - alpha), abs=1e-6)
    assert effective_rank(z) == pytest.approx(math.exp(-float(np.sum(q * np.log(q)))), rel=1e-6)


@examples
@given(matrices(rows=2), st.booleans(), seeds)
def test_the_gram_matrix_gives_the_entropy_of_prepared_rows(z: Array, centred: bool, seed: int) -> None:
    keep = np.random.default_rng(seed).random(len(z)) < 0.8
    assume(keep.sum() > 1)
    preparation: Preparation = "centred" if centred else "rows"
    expected = value_or_reason(lambda: matrix_entropy(prepare(z[keep], preparation)))
    found = value_or_reason(lambda: renyi_entropy(prepared_spectrum(z, gram_of(z), preparation, keep=keep), alpha=1.0))
    if isinstance(expected, str):
        assert found == expected
    else:
        assert found == pytest.approx(expected, abs=1e-11)


@examples
@given(matrices(), st.floats(0.5, 8.0))
def test_gram_and_covariance_agree(z: Array, alpha: float) -> None:
    both = [renyi_entropy(normalised_eigenvalues(product, of="product"), alpha=alpha) for product in (z @ z.T, z.T @ z)]
    assert both[0] == pytest.approx(both[1], rel=1e-9, abs=1e-9)
    assert matrix_entropy(z, alpha=alpha) in both
    assert len(spectrum(z, of="z")) == min(z.shape)


@examples
@given(matrices())
def test_effective_rank_is_at_least_the_exponential_of_the_entropy(z: Array) -> None:
    rank = effective_rank(z)
    assert math.exp(matrix_entropy(z)) - 1e-10 <= rank <= np.linalg.matrix_rank(z) + 1e-9
    assert rank >= 1.0


@examples
@given(matrices(), seeds, scales)
def test_effective_rank_is_that_of_the_singular_values(z: Array, seed: int, scale: float) -> None:
    singular = np.linalg.svd(z, compute_uv=False)
    p = singular[singular > 1e-7 * singular[0]]
    p = p / p.sum()
    expected = pytest.approx(math.exp(-float(np.sum(p * np.log(p)))), rel=1e-6)
    assert effective_rank(z) == expected
    assert effective_rank(scale * z @ rotation(z.shape[1], seed)) == expected
    assert effective_rank(z.T) == expected


@examples
@given(st.integers(3, 30), st.integers(1, 20), seeds, scales)
def test_curvature_does_not_see_translation_rotation_scale_or_the_way_round(
    tokens: int, width: int, seed: int, scale: float
) -> None:
    random = np.random.default_rng(seed)
    z = random.standard_normal((tokens, width))
    expected = curvature(z)
    assert 0.0 <= expected <= math.pi
    # Turning back and going on keep their angles to within rounding only.
    same = pytest.approx(expected, rel=1e-7, abs=1e-7)
    assert curvature(z + 10.0 * random.standard_normal(width)) == same
    assert curvature(z @ rotation(width, seed)) == same
    assert curvature(-scale * z) == same
    assert curvature(z[::-1]) == same
    k = int(random.integers(1, (tokens - 1) // 2 + 1))
    longer = curvature(z, k=k)
    assert 0.0 <= longer <= math.pi
    assert curvature(-scale * z[::-1] @ rotation(width, seed), k=k) == pytest.approx(longer, rel=1e-7, abs=1e-7)
    # Every k-th token is a path of its own; the mean over all of them, weighed by their angles, is the whole.
    paths = [z[first::k] for first in range(k) if len(z[first::k]) > 2]
    angles = sum((len(path) - 2) * curvature(path) for path in paths) / sum(len(path) - 2 for path in paths)
    assert longer == pytest.approx(angles, rel=1e-9)


@examples
@given(st.integers(3, 30), st.integers(2, 20), seeds)
def test_curvature_as_published_is_the_folded_angle(tokens: int, width: int, seed: int) -> None:
    z = np.random.default_rng(seed).standard_normal((tokens, width))
    unit = prepare(z, "centred")
    assume(np.linalg.norm(np.diff(unit, axis=0), axis=1).min() > 1e-6)
    angles = [curvature(unit[first : first + 3]) for first in range(tokens - 2)]
    folded = [min(angle, math.pi - angle) for angle in angles]
    assert as_published.curvature(z) == pytest.approx(np.mean(folded), abs=1e-7)


@examples
@given(matrices(rows=2, columns=2), scales)
def test_prompt_entropy_as_published_is_bounded_and_does_not_see_scale_or_shift(z: Array, scale: float) -> None:
    assume(np.linalg.norm(z - z.mean(axis=0), axis=1).min() > 1e-6 * np.linalg.norm(z))
    found = as_published.prompt_entropy(z)
    assert 0.0 <= found["maxEntropy"] <= 1.0 + 1e-12
    assert found["maxEntropy"] == max(found["logN"], found["logD"])
    assert as_published.prompt_entropy(scale * (z - 1.0)) == pytest.approx(found, rel=1e-6, abs=1e-6)


@examples
@given(pairs(), seeds, st.floats(0.02, 5.0))
def test_infonce_is_a_loss_over_texts_in_any_order(views: tuple[Array, Array], seed: int, temperature: float) -> None:
    a, b = views
    loss = infonce(a, b, temperature=temperature)
    # Cosines lie within -1 and 1, so the right text is never further than 2 / temperature behind.
    assert 0.0 <= loss <= math.log(len(a)) + 2.0 / temperature
    order = np.random.default_rng(seed).permutation(len(a))
    assert infonce(a[order], b[order], temperature=temperature) == pytest.approx(loss, rel=1e-9, abs=1e-12)
    turned = rotation(a.shape[1], seed)
    assert infonce(a @ turned, b @ turned, temperature=temperature) == pytest.approx(loss, rel=1e-9, abs=1e-12)
    assert infonce(a * 2.0, b, temperature=2.0 * temperature) == pytest.approx(loss, rel=1e-9, abs=1e-12)


@examples
@given(pairs(), seeds, scales)
def test_infonce_of_identical_views_is_the_least_and_scale_is_seen_unless_rows_are_unit_rows(
    views: tuple[Array, Array], seed: int, scale: float
) -> None:
    a, b = views
    assert infonce(a, a) <= infonce(a, a[np.random.default_rng(seed).permutation(len(a))]) + 1e-12
    assert infonce(a, a, both=True) == pytest.approx(infonce(a, a), rel=1e-12, abs=1e-12)
    assert infonce(a, b, both=True) == pytest.approx((infonce(a, b) + infonce(b, a)) / 2, rel=1e-12, abs=1e-12)
    unit = prepare(scale * a, "rows"), prepare(b / scale, "rows")
    assert infonce(*unit) == pytest.approx(infonce(a, b), rel=1e-9, abs=1e-12)
    # Without unit rows scale is a change of temperature: long rows of identical views leave no doubt.
    assert infonce(1e-3 * a, a) == pytest.approx(math.log(len(a)), abs=0.03)
    cosines = a @ a.T - 2.0 * np.eye(len(a))
    assume(cosines.max() < 0.99)
    assert infonce(100.0 * a, 100.0 * a) < 1e-10


@few_examples
@given(pairs(), seeds)
def test_dime_does_not_see_the_order_of_texts_beyond_its_error(views: tuple[Array, Array], seed: int) -> None:
    a, b = views
    value, error = dime_with_error(a, b, permutations=40, seed=0)
    assert error >= 0.0
    assert value == dime(a, b, permutations=40, seed=0)
    order = np.random.default_rng(seed).permutation(len(a))
    other, other_error = dime_with_error(a[order], b[order], permutations=40, seed=1)
    assert abs(value - other) <= 6.0 * math.hypot(error, other_error) + 1e-9


@few_examples
@given(pairs(), seeds, st.floats(0.5, 4.0))
def test_dime_sees_texts_alone(views: tuple[Array, Array], seed: int, alpha: float) -> None:
    a, b = views
    value = dime(a, b, alpha=alpha, permutations=3, seed=seed)
    assert abs(value) <= math.log(len(a)) + 1e-12
    turned = rotation(a.shape[1], seed)
    assert dime(3.0 * a, b @ turned, alpha=alpha, permutations=3, seed=seed) == pytest.approx(value, abs=1e-6)
    draws = [dime(a, b, alpha=alpha, permutations=count, seed=seed) for count in (1, 2)]
    assert draws == [dime(a, b, alpha=alpha, permutations=count, seed=seed) for count in (1, 2)]


@few_examples
@given(st.integers(2, 8), st.integers(2, 5), st.integers(1, 12), seeds)
def test_lidar_is_bounded_and_agrees_with_the_definition(texts: int, copies: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    views = random.standard_normal((texts, 1, width)) + 0.5 * random.standard_normal((texts, copies, width))
    found = lidar(views)
    assert 0.0 <= found <= math.log(min(texts - 1, width)) + 1e-12
    means = views.mean(axis=1)
    between = sum(np.outer(m - means.mean(axis=0), m - means.mean(axis=0)) for m in means) / texts
    within = 1e-4 * np.eye(width)
    for mean, text in zip(means, views, strict=True):
        for view in text:
            within = within + np.outer(view - mean, view - mean) / (texts * copies)
    values, vectors = np.linalg.eigh(within)
    whitening = vectors / np.sqrt(values) @ vectors.T
    p = np.linalg.eigvalsh(whitening @ between @ whitening)
    p = p[p > 1e-13 * p[-1]] / p[p > 1e-13 * p[-1]].sum()
    assert found == pytest.approx(-float(np.sum(p * np.log(p))), abs=1e-7)
    turned = rotation(width, seed)
    assert lidar(views @ turned + 5.0) == pytest.approx(found, abs=1e-7)
    order, copy_order = random.permutation(texts), random.permutation(copies)
    assert lidar(views[order][:, copy_order]) == pytest.approx(found, abs=1e-7)
    # Scale is seen through the ridge alone.
    assert lidar(20.0 * views, ridge=20.0**2 * 1e-4) == pytest.approx(found, abs=1e-7)


@few_examples
@given(st.integers(3, 40), st.integers(2, 10), seeds, scales)
def test_two_nn_does_not_see_motion_or_scale(points: int, width: int, seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    z = random.standard_normal((points, width))
    expected = two_nn(z)
    assert expected > 0.0
    assert two_nn(z @ rotation(width, seed) + 3.0) == pytest.approx(expected, rel=1e-8)
    assert two_nn(scale * z[random.permutation(points)]) == pytest.approx(expected, rel=1e-8)


@few_examples
@given(st.integers(3, 30), st.integers(1, 10), st.integers(1, 10), seeds)
def test_neighbourhood_overlap_is_a_symmetric_share(texts: int, width: int, other: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((texts, width)), random.standard_normal((texts, other))
    k = int(random.integers(1, texts))
    overlap = neighbourhood_overlap(a, b, k=k)
    assert 0.0 <= overlap <= 1.0
    assert neighbourhood_overlap(b, a, k=k) == overlap
    assert neighbourhood_overlap(a, 2.0 * a + 1.0, k=k) == 1.0
    assert neighbourhood_overlap(a, b, k=texts - 1) == 1.0
    order = random.permutation(texts)
    assert neighbourhood_overlap(a[order], b[order], k=k) == overlap


@few_examples
@given(st.integers(2, 30), st.integers(1, 40), st.integers(1, 40), seeds, scales)
def test_linear_cka_is_symmetric_and_does_not_see_motion_or_scale(
    texts: int, width: int, other: int, seed: int, scale: float
) -> None:
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((texts, width)), random.standard_normal((texts, other))
    alignment = linear_cka(a, b)
    assert 0.0 <= alignment <= 1.0 + 1e-12
    assert linear_cka(b, a) == pytest.approx(alignment, rel=1e-9, abs=1e-12)
    assert linear_cka(scale * a @ rotation(width, seed), b + 1.0) == pytest.approx(alignment, rel=1e-6, abs=1e-9)


@examples
@given(matrices(rows=2, columns=2), scales)
def test_prepared_rows_are_unit_rows_and_do_not_see_scale(z: Array, scale: float) -> None:
    rows = prepare(z, "rows")
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(len(z)), rel=1e-12)
    assert prepare(scale * z, "rows") == pytest.approx(rows, rel=1e-9, abs=1e-12)
    assert np.sum(rows * z, axis=1) == pytest.approx(np.linalg.norm(z, axis=1), rel=1e-12)
    assume(np.linalg.norm(z - z.mean(axis=0), axis=1).min() > 1e-6 * np.linalg.norm(z))
    centred = prepare(z, "centred")
    assert np.linalg.norm(centred, axis=1) == pytest.approx(np.ones(len(z)), rel=1e-12)
    assert prepare(scale * (z + 2.0), "centred") == pytest.approx(centred, abs=1e-6)


@few_examples
@given(st.integers(12, 60), st.integers(2, 10), seeds, scales)
def test_two_nn_by_scale_does_not_see_motion_or_scale_and_begins_with_all_points(
    points: int, width: int, seed: int, scale: float
) -> None:
    z = np.random.default_rng(seed).standard_normal((points, width))
    found = two_nn_by_scale(z, fractions=(1.0, 0.5, 0.3), draws=3, seed=seed)
    assert [count for count, _, _ in found] == [points, points // 2, math.floor(0.3 * points)]
    assert found[0][1] == two_nn(z)
    assert all(value > 0.0 and error > 0.0 for _, value, error in found)
    moved = two_nn_by_scale(scale * (z @ rotation(width, seed)) + scale, fractions=(1.0, 0.5, 0.3), draws=3, seed=seed)
    for one, other in zip(found, moved, strict=True):
        assert other == pytest.approx(one, rel=1e-7)


@few_examples
@given(st.integers(3, 30), st.integers(1, 8), st.integers(1, 5), seeds, scales)
def test_label_overlap_is_a_share_that_does_not_see_motion_order_or_names(
    texts: int, width: int, kinds: int, seed: int, scale: float
) -> None:
    random = np.random.default_rng(seed)
    z = random.standard_normal((texts, width))
    labels = random.integers(kinds, size=texts)
    assume(np.bincount(labels).max() > 1)
    k = int(random.integers(1, texts))
    overlap = label_overlap(z, labels, k=k)
    assert 0.0 <= overlap <= 1.0
    assert 0.0 < label_overlap_chance(labels) <= 1.0
    order = random.permutation(texts)
    names = np.array([f"label {label}" for label in labels])
    moved = label_overlap(scale * (z @ rotation(width, seed))[order], names[order], k=k)
    assert moved == pytest.approx(overlap, rel=1e-12)
    assert label_overlap(z, np.zeros(texts), k=k) == label_overlap_chance(np.zeros(texts)) == 1.0


@few_examples
@given(st.integers(2, 25), st.lists(st.integers(1, 40), min_size=1, max_size=4), seeds)
def test_matrices_between_layers_hold_the_values_of_the_pairs(texts: int, widths: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    layers = [random.standard_normal((texts, width)) + 2.0 for width in widths]
    k = int(random.integers(1, texts))
    for matrix, pair in (
        (linear_cka_matrix(layers), linear_cka),
        (neighbourhood_overlap_matrix(layers, k=k), lambda a, b: neighbourhood_overlap(a, b, k=k)),
    ):
        assert matrix == pytest.approx(np.array([[pair(a, b) for b in layers] for a in layers]), abs=1e-12)
        assert np.diag(matrix) == pytest.approx(np.ones(len(layers)))


@few_examples
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 12), st.booleans(), seeds)
def test_attention_profiles_are_shares_and_ranks(blocks: int, heads: int, tokens: int, causal: bool, seed: int) -> None:
    scores = np.random.default_rng(seed).exponential(size=(blocks, heads, tokens, tokens)) ** 3
    maps = np.tril(scores) if causal else scores
    maps = maps / maps.sum(axis=-1, keepdims=True)
    attending = heads_attending(maps)
    assert attending.shape == (blocks, tokens)
    assert np.all((attending >= 0.0) & (attending <= 1.0))
    assert np.all(heads_attending(maps, threshold=0.6) <= attending)
    # Attention adds up to one a query, so a head of a model that sees both ways can attend to three tokens at most.
    assert causal or np.all(attending.sum(axis=1) <= 3.0 + 1e-12)
    ranks = attention_rank(maps)
    assert ranks.shape == (blocks, heads)
    assert np.all((ranks >= 1.0) & (ranks <= tokens + 1e-9))
