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

from fathom.corpora.bible import parse_verses, passages
from fathom.corpora.command import command
from fathom.corpora.files import read_texts, select
from fathom.corpora.random_tokens import random_texts
from fathom.errors import FathomError
from fathom.tables import CORPUS_COLUMNS, read_corpus, read_table, write_corpus, write_table

# The Bible -----------------------------------------------------------------------------------------------------------

VERSES = {
    1001001: "At first the hill was bare and the wind went over it.",
    1001002: "Then came a seed.",
    1001003: "It grew by day, and it grew by night.",
    1002001: "Birds sat in the tree; they sang.",
    1002002: "And the hill was glad.",
    2001001: "A second book begins with four words more.",
}


def as_module(verses: dict[int, str]) -> str:
    """Python source in the layout of the pythonbible packages: one string, and where each verse starts and ends."""
    text, starts, ends = "", {}, {}
    for verse, words in verses.items():
        starts[verse] = len(text)
        text += words
        ends[verse] = len(text)
        text += " "
    return f'''"""A Bible."""
from pythonbible import Bible, Version

bible = Bible(
    Version.TINY,
    {text!r},
    {starts!r},
    {ends!r},
    is_html=False,
)
'''


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
    frame = passages(VERSES, None, words=12, count=2, seed=0)
    # Chapter 1 gives verse 1 (12 words) and verses 2-3 (13 words); chapter 2 gives 1-2 with 12; book 2 is too short.
    possible = {
        "1001001": VERSES[1001001],
        "1001002": f"{VERSES[1001002]} {VERSES[1001003]}",
        "1002001": f"{VERSES[1002001]} {VERSES[1002002]}",
    }
    assert dict(zip(frame["id"], frame["text"], strict=True)).items() <= possible.items()
    assert frame["id"].is_unique
    assert frame["view"].unique().tolist() == ["original"]
    everything = passages(VERSES, None, words=12, count=3, seed=5)
    assert dict(zip(everything["id"], everything["text"], strict=True)) == possible


def test_too_many_passages_are_refused() -> None:
    with pytest.raises(FathomError, match="expected at most 3 passages of 12 words, found 4"):
        passages(VERSES, None, words=12, count=4, seed=0)


def test_the_views_of_a_passage_are_the_same_verses_in_one_group() -> None:
    other = {verse: text.upper() for verse, text in VERSES.items()}
    frame = passages(VERSES, other, words=12, count=2, seed=1)
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
    frame = passages(VERSES, other, words=5, count=3, seed=0)
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
        frame = passages(verses, None, words=words, count=1, seed=seed)
    except FathomError:
        assert max(map(sum, chapters)) < words
        return
    most = max(count for count in range(1, 50) if count == 1 or _possible(verses, words, count))
    frame = passages(verses, None, words=words, count=most, seed=seed)
    pd.testing.assert_frame_equal(frame, passages(verses, None, words=words, count=most, seed=seed))
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
        passages(verses, None, words=words, count=count, seed=0)
    except FathomError:
        return False
    return True


def test_another_seed_draws_others() -> None:
    verses = {1_001_000 + verse: f"one two three {verse}" for verse in range(1, 101)}
    drawn = [passages(verses, None, words=4, count=10, seed=seed)["id"].tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(drawn[0])


# Files ---------------------------------------------------------------------------------------------------------------

TEXTS = ["007", "1e5", "2020-01-01", "null", 'a, "quoted" text', "ünïcode \u2028 and \x0c feeds", "true"]


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
    texts = read_texts(path, "date")
    assert texts.tolist() == TEXTS
    frame = select(texts, limit=None, skip=None, min_characters=None)
    assert frame["id"].tolist() == [f"row-{index}" for index in range(1, len(TEXTS) + 1)]
    assert frame["group"].tolist() == frame["id"].tolist()


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("first\r\nsecond", encoding="utf-8-sig", newline="")
    (tmp_path / "t.csv").write_text("text\nfirst\nsecond\n", encoding="utf-8-sig")
    assert read_texts(tmp_path / "t.txt", "text").tolist() == ["first", "second"]
    assert read_texts(tmp_path / "t.csv", "text").tolist() == ["first", "second"]


def test_limit_skip_and_length() -> None:
    texts = pd.Series(["= Title =", "long enough", "short", "  tiny   ", "also long enough", "= End ="])
    assert select(texts, limit=5, skip=" ?=", min_characters=6)["text"].tolist() == ["long enough", "also long enough"]
    assert select(texts, limit=5, skip=" ?=", min_characters=6)["id"].tolist() == ["row-2", "row-5"]
    assert select(texts, limit=2, skip=None, min_characters=None)["id"].tolist() == ["row-1", "row-2"]
    assert select(texts, limit=1, skip="=", min_characters=None).empty
    assert select(pd.Series([], dtype=str), limit=1, skip="=", min_characters=3).empty


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.csv", b"other\na\n", "expected a column 'text', found other"),
        ("t.csv", b"", "cannot be read as .csv"),
        ("t.csv", b"text\n\xff\xfe\n", "cannot be read as .csv"),
        ("t.csv", b'text\n"open\n', "cannot be read as .csv"),
        ("t.jsonl", b"{torn", "cannot be read as .jsonl"),
        ("t.jsonl", b"\xff", "cannot be read as .jsonl"),
        ("t.parquet", b"no parquet", "cannot be read as .parquet"),
        ("t.txt", b"\xff\xfe\x00", "cannot be read as .txt"),
        ("t.xlsx", b"", "expected a file that ends with .txt, .csv, .jsonl, .parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FathomError, match=f"{name}: {expected}") as caught:
        read_texts(tmp_path / name, "text")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("t.txt", "t.csv", "t.jsonl", "t.parquet"):
        with pytest.raises(FathomError, match=f"{name}: no such file"):
            read_texts(tmp_path / name, "text")


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


def build(folder: Path, settings: dict[str, Any]) -> pd.DataFrame:
    output = folder / "results" / "c.parquet"
    arguments = ["--name", "c", "--settings", json.dumps(settings), "--output", str(output)]
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
        ("a\n\nb\n", {}, r"corpus c: text 'row-2' \(row 2\) is empty"),
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
