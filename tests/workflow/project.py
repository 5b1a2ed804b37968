"""A small project that real Snakemake runs: a tiny random-weight model, two corpora, metrics, probes and figures."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tests.copies import copy_package
from tests.workflow.forked import snakemake
from tests.workflow.forked_jobs import forked_jobs

ROOT = Path(__file__).parents[2]

CONFIG: dict[str, Any] = {
    "models": {"tiny": {"source": "path", "path": "tiny", "label": "Tiny"}},
    "corpora": {
        "random": {"kind": "random-tokens", "texts": 8, "tokens": 12, "seed": 0},
        "relations": {"kind": "relations"},
    },
    "activations": {"device": "cpu", "token_budget": 512, "shards": 2, "corpora": {"relations": {"shards": 1}}},
    "metrics": {
        "only": ["prompt_entropy", "curvature", "dataset_entropy"],
        "dataset_entropy": {"samples": 100},
    },
    "probes": {
        "relations": {
            "corpus": "relations",
            "positions": ["span:second"],
            "labels": ["related"],
            "inner": [],
            "estimators": ["ridge"],
            "folds": 2,
            "repeats": 3,
            "permutations": 20,
        }
    },
    "uncertainty": {"bootstrap": 100},
}


@dataclass
class Project:
    """A folder in which Snakemake runs, and the source of fathom that it runs with."""

    folder: Path
    source: Path = ROOT / "src"
    environment: dict[str, str] = field(default_factory=dict)

    def configure(self, changes: Mapping[str, Any] | None = None) -> None:
        """Write the config, with some sections' entries changed."""
        config = yaml.safe_load(yaml.safe_dump(CONFIG))
        _merge(config, changes or {})
        (self.folder / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        """The command line of a Snakemake run in this folder."""
        program = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        place = ["--directory", str(self.folder), "--configfile", str(self.folder / "mine.yaml")]
        return [*program, *place, "--cores", str(cores), *arguments]

    def variables(self) -> dict[str, str]:
        """Environment of a run: this interpreter's programs first, one thread a job, no hub."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "PYTHONPATH": str(self.source), "HF_HUB_OFFLINE": "1", **self.environment}

    def variables_to_fork(self) -> dict[str, str]:
        """Environment of a run whose jobs are forked from a process that has imported packages already."""
        variables = self.variables()
        if self.environment:  # libraries read what a test may put there when they are imported
            return variables
        folder, needed = forked_jobs()
        return variables | needed | {"PATH": f"{folder}{os.pathsep}{variables['PATH']}"}

    def run(
        self, *arguments: str, cores: int = 2, check: bool = True, fork: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end; with `fork` its jobs find the packages of others imported."""
        _, _, _, *words = self.command(*arguments, cores=cores)
        variables = self.variables_to_fork() if fork else self.variables()
        done = snakemake(words, self.folder, variables, timeout=600)
        assert not check or done.returncode == 0, said(done)
        return done

    def execute(
        self, command: Sequence[str], *, variables: Mapping[str, str] | None = None, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in this folder to its end, with the environment of a run or another one."""
        done = subprocess.run(
            command,
            env=variables or self.variables(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert not check or done.returncode == 0, said(done)
        return done

    @contextmanager
    def background(
        self, command: Sequence[str], *, variables: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command in this folder while a test does something else; it and what it started end with the block.

        What it says is in `output.txt` beside the folder.
        """
        with self.folder.with_name("output.txt").open("wb") as output:
            run = subprocess.Popen(
                command,
                env=variables or self.variables(),
                cwd=self.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                yield run
            finally:
                if run.poll() is None:
                    os.killpg(run.pid, signal.SIGKILL)
                run.wait()

    def planned(self, *arguments: str) -> list[str]:
        """What a dry run would do: the message of every job, sorted; empty if there is nothing to be done."""
        done = self.run("--dry-run", *arguments)
        messages = done_jobs(done)
        nothing = "Nothing to be done" in said(done)
        assert nothing == (not messages), said(done)
        return messages

    def copy(self, folder: Path, *, keep_times: bool = True) -> Project:
        """The same project in another folder."""
        shutil.copytree(self.folder, folder, copy_function=shutil.copy2 if keep_times else shutil.copy)
        return Project(folder, self.source, dict(self.environment))

    def with_own_source(self, folder: Path) -> Project:
        """The same project, run with a copy of fathom's source that a test may edit."""
        copy_package(folder / "fathom")
        return Project(self.folder, folder, dict(self.environment))


def done_jobs(run: subprocess.CompletedProcess[str]) -> list[str]:
    """Messages of the jobs that a run started, or of those that a dry run would start, sorted."""
    return sorted(re.findall(r"^ *Job \d+: (.+)$", said(run), flags=re.MULTILINE))


def said(run: subprocess.CompletedProcess[str]) -> str:
    """Everything that a run has said."""
    return run.stdout + run.stderr


def _merge(config: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Change entries in place; a model or corpus of another kind replaces the one there was."""
    for key, value in changes.items():
        other_kind = isinstance(value, Mapping) and bool({"source", "kind"} & value.keys())
        if isinstance(value, Mapping) and isinstance(config.get(key), dict) and not other_kind:
            _merge(config[key], value)
        else:
            config[key] = value
