"""A real Slurm on one machine: munged, slurmctld, and nodes that are namespaces of their own.

A node is a process tree in its own PID, mount, host name and network namespace. Its network reaches the controller and
nothing else: there is no route to a package index or hub. What a node is made of goes with its first process, so that
killing that one is a machine losing power, and everything goes when the test process does, even if that was killed.
Needs root and Debian's packages slurmctld, slurmd, slurm-client, munge and iproute2.
"""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "ip", "unshare", "nsenter")
PR_SET_PDEATHSIG = 1  # from Linux's prctl.h
SECONDS = 60.0
"""How long a daemon may take to come up or to notice something."""

OWN_SPACES = ("--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc")
"""Of `unshare`: mounts and processes of its own, which end with the first of them."""

# The first process of a node: it does nothing but collect processes that lost their parents.
INIT = """
import os, time
while True:
    try:
        os.wait()
    except ChildProcessError:
        time.sleep(0.1)
"""


@dataclass(frozen=True)
class Node:
    """A compute node, and the partition that it makes up with others."""

    name: str
    partition: str
    gpu: bool = False
    cpus: int = 8
    memory_mb: int = 24_000


NODES = (Node("cpu1", "cpu"), Node("cpu2", "cpu"), Node("gpu1", "gpu", gpu=True))


@dataclass(frozen=True)
class Job:
    """What Slurm says of a job that it has or had."""

    number: int
    state: str
    partition: str
    nodes: str
    comment: str
    memory_mb: int
    cpus: int
    minutes: int
    gpus: int
    restarts: int


