"""A model without its sinks, from the config to the figure, in one real Snakemake run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.tiny import sink_llama, tiny_bert
from tests.workflow.project import Project, said

TEXTS, TOKENS, ARISES = 12, 14, 2
CHANGES = {
    "models": {
        "tiny": {"source": "path", "path": "tiny", "label": "Tiny"},
        "without": {"source": "ablated-sinks", "of": "tiny", "label": "Tiny without its sinks"},
    },
    "corpora": {"random": {"kind": "random-tokens", "texts": TEXTS, "tokens": TOKENS, "seed": 0}},
    # The start token is the planted sink.
    "activations": {"shards": 1, "start_token": "added"},
    "figures": {"ablation": {"kind": "ablation", "model": "without", "corpus": "random"}},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("ablation"))
    sink_llama(project.folder / "tiny", block=ARISES)
    project.configure(CHANGES)
    project.run()
    return project


def losses(project: Project) -> pd.DataFrame:
    return pd.read_parquet(project.folder / "results/activations/without/random/losses.parquet")


def test_every_text_loses_its_start_token_at_the_planted_layer(done: Project) -> None:
    manifest = json.loads((done.folder / "results/activations/without/random/1-of-1.manifest.json").read_text())
    assert manifest["ablated_sinks"] == {"texts": TEXTS, "layers": {str(ARISES): TEXTS}}
    assert manifest["sinks"]["texts"] == 0
    whole = json.loads((done.folder / "results/activations/tiny/random/1-of-1.manifest.json").read_text())
    assert whole["sinks"]["texts"] == whole["sinks"]["tokens"] == TEXTS
    assert whole["ablated_sinks"] is None
    found = losses(done)
    assert found["tokens"].eq(TOKENS + 1).all()
    assert found["layer"].eq(ARISES).all()
    assert (found["intact"] != found["ablated"]).all()


def test_the_figure_sets_three_forms_side_by_side(done: Project) -> None:
    numbers = pd.read_csv(done.folder / "results/figures/ablation.csv")
    curves = numbers[numbers["metric"] != "loss"]
    assert set(curves["metric"]) == {"prompt_entropy", "dataset_entropy", "curvature"}
    values = curves.pivot(index=["metric", "layer"], columns="form", values="value")
    earlier = values[values.index.get_level_values("layer") < ARISES]
    pd.testing.assert_series_equal(earlier["with"], earlier["ablated"], check_names=False, check_exact=True)
    # Where it arises one token rules the entropy of a text; without it, or at the length of the others, it does not.
    at = values.xs(("prompt_entropy", ARISES))
    assert at["with"] < 0.5 * at["without"]
    assert at["ablated"] > at["with"]
    table, loss = losses(done), numbers[numbers["metric"] == "loss"]
    change = table["ablated"] - table["intact"]
    assert loss["form"].tolist() == ["with", "ablated", "difference"]
    assert loss["value"].tolist() == pytest.approx([table["intact"].mean(), table["ablated"].mean(), change.mean()])
    assert (loss["low"] < loss["value"]).all()
    assert (loss["value"] < loss["high"]).all()
    assert np.isfinite(curves["value"]).all()


def test_the_caption_says_what_was_done_and_what_came_of_it(done: Project) -> None:
    caption = (done.folder / "results/figures/ablation.txt").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "its residual state is rescaled to the median norm of the text" in caption
    assert f"Tiny without its sinks on random: sinks taken away in 12 of 12 texts, at layer {ARISES} (12" in caption
    assert f"Prompt entropy, behind layer {ARISES}, where the sinks arise: mean over 2 layers from 3 to 4" in caption
    found = losses(done)
    assert f"Loss: {found['intact'].mean():.2f} nats a token as it is, {found['ablated'].mean():.2f} with" in caption


def test_nothing_runs_again_and_the_weights_are_there_once(done: Project) -> None:
    assert done.planned() == []
    one, other = (done.folder / f"results/models/{name}/model.safetensors" for name in ("tiny", "without"))
    assert one.samefile(other)


def test_an_encoder_is_refused_in_one_line(tmp_path: Path) -> None:
    project = Project(tmp_path)
    tiny_bert(project.folder / "tiny")
    changes = CHANGES | {"activations": {"shards": 1}}
    project.configure(changes)
    told = said(project.run("results/models/without/manifest.json", check=False))
    assert "model tiny: bert does not predict the next token from those before it" in told
    assert not (project.folder / "results/models/without").exists()
