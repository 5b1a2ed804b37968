"""Starts the processes that the jobs of this run are forked from."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fathom.runtime.forked import FOLDER, variables


def start_forks() -> None:
    """Start them, and tell jobs of them through the environment. They end with this process.

    Linux only: elsewhere libraries of the system do not survive a fork, and every job starts by itself. Where the
    environment tells of such processes already, no others are started.
    """
    if sys.platform != "linux" or FOLDER in os.environ:
        return
    folder = Path(tempfile.mkdtemp(prefix="fathom-"))
    # One thread while libraries are imported, which then start none. Each job sets its own number.
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-P", "-m", "fathom.forks", str(folder)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **one}, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    if process.stdout.readline():  # it listens
        os.environ |= variables(folder)
    atexit.register(process.wait)
    atexit.register(process.stdin.close)
