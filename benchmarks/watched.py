"""Run a command and print its seconds, peak memory and exit status as JSON: `python watched.py LOG COMMAND ...`.

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
    # Linux counts in KiB.
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    print(json.dumps({"status": status, "seconds": seconds, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main(*sys.argv[1:])
