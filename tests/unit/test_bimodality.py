"""Bimodality is found where it was planted, and the texts at the modes are those that were planted there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from fathom.figures.drawing.style import SMALL, render
from fathom.figures.metrics.bimodality import Sample, draw_bimodality
from fathom.metrics.modes import bimodality_table
from fathom.statistics.dip_test import dip, dip_null, modes

FloatArray = npt.NDArray[np.float64]

TEXTS, LAYERS = 60, 4


def planted(seed: int = 0, *, apart: float = 0.4) -> FloatArray:
    """Values (texts, layers) around 0.5; at layer 2 every third text stands apart."""
    values = np.random.default_rng(seed).normal(0.5, 0.02, (TEXTS, LAYERS))
    values[::3, 2] += apart
    return values


def metric_rows(values: FloatArray, *, view: str = "original", sinks: str = "with") -> pd.DataFrame:
    texts, layers = values.shape
    return pd.DataFrame(
        {
            "text": np.repeat([f"t{text}" for text in range(texts)], layers),
            "group": np.repeat([f"t{text}" for text in range(texts)], layers),
            "view": view,
            "layer": np.tile(np.arange(layers), texts),
            "depth": np.tile(np.arange(layers) / (layers - 1), texts),
            "sinks": sinks,
            "value": values.ravel(),
        }
    )


def corpus(view: str = "original") -> pd.DataFrame:
    kinds = ["long" if text % 3 == 0 else "short" for text in range(TEXTS)]
    return pd.DataFrame(
        {
            "id": [f"t{text}" for text in range(TEXTS)],
            "view": view,
            "text": [f"a {kind} text\n" + "word " * (60 if kind == "long" else 4) for kind in kinds],
        }
    )


def sample(values: FloatArray | None = None, name: str = "model, prose") -> Sample:
    rows = metric_rows(planted() if values is None else values)
    layers, examples = bimodality_table(rows, corpus(), samples=199, seed=0, level=0.95)
    return Sample(name, rows, layers, examples)


def test_planted_modes_are_found() -> None:
    values = planted()
    layers, examples = bimodality_table(metric_rows(values), corpus(), samples=199, seed=0, level=0.95)
    assert layers["layer"].tolist() == [0, 1, 2, 3]
    assert layers["dip"].idxmax() == 2
    assert layers["p_family_wise"][2] == pytest.approx(4 / 200)
    assert (layers["p_family_wise"].drop(index=2) > 0.05).all()
    np.testing.assert_allclose(layers["dip"], [dip(column) for column in values.T])
    assert layers["critical"][0] == pytest.approx(np.quantile(dip_null(TEXTS, samples=199, seed=0), 0.95))
    assert (layers["low_mode"][2], layers["high_mode"][2]) == modes(values[:, 2])
    assert layers["q50"][1] == pytest.approx(np.median(values[:, 1]))
    assert (examples["layer"] == 2).all()
    kind = {"low": "a short text", "high": "a long text"}
    for _, row in examples.iterrows():
        assert str(row["excerpt"]).startswith(kind[str(row["mode"])])
        assert row["value"] == values[int(str(row["id"])[1:]), 2]
    assert examples["tokens"].isna().all()


def test_examples_are_the_nearest_to_their_mode() -> None:
    values = planted()
    _, examples = bimodality_table(metric_rows(values), corpus(), samples=19, seed=0, level=0.95)
    low, high = modes(values[:, 2])
    for mode, centre, part in (("low", low, values[values[:, 2] < 0.7, 2]), ("high", high, values[::3, 2])):
        shown = examples[examples["mode"] == mode].sort_values("rank")["value"]
        distances = (shown - centre).abs().to_numpy()
        assert (np.diff(distances) >= 0).all()
        np.testing.assert_allclose(distances, np.sort(np.abs(part - centre))[: len(shown)])


def test_long_texts_are_cut_after_a_word_and_their_length_is_said() -> None:
    _, examples = bimodality_table(
        metric_rows(planted()), corpus().assign(tokens=np.arange(TEXTS)), samples=19, seed=0, level=0.95
    )
    long = examples[examples["mode"] == "high"].iloc[0]
    assert long["excerpt"].endswith("word …")
    assert len(long["excerpt"]) <= 162
    assert "\n" not in long["excerpt"]
    assert long["characters"] == len("a long text\n" + "word " * 60)
    assert long["tokens"] == int(long["id"][1:])


def test_views_and_sinks_are_tested_apart() -> None:
    rows = pd.concat(
        [metric_rows(planted()), metric_rows(planted(1, apart=0.0), sinks="without"), metric_rows(planted(), view="b")]
    )
    layers, examples = bimodality_table(rows, pd.concat([corpus(), corpus("b")]), samples=99, seed=0, level=0.95)
    assert len(layers) == 3 * LAYERS
    largest = layers.groupby(["view", "sinks"])["dip"].max()
    assert largest["original", "with"] == largest["b", "with"] > largest["original", "without"]
    assert set(examples["view"]) == {"original", "b"}


def test_texts_and_layers_without_values_are_left_out() -> None:
    values = planted()
    values[:, 0] = np.nan
    values[5, 3] = np.nan
    layers, _ = bimodality_table(metric_rows(values), corpus(), samples=19, seed=0, level=0.95)
    assert layers["layer"].tolist() == [1, 2, 3]
    assert layers["texts"].tolist() == [TEXTS, TEXTS, TEXTS - 1]
    assert layers["left_out"].tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="no layer has values of more than 0 texts; expected 2"):
        bimodality_table(metric_rows(np.full((3, 2), np.nan)), corpus(), samples=19, seed=0, level=0.95)


def test_a_layer_at_which_all_texts_are_alike_has_no_modes() -> None:
    values = planted()
    values[:, 0] = 1.0
    layers, _ = bimodality_table(metric_rows(values), corpus(), samples=19, seed=0, level=0.95)
    assert layers["dip"][0] == 0
    assert layers["p"][0] == 1
    assert np.isnan(layers["low_mode"][0])


def test_unimodal_layers_are_called_bimodal_no_more_often_than_said() -> None:
    """Family-wise, over 5 layers that all hold the same texts: at most 1 in 10."""
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = rng.random((20, 1)) + rng.normal(0, 0.05, (20, 5))
        texts = corpus().head(20)
        layers, _ = bimodality_table(metric_rows(values), texts, samples=99, seed=seed, level=0.9)
        found += int(layers["p_family_wise"].min() <= 0.1)
    assert found <= 10  # 4 expected at most, standard deviation 1.9


def test_figure_shows_the_numbers() -> None:
    one = sample()
    figure = draw_bimodality([one, sample(planted(2, apart=0.0))], title="Bimodality", unit="S", notes=["a note"])
    maps, dips, *histograms = figure.axes[:5]
    (curve,) = [line for line in dips.get_lines() if line.get_label() == "dip"]
    np.testing.assert_allclose(np.asarray(curve.get_ydata()), one.layers["dip"])
    assert maps.get_title(loc="left") == "model, prose"
    assert "layer 2 (largest dip)" in histograms[1].get_title(loc="left")
    counts = [patch.get_height() for patch in histograms[1].patches]  # type: ignore[attr-defined]
    assert sum(counts) == TEXTS
    written = figure.texts[-1].get_text().split("\n")
    assert written[-1] == "a note"
    assert sum("a long text" in line for line in written) >= 2
    assert render(figure, "png")


def test_nothing_is_smaller_than_the_smallest_text() -> None:
    figure = draw_bimodality([sample(name="a very long name of a model, prose " * 4)], title="Bimodality", unit="S")
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    assert texts
    assert all(float(text.get_fontsize()) >= SMALL for text in texts)


def test_bad_tables_are_refused() -> None:
    rows = metric_rows(planted())
    with pytest.raises(ValueError, match="rows: columns are missing: sinks"):
        bimodality_table(rows.drop(columns="sinks"), corpus(), samples=9, seed=0, level=0.95)
    with pytest.raises(ValueError, match="texts: view original, sinks with: there is no text 't0'"):
        bimodality_table(rows, corpus().iloc[1:], samples=9, seed=0, level=0.95)
    with pytest.raises(ValueError, match="texts: there are no rows"):
        bimodality_table(rows, corpus().iloc[:0], samples=9, seed=0, level=0.95)
    with pytest.raises(ValueError, match="more than one row for a layer"):
        bimodality_table(pd.concat([rows, rows]), corpus(), samples=9, seed=0, level=0.95)
    with pytest.raises(ValueError, match="column text is null"):
        bimodality_table(rows.assign(text=None), corpus(), samples=9, seed=0, level=0.95)
    with pytest.raises(ValueError, match="infinite"):
        bimodality_table(rows.assign(value=np.inf), corpus(), samples=9, seed=0, level=0.95)
    with pytest.raises(ValueError, match="more than 1 text; expected 2"):
        bimodality_table(rows[rows["text"] == "t0"], corpus(), samples=9, seed=0, level=0.95)
    with pytest.raises(ValueError, match="level"):
        bimodality_table(rows, corpus(), samples=9, seed=0, level=1.0)
    with pytest.raises(ValueError, match="panels: 0"):
        draw_bimodality([], title="", unit="")
    one = sample()
    with pytest.raises(ValueError, match="choose one view"):
        draw_bimodality([Sample("m", rows, pd.concat([one.layers] * 2), one.examples)], title="", unit="")
    with pytest.raises(ValueError, match="no rows for layer 0"):
        draw_bimodality([Sample("m", rows[rows["layer"] > 0], one.layers, one.examples)], title="", unit="")
