"""The summary of a table of metrics: one row a curve and layer, the same columns for every metric."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from tests.measures import measured
from tests.unit.test_figures_sinks import sink_rows

from fathom.io.summaries import SUMMARY_COLUMNS, SUMMARY_TYPES
from fathom.metrics.job import MetricJob
from fathom.metrics.summaries import summaries_of_sinks, summarise
from fathom.statistics.resampling import bootstrap_mean

TEXTS, LAYERS = 6, 4
GROUPS = [f"g{text // 2}" for text in range(TEXTS)]


def summary(table: pd.DataFrame, metric: str, **changes: Any) -> pd.DataFrame:
    one = measured(metric, **changes)
    job = MetricJob(model="m", corpus="c", measured=(one,), bootstrap=100, level=0.9, seed=3)
    return summarise(table, one, job)


def of_texts(values: np.ndarray, **columns: Any) -> pd.DataFrame:
    """Rows of values (texts, layers)."""
    text, layer = (axis.ravel() for axis in np.indices(values.shape))
    facts: dict[str, Any] = {
        "text": [f"t{one}" for one in text],
        "group": [GROUPS[one] for one in text],
        "view": "original",
        "quantity": np.nan,
        "control": "",
        "site": "residual",
        "layer": layer,
        "depth": layer / (values.shape[1] - 1),
        "preparation": "centred",
        "sinks": "with",
        "variant": np.nan,
        "value": values.ravel(),
        "raw": values.ravel(),
        "chance": np.nan,
        "reason": None,
    } | dict.fromkeys(("low", "high", "error", "texts"), np.nan)
    return pd.DataFrame(facts | columns)


def test_a_metric_of_texts_becomes_its_mean_with_the_bootstrap_over_groups_at_every_site() -> None:
    drawn = np.random.default_rng(0).normal(size=(2, TEXTS, LAYERS))
    sites = ("residual", "mlp")
    table = pd.concat([of_texts(values, site=site) for site, values in zip(sites, drawn, strict=True)])

    found = summary(table, "prompt_entropy", normalisation="logN")

    for site, values in zip(sites, drawn, strict=True):
        curve = found[found["site"] == site]
        expected = bootstrap_mean(values, GROUPS, samples=100, level=0.9, seed=3)
        for column, numbers in zip(("value", "low", "high"), expected, strict=True):
            np.testing.assert_array_equal(curve[column], numbers)
    assert found[["texts", "groups", "left_out"]].drop_duplicates().to_numpy().tolist() == [[TEXTS, 3, 0]]
    named = found[["stage", "name", "model", "corpus", "position", "normalisation"]].drop_duplicates()
    assert named.to_numpy().tolist() == [["metrics", "prompt_entropy", "m", "c", "tokens", "logN"]]


def test_a_text_without_a_value_is_left_out_there_and_counted_and_the_reason_is_kept() -> None:
    values = np.arange(TEXTS * LAYERS, dtype=float).reshape(TEXTS, LAYERS)
    without = of_texts(values, sinks="without")
    lost = (without["text"] == "t5") & (without["layer"] == 1)
    without["value"] = without["value"].mask(lost)
    without["reason"] = without["reason"].mask(lost, "one token is left")

    found = summary(pd.concat([of_texts(values), without]), "prompt_entropy")
    kept, left = (found[found["sinks"] == form] for form in ("with", "without"))

    assert kept["value"].tolist() == values.mean(axis=0).tolist()
    expected = values.mean(axis=0)
    expected[1] = values[:5, 1].mean()
    assert left["value"].tolist() == expected.tolist()
    assert kept[["texts", "left_out"]].drop_duplicates().to_numpy().tolist() == [[6, 0]]
    assert left[["texts", "left_out"]].to_numpy().tolist() == [[6, 0], [5, 1], [6, 0], [6, 0]]
    assert kept["reason"].tolist() == [""] * 4
    assert left["reason"].tolist() == ["", "one token is left", "", ""]


def test_a_metric_of_a_corpus_keeps_what_it_came_with_and_its_variants_are_curves() -> None:
    parts = [
        of_texts(np.array([[1.0, 2.0]]) * scale, variant=variant, low=0.5, high=2.5, texts=40, chance=0.25).assign(
            text=None, group=None, sinks="none", quantity=0.1, control="shuffled"
        )
        for scale, variant in ((1, "all texts"), (3, "0.5 of the texts"))
    ]

    found = summary(pd.concat(parts, ignore_index=True), "intrinsic_dimension")

    assert found["value"].tolist() == [1.0, 2.0, 3.0, 6.0]
    assert found["variant"].tolist() == ["all texts"] * 2 + ["0.5 of the texts"] * 2
    facts = found[["low", "high", "texts", "chance", "quantity", "control"]].drop_duplicates()
    assert facts.to_numpy().tolist() == [[0.5, 2.5, 40, 0.25, 0.1, "shuffled"]]
    assert found["left_out"].isna().all()


def test_a_metric_of_pairs_of_layers_names_the_other_layer_too() -> None:
    table = pd.DataFrame(
        {
            "view": "original",
            "quantity": np.nan,
            "control": "",
            "layer": [0, 0, 1, 1],
            "depth": [0.0, 0.0, 1.0, 1.0],
            "other_layer": [0, 1, 0, 1],
            "other_depth": [0.0, 1.0, 0.0, 1.0],
            "preparation": "centred",
            "value": [1.0, 0.5, 0.5, 1.0],
            "low": 0.4,
            "high": 1.0,
            "texts": 7,
            "reason": None,
        }
    )

    found = summary(table, "linear_cka")

    assert found[["layer", "other_layer", "value"]].to_numpy().tolist() == [
        [0, 0, 1],
        [0, 1, 0.5],
        [1, 0, 0.5],
        [1, 1, 1],
    ]
    assert list(found.columns) == [*SUMMARY_COLUMNS, "other_layer", "other_depth"]


def test_every_summary_has_the_same_columns_of_the_same_types_and_no_word_is_missing() -> None:
    found = summary(of_texts(np.ones((TEXTS, LAYERS))), "curvature")
    assert found.dtypes.astype(str).to_dict() == SUMMARY_TYPES
    words = [name for name, kind in SUMMARY_TYPES.items() if kind == "string"]
    assert not found[words].isna().any(axis=None)


def test_sinks_and_norms_by_position_are_summarised_by_layer() -> None:
    layers = [0, 1, 2]
    profile = pd.DataFrame(
        {
            "view": "original",
            "quantity": np.nan,
            "control": "",
            "layer": layers,
            "depth": [0.0, 0.5, 1.0],
            "position": 0,
            "norm_ratio": [1.0, 40.0, 60.0],
            "low": [0.5, 30.0, 50.0],
            "high": [2.0, 50.0, 70.0],
            "activation_ratio": 9.0,
            "sink_rate": 0.75,
            "heads": 0.25,
            "texts": 4,
        }
    )
    job = MetricJob(model="m", corpus="c", measured=(measured("sinks"),), bootstrap=100, level=0.9, seed=3)

    found = summaries_of_sinks({"sinks": sink_rows(), "token_norms": profile}, job)

    assert all(list(table.columns) == list(SUMMARY_COLUMNS) for table in found.values())
    sinks = found["sinks"].set_index(["measure", "layer"])["value"]
    # The largest of the two sinks of a text counts; the median is over three texts, the mean over the two with maps.
    assert sinks["norm_ratio"].tolist() == [1.5, 50.0, 80.0]
    np.testing.assert_allclose(sinks["heads"], [(0.4 + 0.8) / 2, (0.5 + 0.9) / 2])
    norms = found["token_norms"]
    assert set(norms["position"]) == {"0"}
    ratios = norms[norms["measure"] == "norm_ratio"]
    assert ratios[["value", "low", "high"]].to_numpy().tolist() == [
        [1.0, 0.5, 2.0],
        [40.0, 30.0, 50.0],
        [60.0, 50.0, 70.0],
    ]
    assert norms.loc[norms["measure"] == "sink_rate", "value"].tolist() == [0.75] * 3
