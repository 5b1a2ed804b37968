"""Metrics of a corpus are the public functions of its mean states, with intervals from half samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.special import ndtri
from tests.measures import ARGUMENTS, measure, only

from fathom.metrics import as_published
from fathom.metrics.by_corpus import COLUMNS, measure_corpus
from fathom.metrics.definitions.dataset_entropy import matrix_entropy
from fathom.metrics.definitions.dime import dime_with_error
from fathom.metrics.definitions.infonce import infonce
from fathom.metrics.definitions.intrinsic_dimension import two_nn_by_scale
from fathom.metrics.definitions.label_overlap import label_overlap
from fathom.metrics.definitions.lidar import lidar
from fathom.metrics.measure import Measure
from fathom.metrics.preparation import prepare
from fathom.statistics.resampling import half_sample_interval, half_samples

Array = npt.NDArray[np.float64]
TEXTS, WIDTH = 24, 10
LABELS = np.array(["old", "new", "new", "old"] * (TEXTS // 4), dtype=object)
PLAIN = ("none", "rows", "centred")
VIEWS = {"infonce": 2, "dime": 2, "lidar": 3}


def states(views: int = 1, layers: int = 2, texts: int = TEXTS) -> list[list[npt.NDArray[np.float32]]]:
    """Layer -> views, each (texts, width): a text's own vector with noise of each view."""
    random = np.random.default_rng(3)
    own = random.standard_normal((layers, 1, texts, WIDTH)) * np.exp(-0.15 * np.arange(WIDTH))
    noise = 0.4 * random.standard_normal((layers, views, texts, WIDTH))
    return [list(layer) for layer in (own + noise + 0.3).astype(np.float32)]


def none() -> npt.NDArray[np.bool_]:
    return np.zeros((0, TEXTS), dtype=np.bool_)


def table_of(
    layers: list[list[Any]], one: Measure, halves: npt.NDArray[np.bool_] | None = None, *, threads: int = 1
) -> pd.DataFrame:
    labels = LABELS if one.name == "label_overlap" else None
    return measure_corpus(
        layers, one, halves=none() if halves is None else halves, labels=labels, level=0.95, threads=threads
    )


def public_value(metric: str, views: list[Array], form: str) -> float:
    """Raw value of a metric by its public function alone."""
    arguments = ARGUMENTS[metric]
    if form == "as_published":
        match metric:
            case "dataset_entropy":
                return as_published.prompt_entropy(views[0])["raw"]
            case "infonce":
                return as_published.infonce(*views)["raw"]
            case "dime":
                return as_published.dime(*views, **arguments)
            case _:
                return as_published.lidar(np.stack(views, axis=1))["raw"]
    prepared = [prepare(view, form) for view in views]  # type: ignore[arg-type]
    match metric:
        case "dataset_entropy":
            return matrix_entropy(prepared[0], **arguments)
        case "label_overlap":
            return label_overlap(prepared[0], LABELS, **arguments)
        case "infonce":
            return infonce(*prepared, **arguments)
        case "dime":
            return dime_with_error(*prepared, **arguments)[0]
        case _:
            return lidar(np.stack(prepared, axis=1), **arguments)


@pytest.mark.parametrize("metric", ["dataset_entropy", "label_overlap", "infonce", "dime", "lidar"])
def test_every_form_is_preparation_and_public_function(metric: str) -> None:
    layers = states(VIEWS.get(metric, 1))
    forms = PLAIN if metric == "label_overlap" else (*PLAIN, "as_published")
    table = table_of(layers, measure(metric, *forms))
    assert list(table.columns) == COLUMNS
    assert list(zip(table["row"], table["preparation"], strict=True)) == [
        (row, form) for row in (0, 1) for form in forms
    ]
    for row, views in enumerate(layers):
        for form in forms:
            (found,) = only(table, row=row, preparation=form)["raw"]
            expected = public_value(metric, [view.astype(np.float64) for view in views], form)
            assert found == pytest.approx(expected, rel=1e-12), (row, form)
    assert table["reason"].isna().all()
    # The two layers differ, so a table that gave one layer twice would have been seen.
    assert (only(table, row=0)["value"].to_numpy() != only(table, row=1)["value"].to_numpy()).all()


