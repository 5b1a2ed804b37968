"""Jobs in forks: they do, say and end as they would by themselves, and nothing of them outlives its command or run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.jobs import corpus_settings

from fathom.runtime.forked import LIKE, variables

RANDOM = {"kind": "random-tokens", "texts": 3, "tokens": 5, "seed": 0}
BUILT = "corpus c: 3 texts\n"
# Tests that run in the background ignore interrupts, and so would commands that they start.
INTERRUPTED = ["env", "--default-signal=INT"]
ASLEEP = 15  # looks in a row at a job that waits


@dataclass
class Forks:
    """Processes to be forked from."""

    process: psutil.Process
    environment: dict[str, str]

    @property
    def jobs(self) -> list[psutil.Process]:
        """The forks: children of the verbs' processes."""
        return [job for verb in self.process.children() for job in verb.children()]


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    folder = tmp_path_factory.mktemp("f")
    command = [sys.executable, "-P", "-m", "fathom.forks", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield Forks(psutil.Process(process.pid), {**os.environ, **variables(folder), "OMP_NUM_THREADS": "1"})
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=20) == 0
    assert not folder.exists()


def start(*arguments: str, env: Mapping[str, str], **options: Any) -> subprocess.Popen[str]:
    command = [*INTERRUPTED, sys.executable, "-m", "fathom.cli", *arguments]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, env=env, text=True, **pipes, **options)


def build(folder: Path, env: Mapping[str, str], settings: Mapping[str, Any] = RANDOM) -> tuple[int, str]:
    """Build a corpus with its record. Returns the exit status and what was said."""
    words = ["--record", "c.record.json", "--log", "c.log", "corpora", "--settings", corpus_settings(dict(settings))]
    process = start(*words, "--output", "c.parquet", "--leaks", "c.leaks.csv", env=env, cwd=folder, umask=0o077)
    said = "".join(process.communicate(timeout=60))
    return process.returncode, said


def test_a_fork_makes_what_a_process_of_its_own_makes(forks: Forks, tmp_path: Path) -> None:
    contents, records = [], []
    for name, env in (("forked", forks.environment), ("alone", dict(os.environ))):
        folder = tmp_path / name
        folder.mkdir()
        assert build(folder, env) == (0, BUILT)
        assert (folder / "c.parquet").stat().st_mode & 0o777 == 0o600
        contents.append({path.name: path.read_bytes() for path in folder.iterdir() if "record" not in path.name})
        record = json.loads((folder / "c.record.json").read_text())
        record["packages"].pop("threadpoolctl", None)  # by which a fork sets its number of threads
        records.append(record)
    assert contents[0] == contents[1]
    same = ["verb", "settings", "inputs", "outputs", "packages", "machine"]
    assert [records[0][key] for key in same] == [records[1][key] for key in same]
    assert len(forks.process.children()) == 1  # the first of the two was a fork


def test_bad_input_ends_a_fork_in_one_line(forks: Forks, tmp_path: Path) -> None:
    settings = {"kind": "file", "path": "nowhere.csv", "column": "text"}
    said = [build(tmp_path, env, settings) for env in (forks.environment, dict(os.environ))]
    assert said[0] == said[1]
    assert said[0][0] == 1
    assert said[0][1].startswith("fathom: error: corpus c: nowhere.csv")
    assert said[0][1].count("\n") == 1
    assert not (tmp_path / "c.record.json").exists()


def test_options_that_are_wrong_are_told_as_usual(forks: Forks) -> None:
    process = start("corpora", "--no-such-option", env=forks.environment)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith("Usage: fathom corpora")


def reading(forks: Forks) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A command whose fork waits for its standard input, and the fork."""
    before = set(forks.jobs)
    process = start("explore", "--settings", "-", "--html", "page.html", env=forks.environment)
    until = time.monotonic() + 60
    while not (job := [job for job in forks.jobs if job not in before]):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.02)
    asleep = 0
    while asleep < ASLEEP:  # until then it imports, where a signal is another matter
        assert time.monotonic() < until
        asleep = asleep + 1 if job[0].status() == psutil.STATUS_SLEEPING else 0
        time.sleep(0.02)
    return process, job[0]


def test_standard_input_is_that_of_the_command(forks: Forks) -> None:
    process, job = reading(forks)
    _, said = process.communicate("no settings", timeout=60)
    assert "no settings" in said or "JSON" in said
    assert process.returncode != 0
    assert gone(job)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_takes_its_fork_with_it(forks: Forks, number: signal.Signals) -> None:
    process, job = reading(forks)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == -number
    assert gone(job)


def test_a_fork_that_is_killed_ends_its_command_alike(forks: Forks) -> None:
    process, job = reading(forks)
    job.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def test_an_interrupted_fork_ends_as_a_command_does(forks: Forks) -> None:
    process, job = reading(forks)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert gone(job)


def test_another_source_or_interpreter_is_not_forked(forks: Forks, tmp_path: Path) -> None:
    before = len(forks.process.children())
    env = {**forks.environment, LIKE: "another"}
    process = start("nursery", "--help", env=env, cwd=tmp_path)
    assert process.communicate(timeout=60)[0].startswith("Usage: fathom nursery")
    assert len(forks.process.children()) == before


def test_a_verb_whose_process_was_killed_runs_by_itself(forks: Forks, tmp_path: Path) -> None:
    assert build(tmp_path, forks.environment) == (0, BUILT)
    for verb in forks.process.children():
        verb.kill()
    assert build(tmp_path, forks.environment) == (0, BUILT)


def test_a_run_that_is_killed_leaves_no_process() -> None:
    code = "import os, sys; from fathom.workflow.forks import start_forks; start_forks(); "
    code += "print(os.environ['FATHOM_FORKS'], flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        folder = run.stdout.readline().decode().strip()
        (server,) = psutil.Process(run.pid).children()
        run.kill()
    assert gone(server)
    assert not Path(folder).exists()


def gone(process: psutil.Process) -> bool:
    """Whether a process ends within some seconds."""
    try:
        process.wait(20)
    except psutil.TimeoutExpired:
        return False
    return True
