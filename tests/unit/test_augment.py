"""Augmented views, read: what each augmentation does to words and characters, and that nothing else decides it."""

from __future__ import annotations

import ast
import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.corpora.augment import (
    NEIGHBOURS,
    NEIGHBOURS_AS_PUBLISHED,
    augment,
    augmented_views,
    random_characters,
    slip_keys,
    split_words,
)

PASSAGE = (
    "In the beginning God created the heavens and the earth. Now the earth was formless and empty; darkness was on the"
    " surface of the deep, and God's Spirit was hovering over the surface of the waters."
)
STRANGE = [
    "",
    " ",
    "a",
    "I a m",
    "?!",
    "...",
    "a b\tc\n\nd",
    "Ünïcödé wörds größer",
    "漢字漢字漢字",
    "e\u0301te\u0301s",
    "🙂🙂🙂🙂 ok",
]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([*PASSAGE.split(), *STRANGE, "supercalifragilistic", "1984-05"]), max_size=30).map(
        " ".join
    ),
)
SHARES = st.one_of(st.sampled_from([0.0, 0.3, 1.0]), st.floats(0, 1))
SEEDS = st.integers(0, 1000)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def at_most(share: float, total: int) -> int:
    return math.ceil(round(share * total, 9))


def edits(before: str, after: str) -> int:
    """Damerau and Levenshtein's distance: insertions, deletions, substitutions, swaps of neighbours."""
    far = len(before) + len(after)
    table = np.full((len(before) + 2, len(after) + 2), far)
    table[1:, 1] = np.arange(len(before) + 1)
    table[1, 1:] = np.arange(len(after) + 1)
    last_row: dict[str, int] = {}
    for i, a in enumerate(before, start=1):
        last_match = 0
        for j, b in enumerate(after, start=1):
            row, column = last_row.get(b, 0), last_match
            if a == b:
                last_match = j
            table[i + 1, j + 1] = min(
                table[i, j] + (a != b),
                table[i + 1, j] + 1,
                table[i, j + 1] + 1,
                table[row, column] + (i - row - 1) + 1 + (j - column - 1),
            )
        last_row[a] = i
    return int(table[-1, -1])


# Single augmentations ------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(text=TEXTS, seed=SEEDS)
def test_nothing_changes_with_p_0(text: str, seed: int) -> None:
    assert augment(text, rng(seed), p=0.0) == text


@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize("text", STRANGE)
def test_strange_texts_survive(text: str, as_published: bool) -> None:
    for seed in range(20):
        found = augment(text, rng(seed), p=1.0, as_published=as_published)
        inside = ast.literal_eval(found)[0] if as_published else found
        assert bool(inside.strip()) == bool(text.strip())  # no text becomes empty
    if not any(len(word) >= 4 for word in text.split()) and not as_published:
        assert found == text


@settings(max_examples=50, deadline=None)
@given(text=TEXTS, p=SHARES, seed=SEEDS)
def test_splitting_adds_spaces_and_nothing_else(text: str, p: float, seed: int) -> None:
    found = split_words(text, p, rng(seed))
    assert "".join(found.split()) == "".join(text.split())
    words = text.split()
    long = [word for word in words if len(word) >= 4]
    assert len(found.split()) == len(words) + min(at_most(p, len(words)), len(long))
    assert found.count(" ") == text.count(" ") + len(found.split()) - len(words)


@settings(max_examples=50, deadline=None)
@given(text=TEXTS, seed=SEEDS)
def test_with_p_1_every_word_that_is_long_enough_is_split_in_two(text: str, seed: int) -> None:
    pieces = split_words(text, 1.0, rng(seed)).split()
    for word in text.split():
        if len(word) >= 4:
            assert pieces.pop(0) + pieces.pop(0) == word
        else:
            assert pieces.pop(0) == word
    assert pieces == []


def test_a_word_is_split_at_every_inner_place() -> None:
    found = {split_words("abcdef", 1.0, rng(seed)) for seed in range(200)}
    assert found == {"a bcdef", "ab cdef", "abc def", "abcd ef", "abcde f"}
    published = {split_words("abcdef", 1.0, rng(seed), as_published=True) for seed in range(200)}
    assert published == found - {"abcde f"}


