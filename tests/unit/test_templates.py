"""Templates: slots, articles, spans, and words in another order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.designs import units_of

from fathom.corpora.templates import (
    ANALOGY_SLOTS,
    ITEM_SLOTS,
    RELATION_SLOTS,
    article,
    embed,
    fill,
    parse_template,
    shuffle_words,
)
from fathom.corpora.word_tables import load_items, load_pairs


def test_spans_follow_the_template() -> None:
    pieces = parse_template("Here: {second}, then {article_first} {first}.", RELATION_SLOTS)
    worded = fill(pieces, {"first": "hour glass", "second": "hand"})
    assert worded == (
        "Here: hand, then an hour glass.",
        [{"name": "second", "start": 6, "end": 10}, {"name": "first", "start": 20, "end": 30}],
    )
    assert embed("So. ", worded, " End") == (
        "So. Here: hand, then an hour glass. End",
        [{"name": "second", "start": 10, "end": 14}, {"name": "first", "start": 24, "end": 34}],
    )


def test_an_article_is_capitalised_where_the_text_opens() -> None:
    pieces = parse_template("{article} {item} and no more", ITEM_SLOTS)
    assert fill(pieces, {"item": "Owl"})[0] == "An Owl and no more"
    assert fill(pieces, {"item": "Owl"}, opens=False)[0] == "an Owl and no more"
    assert fill(parse_template("It is {article} {item}", ITEM_SLOTS), {"item": "owl"})[0] == "It is an owl"


def test_articles_follow_the_sound() -> None:
    words = ["apple", "cat", "hour", "uniform", "umbrella", "ukulele", "Orange", "unit price", "house"]
    assert [article(word) for word in words] == ["an", "a", "an", "a", "an", "a", "an", "a", "a"]


def test_no_word_of_fathoms_own_tables_deceives() -> None:
    # Before other letters the spelling is right. These were looked at one by one.
    looked_at = {"head", "hen", "holster", "horse", "hose", "hospital", "hotel", "house", "uncle"}
    pairs = load_pairs()
    words = {*load_items()["item"], *pairs["first"], *pairs["second"]}
    assert {word for word in words if word.startswith(("u", "eu", "ew", "ho", "he", "one"))} <= looked_at


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a thing", r"template 'a thing' holds the slot \{item\} 0 times"),
        ("{item} {item}", r"template '{item} {item}' holds the slot \{item\} 2 times"),
        ("{item} {colour}", r"template '{item} {colour}' holds the slot \{colour\}; known are article, item"),
        ("{item} {}", r"template '{item} {}' holds a brace"),
    ],
)
def test_bad_templates_are_refused(template: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_template(template, ITEM_SLOTS)


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 10_000),
    template=st.sampled_from(
        [
            "{first} is to {second} as {third} is to {fourth}",
            "{article_first} {first},  {second}; ({third})\n{fourth}.",
            "{first}{second} {third} {fourth}",
        ]
    ),
    items=st.lists(st.sampled_from(["hour 00", "is", "b", "cc"]), min_size=4, max_size=4),
)
def test_shuffling_keeps_the_units_and_moves_the_spans(seed: int, template: str, items: list[str]) -> None:
    names = dict(zip(ANALOGY_SLOTS, items, strict=True))
    text, spans = fill(parse_template(template, ANALOGY_SLOTS), names)
    shuffled, moved = shuffle_words((text, spans), np.random.default_rng(seed))
    assert units_of(shuffled) == units_of(text)
    assert {span["name"]: shuffled[int(span["start"]) : int(span["end"])] for span in moved} == names
    assert [span["start"] for span in moved] == sorted(int(span["start"]) for span in moved)
    if len(set(units_of(text))) > 1:
        assert shuffled != " ".join(text.split())
    assert (shuffled, moved) == shuffle_words((text, spans), np.random.default_rng(seed))


def test_what_cannot_be_in_another_order_stays() -> None:
    alone = fill(parse_template("{item}", ITEM_SLOTS), {"item": "hour glass"})
    assert shuffle_words(alone, np.random.default_rng(0)) == alone
    twice = fill(parse_template("{first} {second}", RELATION_SLOTS), {"first": "a", "second": "a"})
    assert shuffle_words(twice, np.random.default_rng(0))[0] == "a a"


def test_orders_are_drawn_evenly() -> None:
    worded = fill(parse_template("{first} {second} c", RELATION_SLOTS), {"first": "a", "second": "b"})
    rng = np.random.default_rng(0)
    found = [shuffle_words(worded, rng)[0] for _ in range(500)]
    counts = {order: found.count(order) for order in set(found)}
    assert set(counts) == {"a c b", "b a c", "b c a", "c a b", "c b a"}
    assert min(counts.values()) > 60  # 100 expected, standard deviation 9
