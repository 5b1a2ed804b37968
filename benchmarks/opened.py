"""Open the states of many shards and read one layer of them: `python opened.py FOLDER SHARDS` prints what it took.

A process of its own, so that its memory is that of a reader.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from fathom.io.shards import shard_manifests
from fathom.store.reader import Activations


def main(folder: str, shards: str) -> None:
    """Print seconds to open, seconds to read the means of one layer, and the peak memory as JSON."""
    start = time.perf_counter()
    activations = Activations(shard_manifests(Path(folder), int(shards)))
    opened = time.perf_counter()
    activations.pooled("mean", 0)
    read = time.perf_counter()
    # Not what getrusage tells: Linux counts what the parent held into it.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak_mb = int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    print(json.dumps({"opened": opened - start, "read": read - opened, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main(*sys.argv[1:])
