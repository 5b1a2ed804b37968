"""Repeated texts are found on their tokens, counted, and left out of metrics of neighbours and of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tests.extraction import extracted, job, prepared
from tests.measures import measure, only
from tests.tiny import SENTENCES

from fathom.figures.job import Table
from fathom.figures.table_notes import table_notes
from fathom.io.corpus_table import read_corpus, write_corpus
from fathom.metrics.corpus_tables import make_tables
from fathom.metrics.job import MetricJob
from fathom.metrics.repeats import first_of_repeats
from fathom.statistics.layer_curves import summarise_metric
from fathom.store.reader import Activations


def test_a_repeat_is_of_one_view() -> None:
    tokens = [np.array(ids, dtype=np.int32) for ids in ([1], [1, 2], [1], [1], [3], [1])]
    assert first_of_repeats(tokens, [np.array([0, 1, 2])]).tolist() == [True, True, False]
    assert first_of_repeats(tokens, [np.array([3, 4, 5])]).tolist() == [True, True, False]
    assert first_of_repeats(tokens, [np.array([0, 1, 4]), np.array([2, 3, 5])]).tolist() == [True, False, False]


def measured_texts(folder: Path, bert: Path, rows: list[dict[str, Any]]) -> tuple[Activations, pd.DataFrame]:
    folder.mkdir()
    path = folder / "texts.parquet"
    write_corpus(pd.DataFrame(rows), path, "texts")
    manifest = extracted(prepared(bert, folder), path, job(positions=["mean"]))
    return Activations([manifest]), read_corpus(path)


def test_repeated_texts_are_no_neighbours_and_no_pairs(bert: Path, tmp_path: Path) -> None:
    """They are found on the tokens, once for all layers, in any of the views that are compared."""
    rows = [
        {
            "id": f"t{at}",
            "text": f"{sentence} {SENTENCES[(at + at // 5) % 5][:40]}" + " the sea" * view,
            "view": ("original", "view-01")[view],
            "group": f"g{at}",
            "label.old": "yes" if at % 2 else "no",
        }
        for view in range(2)
        for at, sentence in enumerate([*SENTENCES, *SENTENCES])
    ]
    plain = measured_texts(tmp_path / "plain", bert, rows)
    again = {"group": "again", "label.old": "no"}
    more = [
        {**rows[0], **again, "id": "a", "text": rows[0]["text"].upper()},  # the tokenizer lowers letters
        {**rows[3], **again, "id": "b"},
        {**rows[len(rows) // 2], **again, "id": "a", "text": "one of its own"},
        {**rows[len(rows) // 2 + 3], **again, "id": "b"},
    ]
    repeated = measured_texts(tmp_path / "repeated", bert, [*rows, *more])
    texts = len(rows) // 2
    measures = [
        measure("intrinsic_dimension", "rows"),
        measure("label_overlap", "none", label="old"),
        measure("infonce", "rows"),
        measure("neighbourhood_overlap", "none"),
        measure("dataset_entropy", "none"),
    ]
    told = {"model": "tiny", "corpus": "texts", "level": 0.9, "bootstrap": 100, "seed": 0}
    metric_job = MetricJob.model_validate({**told, "measured": [one.settings for one in measures]})
    expected, found = (make_tables(*one, measures, metric_job, 1) for one in (plain, repeated))
    for one in measures:
        table = found[one.name]
        if one.name == "dataset_entropy":
            assert set(table["texts"]) == {texts + 2}
            assert set(table["repeats"]) == {0}
            continue
        for view in set(table["view"]):
            # The second view of the first text that repeats another is one of its own.
            repeats = 1 if view == "view-01" else 2
            assert set(only(table, view=view)["repeats"]) == {repeats}
            if repeats == 2:
                own, without = (only(rows, view=view)["value"] for rows in (table, expected[one.name]))
                np.testing.assert_allclose(own, without, rtol=2e-4)
    dimension = found["intrinsic_dimension"]
    of = Table(model="m", corpus_or_experiment="c", content="intrinsic_dimension")
    counts = f"2 of {texts + 2} texts"
    assert table_notes([(of, dimension)], {})[0] == (
        f"m on c: {counts} repeat another one token for token and are left out."
    )
    curve = summarise_metric(only(dimension, variant="all texts"), samples=10, level=0.9, seed=0)
    assert set(curve["left_out"]) == {1, 2}
