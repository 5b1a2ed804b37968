"""Items, relations, analogies and documents: balance in every place, groups, nested blocks, views and spans."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.designs import ANALOGY, ITEM, RELATION, SENTENCE, item_table, items_of, occurrences, pair_table, view_of

from fathom.corpora.analogies import analogy_texts
from fathom.corpora.documents import document_texts
from fathom.corpora.items import item_texts
from fathom.corpora.relations import relation_texts
from fathom.statistics.item_graph import item_components

if TYPE_CHECKING:
    from collections.abc import Sequence

sizes = st.lists(st.integers(2, 5), min_size=4, max_size=6)
seeds = st.integers(0, 1000)


def related(sizes: Sequence[int], seed: int = 0, block_size: int = 2) -> pd.DataFrame:
    return relation_texts(pair_table(sizes), [RELATION], block_size=block_size, shuffled=False, seed=seed)


def matched(sizes: Sequence[int], seed: int = 0) -> pd.DataFrame:
    return analogy_texts(pair_table(sizes), [ANALOGY], shuffled=False, seed=seed)


def documents(sizes: Sequence[int], sentences: int, seed: int = 0) -> pd.DataFrame:
    return document_texts(item_table(sizes), [SENTENCE], sentences=sentences, shuffled=False, seed=seed)


def assert_groups_are_components(texts: pd.DataFrame) -> None:
    components = item_components([list(items.values()) for items in items_of(texts)])
    both = pd.DataFrame({"group": texts["group"], "component": components})
    assert len(both.drop_duplicates()) == both["group"].nunique() == both["component"].nunique()
    assert list(both["group"].unique()) == [f"block-{number:03d}" for number in range(both["group"].nunique())]


# Items ---------------------------------------------------------------------------------------------------------------


def test_item_texts() -> None:
    items = pd.DataFrame(
        {
            "item": ["apple", "cat"],
            "category": ["fruit", "animal"],
            "alive": ["0", "1"],
            "mass [log10 kg]": ["-0.8", "1"],
        }
    )
    texts = item_texts(items, [ITEM], shuffled=False)
    labels = ["label.category", "label.alive", "label.mass"]
    assert texts.columns.tolist() == ["id", "text", "view", "group", "quantity", "control", "pair_at", *labels, "spans"]
    assert texts["id"].tolist() == texts["group"].tolist() == ["apple", "cat"]
    assert texts["text"].tolist() == ["An apple", "A cat"]
    assert [found["item"] for found in items_of(texts)] == ["apple", "cat"]
    assert texts[labels].to_numpy().tolist() == [["fruit", 0, -0.8], ["animal", 1, 1.0]]
    assert texts["label.alive"].dtype.kind == "i"


# Relations -----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(relations=st.integers(4, 6), each=st.integers(2, 4), block_size=st.integers(2, 4), seed=seeds)
def test_relations_are_balanced_in_closed_blocks(relations: int, each: int, block_size: int, seed: int) -> None:
    pairs = pair_table([each] * relations)
    texts = related([each] * relations, seed, block_size)
    assert len(texts) == 4 * len(pairs)  # none is lost, whether blocks come out even or not
    assert texts["id"].is_unique
    assert texts["text"].is_unique
    counts = occurrences(texts, "label.related")
    assert len(counts) == 4 * len(pairs)  # every item in both places, in one block only
    assert (counts == 1).all(axis=None)
    assert_groups_are_components(texts)
    relation = {frozenset(pair[:2]): pair[2] for pair in pairs.itertuples(index=False, name=None)}
    for items, label, name in zip(items_of(texts), texts["label.related"], texts["label.relation"], strict=True):
        found = relation.get(frozenset(items.values()))
        assert (name == found) if label else (pd.isna(name) and found is None)


@settings(deadline=None, max_examples=30)
@given(sizes=sizes, seed=seeds)
def test_pairs_of_a_block_are_of_different_relations(sizes: list[int], seed: int) -> None:
    assume(2 * max(sizes) <= sum(sizes))  # else a relation has more pairs than all others have for it
    relation = pair_table(sizes).set_index("first")["relation"]
    texts = related(sizes, seed)
    assert len(texts) == 4 * sum(sizes)
    for _, block in texts.groupby("group"):
        firsts = {item for items in items_of(block) for item in items.values() if item in relation}
        assert len({relation[first] for first in firsts}) == len(firsts) >= 2


# Analogies -----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(sizes=sizes, seed=seeds)
def test_analogies_are_balanced_in_closed_blocks(sizes: list[int], seed: int) -> None:
    relation = {pair[:2]: pair[2] for pair in pair_table(sizes).itertuples(index=False, name=None)}
    texts = matched(sizes, seed)
    assert texts["id"].is_unique
    places: Counter[tuple[tuple[str, str], str, int]] = Counter()
    for items, label, name in zip(items_of(texts), texts["label.same_relation"], texts["label.relation"], strict=True):
        left, right = (items["first"], items["second"]), (items["third"], items["fourth"])
        assert left != right
        assert (relation[left] == relation[right]) == (label == 1)  # KeyError were a pair swapped or torn apart
        assert (name == relation[left]) if label else pd.isna(name)
        places[left, "left", label] += 1
        places[right, "right", label] += 1
    assert set(places.values()) == {1}
    assert (texts.groupby("group")["label.same_relation"].agg(["size", "sum"]) == [8, 4]).all(axis=None)
    assert (occurrences(texts, "label.same_relation") == 1).all(axis=None)
    assert_groups_are_components(texts)


@settings(deadline=None, max_examples=30)
@given(sizes=sizes, seed=seeds)
def test_blocks_of_pairs_nest_in_those_of_analogies(sizes: list[int], seed: int) -> None:
    assume(2 * max(sizes) <= sum(sizes))

    def blocks(texts: pd.DataFrame) -> list[set[str]]:
        return [{item for items in items_of(block) for item in items.values()} for _, block in texts.groupby("group")]

    small, large = blocks(related(sizes, seed)), blocks(matched(sizes, seed))
    for quad in large:
        inside = [block for block in small if block & quad]
        assert set().union(*inside) >= quad
        # Two blocks of two pairs, or larger ones that took in a pair that is in no quad.
        assert len(inside) == 2
        strangers = set().union(*inside) - quad
        assert not any(strangers & other for other in large)
    if all(size % 2 == 0 for size in sizes) and sum(sizes) % 4 == 0:  # then nothing is left over
        assert all(any(block <= quad for quad in large) for block in small)
        assert len(small) == 2 * len(large)


def test_analogies_use_all_pairs_that_fit() -> None:
    # Twos: two of r0, two of r1, one of r2, one of r3: three blocks, and the odd one of r0 and r2 are left out.
    texts = matched([5, 4, 3, 2])
    assert texts["group"].nunique() == 3
    with pytest.raises(ValueError, match="one relation only"):
        matched([5])


def test_two_names_of_one_relation_are_never_told_apart() -> None:
    pairs = pair_table([4, 4, 4, 4])
    names = {"r0": "capital-world", "r1": "capital-common-countries"}
    pairs["relation"] = pairs["relation"].replace(names)
    for seed in range(20):
        texts = analogy_texts(pairs, [ANALOGY], shuffled=False, seed=seed)
        capitals = texts[texts["label.relation"].isin(list(names.values()))]
        assert (capitals.groupby("group")["label.relation"].nunique() == 1).all()


# Documents -----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(sentences=st.integers(2, 6), blocks=st.integers(2, 3), seed=seeds)
def test_documents_are_balanced_in_closed_blocks(sentences: int, blocks: int, seed: int) -> None:
    items = item_table([blocks * sentences] * sentences)
    texts = documents([blocks * sentences] * sentences, sentences, seed)
    assert len(texts) == blocks * 2 * sentences**2
    assert texts["id"].is_unique
    counts = occurrences(texts, "label.one_theme")
    assert len(counts) == len(items) * sentences  # every item in every place
    assert (counts == 1).all(axis=None)
    assert_groups_are_components(texts)
    category = items.set_index("item")["category"]
    for found, label, theme in zip(items_of(texts), texts["label.one_theme"], texts["label.category"], strict=True):
        themes = {category[item] for item in found.values()}
        assert len(found) == sentences
        assert len(themes) == (1 if label else sentences)  # a Latin square: one item of every category
        assert themes == {theme} if label else pd.isna(theme)


def test_documents_use_all_that_fits() -> None:
    # Threes: two of c0, two of c1, one each of c2, c3: two blocks. One of c2 is left out.
    texts = documents([6, 6, 4, 3], 3)
    assert texts["group"].nunique() == 2
    assert texts["spans"].map(lambda spans: [span["name"] for span in spans]).map(tuple).unique().tolist() == [
        ("first", "second", "third")
    ]
    with pytest.raises(ValueError, match="items: too few; expected 3 categories with 3 items each"):
        documents([6, 6, 2], 3)
    with pytest.raises(ValueError, match="sentences: 7; expected 2 to 6"):
        documents([8] * 8, 7)


def test_a_document_is_made_of_sentences() -> None:
    texts = documents([4, 4], 2)
    row = texts[texts["id"].str.startswith("hour 00+")].iloc[0]
    assert row["text"] == f"There is an hour 00. There is an {row['id'].removeprefix('hour 00+')}."
    assert row["spans"][0] == {"name": "first", "start": 12, "end": 19}


# All designs ---------------------------------------------------------------------------------------------------------


def test_a_design_that_is_one_chain_is_refused_and_the_chain_shown() -> None:
    chain = r"items: all \d+ texts hang together, so no split is free of leaks: \S.* - \w+"
    with pytest.raises(ValueError, match=chain):
        related([1, 1, 1], block_size=3)
    with pytest.raises(ValueError, match=chain):
        matched([2, 2])
    with pytest.raises(ValueError, match=chain):
        documents([2, 2], 2)


def test_seeds_decide_the_blocks() -> None:
    for seven, again, eight in (
        [related([4] * 4, seed) for seed in (7, 7, 8)],
        [matched([4] * 4, seed) for seed in (7, 7, 8)],
        [documents([6] * 4, 2, seed) for seed in (7, 7, 8)],
    ):
        pd.testing.assert_frame_equal(seven, again)
        assert set(seven["id"]) != set(eight["id"])


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs: too many of the relation 'r0' for blocks of 2 different relations"):
        related([4])
    with pytest.raises(ValueError, match="block_size: 1"):
        related([2, 2], block_size=1)
    with pytest.raises(ValueError, match=r"pairs: row 3, column relation: 'r1' has 1 pair\(s\); expected at least 2"):
        matched([2, 1, 2])
    with pytest.raises(ValueError, match=r"template '{first} and' holds the slot \{second\} 0 times"):
        relation_texts(pair_table([2, 2]), [RELATION, "{first} and"])
    with pytest.raises(ValueError, match=r"\{fourth\} 0 times"):
        analogy_texts(pair_table([2, 2]), ["{first} is to {second} as {third} is to"])
    with pytest.raises(ValueError, match=r"\{item\} 2 times"):
        document_texts(item_table([2, 2]), ["{item} {item}"])


@pytest.mark.parametrize("kind", ["items", "relations", "analogies", "documents"])
def test_views_are_the_same_texts_in_other_words(kind: str) -> None:
    match kind:
        case "items":
            texts = item_texts(item_table([3, 3]), [ITEM, "This is {article} {item}"])
        case "relations":
            texts = relation_texts(pair_table([2] * 4), [RELATION, "{second}: {first}"])
        case "analogies":
            texts = analogy_texts(pair_table([2] * 4), [ANALOGY, "{third}, {fourth}, {first}, {second}"])
        case _:
            texts = document_texts(item_table([6] * 3), [SENTENCE, "Oh, {item}!"])
    assert texts["view"].unique().tolist() == ["original", "shuffled", "template 2"]
    original = view_of(texts, "original")
    for view in ("shuffled", "template 2"):
        other = view_of(texts, view)
        same = [column for column in texts.columns if column not in {"view", "control", "text", "spans"}]
        pd.testing.assert_frame_equal(other[same], original[same])
        assert items_of(other) == items_of(original)
        assert (other["text"] != original["text"]).all()
