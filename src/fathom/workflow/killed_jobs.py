"""What to do after a run that failed on a cluster, from what Snakemake and the scheduler have written.

A job that takes more memory or time than it was given is killed from outside: it can say nothing itself, and what the
scheduler says of it stands in one of many files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_ERROR = re.compile(r"^Error in (?:rule|group) (\S+?):?$")
_JOB = re.compile(r"^\s+jobid: (\S+)")
_LOGS = re.compile(r"^\s+log: (.+) \(check log file")
_AGAIN = re.compile(r"^Trying to restart job (\S+)\.$")
MEMORY = re.compile(
    r"exceeded (?:job |step )?memory limit|oom[-_ ]kill|out of memory handler|OOM Killed", re.IGNORECASE
)
TIME = re.compile(r"DUE TO TIME LIMIT|walltime .*exceeded", re.IGNORECASE)
ADVICE = {
    MEMORY: "was killed for its memory ({log}): let it have more, snakemake --set-resources {rule}:mem_mb=MEGABYTES, "
    "or make it need less, activations.memory_mb and activations.token_budget in the config",
    TIME: "was killed for its time ({log}): let it have more, snakemake --set-resources {rule}:runtime=MINUTES, "
    "or cut its corpus into more shards, activations.shards in the config",
}


def advice(log: str) -> Iterator[str]:
    """One line for each rule whose last attempt the scheduler killed; `log` is the text of Snakemake's log."""
    told = set()
    for rule, files in _failed(log):
        for file in files:
            for reason, line in ADVICE.items():
                if (rule, reason) not in told and reason.search(_text(Path(file))):
                    told.add((rule, reason))
                    yield f"fathom: {rule} " + line.format(rule=rule, log=file)


def _failed(log: str) -> list[tuple[str, list[str]]]:
    """Rule and log files of every job that failed and was not started again."""
    found: dict[str, tuple[str, list[str]]] = {}
    rule = job = ""
    for line in log.splitlines():
        if match := _ERROR.match(line):
            rule, job = match[1], ""
        elif (match := _JOB.match(line)) and rule and not job:
            job = match[1]
        elif (match := _LOGS.match(line)) and rule and job:
            found[job] = rule, match[1].split(", ")
            rule = ""
        elif match := _AGAIN.match(line):
            found.pop(match[1], None)
    return list(found.values())


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