@pytest.mark.parametrize("form", ["rows", "as_published"])
def test_dime_brings_the_error_of_its_permutations(form: str) -> None:
    layers = states(2)
    table = table_of(layers, measure("dime", form))
    for row, (a, b) in enumerate(layers):
        if form == "as_published":
            expected = as_published.dime_with_error(a, b, **ARGUMENTS["dime"])
        else:
            expected = dime_with_error(prepare(a, "rows"), prepare(b, "rows"), **ARGUMENTS["dime"])
        found = [table[column].iloc[row] for column in ("raw", "error")]
        assert found == pytest.approx(list(expected), rel=1e-12)


def test_other_metrics_have_no_error_of_their_own() -> None:
    for metric in ("dataset_entropy", "infonce", "lidar"):
        assert table_of(states(VIEWS.get(metric, 1)), measure(metric, "rows", "as_published"))["error"].isna().all()


@pytest.mark.parametrize(
    ("metric", "normalisation", "divisor"),
    [
        ("dataset_entropy", "raw", 1.0),
        ("dataset_entropy", "logN", math.log(TEXTS)),
        ("dataset_entropy", "logD", math.log(WIDTH)),
        ("dataset_entropy", "max", math.log(WIDTH)),
        ("lidar", "max", math.log(WIDTH)),
        ("lidar", "raw", 1.0),
    ],
)
@pytest.mark.parametrize("form", ["centred", "as_published"])
def test_value_is_the_raw_one_divided(metric: str, normalisation: str, divisor: float, form: str) -> None:
    table = table_of(states(VIEWS.get(metric, 1)), measure(metric, form, normalisation=normalisation))
    np.testing.assert_allclose(table["value"] * divisor, table["raw"], rtol=1e-12)


# Intrinsic dimension -------------------------------------------------------------------------------------------------


def test_intrinsic_dimension_by_scale() -> None:
    layers = states()
    table = table_of(layers, measure("intrinsic_dimension", "none", "centred"), half_samples(LABELS, samples=5, seed=0))
    assert table["variant"].tolist() == ["all texts", "0.5 of the texts"] * 4
    quantile = ndtri(0.975)
    for row, (view,) in enumerate(layers):
        for form in ("none", "centred"):
            found = only(table, row=row, preparation=form)
            arguments = ARGUMENTS["intrinsic_dimension"]
            expected = [
                two_nn_by_scale(prepare(view, form), **arguments | {"fractions": (fraction,)})[0]
                for fraction in arguments["fractions"]
            ]
            for (_, line), (points, value, error) in zip(found.iterrows(), expected, strict=True):
                assert line["texts"] == points
                assert (line["value"], line["raw"], line["error"]) == pytest.approx((value, value, error), rel=1e-12)
                low, high = max(value - quantile * error, 0.0), value + quantile * error
                assert (line["low"], line["high"]) == pytest.approx((low, high), rel=1e-12)


def test_a_dimension_is_not_negative_however_wide_its_interval() -> None:
    random = np.random.default_rng(0)
    one = measure("intrinsic_dimension", "none", arguments={"fractions": (1.0,)})
    table = table_of([[random.standard_normal((4, 8))]], one)
    assert table["error"].item() * ndtri(0.975) < table["value"].item() * 2
    three = table_of([[random.standard_normal((3, 8))]], one)
    assert three["value"].item() - ndtri(0.975) * three["error"].item() < 0
    assert three["low"].item() == 0.0


def test_a_scale_of_too_few_texts_is_a_reason() -> None:
    one = measure("intrinsic_dimension", "none", arguments={"fractions": (1.0, 0.1)})
    table = table_of(states(), one)
    assert only(table, variant="all texts")["value"].notna().tolist() == [True, True]
    assert only(table, variant="0.1 of the texts")["value"].isna().tolist() == [True, True]
    assert only(table, variant="0.1 of the texts")["reason"].str.contains("`fractions` holds 0.1 of 24 points").all()


def test_texts_that_occur_twice_have_no_dimension() -> None:
    (good,), (view,) = states()
    view[5] = view[2]
    table = table_of([[good], [view]], measure("intrinsic_dimension", "none"))
    assert table["value"].isna().tolist() == [False, False, True, True]
    assert only(table, row=1)["reason"].str.contains("rows 2 and 5").all()
    # A scale bears one name at every layer: figures make one curve of it.
    assert table["variant"].tolist() == ["all texts", "0.5 of the texts"] * 2


