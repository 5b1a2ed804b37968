"""Results and inputs in an S3 bucket, on a real server of this machine; jobs that share no file system, as in pods."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from tests.tiny import tiny_llama
from tests.workflow.project import ROOT, Project, said

PLUGINS = ROOT / "tests/cluster/plugins"
BUCKET = "bucket"
CONFIG: dict[str, Any] = {
    "models": {"tiny": {"source": "path", "path": "tiny", "label": "Tiny"}},
    "corpora": {
        "own": {"kind": "file", "path": "texts.csv"},
        "pairs": {"kind": "relations", "table": "pairs.csv"},
    },
    "activations": {"device": "cpu", "token_budget": 512, "shards": 2, "corpora": {"pairs": {"shards": 1}}},
    "metrics": {"only": ["prompt_entropy", "dataset_entropy"], "dataset_entropy": {"samples": 100}},
    "probes": {
        "pairs": {
            "corpus": "pairs",
            "positions": ["span:second"],
            "labels": ["related"],
            "inner": [],
            "controls": [],
            "estimators": ["ridge"],
            "folds": 2,
            "repeats": 2,
            "permutations": 20,
        }
    },
    "uncertainty": {"bootstrap": 100},
}


@dataclass
class Server:
    """An S3 server, and the words that tell Snakemake of it."""

    address: str
    variables: dict[str, str] = field(
        default_factory=lambda: {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "key", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "secret"}
    )

    @property
    def options(self) -> list[str]:
        """Where the storage is. Targets go before it: it takes all words that follow."""
        return ["--storage-s3-endpoint-url", self.address]

    def results_in(self, prefix: str) -> list[str]:
        """Put all results below a prefix of the bucket."""
        default = ["--default-storage-provider", "s3", "--default-storage-prefix", f"s3://{BUCKET}/{prefix}"]
        return [*self.options, *default]

    def bucket(self) -> Any:
        """The bucket, by another client than the one that is tested."""
        storage = boto3.resource(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        return storage.Bucket(BUCKET)

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Contents of the bucket below a prefix, by name from there on."""
        found = self.bucket().objects.filter(Prefix=f"{prefix}/")
        return {one.key.removeprefix(f"{prefix}/"): one.get()["Body"].read() for one in found}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with one empty bucket, in memory."""
    command = [sys.executable, "-c", "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if match := re.search(r"Running on (http://\S+)", line):
                break
        else:
            pytest.fail(said)
        log = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)  # else it blocks when full
        one = Server(match[1])
        one.bucket().create()
        yield one
        process.terminate()
        log.wait()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has not run yet: rules, config and the user's files in one folder, as in a clone of fathom."""
    folder = tmp_path_factory.mktemp("prepared") / "project"
    folder.mkdir()
    for part in ("workflow", "envs"):
        shutil.copytree(ROOT / part, folder / part)
    tiny_llama(folder / "tiny")
    texts = [f"The organ of church {number} stood beside the river." for number in range(6)]
    (folder / "texts.csv").write_text("\n".join(["text", *texts, ""]), encoding="utf-8")
    pairs = (ROOT / "src/fathom/corpora/data/pairs.csv").read_text(encoding="utf-8").splitlines()
    (folder / "pairs.csv").write_text("\n".join([*pairs[:33], ""]), encoding="utf-8")
    project = Project(folder, environment={"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{PLUGINS}"})
    configure(project, CONFIG)
    return project


def configure(project: Project, config: dict[str, Any]) -> None:
    """Write the config of a project."""
    (project.folder / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def results(folder: Path) -> dict[str, bytes]:
    """All results of a run on one machine but its records, which hold times."""
    files = [path for path in (folder / "results").rglob("*") if path.is_file()]
    return comparable({str(path.relative_to(folder)): path.read_bytes() for path in files})


def comparable(files: dict[str, bytes]) -> dict[str, bytes]:
    """Results without records, and without the mark that Snakemake leaves in a folder."""
    return {
        name: content
        for name, content in files.items()
        if name.startswith("results/") and not name.endswith((".record.json", ".snakemake_timestamp"))
    }


def run(project: Project, *arguments: str) -> str:
    """Run the rules that stand in the project's own folder; what Snakemake said."""
    command = project.command(*arguments)
    command[command.index("--snakefile") + 1] = "workflow/Snakefile"
    return said(project.execute(command, check=True))


def test_jobs_that_share_no_file_system_leave_the_same_results_in_the_bucket(
    server: Server, prepared: Project, tmp_path: Path
) -> None:
    alone = prepared.copy(tmp_path / "alone")
    run(alone)
    project = prepared.copy(tmp_path / "project")
    project.environment |= {**server.variables, "PODS_PYTHONPATH": str(ROOT / "src")}
    pods = [*server.results_in("run"), "--executor", "pods", "--jobs", "2"]
    run(project, *pods)

    made, expected = comparable(server.objects("run")), results(alone.folder)
    assert sorted(made) == sorted(expected)
    assert [name for name in made if made[name] != expected[name]] == []
    assert not (project.folder / "results").exists()
    # What needs a file of the user's ran here, the rest in pods, whose sizes come from files in the bucket.
    wanted = [line.split() for line in (project.folder / "pods.txt").read_text(encoding="utf-8").splitlines()]
    assert sorted({words[0] for words in wanted}) == ["activations", "metrics", "probes", "shards", "token_metrics"]
    assert all(re.fullmatch(r"\d+", word) for words in wanted for word in words[1:3]), wanted

    assert "Nothing to be done" in run(project, *pods)
    # Another machine knows nothing of the run but what is in the bucket.
    elsewhere = prepared.copy(tmp_path / "elsewhere")
    elsewhere.environment = dict(project.environment)
    assert "Nothing to be done" in run(elsewhere, *pods)
    # A model of random weights needs all of its base's folder, and there it is only in the bucket.
    drawn = "results/models/tiny-random/manifest.json"
    for one, options in ((alone, []), (elsewhere, pods)):
        configure(one, {**CONFIG, "probes": {"pairs": {**CONFIG["probes"]["pairs"], "controls": ["random"]}}})
        run(one, drawn, *options)
    made, expected = comparable(server.objects("run")), results(alone.folder)
    assert drawn in expected
    assert sorted(made) == sorted(expected)
    assert [name for name in made if made[name] != expected[name]] == []


def test_files_of_the_user_may_stand_in_a_bucket(server: Server, prepared: Project, tmp_path: Path) -> None:
    targets = ["results/models/tiny/manifest.json", "results/corpora/own.parquet", "results/corpora/pairs.parquet"]
    alone = prepared.copy(tmp_path / "alone")
    run(alone, *targets)
    project = prepared.copy(tmp_path / "project")
    for path in [*(project.folder / "tiny").iterdir(), project.folder / "texts.csv", project.folder / "pairs.csv"]:
        server.bucket().upload_file(str(path), f"own/{path.relative_to(project.folder)}")
        path.unlink()
    config = copy.deepcopy(CONFIG)
    config["models"]["tiny"]["path"] = f"s3://{BUCKET}/own/tiny"
    config["corpora"]["own"]["path"] = f"s3://{BUCKET}/own/texts.csv"
    config["corpora"]["pairs"]["table"] = f"s3://{BUCKET}/own/pairs.csv"
    configure(project, config)
    project.environment |= server.variables
    run(project, *targets, *server.options)

    made, expected = results(project.folder), results(alone.folder)
    assert sorted(made) == sorted(expected)
    # The manifest names the address.
    assert [name for name in made if made[name] != expected[name]] == ["results/models/tiny/manifest.json"]
    assert "Nothing to be done" in run(project, *targets, *server.options)
