"""Files that take their place when they are whole, whoever else makes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fathom.io.atomic import AtomicFile, atomic_write, clear_abandoned
from fathom.runtime.errors import FathomError

WRITER = """
import os, sys
from pathlib import Path
from fathom.io.atomic import AtomicFile
file = AtomicFile(Path(sys.argv[1]))
os.write(file.descriptor, b"half")
print("half", flush=True)
sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def write_and_fail(path: Path) -> None:
    with atomic_write(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
        stream.write("no bytes")  # type: ignore[call-overload]


def test_a_file_takes_its_place_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with pytest.raises(TypeError, match="bytes-like"):
        write_and_fail(path)
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["a.json"])
    with atomic_write(path) as stream:
        stream.write(b"new")
    assert (path.read_bytes(), names(tmp_path)) == (b"new", ["a.json"])


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with atomic_write(path) as one:
        one.write(b"one")
        one.flush()
        with atomic_write(path) as two:  # its start leaves the temporary file of the first alone: that one still writes
            two.write(b"two, longer")
        assert path.read_bytes() == b"two, longer"
    assert (path.read_bytes(), names(tmp_path)) == (b"one", ["a.json"])


def test_what_a_killed_writer_left_is_taken_away_by_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "half\n"
        clear_abandoned(path)
        (left,) = names(tmp_path)
        writer.kill()
    assert names(tmp_path) == [left]
    with atomic_write(path) as stream:
        stream.write(b"whole")
    assert names(tmp_path) == ["a.json"]


def test_a_temporary_file_that_another_job_deleted_is_an_error(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "a.json")
    (tmp_path / names(tmp_path)[0]).unlink()
    with pytest.raises(FathomError, match=r"a\.json: another job makes this file at the same time; run"):
        file.publish()
