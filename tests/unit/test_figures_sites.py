"""Sites stand side by side on one axis, and their controls below."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.drawings import LONG_NAME, LONG_NOTES, check_band, check_texts, labels, names, points
from tests.scores import EXPERIMENTS, score_rows

from fathom.figures.drawing.style import PALETTE
from fathom.figures.probes.sites import draw_sites

SITES = ("residual stream", "attention", "MLP")


def sites(models: dict[str, int]) -> pd.DataFrame:
    parts = []
    for model, last in models.items():
        for at, site in enumerate(SITES):
            for experiment, depth in EXPERIMENTS.items():
                for control in ("", "random", "shuffled", *(["static"] if at == 0 else [])):
                    rows = score_rows(model, last, experiment, max(round(depth * last), 1), control=control, site=site)
                    # Only the residual stream has an embedding layer.
                    parts.append(rows if at == 0 else rows[rows["layer"] > 0])
    return pd.concat(parts)


def test_a_column_a_site_and_the_controls_below() -> None:
    curves = sites({"small": 6, "large": 30})

    figure = draw_sites(curves)

    assert names(figure) == [f"{model}, {site}" for model in ("small", "large") for site in SITES]
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    for at_model, model in enumerate(("small", "large")):
        for at_site, site in enumerate(SITES):
            axes, below = figure.axes[6 * at_model + at_site], figure.axes[6 * at_model + 3 + at_site]
            rows = curves[(curves["model"] == model) & (curves["site"] == site)]
            for experiment in EXPERIMENTS:
                of_experiment = rows[rows["experiment"] == experiment]
                main = of_experiment[of_experiment["control"] == ""]
                np.testing.assert_allclose(points(axes, experiment), main[["depth", "score"]].to_numpy())
                check_band(axes, experiment, main[["depth", "low", "high"]].to_numpy())
                random = of_experiment.loc[of_experiment["control"] == "random", ["depth", "score"]].to_numpy()
                np.testing.assert_allclose(points(below, f"{experiment}, random"), random)
                assert (f"{experiment}, embedding" in labels(below)) == (at_site == 0)
    lines = {str(line.get_label()): line for line in figure.axes[3].get_lines()}
    assert lines["items, random"].get_color() == lines["items, shuffled"].get_color() == PALETTE[0]
    assert lines["items, random"].get_linestyle() == lines["relations, random"].get_linestyle()
    foot = " ".join(text.get_text().replace("\n", " ") for text in figure.texts)
    assert "summed static vectors (12 of 18)" in foot


def test_labels_of_one_experiment_are_told_apart_by_colour() -> None:
    curves = pd.concat([score_rows(label="label.edible", peak=3), score_rows(label="label.alive", peak=8)])

    figure = draw_sites(curves)

    np.testing.assert_allclose(points(figure.axes[0], "label.alive, peak"), [[8 / 30, 0.8]])
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"edible", "alive"} <= set(words)


def test_texts_keep_clear_of_each_other() -> None:
    check_texts(draw_sites(sites({LONG_NAME: 30, "x" * 60: 1}), title=LONG_NAME, notes=LONG_NOTES))


def test_sites_refuse_what_they_cannot_draw() -> None:
    curves = sites({"m": 6})

    with pytest.raises(ValueError, match=r"^curves: columns are missing: site$"):
        draw_sites(curves.drop(columns="site"))
    with pytest.raises(ValueError, match="column label: expected one for each experiment"):
        draw_sites(pd.concat([curves, score_rows(label="label.other")]))
    with pytest.raises(ValueError, match="column experiment: at most 6 can be told apart in one figure, found 7"):
        draw_sites(pd.concat(score_rows(experiment=f"e{at}") for at in range(7)))
    with pytest.raises(ValueError, match="more than one row for model=m, site=residual stream"):
        draw_sites(pd.concat([curves, curves]))
