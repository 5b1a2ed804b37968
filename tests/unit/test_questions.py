"""Google analogy questions: parsed line by line, and pairs kept so that no word occurs twice."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.designs import ANALOGY, pair_table

from fathom.corpora.analogies import analogy_texts
from fathom.corpora.google_analogies import disjoint_pairs, parse_questions
from fathom.corpora.relations import relation_texts
from fathom.runtime.errors import FathomError

QUESTIONS = """: capitals
Oslo Norway Lima Peru
Oslo Norway Rome Italy

: opposite
hot cold near far
near far hot cold
"""


def test_questions_are_parsed() -> None:
    assert parse_questions(QUESTIONS, "q.txt").to_numpy().tolist() == [
        ["Oslo", "Norway", "capitals"],
        ["Lima", "Peru", "capitals"],
        ["Rome", "Italy", "capitals"],
        ["hot", "cold", "opposite"],
        ["near", "far", "opposite"],
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a b c d\n", r"q\.txt: line 1: 'a b c d'; expected ': ' and the name of a section first"),
        (": s\na b c d\na b c\n", r"q\.txt: line 3: 3 word\(s\) in 'a b c'; expected 4"),
        (": s\na b c d e\n", r"q\.txt: line 2: 5 word\(s\)"),
        (": s\na b c d\n:\n", r"q\.txt: line 3: ':' alone; expected ': ' and the name of a section"),
        (": s\n", r"q\.txt: no question; expected lines of 4 words"),
    ],
)
def test_what_is_no_question_is_one_line(content: str, expected: str) -> None:
    with pytest.raises(FathomError, match=expected) as caught:
        parse_questions(content, "q.txt")
    assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=50)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("aAbcdefgh"), st.sampled_from("bijklmno"), st.sampled_from("rst")), min_size=1
    ),
    per_relation=st.sampled_from([None, 2, 4]),
    seed=st.integers(0, 100),
)
def test_kept_pairs_share_no_word(rows: list[tuple[str, str, str]], per_relation: int | None, seed: int) -> None:
    pairs = pd.DataFrame(rows, columns=["first", "second", "relation"])
    kept, left_out = disjoint_pairs(pairs, per_relation=per_relation, seed=seed)
    words = [word.lower() for word in [*kept["first"], *kept["second"]]]
    assert len(set(words)) == len(words)
    counts = kept["relation"].value_counts()
    assert {name: int(counts.get(name, 0)) + left_out[name] for name in left_out} == dict(
        pairs["relation"].value_counts()
    )
    assert per_relation is None or (counts <= per_relation).all()
    # What was left out shares a word with something kept, or its relation is full.
    for first, second, relation in rows:
        free = first.lower() != second.lower() and not {first.lower(), second.lower()} & set(words)
        assert not free or counts[relation] == per_relation


def test_relations_that_share_words_come_out_alike() -> None:
    # Both could take every country; one after the other, the second would keep nothing.
    countries = [f"country{k}" for k in range(40)]
    pairs = pd.DataFrame(
        {
            "first": countries * 2,
            "second": [f"capital{k}" for k in range(40)] + [f"currency{k}" for k in range(40)],
            "relation": ["capital"] * 40 + ["currency"] * 40,
        }
    )
    kept, left_out = disjoint_pairs(pairs, per_relation=None, seed=0)
    assert kept["relation"].value_counts().to_dict() == {"capital": 20, "currency": 20}
    assert left_out == {"capital": 20, "currency": 20}
    _, otherwise = disjoint_pairs(pairs, per_relation=6, seed=0)
    assert otherwise == {"capital": 34, "currency": 34}


def test_a_table_without_shared_words_is_kept_whole() -> None:
    pairs = pair_table([3, 2])
    kept, left_out = disjoint_pairs(pairs, per_relation=None, seed=0)
    pd.testing.assert_frame_equal(kept, pairs)
    assert left_out == {"r0": 0, "r1": 0}


def test_designs_of_questions() -> None:
    content = QUESTIONS + ": currency\nPeru sol Italy lira\nJapan yen Norway krone\n: plural\ncat cats dog dogs\n"
    pairs, _ = disjoint_pairs(parse_questions(content, "q"), per_relation=2, seed=1)
    texts = analogy_texts(pairs, [ANALOGY], shuffled=False)
    assert texts["group"].nunique() == 2
    assert texts["text"].str.contains("is to").all()
    texts = relation_texts(pairs, ["{first} and {second}"], shuffled=False)
    assert {"cat and cats", "hot and cold"} <= set(texts["text"])
    assert texts["group"].nunique() == 4
