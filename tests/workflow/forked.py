"""`python -m snakemake` in a process that is forked from one that has imported Snakemake already.

Its imports take half of the time of a dry run, and tests start a hundred runs. What is imported before are packages of
others; fathom itself is imported by each run, from the source that the run is told.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

FORKING = multiprocessing.get_context("forkserver")
IMPORTED = ("snakemake.cli", "snakemake_executor_plugin_slurm", "snakemake_executor_plugin_cluster_generic")
FORKING.set_forkserver_preload([*IMPORTED, "click", "grimp", "pandas", "pyarrow.parquet", "pydantic", "yaml"])


def snakemake(
    arguments: Sequence[str], folder: Path, variables: Mapping[str, str], *, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a folder to its end, with these variables as its whole environment."""
    with tempfile.TemporaryDirectory() as scratch:
        output, errors = Path(scratch, "output"), Path(scratch, "errors")
        output.touch()
        errors.touch()
        process = FORKING.Process(target=_main, args=(list(arguments), folder, dict(variables), output, errors))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            assert process.pid is not None
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
            raise subprocess.TimeoutExpired(["snakemake", *arguments], timeout)
        said = [path.read_text(encoding="utf-8") for path in (output, errors)]
        return subprocess.CompletedProcess(list(arguments), process.exitcode, *said)


def _main(arguments: list[str], folder: Path, variables: dict[str, str], output: Path, errors: Path) -> None:
    os.setsid()  # so that it ends with all that it has started
    for number, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY), number)
    os.environ.clear()
    os.environ |= variables
    os.chdir(folder)
    sys.path[:0] = variables["PYTHONPATH"].split(os.pathsep)
    sys.argv = ["snakemake", *arguments]

    from snakemake.cli import main

    main(arguments)
