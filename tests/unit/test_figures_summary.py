"""The summary has each curve's peak and what its controls have there, and its table writes what it is given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.drawings import LONG_NAME, LONG_NOTES, check_texts, written
from tests.scores import LAYERED, score_rows, three_experiments, with_controls

from fathom.figures.drawing.style import DOUBLE_COLUMN
from fathom.figures.probes.summary import draw_summary, summary_table


def test_a_row_has_the_peak_and_the_controls_at_its_layer() -> None:
    curves = with_controls("m", 30, "items", 5)

    (row,) = summary_table(curves).to_dict("records")

    assert {key: row[key] for key in ("model", "experiment", "estimator", "selection", "measure", "label")} == {
        "model": "m",
        "experiment": "items",
        "estimator": "svm",
        "selection": "fixed",
        "measure": "balanced_accuracy",
        "label": "label.relation",
    }
    # The made-up curves: 0.8 at the peak, and the controls so much below it.
    expected = {
        "peak": 5,
        "peak_low": 4,
        "peak_high": 7,
        "depth": 5 / 30,
        "score": 0.8,
        "low": 0.75,
        "high": 0.84,
        "chance": 0.5,
        "normalised": 0.6,
        "p_family_wise": 0.01,
        "centre": 0.4,
        "centre_low": 0.3,
        "centre_high": 0.5,
        "embedding": 0.4 + 0.4 * np.exp(-((5 / 3) ** 2)),
        "random": 0.5,
        "shuffled": 0.6,
        "static": 0.55 - 0.4 + 0.4 * np.exp(-((5 / 3) ** 2)),
        "strongest_score": 0.6,
        "template_split": 0.85,
        "control_task": 0.47,
        "selectivity": 0.38,
        "texts": 160,
        "groups": 40,
    }
    assert {key: row[key] for key in expected} == pytest.approx(expected)
    assert row["strongest_control"] == "shuffled"


def test_controls_that_are_not_there_are_unknown() -> None:
    (row,) = summary_table(score_rows(layer=lambda rows: rows["layer"] + 1, depth=0.5)).to_dict("records")

    assert row["strongest_control"] == ""
    unknown = ("embedding", "random", "shuffled", "static", "strongest_score", "template_split", "selectivity")
    assert all(np.isnan(row[name]) for name in unknown)


def test_a_curve_below_chance_is_below_zero_when_normalised() -> None:
    (row,) = summary_table(score_rows(score=lambda rows: rows["score"] - 0.5)).to_dict("records")

    assert row["normalised"] == pytest.approx((0.3 - 0.5) / 0.5)


def test_every_curve_has_its_own_row_and_its_own_controls() -> None:
    curves = pd.concat(
        [
            with_controls("m", 6, "items", 2, label="label.edible"),
            with_controls("m", 6, "items", 3, label="label.alive", estimator="ridge"),
            with_controls("m", 6, "items", 4, site="mlp", selection="inner", controls=()),
            with_controls("n", 12, "items", 5, controls=("random",)),
        ]
    )

    table = summary_table(curves)

    assert table["peak"].tolist() == [2, 3, 4, 5]
    assert table["label"].tolist() == ["label.edible", "label.alive", "label.relation", "label.relation"]
    np.testing.assert_allclose(table["random"], [0.5, 0.5, np.nan, 0.5])
    np.testing.assert_allclose(table["shuffled"], [0.6, 0.6, np.nan, np.nan])


def test_the_shuffled_words_of_a_view_are_compared_with_the_view() -> None:
    curves = pd.concat(
        [
            score_rows(view="start 0"),
            score_rows(view="end 8", peak=6),
            score_rows(view="start 0", control="shuffled"),
            score_rows(view="end 8", control="shuffled", peak=6).assign(score=lambda rows: rows["score"] + 0.1),
            score_rows(view="template 2", control="control task", peak=6),
        ]
    )

    table = summary_table(curves)

    np.testing.assert_allclose(table["shuffled"], [0.6, 0.7])
    np.testing.assert_allclose(table["control_task"].iloc[1], 0.47)


def test_the_measure_is_the_one_that_is_tested() -> None:
    curves = pd.concat(
        [
            score_rows(),
            score_rows(measure="r", chance=0.0, peak=9),
            score_rows(measure="auc", peak=8),
            score_rows(measure="r", chance=0.0, label="label.length", peak=7),
            score_rows(measure="r2", chance=0.0, label="label.length", peak=3),
        ]
    )

    table = summary_table(curves)

    assert table[["label", "measure", "peak"]].to_numpy().tolist() == [
        ["label.relation", "balanced_accuracy", 5],
        ["label.length", "r", 7],
    ]


def test_the_summary_refuses_what_it_cannot_summarise() -> None:
    curves = with_controls()

    with pytest.raises(ValueError, match=r"^curves: columns are missing: centre$"):
        summary_table(curves.drop(columns="centre"))
    with pytest.raises(
        ValueError, match="column measure: expected some of balanced_accuracy, r with control '', found"
    ):
        summary_table(curves.assign(measure="auc"))
    twice = pd.concat([curves, curves[curves["control"] == "control task"].assign(view="template 2")])
    with pytest.raises(ValueError, match="more than one row of control 'control task' at layer 5 for model=m"):
        summary_table(twice)


def test_the_table_is_written() -> None:
    table = summary_table(three_experiments({"small": 6, "large": 30}))
    fixed = table[table["selection"] == "fixed"]

    figure = draw_summary(fixed, title="Summary", layers="block", notes=["A note."])

    words = written(figure)
    assert figure.get_figwidth() == DOUBLE_COLUMN
    for word in ("small", "large", "peak block", "items, SVM", "relations, SVM", "analogies, SVM", "(0 to 3)", "0.80"):
        assert word in words
    assert words.count("(0.75 to 0.84)") == 6
    assert words.count("shuffled words 0.60") == 5
    # The items of the small model peak right after the embedding layer.
    assert words.count("embedding layer 0.76") == 1
    assert words.count("0.38") == 6
    assert any("A note." in text.get_text() for text in figure.texts)


def test_scores_above_chance_are_bold_also_if_models_take_turns() -> None:
    rows = [summary_table(score_rows(model, p_family_wise=p)) for model, p in (("a", 0.01), ("b", np.nan), ("a", 0.3))]
    rows[2]["experiment"] = "relations"

    figure = draw_summary(pd.concat(rows))

    weights = [text.get_fontweight() for text in figure.axes[0].texts if text.get_text() == "0.80"]
    assert weights == ["bold", "normal", "normal"]
    assert {"0.010", "–", "0.300"} <= set(written(figure))  # noqa: RUF001


def test_the_first_column_says_in_what_curves_differ() -> None:
    curves = pd.concat([score_rows(label="label.edible"), score_rows(label="label.alive")])

    words = " ".join(written(draw_summary(summary_table(curves))))

    assert "label.edible" in words
    assert "label.alive" in words
    assert "residual" not in words


def test_texts_keep_clear_of_each_other() -> None:
    curves = three_experiments({LONG_NAME: 30, "x" * 60: 6}, controls=LAYERED)
    curves["experiment"] = curves["experiment"].replace({"relations": "relations of two words in one sentence"})
    curves.loc[curves["control"] == "", "p_family_wise"] = 0.0002

    figure = draw_summary(summary_table(curves), title=LONG_NAME, notes=LONG_NOTES)

    check_texts(figure)
    assert "< 0.001" in written(figure)


def test_the_table_refuses_what_it_cannot_write() -> None:
    table = summary_table(three_experiments({"m": 6}))

    with pytest.raises(ValueError, match=r"^table: columns are missing: selectivity$"):
        draw_summary(table.drop(columns="selectivity"))
    with pytest.raises(ValueError, match=r"^table: there are no rows"):
        draw_summary(table.iloc[:0])
    with pytest.raises(ValueError, match=r"^table: more than one row for model=m, experiment=items"):
        draw_summary(pd.concat([table, table]))
