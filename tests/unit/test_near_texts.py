"""Equal and nearly equal texts: what is found is what comparing all pairs finds."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.statistics.near_texts import WORD, joined, near_pairs

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"]), min_size=1, max_size=9).map(" ".join)


def likeness(first: str, second: str) -> float:
    """Words in both over words in either, repeats counted."""
    one, other = (Counter(WORD.findall(text)) for text in (first, second))
    return (one & other).total() / (one | other).total()


@given(st.lists(WORDS, min_size=2, max_size=20), st.sampled_from([0.3, 0.5, 0.75, 0.8, 1.0]))
def test_all_near_texts_hang_together_as_when_all_pairs_are_compared(texts: list[str], share: float) -> None:
    found = near_pairs(texts, share)
    for pair in found:
        assert pair.first < pair.second
        assert pair.share == pytest.approx(1.0 if texts[pair.first] == texts[pair.second] else pair.share)
        assert likeness(texts[pair.first], texts[pair.second]) == pytest.approx(pair.share)
        assert pair.share >= share
    near = [(i, j) for i, j in combinations(range(len(texts)), 2) if likeness(texts[i], texts[j]) >= share - 1e-12]
    groups = [str(number) for number in range(len(texts))]
    components = joined(len(texts), found, groups)
    assert all(components[i] == components[j] for i, j in near)
    apart = joined(len(texts), [], groups)
    assert len(set(apart.tolist())) == len(texts)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Great, thanks!", "great THANKS"),
        ("no   blanks", "no blanks"),
        ("ﬁne", "fine"),
        ("!!", " !! "),
        ("Straße", "STRASSE"),
    ],
)
def test_case_signs_and_blanks_make_no_difference(first: str, second: str) -> None:
    assert near_pairs([first, "something else entirely", second], 0.8) == [(0, 2, 1.0)]


def test_repeats_count() -> None:
    assert near_pairs(["very very very good", "very good"], 0.8) == []


def test_many_equal_texts_are_as_many_pairs_less_one() -> None:
    assert len(near_pairs(["the same words"] * 5000, 0.8)) == 4999


def test_what_hangs_together_through_groups_and_pairs_is_one() -> None:
    pairs = near_pairs(["a b c", "x y z", "A B C!", "p q r"], 0.8)
    assert joined(4, pairs, ["g", "h", "h", "i"]).tolist() == [0, 0, 0, 1]
