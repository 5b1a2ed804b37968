"""The generic profile: any scheduler that has a command to submit a script. Here it is Slurm's own."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.conftest import TARGET, run_on
from tests.workflow.project import ROOT, Project


def test_a_submit_command_is_all_that_a_scheduler_needs(cluster: Cluster, prepared: Project, tmp_path: Path) -> None:
    project = prepared.copy(tmp_path / "project")
    project.configure({"activations": {"shards": 1, "device": "auto"}})
    run = run_on(cluster, project, TARGET, profile=ROOT / "workflow/profiles/cluster")
    assert [job.state for job in run.jobs] == ["COMPLETED"] * 2
    assert [(job.partition, job.gpus) for job in run.jobs] == [("gpu", 1), ("cpu", 0)]
    assert (project.folder / TARGET).exists()
