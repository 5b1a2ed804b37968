"""What tests of faults share: what a project holds, what a run did, other users, small disks and little memory."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.workflow.project import Project

TARGET = "results/metrics/tiny/random/curvature.parquet"
UIDS = (61001, 61002)
GROUP = 61000
# Another user whom the modes of files bind as they bind anybody, but who may read this interpreter wherever it lies.
_USER = (
    "setpriv --regid {group} --clear-groups --reuid {uid} "
    "--inh-caps=-all,{caps} --ambient-caps={caps} --bounding-set=-all,{caps}"
)


def contents(project: Project) -> dict[str, str]:
    """Digest of every result: stores, tables, figures. Records hold times and hosts, and are left out.

    So is the page to explore, which tells of the records.
    """
    folder = project.folder / "results"
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".snakemake"))
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if ".record.json" not in path.name and path.name != "explore.html"
    }


def need_root(what: str) -> None:
    """Skip a test that only root can set up."""
    if os.geteuid() != 0:
        pytest.skip(f"{what} needs root")


def run_as(uid: int, project: Project, *arguments: str, umask: str = "002") -> list[str]:
    """The command of a Snakemake run by another user of the group."""
    words = _USER.format(group=GROUP, uid=uid, caps="+dac_read_search").split()
    return [*words, "sh", "-c", f'umask {umask} && exec "$@"', "sh", *project.command(*arguments, cores=1)]


def variables_of(uid: int, project: Project, home: Path) -> dict[str, str]:
    """Environment of another user's run."""
    return {**project.variables(), "HOME": str(home), "USER": f"user{uid}", "LOGNAME": f"user{uid}"}


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own, in memory."""
    need_root("mounting a small file system")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def make_room(folder: Path, options: str) -> None:
    """Change the limits of a small disk."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@contextmanager
def little_memory(name: str, megabytes: int) -> Iterator[list[str]]:
    """Words to put before a command so that it and what it starts have so much memory; Linux kills what wants more."""
    need_root("a limit of memory")
    group = Path("/sys/fs/cgroup/memory") / name
    if not (group.parent / "memory.limit_in_bytes").exists():
        pytest.skip("there is no memory controller of control groups, version 1, here")
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(megabytes << 20))
        yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    finally:
        group.rmdir()