@dataclass
class Cluster:
    """A cluster in a folder. `start` and `stop` may be called at any time, in any state."""

    folder: Path
    nodes: Sequence[Node] = NODES
    shared: Path | None = None
    """Folder that nodes see as the path `folder/shared`; the login node sees there what it has mounted itself."""
    slurm: Mapping[str, str] = field(default_factory=dict)
    """Further settings of slurm.conf."""
    _daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, init=False)
    _ports: dict[str, int] = field(default_factory=dict, init=False)

    # Everything -------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Cluster:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Bring up what is not up, and wait until every node takes jobs.

        Errors: RuntimeError if a program is missing; TimeoutError, with the logs, if a daemon does not come up.
        """
        missing = [program for program in PROGRAMS if shutil.which(program, path=self.environment["PATH"]) is None]
        if missing or os.geteuid() != 0:
            lacking = ", ".join(missing) or "root"
            msg = f"a cluster needs root and Debian's Slurm: missing {lacking}; run make test-cluster"
            raise RuntimeError(msg)
        self._write_files()
        self._start_munge()
        self.start_controller()
        for node in self.nodes:
            self.start_node(node.name)
        self.wait_for(lambda: all(self.node_state(node.name) == "IDLE" for node in self.nodes), "every node is idle")

    def stop(self) -> None:
        """End every process that was started; namespaces, mounts and network devices go with them."""
        for name in reversed(list(self._daemons)):
            self._end(name)

    @property
    def environment(self) -> dict[str, str]:
        """Environment of Slurm's programs."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin", "/sbin"])
        return {**os.environ, "PATH": path, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        """Wait until a condition holds.

        Errors: TimeoutError, with the ends of the daemons' logs.
        """
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                logs = "\n".join(f"--- {log.name}\n{_end_of(log)}" for log in sorted(self.folder.glob("*.log")))
                msg = f"not after {seconds:g} s: {what}\n{logs}"
                raise TimeoutError(msg)
            time.sleep(0.2)

    # Controller -------------------------------------------------------------------------------------------------------

    def start_controller(self) -> None:
        """Start slurmctld, with the state that an earlier one left, and wait until it answers."""
        self._start("slurmctld", ["slurmctld", "-D"])
        self.wait_for(lambda: self._ask("scontrol", "ping").returncode == 0, "slurmctld answers")

    def kill_controller(self) -> None:
        """`kill -9` of slurmctld. Its state stays."""
        self._end("slurmctld")

    # Nodes ------------------------------------------------------------------------------------------------------------

    def start_node(self, name: str) -> None:
        """Start a node, unless it is up, and its slurmd."""
        if not self._is_up(name):
            self._start_machine(name)
        self._start(f"slurmd-{name}", self.inside(name, "slurmd", "-D", "-N", name))

    def kill_slurmd(self, name: str) -> None:
        """`kill -9` of a node's slurmd. Its jobs live on."""
        self._end(f"slurmd-{name}")

    def kill_node(self, name: str) -> None:
        """A node loses power: all its processes end at once."""
        self._end(name)
        self._end(f"slurmd-{name}")

    def node_state(self, name: str) -> str:
        """A node's state in Slurm's words: IDLE, MIXED, ALLOCATED, DOWN."""
        found = re.search(r"State=([A-Z+*]+)", self._ask("scontrol", "show", "node", name).stdout)
        return found.group(1) if found else "UNKNOWN"

    def inside(self, name: str, *command: str) -> list[str]:
        """The command line that runs a command on a node."""
        return ["nsenter", f"--target={self._first_process(name)}", "--mount", "--net", "--uts", "--pid", *command]

    # Jobs -------------------------------------------------------------------------------------------------------------

    def jobs(self) -> list[Job]:
        """All jobs since the cluster's start, finished ones too, in the order in which they were submitted."""
        lines = self._ask("scontrol", "show", "job", "--oneliner").stdout.splitlines()
        return sorted((_job(line) for line in lines if line.startswith("JobId=")), key=lambda job: job.number)

    # Processes --------------------------------------------------------------------------------------------------------

    def _start(self, name: str, command: Sequence[str]) -> None:
        if self._is_up(name):
            return
        with self._log(name).open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def _end(self, name: str) -> None:
        daemon = self._daemons.pop(name, None)
        if daemon is None:
            return
        tree = _tree(daemon.pid)
        for process in tree:
            _kill(process)
        daemon.wait()
        psutil.wait_procs(tree, timeout=SECONDS)

    def _is_up(self, name: str) -> bool:
        return name in self._daemons and self._daemons[name].poll() is None

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def _start_munge(self) -> None:
        socket_file = self.folder / "munge.socket"
        files = {"key-file": "munge.key", "pid-file": "munge.pid", "log-file": "munge.log", "seed-file": "munge.seed"}
        options = [f"--{option}={self.folder / file}" for option, file in files.items()]
        self._start("munged", ["munged", "--foreground", "--force", f"--socket={socket_file}", *options])
        self.wait_for(socket_file.exists, "munged listens")

    def _start_machine(self, name: str) -> None:
        """The first process of a node, its host name, its mounts, and a cable to the controller."""
        self._start(name, ["unshare", *OWN_SPACES, "--net", "--uts", sys.executable, "-c", INIT])
        self.wait_for(lambda: _child_of(self._daemons[name].pid) is not None, f"{name} runs")
        first = self._first_process(name)
        device = f"{name}-{self._ports['slurmctld']}"[:15]
        address = self._address(name)
        for command in (
            ["hostname", name],
            # Under both names: jobs are told the login node's file, and steps of jobs look where it is by default.
            ["mount", "--bind", str(self.folder / "nodes" / "slurm.conf"), str(self.folder / "slurm.conf")],
            ["mount", "--bind", str(self.folder / "nodes"), "/etc/slurm"],
            *([["mount", "--bind", str(self.shared), str(self.folder / "shared")]] if self.shared else []),
            ["ip", "link", "set", "lo", "up"],
        ):
            _run(self.inside(name, *command))
        _run(["ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", str(first)])
        _run(["ip", "address", "add", self._gateway, "peer", address, "dev", device])
        _run(["ip", "link", "set", device, "up"])
        _run(self.inside(name, "ip", "address", "add", address, "peer", self._gateway, "dev", "eth0"))
        _run(self.inside(name, "ip", "link", "set", "eth0", "up"))

    def _first_process(self, name: str) -> int:
        first = _child_of(self._daemons[name].pid) if self._is_up(name) else None
        if first is None:
            msg = f"node {name} is not up"
            raise RuntimeError(msg)
        return first

    # Files ------------------------------------------------------------------------------------------------------------

    @property
    def _gateway(self) -> str:
        """The controller's address, on the cable to each node."""
        return f"10.{213 + self._ports['slurmctld'] % 40}.{self._ports['slurmctld'] // 40 % 250}.1"

    def _address(self, name: str) -> str:
        place = [node.name for node in self.nodes].index(name)
        return f"{self._gateway.rsplit('.', 1)[0]}.{place + 11}"

    def _write_files(self) -> None:
        if self._ports:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self._ports["slurmctld"] = _free_port()
        (self.folder / "shared").mkdir(exist_ok=True)
        if self.shared is not None:
            self.shared.mkdir(exist_ok=True)
        (self.folder / "state").mkdir(exist_ok=True)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(64))
        key.chmod(0o400)
        # Slurm 22.05 counts a GPU only with a device file; any does.
        gpus = [f"NodeName={node.name} Name=gpu File=/dev/null" for node in self.nodes if node.gpu]
        for folder, controller in ((self.folder, "127.0.0.1"), (self.folder / "nodes", self._gateway)):
            folder.mkdir(exist_ok=True)
            (folder / "slurm.conf").write_text("\n".join(self._conf(controller)) + "\n", encoding="utf-8")
            (folder / "gres.conf").write_text("\n".join(gpus) + "\n", encoding="utf-8")

    def _conf(self, controller: str) -> list[str]:
        host = socket.gethostname().split(".")[0]
        settings = {
            "ClusterName": "fathom",
            "SlurmctldHost": f"{host}({controller})",
            "SlurmctldPort": str(self._ports["slurmctld"]),
            "SlurmctldPidFile": str(self.folder / "slurmctld.pid"),
            "SlurmUser": "root",
            "StateSaveLocation": str(self.folder / "state"),
            "SlurmdSpoolDir": str(self.folder / "spool-%n"),
            "SlurmdPidFile": str(self.folder / "slurmd-%n.pid"),
            "AuthType": "auth/munge",
            # A job that is put back into the queue waits until what its first start was allowed to do has expired.
            "AuthInfo": f"socket={self.folder / 'munge.socket'},cred_expire=5",
            "CryptoType": "crypto/munge",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory",
            "GresTypes": "gpu",
            "ReturnToService": "2",
            "AccountingStorageType": "accounting_storage/none",
            "SlurmdParameters": "config_overrides",  # nodes have what is said here, not what this machine has
            "DebugFlags": "NO_CONF_HASH",  # the controller's own file and the nodes' differ in its address
            "TreeWidth": "65533",  # nodes do not see each other
            # A job that takes more memory than it asked for is killed, as where cgroups do that.
            "JobAcctGatherType": "jobacct_gather/linux",
            "JobAcctGatherFrequency": "task=1",
            "JobAcctGatherParams": "OverMemoryKill",
            "MinJobAge": "36000",  # finished jobs stay in the list
            "SchedulerParameters": "batch_sched_delay=0,sched_min_interval=0,bf_interval=1",
            "SlurmdTimeout": "10",
            "SlurmctldTimeout": "10",
            "MessageTimeout": "5",
            "InactiveLimit": "0",
            "KillWait": "2",
            **self.slurm,
        }
        lines = [f"{name}={value}" for name, value in settings.items()]
        for node in self.nodes:
            gres = " Gres=gpu:1" if node.gpu else ""
            size = f"CPUs={node.cpus} RealMemory={node.memory_mb}{gres} State=UNKNOWN"
            lines.append(f"NodeName={node.name} NodeAddr={self._address(node.name)} {size}")
        for partition in dict.fromkeys(node.partition for node in self.nodes):
            names = ",".join(node.name for node in self.nodes if node.partition == partition)
            lines.append(f"PartitionName={partition} Nodes={names} MaxTime=INFINITE State=UP")
        return lines


