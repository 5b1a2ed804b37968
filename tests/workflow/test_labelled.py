"""A table of labelled texts to a curve over depth: a real run of a config that names the table and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tests.workflow.project import Project

from fathom.io.tables import read_table

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


def test_a_class_that_a_fold_would_lack_is_refused_before_any_model_runs(prepared: Project, tmp_path: Path) -> None:
    table = moods()
    table.loc[12, "mood"] = "odd"
    done = unmade(prepared, tmp_path / "project", table).run(check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "fathom: error" in line]
    assert said, done.stderr
    assert "mine.csv: column 'mood': 'odd' is in 1 of 19 groups" in said[0]
    assert "(rows 13), fewer than 5 folds" in said[0]
    assert not (tmp_path / "project/results/activations").exists()
