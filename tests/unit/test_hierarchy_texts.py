"""Items, relations and analogies: balance, groups, spans, and the tables they are made from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from fathom.corpora.hierarchy import (
    analogy_texts,
    article,
    check_items,
    check_pairs,
    item_texts,
    load_items,
    load_pairs,
    relation_texts,
)
from fathom.probes.designs import item_components

if TYPE_CHECKING:
    from pathlib import Path

ITEM = "{article} {item}"
RELATION = "{article_first} {first} and {article_second} {second}"
ANALOGY = "{first} is to {second} as {third} is to {fourth}"
PROPERTIES = ["alive", "edible", "manmade", "larger_than_person", "moves_by_itself", "under_one_kilogram"]


def items_of(texts: pd.DataFrame) -> list[dict[str, str]]:
    """The marked items of each text, by the name of their span."""
    return [
        {span["name"]: text[span["start"] : span["end"]] for span in spans}
        for text, spans in zip(texts["text"], texts["spans"], strict=True)
    ]


def occurrences(texts: pd.DataFrame, label: str) -> pd.DataFrame:
    """One row an item, block and place, with how often it occurs there under each label."""
    rows = [
        {"group": group, "item": item, "place": place, "label": value}
        for items, group, value in zip(items_of(texts), texts["group"], texts[label], strict=True)
        for place, item in items.items()
    ]
    return pd.DataFrame(rows).groupby(["group", "item", "place"])["label"].value_counts().unstack(fill_value=0)


def test_tables_are_complete() -> None:
    items, pairs = load_items(), load_pairs()
    assert len(items) >= 120
    assert items["category"].nunique() >= 10
    assert items.columns.tolist() == ["item", "category", *PROPERTIES]
    assert items["item"].is_unique
    for name in PROPERTIES:
        assert set(items[name]) == {0, 1}
        assert 0.2 <= items[name].mean() <= 0.6, name
    assert len(pairs) >= 64
    assert pairs["relation"].nunique() >= 8
    assert (pairs["relation"].value_counts() == 8).all()
    assert pd.concat([pairs["first"], pairs["second"]]).is_unique


def test_labels_of_items_whose_answer_nobody_disputes() -> None:
    items = load_items().set_index("item")
    assert list(items.loc["elephant", PROPERTIES]) == [1, 0, 0, 1, 1, 0]
    assert list(items.loc["apple", PROPERTIES]) == [0, 1, 0, 0, 0, 1]
    assert list(items.loc["salmon", PROPERTIES]) == [1, 1, 0, 0, 1, 0]
    assert list(items.loc["airplane", PROPERTIES]) == [0, 0, 1, 1, 1, 0]
    assert list(items.loc["pancake", PROPERTIES]) == [0, 1, 1, 0, 0, 1]
    assert list(items.loc["river", PROPERTIES]) == [0, 0, 0, 1, 0, 0]
    # Nothing is alive and manmade, and nothing that moves by itself is neither alive nor a vehicle.
    assert not (items["alive"] & items["manmade"]).any()
    assert set(items.query("moves_by_itself == 1 and alive == 0")["category"]) == {"vehicle"}
    assert not (items["larger_than_person"] & items["under_one_kilogram"]).any()


def test_item_texts() -> None:
    texts = item_texts(load_items(), ITEM)
    assert texts.columns.tolist() == ["id", "text", "view", "group", *[f"label.{name}" for name in PROPERTIES], "spans"]
    assert texts["id"].is_unique
    assert texts["group"].is_unique
    assert (texts["view"] == "original").all()
    assert [items["item"] for items in items_of(texts)] == load_items()["item"].tolist()
    by_id = texts.set_index("id")
    assert by_id.loc["apple", "text"] == "An apple"
    assert by_id.loc["cat", "text"] == "A cat"
    assert by_id.loc["cat", "label.alive"] == 1
    assert all(texts[f"label.{name}"].dtype.kind == "i" for name in PROPERTIES)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("block_size", [2, 3, 4, 5])
def test_relations_are_balanced_in_closed_blocks(block_size: int, seed: int) -> None:
    pairs = load_pairs()
    texts = relation_texts(pairs, RELATION, block_size, seed)
    assert len(texts) == 4 * len(pairs)  # 96 pairs in blocks of 5 leave one over, which is not lost
    assert texts["id"].is_unique
    assert texts["text"].is_unique
    counts = occurrences(texts, "label.related")
    assert len(counts) == 4 * len(pairs)  # every item in both places, in one block only
    assert (counts == 1).all(axis=None)
    related = {(first, second) for first, second in zip(pairs["first"], pairs["second"], strict=True)}
    for items, label in zip(items_of(texts), texts["label.related"], strict=True):
        both = (items["first"], items["second"])
        assert (both in related or both[::-1] in related) == (label == 1)


@pytest.mark.parametrize("seed", range(3))
def test_related_and_repaired_items_of_a_block_are_of_different_relations(seed: int) -> None:
    pairs = load_pairs()
    relation = dict(zip(pairs["first"], pairs["relation"], strict=True))
    texts = relation_texts(pairs, RELATION, 3, seed)
    for _, block in texts.groupby("group"):
        firsts = {item for items in items_of(block) for item in items.values() if item in relation}
        assert len({relation[first] for first in firsts}) == len(firsts) == 3


@pytest.mark.parametrize("seed", range(3))
def test_analogies_are_balanced_in_closed_blocks(seed: int) -> None:
    pairs = load_pairs()
    texts = analogy_texts(pairs, ANALOGY, seed)
    assert len(texts) == 2 * len(pairs)  # all 96 pairs fit: 24 blocks of 8 texts
    assert texts["id"].is_unique
    relation = {
        (first, second): name
        for first, second, name in zip(pairs["first"], pairs["second"], pairs["relation"], strict=True)
    }
    places: Counter[tuple[tuple[str, str], str, int]] = Counter()
    for items, label in zip(items_of(texts), texts["label.same_relation"], strict=True):
        left, right = (items["first"], items["second"]), (items["third"], items["fourth"])
        assert left != right
        assert (relation[left] == relation[right]) == (label == 1)  # KeyError were a pair swapped or torn apart
        places[left, "left", label] += 1
        places[right, "right", label] += 1
    assert set(places.values()) == {1}
    assert len(places) == 4 * len(pairs)
    assert (texts.groupby("group")["label.same_relation"].agg(["size", "sum"]) == [8, 4]).all(axis=None)


@pytest.mark.parametrize("seed", range(3))
def test_groups_are_the_connected_components_of_the_items(seed: int) -> None:
    for texts in (
        item_texts(load_items(), ITEM),
        relation_texts(load_pairs(), RELATION, 2, seed),
        relation_texts(load_pairs(), RELATION, 5, seed),
        analogy_texts(load_pairs(), ANALOGY, seed),
    ):
        components = item_components([list(items.values()) for items in items_of(texts)])
        both = pd.DataFrame({"group": texts["group"], "component": components})
        assert len(both.drop_duplicates()) == both["group"].nunique() == both["component"].nunique()


def test_spans_follow_the_template() -> None:
    pairs = pd.DataFrame(
        {"first": ["hour glass", "owl"], "second": ["hand", "wing"], "relation": ["whole-part", "animal-limb"]}
    )
    texts = relation_texts(pairs, "Here: {second}, then {article_first} {first}.", 2, 0)
    row = texts.set_index("id").loc["hour glass+hand"]
    assert row["text"] == "Here: hand, then an hour glass."
    assert row["spans"] == [
        {"name": "second", "start": 6, "end": 10},
        {"name": "first", "start": 20, "end": 30},
    ]


def test_articles_follow_the_sound() -> None:
    words = ["apple", "cat", "hour", "uniform", "umbrella", "ukulele", "Orange", "unit price", "house"]
    assert [article(word) for word in words] == ["an", "a", "an", "a", "an", "a", "an", "a", "a"]
    # The words of the tables whose first letters may deceive; "an" before a vowel is right for every other one.
    words = [*load_items()["item"], *load_pairs()["first"], *load_pairs()["second"]]
    assert sorted(word for word in words if word.startswith(("u", "eu", "ho", "he", "one"))) == [
        "head",
        "hedgehog",
        "helicopter",
        "hen",
        "herring",
        "horse",
        "horse",
        "hospital",
        "hospital",
        "hotel",
        "hotel",
        "house",
        "house",
        "uncle",
    ]


def test_seeds_decide_the_blocks() -> None:
    for seven, again, eight in (
        [relation_texts(load_pairs(), RELATION, 2, seed) for seed in (7, 7, 8)],
        [analogy_texts(load_pairs(), ANALOGY, seed) for seed in (7, 7, 8)],
    ):
        pd.testing.assert_frame_equal(seven, again)
        assert set(seven["id"]) != set(eight["id"])


def test_analogies_use_all_pairs_that_fit() -> None:
    relations = ["r"] * 5 + ["s"] * 2 + ["t"] * 3
    pairs = pd.DataFrame(
        {"first": [f"f{k}" for k in range(10)], "second": [f"s{k}" for k in range(10)], "relation": relations}
    )
    texts = analogy_texts(pairs, ANALOGY, 0)
    # Twos: two of r, one of s, one of t. Both twos of r find a partner; the odd ones of r and t are left out.
    assert texts["group"].nunique() == 2
    with pytest.raises(ValueError, match="one relation only"):
        analogy_texts(pairs.iloc[:5], ANALOGY, 0)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a thing", r"template: 'a thing' holds the slot \{item\} 0 times"),
        ("{item} {item}", r"template: '{item} {item}' holds the slot \{item\} 2 times"),
        ("{item} {colour}", r"template: '{item} {colour}' holds the slot \{colour\}; known are article, item"),
        ("{item} {}", r"template: '{item} {}' holds a brace"),
    ],
)
def test_bad_templates_are_refused(template: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        item_texts(load_items(), template)


def test_templates_without_a_slot_are_refused() -> None:
    with pytest.raises(ValueError, match=r"template: '{first} and' holds the slot \{second\} 0 times"):
        relation_texts(load_pairs(), "{first} and", 2, 0)
    with pytest.raises(ValueError, match=r"\{fourth\} 0 times"):
        analogy_texts(load_pairs(), "{first} is to {second} as {third} is to", 0)


def test_bad_items_are_refused_with_row_and_column() -> None:
    good = pd.DataFrame({"item": ["cat", "cup", "oak"], "category": ["animal", "thing", "plant"], "alive": [1, 0, 1]})
    assert check_items(good)["alive"].tolist() == [1, 0, 1]
    for change, words in (
        ({"alive": [1, None, 1]}, "items: row 2, column alive: missing"),
        ({"alive": ["1", "0", " "]}, "items: row 3, column alive: missing"),
        ({"alive": [1, 0, 2]}, "items: row 3, column alive: 2; expected 0 or 1"),
        ({"alive": ["1", "yes", "0"]}, "items: row 2, column alive: 'yes'"),
        ({"alive": [1, 1, 1]}, "items: column alive: the same"),
        ({"item": ["cat", "cup", "cat"]}, "items: row 3, column item: 'cat' occurs in row 1 already"),
        ({"category": ["animal", "", "plant"]}, "items: row 2, column category: missing"),
    ):
        with pytest.raises(ValueError, match=words):
            check_items(good.assign(**change))
    with pytest.raises(ValueError, match="items: no column category"):
        check_items(good.drop(columns="category"))
    with pytest.raises(ValueError, match="items: no property"):
        check_items(good.drop(columns="alive"))
    with pytest.raises(ValueError, match="items: no rows"):
        check_items(good.iloc[:0])


def test_bad_pairs_are_refused_with_row_and_column() -> None:
    good = pd.DataFrame({"first": ["a", "b"], "second": ["c", "d"], "relation": ["r", "s"]})
    for change, words in (
        ({"second": ["c", None]}, "pairs: row 2, column second: missing"),
        ({"second": ["c", "c"]}, "pairs: row 2, column second: 'c' occurs in row 1 already"),
        ({"second": ["c", "a"]}, "pairs: row 2, column second: 'a' occurs in row 1 already"),
        ({"first": ["c", "b"]}, "pairs: row 1, column second: 'c' occurs in row 1 already"),
    ):
        with pytest.raises(ValueError, match=words):
            check_pairs(good.assign(**change))
    with pytest.raises(ValueError, match=r"pairs: row 1, column relation: 'r' has 1 pair\(s\); expected at least 2"):
        analogy_texts(good, ANALOGY, 0)
    with pytest.raises(ValueError, match="too many of the relation 'r'"):
        relation_texts(good.assign(relation="r"), RELATION, 2, 0)
    with pytest.raises(ValueError, match="block_size: 1"):
        relation_texts(good, RELATION, 1, 0)


def test_tables_of_ones_own_are_read(tmp_path: Path) -> None:
    table = tmp_path / "items.csv"
    table.write_text("item,category,alive\nnull,word,0\ncat,animal,1\n", encoding="utf-8")
    assert load_items(table)["item"].tolist() == ["null", "cat"]
    table.write_text("item,category,alive\nnull,word,\ncat,animal,1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="items: row 1, column alive: missing"):
        load_items(table)
    table.write_text("first,second,relation\na,b,r\n", encoding="utf-8")
    assert load_pairs(table).to_dict("list") == {"first": ["a"], "second": ["b"], "relation": ["r"]}
