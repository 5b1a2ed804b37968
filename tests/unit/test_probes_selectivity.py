"""Control tasks on a split of templates: memory is told from what holds for types of one class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fathom.probes.design import ProbeDesign
from fathom.probes.selectivity import template_split

FloatArray = npt.NDArray[np.float64]
TYPES, TEMPLATES = 60, 3
TYPE = np.tile(np.arange(TYPES), TEMPLATES)
TEMPLATE = np.repeat(np.arange(TEMPLATES), TYPES)
LABEL = (TYPE % 3 == 0).astype(np.int64)
COLOUR = np.array(["red", "green", "blue"])[TYPE // 4 % 3]


def states_of(seed: int, *, identity: float, code: float) -> FloatArray:
    """States (texts, 40) with a vector of each type and one of the label, and noise."""
    rng = np.random.default_rng(seed)
    vectors, direction = rng.standard_normal((TYPES, 40)), rng.standard_normal(40)
    noise = rng.standard_normal((len(TYPE), 40))
    return np.asarray(identity * vectors[TYPE] + code * LABEL[:, None] * direction + noise, dtype=np.float64)


def test_memory_and_code_are_told_apart() -> None:
    states = [states_of(0, identity=0, code=0), states_of(1, identity=3, code=0), states_of(2, identity=0, code=3)]
    table, replicates = template_split(states, {"label": LABEL}, TYPE, TEMPLATE, ProbeDesign(bootstrap=200), draws=10)
    assert table.columns.tolist() == [
        *("label", "estimator", "control", "measure", "layer"),
        *("score", "low", "high", "chance", "texts", "groups"),
    ]
    assert (table[["chance", "texts", "groups"]] == [0.5, 180, 60]).all(axis=None)
    for estimator in ("ridge", "svm"):
        ours = table[table["estimator"] == estimator]
        real = ours.loc[ours["control"] == "template split", "score"].to_numpy()
        control = ours.loc[ours["control"] == "control task", "score"].to_numpy()
        # Nothing to read; types to remember, by which any label is learned; a code that only the real label has.
        assert abs(real[0] - 0.5) < 0.1
        assert abs(control[0] - 0.5) < 0.1
        assert real[1] > 0.8
        assert abs(real[1] - control[1]) < 0.1
        assert real[2] > 0.95
        assert abs(control[2] - 0.5) < 0.1
        assert replicates["label", estimator, "control task"].shape == (200, 3)
    assert (table["low"] <= table["score"]).all()
    assert (table["high"] >= table["score"]).all()


def test_layers_at_a_time_change_nothing_and_classes_and_missing_ones_are_taken() -> None:
    states = np.stack([states_of(seed, identity=2, code=0) for seed in range(3)])
    colour = COLOUR.astype(object)
    colour[TYPE < 6] = None

    def run(jobs: int) -> Any:
        labels = {"label": LABEL, "colour": colour}
        design = ProbeDesign(estimators=("ridge",), bootstrap=0)
        return template_split(states, labels, TYPE, TEMPLATE, design, draws=2, jobs=jobs)[0]

    table = run(1)
    assert table.equals(run(3))
    of_colour = table[table["label"] == "colour"]
    assert (of_colour["chance"] == 1 / 3).all()
    assert (of_colour[["texts", "groups"]] == [162, 54]).all(axis=None)
    assert table[["low", "high"]].isna().all(axis=None)
    assert (of_colour["score"] > 0.5).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"templates": np.zeros(180)}, "templates: 1 different names"),
        ({"templates": TEMPLATE[:-1]}, "templates: 179 names for 180 texts"),
        ({"labels": {"size": TYPE}}, "labels: size is continuous"),
        ({"labels": {"odd": TEMPLATE == 0}}, "labels: the texts of one type have different odd"),
        (
            {"labels": {"rare": np.where(TEMPLATE == 0, TYPE % 2, np.nan)}},
            "templates: without one of them a class of rare",
        ),
        ({"draws": 0}, "draws: 0"),
        ({"jobs": 0}, "jobs: 0"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {
        "states": np.ones((1, 180, 4)),
        "labels": {"label": LABEL},
        "types": TYPE,
        "templates": TEMPLATE,
        "design": ProbeDesign(estimators=("ridge",)),
    }
    with pytest.raises(ValueError, match=words):
        template_split(**(good | change))
