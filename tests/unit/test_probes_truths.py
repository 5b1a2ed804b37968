"""Known truths about the whole: what is planted is found where it is and nowhere else, and nothing is found in nothing.

Three designs as the experiments have them, each over items of its own states: properties of items, pairs in closed
blocks (related or re-paired), and analogies in closed blocks (two pairs of one relation or of two).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from tests.planted import probe

from fathom.statistics.item_graph import check_design, item_components

if TYPE_CHECKING:
    from fathom.probes.design import Selection

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BLOCKS, LAYERS, FROM, WIDTH = 16, 6, 3, 48
SEEDS = 200


@dataclass(frozen=True)
class Design:
    """Items of each text, and its label."""

    items: list[tuple[str, ...]]
    labels: IntArray


def item_design() -> Design:
    """The items of all blocks one by one; every other one has the property."""
    names = [f"{block}-{place}" for block in range(BLOCKS) for place in range(4)]
    return Design([(name,) for name in names], np.arange(len(names)) % 2)


def pair_design() -> Design:
    """Blocks of two pairs, (0, 1) and (2, 3), related and re-paired, in both orders."""
    texts = [((0, 1), 1), ((2, 3), 1), ((0, 3), 0), ((2, 1), 0)]
    both = [(pair[::turn], label) for pair, label in texts for turn in (1, -1)]
    return of_blocks(both)


def analogy_design() -> Design:
    """Blocks of two pairs of each of two relations; label 1: both pairs of a text are of one relation."""
    pairs = {"p": (0, 1), "q": (2, 3), "r": (4, 5), "s": (6, 7)}
    texts = [("pq", 1), ("qp", 1), ("rs", 1), ("sr", 1), ("pr", 0), ("rp", 0), ("qs", 0), ("sq", 0)]
    return of_blocks([(pairs[two[0]] + pairs[two[1]], label) for two, label in texts])


def of_blocks(texts: list[tuple[tuple[int, ...], int]]) -> Design:
    items = [tuple(f"{block}-{place}" for place in places) for block in range(BLOCKS) for places, _ in texts]
    return Design(items, np.array([label for _ in range(BLOCKS) for _, label in texts]))


DESIGNS = {"items": item_design(), "pairs": pair_design(), "analogies": analogy_design()}


def states_of(name: str, planted: str) -> FloatArray:
    """States (layers, texts, width): vectors of the items at their places, noise, and a code of what is planted.

    What an item is, is in every text that holds it: the code of a property adds up over the items of a text. A code of
    relations is in every related pair: in analogies, whose pairs are all related, it is in every text. A code of
    analogies is in nothing else.
    """
    design = DESIGNS[name]
    rng = np.random.default_rng(sum(map(ord, name + planted)))
    code: FloatArray = np.full(len(design.items), float(planted == "pairs" and name == "analogies"))
    if planted == "items":
        has = dict(zip((item for (item,) in DESIGNS["items"].items), DESIGNS["items"].labels, strict=True))
        code = np.array([sum(2.0 * has.get(item, 0) - 1 for item in items) for items in design.items])
    elif planted == name:
        code = np.asarray(2.0 * design.labels - 1)
    names = sorted({item for items in design.items for item in items})
    places = len(design.items[0])
    vectors = dict(zip(names, rng.standard_normal((len(names), LAYERS, places, WIDTH)), strict=True))
    states = np.stack([sum(vectors[item][:, at] for at, item in enumerate(items)) for items in design.items], axis=1)
    states += 0.3 * rng.standard_normal(states.shape)
    direction = rng.standard_normal(WIDTH)
    states[FROM:] += 1.5 * code[:, None] * direction
    return np.asarray(states, dtype=np.float64)


@pytest.mark.parametrize("planted", DESIGNS)
@pytest.mark.parametrize("name", DESIGNS)
def test_a_code_is_found_from_its_layer_on_and_only_in_its_design(name: str, planted: str) -> None:
    design = DESIGNS[name]
    groups = item_components(design.items)
    found = probe(
        states_of(name, planted),
        {"label": design.labels},
        groups,
        estimators=("svm", "ridge"),
        repeats=2,
        permutations=99,
        permuted=("ridge",),
        items=design.items,
        bootstrap=200,
    ).curves
    curves = found[found["measure"] == "balanced_accuracy"]
    for estimator, layers in curves.groupby("estimator"):
        is_code = (layers["layer"] >= FROM).to_numpy() & (name == planted)
        assert (layers["low"].to_numpy() > 0.5)[is_code].all()
        assert (layers["score"].to_numpy()[is_code] > 0.9).all()
        # Four standard errors of the share of texts, if the texts of a block count as one.
        assert (abs(layers["score"].to_numpy() - 0.5)[~is_code] < 4 * 0.5 / np.sqrt(4 * BLOCKS)).all()
        if estimator == "ridge":
            assert ((layers["p_family_wise"] <= 0.05).to_numpy() == is_code).all()


def test_unbalanced_designs_and_those_of_one_component_are_refused() -> None:
    design = DESIGNS["pairs"]
    states = np.ones((1, len(design.items), 2))
    unbalanced = design.labels.copy()
    unbalanced[:3] = 1 - unbalanced[:3]
    with pytest.raises(ValueError, match="expected as many, or the item alone tells the label"):
        probe(states, {"x": unbalanced}, item_components(design.items), items=design.items)
    # The usual derangement over all pairs: every second item moves on by one pair, which joins all pairs in a ring.
    pairs = [(f"a{pair}", f"b{pair}") for pair in range(20)]
    items = pairs + [(first, pairs[(at + 1) % 20][1]) for at, (first, _) in enumerate(pairs)]
    with pytest.raises(ValueError, match=r"all 40 texts hang together.*: [ab]\d+ - [ab]\d+ - .* - \.\.\. \(13 more\)"):
        check_design(items, np.repeat([1, 0], 20))


def false_positives(smallest: FloatArray) -> int:
    """How many of the smallest p of each seed are significant at 0.05."""
    return int((smallest <= 0.05).sum())


# At a true rate of 0.05 the count of 200 seeds is binomial with mean 10 and standard deviation 3.1. It is above 14, the
# 0.07 that is allowed, for 8 % of the choices of seeds; at a true rate of 0.10 it is within 14 for 9 % only. Scores of
# few texts tie, and a tie counts against the observed labels, so true rates lie below 0.05 here; they are not 0 either.
ALLOWED, LEAST = 14, 1
# `make test` looks for gross errors only. The count of 30 seeds is above 4 for 2 % of the choices of seeds; at a true
# rate of 0.3 it is within 4 for 3 % only.
FEW_SEEDS, ALLOWED_OF_FEW = 30, 4


@pytest.mark.nightly  # tests/unit/test_probes.py has a shorter one, of closed blocks whose texts are alike
def test_false_positives_of_closed_blocks() -> None:
    label, groups = np.tile([1, 1, 0, 0], 10), np.repeat(np.arange(10), 4)
    first, second = np.tile([0, 1, 0, 1], 10) + 2 * groups, np.tile([0, 1, 1, 0], 10) + 2 * groups
    smallest = np.empty(SEEDS)
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        vectors = rng.standard_normal((2, 20, 3, 6))
        states = vectors[0, first] + vectors[1, second] + 0.3 * rng.standard_normal((40, 3, 6))
        found = probe(
            states.transpose(1, 0, 2),
            {"label": label},
            groups,
            estimators=("ridge",),
            repeats=1,
            permutations=200,
            bootstrap=0,
            seed=seed,
        )
        smallest[seed] = found.curves["p_family_wise"].min()
    assert LEAST <= false_positives(smallest) <= ALLOWED


@pytest.mark.parametrize(
    ("seeds", "permutations", "least", "allowed"),
    [(FEW_SEEDS, 40, 0, ALLOWED_OF_FEW), pytest.param(SEEDS, 200, LEAST, ALLOWED, marks=pytest.mark.nightly)],
)
@pytest.mark.parametrize("selection", ["fixed", "inner"])
def test_false_positives_of_items_whose_folds_are_stratified_by_category(
    selection: Selection, seeds: int, permutations: int, least: int, allowed: int
) -> None:
    category = np.repeat(["animal", "tool", "food", "place"], 10)
    smallest = np.empty((seeds, 3))
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        # One label that goes with the category, one of three classes and a number that do not.
        labels = {
            "edible": np.concatenate([rng.permutation(np.arange(10) < count) for count in (3, 2, 8, 3)]),
            "kind": rng.permutation(np.repeat(["a", "b", "c"], [20, 12, 8])),
            "size": rng.standard_normal(40),
        }
        found = probe(
            rng.standard_normal((3, 40, 6)),
            labels,
            np.arange(40),
            estimators=("ridge",),
            selections=(selection,),
            ridge_penalties=(10.0, 1.0, 0.1),
            inner_folds=3,
            repeats=1,
            permutations=permutations,
            stratify_by=category,
            bootstrap=0,
            seed=seed,
        )
        smallest[seed] = found.curves.groupby("label")["p_family_wise"].min().loc[list(labels)]
    for column in smallest.T:
        assert least <= false_positives(column) <= allowed
