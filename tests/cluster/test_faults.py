"""Faults of a cluster: nothing wrong is accepted, only unfinished work is repeated, results are those of a quiet run.

Each test compares every byte of the results with those of a run on one machine that nothing disturbed, and the jobs
that Slurm was given with those that were left.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from fathom.io.manifests import read_manifest
from fathom.provenance.records import read_record
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import Submitted, logs_of, run_on
from tests.cluster.faults import go_on, running, wrong_clock
from tests.workflow.faults import contents, make_room
from tests.workflow.project import Project

TARGET = "results/metrics/tiny/random/dataset_entropy.parquet"
SHARDS = ("1-of-2", "2-of-2")
# Small batches: an extraction takes some seconds, so that a test can hold it in the middle.
LONG = {"corpora": {"random": {"texts": 2400, "tokens": 60}}, "activations": {"shards": 2, "token_budget": 240}}
HOUR = 3600
THREADS = 8  # what the rules ask for
TWO_NODES = ("--set-resources", "activations:slurm_partition=cpu")


@pytest.fixture(scope="module")
def begun(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which everything before extraction is made. Copy it before running it."""
    project = prepared.copy(tmp_path_factory.mktemp("begun") / "project")
    project.configure(LONG)
    project.run("results/activations/tiny/random/shards.json", cores=THREADS)
    return project


