"""Corpora cut into shards, in real runs: by tokens, each as often as its own settings say."""

from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from tests.workflow.project import Project

from fathom.io.manifests import read_manifest
from fathom.io.summaries import as_summary
from fathom.io.tables import write_table
from fathom.store.reader import Activations

MODELS = 36
ARGUMENT = 128 << 10  # bytes that Linux lets a single argument of a program have


def of(messages: list[str], start: str) -> list[str]:
    return [message for message in messages if message.startswith(start)]


def test_shards_are_cut_by_tokens(finished: Project) -> None:
    folder = finished.folder / "results/activations/tiny/random"
    cut = read_manifest(folder / "shards.json", "shards")["shards"]
    manifests = [folder / f"{shard}-of-2.manifest.json" for shard in (1, 2)]
    stored = [Activations([manifest]) for manifest in manifests]
    assert cut["texts"] == [one.texts for one in stored]
    assert cut["tokens"] == [int(one.lengths.sum()) for one in stored]
    whole = Activations(manifests).lengths
    # The best of all cuts into two.
    assert max(cut["tokens"]) == min(max(whole[:edge].sum(), whole[edge:].sum()) for edge in range(1, len(whole)))
    ids = pq.read_table(finished.folder / "results/corpora/random.parquet")["id"].to_pylist()
    facts = [read_manifest(manifest, "activations") for manifest in manifests]
    ends = list(itertools.accumulate(cut["texts"], initial=0))
    assert [one["first_text"] for one in facts] == [ids[end] for end in ends[:-1]]
    assert [one["last_text"] for one in facts] == [ids[end - 1] for end in ends[1:]]


def tables(project: Project) -> dict[str, pd.DataFrame]:
    """Tables of metrics, by name."""
    folder = project.folder / "results/metrics/tiny/random"
    files = [path for path in sorted(folder.glob("*.parquet")) if not path.stem.endswith(".layers")]
    return {path.stem: pq.read_table(path).to_pandas() for path in files}


def test_another_number_of_shards_of_one_corpus_reruns_what_reads_it(project: Project) -> None:
    before = tables(project)
    assert set(before) == {"prompt_entropy", "curvature", "dataset_entropy"}
    project.configure({"activations": {"corpora": {"random": {"shards": 3}}}})
    expected = [
        "Cutting random into shards for tiny",
        "Drawing curvature",
        "Drawing dataset_entropy",
        "Drawing prompt_entropy",
        *(f"Extracting tiny on random, shard {shard}-of-3" for shard in (1, 2, 3)),
        "Measuring dataset_entropy of tiny on random",
        "Measuring tokens of tiny on random",
        "Writing the page to explore",
    ]
    assert project.planned() == expected
    project.run()
    assert project.planned() == []
    folder = project.folder / "results/activations/tiny/random"
    assert read_manifest(folder / "shards.json", "shards")["settings"]["shards"] == 3
    # Shards of the cut before lie there still, and nothing looks at them.
    assert (folder / "2-of-2.manifest.json").is_file()
    for name, table in tables(project).items():
        pd.testing.assert_frame_equal(table, before[name], rtol=1e-5)


def test_a_corpus_of_one_shard_is_not_cut(prepared: Project, tmp_path: Path) -> None:
    project = prepared.copy(tmp_path / "project")
    project.configure({"activations": {"shards": 1, "corpora": {"relations": {"shards": 2}}}})
    planned = project.planned()
    models = ("tiny", "tiny-random")
    assert of(planned, "Cutting") == [f"Cutting relations into shards for {model}" for model in models]
    assert of(planned, "Extracting tiny on random") == ["Extracting tiny on random, shard 1-of-1"]
    target = "results/activations/tiny/random/1-of-1.manifest.json"
    project.run(target)
    folder = project.folder / "results/activations/tiny/random"
    assert "shards.json" not in {path.name for path in folder.iterdir()}
    assert "--cut" not in project.run("--dry-run", "--printshellcmds", "--force", target).stdout


def test_settings_longer_than_an_argument_reach_a_figure(prepared: Project, tmp_path: Path) -> None:
    """A figure of 36 checkpoints with very long labels on 4 corpora."""
    project = prepared.copy(tmp_path / "project")
    models = {
        f"step-{step}": {"source": "path", "path": "tiny", "label": f"{'long ' * 190}{step}"} for step in range(MODELS)
    }
    corpora = {f"corpus-{seed}": {"kind": "random-tokens", "texts": 8, "seed": seed} for seed in range(4)}
    figure = {"kind": "metric", "metric": "curvature", "models": list(models), "corpora": list(corpora)}
    project.configure({"models": models, "corpora": corpora, "probes": {}, "figures": {"many": figure}})
    # Summaries as the metrics write them, of two layers.
    curve = {"stage": "metrics", "name": "curvature", "view": "original", "site": "residual", "preparation": "centred"}
    rows = pd.DataFrame(
        {**curve, "sinks": "with", "layer": layer, "depth": float(layer), "value": 0.1 + layer, "texts": 8}
        for layer in (0, 1)
    )
    for model, corpus in itertools.product(models, corpora):
        path = project.folder / f"results/metrics/{model}/{corpus}/curvature.layers.parquet"
        path.parent.mkdir(parents=True)
        write_table(as_summary(rows.assign(model=model, corpus=corpus)), path)
    options = ["--printshellcmds", "--allowed-rules", "figures", "--", "results/figures/many.csv"]
    done = project.run(*options)
    command = next(line for line in (done.stdout + done.stderr).splitlines() if "figures --settings -" in line)
    assert len(command.split(" <<< ")[1].encode()) > ARGUMENT
    drawn = pd.read_csv(project.folder / "results/figures/many.csv")
    assert (drawn["model"].nunique(), drawn["corpus"].nunique()) == (MODELS, 4)
