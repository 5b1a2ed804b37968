"""Faults of machines and of people: nothing wrong is accepted, only unfinished work is repeated, results are the same.

Each test compares every byte of the results with those of a run that nothing disturbed, and the jobs that are repeated
with those that were left.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from tests.workflow.faults import (
    GROUP,
    TARGET,
    UIDS,
    contents,
    little_memory,
    make_room,
    need_root,
    run_as,
    small_disk,
    variables_of,
)
from tests.workflow.project import Project, done_jobs, said

CHANGES = {"corpora": {"random": {"texts": 300, "tokens": 60}}, "activations": {"shards": 2}}
BUILDING, PREPARING = "Building corpus random", "Preparing model tiny"
MEASURING = "Measuring tokens of tiny on random"
EXTRACTING = [f"Extracting tiny on random, shard {shard}-of-2" for shard in (1, 2)]
CUTTING = "Cutting random into shards for tiny"
CUT = "results/activations/tiny/random/shards.json"
SHARD = "results/activations/tiny/random/1-of-2.manifest.json"


@pytest.fixture(scope="module")
def begun(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which everything before extraction is made. Copy it before running it."""
    project = prepared.copy(tmp_path_factory.mktemp("begun") / "project")
    project.configure(CHANGES)
    assert done_jobs(project.run(CUT)) == sorted([BUILDING, PREPARING, CUTTING])
    return project


