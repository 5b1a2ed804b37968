"""Texts as tokens: where spans end, what is cut, how random tokens are sampled; on real tokenizers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from tests.tiny import CONTEXT, byte_level_tokenizer, word_piece_tokenizer

from fathom.activations.tokenisation import TokenisedTexts, draw_tokens, reference_text, tokenise
from fathom.io.corpus_table import read_corpus, write_corpus
from fathom.models.load import load_tokenizer
from fathom.runtime.errors import FathomError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from fathom.activations.settings import StartToken


@pytest.fixture(scope="module")
def bpe() -> PreTrainedTokenizerFast:
    return byte_level_tokenizer()


@pytest.fixture(scope="module")
def pieces() -> PreTrainedTokenizerFast:
    return word_piece_tokenizer()


def corpus(
    *texts: str | list[float],
    spans: list[list[tuple[str, int, int]]] | None = None,
    perturbation: list[dict[str, Any] | None] | None = None,
) -> pd.DataFrame:
    """Texts, or draws, as the corpora stage hands them over."""
    marked = spans if spans is not None else [[] for _ in texts]
    return pd.DataFrame(
        {
            "id": [f"t{index}" for index in range(len(texts))],
            "text": pd.Series([text if isinstance(text, str) else None for text in texts], dtype=object),
            "token_draws": pd.Series([None if isinstance(text, str) else text for text in texts], dtype=object),
            "spans": pd.Series(
                [
                    [{"name": name, "start": start, "end": end} for name, start, end in one] if one else None
                    for one in marked
                ],
                dtype=object,
            ),
            "perturbation": pd.Series(perturbation or [None] * len(texts), dtype=object),
        }
    )


def run(
    frame: pd.DataFrame,
    tokenizer: PreTrainedTokenizerFast,
    *,
    longest: int | None = None,
    truncate: bool = False,
    start_token: StartToken = "tokenizer",
) -> TokenisedTexts:
    return tokenise(
        frame, tokenizer, longest=longest, truncate=truncate, place="model m, corpus c", start_token=start_token
    )


def words(tokenizer: PreTrainedTokenizerFast, ids: Any) -> list[str]:
    return list(tokenizer.convert_ids_to_tokens(list(map(int, ids))))


def test_ids_are_the_tokenizers_own(bpe: PreTrainedTokenizerFast, pieces: PreTrainedTokenizerFast) -> None:
    texts = ["A church and an organ", "the sea"]
    for tokenizer in (bpe, pieces):
        found = run(corpus(*texts), tokenizer)
        assert [ids.tolist() for ids in found.ids] == [tokenizer(text)["input_ids"] for text in texts]
        assert found.lengths.tolist() == [len(ids) for ids in found.ids]
        assert found.truncated == 0
        assert found.spans == {}
    framed = words(pieces, run(corpus("the sea"), pieces).ids[0])
    assert framed[0] == "[CLS]"
    assert framed[-1] == "[SEP]"


# Start tokens --------------------------------------------------------------------------------------------------------


def test_texts_that_begin_with_two_start_tokens_are_counted(pieces: PreTrainedTokenizerFast) -> None:
    assert run(corpus("the sea", "a church"), pieces).doubled_start is None
    found = run(corpus("the sea", "[CLS] the sea", "[CLS]a church [CLS]"), pieces)
    assert found.doubled_start == {"count": 2, "first": "t1", "token": "[CLS]"}
    assert words(pieces, found.ids[1])[:2] == ["[CLS]", "[CLS]"]


@pytest.mark.parametrize(("how", "expected"), [("tokenizer", [1, 2, 1]), ("added", [1, 2, 1]), ("left_out", [0, 0, 0])])
def test_start_tokens_of_a_tokenizer_that_adds_one(
    how: StartToken, expected: list[int], pieces: PreTrainedTokenizerFast
) -> None:
    text = "the xylophone player"
    spans = [mark(text, item="xylophone"), [("item", 6, 9)], [("item", 0, 1)]]
    frame = corpus(text, "[CLS] the sea", "a cat", spans=spans)
    found = run(frame, pieces, start_token=how)
    starts = [next(at for at, word in enumerate(words(pieces, ids)) if word != "[CLS]") for ids in found.ids]
    assert starts == expected
    assert all(words(pieces, ids)[-1] == "[SEP]" for ids in found.ids)
    for text_at, item in enumerate(("xylophone", "the", "a")):
        first, last = int(found.span_starts["item"][text_at]), int(found.spans["item"][text_at])
        decoded = pieces.decode(found.ids[text_at][first : last + 1].tolist())
        assert isinstance(decoded, str)
        assert decoded.replace(" ", "") == item
    cut = run(corpus("the sea and the cat"), pieces, longest=4, truncate=True, start_token=how).ids[0]
    assert len(cut) == 4
    assert words(pieces, cut)[-1] == "[SEP]"
    drawn = run(corpus([0.5, 0.25]), pieces, start_token=how).ids[0]
    assert words(pieces, drawn).count("[CLS]") == (how != "left_out")


def test_a_start_token_is_added_where_the_tokenizer_adds_none(bpe: PreTrainedTokenizerFast) -> None:
    plain = [run(corpus("the sea"), bpe, start_token=how).ids[0].tolist() for how in ("tokenizer", "left_out")]
    assert plain[0] == plain[1]
    added = run(corpus("the sea"), bpe, start_token="added").ids[0]
    assert added.tolist() == [bpe.bos_token_id, *plain[0]]
    assert len(reference_text(bpe, 5, 6, start_token="added")) == 1 + len(reference_text(bpe, 5, 6)) == 6


def test_a_start_token_that_there_is_none_of_is_refused(bpe: PreTrainedTokenizerFast) -> None:
    none = copy.deepcopy(bpe)
    none.bos_token = none.cls_token = None
    for how in ("added", "left_out"):
        with pytest.raises(FathomError, match=rf"activations.start_token is {how}, but .* has no start token$"):
            run(corpus("the sea"), none, start_token=how)


# Spans ---------------------------------------------------------------------------------------------------------------


def mark(text: str, **items: str) -> list[tuple[str, int, int]]:
    return [(name, text.index(item), text.index(item) + len(item)) for name, item in items.items()]


@pytest.mark.parametrize("name", ["bpe", "pieces"])
def test_a_span_ends_at_its_last_sub_token(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(name)
    text = "A church and an organ stood beside the wide river"
    spans = mark(text, first="church", second="organ", third="wide river")
    found = run(corpus(text, spans=[spans]), tokenizer)
    for item, start, end in spans:
        token = int(found.spans[item][0])
        offsets = tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
        # The token ends where the item does, and all tokens from the item's first to it spell the item.
        assert offsets[token][1] == end
        inside = [index for index in range(len(offsets)) if offsets[index][0] < end and offsets[index][1] > start]
        assert inside[-1] == token
        assert tokenizer.decode([int(found.ids[0][index]) for index in inside]).strip() == text[start:end].strip()
    assert len(tokenizer.tokenize("organ")) > 1  # or the test says nothing about sub-tokens


@pytest.mark.parametrize("name", ["bpe", "pieces"])
@pytest.mark.parametrize("before", ["", "A ", "a cat (", "two  "])
def test_the_tokens_of_a_span_spell_its_item(name: str, before: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(name)
    items = ("xylophone player", "organ", "cat")
    texts = [f"{before}{item}, said the zither" for item in items]
    spans = [[("item", len(before), len(before) + len(item))] for item in items]
    found = run(corpus(*texts, spans=spans), tokenizer)
    alone = 1 if name == "pieces" and not before else 0
    for text, item in enumerate(items):
        first, last = int(found.span_starts["item"][text]), int(found.spans["item"][text])
        assert 0 <= first <= last < found.lengths[text]
        spelt = tokenizer.decode(found.ids[text][first : last + 1].tolist()).strip()
        assert spelt.replace(" ", "") == item.replace(" ", "")
        assert (first == alone) == (before == "")
    starts, ends = found.span_starts["item"], found.spans["item"]
    assert ends[0] - starts[0] >= 2  # several words, of several sub-tokens
    assert starts[0] == starts[1] == starts[2]


def test_every_span_has_a_start(bpe: PreTrainedTokenizerFast) -> None:
    text = "cat is to kitten as dog is to puppy"
    marked = mark(text, first="cat", second="kitten", third="dog", fourth="puppy")
    found = run(corpus(text, spans=[marked]), bpe)
    assert list(found.span_starts) == list(found.spans) == ["first", "fourth", "second", "third"]
    order = ("first", "second", "third", "fourth")
    edges = [int(at[name][0]) for name in order for at in (found.span_starts, found.spans)]
    assert edges == sorted(edges)
    assert edges[0] == 0
    assert edges[-1] == found.lengths[0] - 1
    assert run(corpus(text), bpe).span_starts == {}


def test_a_cut_leaves_spans_where_they_are(pieces: PreTrainedTokenizerFast) -> None:
    text = "the xylophone and the sea"
    frame = corpus(text, spans=[mark(text, item="xylophone")])
    whole = run(frame, pieces)
    kept = int(whole.spans["item"][0]) + 2
    cut = run(frame, pieces, longest=kept, truncate=True)
    assert cut.truncated == 1
    assert cut.lengths[0] == kept < whole.lengths[0]
    for one, other in ((cut.spans, whole.spans), (cut.span_starts, whole.span_starts)):
        np.testing.assert_array_equal(one["item"], other["item"])


def test_a_leading_space_belongs_to_the_word_after_it(bpe: PreTrainedTokenizerFast) -> None:
    text = "the river and the sea"
    found = run(corpus(text, spans=[mark(text, first="the", second="river", last="sea")]), bpe)
    tokens = words(bpe, found.ids[0])
    assert "".join(tokens[: int(found.spans["first"][0]) + 1]) == "the"
    river = int(found.spans["second"][0])
    assert tokens[river + 1] == "Ġand"  # the next word's token starts with the space after the span
    assert int(found.spans["last"][0]) == len(tokens) - 1


def test_a_span_at_the_start_is_not_the_special_token(pieces: PreTrainedTokenizerFast) -> None:
    found = run(corpus("cat", spans=[[("item", 0, 3)]]), pieces)
    tokens = words(pieces, found.ids[0])
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    assert found.spans["item"].tolist() == [len(tokens) - 2]


def test_names_of_spans_come_in_one_order(bpe: PreTrainedTokenizerFast) -> None:
    text = "cat is to kitten as dog is to puppy"
    marked = mark(text, first="cat", second="kitten", third="dog", fourth="puppy")
    found = run(corpus(text, text, spans=[marked, marked[::-1]]), bpe)
    assert list(found.spans) == sorted(found.spans)
    for ends in found.spans.values():
        assert ends[0] == ends[1]


def test_a_span_that_some_texts_lack_is_refused(bpe: PreTrainedTokenizerFast) -> None:
    with pytest.raises(FathomError, match="model m, corpus c: text 't1' has no token in a span 'item'"):
        run(corpus("a cat", "a dog", spans=[[("item", 2, 5)], []]), bpe)


def test_a_span_without_a_token_is_refused(pieces: PreTrainedTokenizerFast) -> None:
    with pytest.raises(FathomError, match="text 't0' has no token in a span 'item'"):
        run(corpus("a   cat", spans=[[("item", 2, 3)]]), pieces)  # white space gives no WordPiece token


# Lengths -------------------------------------------------------------------------------------------------------------


def test_texts_that_are_too_long_are_refused_and_counted(bpe: PreTrainedTokenizerFast) -> None:
    frame = corpus("sea", "the river and the sea", "cat", "the wide river in the evening")
    length = len(bpe("the river and the sea")["input_ids"])
    with pytest.raises(FathomError, match=f"2 of 4 texts are longer than 3 tokens, first 't1' with {length}.*truncate"):
        run(frame, bpe, longest=3)


@pytest.mark.parametrize("name", ["bpe", "pieces"])
def test_cutting_is_the_tokenizers_own_truncation(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(name)
    texts = ["sea", "the river and the sea", "the wide river in the evening"]
    found = run(corpus(*texts), tokenizer, longest=5, truncate=True)
    expected = [tokenizer(text, truncation=True, max_length=5)["input_ids"] for text in texts]
    assert [ids.tolist() for ids in found.ids] == expected
    assert found.truncated == sum(len(tokenizer(text)["input_ids"]) > 5 for text in texts) > 0


def test_random_tokens_are_cut_inside_their_frame(pieces: PreTrainedTokenizerFast) -> None:
    draws = np.linspace(0.0, 0.99, 9).tolist()
    whole, cut = run(corpus(draws), pieces).ids[0], run(corpus(draws), pieces, longest=6, truncate=True).ids[0]
    assert cut.tolist() == [*whole[:5].tolist(), whole[-1]]


def test_a_cut_that_would_lose_a_span_is_refused(pieces: PreTrainedTokenizerFast) -> None:
    text = "the river and the sea"
    frame = corpus("sea", text, spans=[[("item", 0, 3)], mark(text, item="sea")])
    with pytest.raises(FathomError, match="cutting text 't1' after 4 tokens would lose span 'item'"):
        run(frame, pieces, longest=5, truncate=True)
    # A short text keeps its span at the very end, although a cut one would have lost it there.
    length = len(pieces("sea")["input_ids"])
    assert run(corpus("sea", spans=[[("item", 0, 3)]]), pieces, longest=length, truncate=True).truncated == 0


def test_a_cut_to_nothing_but_special_tokens_is_refused(pieces: PreTrainedTokenizerFast) -> None:
    with pytest.raises(FathomError, match="cannot be cut to 2 tokens, 2 of which are the tokenizer's own"):
        run(corpus("the sea"), pieces, longest=2, truncate=True)


@pytest.mark.parametrize("name", ["bpe", "pieces"])
def test_a_text_without_a_token_is_refused(name: str, request: pytest.FixtureRequest) -> None:
    with pytest.raises(FathomError, match="model m, corpus c: text 't1' gives no token"):
        run(corpus("cat", ""), request.getfixturevalue(name))


def test_a_text_that_the_tokenizer_throws_away_is_refused(pieces: PreTrainedTokenizerFast) -> None:
    # BERT's normaliser drops control characters: only [CLS] and [SEP] are left.
    with pytest.raises(FathomError, match="text 't1' gives no token"):
        run(corpus("cat", "\u200b\u200d"), pieces)


# Random tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bpe", "pieces"])
def test_draws_cover_the_vocabulary_evenly_and_nothing_special(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(name)
    special = {id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
    assert special >= set(tokenizer.all_special_ids)
    allowed = sorted(set(range(len(tokenizer))) - special)
    count = len(allowed)
    # The middle, the start and just before the end of each of `count` equal parts of [0, 1).
    for within in (0.5, 1e-9, 1 - 1e-9):
        draws = (np.arange(count) + within) / count
        assert draw_tokens(draws, tokenizer).tolist() == allowed
    assert draw_tokens(np.array([0.0, np.nextafter(1.0, 0.0)]), tokenizer).tolist() == [allowed[0], allowed[-1]]


def test_random_texts_stand_in_the_frame_of_special_tokens(
    bpe: PreTrainedTokenizerFast, pieces: PreTrainedTokenizerFast
) -> None:
    draws = np.random.default_rng(0).random(7)
    frame = corpus(draws.tolist(), "the sea")
    framed = run(frame, pieces).ids[0]
    assert len(framed) == 9
    assert words(pieces, framed[[0, -1]]) == ["[CLS]", "[SEP]"]
    np.testing.assert_array_equal(framed[1:-1], draw_tokens(draws, pieces))
    np.testing.assert_array_equal(run(frame, bpe).ids[0], draw_tokens(draws, bpe))


def test_a_corpus_keeps_draws_and_spans_through_its_file(tmp_path: Path, pieces: PreTrainedTokenizerFast) -> None:
    draws = np.random.default_rng(0).random(4)
    frame = corpus(draws.tolist(), "a cat", spans=[[], []]).assign(view="original", group=["g0", "g1"])
    write_corpus(frame, tmp_path / "c.parquet", "c")
    found = run(read_corpus(tmp_path / "c.parquet"), pieces)
    np.testing.assert_array_equal(found.ids[0][1:-1], draw_tokens(draws, pieces))
    assert found.ids[1].tolist() == pieces("a cat")["input_ids"]
    marked = corpus("a cat", spans=[[("item", 2, 5)]]).assign(view="original", group="g0")
    write_corpus(marked, tmp_path / "c.parquet", "c")
    again = run(read_corpus(tmp_path / "c.parquet"), pieces)
    assert again.spans["item"].tolist() == [len(again.ids[0]) - 2]


# Perturbations -------------------------------------------------------------------------------------------------------


def note(kind: str, probability: float, *, seed: int = 3, published: bool = False) -> dict[str, Any]:
    return {"kind": kind, "probability": probability, "seed": seed, "published": published}


TEXT = "Every morning the baker's daughter carries seven loaves over the bridge."


def both(*notes: dict[str, Any] | None) -> pd.DataFrame:
    """The same text once a note."""
    return corpus(*[TEXT] * len(notes), perturbation=list(notes))


@pytest.mark.parametrize("kind", ["repetition", "randomness"])
@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("name", ["bpe", "pieces"])
def test_a_perturbation_replaces_tokens_but_the_frame(
    name: str, kind: str, published: bool, request: pytest.FixtureRequest
) -> None:
    tokenizer = request.getfixturevalue(name)
    notes = [None, *(note(kind, p, published=published) for p in (0.0, 0.4, 0.8, 1.0))]
    clean, none, some, more, every = (ids.tolist() for ids in run(both(*notes), tokenizer).ids)
    assert clean == none == tokenizer(TEXT)["input_ids"]
    inner = slice(1, -1) if name == "pieces" else slice(None)
    for found in (some, more, every):
        assert len(found) == len(clean)
        if name == "pieces":
            assert words(tokenizer, [found[0], found[-1]]) == ["[CLS]", "[SEP]"]
    if kind == "repetition":
        assert set(every[inner]) <= set(clean[inner])
        assert (len(set(every[inner])) == 1) == published
    elif published:
        assert min(every[inner]) >= 20
    else:
        assert not set(every[inner]) & set(tokenizer.added_tokens_decoder)
    # More positions with a larger probability, each with the token that it has there already.
    replaced = [position for position, (old, new) in enumerate(zip(clean, some, strict=True)) if old != new]
    assert 0 < len(replaced) < len(clean)
    assert all(some[position] == more[position] == every[position] for position in replaced)


def test_a_perturbation_is_the_same_whatever_other_texts_there_are(bpe: PreTrainedTokenizerFast) -> None:
    alone = run(both(note("randomness", 0.5)), bpe).ids[0]
    among = run(both(None, note("randomness", 0.5, seed=4), note("randomness", 0.5)), bpe).ids
    np.testing.assert_array_equal(among[2], alone)
    assert among[1].tolist() != alone.tolist()


def test_what_was_cut_is_no_source_of_repetition(pieces: PreTrainedTokenizerFast) -> None:
    notes = [None, *(note("repetition", 1.0, seed=seed) for seed in range(20))]
    clean, *found = run(both(*notes), pieces, longest=6, truncate=True).ids
    assert set(np.concatenate(found)) == set(clean)  # 80 draws from four tokens, and the frame
    assert all(len(ids) == 6 for ids in found)


def test_random_tokens_can_be_perturbed(pieces: PreTrainedTokenizerFast) -> None:
    draws = np.random.default_rng(0).random(30)
    frame = corpus(draws.tolist(), perturbation=[note("repetition", 1.0)])
    found = run(frame, pieces).ids[0]
    assert words(pieces, found[[0, -1]]) == ["[CLS]", "[SEP]"]
    assert set(found[1:-1]) < set(draw_tokens(draws, pieces))


def test_a_perturbation_of_spans_or_of_another_kind_is_refused(bpe: PreTrainedTokenizerFast) -> None:
    marked = corpus("a cat", spans=[[("item", 2, 5)]], perturbation=[note("repetition", 0.5)])
    with pytest.raises(FathomError, match="model m, corpus c: text 't0' marks spans, whose tokens its perturbation"):
        run(marked, bpe)
    with pytest.raises(FathomError, match="text 't1' has a perturbation 'shuffle', expected 'repetition' or"):
        run(both(None, note("shuffle", 0.5)), bpe)


def test_a_perturbation_comes_back_from_its_file(tmp_path: Path, bpe: PreTrainedTokenizerFast) -> None:
    frame = both(None, note("repetition", 0.5, seed=2**63 - 1)).assign(view="original", group="g")
    write_corpus(frame, tmp_path / "c.parquet", "c")
    for one, other in zip(run(frame, bpe).ids, run(read_corpus(tmp_path / "c.parquet"), bpe).ids, strict=True):
        np.testing.assert_array_equal(one, other)


# Loading a tokenizer -------------------------------------------------------------------------------------------------


def test_saved_tokenizers_load(llama: Path, bert: Path) -> None:
    for folder, start in ((llama, "The"), (bert, "[CLS]")):
        tokenizer = load_tokenizer(folder, "m")
        assert words(tokenizer, tokenizer("The sea")["input_ids"])[0] == start
        assert tokenizer.model_max_length == CONTEXT


@pytest.mark.parametrize("content", ["{garbled", "{}", ""])
def test_a_tokenizer_that_cannot_be_read_is_one_line(tmp_path: Path, bert: Path, content: str) -> None:
    for path in bert.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(FathomError, match=r"model m: (its tokenizer cannot be read from|cannot be loaded)") as caught:
        load_tokenizer(tmp_path, "m")
    assert "\n" not in str(caught.value)
