"""Faults of a cluster: nothing wrong is accepted, only unfinished work is repeated, results are those of a quiet run.

Each test compares every byte of the results with those of a run on one machine that nothing disturbed, and the jobs
that Slurm was given with those that were left.
"""

from __future__ import annotations

from fathom.io.manifests import read_manifest
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import TARGET, run_on
from tests.cluster.faults import TWO_NODES, go_on, running, work_of
from tests.workflow.faults import contents
from tests.workflow.project import Project

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
    assert contents(project) == undisturbed
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
            repeated = run.hold("1-of-2", writers=2)
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
    assert contents(project) == undisturbed


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
    assert contents(project) == undisturbed


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
    assert contents(project) == undisturbed


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
            repeated = second.hold("1-of-2", writers=2)
            go_on(orphan)
            second.wait_until(lambda: cluster.jobs()[place].state == "COMPLETED", "the first job ends")
            # The store of the first job is there with its own manifest: whole, whoever made it.
            assert read_manifest(folder / "1-of-2.manifest.json", "activations")["store"] == "1-of-2.zarr.zip"
            go_on(repeated)
            done = second.end()
    assert done.code == 0, done.output
    assert contents(project) == undisturbed
    assert run_on(cluster, project, TARGET, *TWO_NODES).jobs == []
