"""Heat maps of spans have the score of every position and layer in its place, and the controls under them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from tests.drawings import LONG_NAME, LONG_NOTES, check_texts, labels, names, points
from tests.scores import score_rows

from fathom.figures.probes.spans import draw_spans

POSITIONS = {"span:first": 1, "span:second": 3, "last": 5}


def spans(
    models: dict[str, int], experiment: str = "relations", controls: tuple[str, ...] = ("random", "static")
) -> pd.DataFrame:
    return pd.concat(
        [
            score_rows(model, last, experiment, peak, control=control, position=position)
            for model, last in models.items()
            for position, peak in POSITIONS.items()
            for control in ("", *controls)
        ],
        ignore_index=True,
    )


def cells(axes: Axes, label: str) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_label() == label]


def test_every_cell_has_its_place_and_colour() -> None:
    curves = spans({"m": 6})

    axes, bar = draw_spans(curves).axes

    largest = (curves["score"] - curves["chance"]).abs().max()
    for at, position in enumerate(POSITIONS):
        rows = curves[(curves["position"] == position) & (curves["control"] == "")]
        found = cells(axes, f"{position}, score")
        np.testing.assert_allclose([cell.get_x() + cell.get_width() / 2 for cell in found], rows["depth"])
        assert {cell.get_y() for cell in found} == {0.2 * at}
        for cell, score in zip(found, rows["score"], strict=True):
            expected = colormaps["RdBu_r"]((score - 0.5 + largest) / (2 * largest))
            np.testing.assert_allclose(to_rgba(cell.get_facecolor()), expected, atol=0.02)
    assert bar.get_xlabel() == "balanced accuracy − chance"  # noqa: RUF001
    ticks = dict(sorted(zip(axes.get_yticks(), [tick.get_text() for tick in axes.get_yticklabels()], strict=True)))
    assert list(ticks.values()) == ["first", "second", "last", "random weights", "summed static vectors"]
    np.testing.assert_allclose(list(ticks)[:3], [0.1, 0.3, 0.5])


def test_chance_is_white_and_below_it_is_another_hue() -> None:
    curves = score_rows(last=6, peak=3, score=[0.1, 0.3, 0.5, 0.9, 0.5, 0.5, 0.5])

    axes = draw_spans(curves).axes[0]

    colours = [to_rgba(cell.get_facecolor()) for cell in cells(axes, "last, score")]
    assert min(colours[2][:3]) > 0.95
    assert colours[0][2] > 2 * colours[0][0]
    assert colours[3][0] > 2 * colours[3][2]
    # As far below as above is as dark.
    assert colours[0][:3] == pytest.approx(colormaps["RdBu_r"](0.0)[:3])
    assert colours[3][:3] == pytest.approx(colormaps["RdBu_r"](1.0)[:3])


def test_controls_stand_below_the_map_and_static_vectors_at_layer_0() -> None:
    axes = draw_spans(spans({"m": 6})).axes[0]

    lowest = max(
        cell.get_y() + cell.get_height() for position in POSITIONS for cell in cells(axes, f"{position}, score")
    )
    for position in POSITIONS:
        random, static = cells(axes, f"{position}, random"), cells(axes, f"{position}, static")
        assert len(random) == 7
        assert len(static) == 1
        assert lowest < min(cell.get_y() for cell in random) < static[0].get_y()
        assert random[0].get_height() < 0.2
        assert static[0].get_x() + static[0].get_width() / 2 == pytest.approx(0)


def test_peaks_and_cells_that_are_not_above_chance_are_marked() -> None:
    curves = spans({"m": 6})

    axes = draw_spans(curves).axes[0]

    for at, (position, peak) in enumerate(POSITIONS.items()):
        rows = curves[(curves["position"] == position) & (curves["control"] == "")]
        np.testing.assert_allclose(points(axes, f"{position}, peak"), [[peak / 6, 0.2 * at + 0.1]])
        dots = rows.loc[rows["p_family_wise"] >= 0.05, "depth"]
        assert len(dots) > 0
        np.testing.assert_allclose(points(axes, f"{position}, not above chance")[:, 0], dots)
    untested = draw_spans(curves.assign(p_family_wise=np.nan))
    assert len(points(untested.axes[0], "last, not above chance")) == 0
    assert [text.get_text() for text in untested.legends[0].get_texts()] == ["peak"]
    nowhere = draw_spans(curves.assign(p_family_wise=0.5)).axes[0]
    assert "last, peak not above chance" in labels(nowhere)


def test_models_stand_beside_each_other_and_experiments_below() -> None:
    curves = pd.concat([spans({"a": 6, "b": 12}), spans({"a": 6}, "analogies", ())])

    figure = draw_spans(curves)

    assert names(figure) == ["a", "b"]
    assert [axes.get_ylabel() for axes in figure.axes[:3]] == ["relations", "", "analogies"]
    assert len(cells(figure.axes[1], "last, score")) == 13


def test_texts_keep_clear_of_each_other() -> None:
    for models in ({LONG_NAME: 30, "x" * 60: 6, "m": 5}, {"m": 80}):
        curves = pd.concat([spans(models), spans(models, "analogies of four words")])
        check_texts(draw_spans(curves, title=LONG_NAME, notes=LONG_NOTES))


def test_spans_refuse_what_they_cannot_draw() -> None:
    curves = spans({"m": 6})

    with pytest.raises(ValueError, match=r"^curves: columns are missing: position$"):
        draw_spans(curves.drop(columns="position"))
    with pytest.raises(ValueError, match="column estimator: expected one in one figure, found svm, ridge"):
        draw_spans(pd.concat([curves, curves.assign(estimator="ridge")]))
    with pytest.raises(ValueError, match="more than one row for model=m, experiment=relations, position=span:first"):
        draw_spans(pd.concat([curves, curves]))
    with pytest.raises(ValueError, match="expected one peak for m, relations, span:first"):
        draw_spans(curves.assign(peak=True))
