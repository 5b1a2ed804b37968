"""The measurements as Markdown, with the machine that they were made on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.pairs import Comparison
    from benchmarks.workflow import NoOp

PACKAGES = ("fathom", "torch", "transformers", "zarr", "numpy", "snakemake")


def cpu_model() -> str:
    """Name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def slug(name: str) -> str:
    """A name as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def machine_lines() -> list[str]:
    """What the machine is, as Markdown."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return [
        f"- CPU: {cpu_model()}, {os.cpu_count()} cores; torch uses {torch.get_num_threads()} threads",
        f"- Memory: {memory:.0f} GiB",
        f"- GPU: {gpu}",
        f"- System: {platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"- Versions: {versions}",
    ]


def comparison_lines(comparisons: Sequence[Comparison], missing: Sequence[str]) -> list[str]:
    """The comparisons as a table; `missing` names what could not be measured, and why."""
    lines = [
        "| measurement | fathom | against | | ratio: median (lowest to highest) | pairs | aim | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [comparison_row(one) for one in comparisons]
    return lines + [f"| {what} | | | | | | | |" for what in missing]


def comparison_row(one: Comparison) -> str:
    """One comparison as a row."""
    ours, theirs = one.medians
    ratio = median(one.ratios)
    spread = f" ({min(one.ratios):.3f} to {max(one.ratios):.3f})" if len(one.pairs) > 1 else ""
    aim = f"{one.aim.sense} {one.aim.limit}" if one.aim else ""
    met = ("yes" if one.aim.met(ratio) else "no") if one.aim else ""
    return (
        f"| {one.name} | {number(ours)} {one.unit} | {one.against} | {number(theirs)} {one.unit} "
        f"| {ratio:.3f}{spread} | {len(one.pairs)} | {aim} | {met} |"
    )


def no_op_lines(runs: Sequence[NoOp]) -> list[str]:
    """The runs of Snakemake without anything to do as a table."""
    lines = [
        "| snakemake with nothing to do | jobs | seconds: median (lowest to highest) | runs | peak memory |",
        "|---|---|---|---|---|",
    ]
    for run in runs:
        seconds = f"{median(run.seconds):.2f} ({min(run.seconds):.2f} to {max(run.seconds):.2f})"
        lines.append(f"| {run.name} | {run.jobs:,} | {seconds} | {len(run.seconds)} | {run.peak_mb:.0f} MB |")
    return lines


def number(value: float) -> str:
    """Three digits or more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
