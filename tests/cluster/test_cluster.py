"""The cluster of these tests itself: what it starts, it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.cluster.cluster import Cluster, Node

ONE = (Node("lone1", "cpu"),)


def left(folder: Path) -> list[str]:
    """Processes, network devices and mounts of a cluster in `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and any(
                word in " ".join([*process.cmdline(), process.environ().get("SLURM_CONF", "")])
                for word in (str(folder), "slurmd -D -N lone1")
            ):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:  # it ended while we looked, or is the kernel's
            continue
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    found += [line for line in links.splitlines() if "lone1" in line]
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    return found + [line for line in mounts.splitlines() if str(folder) in line]


def test_a_node_and_the_controller_are_killed_and_come_back(tmp_path: Path) -> None:
    with Cluster(tmp_path / "cluster", ONE) as cluster:
        assert left(tmp_path)
        cluster.kill_node("lone1")
        cluster.wait_for(lambda: cluster.node_state("lone1").startswith("DOWN"), "the node is down")
        cluster.kill_controller()
        cluster.start_controller()
        cluster.start_node("lone1")
        cluster.wait_for(lambda: cluster.node_state("lone1") == "IDLE", "the node is back")
        cluster.start()  # nothing to be done
    cluster.stop()
    assert left(tmp_path) == []


def test_nothing_is_left_of_a_cluster_whose_process_was_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.cluster.cluster import Cluster, Node\n"
        "with Cluster(Path(sys.argv[1]) / 'cluster', (Node('lone1', 'cpu'),)) as cluster:\n"
        "    print('up', flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        assert left(tmp_path)
        os.kill(owner.pid, signal.SIGKILL)
    Cluster(tmp_path / "other", ONE).wait_for(lambda: left(tmp_path) == [], "everything has ended")
