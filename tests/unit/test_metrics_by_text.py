"""Metrics of one text, measured together, are the public functions one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures import measure, only

from fathom.metrics import as_published
from fathom.metrics.by_text import VALUE_COLUMNS, LayerStates, entropy_left, measure_states, measure_text
from fathom.metrics.definitions.curvature import curvature
from fathom.metrics.definitions.dataset_entropy import matrix_entropy
from fathom.metrics.definitions.effective_rank import effective_rank
from fathom.metrics.measure import Measure
from fathom.metrics.preparation import prepare
from fathom.metrics.spectrum import gram_of

Array = npt.NDArray[np.float64]
States = npt.NDArray[np.float32]
PLAIN = ("none", "rows", "centred")
WIDTH = 16


def text_states(tokens: int, layers: int = 3, width: int = WIDTH, seed: int = 0) -> States:
    """A decaying spectrum, a common direction, and a third token of large norm."""
    random = np.random.default_rng(seed)
    states = random.standard_normal((layers, tokens, width)) * np.exp(-0.2 * np.arange(width)) + 0.5
    if tokens > 2:
        states[:, 2] *= 200.0
    return np.asarray(states, dtype=np.float32)


def mask(tokens: int, *positions: int) -> npt.NDArray[np.bool_]:
    return np.isin(np.arange(tokens), positions)


def public_value(metric: str, z: Array, form: str, arguments: dict[str, float]) -> float:
    """Raw value of a metric by its public function alone."""
    if form == "as_published":
        return as_published.prompt_entropy(z)["raw"] if metric == "prompt_entropy" else as_published.curvature(z)
    prepared = prepare(z, form)  # type: ignore[arg-type]
    functions: dict[str, Any] = {
        "prompt_entropy": matrix_entropy,
        "curvature": curvature,
        "effective_rank": effective_rank,
    }
    return float(functions[metric](prepared, **arguments))


CASES = [
    ("prompt_entropy", (*PLAIN, "as_published"), {"alpha": 1.0}),
    ("prompt_entropy", PLAIN, {"alpha": 2.0}),
    ("prompt_entropy", PLAIN, {"alpha": 0.5}),
    ("curvature", (*PLAIN, "as_published"), {"k": 1}),
    ("curvature", PLAIN, {"k": 2}),
    ("effective_rank", PLAIN, {}),
]


@pytest.mark.parametrize(("metric", "forms", "arguments"), CASES)
@pytest.mark.parametrize("tokens", [7, WIDTH, WIDTH + 1, 40])
def test_every_form_is_preparation_and_public_function(
    metric: str, forms: tuple[str, ...], arguments: dict[str, float], tokens: int
) -> None:
    states = text_states(tokens)
    sinks = mask(tokens, 2)
    table = measure_text(states, sinks, measures=[measure(metric, *forms, arguments=arguments)])
    assert list(table.columns) == VALUE_COLUMNS
    assert len(table) == len(states) * len(forms) * 2
    assert table["reason"].isna().all()
    for row, z in enumerate(states.astype(np.float64)):
        for form in forms:
            for name, kept in (("with", z), ("without", z[~sinks])):
                (found,) = only(table, row=row, preparation=form, sinks=name)["raw"]
                expected = public_value(metric, kept, form, arguments)
                assert found == pytest.approx(expected, abs=1e-11, rel=1e-11), (row, form, name)


def test_the_planted_sink_matters() -> None:
    """Otherwise the test above could not tell the rows with sinks from those without."""
    table = measure_text(text_states(12), mask(12, 2), measures=[measure("prompt_entropy", *PLAIN)])
    raw = only(table, preparation="none")
    with_sinks, without = (only(raw, sinks=name)["value"].to_numpy() for name in ("with", "without"))
    assert (without > with_sinks + 1).all()


@pytest.mark.parametrize(
    ("normalisation", "divisor"), [("raw", 1.0), ("logN", np.log(11)), ("logD", np.log(WIDTH)), ("max", np.log(11))]
)
@pytest.mark.parametrize("form", ["centred", "as_published"])
def test_value_is_the_raw_one_divided(normalisation: str, divisor: float, form: str) -> None:
    """The rows that are left count, not those of the whole text."""
    states = text_states(12)
    entropy = measure("prompt_entropy", form, normalisation=normalisation)
    without = only(measure_text(states, mask(12, 2), measures=[entropy]), sinks="without")
    np.testing.assert_allclose(without["value"] * divisor, without["raw"], rtol=1e-12)
    if form == "as_published":
        variant = {"max": "maxEntropy"}.get(normalisation, normalisation)
        kept = np.delete(states.astype(np.float64), 2, axis=1)
        expected = [as_published.prompt_entropy(z)[variant] for z in kept]
        np.testing.assert_allclose(without["value"], expected, rtol=1e-12)


def test_the_largest_entropy_is_divided_by_the_smaller_logarithm() -> None:
    entropy = measure("prompt_entropy", "none", normalisation="max")
    flat = np.eye(5, WIDTH)[np.newaxis]
    assert measure_text(flat, mask(5), measures=[entropy])["value"].tolist() == pytest.approx([1.0, 1.0])
    tall = np.tile(np.eye(WIDTH), (3, 1))[np.newaxis]
    table = measure_text(tall, mask(3 * WIDTH), measures=[entropy])
    assert table["value"].tolist() == pytest.approx([1.0, 1.0])
    assert table["raw"].tolist() == pytest.approx([np.log(WIDTH)] * 2)


def test_sinks_are_left_out_at_every_layer_and_rows_name_the_layer() -> None:
    states = text_states(9, layers=4)
    table = measure_text(
        states, mask(9, 0, 5), measures=[measure("effective_rank", "rows"), measure("curvature", "none")]
    )
    assert table["metric"].tolist() == ["effective_rank", "effective_rank", "curvature", "curvature"] * 4
    assert table["row"].tolist() == np.repeat(np.arange(4), 4).tolist()
    kept = np.delete(states.astype(np.float64), [0, 5], axis=1)
    without = only(table, sinks="without")
    np.testing.assert_allclose(
        only(without, metric="effective_rank")["value"], [effective_rank(prepare(z, "rows")) for z in kept], rtol=1e-11
    )
    np.testing.assert_allclose(only(without, metric="curvature")["value"], [curvature(z) for z in kept], rtol=1e-11)


def test_without_sinks_in_a_text_both_curves_are_one() -> None:
    measures = [measure("prompt_entropy", *PLAIN, "as_published"), measure("curvature", "centred")]
    table = measure_text(text_states(8), mask(8), measures=measures)
    columns = ["metric", "row", "preparation", "value", "raw"]
    with_sinks, without = (only(table, sinks=name)[columns].reset_index(drop=True) for name in ("with", "without"))
    pd.testing.assert_frame_equal(with_sinks, without, check_exact=True)


# NaN with a reason ---------------------------------------------------------------------------------------------------


def all_measures() -> list[Measure]:
    return [
        measure("prompt_entropy", *PLAIN, "as_published", normalisation="max"),
        measure("curvature", *PLAIN, "as_published"),
        measure("effective_rank", *PLAIN),
    ]


def assert_reasons(table: pd.DataFrame) -> None:
    """A value or a reason, never both and never neither."""
    assert (table["value"].isna() == table["reason"].notna()).all()
    assert (table["raw"].isna() == table["value"].isna()).all()


def test_one_token_has_no_value() -> None:
    table = measure_text(text_states(1), mask(1), measures=all_measures())
    assert_reasons(table)
    assert table["value"].isna().all()
    assert set(only(table, metric="prompt_entropy")["reason"]) == {"1 token, expected at least 2"}
    assert set(only(table, metric="effective_rank")["reason"]) == {"1 token, expected at least 2"}
    assert set(only(table, metric="curvature")["reason"]) == {"1 token, expected at least 3"}


def test_what_is_left_without_sinks_may_be_too_little() -> None:
    table = measure_text(text_states(3), mask(3, 0, 1), measures=all_measures())
    assert_reasons(table)
    assert only(table, sinks="with")["value"].notna().all()
    without = only(table, sinks="without")
    assert without["value"].isna().all()
    assert {"1 token, expected at least 2", "1 token, expected at least 3"} == set(without["reason"])
    gone = measure_text(text_states(3), mask(3, 0, 1, 2), measures=all_measures())
    assert set(only(gone, sinks="without", metric="prompt_entropy")["reason"]) == {"0 tokens, expected at least 2"}


def test_a_longer_step_needs_more_tokens() -> None:
    table = measure_text(text_states(4), mask(4), measures=[measure("curvature", "none", arguments={"k": 2})])
    assert table["value"].isna().all()
    assert table["reason"].str.contains("expected at least 5").all()


def test_identical_tokens() -> None:
    states = np.ones((2, 6, WIDTH), dtype=np.float32)
    table = measure_text(states, mask(6), measures=all_measures())
    assert_reasons(table)
    one_direction = table[table["preparation"].isin(["none", "rows"])]
    assert only(one_direction, metric="prompt_entropy")["value"].tolist() == pytest.approx([0.0] * 8, abs=1e-12)
    assert only(one_direction, metric="effective_rank")["value"].tolist() == pytest.approx([1.0] * 8)
    assert only(one_direction, metric="curvature")["reason"].str.contains("no angle").all()
    centred = table[table["preparation"].isin(["centred", "as_published"])]
    assert centred["reason"].str.contains("equals the mean of the rows").all()


@pytest.mark.parametrize("tokens", [6, 3 * WIDTH])
def test_a_zero_vector(tokens: int) -> None:
    states = text_states(tokens)
    states[1, 4] = 0.0
    table = measure_text(states, mask(tokens), measures=all_measures())
    assert_reasons(table)
    undefined = table[table["value"].isna()]
    assert set(undefined["row"]) == {1}
    assert set(undefined["preparation"]) == {"rows"}
    assert set(undefined["reason"]) == {"row 4 of `z` is zero, so it has no direction; expected rows that have one"}
    left_out = measure_text(states, mask(tokens, 4), measures=all_measures())
    assert only(left_out, sinks="without")["value"].notna().all()


def test_states_that_are_all_zero() -> None:
    table = measure_text(np.zeros((1, 5, WIDTH), dtype=np.float32), mask(5), measures=all_measures())
    assert_reasons(table)
    assert table["value"].isna().all()
    assert only(table, metric="prompt_entropy", preparation="none")["reason"].str.contains("no spectrum").all()


# What is left of the entropy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [*PLAIN, "as_published"])
@pytest.mark.parametrize("tokens", [8, 2 * WIDTH])
def test_entropy_left_is_the_entropy_without_that_token(form: str, tokens: int) -> None:
    states = text_states(tokens)
    entropy = measure("prompt_entropy", form, "none" if form == "rows" else "rows", normalisation="max")
    left = entropy_left(states, np.array([5, 2]), entropy)
    assert left.shape == (3, 3)
    for column, removed in enumerate([(), (5,), (2,)]):
        table = measure_text(states, mask(tokens, *removed), measures=[entropy])
        expected = only(table, preparation=form, sinks="without")["value"]
        np.testing.assert_allclose(left[:, column], expected, rtol=1e-11)


def test_entropy_left_of_too_few_tokens_is_nan() -> None:
    left = entropy_left(text_states(2), np.array([0]), measure("prompt_entropy", "none"))
    assert not np.isnan(left[:, 0]).any()
    assert np.isnan(left[:, 1]).all()


# Sharing -------------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 24), st.integers(2, 24), st.integers(0, 3), st.integers(0, 2**32 - 1), st.floats(0.0, 1e3))
def test_sharing_changes_no_value(tokens: int, width: int, sinks: int, seed: int, offset: float) -> None:
    """One Gram matrix for all metrics, forms and subsets gives what each metric gives on states of its own."""
    states = (text_states(tokens, layers=1, width=width, seed=seed) + np.float32(offset))[0]
    left_out = mask(tokens, *np.random.default_rng(seed).permutation(tokens)[:sinks])
    shared = LayerStates(states)
    rest = shared.without(left_out)
    for one in all_measures():
        for form in one.forms:
            for layer, alone in ((shared, states), (rest, states[~left_out])):
                found = measure_states(layer, one, form)
                expected = measure_states(LayerStates(alone), one, form)
                # Effective rank reads roots: an eigenvalue that is off by 1e-15 of the largest counts with 3e-8.
                rounding = 1e-6 if one.name == "effective_rank" else 1e-11
                np.testing.assert_allclose(found[:2], expected[:2], rtol=rounding, atol=rounding)
                np.testing.assert_equal(found[2:], expected[2:])


def test_one_gram_matrix_serves_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, ...]] = []

    def counted(z: Array) -> Array:
        made.append(z.shape)
        return gram_of(z)

    monkeypatch.setattr("fathom.metrics.by_text.gram_of", counted)
    measure_text(text_states(12), mask(12, 2, 3), measures=all_measures())
    assert made == [(12, WIDTH)] * 3
    made.clear()
    measure_text(text_states(2 * WIDTH), mask(2 * WIDTH, 2, 3), measures=all_measures())
    assert made == []  # the covariance is the smaller matrix


def test_the_states_given_are_left_as_they_were() -> None:
    states = text_states(12).astype(np.float64)
    before = states.copy()
    measure_text(states, mask(12, 2), measures=all_measures())
    assert (states == before).all()