@settings(max_examples=50, deadline=None)
@given(text=TEXTS, p=SHARES, seed=SEEDS)
def test_random_characters_change_no_more_than_their_share(text: str, p: float, seed: int) -> None:
    found = random_characters(text, p, rng(seed))
    pairs = list(zip(text.split(), found.split(), strict=True))
    changed = [(before, after) for before, after in pairs if before != after]
    assert len(changed) <= at_most(p, len(pairs))
    for before, after in changed:
        assert len(before) >= 4
        assert edits(before, after) <= at_most(p, len(before))


def test_the_four_edits_are_equally_frequent() -> None:
    words = ["abcd"] * 2000
    found = random_characters(" ".join(words), 0.25, rng()).split()  # one character of every fourth word
    assert sum(after == "abcd" for after in found) >= 1500
    kinds: Counter[str] = Counter()
    for after in found:
        if after == "abcd":
            continue
        assert edits("abcd", after) == 1
        same = sorted(after) == list("abcd")
        kinds[{3: "delete", 4: "swap" if same else "substitute", 5: "insert"}[len(after)]] += 1
    # 500 edits: each kind 125 times, standard deviation 9.7.
    assert all(85 < kinds[kind] < 165 for kind in ("insert", "substitute", "swap", "delete")), kinds


def test_the_share_of_words_and_characters_is_the_stated_one() -> None:
    words = ["abcdefghij"] * 100
    found = slip_keys(" ".join(words), 0.3, rng()).split()
    differences = [sum(a != b for a, b in zip("abcdefghij", after, strict=True)) for after in found]
    assert Counter(differences) == {0: 70, 3: 30}
    # 7 % of 100 is 7, although 0.07 * 100 is more than that in floating point.
    assert sum(after != "abcdefghij" for after in slip_keys(" ".join(words), 0.07, rng()).split()) == 7


@settings(max_examples=50, deadline=None)
@given(text=TEXTS, p=SHARES, seed=SEEDS)
def test_slips_go_to_neighbours_only(text: str, p: float, seed: int) -> None:
    found = slip_keys(text, p, rng(seed))
    assert len(found) == len(text)
    for before, after in zip(text, found, strict=True):
        assert after == before or after in NEIGHBOURS[before]
    for before_word, after_word in zip(text.split(), found.split(), strict=True):
        changed = sum(a != b for a, b in zip(before_word, after_word, strict=True))
        on_keyboard = sum(character in NEIGHBOURS for character in before_word)
        assert changed in {0, min(at_most(p, len(before_word)), on_keyboard)}


def test_neighbours_on_the_keyboard() -> None:
    known = {"g": "tyfhvb", "q": "12wa", "a": "qwsz", "m": "njk,", "p": "0-o[l;", "1": "2q", "Z": "ASX", "!": "@Q"}
    assert {key: set(NEIGHBOURS[key]) for key in known} == {key: set(near) for key, near in known.items()}
    for key, near in NEIGHBOURS.items():
        assert key not in near
        assert all(key in NEIGHBOURS[other] for other in near)
        assert all(other.isupper() == key.isupper() for other in near if key.isalpha() and other.isalpha())
    assert set(NEIGHBOURS_AS_PUBLISHED["g"]) == set("tyfhvbTYFHVB") == set(NEIGHBOURS_AS_PUBLISHED["G"])


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_a_share_is_from_0_to_1(p: float) -> None:
    with pytest.raises(ValueError, match="p: expected a share from 0 to 1, found"):
        augment("some words", rng(), p=p)


# As published --------------------------------------------------------------------------------------------------------


def test_the_published_text_is_a_list_written_out() -> None:
    for text in (PASSAGE, 'He said "no".', "a \\ backslash", "both ' and \""):
        found = augment(text, rng(), p=0.3, as_published=True)
        assert found.startswith(("['", '["'))
        (inside,) = ast.literal_eval(found)
        assert isinstance(inside, str)
    assert "\\\\" in augment("a \\ backslash", rng(), p=0.3, as_published=True)


