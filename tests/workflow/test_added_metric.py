"""The example metric of CONTRIBUTING.md: its diff, applied to a copy, goes through Snakemake to a figure."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
from tests.workflow.project import ROOT, Project

FILES = {"src/fathom/metrics/settings.py", "src/fathom/metrics/definitions/mean_norm.py"}


def test_the_metric_of_contributing_becomes_a_figure_and_measures_nothing_else_anew(
    project: Project, tmp_path: Path
) -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (diff,) = re.findall(r"^```diff\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"^\+\+\+ b/(.+)$", diff, flags=re.MULTILINE)) == FILES

    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "apply", "-"], input=diff, text=True, cwd=copy, check=True)
    project = Project(project.folder, copy / "src", dict(project.environment))
    project.configure({"metrics": {"only": ["prompt_entropy", "curvature", "dataset_entropy", "mean_norm"]}})

    planned = project.planned()
    assert "Drawing mean_norm" in planned
    # Metrics of the tokens of a text share one job, so it runs again; no other job of metrics does, and no extraction.
    assert [job for job in planned if not job.startswith("Drawing")] == [
        "Measuring tokens of tiny on random",
        "Writing the page to explore",
    ]

    project.run("results/figures/mean_norm.svg")
    for kind in ("svg", "png", "csv", "txt"):
        assert (project.folder / f"results/figures/mean_norm.{kind}").stat().st_size > 0
    curve = pd.read_csv(project.folder / "results/figures/mean_norm.csv")
    assert (curve["value"] > 0).all()
    caption = (project.folder / "results/figures/mean_norm.txt").read_text(encoding="utf-8")
    assert "Mean token norm (‖z‖ (norm)" in caption
