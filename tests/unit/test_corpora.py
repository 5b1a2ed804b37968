"""Texts come out of their sources whole, in order, and only once."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from tests.bibles import VERSES, as_module
from tests.designs import items_of, pair_table
from tests.jobs import corpus_settings, texts_of_table
from tests.wheels import wheel_with

from fathom.corpora.bible import draw_passages
from fathom.corpora.command import command
from fathom.corpora.files import chosen, with_ids
from fathom.corpora.perturbed import perturbed_texts
from fathom.corpora.random_tokens import random_texts
from fathom.corpora.settings import CorpusSettings
from fathom.io.bible_files import parse_verses
from fathom.io.corpus_table import CORPUS_COLUMNS, read_corpus, write_corpus
from fathom.io.manifests import sha256_of
from fathom.io.tables import read_table, write_table
from fathom.runtime.errors import FathomError

# The Bible -----------------------------------------------------------------------------------------------------------


def test_verses_are_parsed() -> None:
    assert parse_verses(as_module(VERSES), "tiny") == VERSES


def test_the_file_is_never_run(tmp_path: Path) -> None:
    source = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n" + as_module(VERSES)
    assert parse_verses(source, "tiny") == VERSES
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x = 1",
        "bible = (",
        "bible = Bible(Version.TINY)",
        "bible = Bible(Version.TINY, 'a', {1: 0})",
        "bible = Bible(Version.TINY, 'a', {1: 0}, {2: 1})",
        "bible = Bible(Version.TINY, 'a', [1], [2])",
        "bible = Bible(Version.TINY, text(), {1: 0}, {1: 1})",
        "bible = Bible(Version.TINY, 'a', {1: 'x'}, {1: 1})",
        "\x00",
    ],
)
def test_another_layout_is_refused(source: str) -> None:
    with pytest.raises(FathomError, match="tiny 1: not a Bible in the layout of the pythonbible packages"):
        parse_verses(source, "tiny 1")


def test_passages_are_whole_verses_of_one_chapter() -> None:
    frame = draw_passages(VERSES, None, words=12, count=2, seed=0)
    # Chapter 1 gives verse 1 (12 words) and verses 2-3 (13 words); chapter 2 gives 1-2 with 12; book 2 is too short.
    possible = {
        "1001001": VERSES[1001001],
        "1001002": f"{VERSES[1001002]} {VERSES[1001003]}",
        "1002001": f"{VERSES[1002001]} {VERSES[1002002]}",
    }
    assert dict(zip(frame["id"], frame["text"], strict=True)).items() <= possible.items()
    assert frame["id"].is_unique
    assert frame["view"].unique().tolist() == ["original"]
    everything = draw_passages(VERSES, None, words=12, count=3, seed=5)
    assert dict(zip(everything["id"], everything["text"], strict=True)) == possible


def test_too_many_passages_are_refused() -> None:
    with pytest.raises(FathomError, match="expected at most 3 passages of 12 words, found 4"):
        draw_passages(VERSES, None, words=12, count=4, seed=0)


def test_the_views_of_a_passage_are_the_same_verses_in_one_group() -> None:
    other = {verse: text.upper() for verse, text in VERSES.items()}
    frame = draw_passages(VERSES, other, words=12, count=2, seed=1)
    original, paraphrase = (frame[frame["view"] == view] for view in ("original", "paraphrase"))
    assert (
        original["id"].tolist()
        == paraphrase["id"].tolist()
        == original["group"].tolist()
        == paraphrase["group"].tolist()
    )
    assert [text.upper() for text in original["text"]] == paraphrase["text"].tolist()


def test_verses_that_one_translation_lacks_are_left_out_of_both() -> None:
    other = {verse: text for verse, text in VERSES.items() if verse != 1001002} | {1001001: ""}
    frame = draw_passages(VERSES, other, words=5, count=3, seed=0)
    assert "seed" not in " ".join(frame["text"])
    assert "bare" not in " ".join(frame["text"])


@settings(max_examples=30, deadline=None)
@given(data=st.data(), words=st.integers(1, 30), seed=st.integers(0, 1000))
def test_passages_never_overlap_and_hold_enough_words(data: st.DataObject, words: int, seed: int) -> None:
    chapters = data.draw(st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=8), min_size=1, max_size=6))
    verses = {
        1_000_000 + 1000 * chapter + verse: " ".join(f"w{chapter}.{verse}.{word}" for word in range(length))
        for chapter, lengths in enumerate(chapters, start=1)
        for verse, length in enumerate(lengths, start=1)
    }
    try:
        frame = draw_passages(verses, None, words=words, count=1, seed=seed)
    except FathomError:
        assert max(map(sum, chapters)) < words
        return
    most = max(count for count in range(1, 50) if count == 1 or _possible(verses, words, count))
    frame = draw_passages(verses, None, words=words, count=most, seed=seed)
    pd.testing.assert_frame_equal(frame, draw_passages(verses, None, words=words, count=most, seed=seed))
    found = [word for text in frame["text"] for word in text.split()]
    assert len(set(found)) == len(found)
    for text in frame["text"]:
        assert len(text.split()) >= words
        assert len({word.split(".")[0] for word in text.split()}) == 1
        held = [verse for verse, own in verses.items() if own in text]
        assert " ".join(verses[verse] for verse in held) == text
        assert all(second == first + 1 for first, second in itertools.pairwise(held))
        assert (
            len(" ".join(verses[verse] for verse in held[:-1]).split()) < words
        )  # it ends with the verse that reaches them


def _possible(verses: dict[int, str], words: int, count: int) -> bool:
    try:
        draw_passages(verses, None, words=words, count=count, seed=0)
    except FathomError:
        return False
    return True


def test_another_seed_draws_others() -> None:
    verses = {1_001_000 + verse: f"one two three {verse}" for verse in range(1, 101)}
    drawn = [draw_passages(verses, None, words=4, count=10, seed=seed)["id"].tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(drawn[0])


def test_passages_say_their_testament(tmp_path: Path) -> None:
    # The packages' books from 67 on are the Apocrypha.
    books = {1: "old", 39: "old", 40: "new", 66: "new", 67: "none"}
    verses = {book * 1_000_000 + 1_001: f"some words of book {book}" for book in books}
    frame = draw_passages(verses, verses, words=4, count=5, seed=0)
    write_corpus(frame, tmp_path / "c.parquet", "c")
    found = read_corpus(tmp_path / "c.parquet")
    for _, view in found.groupby("view"):
        found_books = view["id"].astype(int) // 1_000_000
        assert dict(zip(found_books, view["label.testament"].fillna("none"), strict=True)) == books


# Files ---------------------------------------------------------------------------------------------------------------

TEXTS = ["007", "1e5", "2020-01-01", "null", 'a, "quoted" text', "ünïcode \u2028 and \x0c feeds", "true"]


def choose(texts: pd.Series[str], **wanted: Any) -> pd.DataFrame:
    return with_ids(chosen(texts, **{"limit": None, "skip": None, "min_characters": None, "min_words": None} | wanted))


@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet"])
def test_every_kind_of_file_gives_the_texts_as_they_are(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"texts.{kind}"
    match kind:
        case "txt":
            path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
        case "csv":
            pd.DataFrame({"n": range(len(TEXTS)), "date": TEXTS}).to_csv(path, index=False)
        case "jsonl":
            rows = [json.dumps({"n": index, "date": text}, ensure_ascii=False) for index, text in enumerate(TEXTS)]
            path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        case "parquet":
            # With an index of its own, as pandas saves one.
            pd.DataFrame({"date": TEXTS}, index=[f"i{index % 3}" for index in range(len(TEXTS))]).to_parquet(path)
    texts = texts_of_table(path, "date")
    assert texts.tolist() == TEXTS
    frame = choose(texts)
    assert frame["id"].tolist() == [f"row-{index}" for index in range(1, len(TEXTS) + 1)]
    assert frame["group"].tolist() == frame["id"].tolist()


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("first\r\nsecond", encoding="utf-8-sig", newline="")
    (tmp_path / "t.csv").write_text("text\nfirst\nsecond\n", encoding="utf-8-sig")
    assert texts_of_table(tmp_path / "t.txt", "text").tolist() == ["first", "second"]
    assert texts_of_table(tmp_path / "t.csv", "text").tolist() == ["first", "second"]


def test_limit_skip_and_length() -> None:
    texts = pd.Series(["= Title =", "long enough", "short", "  tiny   ", "also long enough", "= End ="])
    assert choose(texts, limit=5, skip=" ?=", min_characters=6)["text"].tolist() == ["long enough", "also long enough"]
    assert choose(texts, limit=5, skip=" ?=", min_characters=6)["id"].tolist() == ["row-2", "row-5"]
    assert choose(texts, limit=2)["id"].tolist() == ["row-1", "row-2"]
    assert choose(texts, limit=1, skip="=").empty
    assert choose(texts, min_words=3)["text"].tolist() == ["= Title =", "also long enough", "= End ="]
    assert choose(pd.Series([], dtype=str), limit=1, skip="=", min_characters=3, min_words=2).empty


# Rows of WikiText that the papers' code leaves out: headings, and rows of fewer than ten characters, not stripped.
LEFT_OUT = r"(?s)\s*=(.*=)?\s*\Z|.{0,9}\Z"


def left_out(text: str) -> bool:
    return (text.strip().startswith("=") and text.strip().endswith("=")) or len(text) < 10


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(alphabet="=a \t\n\u2003\x85\x1c", max_size=14), min_size=1))
def test_a_regular_expression_filters_wikitext_as_the_papers_code_does(texts: list[str]) -> None:
    found = choose(pd.Series(texts, dtype=str), skip=LEFT_OUT)
    assert found["text"].tolist() == [text for text in texts if not left_out(text)]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.csv", b"other\na\n", "expected a column 'text', found other"),
        ("t.csv", b"", "cannot be read as .csv"),
        ("t.csv", b"text\n\xff\xfe\n", "not in the encoding utf-8"),
        ("t.csv", b'text\n"open\n', "cannot be read as .csv"),
        ("t.jsonl", b"{broken", "cannot be read as .jsonl"),
        ("t.jsonl", b'[{"text": "a"},\n{"text": "b"}]', "cannot be read as .jsonl .*; expected one JSON object a line"),
        (
            "t.csv",
            b"text,n\none, two,1\nthree,4\n",
            "cannot be read as .csv .row 1 has 3 cells, the first row names 2 columns",
        ),
        ("t.csv", b"text\none, two\n", "cannot be read as .csv .row 1 has 2 cells, the first row names 1 column"),
        ("t.jsonl", b"\xff", "not in the encoding utf-8"),
        ("t.parquet", b"no parquet", "cannot be read as .parquet"),
        ("t.txt", b"\xff\xfe\x00", "not in the encoding utf-8"),
        ("t.xlsx", b"", "expected a file that ends with .txt, .csv, .jsonl, .parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FathomError, match=f"{name}: {expected}") as caught:
        texts_of_table(tmp_path / name, "text")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("t.txt", "t.csv", "t.jsonl", "t.parquet"):
        with pytest.raises(FathomError, match=f"{name}: no such file"):
            texts_of_table(tmp_path / name, "text")


# Random tokens -------------------------------------------------------------------------------------------------------


def test_draws() -> None:
    frame = random_texts(texts=5, tokens=7, seed=3)
    draws = np.array(frame["token_draws"].tolist())
    assert draws.shape == (5, 7)
    assert ((draws >= 0) & (draws < 1)).all()
    assert np.unique(draws).size == 35
    np.testing.assert_array_equal(draws, random_texts(texts=5, tokens=7, seed=3)["token_draws"].tolist())
    assert not np.array_equal(draws, random_texts(texts=5, tokens=7, seed=4)["token_draws"].tolist())
    assert frame["text"].isna().all()


def test_several_lengths_are_views_of_nested_texts() -> None:
    frame = random_texts(texts=3, tokens=(4, 16, 8), seed=3)
    assert frame["view"].tolist() == ["4 tokens"] * 3 + ["16 tokens"] * 3 + ["8 tokens"] * 3
    assert frame["group"].tolist() == frame["id"].tolist()
    for _, own in frame.groupby("id"):
        short, long, middle = own["token_draws"]
        assert (len(short), len(middle), len(long)) == (4, 8, 16)
        np.testing.assert_array_equal(long[:8], middle)
        np.testing.assert_array_equal(long[:4], short)
    alone = random_texts(texts=3, tokens=(16,), seed=3)["token_draws"].tolist()
    np.testing.assert_array_equal(alone, random_texts(texts=3, tokens=16, seed=3)["token_draws"].tolist())


# Perturbed texts -----------------------------------------------------------------------------------------------------


def perturbed(base: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    usual: dict[str, Any] = {"kind": "repetition", "probabilities": (0.0, 0.5, 1.0), "draws": 1, "seed": 0}
    return perturbed_texts(base, "b", **usual | wanted)


def read_back(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    write_corpus(frame, folder / "c.parquet", "c")
    return read_corpus(folder / "c.parquet")


def test_every_probability_is_a_view_of_the_same_texts(tmp_path: Path) -> None:
    clean = rows(text=["a b", "c d"])
    clean["label.kind"] = ["x", "y"]
    base = read_back(clean, tmp_path)
    paraphrase = base.assign(view="paraphrase", text="e f")
    found = read_back(perturbed(pd.concat([base, paraphrase]), as_published=True), tmp_path)
    assert found["view"].tolist() == ["p = 0.00"] * 2 + ["p = 0.50"] * 2 + ["p = 1.00"] * 2
    for _, view in found.groupby("view"):
        for column in ("id", "text", "group", "label.kind"):
            assert view[column].tolist() == base[column].tolist()
    notes = found["perturbation"].tolist()
    assert [note["probability"] for note in notes] == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    assert all(note["kind"] == "repetition" and note["published"] is True for note in notes)
    # One seed a text, whatever the probability.
    assert {note["seed"] for note in notes[::2]}.isdisjoint({note["seed"] for note in notes[1::2]})
    assert len({note["seed"] for note in notes}) == 2


def test_draws_are_texts_of_one_group(tmp_path: Path) -> None:
    base = read_back(rows(text=["a b", "c d"], group=["g", "h"]), tmp_path)
    found = read_back(perturbed(base, draws=3, kind="randomness"), tmp_path)
    half = found[found["view"] == "p = 0.50"]
    assert half["id"].tolist() == ["t0", "t1", "t0#2", "t1#2", "t0#3", "t1#3"]
    assert half["group"].tolist() == ["g", "h"] * 3
    assert len({note["seed"] for note in half["perturbation"]}) == 6


def test_a_perturbation_depends_on_seed_id_and_draw_alone(tmp_path: Path) -> None:
    def seeds(base: pd.DataFrame, **wanted: Any) -> dict[tuple[str, str], int]:
        frame = perturbed(base, **wanted)
        return {(row["id"], row["view"]): row["perturbation"]["seed"] for _, row in frame.iterrows()}

    base = read_back(rows(text=["a b", "c d", "e f"]), tmp_path)
    everything = seeds(base, draws=2)
    assert seeds(base.iloc[[2]]).items() <= everything.items()
    assert seeds(base.iloc[::-1], draws=2, kind="randomness", as_published=True) == everything
    assert seeds(base, probabilities=(0.5,)).items() <= everything.items()
    assert not set(seeds(base, seed=1).values()) & set(everything.values())


def test_a_base_that_cannot_be_perturbed_is_refused(tmp_path: Path) -> None:
    base = read_back(rows(text=["a b"]), tmp_path)
    spans = base.assign(spans=pd.Series([[{"name": "item", "start": 0, "end": 1}]], dtype=object))
    with pytest.raises(ValueError, match="of: text 't0' of corpus b marks spans; expected none"):
        perturbed(spans)
    with pytest.raises(ValueError, match=r"of: corpus b has no text of the view 'original', found p = 0\.00, p"):
        perturbed(perturbed(base))


def test_draws_of_random_tokens_can_be_perturbed(tmp_path: Path) -> None:
    base = read_back(random_texts(texts=2, tokens=5, seed=0), tmp_path)
    found = read_back(perturbed(base), tmp_path)
    np.testing.assert_array_equal(found["token_draws"].tolist(), base["token_draws"].tolist() * 3)


# Tables --------------------------------------------------------------------------------------------------------------


def rows(**columns: list[Any]) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    base = {"id": [f"t{index}" for index in range(count)], "view": ["original"] * count, "group": ["g"] * count}
    return pd.DataFrame(base | columns)


def test_a_corpus_comes_back(tmp_path: Path) -> None:
    frame = rows(text=["one", "two"])
    frame["label.kind"], frame["label.name"] = [1, 0], ["x", None]
    write_corpus(frame, tmp_path / "c.parquet", "c")
    found = read_corpus(tmp_path / "c.parquet")
    assert list(found.columns) == [*CORPUS_COLUMNS, "label.kind", "label.name"]
    assert found["text"].tolist() == ["one", "two"]
    assert found["label.kind"].tolist() == [1, 0]
    assert found["token_draws"].isna().all()
    assert found["spans"].isna().all()
    assert found["perturbation"].tolist() == [None, None]
    assert found["label.name"].fillna("none").tolist() == ["x", "none"]
    assert [path.name for path in tmp_path.iterdir()] == ["c.parquet"]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (rows(text=[]), "corpus c: it holds no text"),
        (rows(text=["a", ""]), r"corpus c: text 't1' \(row 2\) is empty"),
        (rows(text=["a", " \t "]), r"corpus c: text 't1' \(row 2\) is empty"),
        (rows(text=["a", None]), r"corpus c: text 't1' \(row 2\) is empty"),
        (rows(text=["a", "b"], id=["x", "x"]), r"corpus c: id 'x' \(row 2\) occurs twice"),
    ],
)
def test_a_bad_corpus_is_refused_and_not_written(tmp_path: Path, frame: pd.DataFrame, expected: str) -> None:
    with pytest.raises(FathomError, match=expected):
        write_corpus(frame, tmp_path / "c.parquet", "c")
    assert list(tmp_path.iterdir()) == []


def test_one_id_in_two_views_is_no_duplicate(tmp_path: Path) -> None:
    write_corpus(rows(text=["a", "b"], id=["x", "x"], view=["original", "paraphrase"]), tmp_path / "c.parquet", "c")
    assert len(read_corpus(tmp_path / "c.parquet")) == 2


def test_tables_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(FathomError, match=r"t\.parquet: no such table"):
        read_table(path)
    write_table(pd.DataFrame({"a": range(1000)}), path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(
        FathomError, match=r"t\.parquet: not a Parquet table .*; delete it and run snakemake again"
    ) as caught:
        read_table(path)
    assert "\n" not in str(caught.value)
    write_table(pd.DataFrame({"a": range(3)}), path)
    with pytest.raises(FathomError, match=r"t\.parquet: not a corpus, it lacks the columns id, text"):
        read_corpus(path)


# The command ---------------------------------------------------------------------------------------------------------


def build(folder: Path, settings: dict[str, Any], *more: str) -> pd.DataFrame:
    output = folder / "results" / "c.parquet"
    arguments = ["--settings", corpus_settings(settings), "--output", str(output), *more]
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert [path.name for path in output.parent.iterdir()] == ["c.parquet"]  # no scratch folder is left
    return read_corpus(output)


def test_a_file_corpus_through_the_command(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("= head =\nfirst text\nsecond text\n")
    frame = build(tmp_path, {"kind": "file", "path": str(tmp_path / "t.txt"), "skip": "="})
    assert frame["text"].tolist() == ["first text", "second text"]


def test_random_tokens_through_the_command(tmp_path: Path) -> None:
    frame = build(tmp_path, {"kind": "random-tokens", "texts": 3, "tokens": 4, "seed": 1})
    expected = random_texts(texts=3, tokens=4, seed=1)
    np.testing.assert_array_equal(frame["token_draws"].tolist(), expected["token_draws"].tolist())


@pytest.mark.parametrize(
    ("content", "settings", "expected"),
    [
        ("", {}, "corpus c: it holds no text"),
        ("a\n", {"skip": "a"}, "corpus c: it holds no text"),
        (" \n\n", {}, "corpus c: it holds no text"),
        ("a\n", {"path": "no-such.txt"}, "corpus c: no-such.txt: no such file"),
    ],
)
def test_bad_corpora_through_the_command(tmp_path: Path, content: str, settings: dict[str, Any], expected: str) -> None:
    (tmp_path / "t.txt").write_text(content)
    with pytest.raises(FathomError, match=expected):
        build(tmp_path, {"kind": "file", "path": str(tmp_path / "t.txt"), **settings})
    assert list((tmp_path / "results").iterdir()) == []


def test_an_empty_line_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a\n\nb\n")
    frame = build(tmp_path, {"kind": "file", "path": str(tmp_path / "t.txt"), "min_characters": 1})
    assert frame["id"].tolist() == ["row-1", "row-3"]


def test_a_base_is_given_where_one_is_needed_and_nowhere_else(tmp_path: Path) -> None:
    base = tmp_path / "base.parquet"
    write_corpus(random_texts(texts=1, tokens=3, seed=0), base, "b")
    cases: list[tuple[dict[str, Any], list[str], str]] = [
        ({"kind": "views", "of": "b"}, [], "corpus c: --base: expected the table of corpus b"),
        (
            {"kind": "random-tokens"},
            ["--base", str(base)],
            "corpus c: --base: expected none, the corpus is made of no other",
        ),
        ({"kind": "views", "of": "b"}, ["--base", "no-such.parquet"], "corpus c: no-such.parquet: no such table"),
        ({"kind": "views", "of": "b"}, ["--base", str(base)], "c: of: text 'random-00000' of corpus b is sampled"),
    ]
    for wanted, more, expected in cases:
        with pytest.raises(FathomError, match=expected) as caught:
            build(tmp_path, wanted, *more)
        assert "\n" not in str(caught.value)


def test_pairs_of_a_table_are_limited_through_the_command(tmp_path: Path) -> None:
    pair_table([6, 6, 6, 6]).to_csv(tmp_path / "t.csv", index=False)
    wanted = {"table": str(tmp_path / "t.csv"), "per_relation": 4, "seed": 2}
    small, large = (build(tmp_path, {"kind": kind, **wanted}) for kind in ("relations", "analogies"))
    assert (small.loc[small["view"] == "original", "label.relation"].value_counts() == 8).all()
    items = [{item for found in items_of(frame) for item in found.values()} for frame in (small, large)]
    assert items[0] == items[1]  # of one seed: the same pairs, in nested blocks
    assert len(items[0]) == 32


def test_google_questions_through_the_command(tmp_path: Path, index: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = "".join(
        f": {name}\n" + "".join(f"{name}{k} to{name}{k} {name}{k + 1} to{name}{k + 1}\n" for k in range(4))
        for name in "abcd"
    )
    made = wheel_with(index, {"tiny_model/questions.txt": f"{lines}d0 twice d9 tod9\n".encode()})
    source = {
        "package": "tiny-model",
        "version": "1.0",
        "sha256": sha256_of(made),
        "file": "tiny_model/questions.txt",
        "tag": "py3-none-any",
    }
    with caplog.at_level("INFO", logger="fathom"):
        frame = build(tmp_path, {"kind": "analogies", "questions": source, "shuffled": False})
    original = frame[frame["view"] == "original"]
    assert set(original["label.relation"].dropna()) == {*"abcd"}
    assert len(original) == 4 * 8  # nine twos make four blocks
    # d has six pairs of different words and a seventh that shares d0 with one of them; the others have five.
    assert "relation d: 1 pairs left out, 6 kept" in caplog.text
    assert "relation a:" not in caplog.text


def test_bad_tables_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    for kind, content, expected in (
        ("items", "item,category,alive\ncat,animal,2\n", "corpus c: items: row 1, column alive: '2'; expected 0 or 1"),
        (
            "documents",
            "item,category,alive\ncat,animal,1\ncup,,0\n",
            "items: row 2, column category: missing",
        ),
        (
            "relations",
            "first,second,relation\na,b,r\na,c,r\n",
            "pairs: row 2, column first: 'a' occurs in row 1",
        ),
        ("analogies", "first,second,relation\na,b,r\n", "corpus c: pairs: row 1, column relation: 'r' has 1 pair"),
        ("early-context", "first,second\na,b\n", "corpus c: pairs: no column relation"),
        ("relations", "first,second,relation\na,b,r\nc,d,s\n", "corpus c: items: all 8 texts hang together"),
    ):
        table.write_text(content, encoding="utf-8")
        with pytest.raises(FathomError, match=expected) as caught:
            build(tmp_path, {"kind": kind, "table": str(table)})
        assert "\n" not in str(caught.value)
        assert list((tmp_path / "results").iterdir()) == []


# Settings ------------------------------------------------------------------------------------------------------------

QUESTIONS = {"package": "p", "version": "1.0", "sha256": "0" * 64, "file": "q.txt"}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (
            {"kind": "random-tokens", "tokens": []},
            "expected a number of tokens, at least 3, or a list of different ones",
        ),
        (
            {"kind": "random-tokens", "tokens": [8, 8]},
            "expected a number of tokens, at least 3, or a list of different",
        ),
        (
            {"kind": "random-tokens", "tokens": [2, 8]},
            "expected a number of tokens, at least 3, or a list of different",
        ),
        ({"kind": "repetition", "of": "b", "probabilities": []}, "at least 1 item"),
        ({"kind": "repetition", "of": "b", "probabilities": [1.5]}, "less than or equal to 1"),
        ({"kind": "randomness", "of": "b", "probabilities": [0.501, 0.499]}, "differ when rounded to two decimals"),
        ({"kind": "views", "of": "b", "p": -0.1}, "greater than or equal to 0"),
        ({"kind": "views", "of": "b", "views": 0}, "greater than or equal to 1"),
        ({"kind": "views"}, "of"),
        ({"kind": "items", "template": "{thing}"}, r"template '{thing}' holds the slot {item} 0 times"),
        ({"kind": "relations", "more_templates": ["{first}"]}, "holds the slot {second} 0 times"),
        ({"kind": "documents", "sentence": "None."}, "holds the slot {item} 0 times"),
        ({"kind": "items", "template": "This is {article} {item}"}, "expected templates that differ"),
        ({"kind": "documents", "more_templates": ["There is {article} {item}."]}, "expected templates that differ"),
        ({"kind": "items", "more_templates": ["{item}", "{item}"]}, "expected templates that differ"),
        ({"kind": "relations", "block_size": 1}, "greater than or equal to 2"),
        ({"kind": "analogies", "per_relation": 3}, "multiple of 2"),
        ({"kind": "analogies", "table": "t.csv", "questions": QUESTIONS}, "expected a table or questions, not both"),
        ({"kind": "relations", "questions": QUESTIONS}, "expected templates without articles"),
        ({"kind": "documents", "sentences": 7}, "less than or equal to 6"),
        ({"kind": "early-context", "filler": []}, "at least 1 item"),
        ({"kind": "early-context", "filler": [8, 8]}, "expected different numbers of words"),
        ({"kind": "early-context", "filler": [-1]}, "greater than or equal to 0"),
        ({"kind": "early-context", "closing": " "}, "match pattern"),
        ({"kind": "early-context", "blocks": 1}, "greater than or equal to 2"),
    ],
)
def test_settings_that_cannot_be_are_refused(wanted: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        TypeAdapter(CorpusSettings).validate_python(wanted)


def test_settings_survive_json() -> None:
    adapter: TypeAdapter[CorpusSettings] = TypeAdapter(CorpusSettings)
    for wanted in (
        {"kind": "random-tokens", "tokens": [64, 128]},
        {"kind": "randomness", "of": "b"},
        {"kind": "early-context"},
        {"kind": "analogies", "questions": QUESTIONS},
    ):
        settings = adapter.validate_python(wanted)
        assert adapter.validate_json(settings.model_dump_json()) == settings
