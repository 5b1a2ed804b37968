"""Curves of probes stand among their controls, with their peaks and what was tested, and nothing is clipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tests.drawings import LONG_NAME, LONG_NOTES, check_band, check_texts, labels, names, points, written
from tests.scores import EXPERIMENTS, LAYERED, score_rows, three_experiments, with_controls

from fathom.figures.drawing.style import DOUBLE_COLUMN, INK, PALETTE
from fathom.figures.probes.curves import draw_probes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def rows_of_panels(figure: Figure, models: int) -> list[list[Axes]]:
    axes = figure.axes
    return [axes[at : at + models] for at in range(0, len(axes), models)]


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts() if text.get_text().strip()]


def test_the_top_row_has_the_curves_and_their_bands() -> None:
    models = {"small": 6, "large": 30}
    curves = three_experiments(models)

    figure = draw_probes(curves)

    _, top, *_ = rows_of_panels(figure, 2)
    for axes, model in zip(top, models, strict=True):
        for experiment in EXPERIMENTS:
            of_curve = curves[(curves["model"] == model) & (curves["experiment"] == experiment)]
            of_curve = of_curve[of_curve["control"] == ""]
            fixed, inner = (of_curve[of_curve["selection"] == selection] for selection in ("fixed", "inner"))
            np.testing.assert_allclose(points(axes, experiment), fixed[["depth", "score"]].to_numpy())
            check_band(axes, experiment, fixed[["depth", "low", "high"]].to_numpy())
            np.testing.assert_allclose(points(axes, f"{experiment}, inner"), inner[["depth", "score"]].to_numpy())
    assert names(figure) == ["small", "large"]
    assert "SVM · 6 layers · 160 texts · 40 groups" in written(figure)
    assert top[0].get_ylabel() == "balanced accuracy"


def test_normalised_scores_stand_under_the_raw_ones() -> None:
    curves = pd.concat([score_rows(experiment="items"), score_rows(experiment="categories", chance=0.0625)])

    figure = draw_probes(curves)

    _, _, axes, *_ = figure.axes
    assert axes.get_ylabel() == "normalised"
    for experiment, chance in (("items", 0.5), ("categories", 0.0625)):
        rows = curves[curves["experiment"] == experiment]
        expected = np.column_stack([rows["depth"], (rows["score"] - chance) / (1 - chance)])
        np.testing.assert_allclose(points(axes, experiment), expected)
    assert points(axes, "chance").tolist() == [[0, 0], [1, 0]]
    assert any("(score − chance) / (1 − chance)" in text.get_text() for text in figure.texts)  # noqa: RUF001


def test_scores_with_chance_at_zero_are_not_normalised() -> None:
    figure = draw_probes(score_rows(chance=0.0, measure="r", estimator="ridge"), measure="r")

    assert [axes.get_ylabel() for axes in figure.axes] == ["", "r", "items\nr"]


def test_every_experiment_stands_among_its_controls() -> None:
    curves = three_experiments({"small": 6, "large": 30})

    _, top, _, *below = rows_of_panels(draw_probes(curves), 2)

    assert [axes.get_ylabel() for axes, _ in below] == [f"{name}\nbalanced accuracy" for name in EXPERIMENTS]
    for row, experiment in zip(below, EXPERIMENTS, strict=True):
        for axes, model in zip(row, ("small", "large"), strict=True):
            rows = curves[(curves["model"] == model) & (curves["experiment"] == experiment)]
            rows = rows[rows["selection"] == "fixed"]
            main = rows[rows["control"] == ""]
            np.testing.assert_allclose(points(axes, experiment), main[["depth", "score"]].to_numpy())
            for control in LAYERED:
                expected = rows.loc[rows["control"] == control, ["depth", "score"]].to_numpy()
                np.testing.assert_allclose(points(axes, f"{experiment}, {control}"), expected)
            static = float(rows.loc[rows["control"] == "static", "score"].iloc[0])
            np.testing.assert_allclose(points(axes, f"{experiment}, static"), [[0, static], [1, static]])
            first = float(main["score"].iloc[0])
            np.testing.assert_allclose(points(axes, f"{experiment}, embedding"), [[0, first], [1, first]])
            assert axes.get_ylim() == top[0].get_ylim()


def test_controls_are_told_apart_and_named_once() -> None:
    figure = draw_probes(three_experiments({"m": 6}))

    words = legend_texts(figure)
    for label in (
        "embedding layer",
        "random weights",
        "shuffled words",
        "summed static vectors",
        "template split",
        "control task on that split",
        "chance (0.5)",
        "penalty by inner folds",
    ):
        assert words.count(label) == 1
    lines = [line for line in figure.axes[-1].get_lines() if ", " in str(line.get_label())]
    looks = [
        (line.get_color(), str(line.get_linestyle()), line.get_linewidth()) for line in lines if line.get_linewidth()
    ]
    controls = [look for line, look in zip(lines, looks, strict=True) if line.get_linestyle() != "None"]
    assert len(set(controls)) == len(controls) == 6


def test_controls_that_are_not_there_are_named_under_the_figure() -> None:
    curves = pd.concat(
        [
            with_controls("a", 6, "items", 1, controls=("random", "static")),
            with_controls("b", 6, "items", 1, controls=("static",)),
            with_controls("a", 6, "relations", 1, controls=("random",)),
            with_controls("b", 6, "relations", 1, controls=("random",)),
        ]
    )

    figure = draw_probes(curves)

    (foot,) = [text.get_text().replace("\n", " ") for text in figure.texts if "Controls not" in text.get_text()]
    assert "random weights (items of b); shuffled words; summed static vectors (relations); template split;" in foot
    assert "shuffled words" not in legend_texts(figure)
    complete = draw_probes(three_experiments({"m": 6}))
    assert not any("Controls not" in text.get_text() for text in complete.texts)


def test_without_a_fixed_penalty_the_chosen_one_is_drawn_first() -> None:
    curves = pd.concat([score_rows(selection="inner"), score_rows(experiment="relations")])

    figure = draw_probes(curves)

    np.testing.assert_allclose(points(figure.axes[1], "items"), curves[["depth", "score"]].to_numpy()[:31])
    assert "items, inner" not in labels(figure.axes[1])
    assert "penalty by inner folds" not in legend_texts(figure)


def test_peaks_are_marked_on_the_curve_and_in_the_strip() -> None:
    strip, axes, *_ = draw_probes(score_rows()).axes

    np.testing.assert_allclose(points(axes, "items, peak"), [[5 / 30, 0.8]])
    np.testing.assert_allclose(points(strip, "items, peak"), [[5 / 30, 0]])
    np.testing.assert_allclose(points(strip, "items"), [[4 / 30, 0], [7 / 30, 0]])
    assert "5" in [text.get_text() for text in strip.texts]
    assert [tick.get_text() for tick in strip.get_yticklabels()] == ["items"]


def test_a_peak_without_an_interval_has_a_mark_alone() -> None:
    strip, *_ = draw_probes(score_rows(peak_low=np.nan, peak_high=np.nan)).axes

    np.testing.assert_allclose(points(strip, "items"), [[5 / 30, 0], [5 / 30, 0]])


def test_markers_say_what_was_tested_and_found_above_chance() -> None:
    curve = score_rows()
    curve.loc[20:, "p_family_wise"] = np.nan

    figure = draw_probes(curve)

    axes = figure.axes[1]
    p = curve["p_family_wise"]
    for what, part in (("above chance", p < 0.05), ("not above chance", p >= 0.05), ("not tested", p.isna())):
        np.testing.assert_allclose(points(axes, f"items, {what}"), curve.loc[part, ["depth", "score"]].to_numpy())
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    assert lines["items, above chance"].get_markerfacecolor() == PALETTE[0]
    assert lines["items, not above chance"].get_markerfacecolor() == "white"
    assert lines["items, not tested"].get_markersize() < lines["items, above chance"].get_markersize()
    assert {"above chance, p < 0.05", "not above chance", "not tested"} <= set(legend_texts(figure))
    assert "not tested" not in legend_texts(draw_probes(score_rows()))
    assert "not above chance" not in legend_texts(draw_probes(score_rows(p_family_wise=np.nan)))


@pytest.mark.parametrize(
    ("p", "fill", "edge"), [(0.01, PALETTE[0], INK), (0.4, "white", PALETTE[0]), (np.nan, PALETTE[0], PALETTE[0])]
)
def test_a_peak_is_filled_unless_it_is_not_above_chance(p: float, fill: str, edge: str) -> None:
    axes = draw_probes(score_rows(p_family_wise=p)).axes[1]

    (peak,) = [line for line in axes.get_lines() if line.get_label() == "items, peak"]
    assert peak.get_markerfacecolor() == fill
    assert peak.get_markeredgecolor() == edge


def test_scores_below_chance_are_inside_the_panel() -> None:
    curve = score_rows()
    curve[["score", "low", "high"]] -= 0.4

    figure = draw_probes(curve)

    _, axes, normalised, _ = figure.axes
    low, high = axes.get_ylim()
    assert low < curve["low"].min() < 0
    assert high > 0.5
    np.testing.assert_allclose(points(axes, "items")[:, 1], curve["score"])
    assert normalised.get_ylim()[0] < 2 * (curve["low"].min() - 0.5)


def test_one_measure_is_drawn() -> None:
    curves = pd.concat([score_rows(), score_rows(measure="auc").assign(score=lambda rows: rows["score"] + 0.1)])

    figure = draw_probes(curves, measure="auc")

    assert figure.axes[1].get_ylabel() == "AUC"
    np.testing.assert_allclose(points(figure.axes[1], "items, peak"), [[5 / 30, 0.9]])


def test_a_deep_model_shows_a_part_of_its_markers_but_all_of_its_curve() -> None:
    curves = pd.concat(score_rows(f"m{at}", 80, "items", 20) for at in range(4))

    axes = draw_probes(curves).axes[4]

    assert len(points(axes, "items")) == 81
    marked = len(points(axes, "items, above chance")) + len(points(axes, "items, not above chance"))
    assert 20 < marked < 81


def test_more_than_four_models_go_on_below() -> None:
    figure = draw_probes(pd.concat(score_rows(f"m{at}", 6, "items", 2) for at in range(5)))

    assert names(figure) == ["m0", "m1", "m2", "m3", "m4"]
    assert figure.get_figwidth() == DOUBLE_COLUMN


@pytest.mark.parametrize("models", [1, 2, 5])
def test_texts_keep_clear_of_each_other(models: int) -> None:
    some = {LONG_NAME: 30, "small": 6, "x" * 60: 12, "EleutherAI/pythia-410m-deduped": 24, "m": 1}

    figure = draw_probes(
        three_experiments(dict(list(some.items())[:models])),
        title="What single words and pairs of words hold, layer by layer and model by model",
        notes=LONG_NOTES,
    )

    check_texts(figure)


def test_long_names_of_experiments_are_folded() -> None:
    names = {"items": "single words", "relations": "relations of the two words of a sentence " * 2}
    curves = three_experiments({LONG_NAME: 30, "small": 6}).replace({"experiment": names})

    check_texts(draw_probes(curves, title="t"))


def test_probes_refuse_what_they_cannot_draw() -> None:
    curves = three_experiments({"small": 6})

    with pytest.raises(ValueError, match=r"^curves: columns are missing: score, peak$"):
        draw_probes(curves.drop(columns=["score", "peak"]))
    with pytest.raises(ValueError, match=r"there are no rows; expected one for every model, experiment, estimator"):
        draw_probes(curves.iloc[:0])
    with pytest.raises(ValueError, match="column score holds NaN"):
        draw_probes(curves.assign(score=np.nan))
    with pytest.raises(ValueError, match="column high holds an infinite value"):
        draw_probes(curves.assign(high=np.inf))
    with pytest.raises(ValueError, match="column chance: expected values below 1, found 1"):
        draw_probes(curves.assign(chance=1.0))
    with pytest.raises(ValueError, match="expected one peak for small, items, svm, fixed, balanced_accuracy, with "):
        draw_probes(curves.assign(peak=False))
    with pytest.raises(ValueError, match="more than one row for model=small, experiment=items"):
        draw_probes(pd.concat([curves, curves]))
    with pytest.raises(ValueError, match=r"column control: expected one of '', random, .*; found 'noise'"):
        draw_probes(curves.replace({"control": {"random": "noise"}}))
    with pytest.raises(ValueError, match="column selection: expected one of fixed, inner; found 'outer'"):
        draw_probes(curves.replace({"selection": {"inner": "outer"}}))
    with pytest.raises(ValueError, match="column estimator: expected one in one figure, found svm, ridge"):
        draw_probes(pd.concat([curves, curves.assign(estimator="ridge")]))
    with pytest.raises(ValueError, match=r"measure: expected one of those in curves \(balanced_accuracy\), found auc"):
        draw_probes(curves, measure="auc")
    with pytest.raises(ValueError, match="measure: expected one of balanced_accuracy, auc, r, r2, found 'loss'"):
        draw_probes(curves, measure="loss")
    with pytest.raises(ValueError, match="column experiment: at most 6 can be told apart in one figure, found 7"):
        draw_probes(pd.concat(score_rows(experiment=f"e{at}") for at in range(7)))
