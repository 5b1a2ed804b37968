"""Which rows of the probes' tables a figure draws."""

from __future__ import annotations

import pandas as pd
from tests.hierarchy import LAST, curve_rows, step_tables

from fathom.figures.job import Table
from fathom.figures.probes.rows import (
    all_views,
    experiment_curves,
    main_label,
    main_measure,
    one_label,
    one_place,
    one_position,
    one_site,
    with_site_labels,
)


def placed(**columns: str) -> pd.DataFrame:
    """Curves of two experiments, the first at two places of every kind."""
    parts = [
        curve_rows(view=view, site=site, position=position).assign(model="m", experiment="e")
        for view in ("original", "template 2")
        for site in ("mlp", "residual")
        for position in ("span:second", "last")
    ]
    return pd.concat([*parts, curve_rows().assign(model="m", experiment="other")], ignore_index=True).assign(**columns)


def test_curves_carry_the_names_of_model_and_experiment_and_random_weights_are_a_control() -> None:
    tables = step_tables({"relations": 4}, model="Big")
    curves = experiment_curves(tables, estimator="ridge")
    assert set(curves["model"]) == {"Big"}
    assert set(curves["experiment"]) == {"relations"}
    assert set(curves["estimator"]) == {"ridge"}
    controls = curves.groupby("control")["score"].count()
    assert controls["random"] == controls["shuffled"] == LAST + 1
    assert controls["static"] == 1
    random = curves[curves["control"] == "random"]
    assert random["score"].tolist() == curve_rows(1)["score"].tolist()
    assert set(experiment_curves(tables)["estimator"]) == {"svm", "ridge"}


def test_controls_of_the_random_model_are_left_out() -> None:
    own, random = curve_rows(), pd.concat([curve_rows(), curve_rows(control="shuffled")])
    tables = [
        (Table(model="m", corpus_or_experiment="e", content="probes"), own),
        (Table(model="m", corpus_or_experiment="e", content="probes", control="random"), random),
        (Table(model="m", corpus_or_experiment="e", content="hits"), own),
    ]
    curves = experiment_curves(tables)
    assert curves["control"].value_counts().to_dict() == {"": LAST + 1, "random": LAST + 1}


def test_the_mean_stands_for_an_experiment_that_has_one() -> None:
    curves = pd.concat([curve_rows(label="edible"), curve_rows(label="mean"), curve_rows(label="category")])
    assert main_label(curves) == "mean"
    assert main_label(curves[curves["label"] != "mean"]) == "edible"
    both = pd.concat([curves.assign(experiment="a"), curve_rows(label="related").assign(experiment="b")])
    chosen = one_label(both)
    assert chosen.groupby("experiment")["label"].unique().map(list).to_dict() == {"a": ["mean"], "b": ["related"]}


def test_a_label_of_classes_comes_before_one_of_numbers() -> None:
    numbers = curve_rows(label="length", measure="r", chance=0.0)
    curves = pd.concat([numbers, curve_rows(label="category")])
    assert main_label(curves) == "category"
    assert main_measure(curves) == "balanced_accuracy"
    assert main_label(numbers) == "length"
    assert main_measure(numbers) == "r"


def test_places_are_the_first_of_each_experiment() -> None:
    curves = placed()
    rows = one_place(curves)
    assert rows.groupby("experiment").size().to_dict() == {"e": LAST + 1, "other": LAST + 1}
    assert rows.groupby("experiment")[["view", "site", "position"]].first().to_numpy().tolist() == [
        ["original", "mlp", "span:second"],
        ["original", "residual", "last"],
    ]
    assert one_position(curves).groupby("experiment")["site"].nunique().to_dict() == {"e": 2, "other": 1}
    assert one_site(curves).groupby("experiment")["position"].nunique().to_dict() == {"e": 2, "other": 1}
    assert all_views(curves).groupby("experiment")["view"].nunique().to_dict() == {"e": 2, "other": 1}
    assert set(one_position(curves)["view"]) == set(one_site(curves)["view"]) == {"original"}
    of_views = all_views(curves)
    assert set(of_views.loc[of_views["experiment"] == "e", "site"]) == {"mlp"}
    assert set(of_views.loc[of_views["experiment"] == "e", "position"]) == {"span:second"}


def test_sites_are_worded_for_readers() -> None:
    worded = with_site_labels(placed())
    assert list(worded["site"].unique()) == ["MLP output", "residual stream"]
