"""Early context is drawn over depth for every amount of filler, and over the amount at two layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.drawings import LONG_NAME, LONG_NOTES, check_band, check_texts, labels, names, points
from tests.scores import score_rows

from fathom.figures.drawing.style import DASHED, ordered_colours
from fathom.figures.probes.early_context import draw_early_context

AMOUNTS = (0, 8, 32)


def early_context(models: dict[str, int], amounts: tuple[int, ...] = AMOUNTS) -> pd.DataFrame:
    parts = []
    for model, last in models.items():
        for place in ("start", "end"):
            for at, n in enumerate(amounts):
                if place == "end" and n == 0:
                    continue
                for control in ("", "random", "shuffled", "static"):
                    view: dict[str, Any] = {"view": f"{place} {n}", "quantity": n, "pair_at": place}
                    rows = score_rows(model, last, "early context", last // 2, control=control, **view)
                    fall = 0.02 * at * (place == "start")
                    parts.append(rows.assign(**{name: rows[name] - fall for name in ("score", "low", "high")}))
    return pd.concat(parts)


def test_a_curve_for_every_amount_of_filler() -> None:
    curves = early_context({"small": 6, "large": 30})

    figure = draw_early_context(curves)

    assert names(figure) == [
        "small",
        "best layer of n = 0: 3",
        "last layer: 6",
        "large",
        "best layer of n = 0: 15",
        "last layer: 30",
    ]
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    axes = figure.axes[3]
    main = curves[(curves["model"] == "large") & (curves["control"] == "")]
    for view, rows in main.groupby("view"):
        np.testing.assert_allclose(points(axes, str(view)), rows[["depth", "score"]].to_numpy())
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    assert [lines[f"start {n}"].get_color() for n in AMOUNTS] == ordered_colours(3)
    assert lines["end 8"].get_color() == lines["start 8"].get_color()
    assert lines["end 8"].is_dashed()
    assert not lines["start 8"].is_dashed()
    assert {"controls, random", "controls, shuffled", "controls, static", "controls, embedding", "chance"} <= set(lines)


def test_scores_over_the_amount_of_filler_at_the_best_and_at_the_last_layer() -> None:
    curves = early_context({"m": 30})

    figure = draw_early_context(curves)

    for axes, layer in zip(figure.axes[1:], (15, 30), strict=True):
        at_layer = curves[curves["layer"] == layer]
        for place in ("start", "end"):
            for control, name in (("", place), ("random", f"{place}, random"), ("shuffled", f"{place}, shuffled")):
                of_place = at_layer[at_layer["view"].str.startswith(place) & (at_layer["control"] == control)]
                amounts = [n for n in AMOUNTS if place == "start" or n]
                expected = np.column_stack([np.log2(1 + np.array(amounts)), of_place["score"]])
                np.testing.assert_allclose(points(axes, name), expected)
                if not control:
                    check_band(axes, name, np.column_stack([expected[:, 0], of_place[["low", "high"]]]))
        static = curves[(curves["control"] == "static") & curves["view"].str.startswith("start")]
        np.testing.assert_allclose(points(axes, "start, static")[:, 1], static["score"])
        assert points(axes, "chance")[:, 1].tolist() == [0.5] * 3
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "8", "32"]
    assert figure.axes[1].get_xlabel() == "n, words of filler"
    end = next(line for line in figure.axes[1].get_lines() if line.get_label() == "end")
    assert end.is_dashed()
    assert DASHED != "-"


def test_markers_say_what_was_tested() -> None:
    curves = early_context({"m": 30})
    main = (curves["control"] == "") & (curves["layer"] == 15)
    curves.loc[main & (curves["view"] == "start 8"), "p_family_wise"] = 0.4
    curves.loc[main & (curves["view"] == "start 32"), "p_family_wise"] = np.nan

    axes = draw_early_context(curves).axes[1]

    across = np.log2(1 + np.array(AMOUNTS))
    for what, place in (("above chance", 0), ("not above chance", 1), ("not tested", 2)):
        assert points(axes, f"start, {what}")[:, 0].tolist() == [across[place]]
    assert len(points(axes, "end, above chance")) == 2


def test_scores_below_chance_are_inside_the_panel() -> None:
    curves = early_context({"m": 6})
    curves["low"] = curves["low"] - 0.5

    axes = draw_early_context(curves).axes[0]

    assert axes.get_ylim()[0] < curves.loc[(curves["control"] == "") & (curves["layer"] == 3), "low"].min() < 0.3


def test_a_run_without_the_pair_at_the_end_and_without_controls() -> None:
    figure = draw_early_context(pd.concat([score_rows(view=f"start {n}", quantity=n, pair_at="start") for n in (0, 4)]))

    assert "end" not in labels(figure.axes[1])
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "filler first, then the pair" not in words
    assert "random weights" not in words


def test_texts_keep_clear_of_each_other() -> None:
    curves = early_context({LONG_NAME: 30, "x" * 60: 1}, (0, 1, 2, 3, 4, 8, 128, 1024))

    check_texts(draw_early_context(curves, title=LONG_NAME, notes=LONG_NOTES))


def test_early_context_refuses_what_it_cannot_draw() -> None:
    curves = early_context({"m": 6})

    with pytest.raises(ValueError, match=r"^curves: columns are missing: view$"):
        draw_early_context(curves.drop(columns="view"))
    with pytest.raises(ValueError, match="the pair at start or end and a quantity, found 'original'"):
        draw_early_context(pd.concat([curves, score_rows(experiment="early context", quantity=0, pair_at="")]))
    with pytest.raises(ValueError, match="column pair_at: expected some start for model m, found none"):
        draw_early_context(curves[curves["pair_at"] == "end"])
    other = score_rows("n", experiment="other", view="start 0", quantity=0, pair_at="start")
    with pytest.raises(ValueError, match="column experiment: expected one in one figure"):
        draw_early_context(pd.concat([curves, other]))
    with pytest.raises(ValueError, match="more than one row for model=m, view=start 0"):
        draw_early_context(pd.concat([curves, curves]))
