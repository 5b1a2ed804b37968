"""Coordination is drawn with what chance gives: nulls, intervals and p beside every index."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tests.drawings import LONG_NAME, LONG_NOTES, band, check_band, check_texts, labels, names, points
from tests.scores import score_rows

from fathom.figures.drawing.style import PALETTE
from fathom.figures.probes.coordination import draw_coordination

NAMES = ("items", "relations", "analogies")


def attention_scores(model: str = "m", last: int = 6, of: tuple[str, ...] = NAMES) -> pd.DataFrame:
    parts = [
        score_rows(model, last, "E7", at % last + 1, label=name, site="attention", control=control)
        for at, name in enumerate(of)
        for control in ("", "random", "shuffled")
    ]
    rows = pd.concat(parts, ignore_index=True)
    # Attention has no output at layer 0.
    return rows[rows["layer"] > 0]


def row(measure: str, label: str, value: float, *, last: int = 6, model: str = "m", **columns: Any) -> dict[str, Any]:
    layer, other = columns.pop("layer", None), columns.pop("other_layer", None)
    return {
        "model": model,
        "experiment": "E7",
        "sinks": "with",
        "estimator": "svm",
        "label": label,
        "measure": measure,
        "layer": layer,
        "other_layer": other,
        "depth": np.nan if layer is None else layer / last,
        "other_depth": np.nan if other is None else other / last,
        "value": value,
        "low": value - 0.1,
        "high": value + 0.2,
        "null": 0.05,
        "null_low": -0.15,
        "null_high": 0.25,
        "p": 0.02,
        **columns,
    }


def coordination(model: str = "m", last: int = 6, of: tuple[str, ...] = NAMES) -> pd.DataFrame:
    rows = []
    for at, name in enumerate(of):
        rows.append(row("alternation", name, 0.5 + 0.1 * at, null=0.5, null_low=0.3, null_high=0.7, p=0.3))
        rows.append(row("alternation_cross", name, 0.1 * at, p=[0.0001, 0.02, 0.6][at % 3]))
        rows.append(row("parity", name, -0.02, p=np.nan))
        for layer in range(1, last):
            value = 0.01 * at - 0.01 * layer
            rows.append(row("complementarity", name, value, layer=layer, other_layer=layer + 1, last=last, p=np.nan))
    for pair in itertools.combinations(of, 2):
        rows.append(row("tradeoff", " | ".join(pair), -0.3))
        rows.append(row("tradeoff_lagged", " | ".join(pair), 0.2))
    for one in range(1, last + 1):
        for other in range(one + 1, last + 1):
            p = 0.01 if other - one < 3 else 0.4
            rows.append(row("attention", "", one / 10 - 0.3, layer=one, other_layer=other, last=last, p=p))
    for offset in (1, 2, 3):
        rows.append(row("attention_adjacent", f"offset {offset}", 0.6 - 0.1 * offset))
        for layer in range(1, last + 1 - offset):
            for measure in ("cka", "neighbourhood_overlap"):
                value = 0.9 - 0.1 * offset
                rows.append(row(measure, "", value, layer=layer, other_layer=layer + offset, last=last, p=np.nan))
    for layer in range(1, last):
        p = 0.01 if layer < 3 else 0.5
        rows.append(row("attention_heads", "", 0.3 + 0.05 * layer, layer=layer, other_layer=layer + 1, last=last, p=p))
    return pd.DataFrame(rows).assign(model=model).astype({"layer": "Int64", "other_layer": "Int64"})


def panel(figure: Figure, name: str) -> Axes:
    (found,) = [axes for axes in figure.axes if axes.get_title(loc="left").replace("\n", " ") == name]
    return found


def test_every_measure_has_a_panel() -> None:
    figure = draw_coordination(attention_scores(), coordination())

    found = [axes.get_title(loc="left").replace("\n", " ") for axes in figure.axes if axes.get_title(loc="left")]
    assert found == [
        "m",
        "their controls",
        "two layers together",
        "alternation",
        "alternation, one half against the other",
        "even minus odd layers",
        "trade-off of two curves at a layer",
        "trade-off with the next layer",
        "attention weights, layers apart",
        "attention weights of two layers",
        "best matching heads",
        "linear CKA",
        "neighbourhood overlap",
    ]


def test_scores_stand_beside_their_controls() -> None:
    curves = attention_scores()

    figure = draw_coordination(curves, coordination())

    scores, controls = panel(figure, "m"), panel(figure, "their controls")
    for at, name in enumerate(NAMES):
        rows = curves[curves["label"] == name]
        main = rows[rows["control"] == ""]
        np.testing.assert_allclose(points(scores, name), main[["depth", "score"]].to_numpy())
        check_band(scores, name, main[["depth", "low", "high"]].to_numpy())
        random = rows.loc[rows["control"] == "random", ["depth", "score"]].to_numpy()
        np.testing.assert_allclose(points(controls, f"{name}, random"), random)
        (line,) = [line for line in scores.get_lines() if line.get_label() == name]
        assert line.get_color() == PALETTE[at]
    assert scores.get_ylim() == controls.get_ylim()


def test_indices_stand_with_their_nulls_intervals_and_p() -> None:
    figure = draw_coordination(attention_scores(), coordination())

    axes = panel(figure, "alternation")
    for at, name in enumerate(NAMES):
        np.testing.assert_allclose(points(axes, name), [[0.5 + 0.1 * at, at]])
        np.testing.assert_allclose(points(axes, f"{name}, interval"), [[0.4 + 0.1 * at, at], [0.7 + 0.1 * at, at]])
        np.testing.assert_allclose(points(axes, f"{name}, null")[:, 0], [0.5, 0.5])
        outline = band(axes, f"{name}, null")
        assert (outline[:, 0].min(), outline[:, 0].max()) == pytest.approx((0.3, 0.7))
        low, high = axes.get_xlim()
        assert low < 0 < 1 < high
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(NAMES)
    crossed = panel(figure, "alternation, one half against the other")
    assert [text.get_text() for text in crossed.texts if text.get_text().startswith("p")] == [
        "p < 0.001",
        "p = 0.020",
        "p = 0.600",
    ]
    fills = {str(line.get_label()): line.get_markerfacecolor() for line in crossed.get_lines()}
    assert [fills[name] for name in NAMES] == [PALETTE[0], PALETTE[0], "white"]
    assert not any(
        text.startswith("p ") for text in [t.get_text() for t in panel(figure, "even minus odd layers").texts]
    )


def test_the_heat_map_is_symmetric_and_marks_what_is_not_above_the_null() -> None:
    figure = draw_coordination(attention_scores(), coordination())

    axes = panel(figure, "attention weights of two layers")
    (image,) = axes.get_images()
    values = np.ma.filled(np.ma.asarray(image.get_array(), dtype=np.float64), np.nan)
    assert np.isnan(np.diagonal(values)).all()
    np.testing.assert_allclose(values[0, 1:], -0.2)
    np.testing.assert_allclose(values, values.T)
    assert image.get_clim() == pytest.approx((-0.2, 0.2))
    dots = {(round(x), round(y)) for x, y in points(axes, "not above the null")}
    assert dots == {(x, y) for x in range(6) for y in range(6) if abs(x - y) >= 3}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "3", "5", "6"]
    assert figure.axes[-1].get_xlabel() == "correlation of attention weights"


def test_curves_of_two_layers_stand_half_way_between_them() -> None:
    figure = draw_coordination(attention_scores(), coordination())

    alike = panel(figure, "linear CKA")
    for offset in (1, 2, 3):
        depths = [(layer + offset / 2) / 6 for layer in range(1, 7 - offset)]
        expected = [[depth, 0.9 - 0.1 * offset] for depth in depths]
        np.testing.assert_allclose(points(alike, f"{offset} apart"), expected)
        np.testing.assert_allclose(points(alike, f"{offset} apart, null")[:, 1], 0.05)
    gains = panel(figure, "two layers together")
    np.testing.assert_allclose(points(gains, "analogies")[:, 1], [0.02 - 0.01 * layer for layer in range(1, 6)])
    check_band(gains, "items, interval", np.array([[1.5 / 6, -0.11, 0.19]]))
    heads = panel(figure, "best matching heads")
    assert len(points(heads, "heads, above the null")) == 2
    assert len(points(heads, "heads, not above the null")) == 3
    assert band(heads, "null")[:, 1].max() == pytest.approx(0.25)


def test_measures_that_are_not_there_leave_no_panel() -> None:
    rows = coordination()

    figure = draw_coordination(attention_scores(), rows[rows["measure"] == "alternation"])

    assert names(figure) == ["m", "their controls", "alternation"]


def test_scores_of_another_estimator_are_left_out() -> None:
    rows = pd.concat([coordination(), coordination().assign(estimator="ridge", value=0.9)])
    other = rows[rows["measure"].isin(["alternation", "complementarity"])]

    figure = draw_coordination(attention_scores(), other)

    assert points(panel(figure, "alternation"), "items")[0, 0] == 0.5
    assert len(points(panel(figure, "two layers together"), "items")) == 5


def test_attention_of_several_experiments_has_panels_of_its_own() -> None:
    rows = coordination()
    rows = rows[rows["measure"].isin(["attention", "cka"])]

    figure = draw_coordination(attention_scores(), pd.concat([rows, rows.assign(experiment="E8")]))

    found = [name for name in names(figure) if "E" in name.replace("CKA", "")]
    assert [name[-2:] for name in found] == ["E7", "E7", "E8", "E8"]


def test_too_many_pairs_are_counted_and_those_with_the_smallest_p_are_shown() -> None:
    of = tuple(f"task {at}" for at in range(6))
    rows = coordination(of=of)
    pairs = rows["measure"] == "tradeoff"
    rows.loc[pairs, "p"] = np.linspace(0.9, 0.1, pairs.sum())
    rows = rows[rows["measure"] != "tradeoff_lagged"]

    figure = draw_coordination(attention_scores(of=of), rows)

    shown = [label for label in labels(panel(figure, "trade-off of two curves at a layer")) if "," not in label]
    assert [label for label in shown if "|" in label] == rows.loc[pairs, "label"].tolist()[3:]
    foot = " ".join(text.get_text().replace("\n", " ") for text in figure.texts)
    assert "Of 15 pairs of curves of a model, the 12 with the smallest p are shown." in foot


def test_texts_keep_clear_of_each_other() -> None:
    of = ("label.larger than a person", "label.alive", "mean")
    models = {LONG_NAME: 30, "x" * 60: 6}
    curves = pd.concat(attention_scores(model, last, of) for model, last in models.items())
    rows = pd.concat(coordination(model, last, of) for model, last in models.items())

    check_texts(draw_coordination(curves, rows, title=LONG_NAME, notes=LONG_NOTES))


def test_coordination_refuses_what_it_cannot_draw() -> None:
    curves, rows = attention_scores(), coordination()

    with pytest.raises(ValueError, match=r"^coordination: columns are missing: null_low$"):
        draw_coordination(curves, rows.drop(columns="null_low"))
    with pytest.raises(ValueError, match=r"^coordination: there are no rows"):
        draw_coordination(curves, rows.iloc[:0])
    with pytest.raises(ValueError, match=r"column measure: expected one of alternation, .*; found 'distance'"):
        draw_coordination(curves, rows.replace({"measure": {"cka": "distance"}}))
    with pytest.raises(ValueError, match="more than one row for model=m, experiment=E7"):
        draw_coordination(curves, pd.concat([rows, rows]))
    with pytest.raises(ValueError, match="coordination: column value holds NaN"):
        draw_coordination(curves, rows.assign(value=np.nan))
    with pytest.raises(ValueError, match="coordination: column null holds an infinite value"):
        draw_coordination(curves, rows.assign(null=np.inf))
    with pytest.raises(
        ValueError, match="column other_layer: expected one in every row of complementarity, found none"
    ):
        draw_coordination(curves, rows[rows["measure"] == "complementarity"].assign(other_layer=np.nan))
    with pytest.raises(ValueError, match="coordination: column model: other is not in curves"):
        draw_coordination(curves, rows.assign(model="other"))
    of = tuple(f"task {at}" for at in range(7))
    with pytest.raises(ValueError, match="curves: column label: at most 6 can be told apart in one figure, found 7"):
        draw_coordination(attention_scores(of=of), rows[rows["measure"] != "complementarity"])
    with pytest.raises(ValueError, match="column label: expected one curve of complementarity for each, found several"):
        draw_coordination(curves, pd.concat([rows, rows.assign(experiment="E8")]))
