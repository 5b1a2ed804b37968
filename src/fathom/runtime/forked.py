"""A job that is forked from a process which has imported the libraries of its verb already.

To import torch and transformers costs five seconds of processor time, as much as many a job computes for. A run of the
workflow therefore keeps one process a verb (`fathom.forks`), and `fathom VERB` asks it to fork: the fork gets the
command line, the environment, the working folder, the limits and the three open files of the command, which waits for
it, hands on signals and ends as the fork ends. Where no such process can be reached, a command does its work itself.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

FOLDER, LIKE = "FATHOM_FORKS", "FATHOM_FORKS_LIKE"
LENGTH, STATUS = struct.Struct("!Q"), struct.Struct("!i")
TAKEN = b"+"
HANDED_ON = (signal.SIGINT, signal.SIGTERM)
LIMITS = sorted({value for name, value in vars(resource).items() if name.startswith("RLIMIT_")})


def identity() -> str:
    """What two processes must have in common for one to be forked from the other: interpreter and source."""
    return f"{sys.version} {sys.prefix} {Path(__file__).parents[1]}"


def variables(folder: Path) -> dict[str, str]:
    """Environment variables by which commands find the processes to be forked from."""
    return {FOLDER: str(folder), LIKE: identity()}


def address(folder: Path, verb: str) -> str:
    """Where the process of a verb listens."""
    return str(folder / f"{verb}.socket")


def run_forked(arguments: Sequence[str]) -> int | None:
    """Let a command run in a fork, and wait for it.

    Returns its exit status; None where nothing can be forked, and the command has to run here.
    """
    verb = _verb(arguments)
    if verb is None or os.environ.get(LIKE) != identity():
        return None
    # Those that come before the fork can be told of them wait until then.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            return _wait(connection, mask) if _ask(connection, verb, arguments) else None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _ask(connection: socket.socket, verb: str, arguments: Sequence[str]) -> bool:
    """Ask the process of a verb to fork, and tell whether it has."""
    request = _request(arguments)
    try:
        connection.connect(address(Path(os.environ[FOLDER]), verb))
        socket.send_fds(connection, [LENGTH.pack(len(request))], [0, 1, 2])
        connection.sendall(request)
        return connection.recv(1) == TAKEN
    except OSError:  # a verb that is not forked, another machine than that of the run, or the run has ended
        return False


def _verb(arguments: Sequence[str]) -> str | None:
    """The verb of a command line: its first word that is neither an option nor an option's value."""
    words = iter(arguments)
    for word in words:
        if not word.startswith("-"):
            return word
        if "=" not in word:
            next(words, None)
    return None


def _request(arguments: Sequence[str]) -> bytes:
    umask = os.umask(0)
    os.umask(umask)
    here = {name: value for name, value in os.environ.items() if name not in {FOLDER, LIKE}}
    limits = [(limit, resource.getrlimit(limit)) for limit in LIMITS]
    request = {
        "arguments": [*arguments],
        "folder": str(Path.cwd()),
        "variables": here,
        "umask": umask,
        "limits": limits,
    }
    return json.dumps(request).encode()


def _wait(connection: socket.socket, mask: set[int | signal.Signals]) -> int:
    """Hand on signals until the fork has ended, then end as it did."""

    def hand_on(number: int, _: FrameType | None) -> None:
        with suppress(OSError):  # it has just ended
            connection.send(bytes([number]))

    for handled in HANDED_ON:
        if signal.getsignal(handled) is not signal.SIG_IGN:
            signal.signal(handled, hand_on)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    answer = connection.recv(STATUS.size)
    if len(answer) < STATUS.size:
        print("fathom: error: the process that this job was forked from was killed", file=sys.stderr)
        return 1
    status: int = STATUS.unpack(answer)[0]
    if status < 0:
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """A request and its three open files; None if the command has ended before it had asked."""
    start, files, _, _ = socket.recv_fds(connection, LENGTH.size, 3)
    if len(start) == LENGTH.size and len(files) == 3:
        length, parts = LENGTH.unpack(start)[0], bytearray()
        while len(parts) < length and (part := connection.recv(1 << 20)):
            parts += part
        if len(parts) == length:
            return json.loads(parts), files
    for file in files:
        os.close(file)
    return None


def become(request: dict[str, Any], files: Sequence[int]) -> list[str]:
    """Take over what a command has from the one that started it. Returns its arguments."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ |= request["variables"]
    os.chdir(request["folder"])
    os.umask(request["umask"])
    for limit, values in request["limits"]:
        resource.setrlimit(limit, tuple(values))
    return list(request["arguments"])