@pytest.fixture(scope="module")
def undisturbed(begun: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the results of a run on one machine that nothing disturbed."""
    project = begun.copy(tmp_path_factory.mktemp("undisturbed") / "project")
    project.run(TARGET, cores=THREADS)
    return contents(project)


@pytest.fixture
def project(begun: Project, tmp_path: Path) -> Project:
    """A project of the test's own in which everything before extraction is made."""
    return begun.copy(tmp_path / "project")


def work_of(run: Submitted) -> list[tuple[str, str, int]]:
    """What a run gave to Slurm: the shard or rule, how it ended, how often Slurm started it again."""
    return sorted(
        (next((shard for shard in SHARDS if shard in job.comment), "metrics"), job.state, job.restarts)
        for job in run.jobs
    )


def check_results(project: Project, expected: dict[str, str]) -> None:
    """Results are those of an undisturbed run, and nothing half-written lies about."""
    assert contents(project) == expected


# Machines ------------------------------------------------------------------------------------------------------------


def test_a_node_that_dies_costs_its_own_job_only(
    cluster: Cluster, project: Project, undisturbed: dict[str, str]
) -> None:
    with running(cluster, project, TARGET, *TWO_NODES) as run:
        run.hold("1-of-2")
        node = run.job_of("1-of-2").nodes
        cluster.kill_node(node)
        try:
            run.wait_until(lambda: run.job_of("1-of-2").restarts == 1, "Slurm puts the job back into the queue")
        finally:
            cluster.start_node(node)
        done = run.end()
    assert done.code == 0, done.output
    assert work_of(done) == [("1-of-2", "COMPLETED", 1), ("2-of-2", "COMPLETED", 0), ("metrics", "COMPLETED", 0)]
    check_results(project, undisturbed)
    assert run_on(cluster, project, TARGET, *TWO_NODES).jobs == []


def test_a_job_that_outlives_its_slurmd_spoils_nothing(
    cluster: Cluster, project: Project, undisturbed: dict[str, str]
) -> None:
    """Slurm takes the node for dead and starts the job on another one, while the first start still writes."""
    with running(cluster, project, TARGET, *TWO_NODES) as run:
        orphan = run.hold("1-of-2")
        node = run.job_of("1-of-2").nodes
        cluster.kill_slurmd(node)
        try:
            repeated = run.hold("1-of-2", drafts=2)
            assert run.job_of("1-of-2").nodes != node
            go_on(orphan)
            run.wait_until(lambda: not orphan.is_running(), "the first start ends")
            assert run.process.poll() is None
            go_on(repeated)
            done = run.end()
        finally:
            cluster.start_node(node)
            cluster.wait_for(lambda: cluster.node_state(node) == "IDLE", f"{node} is back")
    assert done.code == 0, done.output
    assert work_of(done) == [("1-of-2", "COMPLETED", 1), ("2-of-2", "COMPLETED", 0), ("metrics", "COMPLETED", 0)]
    check_results(project, undisturbed)


def test_a_controller_that_is_away_for_a_while_costs_nothing(
    cluster: Cluster, project: Project, undisturbed: dict[str, str]
) -> None:
    with running(cluster, project, TARGET, *TWO_NODES, "--verbose") as run:
        held = run.hold("1-of-2")
        asked = run.output.count("could not check status")
        cluster.kill_controller()
        try:
            # Without a setting for it the plugin asks five times and then forgets the jobs.
            run.wait_until(lambda: run.output.count("could not check status") > asked + 6, "Snakemake has asked")
            go_on(held)
        finally:
            cluster.start_controller()
        done = run.end()
    assert done.code == 0, done.output
    assert work_of(done) == [("1-of-2", "COMPLETED", 0), ("2-of-2", "COMPLETED", 0), ("metrics", "COMPLETED", 0)]
    check_results(project, undisturbed)


# Processes -----------------------------------------------------------------------------------------------------------


def test_a_killed_extraction_is_repeated_alone(cluster: Cluster, project: Project, undisturbed: dict[str, str]) -> None:
    with running(cluster, project, TARGET, *TWO_NODES) as run:
        run.hold("1-of-2").kill()
        done = run.end()
    assert done.code == 0, done.output
    assert work_of(done) == [
        ("1-of-2", "COMPLETED", 0),
        ("1-of-2", "FAILED", 0),
        ("2-of-2", "COMPLETED", 0),
        ("metrics", "COMPLETED", 0),
    ]
    check_results(project, undisturbed)


def test_jobs_of_a_killed_snakemake_do_not_mix_with_those_of_the_next_one(
    cluster: Cluster, project: Project, undisturbed: dict[str, str]
) -> None:
    folder = project.folder / "results/activations/tiny/random"
    with running(cluster, project, TARGET, *TWO_NODES) as first:
        orphan = first.hold("1-of-2")
        place = first.before + [job.number for job in first.jobs].index(first.job_of("1-of-2").number)
        first.wait_until(lambda: first.job_of("2-of-2").state == "COMPLETED", "the other shard is finished")
        first.kill()
        project.run("--unlock")
        with running(cluster, project, TARGET, *TWO_NODES) as second:
            repeated = second.hold("1-of-2", drafts=2)
            go_on(orphan)
            second.wait_until(lambda: cluster.jobs()[place].state == "COMPLETED", "the first job ends")
            # The store of the first job is there with its own manifest: whole, whoever made it.
            assert read_manifest(folder / "1-of-2.manifest.json", "activations")["store"] == "1-of-2.zarr.zip"
            go_on(repeated)
            done = second.end()
    assert done.code == 0, done.output
    check_results(project, undisturbed)
    assert run_on(cluster, project, TARGET, *TWO_NODES).jobs == []


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
    check_results(project, undisturbed)


def test_a_job_that_takes_too_much_memory_gets_more(
    cluster: Cluster, project: Project, undisturbed: dict[str, str]
) -> None:
    too_little = "activations:mem_mb=300 if attempt == 1 else 3000"
    done = run_on(cluster, project, TARGET, "--set-resources", too_little, "activations:slurm_partition=cpu")
    states = {(job.state, job.memory_mb) for job in done.jobs if "of-2" in job.comment}
    # FAILED is what Slurm calls it that looks itself; with control groups it is OUT_OF_MEMORY.
    assert states == {("FAILED", 300), ("COMPLETED", 3000)}
    assert "exceeded memory limit" in logs_of(project)
    check_results(project, undisturbed)


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
    check_results(project, undisturbed)
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
    check_results(project, undisturbed)


def manifest_of(project: Project, shard: str) -> Path:
    """The manifest of a shard."""
    return project.folder / f"results/activations/tiny/random/{shard}.manifest.json"


def hours_ahead(project: Project, shard: str) -> tuple[str, int]:
    """The node that made a shard, and how many hours ahead it dated the log: Snakemake dates results anew."""
    record = read_record(manifest_of(project, shard).with_name(f"{shard}.record.json"))
    log = project.folder / f"logs/activations/tiny/random/{shard}.log"
    return record.content["machine"]["host"], round((log.stat().st_mtime - time.time()) / HOUR)
