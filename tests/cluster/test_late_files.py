"""A shared file system that shows files of the nodes late."""

from __future__ import annotations

from tests.cluster.cluster import Cluster
from tests.cluster.conftest import TARGET, run_on, seen_late
from tests.workflow.project import Project


def test_latency_wait_decides_whether_late_files_are_an_error(cluster: Cluster, prepared: Project) -> None:
    assert cluster.shared is not None
    on_disk = prepared.copy(cluster.shared / "project")
    on_disk.configure({"activations": {"shards": 1}})
    seen = Project(cluster.folder / "shared/project", on_disk.source)
    # Where the login node finds them: the view is mounted for the command only.
    late = run_on(
        cluster, seen, TARGET, "--latency-wait", "1", "--retries", "0", inside=seen_late(cluster, 90), check=False
    )
    assert late.code != 0
    assert "MissingOutputException" in late.output
    assert "Missing files after 1 seconds" in late.output
    assert "results/activations/tiny/random/1-of-1.manifest.json" in late.output
    assert len(late.jobs) == 1
    assert not (on_disk.folder / TARGET).exists()  # nothing was made from what was not there

    patient = run_on(cluster, seen, TARGET, inside=seen_late(cluster, 20))
    assert "Waiting at most 60 seconds for missing files" in patient.output
    # The extraction had finished on its node, and is there by now: only what is left is done.
    assert [(job.state, job.partition) for job in patient.jobs] == [("COMPLETED", "cpu")]
    assert (on_disk.folder / TARGET).exists()