@pytest.fixture(scope="module")
def undisturbed(begun: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose target was made without a fault. Copy it before changing it."""
    project = begun.copy(tmp_path_factory.mktemp("undisturbed") / "project")
    assert done_jobs(project.run(TARGET)) == sorted([MEASURING, *EXTRACTING])
    return project


# Disks ---------------------------------------------------------------------------------------------------------------


def test_after_a_full_disk_only_unfinished_work_is_repeated(
    begun: Project, undisturbed: Project, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "size=16m") as disk:
        project = begun.copy(disk / "project")
        # Room for the states of one shard, not of two.
        one = sum(path.stat().st_size for path in shard_files(undisturbed, "1-of-2"))
        held = shutil.disk_usage(disk).used
        make_room(disk, f"size={held + one + one // 2}")
        failed = project.run(TARGET, check=False)
        assert failed.returncode != 0
        assert "the disk is full" in said(failed) or "No space left on device" in said(failed)
        assert "Traceback" not in said(failed)
        kept = shards(project)
        assert len(kept) <= 1
        make_room(disk, "size=64m")
        again = project.run(TARGET)
        left = [one for one in EXTRACTING if not any(shard in one for shard in kept)]
        assert done_jobs(again) == sorted([*left, MEASURING])
        assert contents(project) == contents(undisturbed)


def test_after_a_full_quota_of_files_only_unfinished_work_is_repeated(
    begun: Project, undisturbed: Project, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "size=256m") as disk:
        project = begun.copy(disk / "project")
        used = os.statvfs(disk)
        # Enough for Snakemake's own few files, not for those of the extractions.
        make_room(disk, f"nr_inodes={used.f_files - used.f_ffree + 16}")
        failed = project.run(TARGET, check=False)
        assert failed.returncode != 0
        assert "No space left on device" in said(failed) or "the disk is full" in said(failed)
        kept = shards(project)
        make_room(disk, "nr_inodes=0")
        project.run("--unlock")  # a lock is a file, which could not be taken away where none can be made
        again = project.run(TARGET)
        left = [one for one in EXTRACTING if not any(shard in one for shard in kept)]
        assert done_jobs(again) == sorted([*left, MEASURING])
        assert contents(project) == contents(undisturbed)


def shards(project: Project) -> list[str]:
    """Names of the finished shards: those with a manifest."""
    folder = project.folder / "results/activations/tiny/random"
    return [path.name.split(".")[0] for path in folder.glob("*-of-*.manifest.json")]


def shard_files(project: Project, shard: str) -> list[Path]:
    """Files of one shard."""
    folder = project.folder / "results/activations/tiny/random"
    return [path for path in folder.rglob("*") if path.is_file() and shard in path.relative_to(folder).parts[0]]


# A folder that may not be written to ---------------------------------------------------------------------------------


def test_read_only_results_are_one_error_and_stay_as_they_are(undisturbed: Project, tmp_path: Path) -> None:
    need_root("a read-only mount")
    project = undisturbed.copy(tmp_path / "project")
    before = contents(project)
    project.configure({**CHANGES, "metrics": {"curvature": {"preparation": "none"}}})
    results = project.folder / "results"
    # In a mount namespace of its own, so that nothing has to be taken back.
    mount = f'mount --bind {results} {results} && mount -o remount,ro,bind {results} && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", mount, "sh", *project.command(TARGET)]
    run = project.execute(command)
    assert run.returncode != 0
    assert "Write-protected output files" in said(run)  # of what is there; of a new file "Read-only file system"
    assert "Traceback" not in said(run)
    assert contents(project) == before
    project.configure(CHANGES)
    assert project.planned(TARGET) == []


def test_results_of_somebody_else_are_one_error_and_stay_as_they_are(undisturbed: Project) -> None:
    need_root("another user")
    with shared_folder() as folder:
        project = undisturbed.copy(folder / "project")
        before = contents(project)
        project.configure({**CHANGES, "metrics": {"curvature": {"preparation": "none"}}})
        run = project.execute(
            run_as(UIDS[0], project, TARGET), variables=variables_of(UIDS[0], project, folder / "home")
        )
        assert run.returncode != 0
        assert "Permission denied" in said(run)
        assert contents(project) == before
        project.configure(CHANGES)
        assert project.planned(TARGET) == []


class shared_folder:  # noqa: N801 - stands in a with statement
    """A folder in which every user of a group may write, under /tmp, since pytest's own folders are root's alone."""

    def __enter__(self) -> Path:
        """The folder."""
        self._folder = Path(tempfile.mkdtemp(prefix="fathom-"))
        (self._folder / "home").mkdir()
        self._folder.chmod(0o755)
        (self._folder / "home").chmod(0o777)
        return self._folder

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        shutil.rmtree(self._folder)


def give_to_group(project: Project) -> None:
    """Let every user of the group write in a project."""
    for path in [project.folder, *project.folder.rglob("*")]:
        os.chown(path, -1, GROUP)
        path.chmod(0o2775 if path.is_dir() else 0o664)


def test_two_users_start_the_same_workflow(begun: Project, undisturbed: Project) -> None:
    need_root("two users")
    with shared_folder() as folder:
        project = begun.copy(folder / "project")
        give_to_group(project)
        one, two = (variables_of(uid, project, folder / "home") for uid in UIDS)
        with project.background(run_as(UIDS[0], project, SHARD), variables=one) as first:
            wait_for_lock(project, first)
            second = project.execute(run_as(UIDS[1], project, SHARD), variables=two)
            assert second.returncode != 0
            assert "cannot be locked" in said(second)
            assert done_jobs(second) == []
            assert first.wait(timeout=300) == 0, (folder / "output.txt").read_text()
        assert SHARD.removeprefix("results/") in contents(project)
        assert contents(project).items() < contents(undisturbed).items()
        third = project.execute(run_as(UIDS[1], project, SHARD), variables=two, check=True)
        assert "Nothing to be done" in said(third)


def wait_for_lock(project: Project, run: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while not list(project.folder.glob(".snakemake/locks/*")):
        assert run.poll() is None, "the run ended before it took its lock"
        assert time.monotonic() < until, "the run took no lock"
        time.sleep(0.02)


# Memory and clocks ---------------------------------------------------------------------------------------------------


def test_a_job_killed_for_memory_ends_the_run_and_is_repeated(
    begun: Project, undisturbed: Project, tmp_path: Path
) -> None:
    fresh = begun.copy(tmp_path / "project")
    # Enough for Snakemake, not for a model's libraries.
    with little_memory(f"fathom-test-{os.getpid()}", 250) as limited:
        failed = fresh.execute([*limited, *fresh.command(SHARD, cores=1)])
    assert failed.returncode != 0
    assert "Error in rule activations" in said(failed)
    assert shards(fresh) == []
    again = fresh.run(SHARD)
    assert done_jobs(again) == EXTRACTING[:1]
    assert contents(fresh).items() < contents(undisturbed).items()


def test_results_from_a_clock_an_hour_ahead_are_neither_repeated_nor_trusted_when_they_are_stale(
    undisturbed: Project, tmp_path: Path
) -> None:
    project = undisturbed.copy(tmp_path / "project")
    later = time.time() + 3600
    for path in shard_files(project, "1-of-2"):
        os.utime(path, (later, later))
    assert project.planned(TARGET) == []
    # What they were made of changes: they are made anew although they seem to be younger than that.
    project.configure({**CHANGES, "corpora": {"random": {"texts": 300, "tokens": 60, "seed": 1}}})
    assert project.planned(TARGET) == sorted([BUILDING, CUTTING, MEASURING, *EXTRACTING])
