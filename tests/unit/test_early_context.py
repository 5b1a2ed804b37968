"""Early context: the same filler and the same last words in all texts, and the pair where its view says."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.designs import RELATION, items_of, occurrences, pair_table, view_of

from fathom.corpora.early_context import FILLER, early_context_texts, filler_words
from fathom.corpora.relations import relation_texts
from fathom.corpora.settings import EarlyContextCorpus
from fathom.corpora.word_tables import load_items, load_pairs

COUNTS = (0, 8, 200)


def texts_of(*, blocks: int | None = None, shuffled: bool = True, seed: int = 0) -> pd.DataFrame:
    return early_context_texts(
        pair_table([2] * 4),
        RELATION,
        filler=COUNTS,
        closing="and so on",
        blocks=blocks,
        shuffled=shuffled,
        seed=seed,
    )


def test_views_are_those_that_the_settings_name() -> None:
    settings = EarlyContextCorpus(kind="early-context", filler=COUNTS)
    assert settings.default_views == ("start 0", "start 8", "start 200", "end 8", "end 200")
    assert set(texts_of(shuffled=False)["view"]) == set(settings.default_views)
    shuffled = {f"{view}, shuffled" for view in settings.default_views}
    assert set(texts_of()["view"]) == {*settings.default_views, *shuffled}


def test_the_pairs_are_those_of_a_relations_corpus() -> None:
    texts = texts_of(seed=3)
    expected = relation_texts(pair_table([2] * 4), [RELATION], shuffled=False, seed=3)
    same = ["id", "group", "label.related", "label.relation"]
    for view in texts["view"].unique():
        pd.testing.assert_frame_equal(view_of(texts, view)[same], expected[same])
        assert items_of(view_of(texts, view)) == items_of(expected)
    assert (occurrences(view_of(texts, "start 8"), "label.related") == 1).all(axis=None)


@pytest.mark.parametrize("count", COUNTS)
def test_pair_filler_and_closing(count: int) -> None:
    texts = texts_of()
    plain = relation_texts(pair_table([2] * 4), [RELATION], shuffled=False)["text"]
    filler = [*filler_words(count)]
    assert len(filler) == count
    start = view_of(texts, f"start {count}")["text"]
    assert start.tolist() == [" ".join([pair, *filler, "and so on"]) for pair in plain]
    if count:
        end = view_of(texts, f"end {count}")["text"]
        # The article no longer opens the text.
        assert end.tolist() == [" ".join([*filler, pair[0].lower() + pair[1:], "and so on"]) for pair in plain]


@pytest.mark.parametrize("view", ["start 0", "start 8", "end 8"])
def test_shuffling_moves_the_words_of_the_pair_alone(view: str) -> None:
    texts = texts_of()
    count = int(view.split()[1])
    place = slice(0, 5) if view.startswith("start") else slice(count, count + 5)
    for plain, shuffled in zip(view_of(texts, view)["text"], view_of(texts, f"{view}, shuffled")["text"], strict=True):
        before, after = plain.split(), shuffled.split()
        assert before != after
        assert sorted(before[place]) == sorted(after[place])
        del before[place], after[place]
        assert before == after


def test_the_first_blocks_only() -> None:
    few, all_of_them = texts_of(blocks=2), texts_of()
    assert few["group"].unique().tolist() == ["block-000", "block-001"]
    first = all_of_them[all_of_them["group"].isin(few["group"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(few, first)
    assert len(view_of(few, "start 0")) == 16
    with pytest.raises(ValueError, match="hang together"):
        texts_of(blocks=1)


def test_the_filler_names_nothing() -> None:
    words = FILLER.split()
    assert len(words) >= 128  # the default list needs no word twice over
    assert all(word.isalpha() and word.islower() for word in words)
    pairs = load_pairs()
    nouns = {*load_items()["item"], *pairs["first"], *pairs["second"]}
    assert not nouns & set(words)
    assert filler_words(len(words) + 2) == (*words, *words[:2])
