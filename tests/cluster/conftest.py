"""A cluster that all tests of this folder share, and a project whose jobs it runs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.cluster import OWN_SPACES, Cluster, Job
from tests.workflow.conftest import prepared
from tests.workflow.faults import contents, small_disk
from tests.workflow.project import ROOT, Project

__all__ = ["prepared"]

PROFILE = ROOT / "workflow/profiles/slurm"
# Without accounting, and without the 40 seconds that are kind to a cluster of thousands of users.
STATUS = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"]
GENERIC = ["--seconds-between-status-checks", "1"]
ASKING = [sys.executable, "-P", str(Path(__file__).with_name("asking.py"))]

TARGET = "results/metrics/tiny/random/dataset_entropy.parquet"
THREADS = 8  # what the rules ask for
# Small batches: an extraction takes some seconds, so that a test can hold it in the middle.
LONG = {"corpora": {"random": {"texts": 2400, "tokens": 60}}, "activations": {"shards": 2, "token_budget": 240}}


@dataclass
class Submitted:
    """A finished run of Snakemake: what it said, and the jobs that it gave to the cluster."""

    code: int
    output: str
    jobs: Sequence[Job]


def command_on_cluster(project: Project, *arguments: str, profile: Path = PROFILE) -> list[str]:
    """The command line of a run whose jobs go to the cluster."""
    command = project.command(*arguments)
    cores = command.index("--cores")
    command[cores : cores + 2] = ["--profile", str(profile), *(STATUS if profile == PROFILE else GENERIC)]
    return [*ASKING, *command[command.index("snakemake") + 1 :]]


def variables_on_cluster(cluster: Cluster, project: Project) -> dict[str, str]:
    """Environment of such a run: there is no accounting."""
    path = os.pathsep.join([str(PROFILE / "without-accounting"), cluster.environment["PATH"]])
    return {**project.variables(), "PATH": path, "SLURM_CONF": cluster.environment["SLURM_CONF"]}


def run_on(
    cluster: Cluster,
    project: Project,
    *arguments: str,
    profile: Path = PROFILE,
    inside: Sequence[str] = (),
    check: bool = True,
) -> Submitted:
    """Run a project's jobs on the cluster; `inside` is a command line to run Snakemake with."""
    before = len(cluster.jobs())
    done = subprocess.run(
        [
            *inside,
            "env",
            f"--chdir={project.folder}",  # which may be there inside only
            *command_on_cluster(project, *arguments, profile=profile),
        ],
        env=variables_on_cluster(cluster, project),
        cwd=cluster.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    assert not check or done.returncode == 0, done.stdout + logs_of(project)
    return Submitted(done.returncode, done.stdout, cluster.jobs()[before:])


def logs_of(project: Project) -> str:
    """What Slurm wrote down of a project's jobs."""
    logs = sorted((project.folder / "logs/slurm").rglob("*.log"))
    return "\n".join(f"--- {log}\n{log.read_text(encoding='utf-8', errors='replace')}" for log in logs)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes without and one with a GPU; what the login node sees as `shared`, they see as it is on disk."""
    folder = tmp_path_factory.mktemp("cluster")
    with small_disk(folder / "small", "size=256m"), Cluster(folder, shared=folder / "disk") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def small(cluster: Cluster) -> Path:
    """A disk that login node and nodes share, and whose size may be changed."""
    return cluster.folder / "small"


@pytest.fixture(scope="session")
def begun(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which everything before extraction is made. Copy it before running it."""
    project = prepared.copy(tmp_path_factory.mktemp("begun") / "project")
    project.configure(LONG)
    project.run("results/activations/tiny/random/shards.json", cores=THREADS)
    return project


@pytest.fixture(scope="session")
def undisturbed(begun: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the results of a run on one machine that nothing disturbed."""
    project = begun.copy(tmp_path_factory.mktemp("undisturbed") / "project")
    project.run(TARGET, cores=THREADS)
    return contents(project)


@pytest.fixture
def project(begun: Project, tmp_path: Path) -> Project:
    """A project of the test's own in which everything before extraction is made."""
    return begun.copy(tmp_path / "project")


def seen_late(cluster: Cluster, seconds: float) -> list[str]:
    """A command line to run a command with, for which files of the nodes appear late in the folder `shared`.

    The view is mounted in a namespace that ends with the command.
    """
    assert cluster.shared is not None
    view = [
        sys.executable,
        str(Path(__file__).with_name("late.py")),
        str(cluster.shared),
        str(cluster.folder / "shared"),
    ]
    mounted = f'mountpoint -q "{cluster.folder / "shared"}"'
    script = f'{shlex.join([*view, str(seconds)])} & until {mounted}; do sleep 0.1; done; "$@"'
    return ["unshare", *OWN_SPACES, "sh", "-c", script, "sh"]
