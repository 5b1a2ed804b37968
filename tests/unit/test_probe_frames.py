"""Which rows of the probes' tables a figure draws, and the hits behind its curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.designs import RELATION, pair_table
from tests.hierarchy import LAST, corpora, curve_rows, hit_rows, step_tables, told

from fathom.corpora.relations import relation_texts
from fathom.figures.job import Table
from fathom.figures.probes.rows import (
    accuracy_curves,
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
from fathom.io.corpus_table import text_items


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


# Hits ----------------------------------------------------------------------------------------------------------------


def test_accuracy_curves_are_balanced_accuracies() -> None:
    tables = step_tables({"items": 2, "relations": 4, "analogies": 6}, noise=0.15)
    curves = accuracy_curves(tables, "m", ("items", "relations", "analogies"), "svm")
    frames = {table.corpus_or_experiment: frame for table, frame in tables if table.content == "hits"}
    assert [curve.name for curve in curves] == ["items", "relations", "analogies"]
    for curve in curves:
        rows = frames[curve.name]
        by_class = rows[rows["estimator"] == "svm"].groupby(["label", "layer", "class"])["hit"].mean()
        expected = by_class.groupby(["label", "layer"]).mean().groupby("layer").mean()
        np.testing.assert_allclose(curve.curve, expected, atol=1e-6)
        assert curve.chance == 0.5
        np.testing.assert_allclose(curve.depths, np.arange(LAST + 1) / LAST)
    assert [len(curve.correct) for curve in curves] == [2, 1, 1]  # the mean over both labels of items


def test_items_of_texts_are_those_that_their_spans_mark() -> None:
    tables = step_tables({"relations": 4})
    (curve,) = accuracy_curves(tables, "m", ("relations",), "ridge")
    corpus = corpora()["relations"]
    texts = corpus[corpus["view"] == "original"]
    assert list(curve.items) == text_items(texts)
    assert all(len(items) == 2 for items in curve.items)


def test_several_classes_and_texts_without_a_label() -> None:
    corpus = corpora()["relations"]  # re-paired texts have no relation
    hits = hit_rows(corpus, "relation", told())
    tables = [
        (Table(model="m", corpus_or_experiment="e", content="hits", corpus="relations"), hits),
        texts_of("relations"),
    ]
    (curve,) = accuracy_curves(tables, "m", ("e",), "ridge")
    assert curve.chance == pytest.approx(1 / 6)
    assert (curve.classes >= 0).all()
    assert curve.texts == hits["text"].nunique() == 48
    both = pd.concat([hits_of("related", 1), hit_rows(corpus, "relation", told()), hits_of("other", 2)])
    (curve,) = accuracy_curves([(tables[0][0], both), tables[1]], "m", ("e",), "ridge")
    assert curve.correct.shape == (2, LAST + 1, 96)  # the mean over labels of two classes


def test_a_text_that_lacks_one_of_the_labels_counts_for_the_other() -> None:
    part = hits_of("other", 2)
    part = part[~part["text"].isin(part["text"].unique()[:3])]
    both = pd.concat([hits_of("related", 1), part])
    tables = [
        (Table(model="m", corpus_or_experiment="e", content="hits", corpus="relations"), both),
        texts_of("relations"),
    ]
    (curve,) = accuracy_curves(tables, "m", ("e",), "ridge")
    assert (curve.classes < 0).sum(axis=1).tolist() == [0, 3]
    assert np.isnan(curve.correct[1]).sum() == 3 * (LAST + 1)


def texts_of(name: str) -> tuple[Table, pd.DataFrame]:
    return Table(model="", corpus_or_experiment=name, content="texts"), corpora()[name]


def hits_of(label: str, peak: int) -> pd.DataFrame:
    """Hits of relations under a label of two classes."""
    return hit_rows(corpora()["relations"], "related", told(peak=peak)).assign(label=label)


def test_the_first_place_the_fixed_penalty_and_the_model_are_chosen() -> None:
    first, other = hits_of("related", 2), hits_of("related", 7)
    rows = pd.concat(
        [
            other.assign(selection="inner"),
            first.assign(site="mlp"),
            other,
            other.assign(site="mlp", position="span:first"),
            other.assign(estimator="svm"),
        ]
    )
    tables = [
        (Table(model="other", corpus_or_experiment="e", content="hits", corpus="relations"), other),
        (Table(model="m", corpus_or_experiment="e", content="hits", corpus="relations"), rows),
        texts_of("relations"),
    ]
    (curve,) = accuracy_curves(tables, "m", ("e",), "ridge")
    np.testing.assert_allclose(curve.curve, told(peak=2), atol=1e-6)


def test_an_experiment_without_the_estimator_is_left_out() -> None:
    tables = step_tables({"items": 2, "relations": 4})
    without = [
        (
            table,
            rows[rows["estimator"] == "svm"]
            if table.corpus_or_experiment == "items" and table.content == "hits"
            else rows,
        )
        for table, rows in tables
    ]
    assert [curve.name for curve in accuracy_curves(without, "m", ("items", "relations"), "ridge")] == ["relations"]


def test_texts_of_two_corpora_with_equal_ids_are_those_of_the_experiment() -> None:
    """The second corpus marks other items in texts of the same names."""
    corpus = corpora()["relations"]
    pairs = pair_table([4] * 6)
    renamed = pairs.assign(first="other " + pairs["first"], second="other " + pairs["second"])
    same_names = relation_texts(renamed, [RELATION]).assign(id=corpus["id"])
    tables = [
        (Table(model="m", corpus_or_experiment="mine", content="hits", corpus="one"), hits_of("related", 2)),
        (Table(model="m", corpus_or_experiment="yours", content="hits", corpus="two"), hits_of("related", 2)),
        (Table(model="", corpus_or_experiment="one", content="texts"), corpus),
        (Table(model="", corpus_or_experiment="two", content="texts"), same_names),
    ]
    mine, yours = accuracy_curves(tables, "m", ("mine", "yours"), "ridge")
    assert list(mine.items) == text_items(corpus.iloc[:96])
    assert list(yours.items) == text_items(same_names.iloc[:96])
    assert mine.items[0] != yours.items[0]


def test_texts_that_mark_no_item_hang_together_by_their_group() -> None:
    corpus = corpora()["relations"].assign(spans=None)
    tables = [
        (Table(model="m", corpus_or_experiment="e", content="hits", corpus="plain"), hits_of("related", 2)),
        (Table(model="", corpus_or_experiment="plain", content="texts"), corpus),
    ]
    (curve,) = accuracy_curves(tables, "m", ("e",), "ridge")
    assert list(curve.items) == [(group,) for group in corpus["group"].iloc[:96]]


def test_texts_that_the_corpus_lacks_are_named() -> None:
    corpus = corpora()["relations"]
    tables = [
        (Table(model="m", corpus_or_experiment="e", content="hits", corpus="short"), hits_of("related", 2)),
        (Table(model="", corpus_or_experiment="short", content="texts"), corpus.iloc[1:]),
    ]
    with pytest.raises(
        ValueError, match=rf"^texts: the corpus lacks '{corpus['id'].iloc[0].replace('+', '.')}' in its"
    ):
        accuracy_curves(tables, "m", ("e",), "ridge")
