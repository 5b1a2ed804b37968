"""Which texts are told from which layer on, and which classes are taken for which: planted truths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.probed import WIDTH, probe_job, probed, stored, written

from fathom.figures.drawing.style import render
from fathom.figures.job import FigureJob, Table
from fathom.figures.probes import confusion, told
from fathom.io.corpus_table import LABEL_PREFIX, read_corpus
from fathom.io.tables import read_table
from fathom.probes.curve_tables import told_over_depth
from fathom.probes.design import ProbeDesign
from fathom.probes.probing import run_probes
from fathom.schema import Uncertainty

QUICK = ProbeDesign(estimators=("ridge",), repeats=2, permutations=0, bootstrap=20)


def test_a_text_is_told_since_the_layer_after_its_last_fault() -> None:
    hits: list[list[float]] = [
        [1, 1, 1, 1],
        [0, 0, 1, 1],
        [1, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 1, 0, 0.75],
        [0.5, 0.5, 0.5, 1],
    ]
    rows = [
        {"label": "mood", "estimator": "ridge", "selection": "fixed", "layer": layer, "text": text, "hit": hit}
        for text, of_text in enumerate(hits)
        for layer, hit in enumerate(of_text)
    ]
    told = told_over_depth(pd.DataFrame(rows)).set_index("text")
    assert told["first"].astype(object).where(told["first"].notna(), None).tolist() == [0, 2, 0, None, 1, 3]
    assert told["since"].astype(object).where(told["since"].notna(), None).tolist() == [0, 2, None, None, 3, 3]
    assert told["right"].tolist() == [4, 2, 1, 0, 2, 1]
    assert set(told["layers"]) == {4}


def test_classes_that_look_the_same_are_taken_for_each_other_and_no_text_is_lost() -> None:
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.array(["cat", "dog", "sun"]), 30)
    # Cats and dogs have the same states; suns have their own.
    states = rng.standard_normal((1, 90, 16)) + np.where(kinds == "sun", 3.0, 0.0)[None, :, None]
    found = run_probes(states, {"kind": kinds}, np.arange(90), QUICK).confusion.set_index(["class", "predicted"])
    assert found["texts"].groupby("class").sum().round(9).tolist() == [30, 30, 30]
    assert found["share"].loc[("sun", "sun")] == 1.0
    assert found["share"].loc[("cat", "dog")] + found["share"].loc[("cat", "cat")] > 0.95
    assert found["share"].loc[("cat", "dog")] > 0.2


@pytest.mark.parametrize(
    ("content", "module", "said"),
    [
        ("confusion", confusion, "No label has classes, so that there is nothing to be taken for something else."),
        ("told", told, "No label has classes, so that no text is told rightly or wrongly."),
    ],
)
def test_figures_of_classes_say_so_where_all_labels_are_numbers(
    content: str, module: Any, said: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    sizes = rng.standard_normal(40)
    texts = pd.DataFrame({"id": [f"t{at}" for at in range(40)], "text": "a text of five words", "view": "original"})
    path = tmp_path / "c.parquet"
    written(texts.assign(group=texts["id"], **{f"{LABEL_PREFIX}size": sizes}), path)
    states = rng.standard_normal((4, 40, WIDTH)) + sizes[None, :, None]
    job = probe_job(labels=("size",))
    curves = probed(job, path, stored(path, {("residual", "mean"): states}))["layers"]
    assert set(curves["measure"]) == {"r", "r2"}
    tables = [
        (Table(model="m", corpus_or_experiment="e", content="probes"), curves),
        (
            Table(model="m", corpus_or_experiment="e", content=content),
            read_table(tmp_path / "out" / f"e.{content}.parquet"),
        ),
        (Table(model="", corpus_or_experiment="c", content="texts"), read_corpus(path)),
    ]
    figure_job = FigureJob(
        figure="f",
        module=module.__name__,
        tables=tuple(table for table, _ in tables),
        title="Sizes",
        layers="layer",
        caption="Sizes.",
        uncertainty=Uncertainty(),
    )
    drawn = module.figure(tables, figure_job, [], estimator="ridge")
    assert drawn.numbers.empty
    assert said in drawn.notes
    assert render(drawn.picture, "png", caption="Sizes.").startswith(b"\x89PNG")
