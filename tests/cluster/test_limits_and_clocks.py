"""Full disks, little memory and wrong clocks on a cluster; see test_faults.py."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from fathom.provenance.records import read_record
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import LONG, TARGET, logs_of, run_on
from tests.cluster.faults import SHARDS, TWO_NODES, work_of, wrong_clock
from tests.workflow.faults import contents, make_room
from tests.workflow.project import Project

HOUR = 3600

# Room and memory -----------------------------------------------------------------------------------------------------


def test_a_full_disk_is_told_and_only_unfinished_work_is_repeated(
    cluster: Cluster, begun: Project, undisturbed: dict[str, str], small: Path
) -> None:
    project = begun.copy(small / "project")
    folder = project.folder / "results/activations/tiny/random"
    room = 8 << 20  # for logs and Snakemake's own files; a store has more
    make_room(small, f"size={shutil.disk_usage(small).used + room}")
    failed = run_on(cluster, project, TARGET, *TWO_NODES, "--retries", "0", check=False)
    assert failed.code != 0
    assert "the disk is full; nothing was kept, make room and run snakemake again" in failed.output
    kept = [path.name.split(".")[0] for path in folder.glob("*.manifest.json")]
    assert not (project.folder / TARGET).exists()
    make_room(small, "size=256m")
    again = run_on(cluster, project, TARGET, *TWO_NODES)
    left = [shard for shard in SHARDS if shard not in kept]
    assert work_of(again) == [(what, "COMPLETED", 0) for what in (*left, "metrics")]
    assert contents(project) == undisturbed


def test_a_job_that_takes_too_much_memory_gets_more(
    cluster: Cluster, project: Project, undisturbed: dict[str, str]
) -> None:
    too_little = "activations:mem_mb=300 if attempt == 1 else 3000"
    done = run_on(cluster, project, TARGET, "--set-resources", too_little, "activations:slurm_partition=cpu")
    states = {(job.state, job.memory_mb) for job in done.jobs if "of-2" in job.comment}
    # FAILED is what Slurm calls it that looks itself; with control groups it is OUT_OF_MEMORY.
    assert states == {("FAILED", 300), ("COMPLETED", 3000)}
    assert "exceeded memory limit" in logs_of(project)
    assert contents(project) == undisturbed


def test_a_job_that_never_fits_ends_and_its_log_says_why(cluster: Cluster, project: Project) -> None:
    never = "activations:mem_mb=300"
    arguments = ("--set-resources", never, "activations:slurm_partition=cpu", "--retries", "1")
    failed = run_on(cluster, project, "results/activations/tiny/random/1-of-2.manifest.json", *arguments, check=False)
    assert failed.code != 0
    assert [(job.state, job.memory_mb) for job in failed.jobs] == [("FAILED", 300)] * 2
    assert not list((project.folder / "results/activations").rglob("*.manifest.json"))
    assert "exceeded memory limit" in logs_of(project)  # where docs/cluster.md says to look


# Clocks --------------------------------------------------------------------------------------------------------------


def test_a_clock_an_hour_ahead_repeats_nothing_and_hides_no_change(
    cluster: Cluster, project: Project, undisturbed: dict[str, str]
) -> None:
    with wrong_clock(cluster, "cpu1", project, HOUR):
        done = run_on(cluster, project, TARGET, *TWO_NODES)
    assert work_of(done) == [(what, "COMPLETED", 0) for what in (*SHARDS, "metrics")]
    assert contents(project) == undisturbed
    assert sorted(hours_ahead(project, shard) for shard in SHARDS) == [("cpu1", 1), ("cpu2", 0)]
    assert run_on(cluster, project, TARGET, *TWO_NODES).jobs == []
    project.configure({**LONG, "corpora": {"random": {"texts": 2400, "tokens": 60, "seed": 1}}})
    assert project.planned(TARGET) == [
        "Building corpus random",
        "Cutting random into shards for tiny",
        *(f"Extracting tiny on random, shard {shard}" for shard in SHARDS),
        "Measuring dataset_entropy of tiny on random",
    ]


def test_a_clock_an_hour_behind_is_an_error_that_says_so(
    cluster: Cluster, project: Project, undisturbed: dict[str, str]
) -> None:
    """What a node makes would seem older than what it was made from, and would be made anew for ever."""
    with wrong_clock(cluster, "cpu1", project, -HOUR):
        failed = run_on(cluster, project, TARGET, *TWO_NODES, "--retries", "0", "--keep-going", check=False)
    assert failed.code != 0
    assert "has older modification time" in logs_of(project)
    (kept,) = [shard for shard in SHARDS if manifest_of(project, shard).exists()]
    assert hours_ahead(project, kept) == ("cpu2", 0)
    again = run_on(cluster, project, TARGET, *TWO_NODES)
    assert work_of(again) == [(what, "COMPLETED", 0) for what in (*SHARDS, "metrics") if what != kept]
    assert contents(project) == undisturbed


def manifest_of(project: Project, shard: str) -> Path:
    """The manifest of a shard."""
    return project.folder / f"results/activations/tiny/random/{shard}.manifest.json"


def hours_ahead(project: Project, shard: str) -> tuple[str, int]:
    """The node that made a shard, and how many hours ahead it dated the log: Snakemake dates results anew."""
    record = read_record(manifest_of(project, shard).with_name(f"{shard}.record.json"))
    log = project.folder / f"logs/activations/tiny/random/{shard}.log"
    return record.content["machine"]["host"], round((log.stat().st_mtime - time.time()) / HOUR)
