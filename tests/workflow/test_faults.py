"""Bad input and killed runs: a clear error, a non-zero exit, and nothing half-written that a later run would trust."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.workflow.faults import TARGET, contents
from tests.workflow.project import Project, done_jobs, said

LONG = {"corpora": {"random": {"texts": 2400, "tokens": 60}}, "activations": {"shards": 2, "token_budget": 240}}
OF_LONG = "results/metrics/tiny/random/dataset_entropy.parquet"


@pytest.fixture
def fresh(prepared: Project, tmp_path: Path) -> Project:
    """A project of the test's own that has not run yet."""
    return prepared.copy(tmp_path / "project")


Interrupted = tuple[Project, subprocess.Popen[bytes], str]
"""A project, its run, and the name of the shard that is finished."""


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the run did not come so far"
        time.sleep(0.02)


def extraction_of(run: subprocess.Popen[bytes]) -> list[psutil.Process]:
    found = []
    for process in psutil.Process(run.pid).children(recursive=True):
        try:
            if "activations" in process.cmdline() and "--store" in process.cmdline():
                found.append(process)
        except psutil.Error:  # it ended while we looked
            continue
    return found


@pytest.fixture(scope="module")
def begun(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which everything before a long extraction is made. Copy it before running it."""
    project = prepared.copy(tmp_path_factory.mktemp("begun") / "project")
    project.configure(LONG)
    project.run("results/activations/tiny/random/shards.json")
    return project


@pytest.fixture(scope="module")
def undisturbed(begun: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the results of a long run that nothing disturbed."""
    project = begun.copy(tmp_path_factory.mktemp("undisturbed") / "project")
    project.run(OF_LONG)
    return contents(project)


@pytest.fixture
def second_shard(begun: Project, tmp_path: Path) -> Iterator[Interrupted]:
    """A run that has finished one of two shards and is in the middle of the other, and the finished one's name."""
    project = begun.copy(tmp_path / "project")
    folder = project.folder / "results/activations/tiny/random"
    with project.background(project.command(OF_LONG, cores=1)) as run:
        wait_for(
            lambda: len(list(folder.glob("*-of-*.manifest.json"))) == 1 and len(list(folder.glob("*.zarr.zip*"))) == 2
        )
        yield project, run, next(folder.glob("*-of-*.manifest.json")).name.split(".")[0]


def test_killed_extraction_keeps_finished_shards_only(second_shard: Interrupted, undisturbed: dict[str, str]) -> None:
    project, run, done = second_shard
    folder = project.folder / "results/activations/tiny/random"
    for process in extraction_of(run):
        process.kill()
    assert run.wait(timeout=60) != 0
    assert [path.name for path in folder.glob("*.manifest.json")] == [f"{done}.manifest.json"]
    assert [path.name for path in folder.glob("*.zarr.zip")] == [f"{done}.zarr.zip"]
    assert done_jobs(project.run(OF_LONG)) == jobs_without(done)
    assert contents(project) == undisturbed


def test_killed_snakemake_makes_the_unfinished_shard_anew(
    second_shard: Interrupted, undisturbed: dict[str, str]
) -> None:
    project, run, done = second_shard
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    folder = project.folder / "results/activations/tiny/random"
    (unfinished,) = folder.glob("*.zarr.zip.*")
    assert [path.name for path in folder.glob("*.zarr.zip")] == [f"{done}.zarr.zip"]
    assert not unfinished.name.startswith(done)
    project.run("--unlock")
    assert done_jobs(project.run(OF_LONG)) == jobs_without(done)
    assert contents(project) == undisturbed


def jobs_without(done: str) -> list[str]:
    """What is left to do after one shard."""
    (left,) = {"1-of-2", "2-of-2"} - {done}
    return [f"Extracting tiny on random, shard {left}", "Measuring dataset_entropy of tiny on random"]


def test_two_runs_in_one_folder(fresh: Project) -> None:
    fresh.configure(LONG)
    with fresh.background(fresh.command(TARGET, cores=1)) as run:
        wait_for(lambda: any(fresh.folder.glob(".snakemake/locks/*")))
        second = fresh.run(check=False)
        assert second.returncode != 0
        assert "cannot be locked" in said(second)
        assert run.poll() is None


def test_flipped_byte_stops_the_metric_and_names_the_file(project: Project) -> None:
    before = contents(project)
    store = project.folder / "results/activations/tiny/random/1-of-2.zarr.zip"
    with zipfile.ZipFile(store) as opened:
        place = opened.getinfo("residual/tokens/c/0/0/0").header_offset + 100
    content = bytearray(store.read_bytes())
    content[place] ^= 1
    store.write_bytes(content)
    project.configure({"metrics": {"curvature": {"preparation": "none"}}})
    failed = project.run(TARGET, check=False)
    assert failed.returncode != 0
    assert "1-of-2.zarr.zip: residual/tokens/c/0/0/0 does not fit its checksum" in failed.stderr + failed.stdout
    assert "Traceback" not in failed.stderr + failed.stdout
    assert not (project.folder / "results/metrics/tiny/random/curvature.parquet").exists()
    # What the error advises.
    (store.parent / "1-of-2.manifest.json").unlink()
    assert [message for message in project.planned() if message.startswith("Extracting")] == [
        "Extracting tiny on random, shard 1-of-2"
    ]
    project.configure()
    project.run()
    assert contents(project) == before


def test_corrupt_corpus_ends_with_one_line(project: Project) -> None:
    """A plan reads a corpus's size before any job reads the corpus itself."""
    corpus = project.folder / "results/corpora/random.parquet"
    corpus.write_bytes(corpus.read_bytes()[:-100])
    before = contents(project)
    failed = project.run(TARGET, check=False)
    assert failed.returncode != 0
    assert "random.parquet: not a Parquet table" in said(failed)
    assert "Traceback" not in said(failed)
    assert contents(project).items() <= before.items()


def test_model_that_gives_nan(fresh: Project) -> None:
    weights = fresh.folder / "tiny/model.safetensors"
    states = load_file(weights)
    states["layers.1.mlp.down_proj.weight"][0, 0] = torch.nan
    save_file(states, weights, metadata={"format": "pt"})
    fresh.configure({"activations": {"shards": 1}})  # of several shards any may be the first to fail
    failed = fresh.run("results/figures/curvature.svg", check=False)
    assert failed.returncode != 0
    assert "layer 2 gives NaN or infinity" in failed.stderr + failed.stdout
    assert "model tiny, corpus random, text 'random-00000'" in failed.stderr + failed.stdout
    assert not list(fresh.folder.glob("results/activations/**/*.manifest.json"))
    assert not list(fresh.folder.glob("results/activations/**/*.zarr.zip"))


def test_bad_config_is_refused_before_any_job(fresh: Project) -> None:
    """With the line of `load_config`, whose own tests have every kind of error."""
    fresh.configure({"activations": {"layers": [0, 4]}})
    failed = fresh.run(check=False)
    assert failed.returncode != 0
    (line,) = [line for line in failed.stderr.splitlines() if line.startswith("fathom: error:")]
    assert "mine.yaml: activations.layers: expected a layer from 0 to 3" in line
    assert "Traceback" not in failed.stderr
    assert not (fresh.folder / "results").exists()


BAD_MODEL = {"source": "hub", "repository": "no/such-model", "revision": "0" * 40}
BAD_CORPORA: dict[str, dict[str, object]] = {
    "empty": {"kind": "file", "path": "empty.txt"},
    "gap": {"kind": "file", "path": "gap.csv"},
    "long": {"kind": "random-tokens", "texts": 8, "tokens": 65},
}
SAID = (
    f"hub model no/such-model at {'0' * 40}: the hub is out of reach",
    "corpus empty: it holds no text",
    "corpus gap: gap.csv: column 'text' is empty in row 2; min_characters: 1 leaves empty rows out",
    "model tiny, corpus long: 8 of 8 texts are longer than 64 tokens, first 'random-00000' with 65; set ",
)


def test_bad_input_ends_with_one_line_each(fresh: Project) -> None:
    (fresh.folder / "empty.txt").touch()
    (fresh.folder / "gap.csv").write_text('text\na church\n""\nan organ\n', encoding="utf-8")
    fresh.configure({"models": {"none": BAD_MODEL}, "corpora": BAD_CORPORA, "activations": {"shards": 1}})
    failed = fresh.run("--keep-going", "results/figures/curvature.svg", check=False)
    assert failed.returncode != 0
    output = failed.stdout + failed.stderr
    found = set(re.findall(r"^\s*fathom: error: (.+)$", output, flags=re.MULTILINE))
    assert len(found) == len(SAID)
    for error in SAID:
        assert any(line.startswith(error) for line in found), error
    assert "Traceback" not in output
    made = {path.parent.name for path in fresh.folder.glob("results/activations/**/*.manifest.json")}
    assert made <= {"random"}
    assert not list(fresh.folder.glob("results/figures/*"))
