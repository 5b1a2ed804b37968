"""The item graph: what hangs together is found, and a design that cannot be split or tells its label is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fathom.statistics.item_graph import check_design, item_components

# Two closed blocks of two pairs: related, related, re-paired, re-paired, every item as often with 1 as with 0.
ITEMS = [["church", "organ"], ["kitchen", "stove"], ["church", "stove"], ["kitchen", "organ"]]
ITEMS += [["farm", "tractor"], ["port", "ship"], ["farm", "ship"], ["port", "tractor"]]
LABELS = [1, 1, 0, 0, 1, 1, 0, 0]
GROUPS = ["first"] * 4 + ["second"] * 4


def test_components_join_texts_through_shared_items() -> None:
    items = [["a", "b"], ["c", "d"], ["b", "e"], ["f"], ["e", "g"], ["d"]]
    components = item_components(items)
    assert [np.flatnonzero(components == c).tolist() for c in np.unique(components)] == [[0, 2, 4], [1, 5], [3]]


def test_closed_blocks_are_accepted() -> None:
    check_design(ITEMS)
    check_design(ITEMS, LABELS, GROUPS)
    check_design(ITEMS, ["yes" if label else "no" for label in LABELS], GROUPS)
    # A label of three values, and items on their own, cannot be balanced in this sense.
    check_design(ITEMS, ["x", "x", "y", "y", "z", "z", "z", "z"], GROUPS)
    check_design([["apple"], ["stone"], ["bread"]], [1, 0, 1])


def test_texts_that_are_left_out_are_not_counted() -> None:
    check_design([*ITEMS, ["farm", "tractor"]], [*LABELS, np.nan], [*GROUPS, "second"])
    check_design(
        [*ITEMS, ["farm", "tractor"]], np.array([*("ab"[label] for label in LABELS), None]), [*GROUPS, "second"]
    )


def test_a_design_of_one_component_is_refused_with_a_path_through_it() -> None:
    short = [["church", "organ"], ["organ", "stove"], ["stove", "kitchen"], ["church", "stove"]]
    with pytest.raises(ValueError, match=r"all 4 texts hang together.*: ") as refused:
        check_design(short)
    path = str(refused.value).split(": ")[-1].split(" - ")
    assert {path[0], path[-1]} == {"church", "kitchen"} or {path[0], path[-1]} == {"organ", "kitchen"}
    assert path[1] == "stove"
    assert len(path) == 3


def test_a_long_path_is_cut_in_its_middle() -> None:
    names = [f"item {number:02d}" for number in range(12)]
    with pytest.raises(ValueError, match="hang together") as refused:
        check_design(list(itertools.pairwise(names)))
    path = str(refused.value).split(": ")[-1].split(" - ")
    assert sorted([path, path[::-1]])[0] == [*names[:4], "... (4 more) ...", *names[-4:]]


def test_an_unbalanced_item_is_refused_with_its_counts() -> None:
    with pytest.raises(ValueError, match=r"'church' of group 'first' is in 2 texts with the label 1 and in 0 with 0"):
        check_design(ITEMS, [1, 1, 1, 0, *LABELS[4:]], GROUPS)
    with pytest.raises(ValueError, match=r"of group 0 is in 2 texts with the label no and in 0 with maybe"):
        check_design(ITEMS, ["no", "no", "no", "maybe", *(["no", "maybe"][label] for label in LABELS[4:])])


def test_groups_that_share_an_item_are_refused() -> None:
    with pytest.raises(ValueError, match="'first' shares the item 'organ' with another group"):
        check_design(ITEMS, LABELS, ["first", "third", "first", "third", *GROUPS[4:]])
    with pytest.raises(ValueError, match="groups: no name for text 1"):
        check_design(ITEMS, LABELS, np.array(["first", None, *GROUPS[2:]]))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="items: no texts"):
        item_components([])
    with pytest.raises(ValueError, match="items: text 1 has none"):
        check_design([["a"], []])
    with pytest.raises(ValueError, match="items: 8 texts; groups has 2"):
        check_design(ITEMS, groups=["a", "b"])
    with pytest.raises(ValueError, match=r"labels: shape \(2,\); expected \(8,\)"):
        check_design(ITEMS, [0, 1])
