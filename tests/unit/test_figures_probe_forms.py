"""Probes of means over tokens are drawn, written and said with and without sink tokens, and never mixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from tests.drawings import check_texts, labels, names
from tests.hierarchy import step_tables
from tests.scores import in_both_forms, score_rows, with_controls

from fathom.figures.job import Table
from fathom.figures.probes.curves import draw_probes
from fathom.figures.probes.forms import forms_notes
from fathom.figures.probes.label_panels import draw_properties
from fathom.figures.probes.notes import hierarchy_notes
from fathom.figures.probes.rows import fixed_curves, one_label
from fathom.figures.probes.sites import draw_sites
from fathom.figures.probes.spans import draw_spans
from fathom.figures.probes.summary import draw_summary, summary_table

WITHOUT = "withoutsinktokens"  # names of panels are folded
DRAWN = pytest.mark.parametrize("draw", [draw_probes, draw_sites, draw_properties])


def panels(figure: Figure) -> list[str]:
    """Names of the panels, without their spaces."""
    return [name.replace(" ", "") for name in names(figure)]


@DRAWN
def test_each_form_has_panels_with_its_own_curve_and_controls(draw: Callable[..., Figure]) -> None:
    rows = in_both_forms(with_controls("m", 6, "items", 2))
    figure = draw(rows)
    assert [WITHOUT in name for name in panels(figure)] == [False, True]
    highest = rows[rows["control"] == "shuffled"].groupby("sinks")["score"].max()
    drawn = [
        float(np.max(line.get_ydata()))
        for axes in figure.axes
        for line in axes.get_lines()
        if str(line.get_label()).endswith(", shuffled")
    ]
    assert drawn == pytest.approx([highest["with"], highest["without"]])
    check_texts(figure)


@DRAWN
def test_forms_that_are_the_same_are_drawn_once(draw: Callable[..., Figure]) -> None:
    rows = in_both_forms(with_controls("m", 6, "items", 2), sinks=0)
    figure = draw(rows)
    assert not any("sink" in name for name in panels(figure))
    curves = [label for axes in figure.axes for label in labels(axes)]
    alone = draw(rows[rows["sinks"] == "with"])
    assert curves == [label for axes in alone.axes for label in labels(axes)]


def test_an_experiment_of_single_tokens_has_no_curve_without_sinks() -> None:
    rows = pd.concat([in_both_forms(score_rows("m", 6, "relations", 2)), score_rows("m", 6, "items", 4)])
    figure = draw_probes(rows)
    _, without = [axes for axes in figure.axes if any(label.endswith(", above chance") for label in labels(axes))][:2]
    assert "relations" in labels(without)
    assert "items" not in labels(without)


def test_spans_have_a_row_of_each_form() -> None:
    rows = pd.concat([in_both_forms(score_rows("m", 6)), score_rows("m", 6, position="span:second")])
    (axes,) = draw_spans(rows).axes[:1]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["mean", "mean, without sink tokens", "second"]


def test_the_summary_has_a_row_of_each_form_with_its_own_controls() -> None:
    rows = in_both_forms(with_controls("m", 6, "items", 2))
    table = summary_table(rows)
    assert table["sinks"].tolist() == ["with", "without"]
    for column in ("score", "random", "shuffled", "static", "template_split", "strongest_score"):
        np.testing.assert_allclose(np.diff(table[column]), 0.1)
    words = [text.get_text().replace("\n", " ") for axes in draw_summary(table).axes for text in axes.texts]
    assert any("with sink" in word for word in words)
    assert any("without" in word for word in words)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (score_rows(), []),
        (score_rows(position="span:item", texts_with_sinks=7), ["sink token: 7 of items at item (m)."]),
        (in_both_forms(score_rows()), ["with and without sink tokens, each with its controls."]),
        (in_both_forms(score_rows(), sinks=0), ["no text of m has a sink, so that both are the same."]),
        (score_rows(position="mean", texts_with_sinks=160), ["too few texts have others: items (m)."]),
        (
            in_both_forms(score_rows()).assign(texts_left_out=[0] * 31 + [12] * 31),
            ["each with its controls.", "they have no other: 12 of items at mean (m)."],
        ),
    ],
)
def test_forms_and_texts_that_they_leave_out_are_said(rows: pd.DataFrame, said: list[str]) -> None:
    notes = forms_notes(rows)
    assert len(notes) == len(said)
    for note, end in zip(notes, said, strict=True):
        assert note.endswith(end)


def tables_in_both_forms() -> list[tuple[Table, pd.DataFrame]]:
    """Curves of two steps that are read at the mean, and their order; without sinks, all peak three layers deeper."""
    deeper = dict(enumerate(rows for _, rows in step_tables({"items": 5, "relations": 7}, estimators=("ridge",))))
    tables: list[tuple[Table, pd.DataFrame]] = []
    for at, (table, rows) in enumerate(step_tables({"items": 2, "relations": 4}, estimators=("ridge",))):
        of_form: dict[str, Any] = {"texts_with_sinks": 160} if table.content == "probes" else {}
        forms = [rows.assign(**of_form), deeper[at].assign(sinks="without")]
        tables.append((table, pd.concat(forms, ignore_index=True)))
    return tables


def test_the_order_of_peaks_and_the_dips_are_those_of_each_form() -> None:
    order, _, order_without, _ = hierarchy_notes(tables_in_both_forms(), "ridge")
    assert order.startswith("m, with sink tokens: items < relations")
    assert "items 2, relations 4" in order
    assert order_without.startswith("m, without sink tokens: items < relations")
    assert "items 5, relations 7" in order_without


def test_the_summary_has_a_dip_of_each_form() -> None:
    found = summary_table(one_label(fixed_curves(tables_in_both_forms())))
    assert found.groupby("sinks")["dip"].count().to_dict() == {"with": 2, "without": 2}
    assert found["dip"].nunique() > 2
