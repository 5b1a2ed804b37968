"""Probes of several labels at once: what is shared, what is left out, and what the tables say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from tests.planted import closed_blocks, partly_told, probe

FloatArray = npt.NDArray[np.float64]
ITEMS = 60
CATEGORY = np.array(["animal", "food", "tool"])[np.arange(ITEMS) % 3]


def item_states(layers: int = 2) -> FloatArray:
    """States (layers, items, 30) from layer 1 on with a vector of the category."""
    rng = np.random.default_rng(0)
    states = rng.standard_normal((layers, ITEMS, 30))
    states[1:] += 1.5 * rng.standard_normal((3, 30))[np.arange(ITEMS) % 3]
    return np.asarray(states, dtype=np.float64)


def item_labels() -> dict[str, npt.ArrayLike]:
    rng = np.random.default_rng(1)
    size = rng.standard_normal(ITEMS) + 2 * (np.arange(ITEMS) % 3 == 0)
    return {"category": CATEGORY, "edible": np.arange(ITEMS) % 3 == 1, "size": size}


def test_tables_hold_every_curve_measure_layer_fold_and_text() -> None:
    states = item_states()
    done: list[int] = []
    found = probe(
        states,
        item_labels(),
        np.arange(ITEMS),
        estimators=("svm", "ridge", "logistic"),
        selections=("fixed", "inner"),
        margin_penalties=(10.0, 1.0),
        inner_folds=3,
        repeats=2,
        permutations=19,
        permuted=("ridge", "svm"),
        stratify_by=CATEGORY,
        bootstrap=30,
        progress=lambda: done.append(1),
    )
    assert len(done) == 2
    curves = found.curves
    assert curves.columns.tolist() == [
        *("label", "estimator", "selection", "measure", "layer", "score"),
        *("low", "high", "chance", "p_family_wise", "texts", "groups"),
    ]
    measures = {
        (label, estimator): group["measure"].unique().tolist()
        for (label, estimator), group in curves.groupby(["label", "estimator"])
    }
    classes = ["balanced_accuracy", "auc"]
    assert measures == {
        **{("category", estimator): classes for estimator in ("svm", "ridge", "logistic")},
        **{("edible", estimator): classes for estimator in ("svm", "logistic")},
        ("edible", "ridge"): [*classes, "r", "r2"],
        ("size", "ridge"): ["r", "r2"],
    }
    assert len(curves) == 2 * 2 * sum(len(names) for names in measures.values())
    chance = curves.groupby(["label", "measure"])["chance"].first()
    assert (curves.groupby(["label", "measure"])["chance"].nunique() == 1).all()
    assert chance["category", "balanced_accuracy"] == 1 / 3
    assert (chance.loc[:, "auc"] == 0.5).all()
    assert (chance.drop(("category", "balanced_accuracy")).loc[:, "balanced_accuracy"] == 0.5).all()
    assert (chance.loc[:, "r"] == 0).all()
    assert (curves[["texts", "groups"]] == ITEMS).all(axis=None)
    # Only primary measures are tested, and only where permutations were asked for and have a closed form.
    primary = curves["measure"] == np.where(curves["label"] == "size", "r", "balanced_accuracy")
    tested = primary & ((curves["estimator"] == "ridge") | (curves["estimator"] + curves["selection"] == "svmfixed"))
    assert (curves["p_family_wise"].notna() == tested).all()
    planted = curves[tested & (curves["layer"] == 1)]
    assert (planted["p_family_wise"] == 1 / 20).all()
    assert (curves[tested & (curves["layer"] == 0)]["p_family_wise"] > 0.1).all()
    assert (curves["low"] <= curves["high"]).all()

    assert found.folds.columns.tolist() == [
        *("label", "estimator", "selection", "layer", "repeat", "fold", "texts", "score", "penalty")
    ]
    assert (found.folds.groupby(["label", "estimator", "selection", "layer", "repeat"])["texts"].sum() == ITEMS).all()
    fixed = found.folds["selection"] == "fixed"
    assert (found.folds.loc[fixed, "penalty"] == 1).all()
    assert found.folds.loc[~fixed & (found.folds["estimator"] == "svm"), "penalty"].isin([10.0, 1.0]).all()
    assert found.folds.loc[~fixed & (found.folds["estimator"] == "ridge"), "penalty"].nunique() > 1
    assert found.texts.columns.tolist() == ["label", "estimator", "selection", "layer", "text", "hit"]
    assert len(found.texts) == 2 * 3 * 2 * 2 * ITEMS
    assert set(found.texts["label"]) == {"category", "edible"}
    assert found.texts["hit"].isin([0, 0.5, 1]).all()
    of_class = found.texts.assign(category=CATEGORY[found.texts["text"]]).query("label == 'category'")
    keys = ["estimator", "selection", "layer"]
    recalls = of_class.groupby([*keys, "category"])["hit"].mean().groupby(level=keys).mean()
    scores = curves.query("label == 'category' and measure == 'balanced_accuracy'").set_index(keys)["score"]
    pd.testing.assert_series_equal(recalls, scores.sort_index(), check_names=False)
    assert set(found.replicates) == set(
        map(tuple, curves[["label", "estimator", "selection", "measure"]].to_numpy().tolist())
    )
    assert all(samples.shape == (30, 2) for samples in found.replicates.values())


def test_a_label_beside_others_is_probed_as_it_is_alone_on_the_same_folds() -> None:
    labels = item_labels()
    arguments: dict[str, Any] = {
        "estimators": ("ridge",),
        "selections": ("fixed", "inner"),
        "stratify_by": CATEGORY,
        "repeats": 2,
        "permutations": 300,
        "bootstrap": 20,
    }
    together = probe(item_states(), labels, np.arange(ITEMS), **arguments)
    for name in labels:
        alone = probe(item_states(), {name: labels[name]}, np.arange(ITEMS), **arguments)
        ours = together.curves[together.curves["label"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(ours, alone.curves, check_exact=False, rtol=1e-9)


def test_missing_labels_leave_their_texts_out() -> None:
    states, labels, groups = partly_told()
    rng = np.random.default_rng(0)
    present = np.repeat(rng.permutation(np.arange(40) < 32), 3)
    arguments: dict[str, Any] = {"estimators": ("ridge", "svm"), "repeats": 1, "permutations": 20, "bootstrap": 10}
    named = np.where(labels, "yes", "no").astype(object)
    named[~present] = None
    found = probe(
        states[None], {"whole": labels, "part": named, "number": np.where(present, labels, np.nan)}, groups, **arguments
    )
    part = found.curves[found.curves["label"] == "part"]
    assert (part[["texts", "groups"]] == [96, 32]).all(axis=None)
    same = found.curves[found.curves["label"] == "number"].drop(columns="label").reset_index(drop=True)
    pd.testing.assert_frame_equal(part.drop(columns="label").reset_index(drop=True), same)
    assert set(found.texts.query("label == 'part'")["text"]) == set(np.flatnonzero(present))
    # Nothing else of the texts is used.
    alone = probe(
        states[None, present], {"part": labels[present], "too": labels[present]}, groups[present], **arguments
    ).curves
    ours = alone[alone["label"] == "part"].reset_index(drop=True)
    columns = ["measure", "layer", "score", "chance", "p_family_wise", "texts", "groups"]
    pd.testing.assert_frame_equal(ours[columns], part.reset_index(drop=True)[columns])


def test_layers_are_read_one_by_one_when_they_are_needed() -> None:
    states, labels, groups = partly_told()

    read: list[int] = []

    class Layers:
        """Three layers, of which it is noted when each is read."""

        def __len__(self) -> int:
            return 3

        def __getitem__(self, layer: int) -> FloatArray:
            if layer >= 3:
                raise IndexError
            read.append(layer)
            return states * (layer + 1)

        def __iter__(self) -> Iterator[FloatArray]:
            return (self[layer] for layer in range(3))

    found = probe(
        Layers(),
        {"x": labels},
        groups,
        estimators=("ridge",),
        repeats=1,
        permutations=0,
        bootstrap=0,
    )
    assert read == [0, 1, 2]
    assert found.curves.groupby("measure")["score"].agg(np.ptp).max() < 1e-9


def test_samples_draw_the_same_groups_for_every_label() -> None:
    states, labels, groups = partly_told()
    found = probe(
        states[None], {"one": labels, "other": 1 - labels}, groups, estimators=("ridge",), permutations=0, bootstrap=100
    )
    # Exchanged labels are told just as well, so the same draws give the same numbers.
    for measure in ("balanced_accuracy", "auc", "r", "r2"):
        one, other = (found.replicates[label, "ridge", "fixed", measure] for label in ("one", "other"))
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_permutations_are_fitted_in_pieces_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    states, _, groups = partly_told()
    labels = {"x": np.array(["a", "b", "c"])[groups % 3]}

    def curves() -> pd.DataFrame:
        found = probe(
            states[None], labels, groups, estimators=("ridge", "svm"), repeats=1, permutations=50, bootstrap=0
        )
        return found.curves

    # 120 texts and three columns a labelling: 256 columns at a time are 85 labellings, 120 columns 40.
    whole = curves()
    monkeypatch.setattr("fathom.probes.fitting.FEWEST_COLUMNS", 1)
    pd.testing.assert_frame_equal(curves(), whole)
    # The p of labels that are not told is not small, and none is that of a statistic set against itself.
    assert (whole["p_family_wise"].dropna() > 0.05).all()
    assert (whole["p_family_wise"].dropna() < 1).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": {}}, "labels: none"),
        ({"estimators": ()}, "estimator: none"),
        ({"selections": ("outer",)}, "selection: 'outer'"),
        ({"permuted": ("forest",)}, "permuted: 'forest'"),
        ({"nested": ("forest",)}, "nested: 'forest'"),
        ({"ridge_penalties": ()}, "ridge_penalties: none"),
        ({"margin_penalties": (1.0, -1.0)}, "margin_penalties: -1.0"),
        ({"stratify_by": ["a"] * 5}, r"stratify_by: shape \(5,\); expected \(48,\)"),
        ({"selections": ("inner",), "inner_folds": 1}, "inner_folds: 1; .*: folds: 1; expected at least 2"),
        (
            {"labels": {"size": np.arange(48.0)}, "estimators": ("svm",)},
            "labels: size is continuous; svm takes classes",
        ),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, Any], words: str) -> None:
    _, _, labels, blocks = closed_blocks(12)
    good: dict[str, Any] = {
        "states": np.random.default_rng(0).standard_normal((1, 48, 3)),
        "labels": {"x": labels},
        "groups": blocks,
        "estimators": ("ridge",),
        "repeats": 1,
        "permutations": 0,
        "bootstrap": 0,
    }
    with pytest.raises(ValueError, match=words):
        probe(**(good | change))
