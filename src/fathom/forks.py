"""`python -m fathom.forks FOLDER`: the processes that the jobs of a run are forked from, one a verb.

It listens in FOLDER for `fathom VERB` (see `fathom.runtime.forked`), and ends when its standard input does, which the
run of the workflow holds open. The process of a verb starts with the verb's first job, imports what each of these jobs
imports, and nothing else but threadpoolctl: what a job has loaded, and so its record, is as if it had started by
itself. It computes nothing, has no thread but its first one, and never touches a GPU, for neither survives a fork.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from fathom import cli
from fathom.runtime import described
from fathom.runtime.forked import STATUS, TAKEN, address, become, receive
from fathom.stages import STAGES

# What all jobs of a verb import once they run. Of tasks those that build texts and score layers, not those that only
# read their data. mteb is left to each job: as they are imported, the hub's libraries read whether they may fetch.
LATER = {
    "tasks": ("sklearn.linear_model", "sklearn.preprocessing", "polars", "torch"),
    "models": ("fathom.models.load", "transformers.modeling_utils"),
    "activations": ("fathom.models.load", "fathom.models.sites", "transformers.modeling_utils"),
    "figures": ("fathom.figures.drawing.style",),
}
# They look for a GPU as they import torch's friends. Where there is one, these verbs are not forked.
WITH_TORCH = {"models", "nursery", "activations", "tasks"}
GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
PR_SET_PDEATHSIG = 1  # from linux/prctl.h


@dataclass
class Fork:
    """A job that runs."""

    pid: int
    ended: int
    """A pipe that the fork holds open."""
    connection: socket.socket
    """To the command that waits for it."""
    waited_for: bool = True


def main() -> None:
    """Start the process of each verb when its first job asks for it."""
    folder = Path(sys.argv[1])
    described.wanted = False
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # a command hands on what is meant for its job
    signal.signal(signal.SIGINT, signal.default_int_handler)  # and keeps to itself what it ignores
    gpu = any(Path(device).exists() for device in GPUS)
    listeners = {verb: _listen(folder, verb) for verb in STAGES if not (gpu and verb in WITH_TORCH)}
    print("ready", flush=True)
    os.dup2(2, 1)
    while True:
        ready = _ready([0, *listeners.values()])
        if 0 in ready:
            break
        for verb in [verb for verb, listener in listeners.items() if listener in ready]:
            listener = listeners.pop(verb)
            if os.fork() == 0:
                _die_with_parent()
                for other in listeners.values():
                    other.close()
                if (arguments := _serve(verb, listener)) is not None:
                    _run(arguments)
                return
            listener.close()
    shutil.rmtree(folder, ignore_errors=True)
    for listener in listeners.values():
        listener.close()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def _run(arguments: list[str]) -> None:
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        cli.run(arguments)
    except KeyboardInterrupt:  # it came before the command had begun
        sys.exit(130)


def _listen(folder: Path, verb: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address(folder, verb))
    listener.listen(128)
    return listener


def _ready(files: list[Any]) -> list[Any]:
    """Those of some files and sockets that can be read; waits for one."""
    ready, _, _ = select.select(files, [], [])
    return ready


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _serve(verb: str, listener: socket.socket) -> list[str] | None:
    """Fork for every command that asks. Returns its arguments in a fork, and None at the end of the run."""
    cli.prepare(verb)
    for name in LATER.get(verb, ()):
        importlib.import_module(name)
    gc.freeze()  # so that collections in a fork do not write to, and thereby copy, all that it shares
    accepting, forks = True, dict[int, Fork]()
    while accepting or forks:
        waited_for = {fork.connection.fileno(): fork for fork in forks.values() if fork.waited_for}
        ready = _ready([*([0, listener] if accepting else []), *forks, *waited_for])
        for number in ready:
            if number in forks:
                _end(forks.pop(number))
            elif number in waited_for:
                _hand_on(waited_for[number])
        if listener in ready:
            arguments = _fork(listener, forks)
            if arguments is not None:
                return arguments
        elif 0 in ready:
            accepting = False
            listener.close()
    return None


def _fork(listener: socket.socket, forks: dict[int, Fork]) -> list[str] | None:
    connection, _ = listener.accept()
    received = receive(connection)
    if received is None:
        connection.close()
        return None
    request, files = received
    ended, alive = os.pipe()
    pid = os.fork()
    if pid == 0:
        _die_with_parent()
        for other in forks.values():
            os.close(other.ended)
            other.connection.close()
        for one in (listener, connection):
            one.close()
        os.close(ended)
        arguments = become(request, files)
        _limit_threads(os.environ)
        return arguments
    os.close(alive)
    for file in files:
        os.close(file)
    forks[ended] = Fork(pid, ended, connection)
    with suppress(OSError):  # the command has been killed meanwhile; the next look at its connection ends the fork
        connection.send(TAKEN)
    return None


def _hand_on(fork: Fork) -> None:
    """Pass signals on to a job; a command that has been killed takes its job with it."""
    try:
        signals = fork.connection.recv(64)
    except OSError:
        signals = b""
    for number in signals or bytes([signal.SIGKILL]):
        os.kill(fork.pid, number)
    fork.waited_for = bool(signals)


def _end(fork: Fork) -> None:
    _, status = os.waitpid(fork.pid, 0)
    os.close(fork.ended)
    with suppress(OSError):  # the command has been killed, and nobody waits
        fork.connection.send(STATUS.pack(os.waitstatus_to_exitcode(status)))
    fork.connection.close()


def _limit_threads(variables: Mapping[str, str]) -> None:
    """As many threads as the job has, in libraries that were told another number when they were imported."""
    threads = int(variables.get("OMP_NUM_THREADS") or 1)
    threadpool_limits(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


if __name__ == "__main__":
    main()
