"""Manifests of the shards that a job reads, and the rows of a corpus that a shard is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fathom.io.corpus_table import read_corpus, write_corpus
from fathom.io.shards import shard_manifests, shard_names
from fathom.io.tables import count_rows
from fathom.runtime.errors import FathomError


def test_manifests_come_in_the_order_of_the_corpus_and_other_cuts_are_ignored(tmp_path: Path) -> None:
    for count in (2, 11):
        for shard in shard_names(count):
            (tmp_path / f"{shard}.manifest.json").touch()
    assert [path.name for path in shard_manifests(tmp_path, 2)] == ["1-of-2.manifest.json", "2-of-2.manifest.json"]
    assert [path.name.split("-")[0] for path in shard_manifests(tmp_path, 11)] == [str(n) for n in range(1, 12)]


def test_a_missing_manifest_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "states"
    with pytest.raises(FathomError, match=r"states: 3 of 3 shards have no manifest, first 1-of-3\.manifest\.json"):
        shard_manifests(folder, 3)
    folder.mkdir()
    for name in ("1-of-3", "3-of-3", "2-of-2"):
        (folder / f"{name}.manifest.json").touch()
    with pytest.raises(FathomError, match=r"1 of 3 shards have no manifest, first 2-of-3.*; run snakemake again"):
        shard_manifests(folder, 3)


def corpus_of(texts: int, path: Path) -> pd.DataFrame:
    perturbation = {"kind": "repetition", "probability": 0.5, "seed": (1 << 53) + 1, "published": False}
    rows = [
        {
            "id": f"t{row}",
            "text": f"text {row}",
            "view": "original",
            "group": f"g{row}",
            "spans": [{"name": "item", "start": 0, "end": 4}] if row % 2 else None,
            "perturbation": None if row % 3 else perturbation,
            "label.even": row % 2 == 0,
        }
        for row in range(texts)
    ]
    write_corpus(pd.DataFrame(rows), path, "texts")
    return read_corpus(path)


@pytest.mark.parametrize("group", [1, 4, 100])
def test_rows_of_a_corpus_are_those_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    monkeypatch.setattr("fathom.io.tables.ROW_GROUP", group)
    path = tmp_path / "texts.parquet"
    whole = corpus_of(11, path)
    assert count_rows(path) == 11
    for first in range(11):
        for last in range(first + 1, 12):
            found = read_corpus(path, rows=(first, last))
            expected = whole.iloc[first:last].reset_index(drop=True)
            assert found["perturbation"].tolist() == expected["perturbation"].tolist()
            assert [None if one is None else list(one) for one in found["spans"]] == [
                None if one is None else list(one) for one in expected["spans"]
            ]
            plain = ["id", "text", "view", "group", "label.even"]
            pd.testing.assert_frame_equal(found[plain], expected[plain])


def test_no_more_than_the_row_groups_of_the_rows_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fathom.io.tables.ROW_GROUP", 4)
    path = tmp_path / "texts.parquet"
    corpus_of(40, path)
    content = bytearray(path.read_bytes())
    # The first pages of the file belong to rows that nobody asked for.
    content[4:200] = bytes(196)
    path.write_bytes(content)
    assert read_corpus(path, rows=(30, 33))["id"].tolist() == ["t30", "t31", "t32"]
    with pytest.raises(FathomError, match="not a Parquet table"):
        read_corpus(path)
