"""`python -m benchmarks`: measure everything, print a Markdown table and write it to benchmarks/results."""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks import curvature, curves, entropy, extraction, invariance, probes, reading, size, verifying, workflow
from benchmarks.models import EVERYTHING, READ, pythia, smollm2
from benchmarks.table import comparison_lines, cpu_model, machine_lines, no_op_lines, slug
from fathom.runtime.malloc import keep_freed_memory

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, print and write. Whether an aim was met changes nothing but the table."""
    keep_freed_memory()  # as the verbs do
    today = dt.datetime.now().astimezone().date()
    start, load = time.perf_counter(), os.getloadavg()[0]
    # Beside the results of real runs: stores are timed on the disk that they are written to, not in a /tmp in memory.
    (ROOT / "results").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".benchmarks-", dir=ROOT / "results") as scratch:
        measured = measure(Path(scratch))
    lines = [
        f"# Benchmarks of {today:%Y-%m-%d}",
        "",
        *machine_lines(),
        f"- Load average before the first measurement: {load:.2f}; all took {time.perf_counter() - start:.0f} s",
        "",
        *measured,
    ]
    text = "\n".join(lines) + "\n"
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{today:%Y-%m-%d}-{slug(cpu_model())}.md"
    path.write_text(text, encoding="utf-8")
    print(text)
    print(f"Written to {path.relative_to(ROOT)}")


def measure(scratch: Path) -> list[str]:
    """All measurements, as the lines of three tables."""
    all_cores = os.cpu_count() or 1
    cases = [smollm2(*READ), smollm2(*READ, threads=all_cores), smollm2(*EVERYTHING, threads=all_cores)]
    missing = []
    if torch.cuda.is_available():
        cases += [pythia(*READ), pythia(*EVERYTHING)]
    else:
        missing.append("Extraction and store on disk, Pythia-410M's shape, bfloat16, GPU: not measured: no GPU")
    comparisons = []
    for case in cases:
        say(f"extraction, {case.title}, {', '.join(case.activations.positions)}, {case.place}")
        folder = Path(tempfile.mkdtemp(dir=scratch))
        speed, manifest = extraction.measure(case, folder)
        comparisons.append(speed)
        if case.threads == all_cores or case.device != "cpu":  # what is stored is the same for any number of threads
            comparisons.append(size.measure(case.title, manifest))
    say("reading")
    comparisons += reading.measure(scratch)
    say("verifying")
    comparisons.append(verifying.measure(scratch / "verified"))
    say("entropy")
    comparisons.append(entropy.measure())
    say("curvature")
    comparisons.append(curvature.measure(scratch / "curvature"))
    say("LiDAR and DiME")
    comparisons += invariance.measure()
    say("probes")
    comparisons += probes.measure()
    say("cost curves")
    costs = curves.measure()
    say("snakemake, default config")
    runs = [workflow.default_config(scratch / "default")]
    say("snakemake, 1,000 jobs")
    runs.append(workflow.many_jobs(scratch / "many"))
    return [*comparison_lines(comparisons, missing), "", *no_op_lines(runs), "", *curves.curve_lines(costs)]


def say(what: str) -> None:
    """Tell what is measured now."""
    print(f"measuring {what} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
