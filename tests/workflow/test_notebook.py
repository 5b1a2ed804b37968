"""What a notebook reads of a finished run: its results as one frame, its states, and the same states of its texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from tests.notebooks import run_notebook
from tests.workflow.project import CONFIG, Project

from fathom import hidden_states, open_activations, read_results
from fathom.io.corpus_table import read_corpus
from fathom.io.tables import read_table


@pytest.fixture(scope="module")
def results(finished: Project) -> Path:
    return finished.folder / "results"


@pytest.fixture(scope="module")
def frame(results: Path) -> pd.DataFrame:
    return read_results(results)


def test_every_metric_and_experiment_is_in_one_frame_with_units(frame: pd.DataFrame) -> None:
    tables = {"token_norms"} if "sinks" in CONFIG["metrics"]["only"] else set()
    assert set(frame["metric"]) == {*CONFIG["metrics"]["only"], *tables, ""}
    assert set(frame["experiment"]) == {"relations", ""}
    assert ((frame["metric"] == "") == (frame["stage"] == "probes")).all()
    units = frame.groupby("metric")["unit"].unique().map(list).to_dict()
    assert units["curvature"] == ["rad"]
    assert units["prompt_entropy"] == ["nats / log min(rows, width)"]
    assert set(units[""]) >= {"balanced accuracy", "AUC"}
    assert set(frame.loc[frame["stage"] == "metrics", "corpus"]) == {"random"}
    assert set(frame.loc[frame["stage"] == "probes", "corpus"]) == {"relations"}
    assert set(frame["model"]) == {"tiny", "tiny-random"}  # names of the config, no titles
    assert frame.loc[frame["choice"] == "", ["layer", "depth", "value"]].notna().all(axis=None)


@pytest.mark.parametrize("metric", CONFIG["metrics"]["only"])
def test_the_frame_holds_the_numbers_of_the_figures(results: Path, frame: pd.DataFrame, metric: str) -> None:
    drawn = pd.read_csv(results / f"figures/{metric}.csv")
    found = frame[(frame["metric"] == metric) & (frame["site"] == "residual")]
    for column in ("layer", "depth", "sinks", "value", "low", "high", "texts"):
        assert found[column].tolist() == drawn[column].tolist(), column


def test_scores_of_probes_are_values_in_the_frame(results: Path, frame: pd.DataFrame) -> None:
    written = read_table(results / "probes/tiny/relations.layers.parquet")
    found = frame[(frame["experiment"] == "relations") & (frame["model"] == "tiny") & (frame["choice"] == "")]
    for column, name in {"score": "value", "p_family_wise": "p", "low": "low", "peak_low": "peak_low"}.items():
        np.testing.assert_array_equal(found[name].astype(float), written[column])


@pytest.fixture
def two_threads() -> Iterator[None]:
    """As many as a job of the workflow has here, whatever other tests of this process have set."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_states_of_the_texts_of_a_run_are_those_that_it_stored_bit_for_bit(project: Project) -> None:
    project.configure({"activations": {"corpora": {"relations": {"positions": ["mean", "spans"]}}}})
    results = project.folder / "results"
    project.run("results/activations/tiny/relations/1-of-1.manifest.json")
    stored = open_activations("tiny", "relations", results=results)
    corpus = read_corpus(results / "corpora/relations.parquet")
    found = hidden_states("tiny", corpus["text"].tolist(), config=project.folder / "mine.yaml", results=results)
    np.testing.assert_array_equal(found, stored)
    assert stored["label.related"].values.tolist() == corpus["label.related"].tolist()


def kinds_shown(notebook: Any) -> list[list[list[str]]]:
    """Kinds of what every cell shows: text, tables, pictures."""
    return [[sorted(output.get("data", {})) for output in cell.get("outputs", [])] for cell in notebook.cells]


def test_the_notebook_in_the_documents_runs_and_shows_what_it_shows(
    finished: Project, results: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "docs/notebook.ipynb"
    monkeypatch.chdir(finished.folder)
    parameters = {"model": "tiny", "corpus": "random", "results": results, "config": "mine.yaml"}
    made, names = run_notebook(path, parameters)
    saved: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    assert kinds_shown(made) == kinds_shown(saved)
    assert sum(cell.cell_type == "code" for cell in made.cells) == 10
    # Its curve is the metric of the workflow.
    values = names["values"]
    np.testing.assert_array_equal(names["own"]["value"], values.mean(axis=0))
    assert values.shape == (len(names["texts"]), 4)
    assert 0 < values.min() <= values.max() <= 1
