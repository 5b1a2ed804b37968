"""A small project that real Snakemake runs: a tiny random-weight model, two corpora, metrics, probes and figures."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]

CONFIG: dict[str, Any] = {
    "models": {"tiny": {"source": "path", "path": "tiny", "label": "Tiny"}},
    "corpora": {
        "random": {"kind": "random-tokens", "texts": 8, "tokens": 12, "seed": 0},
        "relations": {"kind": "relations"},
    },
    "activations": {"device": "cpu", "token_budget": 512, "shards": 2},
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

    def run(self, *arguments: str, cores: int = 2, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end."""
        command = self.command(*arguments, cores=cores)
        done = subprocess.run(
            command, env=self.variables(), cwd=self.folder, capture_output=True, text=True, check=False, timeout=600
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def planned(self, *arguments: str) -> list[str]:
        """What a dry run would do: the message of every job, sorted; empty if there is nothing to be done."""
        done = self.run("--dry-run", *arguments)
        messages = re.findall(r"^ *Job \d+: (.+)$", done.stdout + done.stderr, flags=re.MULTILINE)
        nothing = "Nothing to be done" in done.stdout + done.stderr
        assert nothing == (not messages), done.stdout + done.stderr
        return sorted(messages)

    def copy(self, folder: Path, *, keep_times: bool = True) -> Project:
        """The same project in another folder."""
        shutil.copytree(self.folder, folder, copy_function=shutil.copy2 if keep_times else shutil.copy)
        return Project(folder, self.source, dict(self.environment))

    def with_own_source(self, folder: Path) -> Project:
        """The same project, run with a copy of fathom's source that a test may edit."""
        shutil.copytree(ROOT / "src" / "fathom", folder / "fathom", ignore=shutil.ignore_patterns("__pycache__"))
        return Project(self.folder, folder, dict(self.environment))


def _merge(config: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Change entries in place; a model or corpus of another kind replaces the one there was."""
    for key, value in changes.items():
        other_kind = isinstance(value, Mapping) and bool({"source", "kind"} & value.keys())
        if isinstance(value, Mapping) and isinstance(config.get(key), dict) and not other_kind:
            _merge(config[key], value)
        else:
            config[key] = value
