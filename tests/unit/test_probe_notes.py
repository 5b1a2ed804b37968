"""What figures of probes say: the order of planted peaks, planted dips, and why there is no test where none is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.hierarchy import LABELS, LAST, corpora, curve_rows, hit_rows, job_of, step_tables, told, with_dips

from fathom.figures.command import draw
from fathom.figures.job import Tables
from fathom.figures.probes.notes import hierarchy_notes
from fathom.figures.probes.rows import experiment_curves, one_label
from fathom.figures.probes.summary import summary_table
from fathom.figures.settings import ProbesFigure, SpansFigure

RIDGE = ProbesFigure(kind="probes", estimator="ridge")
TWO_PEAKS = np.array([0.5, 0.9, 0.9, 0.6, 0.55, 0.6, 0.9, 0.9, 0.5])


def notes_of(tables: Tables) -> list[str]:
    return hierarchy_notes(tables, "ridge")


def order_of(peaks: dict[str, int], **made: Any) -> str:
    """The note on the order, without what follows its verdict."""
    note = notes_of(step_tables(peaks, estimators=("ridge",), **made))[0]
    return note.split(". Peaks")[0]


# The order -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peaks", "verdict"),
    [
        ((2, 4, 6), "agree"),
        ((2, 5, 5), "agree"),  # relations <= analogies
        ((5, 5, 7), "disagree"),  # items < relations
        ((2, 6, 4), "disagree"),
        ((6, 4, 7), "disagree"),
    ],
)
def test_the_order_of_planted_peaks(peaks: tuple[int, int, int], verdict: str) -> None:
    items, relations, analogies = peaks
    note = order_of({"items": items, "relations": relations, "analogies": analogies})
    assert note == f"m: items < relations <= analogies: {verdict}"


@pytest.mark.parametrize(
    ("peaks", "said"),
    [
        ({"items": 2, "relations": 4}, "items < relations: agree"),
        ({"items": 4, "relations": 4}, "items < relations: disagree"),
        ({"items": 4, "analogies": 4}, "items < analogies: disagree"),
        ({"relations": 4, "analogies": 4}, "relations <= analogies: agree"),
        ({"relations": 5, "analogies": 4}, "relations <= analogies: disagree"),
    ],
)
def test_two_experiments_are_strict_only_if_the_first_one_is_of_items(peaks: dict[str, int], said: str) -> None:
    assert order_of(peaks) == f"m: {said}"


def test_noisy_peaks_that_lie_together_are_undecided() -> None:
    flat = [0.5, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.5]
    shares = dict.fromkeys(("items", "relations", "analogies"), flat)
    assert order_of(dict.fromkeys(shares, 4), shares=shares, noise=0.2).endswith("<= analogies: undecided")


def test_the_note_gives_peaks_differences_and_shared_units() -> None:
    note = notes_of(step_tables({"items": 2, "relations": 4, "analogies": 7}))[0]
    assert "Peaks (layers, counted from the first): items 2, relations 4, analogies 7;" in note
    assert "relations \N{MINUS SIGN} items +2 (+2 to +2), 6 shared units; " in note
    assert "analogies \N{MINUS SIGN} relations +3 (+3 to +3), 6 shared units. By centre" in note
    assert note.endswith("By centre of mass: agree.")


def test_what_is_nowhere_above_chance_leaves_the_order_undecided_and_says_why() -> None:
    tables = step_tables(
        {"items": 2, "relations": 4, "analogies": 6},
        shares={"analogies": np.full(LAST + 1, 0.5).tolist()},
        curves={"analogies": {"p_family_wise": 0.7}},
    )
    order = notes_of(tables)[0]
    assert "items < relations <= analogies: undecided (analogies nowhere above chance)." in order
    assert order.endswith("By centre of mass: undecided (analogies nowhere above chance).")


def test_an_experiment_that_was_not_tested_is_left_out_of_the_order() -> None:
    tables = step_tables({"items": 2, "relations": 4, "analogies": 4}, curves={"items": {"p_family_wise": np.nan}})
    order, dips = notes_of(tables)
    assert order.startswith("m: relations <= analogies: agree.")
    assert "items" in dips


def test_the_test_of_the_order_is_of_the_figures_estimator() -> None:
    """The SVM of these was not tested, ridge was."""
    p = pd.Series([np.nan, 0.01], index=["svm", "ridge"])
    tested = {"p_family_wise": lambda rows: rows["estimator"].map(p)}
    tables = step_tables(
        {"items": 2, "relations": 4},
        curves={"items": tested, "relations": tested},
    )
    assert "items < relations: agree" in hierarchy_notes(tables, "ridge")[0]
    assert hierarchy_notes(tables, "svm")[0] == (
        "m: no test of the order: fewer than two experiments were tested against chance."
    )


@pytest.mark.parametrize("lacking", [("items",), ("items", "relations")])
def test_experiments_that_lack_the_estimator(lacking: Sequence[str]) -> None:
    fitted = {name: ("svm",) if name in lacking else ("svm", "ridge") for name in LABELS}
    notes = notes_of(step_tables({"items": 2, "relations": 4, "analogies": 4}, estimators=fitted))
    assert len(notes) == 2
    said = "relations <= analogies: agree." if len(lacking) == 1 else "no test of the order"
    assert notes[0].startswith(f"m: {said}")


def test_every_model_has_its_notes() -> None:
    small, large = (
        step_tables({"items": first, "relations": 4}, model=model) for model, first in (("small", 2), ("large", 6))
    )
    notes = notes_of([*small, *large])
    assert [note.split(".")[0] for note in notes[::2]] == [
        "small: items < relations: agree",
        "large: items < relations: disagree",
    ]
    assert [note.split(",")[0] for note in notes[1::2]] == ["small", "large"]


def test_where_a_sample_lacks_a_class_the_note_says_so() -> None:
    """One text in all is of the second class: most samples of units lack it."""

    def one_of_a_class(name: str, hits: pd.DataFrame) -> pd.DataFrame:
        classes = np.where(hits["text"] == hits["text"].iloc[0], "1", "0")
        return hits.assign(**{"class": classes}) if name == "items" else hits

    order, dips = notes_of(step_tables({"items": 2, "relations": 4}, estimators=("ridge",), change_hits=one_of_a_class))
    assert order.startswith("m: no test of the order: weights: a sample lacks class")
    assert "too few groups hold it" in order
    assert "items" in dips


def test_only_figures_of_several_steps_have_notes() -> None:
    tables = step_tables({"items": 2, "relations": 4})
    assert len(draw(tables, job_of(RIDGE, tables)).notes) == 2
    alone = step_tables({"items": 2})
    assert draw(alone, job_of(RIDGE, alone)).notes == []
    assert draw(tables, job_of(SpansFigure(kind="spans", experiments=("items",)), tables)).notes == []


# Dips ----------------------------------------------------------------------------------------------------------------


def test_a_planted_dip_is_told_from_a_single_peak() -> None:
    tables = step_tables({"items": 2, "relations": 4}, shares={"items": TWO_PEAKS.tolist()}, estimators=("ridge",))
    dips = notes_of(tables)[1]
    assert dips.startswith("m, dip between two maxima: items +0.35 (+0.35 to +0.35), ")
    assert "at relative depths 0.12, 0.5, 0.75: exceeds its interval" in dips
    relations = dips.split("relations ")[1]
    assert relations.startswith("\N{MINUS SIGN}")
    assert "exceeds" not in relations


def test_curves_with_too_few_layers_or_units_have_no_dip_test() -> None:
    tables = step_tables(
        {"items": 1, "relations": 1},
        shares={"items": [0.5, 0.9], "relations": [0.5, 0.9]},
        estimators=("ridge",),
    )
    assert notes_of(tables)[1] == (
        "m, dip between two maxima: items no dip test (2 layers, at least 3 needed); "
        "relations no dip test (2 layers, at least 3 needed)."
    )
    few = corpora()["relations"]
    few = few[few["group"].isin(few["group"].unique()[:3])]
    curves = with_dips(curve_rows(), hit_rows(few, "related", told()), few)
    assert set(curves["dip_reason"]) == {
        "curve: related has texts of 3 units; halving needs at least 4",
    }
    assert curves["dip"].isna().all()


def test_the_summary_has_the_dip_of_every_curve_of_classes() -> None:
    shares = {"items": TWO_PEAKS.tolist(), "relations": [0.5, 0.9]}
    tables = step_tables({"items": 2, "relations": 1}, shares=shares, estimators=("ridge", "svm"))
    curves = one_label(experiment_curves(tables))
    table = summary_table(curves[curves["selection"] == "fixed"])
    assert len(table) == 4
    with_dip = table[table["dip"].notna()]
    assert set(with_dip["experiment"]) == {"items"}
    assert with_dip["dip"].tolist() == pytest.approx([0.35, 0.35], abs=1e-6)
    assert (with_dip["dip_low"] <= with_dip["dip"]).all()
    assert (with_dip["dip"] <= with_dip["dip_high"]).all()