def _job(line: str) -> Job:
    facts = dict(re.findall(r"(?:^| )([A-Za-z/:]+)=([^ ]*)", line))
    comment = re.search(r" Comment=(.*?) (?:StdErr|Power|StdIn|StdOut)=", line)
    gpus = re.search(r"gpu(?::[^:, ]+)?[:=](\d+)", facts.get("TresPerJob", ""))
    return Job(
        number=int(facts["JobId"]),
        state=facts["JobState"],
        partition=facts["Partition"],
        nodes=facts["NodeList"],
        comment=comment.group(1) if comment else "",
        memory_mb=_megabytes(facts["MinMemoryNode"]),
        cpus=int(facts["CPUs/Task"]),
        minutes=_minutes(facts["TimeLimit"]),
        gpus=int(gpus.group(1)) if gpus else 0,
        restarts=int(facts["Restarts"]),
    )


def _megabytes(size: str) -> int:
    """Slurm's sizes: 1500M, 1.5G."""
    return round(float(size[:-1]) * {"M": 1, "G": 1024, "T": 1024**2}[size[-1]])


def _minutes(limit: str) -> int:
    """Slurm's times: days-hours:minutes:seconds."""
    days, _, rest = limit.rpartition("-")
    hours, minutes, _ = rest.split(":")
    return int(days or 0) * 1440 + int(hours) * 60 + int(minutes)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        msg = f"{' '.join(command)}: {done.stderr.strip()}"
        raise RuntimeError(msg)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _child_of(process: int) -> int | None:
    """The process that `unshare` forked, once it is there and in its own namespaces."""
    try:
        children = psutil.Process(process).children()
        ready = [child.pid for child in children if child.cmdline()[:1] == [sys.executable]]
    except psutil.Error:
        return None
    return ready[0] if ready else None


def _tree(process: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(process)
        return [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
