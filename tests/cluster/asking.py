"""Snakemake that asks Slurm after its jobs every second.

The Slurm plugin waits ten seconds longer each time that no job has ended, up to three minutes, and has no setting for
it. That is kind to a cluster of thousands of users; a test would wait longer than its jobs take.
"""

from __future__ import annotations

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

SECONDS = 1

if __name__ == "__main__":
    Executor.next_seconds_between_status_checks = property(lambda _: SECONDS, lambda _, __: None)
    main()
