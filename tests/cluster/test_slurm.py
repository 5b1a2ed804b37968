"""A run on a real Slurm: what goes where, how many jobs, and the same results as on one machine."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards
from tests.cluster.cluster import Cluster, Job
from tests.cluster.conftest import THREADS, Submitted, run_on
from tests.workflow.faults import contents
from tests.workflow.project import Project

# `device: auto` asks for a GPU, and falls to the CPU where the test's node has none. No controls: their jobs take time.
ON_A_CLUSTER = {
    "activations": {"device": "auto", "corpora": {"relations": {"shards": 2}}},
    "probes": {"relations": {"controls": []}},
}

Run = tuple[Project, Submitted]


@pytest.fixture(scope="session")
def cut(cluster: Cluster, prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A project whose corpora are cut into two shards each, run on the cluster."""
    project = prepared.copy(tmp_path_factory.mktemp("cut") / "project")
    project.configure(ON_A_CLUSTER)
    return project, run_on(cluster, project)


@pytest.fixture(scope="session")
def whole(cluster: Cluster, prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A project whose corpora are not cut, as in the default run."""
    project = prepared.copy(tmp_path_factory.mktemp("whole") / "project")
    project.configure({**ON_A_CLUSTER, "activations": {"device": "auto", "shards": 1}})
    return project, run_on(cluster, project)


def of(run: Submitted, name: str) -> list[Job]:
    """Jobs of a rule or group."""
    return [job for job in run.jobs if re.match(rf"(rule|group)_{name}(_|\s|$)", job.comment)]


def test_gpu_rules_go_to_the_gpu_partition_and_no_others(cut: Run) -> None:
    _, run = cut
    extractions = of(run, "activations")
    assert len(extractions) == 4  # two shards of two corpora
    for job in run.jobs:
        assert job.state == "COMPLETED"
        wanted = ("gpu", {"gpu1"}, 1) if job in extractions else ("cpu", {"cpu1", "cpu2"}, 0)
        assert (job.partition, job.gpus) == (wanted[0], wanted[2])
        assert job.nodes in wanted[1]


def test_fetching_and_drawing_stay_on_the_login_node(cut: Run) -> None:
    _, run = cut
    submitted = [len(of(run, rule)) for rule in ("cutting", "activations", "token_metrics", "metrics", "probes")]
    assert submitted == [1, 4, 1, 1, 1]
    assert len(run.jobs) == sum(submitted)
    for rule, count in (("models", 1), ("corpora", 2), ("figures", 5)):
        assert len(re.findall(rf"^Finished jobid: \d+ \(Rule: {rule}\)", run.output, re.MULTILINE)) == count


def test_memory_and_time_are_those_of_the_model_that_was_fetched_meanwhile(
    cut: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, run = cut
    monkeypatch.chdir(project.folder)
    file = project.folder / "mine.yaml"
    config = load_config(yaml.safe_load(file.read_text(encoding="utf-8")), [str(file)])
    results = project.folder / "results"
    corpus = str(results / "corpora/random.parquet")
    manifest = str(results / "models/tiny/manifest.json")
    plan, at = Plan(config), Wildcards(model="tiny", corpus="random")
    expected = plan.activations.resources(at, SimpleNamespace(manifest=manifest, corpus=corpus), THREADS)
    shards = [job for job in of(run, "activations") if "tiny_random" in job.comment]
    assert [(job.memory_mb, job.minutes, job.cpus) for job in shards] == [(*expected, THREADS)] * 2
    manifests = [str(results / f"activations/tiny/random/{shard}-of-2.manifest.json") for shard in (1, 2)]
    (metrics,) = of(run, "token_metrics")
    inputs = SimpleNamespace(manifests=manifests, corpus=corpus)
    assert (metrics.memory_mb, metrics.minutes) == plan.metrics.token_resources(at, inputs, THREADS)


def test_results_are_those_of_one_machine(cut: Run, prepared: Project, tmp_path: Path) -> None:
    project, _ = cut
    alone = prepared.copy(tmp_path / "project")
    alone.configure(ON_A_CLUSTER)
    # A sum over another number of threads may round otherwise. On a node Snakemake gives a job the threads of its rule,
    # or the cores that the machine really has if these are fewer, whatever Slurm is told.
    alone.run(cores=min(THREADS, len(os.sched_getaffinity(0))))
    expected = contents(alone)
    assert len(expected) > 20
    assert contents(project) == expected


def test_second_run_submits_nothing(cluster: Cluster, cut: Run) -> None:
    project, _ = cut
    again = run_on(cluster, project)
    assert "Nothing to be done" in again.output
    assert again.jobs == []


def test_small_jobs_share_a_submission(whole: Run) -> None:
    _, run = whole
    (extraction,) = of(run, "extraction_activations")
    (measuring,) = of(run, "measuring_metrics_probes_token_metrics")
    assert len(run.jobs) == 2
    assert (extraction.partition, extraction.gpus, extraction.cpus) == ("gpu", 1, THREADS)
    assert (measuring.partition, measuring.gpus, measuring.cpus) == ("cpu", 0, THREADS)
    # One after the other: the memory of the largest, and the time of all.
    assert extraction.memory_mb < 5000
    assert extraction.minutes >= 2 * 11
    assert measuring.minutes >= 3 * 11


def test_a_node_reaches_the_controller_and_nothing_else(cluster: Cluster) -> None:
    def works(*command: str) -> bool:
        return subprocess.run(command, env=cluster.environment, capture_output=True, check=False).returncode == 0

    hub = ["python3", "-c", "import socket; socket.create_connection(('huggingface.co', 443), timeout=5)"]
    assert works(*cluster.inside("gpu1", "scontrol", "ping"))
    assert not works(*cluster.inside("gpu1", *hub))
    # 192.0.2.1 is an address for examples: what matters is whether there is a way out at all.
    assert not works(*cluster.inside("gpu1", "ip", "route", "get", "192.0.2.1"))
    assert works("ip", "route", "get", "192.0.2.1")
