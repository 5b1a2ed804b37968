"""Run a command and print its seconds, memory and exit status as JSON: `python watched.py LOG COMMAND ...`.

A process of its own, because Linux counts what the parent of a process held into the peak memory of the child: one that
was started right from the benchmarks would seem to need as much as they do.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path


def main(log: str, *command: str) -> None:
    """Run `command`, what it says going to `log`; the memory is that of its largest process."""
    with Path(log).open("w", encoding="utf-8") as stream:
        start = time.perf_counter()
        status = subprocess.call(command, stdout=stream, stderr=stream)
        seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "status": status,
        "seconds": seconds,
        "processor_seconds": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss * 1024 / 1e6,  # Linux counts in KiB
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
