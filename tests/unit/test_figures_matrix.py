"""Matrices of layers show every pair of layers at its place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from tests.drawings import LONG_NAME, LONG_NOTES, FloatArray, check_texts, drawn, names, written

from fathom.figures.drawing.style import DOUBLE_COLUMN, SINGLE_COLUMN, render
from fathom.figures.metrics.matrix import draw_matrices


def matrix(model: str, last: int, corpus: str = "prose") -> pd.DataFrame:
    layer, other = (grid.ravel() for grid in np.meshgrid(np.arange(last + 1), np.arange(last + 1), indexing="ij"))
    # Not symmetric, so that a transposed panel would be seen.
    value = np.exp(-(((layer - other) / (1 + last / 2)) ** 2)) - 0.01 * layer
    return pd.DataFrame(
        {
            "model": model,
            "corpus": corpus,
            "sinks": "none",
            "layer": layer,
            "other_layer": other,
            "value": value,
            "low": value - 0.01 * np.abs(layer - other),
            "high": value + 0.02 * np.abs(layer - other),
            "texts": 40,
        }
    )


def images(figure: Figure) -> list[FloatArray]:
    return [np.asarray(axes.get_images()[0].get_array(), dtype=np.float64) for axes in figure.axes if axes.get_images()]


def test_a_panel_a_model_and_corpus_with_every_pair_in_its_place() -> None:
    cells = pd.concat(
        matrix(model, last, corpus) for model, last in (("a", 6), ("b", 3)) for corpus in ("prose", "code")
    )

    figure = draw_matrices(cells.sample(frac=1, random_state=0).sort_values(["corpus", "model"]), title="t", unit="CKA")

    assert names(figure) == ["a", "b", "a", "b"]
    for image, (model, corpus) in zip(
        images(figure), [("a", "code"), ("b", "code"), ("a", "prose"), ("b", "prose")], strict=True
    ):
        rows = cells[(cells["model"] == model) & (cells["corpus"] == corpus)]
        for layer, other, value in rows[["layer", "other_layer", "value"]].to_numpy():
            assert image[int(layer), int(other)] == value
    scales = {axes.get_images()[0].get_clim() for axes in figure.axes if axes.get_images()}
    assert scales == {(cells["value"].min(), cells["value"].max())}
    assert figure.axes[-1].get_xlabel() == "CKA"
    assert all(axes.get_ylim()[0] < axes.get_ylim()[1] for axes in figure.axes)


def test_both_forms_share_a_panel_one_on_each_side_of_the_diagonal() -> None:
    cells = matrix("a", 5)
    alike = cells.assign(value=1 - (cells["layer"] - cells["other_layer"]).abs() / 10)
    both = pd.concat([alike.assign(sinks="with"), alike.assign(sinks="without", value=alike["value"] / 2)])

    figure = draw_matrices(both, title="t", unit="CKA")

    (image,) = images(figure)
    for layer, other, value in alike[["layer", "other_layer", "value"]].to_numpy():
        # The first layer is at the lower left: above the diagonal a pair's row is the deeper layer.
        assert image[int(layer), int(other)] == (value / 2 if layer > other else value)
    labelled = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    (x, y), (left, top) = labelled["all tokens"], labelled["without sink tokens"]
    assert x > 0.5 > y
    assert left < 0.5 < top
    check_texts(figure)


def test_a_form_without_values_is_grey_on_its_side() -> None:
    cells = matrix("a", 3)
    both = pd.concat([cells.assign(sinks="with"), cells.assign(sinks="without", value=np.nan)])

    figure = draw_matrices(both, title="t", unit="CKA")

    (image,) = images(figure)
    assert (np.isnan(image) == np.tri(4, k=-1, dtype=bool)).all()
    assert any("grey without value" in text.replace("\n", " ") for text in written(figure))


def test_the_note_gives_the_widest_interval() -> None:
    figure = draw_matrices(matrix("a", 6), title="t", unit="CKA")
    without = draw_matrices(matrix("a", 6).assign(low=np.nan, high=np.nan), title="t", unit="CKA")

    assert written(figure) == ["prose · 6 layers · 40 texts · widest interval 0.18"]
    assert written(without) == ["prose · 6 layers · 40 texts · no intervals"]


def test_a_pair_without_value_is_grey_and_the_note_says_so() -> None:
    cells = matrix("a", 3)
    cells.loc[(cells["layer"] == 1) & (cells["other_layer"] == 2), "value"] = np.nan

    figure = draw_matrices(cells, title="t", unit="CKA")

    (image,) = images(figure)
    assert np.argwhere(np.isnan(image)).tolist() == [[1, 2]]
    assert "grey without value" in written(figure)[0].replace("\n", " ")


def test_pairs_that_were_not_measured_are_grey_too() -> None:
    cells = matrix("a", 3)

    figure = draw_matrices(cells[cells["layer"] <= cells["other_layer"]], title="t", unit="CKA")

    (image,) = images(figure)
    assert (np.isnan(image) == np.tril(np.ones((4, 4), dtype=bool), -1)).all()
    assert "grey without value" in written(figure)[0].replace("\n", " ")


def test_chosen_layers_keep_their_numbers() -> None:
    cells = matrix("a", 30)
    cells = cells[cells["layer"].isin([0, 10, 30]) & cells["other_layer"].isin([0, 10, 30])]

    axes = draw_matrices(cells, title="t", unit="CKA").axes[0]

    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "10", "30"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0", "10", "30"]


@pytest.mark.parametrize(("models", "corpora"), [(1, 1), (1, 2), (1, 3), (1, 4), (2, 2), (3, 1), (5, 1)])
def test_texts_keep_clear_of_each_other_and_panels_are_square(models: int, corpora: int) -> None:
    some = {LONG_NAME: 30, "small": 6, "x" * 60: 12, "EleutherAI/pythia-410m-deduped": 24, "m": 1}
    cells = pd.concat(
        matrix(model, last, f"{corpus} passages")
        for model, last in list(some.items())[:models]
        for corpus in ("encyclopedia", "source code", "medical", "simple")[:corpora]
    )

    figure = draw_matrices(cells, title=f"Title {LONG_NAME}", unit="linear CKA", notes=LONG_NOTES)

    assert figure.get_figwidth() == (SINGLE_COLUMN if models == corpora == 1 else DOUBLE_COLUMN)
    check_texts(figure)
    for axes in figure.axes:
        if axes.get_images():
            box = axes.get_window_extent()
            assert box.width == pytest.approx(box.height, rel=0.01)


def test_one_value_and_no_value_have_a_scale() -> None:
    cells = matrix("a", 2)

    assert render(drawn(draw_matrices(cells.assign(value=1.0), title="t", unit="u")), "svg")
    assert render(drawn(draw_matrices(cells.assign(value=np.nan), title="t", unit="u")), "svg")


def test_matrices_refuse_what_they_cannot_draw() -> None:
    cells = matrix("a", 3)

    with pytest.raises(ValueError, match=r"^cells: columns are missing: other_layer$"):
        draw_matrices(cells.drop(columns="other_layer"), title="t", unit="u")
    with pytest.raises(ValueError, match=r"^cells: there are no rows"):
        draw_matrices(cells.iloc[:0], title="t", unit="u")
    with pytest.raises(
        ValueError, match="more than one row for model=a, corpus=prose, sinks=none, layer=0, other_layer=0"
    ):
        draw_matrices(pd.concat([cells, cells]), title="t", unit="u")
    with pytest.raises(ValueError, match="column value holds an infinite value"):
        draw_matrices(cells.assign(value=np.inf), title="t", unit="u")
