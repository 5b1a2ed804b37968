"""Folders that a job works in: gone when it ends, and when it was killed, with the next job of the same result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fathom.io.scratch import scratch_folder

WORKER = """
import sys
from pathlib import Path
from fathom.io.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    print("working", flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_folder_goes_with_its_block(tmp_path: Path) -> None:
    result = tmp_path / "passages.parquet"
    with scratch_folder(result) as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(".passages.parquet.")
        (folder / "deep").mkdir()
        with scratch_folder(result) as other:  # another job of the same result leaves the first alone
            assert other != folder
        assert names(tmp_path) == [folder.name]
    assert not names(tmp_path)


def test_a_folder_goes_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path / "passages.parquet"):
        _ = 1 / 0
    assert not names(tmp_path)


def test_what_a_killed_job_left_goes_with_the_next_one(tmp_path: Path) -> None:
    result = tmp_path / "passages"
    command = [sys.executable, "-c", WORKER, str(result)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "working\n"
        (left,) = names(tmp_path)
        with scratch_folder(result):
            assert left in names(tmp_path)
        worker.kill()
    assert names(tmp_path) == [left]
    with scratch_folder(tmp_path / "passages.b"):  # of another result, whose name begins alike
        assert left in names(tmp_path)
    with scratch_folder(result):
        assert left not in names(tmp_path)
    assert not names(tmp_path)
