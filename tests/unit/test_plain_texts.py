"""Columns of lists, records and chat messages are refused by what they hold, whatever the file's type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fathom.corpora.files import build
from fathom.corpora.plain_texts import check_plain
from fathom.corpora.settings import FileCorpus
from fathom.runtime.errors import FathomError

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "It's"}]
KINDS: list[tuple[Any, str]] = [
    (CHAT, "lists of chat messages"),
    ([{"from": "human", "value": "Hi"}], "lists of chat messages"),
    (CHAT[0], "a chat message"),
    (["one", "two"], "lists"),
    ({"en": "one", "de": "eins"}, "records of en, de"),
    ([{"en": "one"}], "lists of records of en"),
]


def texts(path: Path, **selection: Any) -> pd.DataFrame:
    settings = FileCorpus.model_validate({"kind": "file", "path": str(path), **selection})
    return build(None, folds=5, **settings.options)  # type: ignore[arg-type]  # a file of the user's needs no other sources


@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ".csv", ".txt", "json in .csv", "json in .jsonl"])
@pytest.mark.parametrize(("value", "kind"), KINDS)
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, ending: str, value: Any, kind: str) -> None:
    path = tmp_path / f"t.{ending.rpartition('.')[2]}"
    written = [json.dumps(value)] * 2 if "json in" in ending else [value, value]
    if ending == ".txt":
        path.write_text(f"\n{value}\n{value}\n")
    elif ending == ".parquet":
        pd.DataFrame({"text": written}).to_parquet(path)
    elif path.suffix == ".csv":
        pd.DataFrame({"text": written}).to_csv(path, index=False)
    else:
        path.write_text("\n".join(json.dumps({"text": one}) for one in written))
    with pytest.raises(FathomError, match=r"t\.[a-z]+: column 'text' holds ") as caught:
        texts(path)
    assert f"column 'text' holds {kind}" in str(caught.value)
    assert "expected one text a row" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_and_single_rows_are_refused() -> None:
    with pytest.raises(FathomError, match=r"holds bytes \(first in row 2\)"):
        check_plain(pd.Series(["a", b"b"], dtype=object), "text", "t")
    with pytest.raises(FathomError, match=r"holds lists of chat messages \(first in row 2\)"):
        check_plain(pd.Series(["a", CHAT], dtype=object), "text", "t")


@pytest.mark.parametrize(
    "values",
    [["[1] is a reference", "{x}"], ["[1]", "a text"], ["{not json}", "[nor a list"], ["12", "1999"], ["", "[x y]"]],
)
def test_texts_with_brackets_are_texts(values: list[str]) -> None:
    check_plain(pd.Series(values, dtype=object), "text", "t")


def test_blank_lines_are_no_texts_and_empty_rows_say_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("One text.\n\n \nAnother.\n")
    frame = texts(tmp_path / "t.txt")
    assert frame["text"].tolist() == ["One text.", "Another."]
    assert frame["id"].tolist() == ["row-1", "row-4"]
    assert texts(tmp_path / "t.txt", limit=2)["id"].tolist() == ["row-1", "row-4"]
    (tmp_path / "t.csv").write_text('text,n\n"One text.",1\n,2\n')
    with pytest.raises(FathomError, match=r"t.csv: column 'text' is empty in row 2; min_characters: 1 leaves"):
        texts(tmp_path / "t.csv")
    assert texts(tmp_path / "t.csv", min_characters=1)["id"].tolist() == ["row-1"]
