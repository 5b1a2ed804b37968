"""`fathom VERB` in a process that is forked from one that has imported torch and other packages of others already.

Those imports take most of the time of a job on a tiny model, and tests start hundreds of jobs. fathom itself is
imported by each job, from the source that its run is told; arguments, environment, folder and standard files are those
of the program that Snakemake started, and when that one is killed the job is, too.

Run as `python -m tests.workflow.forked_jobs SOCKET FOLDER`, this is the process that is forked. It ends with its
input, and takes its folder away.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parents[2]
ADDRESS = "FATHOM_TESTS_SOCKET"
# Started in place of `fathom`: hands everything over, and ends as the job ends. Without `site` it starts at once.
PROGRAM = f"""\
#!{sys.executable} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(os.environ["{ADDRESS}"])
    asked = {{"arguments": sys.argv[1:], "variables": dict(os.environ), "folder": os.getcwd()}}
    socket.send_fds(server, [b"-"], [0, 1, 2])
    with server.makefile("rw") as said:
        print(json.dumps(asked), file=said, flush=True)
        sys.exit(int(said.readline() or 1))
"""
# Packages of others that jobs import, by verb. What is left out here costs time and nothing else.
TABLES = ("click", "numpy", "pandas", "pyarrow.parquet", "pydantic", "tqdm", "xxhash", "yaml")
STATES = ("ml_dtypes", "numcodecs", "xarray", "zarr")
TORCH = ("torch", "safetensors.torch")
MODELS = (
    *TORCH,
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
)
STATISTICS = ("scipy.linalg", "scipy.sparse", "scipy.special", "scipy.stats")
IMPORTED: dict[str, Sequence[str]] = {
    "models": MODELS,
    "nursery": MODELS,
    "activations": (*MODELS, *STATES),
    "metrics": (*STATES, *STATISTICS),
    "probes": (*STATES, *STATISTICS, "sklearn.linear_model", "sklearn.svm"),
    "tasks": (*MODELS, "mteb"),
    "figures": (*STATISTICS, "matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
    "explore": ("scipy.stats",),
}


@cache
def forked_jobs() -> tuple[str, dict[str, str]]:
    """Start the process that is forked, once.

    Returns a folder with a program `fathom`, and the variables that this program needs. They tell a run that its jobs
    are forked already, so that it starts no processes for that.
    """
    from fathom.runtime.forked import FOLDER  # here, for the process that is forked imports nothing of fathom

    folder = tempfile.mkdtemp(prefix="fathom-")  # short: an address has at most 108 characters
    program, address = Path(folder, "fathom"), str(Path(folder, "socket"))
    program.write_text(PROGRAM, encoding="utf-8")
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        # A matplotlib of no user's settings, and libraries that ask no hub, as in every job.
        own = {"MPLBACKEND": "agg", "MPLCONFIGDIR": folder, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.workflow.forked_jobs", str(listening.fileno()), folder],
            env={**os.environ, **own},
            cwd=ROOT,
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,  # whose other end this process holds as long as it lives
        )
        atexit.register(process.communicate)
    return folder, {ADDRESS: address, FOLDER: folder}


def _serve(listening: socket.socket) -> None:
    """Fork for every program that asks, until standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who attend
    while True:
        ready, _, _ = select.select([listening.fileno(), sys.stdin.fileno()], [], [])
        if sys.stdin.fileno() in ready:
            return
        program, _ = listening.accept()
        _, files, _, _ = socket.recv_fds(program, 1, 3)
        with program, program.makefile("rw") as said:
            asked: dict[str, Any] = json.loads(said.readline())
            for verb in [word for word in asked["arguments"] if word in IMPORTED][:1]:
                for name in (*TABLES, *IMPORTED[verb]):
                    importlib.import_module(name)
            if os.fork() == 0:
                listening.close()
                print(_attend(program, asked, files), file=said, flush=True)
                os._exit(0)
        for file in files:
            os.close(file)


def _attend(program: socket.socket, asked: dict[str, Any], files: Sequence[int]) -> int:
    """Run a job in a process of its own, which ends with the program that asked for it; returns its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    job = os.fork()
    if job == 0:
        _run(asked, files)
    for file in files:
        os.close(file)
    ready, _, _ = select.select([program.fileno(), os.pidfd_open(job)], [], [])
    if program.fileno() in ready:
        os.killpg(job, signal.SIGKILL)
    return abs(os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]))


def _run(asked: dict[str, Any], files: Sequence[int]) -> None:
    """`fathom` with these arguments, environment, folder and standard files; the process ends with it."""
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    variables: dict[str, str] = asked["variables"]
    os.environ.clear()
    os.environ |= variables
    os.chdir(asked["folder"])
    sys.path[:0] = variables["PYTHONPATH"].split(os.pathsep)
    # What the libraries, imported after Snakemake has said so, would have read for themselves.
    threads = int(variables["OMP_NUM_THREADS"])
    threadpool_limits(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)

    from fathom.cli import run

    status: Any = 0
    try:
        run(asked["arguments"])
    except SystemExit as ended:
        status = ended.code
    threading._shutdown()  # type: ignore[attr-defined]  # what multiprocessing does here, too
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    # To take apart all that was imported takes longer than the job.
    os._exit(status if isinstance(status, int) else 0 if status is None else 1)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
    shutil.rmtree(sys.argv[2])
