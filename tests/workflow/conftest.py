"""A project that Snakemake has run once; tests copy it."""

from __future__ import annotations

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
    """A project whose default targets are made. Copy it before changing it."""
    project = prepared.copy(tmp_path_factory.mktemp("finished") / "project")
    project.run()
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A finished project of the test's own."""
    return finished.copy(tmp_path / "project")
