"""Tables with labels: what is inferred and said, what is left out, and one line for what cannot be probed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.jobs import corpus_of

from fathom.corpora.label_values import read_label
from fathom.corpora.leaks import leaks_table
from fathom.corpora.settings import MISSING
from fathom.corpora.sources import Sources
from fathom.io.corpus_table import read_corpus, write_corpus
from fathom.probes.targets import read_targets
from fathom.runtime.errors import FathomError
from fathom.workflow.jobs.corpora import corpus_job


def built(table: pd.DataFrame, folder: Path, folds: Mapping[str, int] | None = None, **entry: Any) -> pd.DataFrame:
    """The corpus of a CSV, as the workflow builds and reads it."""
    table.to_csv(folder / "m.csv", index=False, encoding=entry.get("encoding", "utf-8"))
    return built_file(folder / "m.csv", folder, folds, **entry)


def built_file(path: Path, folder: Path, folds: Mapping[str, int] | None = None, **entry: Any) -> pd.DataFrame:
    """The corpus of a file."""
    from fathom.corpora.files import build

    job = corpus_job("c", corpus_of({"kind": "file", "path": str(path), **entry}), folds or {})
    write_corpus(build(Sources(folder, folder / "revisions.json"), **job.options), folder / "c.parquet", "c")
    return read_corpus(folder / "c.parquet")


def sentences(count: int) -> list[str]:
    """Texts no two of which are alike."""
    return [f"noun{row} verb{row} thing{row} place{row}" for row in range(count)]


def refusal(table: pd.DataFrame, folder: Path, folds: Mapping[str, int] | None = None, **entry: Any) -> str:
    """The one line with which a table is refused, after the name of the file."""
    with pytest.raises(FathomError) as caught:
        built(table, folder, folds, **entry)
    return str(caught.value).removeprefix(f"{folder}/m.csv: ")


# What a column holds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["good", "bad", "good", ""], "classes", ["good", "bad", "good", None]),
        (["1", "0", "1", "NaN"], "classes", ["1", "0", "1", None]),
        (["0", "1", "2", "0", "1", "2"], "classes", ["0", "1", "2", "0", "1", "2"]),
        (["1", "2", "3", "1", "2", "4"], "numbers", [1.0, 2.0, 3.0, 1.0, 2.0, 4.0]),
        (["18", "19", "20", "18", "19", "20"], "numbers", [18.0, 19.0, 20.0, 18.0, 19.0, 20.0]),
        (["0.5", "1e3", "-2", ".25"], "numbers", [0.5, 1000.0, -2.0, 0.25]),
        ([True, False, None, True], "classes", ["True", "False", None, "True"]),
        ([1.0, 2.0, np.nan, 1.0], "classes", ["1", "2", None, "1"]),
        ([3, 10, 7, 3], "numbers", [3.0, 10.0, 7.0, 3.0]),
    ],
)
def test_what_a_label_holds_is_inferred(cells: Sequence[Any], kind: str, values: Sequence[Any]) -> None:
    found = read_label(cells, range(1, len(cells) + 1), None, MISSING, "m.csv: column 'x'")
    assert (found.kind, found.values, found.inferred) == (kind, values, True)


def test_seventy_seven_codes_are_classes_and_may_be_declared_numbers() -> None:
    cells = [str(code) for code in range(77)] * 2
    found = read_label(cells, range(154), None, MISSING, "m.csv")
    assert (found.kind, len(set(found.values))) == ("classes", 77)
    assert read_label(cells, range(154), "numbers", MISSING, "m.csv").values[:3] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("cells", "kind", "words"),
    [
        (
            ["a", "a", "a"],
            None,
            "all 3 texts with a value have 'a' (rows 1, 2, 3); a probe needs at least two values",
        ),
        (["", "NaN"], None, "no text has a value"),
        (["1.5"] * 8 + ["2.5"] * 8 + ["x"], None, "row 17: expected a number as in 16 other rows, found 'x'"),
        (["1.5", "x"], "numbers", "row 2: expected a finite number, found 'x'"),
        (["1.5", "inf", "2.5"], None, "row 2: expected a finite number, found 'inf'"),
        (["1,5", "2,5", "3,5"], None, "row 1: expected a name, or a number with a decimal point and no commas"),
        (["2", "1,5", "2", "1,5"], None, "row 2: expected a name, or a number with a decimal point and no commas"),
        (["1,5", "2,5", "3,5"], "classes", "numbers with a decimal point and no commas"),
        (["", "a"], None, "the one text that has a value has 'a' (row 2); a probe needs at least two values"),
        ([["joy", "woe"], "joy"], None, "row 1: expected one value, found list"),
        (["a\x1b[31m", "b", "b"], None, "row 1: expected one line of printable characters"),
    ],
)
def test_what_is_no_label_is_refused_with_its_place(cells: Sequence[Any], kind: Any, words: str) -> None:
    with pytest.raises(FathomError) as caught:
        read_label(cells, range(1, len(cells) + 1), kind, MISSING, "m.csv: column 'x'")
    assert str(caught.value).startswith("m.csv: column 'x'")
    assert words in str(caught.value)


# Groups, ids, views, spans, splits ------------------------------------------------------------------------------------


def test_a_table_becomes_a_corpus(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "text": [f"The [{word}] of row {row} stood there" for row, word in enumerate(["cat", "dog", "cow", "hen"])],
            "formal": [f"There was a [{word}], as row {row} has it" for row, word in enumerate("wxyz")],
            "mood": ["good", "bad", "good", "bad"],
            "writer": ["a", "a", "b", "b"],
            "key": ["k1", "k2", "k3", "k4"],
        }
    )
    marks = {"animal": {"opens": "[", "closes": "]"}}
    entry = {"labels": ["mood"], "group": "writer", "id": "key", "views": ["formal"], "spans": marks}
    corpus = built(table, tmp_path, {"mood": 2}, **entry)
    assert corpus["view"].unique().tolist() == ["original", "shuffled", "formal"]
    assert (corpus.groupby("view")["id"].apply(list).map(tuple) == ("k1", "k2", "k3", "k4")).all()
    assert corpus["group"].tolist() == ["a", "a", "b", "b"] * 3
    assert corpus["label.mood"].tolist() == ["good", "bad", "good", "bad"] * 3
    marked = [
        text[spans[0]["start"] : spans[0]["end"]] for text, spans in zip(corpus["text"], corpus["spans"], strict=True)
    ]
    assert marked == [*["cat", "dog", "cow", "hen"] * 2, *"wxyz"]
    assert not corpus["text"].str.contains(r"[\[\]]").any()
    assert corpus["control"].unique().tolist() == ["", "shuffled", "template"]


@pytest.mark.parametrize(
    ("spans", "columns"),
    [
        ({"x": {"start": "from", "end": "to"}}, {"from": [0, 2], "to": [5, 7]}),
        ({"x": {"range": "at"}}, {"at": ["0:5", "[2, 7]"]}),
    ],
)
def test_spans_are_read_from_columns(spans: Any, columns: Mapping[str, Any], tmp_path: Path) -> None:
    table = pd.DataFrame({"text": ["apple tree", "a plum tree"], **columns})
    corpus = built(table, tmp_path, spans=spans)
    assert [(span[0]["start"], span[0]["end"]) for span in corpus["spans"]] == [(0, 5), (2, 7)]


def test_a_split_is_kept_and_training_texts_that_are_in_the_test_are_left_out(tmp_path: Path) -> None:
    texts = [*sentences(6), "NOUN0 verb0 thing0 place0!"]
    parts = ["train", "train", "TRAIN", "train", "dev", "test", "test"]
    table = pd.DataFrame({"text": texts, "mood": list("abababb"), "part": parts})
    table.loc[5, "mood"] = "a"
    corpus = built(table, tmp_path, labels=["mood"], split="part", shuffled=False)
    assert corpus["split"].tolist() == ["left out", "train", "train", "train", "dev", "test", "test"]


@pytest.mark.parametrize(
    ("columns", "entry", "folds", "words"),
    [
        ({}, {"labels": ["nope"]}, {}, "labels: expected a column 'nope', found text, mood"),
        ({}, {"group": "nope"}, {}, "group: expected a column 'nope', found text, mood"),
        ({"g": ["a", "", "b", "c", "d", "e"]}, {"group": "g"}, {}, "column 'g', row 2: expected a name, found none"),
        ({"i": list("abcdea")}, {"id": "i"}, {}, "column 'i', row 6: expected an id of its own, found 'a' as in row 1"),
        ({"v": [*"abcde", ""]}, {"views": ["v"]}, {}, "column 'v', row 6: expected a text in every view, found none"),
        (
            {"s": ["0:3"] * 5 + ["7"]},
            {"spans": {"x": {"range": "s"}}},
            {},
            "row 6: span 'x': expected a range such as 3:8",
        ),
        (
            {"s": ["0:3"] * 5 + ["5:99"]},
            {"spans": {"x": {"range": "s"}}},
            {},
            "row 6: span 'x': expected characters from 0",
        ),
        (
            {},
            {"spans": {"x": {"opens": "<", "closes": ">"}}},
            {},
            "row 1: span 'x': expected something between one '<'",
        ),
        (
            {"p": ["train"] * 6},
            {"labels": ["mood"], "split": "p"},
            {},
            "column 'p': expected texts of 'train' and 'test'",
        ),
        (
            {"p": ["train", "test", "train", "test", "train", "train"]},
            {"labels": ["mood"], "split": "p"},
            {},
            "column 'mood': expected 'good' (row 1) among the texts of 'test', found none",
        ),
        (
            {"g": list("aabbcc")},
            {"labels": ["mood"], "group": "g"},
            {"mood": 5},
            "column 'mood': 6 texts in 3 groups, fewer",
        ),
        (
            {"g": list("xyxyxy")},
            {"labels": ["mood"], "group": "g"},
            {"mood": 2},
            "each of 2 classes is in one group only",
        ),
        (
            {},
            {"labels": ["mood"]},
            {"mood": 5},
            "column 'mood': 'bad' (and 1 more class) is in 3 of 6 groups (rows 2, 4, 6)",
        ),
        (
            {},
            {"labels": ["mood"], "min_class": 4},
            {},
            "column 'mood': min_class: 4 leaves 0 of 2 classes; expected at least 2",
        ),
        (
            {"g": list("ababcd"), "p": ["train", "test", "test", "train", "test", "train"]},
            {"labels": ["mood"], "group": "g", "split": "p"},
            {},
            "'good' (row 1) among the texts of 'train', found none; 2 training texts are left out, since their group",
        ),
        (
            {"g": ["a"] * 6},
            {"labels": ["mood"], "group": "g"},
            {"mood": 5},
            "column 'mood': 6 texts in 1 group, fewer than the 5 folds",
        ),
        ({" g": list("aabbcc")}, {"group": "g"}, {}, "group: expected a column 'g', found text, mood, ' g'"),
        (
            {"s": [0] * 6, "e": [3] * 5 + [999]},
            {"spans": {"x": {"start": "s", "end": "e"}}},
            {},
            "found 0:999 in columns 's' and 'e'",
        ),
    ],
)
def test_what_cannot_be_probed_is_refused_in_one_line(
    columns: Mapping[str, Any], entry: dict[str, Any], folds: dict[str, int], words: str, tmp_path: Path
) -> None:
    table = pd.DataFrame({"text": sentences(6), "mood": ["good", "bad"] * 3, **columns})
    message = refusal(table, tmp_path, folds, **entry)
    assert words in message
    assert "\n" not in message


def test_leaks_are_listed_and_joined_unless_asked_otherwise(tmp_path: Path) -> None:
    texts = [*sentences(6), "noun0 verb0 thing0 PLACE0!!", "noun1 verb1 thing1 place1 very"]
    table = pd.DataFrame({"text": texts, "mood": [*["good", "bad"] * 3, "bad", "bad"]})
    corpus = built(table, tmp_path, labels=["mood"], shuffled=False)
    assert corpus["group"].tolist() == ["row-1", "row-2", "row-3", "row-4", "row-5", "row-6", "row-1", "row-2"]
    leaks = leaks_table(corpus)
    assert leaks[["text", "near_text", "share", "joined", "labels_differ"]].to_numpy().tolist() == [
        ["row-1", "row-7", 1.0, True, True],
        ["row-2", "row-8", 0.8, True, False],
        ["row-7", "row-1", 1.0, True, True],
        ["row-8", "row-2", 0.8, True, False],
    ]
    apart = built(table, tmp_path, labels=["mood"], shuffled=False, join_near_equal=False)
    assert apart["group"].tolist() == apart["id"].tolist()
    assert leaks_table(apart)["joined"].tolist() == [False] * 4


def test_rare_classes_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": sentences(7), "mood": [*["good", "bad"] * 3, "odd"]})
    corpus = built(table, tmp_path, {"mood": 3}, labels=["mood"], min_class=3, shuffled=False)
    assert corpus["label.mood"].isna().tolist() == [False] * 6 + [True]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_encodings_are_read_or_named(encoding: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"text": [f"café {word}" for word in sentences(4)], "mood": ["gut", "übel"] * 2})
    table.to_csv(tmp_path / "e.csv", index=False, encoding=encoding)
    corpus = built_file(tmp_path / "e.csv", tmp_path, labels=["mood"], encoding=encoding)
    assert set(corpus["label.mood"]) == {"gut", "übel"}
    if encoding in {"cp1252", "utf-16"}:
        with pytest.raises(FathomError, match="not in the encoding utf-8"):
            built_file(tmp_path / "e.csv", tmp_path, labels=["mood"])


# Any table: one clear line, or labels that a probe takes --------------------------------------------------------------

CELL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_nan=True, allow_infinity=True, width=32),
    st.text(max_size=6),
    st.sampled_from(["good", "bad", "1", "2.5", "NaN", "null", " ", "1,5", "é"]),
    st.lists(st.integers(), max_size=2),
)
COLUMN = st.one_of(
    st.lists(CELL, min_size=1, max_size=30),
    st.lists(st.sampled_from(["a", "b", ""]), min_size=4, max_size=30),
    st.lists(st.integers(0, 4), min_size=4, max_size=30),
    st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=30),
)


def outcome(path: Path, folder: Path, **entry: Any) -> tuple[pd.DataFrame | None, str]:
    """The corpus of a file, or the line with which it is refused."""
    try:
        return built_file(path, folder, **entry), ""
    except FathomError as error:
        return None, str(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(
    column=COLUMN,
    same=st.booleans(),
    ending=st.sampled_from(["jsonl", "parquet", "csv"]),
    kind=st.sampled_from([None, "classes", "numbers"]),
)
def test_any_table_gives_one_clear_line_or_labels_that_a_probe_takes(
    column: list[Any], same: bool, ending: str, kind: str | None, tmp_path: Path
) -> None:
    texts = sentences(len(column))
    if same:
        texts[len(texts) // 2 :] = texts[: len(texts) - len(texts) // 2]
    path = tmp_path / f"t.{ending}"
    rows = [{"text": text, "x": cell} for text, cell in zip(texts, column, strict=True)]
    match ending:
        case "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        case "parquet":
            mixed = len({type(cell) for cell in column}) > 1
            pd.DataFrame([{**row, "x": str(row["x"]) if mixed else row["x"]} for row in rows]).to_parquet(path)
        case _:
            pd.DataFrame(rows).to_csv(path, index=False, encoding="utf-8", errors="replace")
    corpus, message = outcome(path, tmp_path, labels={"x": kind} if kind else ["x"], shuffled=False)
    if corpus is None:
        assert message.isprintable()
        assert str(path) in message
        return
    targets = read_targets({"x": corpus["label.x"].to_numpy()}, len(corpus))
    assert len(targets[0].rows) == corpus["label.x"].notna().sum() <= len(column)
    for _, members in corpus.groupby("text"):
        assert members["group"].nunique() == 1  # equal texts are never on both sides


# Rows that are cut or shifted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        # A carriage return ends a row, so that half of the text would lose its label and the rest take it.
        (
            "text,mood\na,x\nb\rmore,y\n",
            "row 2 has 1 cell, the first row names 2 columns; put a text with a comma or a line break in quotes",
        ),
        (
            "text,mood,writer\na,x,w\nb,y\n",
            "row 2 has 2 cells, the first row names 3 columns; put a text with a comma or a line break in quotes",
        ),
        # Longer rows would put the text into the label's column.
        (
            "text,mood\na,x,1\nb,y,2\n",
            "row 1 has 3 cells, the first row names 2 columns; put a text with a comma or a line break in quotes",
        ),
        (
            "text,mood\na,x,\nb,y,\n",
            "row 1 has 3 cells, the first row names 2 columns; put a text with a comma or a line break in quotes",
        ),
        ("text,mood,mood\na,x,y\nb,y,x\n", "its first row names the column 'mood' twice"),
        ("", "the file is empty; expected a first row that names the columns"),
        ("\n \n", "the file is empty; expected a first row that names the columns"),
        ("text,mood", "no row follows the first, which names the columns"),
        ("text,mood\n\n", "no row follows the first, which names the columns"),
    ],
)
def test_a_csv_whose_rows_do_not_fit_its_head_is_refused(rows: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(rows.encode())
    with pytest.raises(FathomError) as caught:
        built_file(tmp_path / "m.csv", tmp_path, labels=["mood"])
    assert str(caught.value) == f"{tmp_path}/m.csv: cannot be read as .csv ({said})"


def test_cells_in_quotes_hold_commas_and_line_breaks(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b'text,mood\n"a, b\nand more",x\n"c\rd",y\n\n')
    corpus = built_file(tmp_path / "m.csv", tmp_path, labels=["mood"], shuffled=False)
    assert corpus["text"].tolist() == ["a, b\nand more", "c\rd"]
    assert corpus["label.mood"].tolist() == ["x", "y"]
