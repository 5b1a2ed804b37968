"""What tests of faults on a cluster share: runs that go on while something happens, and jobs held in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.cluster.cluster import Cluster, Job
from tests.cluster.conftest import Submitted, command_on_cluster, logs_of, variables_on_cluster
from tests.workflow.project import ROOT, Project

SHARDS = ("1-of-2", "2-of-2")
TWO_NODES = ("--set-resources", "activations:slurm_partition=cpu")
PATIENCE = 240.0
"""Seconds until a run must have come to where a test waits for it."""


@dataclass
class Run:
    """A run of Snakemake that goes on."""

    cluster: Cluster
    project: Project
    process: subprocess.Popen[bytes]
    before: int
    log: Path

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def jobs(self) -> Sequence[Job]:
        """What it has submitted so far."""
        return self.cluster.jobs()[self.before :]

    def job_of(self, shard: str) -> Job:
        """The last job of a shard's extraction."""
        return [job for job in self.jobs if shard in job.comment][-1]

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds, while the run goes on."""
        until = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, f"the run ended: {self.output}"
            assert time.monotonic() < until, f"not yet: {what}\n{self.output}{logs_of(self.project)}"
            time.sleep(0.05)

    def hold(self, shard: str, *, writers: int = 1) -> psutil.Process:
        """Stop the extraction of a shard when it has begun to write; so many write then, those that were held too."""
        folder = self.project.folder / "results/activations/tiny/random"
        self.wait_until(lambda: len(list(folder.glob(f"{shard}.zarr.zip.*"))) >= writers, f"{shard} is written")
        (process,) = [
            process
            for process in extractions(self.project, shard)
            if process.status() not in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}
        ]
        process.suspend()
        assert not (folder / f"{shard}.manifest.json").exists(), (
            "it ended before it could be held: more texts are needed"
        )
        return process

    def kill(self) -> None:
        """`kill -9` of Snakemake. Its jobs live on."""
        self.process.kill()
        self.process.wait()

    def end(self) -> Submitted:
        """Wait for the end of the run."""
        code = self.process.wait(timeout=PATIENCE)
        return Submitted(code, self.output, self.jobs)


@contextmanager
def running(cluster: Cluster, project: Project, *arguments: str) -> Iterator[Run]:
    """A run that goes on in the background, and is killed if it has not ended."""
    before = len(cluster.jobs())
    log = project.folder / f"output-{before}.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command_on_cluster(project, *arguments),
            env=variables_on_cluster(cluster, project),
            cwd=project.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    run = Run(cluster, project, process, before, log)
    try:
        yield run
    finally:
        run.kill()
        for job in extractions(project, ""):
            job.kill()


def extractions(project: Project, shard: str) -> list[psutil.Process]:
    """Processes that extract a shard in a project's folder, on whichever node."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            ours = "activations" in words and "--store" in words and process.cwd() == str(project.folder)
            if ours and any(f"/{shard}" in word and word.endswith(".zarr.zip") for word in words):
                found.append(process)
        except psutil.Error:  # it ended while we looked
            continue
    return found


def go_on(process: psutil.Process) -> None:
    """Let a held extraction go on."""
    process.send_signal(signal.SIGCONT)


@contextmanager
def wrong_clock(cluster: Cluster, node: str, project: Project, seconds: int) -> Iterator[None]:
    """The clock of a node is so many seconds ahead, and it dates the files of a project that it writes."""
    behind = project.folder.with_name(f"{project.folder.name}-behind-{node}")
    behind.mkdir()
    place = str(project.folder)
    run_inside(cluster, node, "mount", "--bind", place, str(behind))
    script = Path(__file__).with_name("skewed.py")
    view = ["env", f"PYTHONPATH={ROOT}", sys.executable, str(script), str(behind), place, str(seconds)]
    with subprocess.Popen(cluster.inside(node, *view)) as mounted:
        try:
            cluster.wait_for(lambda: is_view(cluster, node, place), "the skewed view is mounted")
            yield
        finally:
            run_inside(cluster, node, "umount", place)
            mounted.wait()
            run_inside(cluster, node, "umount", str(behind))


def is_view(cluster: Cluster, node: str, place: str) -> bool:
    """Whether a FUSE view is mounted on a node."""
    command = cluster.inside(node, "findmnt", "--noheadings", "--output", "FSTYPE", "--mountpoint", place)
    return "fuse" in subprocess.run(command, capture_output=True, text=True, check=False).stdout


def run_inside(cluster: Cluster, node: str, *command: str) -> None:
    """Run a command on a node."""
    subprocess.run(cluster.inside(node, *command), check=True)


def work_of(run: Submitted) -> list[tuple[str, str, int]]:
    """What a run gave to Slurm: the shard or rule, how it ended, how often Slurm started it again."""
    return sorted(
        (next((shard for shard in SHARDS if shard in job.comment), "metrics"), job.state, job.restarts)
        for job in run.jobs
    )
