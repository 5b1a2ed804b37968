"""A table of labelled texts to a curve over depth: a real run of a config that names the table and nothing else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.workflow.project import ROOT, Project

from fathom import read_results
from fathom.io.tables import read_table
from fathom.probes.layer_choice import CHOICES

MOODS = {"good": "joy happy sunny lovely", "bad": "woe angry rainy awful"}
PLACES = ("river", "church", "dog", "table", "song", "tree", "bird", "road", "ship", "wall")
CONFIG: dict[str, Any] = {
    "models": {"tiny": {"source": "path", "path": "tiny", "label": "Tiny"}},
    "corpora": {"moods": {"kind": "file", "path": "mine.csv", "labels": ["mood", "score"], "group": "writer"}},
    "activations": {"device": "cpu"},
    "metrics": {"only": ["dataset_entropy"], "dataset_entropy": {"samples": 100}},
    "uncertainty": {"bootstrap": 100},
}


def moods() -> pd.DataFrame:
    """Forty texts of twenty writers; one text without a mood, and one that repeats another writer's."""
    rows: list[dict[str, Any]] = []
    for at in range(40):
        mood = ("good", "bad")[at % 2]
        word = MOODS[mood].split()[at // 2 % 4]
        text = f"{PLACES[at % 10]} {at} was {word} by the {PLACES[(at // 4 + 3) % 10]} of {PLACES[at // 8]} {at * 7}"
        rows.append({"text": text, "mood": mood, "writer": f"w{at // 2}", "score": at * 0.37 % 5})
    rows[7]["mood"] = ""
    rows[30]["text"] = rows[4]["text"].upper() + " !"
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def made(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that was run once."""
    project = unmade(prepared, tmp_path_factory.mktemp("labelled") / "project", moods())
    project.run()
    return project


def unmade(prepared: Project, folder: Path, table: pd.DataFrame) -> Project:
    shutil.copytree(prepared.folder / "tiny", folder / "tiny")
    table.to_csv(folder / "mine.csv", index=False)
    (folder / "mine.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    return Project(folder)


def test_every_label_has_a_curve_with_its_controls(made: Project) -> None:
    curves = read_table(made.folder / "results/probes/tiny/moods.layers.parquet")
    main = curves[(curves["control"] == "") & (curves["selection"] == "fixed") & (curves["sinks"] == "with")]
    for label, measure, texts in (("mood", "balanced_accuracy", 39), ("score", "r", 40)):
        curve = main[(main["label"] == label) & (main["measure"] == measure)]
        assert curve["layer"].tolist() == [0, 1, 2, 3]
        assert (
            curve[["score", "low", "high", "chance", "p_family_wise", "peak_low", "peak_high"]].notna().all(axis=None)
        )
        assert (curve["peak"].sum(), set(curve["texts"]), set(curve["groups"])) == (1, {texts}, {19})
    assert set(curves["control"]) == {"", "shuffled", "static", "surface", "length", "first_word"}
    assert (made.folder / "results/probes/tiny-random/moods.layers.parquet").is_file()
    assert curves.loc[curves["control"] == "surface", "gap_low"].notna().all()


def test_the_figure_says_what_was_left_out_joined_and_told_by_the_surface(made: Project) -> None:
    text = (made.folder / "results/figures/moods-tiny.txt").read_text(encoding="utf-8")
    assert "mood: 2 classes (good 20, bad 19); 39 texts, 1 without a value left out." in text
    assert (
        "2 of 40 texts are equal (2) or nearly equal (0) to one of another group; each is in one group with it." in text
    )
    assert "words in a bag (tf-idf)" in text
    assert (made.folder / "results/figures/probe-summary.csv").is_file()
    leaks = pd.read_csv(made.folder / "results/corpora/moods.leaks.csv")
    assert leaks[["text", "near_text", "share", "joined"]].to_numpy().tolist() == [
        ["row-5", "row-31", 1.0, True],
        ["row-31", "row-5", 1.0, True],
    ]
    assert made.planned() == []


@pytest.fixture(scope="module")
def across(made: Project) -> Project:
    """The same project, whose labels are also tested on another table, with what is kept of the probes."""
    other = moods()
    words = [MOODS[("good", "bad")[at % 2]].split()[at % 4] for at in range(len(other))]
    other["text"] = [
        f"Yesterday {word} news number {at + 500} came from {PLACES[at % 10]} {at * 3} over {at * 11}"
        for at, word in enumerate(words)
    ]
    other.loc[3, "text"] = str(moods()["text"].iloc[9])
    other.to_csv(made.folder / "other.csv", index=False)
    config = CONFIG | {
        "corpora": CONFIG["corpora"]
        | {"other": {"kind": "file", "path": "other.csv", "labels": ["mood", "score"], "measured": False}},
        "probes": {
            "moods": {
                "corpus": "moods",
                "test": "other",
                "labels": ["mood", "score"],
                "positions": ["mean"],
                "estimators": ["ridge"],
                "keep_directions": True,
            }
        },
    }
    (made.folder / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    made.run()
    return made


def test_probes_are_tested_on_another_table(across: Project) -> None:
    curves = read_table(across.folder / "results/probes/tiny/moods.layers.parquet")
    outside = curves[(curves["control"] == "transfer") & (curves["label"] == "mood") & (curves["sinks"] == "with")]
    # One text of the 39 that have a mood is a training text.
    assert (set(outside["texts"]), set(outside["texts_known"]), set(outside["test_corpus"])) == ({38}, {1}, {"other"})
    assert outside[["score", "low", "high", "gap", "gap_low", "gap_high"]].notna().all(axis=None)
    choices = read_table(across.folder / "results/probes/tiny/moods.choices.parquet")
    assert set(choices["choice"]) == set(CHOICES)
    assert set(choices["control"]) == {"", "transfer"}
    said = (across.folder / "results/figures/moods-tiny.txt").read_text(encoding="utf-8")
    assert "mood, tested on other (38 texts, 1 left out that the training texts give away)" in said
    assert "layer chosen by inner folds" in said
    assert "Sink tokens: norm above 20 times" in said


def test_what_classes_are_taken_for_and_when_texts_are_told_is_written(across: Project) -> None:
    told = pd.read_csv(across.folder / "results/figures/moods-tiny-told.csv")
    assert set(told["label"]) == {"mood"}
    assert told["words"].str.contains("was", case=False).all()
    cells = pd.read_csv(across.folder / "results/figures/moods-tiny-confusion.csv")
    assert cells.groupby(["sinks", "class"])["share"].sum().round(9).eq(1).all()


def test_the_example_of_directions_runs(across: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/probes.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(across.folder)
    names: dict[str, Any] = {}
    exec(example.replace("smollm2-135m", "tiny"), names)
    assert names["score"].shape == (1,)
    assert names["of_tokens"].ndim == 1
    # A score is linear in the states, so that of the mean is the mean of those of the tokens.
    np.testing.assert_allclose(names["of_tokens"].mean(), names["score"][0], rtol=1e-4)


def test_all_summaries_are_in_one_frame(across: Project) -> None:
    frame = read_results(across.folder / "results")
    assert set(frame["choice"]) == {"", *CHOICES}
    assert set(frame["test_corpus"]) == {"", "other"}
    assert frame.loc[frame["choice"] == "", "layer"].notna().all()
    # What is chosen among the layers is no point of a curve.
    assert (frame["control"] == "choice").equals(frame["choice"] != "")


def test_other_classes_in_the_table_of_the_test_are_refused_before_any_model_runs(
    prepared: Project, tmp_path: Path
) -> None:
    project = unmade(prepared, tmp_path / "project", moods())
    other = moods()
    other.loc[6, "mood"] = "odd"
    other.to_csv(project.folder / "other.csv", index=False)
    config = CONFIG | {
        "corpora": CONFIG["corpora"] | {"other": {"kind": "file", "path": "other.csv", "labels": ["mood"]}},
        "probes": {"moods": {"corpus": "moods", "test": "other", "labels": ["mood"], "positions": ["mean"]}},
    }
    (project.folder / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = project.run(check=False)
    (said,) = {line for line in (done.stdout + done.stderr).splitlines() if "fathom: error" in line}
    assert "corpus other: other.csv: column 'mood', row 7: 'odd' is no class of corpus moods; expected the same" in said
    assert not (project.folder / "results/activations").exists()


def test_a_class_that_a_fold_would_lack_is_refused_before_any_model_runs(prepared: Project, tmp_path: Path) -> None:
    table = moods()
    table.loc[12, "mood"] = "odd"
    done = unmade(prepared, tmp_path / "project", table).run(check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "fathom: error" in line]
    assert said, done.stderr
    assert "mine.csv: column 'mood': 'odd' is in 1 of 19 groups" in said[0]
    assert "(row 13), fewer than 5 folds" in said[0]
    assert not (tmp_path / "project/results/activations").exists()
