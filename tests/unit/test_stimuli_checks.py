"""Tables of stimuli are read as they are, and refused with row and column where something is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from fathom.corpora.column_names import is_continuous, label_name
from fathom.corpora.word_tables import check_items, check_pairs, load_items, load_pairs
from fathom.runtime.errors import FathomError

if TYPE_CHECKING:
    from pathlib import Path

ITEMS = pd.DataFrame(
    {
        "item": ["cat", "cup", "oak"],
        "category": ["animal", "thing", "plant"],
        "alive": ["1", "0", "1"],
        "length [log10 m]": ["-0.4", "-1", "1.2e0"],
    }
)
PAIRS = pd.DataFrame({"first": ["a", "b"], "second": ["c", "d"], "relation": ["r", "s"]})


def test_labels_become_numbers() -> None:
    for table in (ITEMS, ITEMS.assign(alive=[True, False, True], **{"length [log10 m]": [-0.4, -1, 1.2]})):
        checked = check_items(table)
        assert checked.columns.tolist() == ITEMS.columns.tolist()
        assert checked["alive"].tolist() == [1, 0, 1]
        assert checked["alive"].dtype == np.int64
        assert checked["length [log10 m]"].tolist() == [-0.4, -1.0, 1.2]
        pd.testing.assert_frame_equal(check_items(checked), checked)


@pytest.mark.parametrize(
    ("header", "label", "continuous"),
    [
        ("length [log10 m]", "length", True),
        ("length[m]", "length", True),
        ("found indoors [h/d]", "found indoors", True),
        ("alive", "alive", False),
        ("alive (whole)", "alive (whole)", False),
        ("length [m", "length [m", False),
        ("[m] length", "[m] length", False),
    ],
)
def test_a_unit_makes_a_column_continuous(header: str, label: str, continuous: bool) -> None:
    assert (label_name(header), is_continuous(header)) == (label, continuous)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"alive": [1, None, 1]}, "items: row 2, column alive: missing"),
        ({"alive": ["1", "0", " "]}, "items: row 3, column alive: missing"),
        ({"alive": [1, 0, 2]}, "items: row 3, column alive: 2; expected 0 or 1"),
        ({"alive": ["1", "yes", "0"]}, "items: row 2, column alive: 'yes'; expected 0 or 1"),
        (
            {"alive": ["1", "0.5", "0"]},
            r"row 2, .* of other numbers names its unit in square brackets, as in 'alive \[m\]'",
        ),
        ({"alive": ["1", "0", "1 "]}, "items: row 3, column alive: '1 '; expected no white space around it"),
        ({"alive": [1, 1, 1]}, "items: column alive: the same"),
        ({"length [log10 m]": ["1", "", "2"]}, r"items: row 2, column length \[log10 m\]: missing"),
        (
            {"length [log10 m]": ["1", "short", "2"]},
            r"items: row 2, column length \[log10 m\]: 'short'; expected a finite",
        ),
        ({"length [log10 m]": ["1", "2", "nan"]}, r"items: row 3, column length \[log10 m\]: 'nan'; expected a finite"),
        ({"length [log10 m]": ["inf", "2", "1"]}, r"items: row 1, column length \[log10 m\]: 'inf'"),
        ({"length [log10 m]": ["1", "1e999", "2"]}, r"items: row 2, column length \[log10 m\]: '1e999'"),
        ({"length [log10 m]": ["1", "1_0", "2"]}, r"items: row 2, column length \[log10 m\]: '1_0'"),
        ({"length [log10 m]": ["1", "1.0", "1"]}, r"items: column length \[log10 m\]: the same"),
        ({"item": ["cat", "cup", "cat"]}, "items: row 3, column item: 'cat' occurs in row 1 already"),
        ({"item": ["cat", " cup", "oak"]}, "items: row 2, column item: ' cup'; expected no white space around it"),
        ({"item": ["cat", "", "oak"]}, "items: row 2, column item: missing"),
        ({"item": ["cat", 7, "oak"]}, "items: row 2, column item: 7; expected text"),
        ({"category": ["animal", "", "plant"]}, "items: row 2, column category: missing"),
        ({"category": ["animal", "animal", "animal"]}, "items: column category: the same for all items"),
        ({"category": ["animal", "thing\t", "plant"]}, r"items: row 2, column category: 'thing\\t'; expected no white"),
        (
            {"length": [1, 0, 1]},
            r"items: column length: the label 'length' is that of column length \[log10 m\] already",
        ),
        ({"category [x]": [1, 2, 3]}, r"items: column category \[x\]: the label 'category' is that of column category"),
        ({"[m]": [1, 2, 3]}, r"items: column \[m\]: a unit alone; expected the name of a label before it"),
        ({" wild": [1, 0, 1]}, "items: column 5: header ' wild'; expected a name without white space around it"),
        ({"": [1, 0, 1]}, "items: column 5: header ''; expected a name"),
    ],
)
def test_bad_items_are_refused_with_row_and_column(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        check_items(ITEMS.assign(**change))
    assert "\n" not in str(caught.value)


def test_items_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"items: no column category; found item, alive, length \[log10 m\]"):
        check_items(ITEMS.drop(columns="category"))
    with pytest.raises(ValueError, match="items: no property"):
        check_items(ITEMS[["item", "category"]])
    with pytest.raises(ValueError, match="items: no rows"):
        check_items(ITEMS.iloc[:0])
    with pytest.raises(ValueError, match="items: column alive: occurs twice"):
        check_items(ITEMS[["item", "category", "alive", "alive"]])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"second": ["c", None]}, "pairs: row 2, column second: missing"),
        ({"second": ["c", "c"]}, "pairs: row 2, column second: 'c' occurs in row 1 already"),
        ({"second": ["c", "a"]}, "pairs: row 2, column second: 'a' occurs in row 1 already"),
        ({"first": ["c", "b"]}, "pairs: row 1, column second: 'c' occurs in row 1 already"),
        ({"first": ["a", "b "]}, "pairs: row 2, column first: 'b '; expected no white space around it"),
        ({"relation": ["r", " r"]}, "pairs: row 2, column relation: ' r'; expected no white space"),
        ({"relation": ["", "r"]}, "pairs: row 1, column relation: missing"),
        ({"strength": [1, 2]}, "pairs: unknown column strength; expected first, second, relation"),
    ],
)
def test_bad_pairs_are_refused_with_row_and_column(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_pairs(PAIRS.assign(**change))


def test_pairs_of_the_wrong_shape_are_refused() -> None:
    three = pd.DataFrame({"first": ["a", "b", "e"], "second": ["c", "d", "f"], "relation": ["r", "s", "r"]})
    with pytest.raises(ValueError, match=r"pairs: row 2, column relation: 's' has 1 pair\(s\); expected at least 2"):
        check_pairs(three, per_relation=2)
    with pytest.raises(ValueError, match="pairs: no column relation; found first, second"):
        check_pairs(PAIRS.drop(columns="relation"))
    with pytest.raises(ValueError, match="pairs: no rows"):
        check_pairs(PAIRS.iloc[:0])


def test_tables_of_ones_own_are_read(tmp_path: Path) -> None:
    table = tmp_path / "items.csv"
    table.write_text('\ufeffitem,category,alive\nnull,word,0\n\n"cat, big",animal,1\n', encoding="utf-8")
    assert load_items(table)["item"].tolist() == ["null", "cat, big"]
    table.write_text("first,second,relation\na,b,r\n", encoding="utf-8")
    assert load_pairs(table).to_dict("list") == {"first": ["a"], "second": ["b"], "relation": ["r"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("item,category,alive\nnull,word,\ncat,animal,1\n", "items: row 1, column alive: missing"),
        (
            "item,category,alive\ncat,animal,1\n\ncup,thing\n",
            r"items: row 2: 2 cell\(s\); expected 3, as the header has",
        ),
        ("item,category,alive\ncat,animal,1,0\n", r"items: row 1: 4 cell\(s\); expected 3"),
        ("item,category,alive,alive\ncat,animal,1,1\n", "items: column alive: occurs twice"),
        ("item,category,alive\n", "items: no rows"),
    ],
)
def test_a_file_with_a_bad_table_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        load_items(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"item,category,alive\ncaf\xe9,drink,0\n", r"t\.csv: cannot be read as CSV in UTF-8 \("),
        (b'item,category,alive\n"cat,animal,1\n', r"t\.csv: cannot be read as CSV in UTF-8 \("),
        (b"", r"t\.csv: empty; expected a header and rows"),
        (None, r"t\.csv: no such file"),
    ],
)
def test_a_file_that_is_no_csv_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(FathomError, match=words) as caught:
        load_pairs(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)


def test_fathoms_own_tables_pass() -> None:
    assert not load_items().empty
    assert not load_pairs().empty
