"""Comparisons show every curve of every model, and tell them apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.drawings import LONG_NAME, LONG_NOTES, check_band, check_texts, labels, names, points, written

from fathom.figures.drawing.style import DOUBLE_COLUMN, PALETTE, SINGLE_COLUMN, render
from fathom.figures.metrics.comparison import draw_comparison

UNITS = {
    "Prompt entropy": "entropy / log min(T, d)",
    "Curvature": "rad",
    "Effective rank": "dimensions",
    "LiDAR": "effective rank",
}


def one_curve(metric: str, model: str, last: int, sinks: str = "with", rise: float = 0.0) -> pd.DataFrame:
    layers = np.arange(last + 1)
    value = (0.5 + rise + 0.3 * np.cos(6 * layers / last)) * (30 if metric == "LiDAR" else 1)
    return pd.DataFrame(
        {
            "metric": metric,
            "model": model,
            "sinks": sinks,
            "preparation": "centred",
            "layer": layers,
            "depth": layers / last,
            "value": value,
            "low": value - 0.02,
            "high": value + 0.03,
            "texts": 40,
        }
    )


def many(metrics: list[str], models: dict[str, int]) -> pd.DataFrame:
    return pd.concat(
        one_curve(metric, model, last, sinks, 0.1 * at)
        for metric in metrics
        for at, (model, last) in enumerate(models.items())
        for sinks in (("none",) if metric == "LiDAR" else ("with", "without"))
    )


def test_a_panel_a_metric_and_a_line_a_model_and_form() -> None:
    models = {"decoder": 30, "encoder": 6}
    curves = many(["Prompt entropy", "LiDAR"], models)

    figure = draw_comparison(curves, title="Architectures", units=UNITS)

    assert names(figure) == ["Prompt entropy", "LiDAR"]
    entropy, lidar = figure.axes
    assert labels(entropy) == ["decoder, with", "decoder, without", "encoder, with", "encoder, without"]
    assert labels(lidar) == ["decoder, none", "encoder, none"]
    for axes, metric in ((entropy, "Prompt entropy"), (lidar, "LiDAR")):
        for (model, sinks), rows in curves[curves["metric"] == metric].groupby(["model", "sinks"]):
            np.testing.assert_allclose(points(axes, f"{model}, {sinks}"), rows[["depth", "value"]].to_numpy())
            check_band(axes, f"{model}, {sinks}, interval", rows[["depth", "low", "high"]].to_numpy())
    assert [axes.get_ylabel() for axes in figure.axes] == ["entropy / log min(T, d)", "effective rank"]
    assert entropy.get_ylim() != lidar.get_ylim()


def test_models_have_colours_and_markers_and_forms_have_lines() -> None:
    axes = draw_comparison(many(["Curvature"], {"a": 6, "b": 6}), title="t", units=UNITS).axes[0]

    a, a_without, b, b_without = axes.get_lines()
    assert a.get_color() == a_without.get_color() == PALETTE[0] != b.get_color() == b_without.get_color()
    assert a.get_marker() == a_without.get_marker() != b.get_marker() == b_without.get_marker()
    assert [line.is_dashed() for line in (a, a_without, b, b_without)] == [False, True, False, True]
    assert a_without.get_markerfacecolor() == "white"


def test_layers_stand_above_where_all_models_have_the_same_and_in_the_legend_elsewhere() -> None:
    same = draw_comparison(many(["Curvature"], {"a": 6, "b": 6}), title="t", units=UNITS)
    differ = draw_comparison(many(["Curvature"], {"a": 6, "b": 30}), title="t", units=UNITS)

    assert written(same) == ["centred · 6 layers · 40 texts", "layer"]
    assert len(same.axes[0].child_axes) == 1
    assert written(differ) == ["centred · 6\N{EN DASH}30 layers · 40 texts"]
    assert not differ.axes[0].child_axes
    for figure, expected in ((same, ["a", "b"]), (differ, ["a (6 layers)", "b (30 layers)"])):
        (legend,) = figure.legends
        entries = {text.get_text().replace("\N{NO-BREAK SPACE}", " ") for text in legend.get_texts()} - {" "}
        assert entries == {*expected, "all tokens", "without sink tokens"}


def test_checkpoints_have_colours_from_dark_to_light_and_a_panel_a_form() -> None:
    models = {f"model@step{2**at}": 12 for at in range(9)}
    curves = many(["LiDAR", "Prompt entropy"], models)

    figure = draw_comparison(curves, title="Training", units=UNITS, ordered=True)

    assert names(figure) == ["Prompt entropy", "LiDAR", "Prompt entropy"]
    above, lidar, below = figure.axes
    assert labels(above) == [f"{model}, with" for model in models]
    assert labels(below) == [f"{model}, without" for model in models]
    assert len({line.get_color() for line in above.get_lines()}) == len(models)
    assert [line.get_color() for line in above.get_lines()] == [line.get_color() for line in below.get_lines()]
    assert above.get_ylim() == below.get_ylim() != lidar.get_ylim()
    assert "centred · all tokens · 12 layers · 40 texts" in written(figure)[0].replace("\n", " · ")
    assert any("without sink tokens" in text for text in written(figure))


def test_several_preparations_of_a_metric_have_panels_of_their_own() -> None:
    plain = many(["Prompt entropy"], {"a": 6})

    figure = draw_comparison(pd.concat([plain, plain.assign(preparation="as_published")]), title="t", units=UNITS)

    assert [note for note in written(figure) if "layers" in note] == [
        "centred · 6 layers · 40 texts",
        "as published · 6 layers · 40 texts",
    ]


def test_a_gap_stays_a_gap_and_a_curve_without_interval_a_line() -> None:
    curves = one_curve("Curvature", "a", 6)
    curves.loc[3, "value"] = np.nan
    curves[["low", "high"]] = np.nan

    figure = draw_comparison(curves, title="t", units=UNITS)

    assert np.isnan(points(figure.axes[0], "a, with")[3, 1])
    assert render(figure, "svg")


@pytest.mark.parametrize(
    ("metrics", "models", "ordered"), [(1, 2, False), (4, 1, False), (3, 3, False), (4, 6, False), (4, 15, True)]
)
def test_texts_keep_clear_of_each_other(metrics: int, models: int, ordered: bool) -> None:
    some = [LONG_NAME, "x" * 60, "small", *(f"EleutherAI/pythia-410m@step{2**at}" for at in range(12))][:models]
    curves = many(list(UNITS)[:metrics], {model: 6 + 12 * (at % 3) for at, model in enumerate(some)})

    figure = draw_comparison(curves, title=f"A long title: {LONG_NAME}", units=UNITS, notes=LONG_NOTES, ordered=ordered)

    assert figure.get_figwidth() == (SINGLE_COLUMN if metrics == 1 else DOUBLE_COLUMN)
    check_texts(figure)


def test_comparison_refuses_what_it_cannot_draw() -> None:
    curves = many(["Curvature"], {"a": 6, "b": 6})

    with pytest.raises(ValueError, match=r"^curves: columns are missing: metric, texts$"):
        draw_comparison(curves.drop(columns=["metric", "texts"]), title="t", units=UNITS)
    with pytest.raises(ValueError, match=r"^curves: there are no rows"):
        draw_comparison(curves.iloc[:0], title="t", units=UNITS)
    with pytest.raises(ValueError, match="more than one row for metric=Curvature, model=a"):
        draw_comparison(pd.concat([curves, curves]), title="t", units=UNITS)
    with pytest.raises(ValueError, match=r"^units: no label for the axis of Curvature$"):
        draw_comparison(curves, title="t", units={})
    with pytest.raises(ValueError, match="column sinks: expected one of with, without, none, found 'some'"):
        draw_comparison(curves.assign(sinks="some").drop_duplicates(["model", "layer"]), title="t", units=UNITS)
    with pytest.raises(ValueError, match="column model: at most 36 can be told apart in one figure, found 37"):
        draw_comparison(many(["Curvature"], {f"m{at}": 6 for at in range(37)}), title="t", units=UNITS)


def test_more_models_than_colours_stand_in_more_panels() -> None:
    models = [f"m{at}" for at in range(8)]
    figure = draw_comparison(many(["Curvature"], dict.fromkeys(models, 6)), title="t", units=UNITS)
    shown = [{str(line.get_label()).split(", ")[0] for line in axes.get_lines()} & {*models} for axes in figure.axes]
    # Of the first group the two forms stand in two panels.
    assert [names for names in shown if names] == [{*models[:6]}, {*models[:6]}, {*models[6:]}]
