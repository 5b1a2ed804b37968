"""A sweep shows a curve for every value of what is varied, and its colour tells the value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from tests.drawings import LONG_NAME, LONG_NOTES, check_band, check_texts, labels, names, points, written

from fathom.figures.drawing.style import ordered_colours
from fathom.figures.metrics.sweep import draw_sweep
from fathom.statistics.quantities import quantities_of


def sweep(values: Sequence[float], models: dict[str, int], sinks: Sequence[str] = ("with", "without")) -> pd.DataFrame:
    parts = []
    for model, last in models.items():
        layers = np.arange(last + 1)
        for at, quantity in enumerate(values):
            for form in sinks:
                value = 0.9 - 0.05 * at + 0.2 * np.cos(5 * layers / last) * (form == "with")
                parts.append(
                    pd.DataFrame(
                        {
                            "model": model,
                            "quantity": float(quantity),
                            "sinks": form,
                            "preparation": "none",
                            "layer": layers,
                            "depth": layers / last,
                            "value": value,
                            "low": value - 0.02,
                            "high": value + 0.03,
                            "texts": 24,
                        }
                    )
                )
    return pd.concat(parts)


def test_the_quantity_of_a_view_is_a_column() -> None:
    rows = pd.DataFrame({"view": ["p = 0.11", "p = 0.11", "64 tokens"], "quantity": [0.1111, 0.1111, 64]})
    assert quantities_of(rows) == {"p = 0.11": 0.1111, "64 tokens": 64.0}
    with pytest.raises(ValueError, match="view 'original': expected a view with a quantity"):
        quantities_of(pd.DataFrame({"view": ["original"], "quantity": [np.nan]}))


def test_few_values_have_both_forms_in_one_panel() -> None:
    curves = sweep([0, 0.5, 1], {"small": 6, "large": 30})

    figure = draw_sweep(curves, title="Randomness", unit="entropy", quantity="p")

    assert names(figure) == ["small", "large"]
    for axes, model in zip(figure.axes, ("small", "large"), strict=False):
        assert labels(axes) == ["0, with", "0, without", "0.5, with", "0.5, without", "1, with", "1, without"]
        for (quantity, sinks), rows in curves[curves["model"] == model].groupby(["quantity", "sinks"]):
            np.testing.assert_allclose(points(axes, f"{quantity:g}, {sinks}"), rows[["depth", "value"]].to_numpy())
            check_band(axes, f"{quantity:g}, {sinks}, interval", rows[["depth", "low", "high"]].to_numpy())
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_many_values_have_a_row_of_panels_a_form() -> None:
    figure = draw_sweep(
        sweep([at / 10 for at in range(11)], {"m": 30}), title="Repetition", unit="entropy", quantity="p"
    )

    assert names(figure) == ["m", "m"]
    above, below, _ = figure.axes
    assert labels(above) == [f"{at / 10:g}, with" for at in range(11)]
    assert labels(below) == [f"{at / 10:g}, without" for at in range(11)]
    assert not any(line.is_dashed() for line in above.get_lines())
    assert all(line.is_dashed() for line in below.get_lines())
    assert above.get_ylim() == below.get_ylim()
    assert [note for note in written(figure) if "layers" in note] == [
        "raw states · all tokens · 30 layers · 24 texts",
        "raw states · without sink tokens · 30 layers · 24 texts",
    ]


def test_colours_follow_the_quantity_and_its_logarithm_where_it_differs_much() -> None:
    def colours(values: Sequence[float]) -> list[tuple[float, float, float]]:
        axes = draw_sweep(sweep(values, {"m": 6}, ("none",)), title="t", unit="u", quantity="q").axes[0]
        return [to_rgb(line.get_color()) for line in axes.get_lines()]

    dark, middle, light = (to_rgb(colour) for colour in ordered_colours(3))
    for values in ([0, 0.5, 1], [64, 362.038672, 2048], [1, 3, 5]):
        for found, expected in zip(colours(values), (dark, middle, light), strict=True):
            # The map has 256 steps.
            np.testing.assert_allclose(found, expected, atol=0.01)


def test_the_bar_of_colours_names_every_value_that_has_room() -> None:
    figure = draw_sweep(sweep([64, 128, 256, 512, 1024, 2048], {"m": 6}), title="t", unit="u", quantity="tokens")
    crowded = draw_sweep(sweep([at / 40 for at in range(41)], {"m": 6}, ("none",)), title="t", unit="u", quantity="p")

    bar = figure.axes[-1]
    assert bar.get_xlabel() == "tokens"
    assert [tick.get_text() for tick in bar.get_xticklabels()] == ["64", "128", "256", "512", "1024", "2048"]
    ticks = [tick.get_text() for tick in crowded.axes[-1].get_xticklabels()]
    assert len(ticks) == 41
    assert ticks[0] == "0"
    assert ticks[-1] == "1"
    assert 3 < sum(tick != "" for tick in ticks) < 41
    check_texts(crowded)


def test_a_single_value_stands_in_the_legend() -> None:
    figure = draw_sweep(sweep([0.5], {"m": 6}, ("none",)), title="t", unit="u", quantity="p")

    assert len(figure.axes) == 1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["p: 0.5"]


@pytest.mark.parametrize(("models", "values"), [(1, 6), (2, 11), (4, 3), (5, 5)])
def test_texts_keep_clear_of_each_other(models: int, values: int) -> None:
    some = {LONG_NAME: 30, "small": 6, "x" * 60: 12, "EleutherAI/pythia-410m-deduped": 24, "m": 1}
    curves = sweep([2.0**at for at in range(values)], dict(list(some.items())[:models]))

    figure = draw_sweep(
        curves,
        title=LONG_NAME,
        unit="entropy / log min(T, d)",
        quantity="length of the text in tokens",
        notes=LONG_NOTES,
    )

    check_texts(figure)


def test_sweep_refuses_what_it_cannot_draw() -> None:
    curves = sweep([0, 1], {"m": 6})

    with pytest.raises(ValueError, match=r"^curves: columns are missing: quantity$"):
        draw_sweep(curves.drop(columns="quantity"), title="t", unit="u", quantity="q")
    with pytest.raises(ValueError, match=r"^curves: column quantity holds NaN$"):
        draw_sweep(
            curves.assign(quantity=np.nan).drop_duplicates(["sinks", "layer"]), title="t", unit="u", quantity="q"
        )
    with pytest.raises(ValueError, match="column quantity holds an infinite value"):
        draw_sweep(curves.assign(quantity=np.inf), title="t", unit="u", quantity="q")
    with pytest.raises(ValueError, match="more than one row for model=m, quantity=0"):
        draw_sweep(pd.concat([curves, curves]), title="t", unit="u", quantity="q")
