"""Folds keep groups whole, and permutations keep what the design keeps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from tests.planted import closed_blocks

from fathom.probes.folds import (
    OUTSIDE,
    check_folds,
    check_groups,
    exchangeable_texts,
    grouped_folds,
    inner_folds,
)
from fathom.probes.permutations import permuted_labels
from fathom.probes.targets import read_targets

IntArray = npt.NDArray[np.int64]


def test_folds_keep_groups_whole_and_classes_even() -> None:
    _, _, labels, blocks = closed_blocks(23)
    assignment = grouped_folds(labels, blocks, folds=5, repeats=4, seed=0)
    assert assignment.shape == (4, 92)
    for fold_of in assignment:
        assert (pd.Series(fold_of).groupby(blocks).nunique() == 1).all()
        assert sorted(np.bincount(fold_of)) == [16, 16, 20, 20, 20]
        assert np.bincount(fold_of, weights=labels).tolist() == (np.bincount(fold_of) / 2).tolist()
    assert len(np.unique(assignment, axis=0)) == 4
    assert (grouped_folds(labels, blocks, folds=5, repeats=4, seed=0) == assignment).all()
    assert (grouped_folds(labels, blocks, folds=5, repeats=4, seed=1) != assignment).any()


def test_folds_of_items_are_stratified() -> None:
    labels = (np.arange(160) < 38).astype(np.int64)
    for fold_of in grouped_folds(labels, np.arange(160), folds=5, repeats=3, seed=0):
        assert np.bincount(fold_of).tolist() == [32] * 5
        assert sorted(np.bincount(fold_of, weights=labels)) == [7, 7, 8, 8, 8]


def test_folds_do_not_know_how_many_texts_the_groups_of_a_class_have() -> None:
    """So permuted labels of groups fit the folds as well as the label that the folds are stratified by."""
    classes = np.arange(30) % 3 == 0
    sizes = 1 + np.arange(30) ** 2 // 40
    found = set()
    for seed in range(5):
        counts = np.random.default_rng(seed).permutation(sizes)
        groups = np.repeat(np.arange(30), counts)
        counted = exchangeable_texts(classes[groups], groups)
        assert groups[counted].tolist() == list(range(30))
        fold_of = grouped_folds(classes[groups], groups, folds=5, repeats=1, seed=0, counted=counted)[0]
        of_group = pd.Series(fold_of).groupby(groups).agg(["nunique", "first"])
        assert (of_group["nunique"] == 1).all()
        assert np.bincount(of_group["first"], weights=classes).tolist() == [2] * 5
        found.add(tuple(of_group["first"]))
    assert len(found) == 1


def test_all_texts_count_of_groups_of_one_size_and_of_several_classes() -> None:
    assert exchangeable_texts(np.repeat([0, 1, 0], 3), np.repeat([0, 1, 2], 3)).all()
    # One group of both classes, two of one class and unequal size.
    assert exchangeable_texts([0, 1, 0, 1, 1, 0], np.array([0, 0, 0, 1, 1, 2])).tolist() == [1, 1, 1, 1, 0, 1]


def test_permutations_exchange_the_labels_of_whole_closed_blocks() -> None:
    _, _, labels, blocks = closed_blocks(12)
    fold_of = grouped_folds(labels, blocks, folds=4, repeats=1, seed=0)[0]
    permuted = permuted_labels(labels, blocks, fold_of, permutations=50, seed=0)
    kept = (permuted == labels[:, None]).reshape(12, 4, 50)
    assert (kept.all(axis=1) | ~kept.any(axis=1)).all()
    exchanged = 1 - kept[:, 0].mean()
    assert abs(exchanged - 0.5) < 4 * 0.5 / np.sqrt(600)


def test_permutations_shuffle_inside_other_mixed_groups() -> None:
    labels, groups = np.tile([1, 1, 0], 10), np.repeat(np.arange(10), 3)
    fold_of = grouped_folds(labels, groups, folds=5, repeats=1, seed=0)[0]
    permuted = permuted_labels(labels, groups, fold_of, permutations=60, seed=0).reshape(10, 3, 60)
    assert (permuted.sum(axis=1) == 2).all()
    assert abs(permuted.mean(axis=(0, 2)) - 2 / 3).max() < 4 * np.sqrt(2 / 9 / 600)


def test_permutations_shuffle_labels_of_pure_groups_inside_folds() -> None:
    labels, groups = np.repeat(np.arange(30) % 3 == 0, 2).astype(np.int64), np.repeat(np.arange(30), 2)
    fold_of = grouped_folds(labels, groups, folds=5, repeats=1, seed=0)[0]
    permuted = permuted_labels(labels, groups, fold_of, permutations=40, seed=0)
    assert (permuted[::2] == permuted[1::2]).all()
    for fold in range(5):
        assert (permuted[fold_of == fold].sum(axis=0) == labels[fold_of == fold].sum()).all()
    assert len(np.unique(permuted, axis=1).T) > 30


def test_groups_that_share_an_item_are_refused() -> None:
    items = [["a", "b"], ["b", "c"], ["d", "e"]]
    assert check_groups(["x", "x", "y"], items).tolist() == [0, 0, 1]
    assert check_groups(["x", "x", "x"], items).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="'x' shares the item 'b' with another group"):
        check_groups(["x", "y", "z"], items)
    with pytest.raises(ValueError, match="items: 3 texts; groups has 2"):
        check_groups(["x", "y"], items)
    with pytest.raises(ValueError, match="items: text 1 has none"):
        check_groups(["x", "y"], [["a"], []])
    with pytest.raises(ValueError, match="groups: no name for text 1"):
        check_groups(np.array(["x", None]))


def test_several_kinds_of_groups_are_permuted_each_in_its_way() -> None:
    # Two groups of two classes each, one unequal, and six of one class, in two folds.
    labels = np.array([0, 1, 1, 0, 2, 3, 3, 2, 0, 0, 1, *[0, 1, 2, 1, 0, 2]])
    groups = np.array([0] * 4 + [1] * 4 + [2] * 3 + [3, 4, 5, 6, 7, 8])
    folds = np.array([0] * 4 + [1] * 4 + [1] * 3 + [0, 0, 0, 1, 1, 1])
    permuted = permuted_labels(labels, groups, folds, permutations=80, seed=0)
    for rows in (slice(0, 4), slice(4, 8)):
        kept = permuted[rows] == labels[rows, None]
        assert (kept.all(axis=0) | ~kept.any(axis=0)).all()
        assert 10 < kept.all(axis=0).sum() < 70
    assert (np.sort(permuted[8:11], axis=0) == [[0], [0], [1]]).all()
    for rows in (slice(11, 14), slice(14, 17)):
        assert (np.sort(permuted[rows], axis=0) == np.sort(labels[rows])[:, None]).all()
        assert len(np.unique(permuted[rows], axis=1).T) == 6


def test_inner_folds_divide_the_training_part_by_groups() -> None:
    _, _, labels, blocks = closed_blocks(20)
    assignment = grouped_folds(labels, blocks, folds=4, repeats=2, seed=0)
    inner = inner_folds(labels, blocks, assignment, folds=3, seed=0)
    assert inner.shape == (2, 4, 80)
    for repeat in range(2):
        for fold in range(4):
            found = inner[repeat, fold]
            assert ((found == OUTSIDE) == (assignment[repeat] == fold)).all()
            assert (pd.Series(found).groupby(blocks).nunique() == 1).all()
            assert np.bincount(found[found >= 0]).tolist() == [20, 20, 20]
    assert (inner[0] != inner[1]).any()
    with pytest.raises(ValueError, match="inner_folds: 16; in the training part of repeat 0, fold 0: groups: 15 for"):
        inner_folds(labels, blocks, assignment, folds=16, seed=0)


def test_folds_without_strata_divide_the_groups_evenly() -> None:
    assignment = grouped_folds(None, np.repeat(np.arange(10), 3), folds=5, repeats=3, seed=0)
    assert (np.apply_along_axis(np.bincount, 1, assignment) == 6).all()


def test_designs_without_leak_free_folds_are_refused() -> None:
    def folds(labels: list[float], groups: list[int], count: int = 2) -> IntArray:
        values = np.array(labels)
        numbers = len(np.unique(values)) > 2
        assignment = grouped_folds(None if numbers else labels, groups, folds=count, repeats=1, seed=0)
        check_folds(read_targets({"size": values}, len(values))[0], np.array(groups), assignment)
        return assignment

    assert folds([0, 1, 0, 1], [0, 0, 1, 1]).shape == (1, 4)
    with pytest.raises(ValueError, match="groups: 2 for 3 folds"):
        folds([0, 1, 0, 1], [0, 0, 1, 1], 3)
    with pytest.raises(ValueError, match=r"labels: 1\.0 of size is in 1 group only, too few for 2 folds"):
        folds([0, 1, 0, 0], [0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"the test texts of repeat 0, fold \d all have one size"):
        folds([0.5, 1.5, 2.5, 3.5], [0, 1, 2, 3], 4)
    with pytest.raises(ValueError, match="a class of size is missing from the training texts of repeat 0, fold 0"):
        check_folds(read_targets({"size": [0, 0, 1, 1]}, 4)[0], np.arange(4), np.array([[0, 1, 0, 0]]))
    with pytest.raises(ValueError, match=r"stratify_by: shape \(4,\); expected \(3,\)"):
        grouped_folds([0, 1, 0, 1], [0, 1, 2], folds=2, repeats=1, seed=0)
    with pytest.raises(ValueError, match="stratify_by: no class for text 1"):
        grouped_folds(np.array(["a", None, "b"]), [0, 1, 2], folds=2, repeats=1, seed=0)
    with pytest.raises(ValueError, match="stratify_by: no class has 2 texts"):
        grouped_folds(["a", "b", "c"], [0, 1, 2], folds=2, repeats=1, seed=0)
    with pytest.raises(ValueError, match="folds: 1"):
        folds([0, 1, 0, 1], [0, 1, 2, 3], 1)
    with pytest.raises(ValueError, match="repeats: 0"):
        grouped_folds([0, 1, 0, 1], [0, 1, 2, 3], folds=2, repeats=0, seed=0)
    with pytest.raises(ValueError, match="permutations: none that keeps the groups and folds changes a label"):
        permuted_labels([0, 1, 0, 1], [0, 1, 2, 3], [0, 1, 0, 1], permutations=9, seed=0)
