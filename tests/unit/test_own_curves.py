"""Curves of one's own are drawn as the workflow draws its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from tests.drawings import points

from fathom.figures import curve

OWN = pd.DataFrame({"layer": range(5), "value": [1.0, 2.0, 4.0, 2.0, 1.0]})


def panels(figure: Any) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_lines()]


def lines(axes: Axes) -> list[list[list[float]]]:
    drawn = [np.asarray(line.get_xydata(), dtype=float) for line in axes.get_lines()]
    return [values.tolist() for values in drawn if len(values) == len(OWN)]


def test_layers_and_values_are_enough() -> None:
    (panel,) = panels(curve(OWN, title="Mine", unit="nats"))
    assert lines(panel) == [[[0.0, 1.0], [0.25, 2.0], [0.5, 4.0], [0.75, 2.0], [1.0, 1.0]]]


def test_rows_of_results_and_own_rows_stand_in_one_panel() -> None:
    results = OWN.assign(
        depth=OWN["layer"] / 4, model="m", corpus="bible", view="original", variant="", form="centred", sinks="with"
    )
    paraphrased = results.assign(view="paraphrase", value=2.0)
    own = OWN.assign(model="m", corpus="my texts", form="centred", sinks="with", value=3.0)
    (panel,) = panels(curve(pd.concat([results, paraphrased, own]), title="Several", unit="nats"))
    assert points(panel, "bible, with")[:, 1].tolist() == OWN["value"].tolist()
    assert points(panel, "bible, paraphrase, with")[:, 1].tolist() == [2.0] * 5
    assert points(panel, "my texts, with").tolist() == [[layer / 4, 3.0] for layer in range(5)]


def test_models_and_variants_are_panels_and_the_words_come_with_the_frame() -> None:
    one = OWN.assign(title="Intrinsic dimension", unit="dimensions", model="m")
    figure = curve(pd.concat([one.assign(variant="all texts"), one.assign(variant="0.5 of the texts")]))
    assert len(panels(figure)) == 2
    words = " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))
    for said in ("Intrinsic dimension", "dimensions", "m, all texts", "m, 0.5 of the texts"):
        assert said in words.replace("\n", " ")


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (OWN.drop(columns="value"), "frame: columns are missing: value"),
        (OWN.assign(title=["a", "a", "b", "b", "b"]), "column title: expected one for all rows, found a, b"),
        (pd.concat([OWN, OWN]), "more than one row for .*layer=0"),
        (OWN.assign(sinks="maybe"), "column sinks: expected one of with, without, none, found 'maybe'"),
    ],
)
def test_what_cannot_be_drawn_is_said(frame: pd.DataFrame, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        curve(frame, unit="nats")
