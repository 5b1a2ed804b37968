"""Every property has a panel, in the order of the peaks, on the measure it is tested on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.drawings import LONG_NAME, LONG_NOTES, check_band, check_texts, names, points, written
from tests.scores import LAYERED, score_rows, with_controls

from fathom.figures.probes.label_panels import draw_properties


def properties() -> pd.DataFrame:
    return pd.concat(
        [
            with_controls(peak=20, label="label.alive"),
            with_controls(peak=4, label="label.edible"),
            with_controls(peak=12, label="mean", controls=("random",)),
            with_controls(peak=9, label="label.category", chance=0.0625),
            with_controls(peak=25, label="label.length", measure="r", chance=0.0),
            with_controls(peak=3, label="label.mass", measure="r", chance=0.0),
            score_rows(peak=3, label="label.mass", measure="r2", chance=0.0),
            score_rows(peak=3, label="label.edible", measure="auc"),
            score_rows(peak=6, label="label.edible", selection="inner"),
        ],
        ignore_index=True,
    )


def test_panels_stand_in_the_order_of_their_peaks() -> None:
    figure = draw_properties(properties())

    assert names(figure) == ["mean", "edible", "alive", "category", "mass", "length"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["balanced accuracy", "", "", "balanced accuracy", "r", ""]
    mean, edible, alive, category, mass, length = figure.axes
    assert mean.get_ylim() == edible.get_ylim() == alive.get_ylim() != category.get_ylim()
    assert mass.get_ylim() == length.get_ylim() != mean.get_ylim()
    notes = written(figure)
    assert "peak 4 (3 to 6)" in notes
    assert "peak 9 (8 to 11) · chance 0.0625" in [note.replace("\n", " · ") for note in notes]


def test_a_panel_has_the_curve_and_its_controls() -> None:
    curves = properties()

    figure = draw_properties(curves)

    rows = curves[(curves["label"] == "label.edible") & (curves["measure"] == "balanced_accuracy")]
    main = rows[(rows["control"] == "") & (rows["selection"] == "fixed")]
    axes = figure.axes[1]
    np.testing.assert_allclose(points(axes, "label.edible"), main[["depth", "score"]].to_numpy())
    check_band(axes, "label.edible", main[["depth", "low", "high"]].to_numpy())
    np.testing.assert_allclose(points(axes, "label.edible, peak"), [[4 / 30, 0.8]])
    for control in LAYERED:
        expected = rows.loc[rows["control"] == control, ["depth", "score"]].to_numpy()
        np.testing.assert_allclose(points(axes, f"label.edible, {control}"), expected)
    inner = rows[rows["selection"] == "inner"]
    np.testing.assert_allclose(points(axes, "label.edible, inner"), inner[["depth", "score"]].to_numpy())
    assert points(figure.axes[3], "chance")[:, 1].tolist() == [0.0625, 0.0625]
    foot = " ".join(text.get_text().replace("\n", " ") for text in figure.texts)
    assert "m · SVM · 30 layers" in foot.replace("\N{NO-BREAK SPACE}", " ")
    assert "shuffled words (mean);" in foot


def test_many_labels_that_lack_a_control_are_counted() -> None:
    curves = pd.concat(
        score_rows(last=6, peak=2, label=f"label.{at}", control=control)
        for at in range(7)
        for control in ["", *(["random"] if at == 0 else [])]
    )

    foot = " ".join(text.get_text().replace("\n", " ") for text in draw_properties(curves).texts)

    assert "random weights (6 of 7); shuffled words;" in foot


def test_texts_keep_clear_of_each_other() -> None:
    curves = pd.concat([properties(), with_controls(label=f"label.{LONG_NAME}", peak=1)]).assign(model=LONG_NAME)

    check_texts(draw_properties(curves, title=LONG_NAME, notes=LONG_NOTES))
    check_texts(draw_properties(score_rows(LONG_NAME, 1, peak=0), title=LONG_NAME, layers="layer before the norm"))


def test_properties_refuse_what_they_cannot_draw() -> None:
    curves = properties()

    with pytest.raises(ValueError, match=r"^curves: columns are missing: label$"):
        draw_properties(curves.drop(columns="label"))
    for column in ("model", "experiment"):
        with pytest.raises(ValueError, match=f"column {column}: expected one in one figure, found "):
            draw_properties(pd.concat([curves, score_rows().assign(**{column: "other"})]))
    with pytest.raises(ValueError, match=r"expected some of balanced_accuracy, r for label label\.alive, found none"):
        draw_properties(score_rows(label="label.alive", measure="auc"))
    with pytest.raises(ValueError, match="more than one row for model=m, experiment=items"):
        draw_properties(pd.concat([curves, curves]))
