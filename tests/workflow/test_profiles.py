"""What the profiles make of the default run, by its plan."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.workflow.forked import snakemake
from tests.workflow.project import ROOT, Project, said

MOST = 20  # jobs that a default run may give to a scheduler
GPU_RULES = {"Extracting"}
LOCAL = {"Preparing", "Building", "Bringing", "Listing", "Testing", "Judging", "Taking", "Drawing", "Writing"}
TASKS, MODELS = 5, 2  # of the default run; experiments read its other corpora of their random twins as well
EXTRACTIONS = MODELS * (6 + TASKS) + MODELS * 4
MEASURED = MODELS * (14 + TASKS)
PROBED, SCORED = 2 * MODELS * 4, MODELS * TASKS


def planned(folder: Path, profile: str, *arguments: str) -> str:
    """The plan of the default run with a profile, in a folder where nothing is made yet."""
    place = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(ROOT / "config/config.yaml")]
    words = [*place, "--dry-run", "--directory", str(folder), "--profile", str(ROOT / "workflow/profiles" / profile)]
    done = snakemake([*words, *arguments], folder, Project(folder).variables(), timeout=300)
    assert done.returncode == 0, done.stderr
    return said(done)


@pytest.mark.parametrize("profile", ["slurm", "cluster"])
def test_default_run_submits_few_jobs(tmp_path: Path, profile: str) -> None:
    plan = planned(tmp_path, profile)
    # A group is told with its jobs indented below it; what stands alone and is not local is submitted alone.
    groups = re.split(r"^.*Group job (?=\w+ \(jobs)", plan, flags=re.MULTILINE)[1:]
    grouped = [re.findall(r"^    Job \d+: (\w+)", group, flags=re.MULTILINE) for group in groups]
    alone = re.findall(r"^Job \d+: (\w+)", plan, flags=re.MULTILINE)
    submitted_alone = [message for message in alone if message not in LOCAL]
    assert (
        sum(map(len, grouped)) + len(submitted_alone) == EXTRACTIONS + MEASURED + PROBED + SCORED
    )  # all that is not local
    assert 0 < len(groups) + len(submitted_alone) <= MOST
    for jobs in grouped:  # a GPU is never held by jobs that have no use for it
        assert set(jobs) <= GPU_RULES or not set(jobs) & GPU_RULES


def test_shards_are_submitted_one_by_one(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("activations:\n  shards: 3\n", encoding="utf-8")
    plan = planned(tmp_path, "slurm", "--configfile", str(own))
    # Small jobs before them share submissions.
    assert set(re.findall(r"Group job (\w+)", plan)) == {"cutting"}
    assert len(re.findall(r"^Job \d+: Extracting", plan, flags=re.MULTILINE)) == EXTRACTIONS * 3
