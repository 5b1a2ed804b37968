"""A project that Snakemake has run once; tests copy it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from tests.tiny import tiny_llama
from tests.workflow.project import Project


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has not run yet. Copy it before running it."""
    folder = tmp_path_factory.mktemp("prepared") / "project"
    folder.mkdir()
    tiny_llama(folder / "tiny")
    project = Project(folder)
    project.configure()
    return project


@pytest.fixture(scope="session")
def finished(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose default targets are made, by programs that nothing is forked from. Copy it before changing it."""
    own = tmp_path_factory.mktemp("finished") / "project"
    if "PYTEST_XDIST_WORKER" not in os.environ:
        project = prepared.copy(own)
        project.run(fork=False)
        return project
    # The first of several workers that wants one makes it for all; each has a copy.
    shared = tmp_path_factory.getbasetemp().parent / "finished"
    done = shared.with_name("finished.done")
    with shared.with_name("finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            prepared.copy(shared).run(fork=False)
            done.touch()
    return Project(shared).copy(own)


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A finished project of the test's own."""
    return finished.copy(tmp_path / "project")
