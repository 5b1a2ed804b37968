"""The command line: help is instant, an error is one line, a fault says where it happened."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import corpus_settings

from fathom import cli
from fathom.runtime.progress import Progress
from fathom.stages import STAGES


def fathom(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fathom.cli", *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def corpora(settings: dict[str, Any], output: Path, log: Path) -> subprocess.CompletedProcess[str]:
    arguments = ["corpora", "--settings", corpus_settings(settings), "--output", str(output)]
    return fathom("--log", str(log), *arguments)


def test_help_lists_the_stages() -> None:
    done = fathom("--help")
    assert done.returncode == 0
    for stage, summary in STAGES.items():
        assert f"  {stage} " in done.stdout
        assert " ".join(summary.split()) in " ".join(done.stdout.split())


def test_help_imports_no_stage_and_no_help_imports_torch() -> None:
    code = """
import contextlib, io, sys
from fathom.cli import verbs
from fathom.stages import STAGES
def show(*words):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        verbs.main(list(words), standalone_mode=False)
    return said.getvalue()
show("--help")
print(*[name for name in sys.modules if name.startswith("fathom.")])
print(*{name.split(".")[0] for name in sys.modules})
for stage in STAGES:
    assert "Usage:" in show(stage, "--help")
print(*{name.split(".")[0] for name in sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own, light, all_ = (set(line.split()) for line in done.stdout.splitlines())
    assert own == {
        "fathom.cli",
        "fathom.runtime",
        "fathom.runtime.described",
        "fathom.runtime.errors",
        "fathom.runtime.forked",
        "fathom.runtime.redaction",
        "fathom.stages",
    }
    assert light.isdisjoint({"numpy", "pandas", "torch", "pydantic", "matplotlib", "sklearn"})
    assert all_.isdisjoint({"torch", "transformers"})


def test_an_unknown_verb_is_refused() -> None:
    done = fathom("run")
    assert done.returncode != 0
    assert "No such command 'run'" in done.stderr


def test_a_missing_option_is_refused() -> None:
    done = fathom("corpora", "--output", "c.parquet")
    assert done.returncode != 0
    assert "Missing option '--settings'" in done.stderr


def test_the_log_holds_what_was_done(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "deep" / "c.log"
    done = corpora({"kind": "random-tokens", "texts": 2, "tokens": 3}, tmp_path / "c.parquet", log)
    assert done.returncode == 0
    assert log.read_text() == done.stderr == "corpus c: 2 texts\n"


def test_bad_input_is_one_line_and_exit_status_1(tmp_path: Path) -> None:
    log = tmp_path / "c.log"
    done = corpora({"kind": "file", "path": "no-such.txt"}, tmp_path / "c.parquet", log)
    assert done.returncode == 1
    assert done.stdout == ""
    assert log.read_text() == done.stderr == "fathom: error: corpus c: no-such.txt: no such file\n"
    assert not (tmp_path / "c.parquet").exists()


def test_a_fault_is_a_traceback_in_the_log_and_exit_status_2(tmp_path: Path) -> None:
    log = tmp_path / "c.log"
    (tmp_path / "file").touch()
    done = corpora({"kind": "random-tokens"}, tmp_path / "file" / "c.parquet", log)
    assert done.returncode == 2
    text = log.read_text()
    assert text == done.stderr
    assert text.startswith("fathom: this is a fault in fathom, please report it\nTraceback (most recent call last):")
    assert "NotADirectoryError" in text or "FileExistsError" in text


@pytest.mark.parametrize(
    ("fault", "status", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "c.parquet"), 1, "fathom: error: [Errno 28] No space left"),
        (
            PermissionError(errno.EACCES, "Permission denied", "c.parquet"),
            1,
            "fathom: error: [Errno 13] Permission denied",
        ),
        (ValueError("wrong"), 2, "fathom: this is a fault in fathom"),
    ],
)
def test_a_full_disk_is_no_fault_of_fathoms(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Exception, status: int, line: str
) -> None:
    def fail(**_: Any) -> None:
        raise fault

    monkeypatch.setattr(cli.verbs, "main", fail)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == status
    assert caplog.messages[-1].startswith(line)


def test_progress_without_a_terminal_is_a_line_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="fathom"), Progress("work", 12_000, "tokens") as progress:
        progress.advance(5000)
        assert caplog.messages == []  # not a line for every step
        progress.advance(7000)
    (line,) = caplog.messages
    assert line.startswith("work: 12,000 of 12,000 tokens, ")
    assert "tokens/s in " in line


def test_progress_says_nothing_of_work_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        with Progress("work", 10, "tokens"):
            msg = "stop"
            raise RuntimeError(msg)

    with caplog.at_level(logging.INFO, logger="fathom"), pytest.raises(RuntimeError, match="stop"):
        fail()
    assert caplog.messages == []


@pytest.mark.parametrize("verb", STAGES)
def test_only_what_fetches_reaches_for_the_hub(verb: str) -> None:
    script = f"from fathom.cli import verbs; verbs.get_command(None, {verb!r}); "
    script += "from huggingface_hub.constants import HF_HUB_OFFLINE; print(HF_HUB_OFFLINE)"
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_OFFLINE")}
    done = subprocess.run([sys.executable, "-c", script], env=plain, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(verb not in {"models", "corpora", "tasks"})
