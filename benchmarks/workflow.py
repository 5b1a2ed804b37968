"""Seconds of a `snakemake` that finds nothing to do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from benchmarks import watched
from fathom.io.corpus_table import write_corpus

ROOT = Path(__file__).parent.parent
# What Snakemake reads of the project, linked into an empty folder so that the project's own results are left alone.
READ = ("Snakefile", "workflow", "config", "profiles")
MODELS, CORPORA = 40, 5
# Of manifests, what the memory and time of jobs are computed from.
MODEL_FACTS = json.dumps({"parameters": 1000, "depth": 2, "width": 8, "files": {"model.safetensors": {"bytes": 4000}}})
STATES_FACTS = json.dumps(
    {
        "texts": 1,
        "passes": 1,
        "tokens": 10,
        "sites": [{"site": "residual", "layers": ["0", "1", "2"]}],
        "width": 8,
        "dtype": "float32",
    }
)


@dataclass(frozen=True)
class NoOp:
    """Runs of Snakemake that found nothing to do."""

    name: str
    jobs: int
    seconds: list[float]
    peak_mb: float
    """Largest memory of any of its processes."""


def default_config(folder: Path) -> NoOp:
    """The default config."""
    return _measure("default config", project_folder(folder), runs=5)


def many_jobs(folder: Path) -> NoOp:
    """40 models and 5 corpora: 40 x (1 model + 5 activations + 5 corpora x 4 metrics) jobs and a few more."""
    project = project_folder(folder)
    models = {}
    for number in range(1, MODELS + 1):
        name = f"model-{number}"
        checkpoint = project / "checkpoints" / name
        checkpoint.mkdir(parents=True)
        shape = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 8}
        (checkpoint / "config.json").write_text(json.dumps(shape), encoding="utf-8")
        for file in ("model.safetensors", "tokenizer.json"):
            (checkpoint / file).touch()
        models[name] = {"source": "path", "path": f"checkpoints/{name}"}
    corpora = {f"corpus-{seed}": {"kind": "random-tokens", "seed": seed} for seed in range(1, CORPORA + 1)}
    config = {"models": models, "corpora": corpora, "probes": {}}
    (project / "many.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return _measure(f"{MODELS} models x {CORPORA} corpora", project, "--configfile", "many.yaml", runs=5)


def project_folder(folder: Path) -> Path:
    """A folder from which Snakemake runs this project and writes nothing into it."""
    folder.mkdir()
    for name in READ:
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return folder


def _measure(name: str, project: Path, *options: str, runs: int) -> NoOp:
    """Make every output as small as can be, let Snakemake mark it as done, then time runs without anything to do."""
    for line in _snakemake(project, "--summary", *options).splitlines()[1:]:
        make_output(project / line.split("\t")[0])
    touched = re.search(r"(\d+) of \d+ steps \(100%\)", _snakemake(project, "--touch", "--forceall", *options))
    if touched is None:
        msg = f"{name}: Snakemake did not mark the outputs as done"
        raise RuntimeError(msg)
    timed = [_timed_no_op(project, *options) for _ in range(runs)]
    return NoOp(
        name=name,
        jobs=int(touched[1]),
        seconds=[seconds for seconds, _ in timed],
        peak_mb=max(peak_mb for _, peak_mb in timed),
    )


def make_output(output: Path) -> None:
    """An empty file, or as small a one as can be where a plan reads the sizes of jobs from it; a model is a folder."""
    if output.parent.name == "models" and not output.name.endswith(".record.json"):
        output.mkdir(parents=True, exist_ok=True)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.match("corpora/*.parquet"):
        write_corpus(
            pd.DataFrame({"id": ["t"], "text": ["A text."], "view": ["original"], "group": ["t"]}), output, "c"
        )
    elif output.match("models/*/manifest.json"):
        output.write_text(MODEL_FACTS, encoding="utf-8")
    elif output.match("activations/*/*/*.manifest.json"):
        output.write_text(STATES_FACTS, encoding="utf-8")
    else:
        output.touch()


def _snakemake(project: Path, *options: str) -> str:
    done = subprocess.run(_command(*options), cwd=project, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def _timed_no_op(project: Path, *options: str) -> tuple[float, float]:
    """Seconds and peak memory (MB) of one run."""
    log = project / "no-op.log"
    watcher = [sys.executable, str(Path(watched.__file__)), str(log), *_command(*options)]
    done = subprocess.run(watcher, cwd=project, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    said = log.read_text(encoding="utf-8")
    if found["status"] != 0 or "Nothing to be done" not in said:
        msg = f"expected Snakemake to find nothing to be done; it said:\n{said}"
        raise RuntimeError(msg)
    return found["seconds"], found["peak_mb"]


def _command(*options: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "1", *options]
