"""Matrices over pairs of layers are the pairwise public functions, with intervals from half samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from tests.measures import measure

from fathom.metrics.by_layers import COLUMNS, measure_layer_pairs
from fathom.metrics.definitions.linear_cka import linear_cka
from fathom.metrics.definitions.neighbourhood_overlap import neighbourhood_overlap
from fathom.metrics.measure import Measure
from fathom.metrics.preparation import prepare
from fathom.statistics.resampling import half_sample_interval, half_samples

States = npt.NDArray[np.float32]
TEXTS = 16
METRICS = ("linear_cka", "neighbourhood_overlap")


def layers_of(count: int = 3, width: int = 6) -> list[States]:
    """Each layer is the one before, moved a little."""
    random = np.random.default_rng(0)
    steps = random.standard_normal((count, TEXTS, width)) * np.linspace(1.0, 0.5, count)[:, np.newaxis, np.newaxis]
    return list((np.cumsum(steps, axis=0) + 2.0).astype(np.float32))


def pairwise(metric: str, a: States, b: States, form: str) -> float:
    one, other = prepare(a, form), prepare(b, form)  # type: ignore[arg-type]
    return linear_cka(one, other) if metric == "linear_cka" else neighbourhood_overlap(one, other, k=3)


def table_of(
    layers: list[States], one: Measure, halves: npt.NDArray[np.bool_] | None = None, threads: int = 1
) -> pd.DataFrame:
    chosen = np.zeros((0, len(layers[0])), dtype=np.bool_) if halves is None else halves
    return measure_layer_pairs(layers, one, halves=chosen, level=0.9, threads=threads)


@pytest.mark.parametrize("metric", METRICS)
def test_every_cell_is_the_public_function_of_two_layers(metric: str) -> None:
    layers = layers_of()
    forms = ("none", "rows", "centred")
    table = table_of(layers, measure(metric, *forms))
    assert list(table.columns) == COLUMNS
    assert len(table) == len(forms) * 9
    for _, cell in table.iterrows():
        a, b, form = layers[cell["row"]], layers[cell["other_row"]], cell["preparation"]
        assert cell["value"] == pytest.approx(pairwise(metric, a, b, form), abs=1e-12), cell.to_dict()
    off_diagonal = table[table["row"] != table["other_row"]]
    assert off_diagonal.drop_duplicates("value").shape[0] >= 3  # cells that could not be told apart would hide a mix-up


@pytest.mark.parametrize("metric", METRICS)
def test_a_layer_is_like_itself_and_the_matrix_symmetric(metric: str) -> None:
    table = table_of(layers_of(4), measure(metric, "centred"))
    cells = table.pivot_table(index="row", columns="other_row", values="value").to_numpy()
    np.testing.assert_allclose(np.diag(cells), 1.0, rtol=1e-12)
    np.testing.assert_allclose(cells, cells.T, rtol=1e-12)
    assert (cells[~np.eye(4, dtype=bool)] < 1 - 1e-6).all()


@pytest.mark.parametrize("metric", METRICS)
def test_interval_is_that_of_the_matrices_of_half_samples(metric: str) -> None:
    layers = layers_of()
    halves = half_samples(np.repeat(np.arange(8), 2), samples=30, seed=1)
    one = measure(metric, "rows")
    table = table_of(layers, one, halves)
    replicates = [table_of([layer[half] for layer in layers], one)["value"].to_numpy() for half in halves]
    low, high = half_sample_interval(table["value"], np.array(replicates), halves, level=0.9)
    np.testing.assert_allclose(table["low"], low, rtol=1e-12)
    np.testing.assert_allclose(table["high"], high, rtol=1e-12)
    other = table["row"] != table["other_row"]
    assert (table["low"] < table["high"])[other].all()
    # A layer is always like itself: the interval of the diagonal has no width.
    np.testing.assert_allclose((table["high"] - table["low"])[~other], 0.0, atol=1e-12)


def test_with_few_groups_there_is_no_interval() -> None:
    halves = half_samples(np.arange(TEXTS) % 3, samples=10, seed=0)
    table = table_of(layers_of(), measure("linear_cka", "none"), halves)
    assert table["value"].notna().all()
    assert table[["low", "high"]].isna().all(axis=None)


def test_the_number_of_threads_changes_nothing() -> None:
    halves = half_samples(np.arange(TEXTS), samples=9, seed=0)
    for metric in METRICS:
        one, three = (table_of(layers_of(), measure(metric, "rows"), halves, threads) for threads in (1, 3))
        pd.testing.assert_frame_equal(one, three, check_exact=True)


def test_a_layer_without_a_value_is_named_in_the_reason() -> None:
    layers = layers_of()
    layers[1][:] = 1.0
    table = table_of(layers, measure("linear_cka", "none"), half_samples(np.arange(TEXTS), samples=5, seed=0))
    assert table[["value", "low", "high"]].isna().all(axis=None)
    assert table["reason"].str.contains(r"all rows of `layers\[1\]` are equal").all()


def test_a_half_without_a_value_leaves_no_interval() -> None:
    layers = layers_of()
    layers[1][:8] = 1.0
    halves = np.stack([np.arange(TEXTS) < 8, np.arange(TEXTS) % 2 == 0])
    table = table_of(layers, measure("linear_cka", "none"), halves)
    assert table["value"].notna().all()
    assert table["reason"].isna().all()
    assert table[["low", "high"]].isna().all(axis=None)


def test_the_public_code_has_no_form_of_these() -> None:
    with pytest.raises(ValueError, match="the public code has no form of linear_cka"):
        table_of(layers_of(), measure("linear_cka", "as_published"))


def test_every_half_sample_is_counted_once() -> None:
    counted: list[int] = []
    halves = half_samples(np.arange(TEXTS), samples=7, seed=0)
    one = measure("linear_cka", "rows", "centred")
    measure_layer_pairs(layers_of(), one, halves=halves, level=0.9, threads=2, advance=counted.append)
    assert counted == [1] * 14
