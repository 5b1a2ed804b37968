"""How planning, files and reading grow with the number of shards: `python -m benchmarks.scaling`.

Plans are of simulated projects: their results are empty files, or nearly, that Snakemake was told to take as done.
Files and readers are those of real extractions by a model of three tiny blocks.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from click.testing import CliRunner

from benchmarks import opened, watched
from benchmarks.table import cpu_model, machine_lines, slug
from benchmarks.workflow import ROOT, make_output, project_folder
from fathom.activations.batching import even_cut
from fathom.activations.command import command as extract
from fathom.io.shards import MANIFEST, shard_names
from fathom.store.layout import Shape
from fathom.store.writer import StoreWriter
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards

RESULTS = Path(__file__).parent / "results"
SHARDS = (10, 100, 1_000, 10_000)
CHECKPOINTS, CORPORA, EACH = 100, 4, 25  # 10,000 extractions
MARKED = (
    1_000  # jobs that Snakemake marks as done in one run: of ten times as many it takes far more than ten times as long
)
RUN_SHARDS = (10, 100)  # of real runs of Snakemake: what a shard more leaves is their difference
TEXTS, TEXT_TOKENS = 10_000, 12
WIDTH, LAYERS = 16, ("0", "1", "2", "final")


@dataclass(frozen=True)
class Planned:
    """One planning of a workflow."""

    seconds: float
    processor_seconds: float
    peak_mb: float

    def cell(self) -> str:
        """Its three numbers, as a cell of a table."""
        return f"{self.seconds:.1f} s ({self.processor_seconds:.1f} s), {self.peak_mb:.0f} MB"


# Planning -------------------------------------------------------------------------------------------------------------


def simulated(folder: Path, models: int, corpora: int, shards: int) -> Path:
    """A project of so many models and corpora, each cut into so many shards, none of which is ever run."""
    project = project_folder(folder)
    checkpoints: dict[str, Any] = {}
    for number in range(1, models + 1):
        path = project / "checkpoints" / f"model-{number}"
        path.mkdir(parents=True)
        shape = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 8}
        (path / "config.json").write_text(json.dumps(shape), encoding="utf-8")
        for file in ("model.safetensors", "tokenizer.json"):
            (path / file).touch()
        checkpoints[path.name] = {"source": "path", "path": f"checkpoints/{path.name}"}
    texts = {f"corpus-{seed}": {"kind": "random-tokens", "seed": seed} for seed in range(1, corpora + 1)}
    config = {"models": checkpoints, "corpora": texts, "probes": {}, "activations": {"shards": shards}}
    (project / "many.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return project


def planning_line(name: str, project: Path) -> str:
    """How long Snakemake plans a project of which nothing is made, and one of which everything is."""
    first, said = _planned(project, "--dry-run")
    quiet, _ = _planned(project, "--dry-run", "--quiet", "all")
    counted = dict(re.findall(r"^(total|activations)\s+(\d+)$", said, re.MULTILINE))
    extractions, jobs = int(counted["activations"]), int(counted["total"])
    _make_all(project)
    last, said = _planned(project)
    if "Nothing to be done" not in said:
        msg = f"{name}: expected Snakemake to find nothing to be done; it said:\n{said[-2000:]}"
        raise RuntimeError(msg)
    return f"| {name} | {extractions:,} | {jobs:,} | {first.cell()} | {quiet.cell()} | {last.cell()} |"


def _make_all(project: Path) -> None:
    """Make every result as small as can be, and let Snakemake mark it as done."""
    outputs = [line.split("\t")[0] for line in _snakemake(project, "--summary").splitlines()[1:]]
    for output in outputs:
        make_output(project / output)
    folder = "results/activations/"
    shards = [one for one in outputs if one.startswith(folder) and one.endswith(MANIFEST)]
    first = [one for one in outputs if one.startswith(("results/corpora/", "results/models/"))]
    first += [one for one in outputs if one.startswith(folder) and one.endswith("/shards.json")]
    # In the order of the workflow, so that nothing is younger than what was made from it.
    targets = [first, *(shards[start : start + MARKED] for start in range(0, len(shards), MARKED))]
    for some in targets:
        _snakemake(project, "--touch", "--force", "--", *some, cores=8 * len(some))
    rest = ("token_metrics", "metrics", "figures")
    _snakemake(project, "--touch", "--forcerun", *rest, cores=8 * len(outputs))


def _planned(project: Path, *options: str) -> tuple[Planned, str]:
    log = project / "planned.log"
    watcher = [sys.executable, str(Path(watched.__file__)), str(log), *_command(*options)]
    done = subprocess.run(watcher, cwd=project, capture_output=True, text=True, check=True)
    found, said = json.loads(done.stdout), log.read_text(encoding="utf-8")
    if found["status"] != 0:
        msg = f"snakemake {' '.join(options)} failed:\n{said[-2000:]}"
        raise RuntimeError(msg)
    return Planned(found["seconds"], found["processor_seconds"], found["peak_mb"]), said


def _snakemake(project: Path, *options: str, cores: int = 1) -> str:
    done = subprocess.run(_command(*options, cores=cores), cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"snakemake {' '.join(options)} failed:\n{(done.stdout + done.stderr)[-2000:]}"
        raise RuntimeError(msg)
    return done.stdout


def _command(*options: str, cores: int = 1) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", "many.yaml", *options]


# Files ----------------------------------------------------------------------------------------------------------------


def run_lines(scratch: Path) -> list[str]:
    """Real runs of Snakemake, and what one shard more leaves behind: files by their pattern."""
    runs = ["| shards | a run of all extractions | files |", "|---|---|---|"]
    found = []
    for shards in RUN_SHARDS:
        start = time.perf_counter()
        found.append(_left_behind(scratch / f"run-{shards}", shards))
        seconds = time.perf_counter() - start
        runs.append(f"| {shards:,} | {seconds:.0f} s | {sum(map(len, found[-1].values())):,} |")
    few, many = found
    added = RUN_SHARDS[1] - RUN_SHARDS[0]
    lines = ["| files of one shard more | how many | bytes of each |", "|---|---|---|"]
    total = 0.0
    for pattern, sizes in sorted(many.items()):
        each = (len(sizes) - len(few.get(pattern, []))) / added
        total += each
        if each:
            lines.append(f"| `{pattern}` | {each:g} | {np.median(sizes):,.0f} |")
    return [*runs, "", *lines, f"| all | {total:g} | |"]


def _left_behind(folder: Path, shards: int) -> dict[str, list[int]]:
    """Pattern of a file -> bytes of all files like it, after a real run that stores all states of a corpus."""
    project = project_folder(folder)
    config = _real(project, shards)
    (project / "many.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    targets = [f"results/activations/tiny/random/{shard}{MANIFEST}" for shard in shard_names(shards)]
    _snakemake(project, "--set-threads", "activations=1", "--", *targets, cores=os.cpu_count() or 1)
    found: dict[str, list[int]] = {}
    for place in ("results/activations", "logs", ".snakemake/metadata"):
        for path in (project / place).rglob("*"):
            if path.is_file():
                name = path.relative_to(project).as_posix()
                pattern = re.sub(r"\d+-of-\d+", "{shard}", name)
                if place == ".snakemake/metadata":
                    pattern = f"{place}/{{output}}"
                found.setdefault(pattern, []).append(path.stat().st_size)
    return found


def _real(project: Path, shards: int) -> dict[str, Any]:
    """Config of a tiny model and a corpus of random tokens."""
    from tests.tiny import tiny_llama  # the one checkpoint with a tokenizer that is made without a download

    tiny_llama(project / "tiny")
    return {
        "models": {"tiny": {"source": "path", "path": "tiny"}},
        "corpora": {"random": {"kind": "random-tokens", "texts": TEXTS, "tokens": TEXT_TOKENS}},
        "activations": {"shards": shards, "device": "cpu"},
        "probes": {},
    }


# Reading --------------------------------------------------------------------------------------------------------------


def reading_lines(scratch: Path) -> list[str]:
    """How long the states of so many shards take to open and read, and the memory of the process that does."""
    project = project_folder(scratch / "read")
    corpus, model = project / "results/corpora/random.parquet", project / "results/models/tiny/manifest.json"
    (project / "many.yaml").write_text(yaml.safe_dump(_real(project, 1)), encoding="utf-8")
    _snakemake(project, "--", str(corpus.relative_to(project)), str(model.relative_to(project)))
    lines = [
        "| shards | shards.json | opened | one layer of means read | peak memory |",
        "|---|---|---|---|---|",
    ]
    for shards in SHARDS:
        folder = project / f"states-{shards}"
        folder.mkdir()
        cut = folder / "shards.json"
        _cut(shards, corpus, model, cut)
        _write_stores(folder, shards)
        done = subprocess.run(
            [sys.executable, str(Path(opened.__file__)), str(folder), str(shards)],
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout)
        lines.append(
            f"| {shards:,} | {cut.stat().st_size:,} bytes | {found['opened']:.2f} s | {found['read']:.2f} s "
            f"| {found['peak_mb']:.0f} MB |"
        )
    return lines


def _cut(shards: int, corpus: Path, model: Path, path: Path) -> None:
    """Let fathom cut the corpus."""
    corpora = {"random": {"kind": "random-tokens", "texts": TEXTS, "tokens": TEXT_TOKENS}}
    config = {"corpora": corpora, "activations": {"shards": shards, "device": "cpu"}, "probes": {}}
    plan = Plan(load_config(config, []))
    settings = plan.activations.boundary_settings(Wildcards(model=next(iter(plan.config.models)), corpus="random"))
    words = ["--settings", settings, "--corpus", str(corpus), "--model", str(model), "--write-cut", str(path)]
    done = CliRunner().invoke(extract, words, catch_exceptions=False)
    if done.exit_code:
        msg = f"fathom activations failed: {done.output}"
        raise RuntimeError(msg)


def _write_stores(folder: Path, shards: int) -> None:
    """Stores of random states, each of as many texts: to run a model for each would take an hour."""
    texts = TEXTS // shards
    lengths = np.full(texts, TEXT_TOKENS, dtype=np.int64)
    positions = ("tokens", "mean", "mean_without_sinks")
    shape = Shape({"residual": LAYERS}, texts, int(lengths.sum()), WIDTH, len(LAYERS) - 1, "float32", positions)
    random = np.random.default_rng(0)
    states = {key: random.standard_normal(shape.extent(key, texts, shape.tokens), np.float32) for key in shape.arrays}
    facts = {"model": "tiny", "corpus": "random", "sinks": {"rule": "none", "strings": {}}}
    for shard in shard_names(shards):
        with StoreWriter(folder / f"{shard}.zarr.zip", shape, compression="none") as writer:
            writer.append(states)
            writer.close(np.zeros(shape.tokens, dtype=np.int32), lengths)
            writer.finish(folder / f"{shard}{MANIFEST}", {**facts, "shard": shard})


# Cutting --------------------------------------------------------------------------------------------------------------


def cutting_lines() -> list[str]:
    """How long a cut into so many shards takes to find, and how even it is: texts of 20 to 2,000 tokens."""
    lines = ["| texts | shards | found in | largest shard / mean |", "|---|---|---|---|"]
    for shards in SHARDS:
        sizes = np.random.default_rng(0).integers(20, 2_001, size=1_000_000)
        start = time.perf_counter()
        edges = even_cut(sizes.tolist(), shards)
        seconds = time.perf_counter() - start
        tokens = np.add.reduceat(sizes, edges[:-1])
        lines.append(f"| {len(sizes):,} | {shards:,} | {seconds:.2f} s | {tokens.max() / tokens.mean():.5f} |")
    return lines


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["planning", "files", "reading", "cutting"], help="One part of it.")
    only = parser.parse_args().only
    today, load = dt.datetime.now().astimezone().date(), os.getloadavg()[0]
    lines = [f"# Shards, {today:%Y-%m-%d}", "", *machine_lines(), f"- Load average before: {load:.2f}"]
    (ROOT / "results").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".scaling-", dir=ROOT / "results") as scratch:
        if only in (None, "planning"):
            lines += ["", *planning_lines(Path(scratch))]
        if only in (None, "files"):
            lines += ["", *run_lines(Path(scratch))]
        if only in (None, "reading"):
            lines += ["", *reading_lines(Path(scratch))]
        if only in (None, "cutting"):
            lines += ["", *cutting_lines()]
    text = "\n".join(lines) + "\n"
    print(text)
    if only is None:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{today:%Y-%m-%d}-{slug(cpu_model())}-scaling.md").write_text(text, encoding="utf-8")


def planning_lines(scratch: Path) -> list[str]:
    """All simulated plans as a table."""
    projects = {
        f"1 model x 1 corpus x {shards:,} shards": simulated(scratch / f"plan-{shards}", 1, 1, shards)
        for shards in SHARDS
    }
    name = f"{CHECKPOINTS} models x {CORPORA} corpora x {EACH} shards"
    projects[name] = simulated(scratch / "plan-many", CHECKPOINTS, CORPORA, EACH)
    lines = [
        "Wall time (processor time), peak memory of one planning:",
        "",
        "| project | extractions | jobs | `--dry-run` | `--dry-run --quiet all` | nothing to be done |",
        "|---|---|---|---|---|---|",
    ]
    for name, project in projects.items():
        print(f"planning {name} ...", file=sys.stderr, flush=True)
        lines.append(planning_line(name, project))
    return lines


if __name__ == "__main__":
    main()
