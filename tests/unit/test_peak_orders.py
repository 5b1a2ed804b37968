"""Curves of the accuracy per text, and the table of the order in which those of several experiments peak."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.designs import RELATION, pair_table
from tests.hierarchy import LABELS, LAST, corpora, curve_rows, hit_rows, order_rows, told

from fathom.corpora.relations import relation_texts
from fathom.io.corpus_table import text_items
from fathom.probes.accuracy_curves import accuracy_curve
from fathom.probes.peak_orders import Step


def hits_of(label: str, peak: int) -> pd.DataFrame:
    """Hits of relations under a label of two classes."""
    return hit_rows(corpora()["relations"], "related", told(peak=peak)).assign(label=label)


@pytest.mark.parametrize("name", list(LABELS))
def test_accuracy_curves_are_balanced_accuracies(name: str) -> None:
    hits = pd.concat([hit_rows(corpora()[name], label, told(peak=3), noise=0.15) for label in LABELS[name]])
    curve = accuracy_curve(name, hits, corpora()[name])
    by_class = hits.groupby(["label", "layer", "class"])["hit"].mean()
    expected = by_class.groupby(["label", "layer"]).mean().groupby("layer").mean()
    np.testing.assert_allclose(curve.curve, expected, atol=1e-6)
    assert curve.chance == 0.5
    np.testing.assert_allclose(curve.depths, np.arange(LAST + 1) / LAST)
    assert len(curve.correct) == len(LABELS[name])


def test_items_of_texts_are_those_that_their_spans_mark() -> None:
    corpus = corpora()["relations"]
    curve = accuracy_curve("relations", hits_of("related", 4), corpus)
    assert list(curve.items) == text_items(corpus[corpus["view"] == "original"])
    assert all(len(items) == 2 for items in curve.items)


def test_texts_that_mark_no_item_hang_together_by_their_group() -> None:
    corpus = corpora()["relations"]
    curve = accuracy_curve("e", hits_of("related", 2), corpus.assign(spans=None))
    assert list(curve.items) == [(group,) for group in corpus["group"].iloc[:96]]


def test_several_classes_and_texts_without_a_label() -> None:
    corpus = corpora()["relations"]  # re-paired texts have no relation
    hits = hit_rows(corpus, "relation", told())
    curve = accuracy_curve("e", hits, corpus)
    assert curve.chance == pytest.approx(1 / 6)
    assert (curve.classes >= 0).all()
    assert curve.texts == hits["text"].nunique() == 48
    both = pd.concat([hits_of("related", 1), hits, hits_of("other", 2)])
    assert accuracy_curve("e", both, corpus).correct.shape == (2, LAST + 1, 96)  # the mean over labels of two classes


def test_a_text_that_lacks_one_of_the_labels_counts_for_the_other() -> None:
    part = hits_of("other", 2)
    part = part[~part["text"].isin(part["text"].unique()[:3])]
    curve = accuracy_curve("e", pd.concat([hits_of("related", 1), part]), corpora()["relations"])
    assert (curve.classes < 0).sum(axis=1).tolist() == [0, 3]
    assert np.isnan(curve.correct[1]).sum() == 3 * (LAST + 1)


def test_texts_that_the_corpus_lacks_are_named() -> None:
    corpus = corpora()["relations"]
    lacking = corpus["id"].iloc[0].replace("+", ".")
    with pytest.raises(ValueError, match=rf"^texts: the corpus lacks '{lacking}' in its"):
        accuracy_curve("e", hits_of("related", 2), corpus.iloc[1:])


# The table of an order -----------------------------------------------------------------------------------------------


def step(name: str, peak: int, *, corpus: pd.DataFrame | None = None, **columns: Any) -> Step:
    texts = corpora()[name] if corpus is None else corpus
    label = LABELS[name][0]
    curves = curve_rows(peak, label=label, **columns)
    return Step(name, curves, hit_rows(texts, label, told(peak=peak), **columns), texts)


def test_a_row_is_two_neighbours_with_their_places_and_interval() -> None:
    table = order_rows([step("items", 2), step("relations", 4), step("analogies", 7)])
    peaks = table[table["measure"] == "peak"]
    assert table["name"].unique().tolist() == ["items+relations+analogies"]
    assert list(zip(peaks["first"], peaks["second"], peaks["strict"], strict=True)) == [
        ("items", "relations", True),
        ("relations", "analogies", False),
    ]
    assert peaks[["first_place", "second_place"]].to_numpy().tolist() == [[2, 4], [4, 7]]
    assert peaks[["value", "low", "high"]].to_numpy().tolist() == [[2, 2, 2], [3, 3, 3]]
    assert (peaks["before"] == 1).all()
    assert set(table["verdict"]) == {"agree"}
    assert set(table["measure"]) == {"peak", "centre of mass"}


def test_every_form_and_estimator_has_its_rows_at_the_first_place_of_each_experiment() -> None:
    def read(name: str, peak: int) -> Step:
        forms = [
            step(name, peak + deeper, estimator=estimator, sinks=sinks)
            for estimator in ("svm", "ridge")
            for deeper, sinks in ((0, "with"), (1, "without"))
        ]
        elsewhere = step(name, 8 - peak, site="mlp")
        inner = step(name, 8 - peak, selection="inner")
        return Step(
            name,
            pd.concat([one.curves for one in (*forms, elsewhere, inner)], ignore_index=True),
            pd.concat([one.hits for one in (*forms, elsewhere, inner)], ignore_index=True),
            forms[0].corpus,
        )

    table = order_rows([read("items", 2), read("relations", 4)])
    peaks = table[table["measure"] == "peak"].set_index(["estimator", "sinks"])
    assert len(peaks) == 4
    assert [peaks[place].loc[("ridge", "with")] for place in ("first_place", "second_place")] == [2, 4]
    assert [peaks[place].loc[("svm", "without")] for place in ("first_place", "second_place")] == [3, 5]


def test_texts_of_two_corpora_with_equal_ids_are_those_of_the_experiment() -> None:
    """The second corpus marks other items in texts of the same names, so that no unit is shared."""
    pairs = pair_table([4] * 6)
    renamed = pairs.assign(first="other " + pairs["first"], second="other " + pairs["second"])
    same_names = relation_texts(renamed, [RELATION]).assign(id=corpora()["relations"]["id"])
    mine = step("relations", 2)
    yours = Step("yours", mine.curves, mine.hits, same_names)
    assert set(order_rows([mine, yours])["shared_units"]) == {0}
    again = Step("again", mine.curves, mine.hits, mine.corpus)
    assert (order_rows([mine, again])["shared_units"] > 0).all()


def test_without_a_test_there_is_one_row_that_says_why() -> None:
    untested = step("items", 2, p_family_wise=np.nan)
    table = order_rows([untested, step("relations", 4)])
    assert table["reason"].tolist() == ["fewer than two experiments were tested against chance"] * 2
    assert table["value"].isna().all()