def test_the_published_form_changes_ten_words_at_most_and_one_at_least() -> None:
    long = " ".join(["abcdefghij"] * 100)
    for stage in (random_characters, slip_keys):
        found = stage(long, 0.3, rng(), as_published=True).split()
        assert sum(word != "abcdefghij" for word in found) == 10
        assert all(len(word) == 10 for word in found)  # characters are substituted, never inserted or deleted
        assert sum(word != "abcdefghij" for word in stage(long, 0.001, rng(), as_published=True).split()) == 1
    assert len(split_words(long, 0.3, rng(), as_published=True).split()) == 110
    assert (
        sum(a != b for a, b in zip("x" * 99, random_characters("x" * 99, 1.0, rng(), as_published=True), strict=True))
        <= 10
    )


def test_the_published_form_sets_signs_apart() -> None:
    # Words too short to be changed: what is left is what taking apart and joining do.
    found = augment("Is it so, or (if I may) no? I'm 'in' - a b.", rng(), p=0.3, as_published=True)
    assert ast.literal_eval(found) == ["Is it so, or (if I may) no? I ' m ' in ' - a b."]


# Views ---------------------------------------------------------------------------------------------------------------


def base(count: int = 6) -> pd.DataFrame:
    words = PASSAGE.split()
    names = [f"t{index}" for index in range(count)]
    return pd.DataFrame(
        {
            "id": names,
            "text": pd.Series([" ".join(words[index:]) for index in range(count)], dtype=object),
            "view": "original",
            "group": [f"g{index // 2}" for index in range(count)],
            "token_draws": pd.Series([None] * count, dtype=object),
            "spans": pd.Series([[{"name": "item", "start": 0, "end": 1}]] * count, dtype=object),
            "perturbation": pd.Series([None] * count, dtype=object),
            "label.kind": ["x", None] * (count // 2),
        }
    )


def texts(frame: pd.DataFrame) -> dict[tuple[str, str], str]:
    return {(row["id"], row["view"]): row["text"] for _, row in frame.iterrows()}


def test_views_keep_id_group_and_labels() -> None:
    paraphrase = base().assign(view="paraphrase", text="another text")
    found = augmented_views(pd.concat([base(), paraphrase]), "b", views=3, p=0.3, seed=0)
    assert found["view"].unique().tolist() == ["view-01", "view-02", "view-03"]
    assert "spans" not in found.columns
    for _, view in found.groupby("view"):
        for column in ("id", "group", "label.kind"):
            assert view[column].tolist() == base()[column].tolist()
    assert found["text"].is_unique
    assert not set(found["text"]) & {*base()["text"], "another text"}


@pytest.mark.parametrize("as_published", [False, True])
def test_a_view_depends_on_seed_id_and_number_alone(as_published: bool) -> None:
    def made(frame: pd.DataFrame, views: int, seed: int = 0) -> dict[tuple[str, str], str]:
        return texts(augmented_views(frame, "b", views=views, p=0.3, seed=seed, as_published=as_published))

    everything = made(base(), 16)
    assert made(base().iloc[::-1], 16) == everything
    assert made(base().iloc[[4]], 16).items() <= everything.items()
    assert made(base(), 4).items() <= everything.items()
    assert not set(made(base(), 4, seed=1).values()) & set(everything.values())
    # The id decides, not the place or the text.
    renamed = made(base().assign(id=[f"u{index}" for index in range(6)]), 1)
    assert not set(renamed.values()) & set(everything.values())


def test_a_base_without_texts_to_augment_is_refused() -> None:
    drawn = base().assign(text=None, token_draws=pd.Series([[0.5]] * 6, dtype=object))
    with pytest.raises(ValueError, match="of: text 't0' of corpus b is sampled token by token; expected written texts"):
        augmented_views(drawn, "b", views=2, p=0.3, seed=0)
    with pytest.raises(ValueError, match="of: corpus b has no text of the view 'original', found view-01, view-02"):
        augmented_views(augmented_views(base(), "a", views=2, p=0.3, seed=0), "b", views=2, p=0.3, seed=0)
