"""What is called below scikit-learn's public classes gives what they give."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import SVC

from fathom.probes import folds, libsvm, measures, ridge, svm_logistic
from fathom.probes.gram import make_fold
from fathom.probes.targets import Target
from fathom.probes.tridiagonal import Tridiagonal
from fathom.statistics.resampling import group_weights


def _texts(texts: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(texts, width)) + 3 * rng.normal(size=(texts, 1))
    return states, np.where(states[:, 0] + rng.normal(size=texts) > 0, 1.0, -1.0)


@pytest.mark.parametrize("penalty", [100.0, 1.0, 0.01])
def test_direct_fits_decide_as_svc_does(penalty: float) -> None:
    states, labels = _texts(120, 40, seed=1)
    rng = np.random.default_rng(2)
    training = np.arange(120) % 5 != 0
    columns = np.column_stack([labels, *(rng.permutation(labels) for _ in range(20)), np.where(labels > 5, 1.0, -1.0)])
    found = svm_logistic.svm(make_fold(states, training), columns[training], penalty)

    seen = states[training]
    scaled = (states - seen.mean(axis=0)) / seen.std(axis=0)
    for column, labelling in zip(found.T[:-1], columns.T, strict=False):
        model = SVC(C=1 / (penalty * 40), kernel="linear", class_weight="balanced")
        expected = model.fit(scaled[training], labelling[training]).decision_function(scaled[~training])
        np.testing.assert_allclose(column, expected, atol=2e-3)  # both solve to a tolerance of 1e-3
        assert ((column > 0) != (expected > 0)).sum() <= 1
    np.testing.assert_array_equal(found[:, -1], -1.0)


def test_direct_call_is_taken_where_it_gives_what_svc_gives() -> None:
    assert libsvm.is_same(libsvm.direct)
    states, labels = _texts(90, 30, seed=3)
    gram = states @ states.T
    weights, intercept = libsvm.direct(gram, labels, 0.01)
    expected, at = libsvm.through_svc(gram, labels, 0.01)
    np.testing.assert_allclose(weights, expected, atol=1e-12)
    assert intercept == pytest.approx(at, abs=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda gram, target, bound: libsvm.through_svc(gram, -target, bound),
        lambda gram, target, bound: libsvm.through_svc(gram, target, 2 * bound),
        lambda gram, *_: libsvm.through_svc(gram),  # type: ignore[call-arg]
    ],
)
def test_svc_is_called_where_the_direct_call_gives_something_else(
    wrong: libsvm.Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not libsvm.is_same(wrong)
    monkeypatch.setattr(libsvm, "direct", wrong)
    libsvm._fit.cache_clear()
    try:
        assert libsvm._fit() is libsvm.through_svc
    finally:
        libsvm._fit.cache_clear()


def test_direct_fits_print_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    states, labels = _texts(60, 10, seed=4)
    libsvm.direct(states @ states.T, labels, 0.1)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("size", [1, 2, 3, 40])
def test_tridiagonal_form_inverts_with_every_penalty(size: int) -> None:
    rng = np.random.default_rng(5)
    half = rng.normal(size=(size, max(1, size - 2)))
    matrix, test = half @ half.T, rng.normal(size=(7, size))
    form = Tridiagonal(matrix, test)
    penalties = (1000.0, 1.0, 0.001)
    for place, penalty in enumerate(penalties):
        expected = test @ np.linalg.inv(matrix + penalty * np.eye(size))
        np.testing.assert_allclose(form.shrunk(penalty).T @ form.basis.T, expected, rtol=1e-8, atol=1e-10)
        rounded = form.smoothers(penalties)[7 * place : 7 * place + 7]
        np.testing.assert_allclose(rounded, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_errors_in_half_the_digits_choose_the_same_penalties() -> None:
    states, labels = _texts(200, 60, seed=6)
    rng = np.random.default_rng(7)
    training = np.arange(200) % 5 != 0
    columns = np.column_stack([rng.permutation(labels) for _ in range(500)])
    fold, penalties = make_fold(states, training), (1000.0, 100.0, 10.0, 1.0, 0.1, 0.01, 0.001)
    exact = ridge.squared_errors(fold, columns[training], columns[~training], penalties)
    rounded = ridge.rounded_errors(fold, columns[training], columns[~training], penalties)
    np.testing.assert_allclose(rounded, exact, rtol=1e-4)
    assert (rounded.argmin(axis=0) != exact.argmin(axis=0)).sum() <= 2


def test_errors_do_not_depend_on_the_origin_of_numbers() -> None:
    states, _ = _texts(100, 20, seed=8)
    rng = np.random.default_rng(9)
    training = np.arange(100) % 5 != 0
    numbers = rng.normal(size=(100, 3))
    fold = make_fold(states, training)
    found = [
        ridge.rounded_errors(fold, moved[training], moved[~training], (1.0, 0.1)) for moved in (numbers, numbers + 1e6)
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


@pytest.mark.parametrize("classes", [2, 5])
def test_folds_are_those_of_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(10)
    for seed in range(10):
        texts = int(rng.integers(60, 200))
        labels, groups = rng.integers(0, classes, texts), rng.integers(0, 40, texts)
        found, expected = (
            [test for _, test in splitter(5, shuffle=True, random_state=seed).split(labels, labels, groups)]
            for splitter in (folds._StratifiedGroupKFold, StratifiedGroupKFold)
        )
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("classes", [2, 3])
def test_sorted_ranks_give_the_auc_of_all_pairs(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(11)
    target = Target("label", np.arange(300), rng.integers(0, classes, 300), tuple("abc"[:classes]))
    groups, assignment = np.arange(300) // 2, np.stack([np.arange(300) // 2 % 5, np.arange(300) // 2 % 4])
    weights = group_weights(groups, samples=30, seed=0, dtype=np.float32)
    decisions = rng.normal(size=(300, 2, target.width)).round(1)  # some tie
    pairs = measures.RankedPairs(target, assignment, groups, weights).auc(decisions)
    monkeypatch.setattr(measures, "MOST_PAIRS", 0)
    monkeypatch.setattr(measures, "NUMBERS", 1000)
    sorted_ranks = measures.RankedPairs(target, assignment, groups, weights)
    np.testing.assert_allclose(sorted_ranks.auc(decisions), pairs, rtol=1e-12)
    np.testing.assert_array_equal(
        group_weights(groups, samples=30, seed=0),
        np.random.default_rng(0).multinomial(150, np.full(150, 1 / 150), 30)[:, groups],
    )