# Intervals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["dataset_entropy", "label_overlap", "infonce", "dime", "lidar"])
def test_interval_is_that_of_the_metric_of_half_samples(metric: str) -> None:
    layers = states(VIEWS.get(metric, 1), layers=1)
    groups = np.repeat(np.arange(8), 3)
    halves = half_samples(groups, samples=40, seed=2)
    one = measure(metric, "rows", samples=40)
    line = table_of(layers, one, halves).iloc[0]
    replicates = []
    for half in halves:
        labels = LABELS[half] if metric == "label_overlap" else None
        part = measure_corpus(
            [[view[half] for view in layers[0]]], one, halves=none(), labels=labels, level=0.95, threads=1
        )
        replicates.append(part["value"].item())
    low, high = half_sample_interval(line["value"], replicates, halves, level=0.95)
    assert (line["low"], line["high"]) == pytest.approx((float(low), float(high)), rel=1e-12)
    assert line["low"] < line["high"]


def test_with_few_groups_there_is_a_value_and_no_interval() -> None:
    halves = half_samples(np.repeat([0, 1, 2], 8), samples=20, seed=0)
    for metric in ("dataset_entropy", "infonce", "lidar", "label_overlap"):
        table = table_of(states(VIEWS.get(metric, 1)), measure(metric, "rows"), halves)
        assert table["value"].notna().all()
        assert table[["low", "high"]].isna().all(axis=None)


def test_a_half_without_a_value_leaves_no_interval() -> None:
    ((view,),) = states(layers=1)
    view[:12] = view[0]  # a half of these texts alone is all in one place
    halves = np.stack([np.arange(TEXTS) < 12, np.arange(TEXTS) % 2 == 0])
    table = table_of([[view]], measure("dataset_entropy", "centred"), halves)
    assert table["value"].notna().all()
    assert table[["low", "high"]].isna().all(axis=None)


def test_what_is_not_defined_is_nan_with_a_reason() -> None:
    (good,), (bad,) = states()
    bad[7] = 0.0
    table = table_of([[good], [bad]], measure("dataset_entropy", *PLAIN), half_samples(LABELS, samples=3, seed=0))
    undefined = table[table["value"].isna()]
    assert undefined[["row", "preparation"]].to_numpy().tolist() == [[1, "rows"]]
    assert undefined["reason"].item().startswith("row 7 of `z` is zero")
    assert table["raw"].isna().equals(table["value"].isna())


def test_one_text_is_too_few() -> None:
    one = [[view[:1] for view in layer] for layer in states(2)]
    empty = np.zeros((0, 1), dtype=np.bool_)
    table = measure_corpus(one, measure("infonce", "rows"), halves=empty, labels=None, level=0.95, threads=1)
    assert set(table["reason"]) == {"1 text, expected at least 2"}
    assert table["value"].isna().all()


@pytest.mark.parametrize("metric", ["dataset_entropy", "dime", "intrinsic_dimension"])
def test_the_number_of_threads_changes_nothing(metric: str) -> None:
    layers = states(VIEWS.get(metric, 1), layers=5)
    halves = half_samples(np.arange(TEXTS), samples=6, seed=0)
    one, three = (table_of(layers, measure(metric, "rows"), halves, threads=threads) for threads in (1, 3))
    pd.testing.assert_frame_equal(one, three, check_exact=True)


@pytest.mark.parametrize("metric", ["infonce", "dime", "lidar"])
def test_views_whose_rows_are_other_texts_give_another_value(metric: str) -> None:
    """What the alignment of views by id is for; see the tests of the tables."""
    (views,) = states(VIEWS[metric], layers=1)
    shifted = [views[0], *(np.roll(view, 1, axis=0) for view in views[1:])]
    right, wrong = (table_of([one], measure(metric, "rows"))["value"].item() for one in (views, shifted))
    assert abs(wrong - right) > 0.02


def test_every_layer_is_counted_once() -> None:
    counted: list[int] = []
    layers = [[np.random.default_rng(layer).standard_normal((TEXTS, 6))] for layer in range(4)]
    one = measure("dataset_entropy", "rows")
    measure_corpus(layers, one, halves=none(), labels=None, level=0.95, threads=2, advance=counted.append)
    assert counted == [1] * 4
