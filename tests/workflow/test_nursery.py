"""A tiny nursery through Snakemake: cut off, taken up again, measured at its checkpoints, drawn, traced."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.workflow.project import Project, done_jobs, said
from tests.workflow.test_faults import wait_for

WORDS = "the sea and a river of light under every stone that nobody has seen since morning came over hills".split()  # noqa: SIM905 - a sentence
RECIPE: dict[str, Any] = {
    "kind": "llama",
    "text": "lines",
    "apart_from": ["measured"],
    "vocabulary": 300,
    "layers": 2,
    "width": 16,
    "heads": 2,
    "context": 64,
    "batch": 2,
    "steps": 300,
    "warmup": 20,
}
CHANGES: dict[str, Any] = {
    "nursery": {"one": RECIPE, "other": RECIPE},
    "models": {"small": {"source": "nursery", "of": "one", "checkpoints": [0, 16, 300]}},
    "corpora": {
        "lines": {"kind": "file", "path": "lines.txt"},
        "measured": {"kind": "file", "path": "measured.txt"},
    },
    "activations": {"shards": 1},
    "metrics": {"only": ["prompt_entropy", "sinks"]},
    "figures": {
        "losses": {"kind": "losses"},
        "map": {
            "kind": "training",
            "metric": "prompt_entropy",
            "models": ["small"],
            "corpora": ["measured"],
            "claim": "fig4",
        },
    },
}


@pytest.fixture(scope="module")
def nursery(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose first training was killed on its way, and that ran to its end then."""
    project = prepared.copy(tmp_path_factory.mktemp("nursery") / "project")
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(WORDS, size=80)) for _ in range(60)]
    (project.folder / "lines.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    measured = [" ".join(line.split()[:16]) for line in lines[:12]]
    (project.folder / "measured.txt").write_text("\n".join(measured) + "\n", encoding="utf-8")
    project.configure(CHANGES)
    state = project.folder / "results/nursery/.one-unfinished/state.safetensors"
    target = "results/nursery/one/manifest.json"
    with project.background(project.command(target, cores=1)) as run:
        wait_for(state.is_file)
        os.killpg(run.pid, signal.SIGKILL)
    assert not (project.folder / target).exists()
    assert state.is_file()
    project.run("--unlock")
    project.run("--rerun-incomplete")
    return project


def test_a_training_that_was_killed_ends_as_one_that_was_not(nursery: Project) -> None:
    one, other = (nursery.folder / "results/nursery" / name for name in ("one", "other"))
    assert "goes on after step" in (nursery.folder / "logs/nursery/one.log").read_text(encoding="utf-8")
    steps = sorted(path.name for path in one.glob("step-*.safetensors"))
    assert len(steps) == 11
    for name in [*steps, "config.json", "tokenizer.json", "losses.parquet"]:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert not list((nursery.folder / "results/nursery").glob(".*"))


def test_its_losses_fall_and_its_figures_say_so(nursery: Project) -> None:
    losses = pd.read_parquet(nursery.folder / "results/nursery/one/losses.parquet")
    held_out = losses[losses["split"] == "held-out"].sort_values("step")
    assert held_out["loss"].iloc[0] == pytest.approx(np.log(300), rel=0.02)
    assert held_out["loss"].iloc[-1] < held_out["unigram"].iloc[0] < held_out["uniform"].iloc[0]
    caption = (nursery.folder / "results/figures/losses.txt").read_text(encoding="utf-8")
    assert "one ends at" in caption
    assert "without what shares 13 words with measured" in caption
    cells = pd.read_csv(nursery.folder / "results/figures/map.csv")
    assert sorted(cells["step"].unique()) == [0, 16, 300]
    assert sorted(cells["layer"].unique()) == [0, 1, 2]
    assert "small at step 0, 16, 300 (trained here (one), float32)" in (
        nursery.folder / "results/figures/map.txt"
    ).read_text(encoding="utf-8")


def test_it_is_done_and_can_be_traced_and_verified(nursery: Project) -> None:
    assert nursery.planned() == []
    traced = nursery.execute(["fathom", "trace", "results/figures/map.svg"], check=True)
    assert "results/nursery/one" in said(traced)
    nursery.execute(["fathom", "verify", "results"], check=True)


def of_figures(project: Project) -> list[str]:
    """What a dry run would do, without the page that shows all results."""
    return [message for message in project.planned() if not message.startswith("Writing the page")]


def test_another_seed_trains_again_and_another_label_does_not(nursery: Project, tmp_path: Path) -> None:
    project = nursery.copy(tmp_path / "project")
    project.configure(CHANGES | {"nursery": {"one": RECIPE, "other": RECIPE | {"seed": 1}}})
    assert of_figures(project) == ["Drawing losses", "Training other"]
    project.configure(CHANGES | {"models": {"small": {**CHANGES["models"]["small"], "label": "Small"}}})
    assert of_figures(project) == ["Drawing map"]


def test_a_training_that_diverges_ends_in_one_line_and_leaves_nothing(nursery: Project, tmp_path: Path) -> None:
    project = nursery.copy(tmp_path / "project")
    project.configure(CHANGES | {"nursery": {"one": RECIPE, "other": RECIPE | {"learning_rate": 1e5, "warmup": 0}}})
    done = project.run("results/figures/losses.svg", check=False)
    assert done.returncode != 0
    assert done_jobs(done) == ["Training other"]
    lines = [line for line in said(done).splitlines() if "diverged at step" in line]
    assert lines
    assert all("nursery.other: diverged at step" in line and "learning rate" in line for line in lines)
    assert sorted(path.name for path in (project.folder / "results/nursery").iterdir()) == ["one", "one.record.json"]
