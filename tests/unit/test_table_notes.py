"""Captions say how a model read the texts, and why there are values that a table has not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fathom.figures.job import Table
from fathom.figures.table_notes import table_notes as all_notes
from fathom.io.tables import read_table, write_table
from fathom.store.reading import reading_notes


def of(content: str, **more: Any) -> Table:
    return Table(model="m", corpus_or_experiment="c", content=content, **more)


def table_notes(tables: list[tuple[Table, pd.DataFrame]], titles: dict[str, str]) -> list[str]:
    """All but those on few texts, of which these tables are."""
    return [note for note in all_notes(tables, titles) if "so no interval is drawn" not in note]


def test_few_texts_are_said() -> None:
    said = ["m on c: 9 texts, fewer than 10, so no interval is drawn."]
    assert all_notes([(of("a"), rows([[1.0]] * 9))], {}) == said
    assert all_notes([(of("a"), rows([[1.0]]).assign(text=None, texts=9))], {}) == said
    assert all_notes([(of("a"), rows([[1.0]] * 10))], {}) == []


def rows(values: list[list[float]], reason: str = "no angle (3 tokens)") -> pd.DataFrame:
    texts, layers = np.shape(values)
    frame = pd.DataFrame(
        {
            "text": np.repeat([f"t{at}" for at in range(texts)], layers),
            "view": "original",
            "site": "residual",
            "layer": np.tile(range(layers), texts),
            "preparation": "none",
            "sinks": "with",
            "value": np.ravel(values),
        }
    )
    reasons = [reason if missing else None for missing in frame["value"].isna()]
    frame["reason"] = pd.Series(reasons, dtype=object)
    return frame


def test_reasons_stand_once_with_their_layers_and_texts() -> None:
    table = rows([[np.nan, 1.0, 2.0], [np.nan, np.nan, 2.0], [1.0, 1.0, 1.0]])
    table.loc[0, "reason"] = "no angle (5 tokens)"
    titles = {"curvature": "Curvature"}
    assert table_notes([(of("curvature"), table)], titles) == [
        "Curvature, m on c: 2 of 3 texts have no value at layers 0 to 1 (no angle (5 tokens))."
    ]
    without = table.assign(sinks="without")
    without["value"], without["reason"] = without["value"].fillna(0.0), None
    assert table_notes([(of("curvature"), without)], titles) == []
    both = pd.concat([without.assign(sinks="with"), table.assign(sinks="without")])
    assert table_notes([(of("curvature"), both)], titles)[0].startswith(
        "Curvature, m on c, without sink tokens: 2 of 3"
    )


def test_a_metric_of_the_corpus_has_no_value_at_some_layers() -> None:
    table = rows([[np.nan, 1.0, np.nan]], "2 texts, expected at least 3").assign(text=None)
    assert table_notes([(of("lidar"), table)], {}) == [
        "lidar, m on c: no value at 2 of 3 layers (2 texts, expected at least 3)."
    ]


def test_how_the_texts_were_read_travels_with_a_table(tmp_path: Path) -> None:
    shard = {"texts": 4, "truncated": 3, "longest": 12, "doubled_start": {"count": 1, "first": "a", "token": "<s>"}}
    other = {"texts": 4, "truncated": 1, "longest": 12, "doubled_start": None, "notes": ["every text ran alone"]}
    notes = reading_notes([shard, other])
    assert notes[0] == "4 of 8 texts cut at 12 tokens"
    assert notes[1].startswith("1 of 8 texts begin with two start tokens <s> (first: a)")
    assert notes[2] == "every text ran alone"
    left_out = {"texts": 4, "settings": {"activations": {"start_token": "left_out"}}}
    assert reading_notes([left_out]) == ["start token left out, whatever the tokenizer does"]
    write_table(rows([[1.0]]), tmp_path / "t.parquet", notes)
    table = read_table(tmp_path / "t.parquet")
    assert table_notes([(of("a"), table), (of("b"), table)], {}) == [f"m on c: {note}." for note in notes]
    assert table_notes([(of("a", control="random"), table)], {})[0].startswith("m with random weights on c: 4 of 8")
