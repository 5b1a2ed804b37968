"""Whatever the design: no item of a test text is in a training text, and permuted labels keep what they should."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.probes.design import ProbeDesign
from fathom.probes.folds import OUTSIDE
from fathom.probes.label_batches import make_batch
from fathom.probes.permutations import permuted_labels
from fathom.probes.targets import read_targets
from fathom.statistics.item_graph import item_components

IntArray = npt.NDArray[np.int64]


@st.composite
def designs(draw: st.DrawFn) -> tuple[list[set[str]], IntArray, IntArray, int]:
    """Items of each text, a label whose classes are in all components, strata, and a seed; 12 to 24 components."""
    blocks = draw(st.integers(12, 24))
    items: list[set[str]] = []
    for block in range(blocks):
        names = [f"{block}-{place}" for place in range(draw(st.integers(1, 4)))]
        # Every text holds the first name, so that the block hangs together.
        texts = draw(st.lists(st.sets(st.sampled_from(names)), min_size=2, max_size=5))
        items += [{names[0], *text} for text in texts]
    order = np.array(draw(st.permutations(range(len(items)))))
    components = item_components(items)
    _, first, place = np.unique(components, return_index=True, return_inverse=True)
    label = np.arange(len(items)) - first[place]
    strata = np.array(draw(st.lists(st.integers(0, 2), min_size=len(items), max_size=len(items))))
    return [items[at] for at in order], (label % 2)[order], strata, draw(st.integers(0, 1000))


def of_texts(items: list[set[str]], chosen: npt.NDArray[np.bool_]) -> set[str]:
    return set().union(*(held for held, taken in zip(items, chosen, strict=True) if taken))


@settings(deadline=None, max_examples=30)
@given(designs(), st.booleans())
def test_no_item_of_a_test_fold_is_in_its_training_fold(
    design: tuple[list[set[str]], IntArray, IntArray, int], with_strata: bool
) -> None:
    items, label, strata, seed = design
    batch = make_batch(
        read_targets({"x": label}, len(label)),
        [("x", "ridge", "inner")],
        item_components(items),
        strata.astype(object) if with_strata else None,
        ProbeDesign(selections=("inner",), folds=3, inner_folds=2, repeats=2, permutations=0, seed=seed),
    )
    assert batch.inner is not None
    for repeat, fold_of in enumerate(batch.assignment):
        for fold in range(3):
            test, training = fold_of == fold, fold_of != fold
            assert of_texts(items, test).isdisjoint(of_texts(items, training))
            inner = batch.inner[repeat, fold]
            assert ((inner == OUTSIDE) == test).all()
            for number in range(2):
                tested, trained = inner == number, (inner != number) & training
                assert tested.any()
                assert of_texts(items, tested).isdisjoint(of_texts(items, trained))
                # Nor does the choice of a penalty see what the outer fold tests.
                assert of_texts(items, tested).isdisjoint(of_texts(items, test))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=8, max_size=16), st.integers(0, 100))
def test_permuted_labels_keep_the_values_of_mixed_groups_and_of_folds(values: list[list[int]], seed: int) -> None:
    # The last two groups have one value each, and can change places.
    whole = [*values, [0], [1]]
    labels = np.array([value for group in whole for value in group])
    groups = np.repeat(np.arange(len(whole)), [len(group) for group in whole])
    folds = np.where(np.arange(len(whole)) < len(values), np.arange(len(whole)) % 3, 0)[groups]
    permuted = permuted_labels(labels, groups, folds, permutations=20, seed=seed)
    assert set(np.unique(permuted)) <= set(labels)
    for number, group in enumerate(whole):
        rows = permuted[groups == number]
        if len(set(group)) > 1:
            assert (np.sort(rows, axis=0) == np.sort(group)[:, None]).all()
        else:
            assert (rows == rows[0]).all()
    pure = np.array([len(set(group)) == 1 for group in whole])[groups]
    first = np.unique(groups, return_index=True)[1]
    for fold in range(3):
        chosen = first[pure[first] & (folds[first] == fold)]
        assert (np.sort(permuted[chosen], axis=0) == np.sort(labels[chosen])[:, None]).all()
