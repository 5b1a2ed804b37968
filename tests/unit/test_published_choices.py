"""Averages and choices of layers against the numbers that Skean et al. 2025 published, where their file is at hand.

Their files have no licence, so that they are no part of this project. The environment variable FATHOM_SKEAN2025 names
the file; without it, it is looked for beside the project.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fathom.statistics.layer_choice import layer_choices, mean_over_tasks
from fathom.statistics.task_scores import BEST, LAST, ORACLE

FILE = Path(os.environ.get("FATHOM_SKEAN2025", "../shared/reference/skean2025.json"))
EN_EN, AS_PUBLISHED = "mean_STS17_en-en", "mean_index0"


@pytest.fixture(scope="module")
def published(root: Path) -> dict[str, Any]:
    path = root / FILE
    if not path.is_file():
        pytest.skip(f"{FILE}: the published numbers are not at hand; FATHOM_SKEAN2025 names their file")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def layer_means(published: dict[str, Any], model: str, form: str, *, tasks: int = 32) -> pd.Series[float]:
    """Published mean of every layer that has so many tasks at least."""
    layers = published["mteb_layer_mean"][model]
    # `layer_24_last` and the like are other files of the last layer.
    numbers = {int(name.removeprefix("layer_")): facts for name, facts in layers.items() if name[6:].isdigit()}
    return pd.Series({at: facts[form] for at, facts in sorted(numbers.items()) if facts["n_tasks"] >= tasks})


@pytest.fixture(scope="module")
def pythia(published: dict[str, Any]) -> pd.DataFrame:
    """Scores of Pythia-410M, 32 tasks at 25 layers, with STS17 in English."""
    scores = pd.DataFrame(published["pythia410m_task_layer_scores_STS17_en-en"]).T
    assert scores.shape == (32, 25)
    return scores


def test_choices_for_pythia_410m(pythia: pd.DataFrame) -> None:
    found = layer_choices(pythia, {}, samples=200, level=0.95, seed=0).set_index("choice")
    assert found.loc[BEST, "score"] == pytest.approx(0.5196, abs=5e-5)
    assert found.loc[BEST, "layer"] == 17
    assert found.loc[LAST, "score"] == pytest.approx(0.4681, abs=5e-5)
    assert found.loc[ORACLE, "score"] == pytest.approx(0.5342, abs=5e-5)
    assert found.loc[ORACLE, "better"] == 32
    # Every fixed layer just past the middle beats what the paper's best metric chooses (.4978 on 29 of the tasks).
    assert (found.loc[[f"layer {layer}" for layer in range(13, 22)], "score"] > 0.4978).all()


def test_means_of_layers_are_the_published_ones(published: dict[str, Any], pythia: pd.DataFrame) -> None:
    means = mean_over_tasks(pythia)
    said = layer_means(published, "Pythia/410m/main", EN_EN)
    assert means.to_numpy() == pytest.approx(said.reindex(range(25)).to_numpy(), abs=2e-5)
    as_published = layer_means(published, "Pythia/410m/main", AS_PUBLISHED)
    assert as_published[24] == pytest.approx(0.4548, abs=5e-5)


def test_llm2vec_is_best_at_another_score_over_31_tasks_than_over_32(published: dict[str, Any]) -> None:
    model = "LLM2Vec-mntp-unsup-simcse/8B/main"
    complete = layer_means(published, model, AS_PUBLISHED, tasks=32)
    assert complete.max() == pytest.approx(0.6569, abs=5e-5)
    assert published["mteb_layer_mean"][model]["layer_32_last"][AS_PUBLISHED] == pytest.approx(0.6393, abs=5e-5)
    assert layer_means(published, model, AS_PUBLISHED, tasks=31).max() == pytest.approx(0.6633, abs=5e-5)


def test_means_over_different_tasks_are_refused(pythia: pd.DataFrame) -> None:
    lacking = pythia.copy()
    lacking.loc["STS17", 24] = float("nan")
    with pytest.raises(ValueError, match="no score of STS17"):
        mean_over_tasks(lacking)
