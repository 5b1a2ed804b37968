"""Which texts are told from which layer on, and which classes are taken for which: planted truths."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fathom.probes.curve_tables import told_over_depth
from fathom.probes.design import ProbeDesign
from fathom.probes.probing import run_probes

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
