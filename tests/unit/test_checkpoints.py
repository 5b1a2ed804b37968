"""One entry of a config stands for many checkpoints of one training, from the hub or from the nursery."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file, save_file
from tests.jobs import model_settings
from tests.tiny import tiny_llama

from fathom import hidden_states
from fathom.io.hashing import file_facts
from fathom.io.manifests import read_manifest, write_manifest
from fathom.models.command import command
from fathom.runtime.errors import FathomError
from fathom.workflow.config import Config
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards

COMMITS = {1: "0fe7c663f607c0a03e1a093e91442b28b8e3facc", 512: "1091939841611a37efe2bdfdf2bfd4f7778b0b0c"}
PROSE = {"kind": "hub", "repository": "owner/prose", "revision": COMMITS[1], "file": "t.parquet"}
NURSERY = {"small": {"kind": "llama", "text": "prose", "steps": 5, "warmup": 1}}


def config_of(model: dict[str, Any], **more: Any) -> Config:
    figures = {"all": {"kind": "comparison", "metrics": ["curvature"], "corpora": ["prose"], "models": ["grown"]}}
    return load_config(
        {"models": {"grown": model}, "corpora": {"prose": PROSE}, "nursery": NURSERY, "figures": figures, **more}, []
    )


def hub(checkpoints: Any, **more: Any) -> dict[str, Any]:
    return {"source": "hub", "repository": "owner/grown", "checkpoints": checkpoints, **more}


@pytest.mark.parametrize(
    "checkpoints", [["step512", "step1"], ["stage1-step1-tokens2B", "stage1-step512-tokens9B"], COMMITS]
)
def test_revisions_become_models_in_the_order_of_their_steps(checkpoints: Any) -> None:
    config = config_of(hub(checkpoints, label="Grown", depth=3))
    assert list(config.models) == ["grown-step1", "grown-step512"]
    assert [model.label for model in config.models.values()] == ["Grown, step 1", "Grown, step 512"]
    assert [model.depth for model in config.models.values()] == [3, 3]
    figures = config.figures or {}
    assert figures["all"].plotted_models(config) == ("grown-step1", "grown-step512")
    assert "Grown at step 1, 512 (owner/grown, float32)" in figures["all"].caption(config)


def test_each_revision_is_fetched_as_if_it_stood_alone() -> None:
    plan = Plan(config_of(hub(["step1", "step512"])))
    alone = json.loads(model_settings({"source": "hub", "repository": "owner/grown", "revision": "step512"}))
    found = json.loads(plan.models.settings(Wildcards(model="grown-step512")))
    assert found == alone | {"name": "grown-step512"}


def test_a_papers_checkpoints_are_commits() -> None:
    model = hub(COMMITS)
    assert config_of(model, paper="p").paper == "p"
    with pytest.raises(FathomError, match=r"models\.grown-step1\.revision: expected a full commit hash"):
        config_of(hub(["step1", "step512"]), paper="p")


def test_steps_of_a_training_become_models() -> None:
    config = config_of({"source": "nursery", "of": "small", "checkpoints": "all"})
    assert list(config.models) == [f"grown-step{step}" for step in (0, 1, 2, 4, 5)]
    plan = Plan(config)
    assert plan.models.base(Wildcards(model="grown-step4")) == ["results/nursery/small/manifest.json"]
    assert json.loads(plan.models.settings(Wildcards(model="grown-step4")))["source"] == {
        "source": "nursery",
        "of": "small",
        "step": 4,
    }
    some = config_of({"source": "nursery", "of": "small", "checkpoints": [4, 0]})
    assert list(some.models) == ["grown-step0", "grown-step4"]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (hub(["main"]), "expected checkpoints of different steps"),
        (hub(["step1", "step1"]), "expected checkpoints of different steps"),
        (hub([]), "expected checkpoints of different steps"),
        (hub(["step1"], revision="main"), "expected revision or checkpoints, not both"),
        ({"source": "nursery", "of": "small", "checkpoints": [3]}, "grown: step 3, expected one of 0, 1, 2, 4, 5"),
        ({"source": "nursery", "of": "small", "step": 3}, "grown: step 3, expected one of 0, 1, 2, 4, 5"),
        ({"source": "nursery", "of": "small", "step": 1, "checkpoints": "all"}, "expected step or checkpoints"),
        ({"source": "nursery", "of": "large"}, "models.grown.of: expected one of small"),
        ({"source": "nursery", "of": "large", "checkpoints": "all"}, "models.grown.of: expected one of small"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_line(model: dict[str, Any], said: str) -> None:
    with pytest.raises(FathomError) as caught:
        config_of(model)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_has_no_other_models_name() -> None:
    other = {"source": "hub", "repository": "owner/other"}
    with pytest.raises(FathomError, match="its checkpoint grown-step1 has the name of another model"):
        load_config({"models": {"grown": hub(["step1"]), "grown-step1": other}}, [])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": "x"}, "nursery.small.text: expected one of prose"),
        ({"apart_from": ["x"]}, "nursery.small.apart_from: expected one of prose"),
        ({"heads": 5}, "expected heads that divide the width into even parts"),
        ({"warmup": 9}, "expected a warm-up of at most as many steps"),
        ({"vocabulary": 100}, "nursery.small.vocabulary: input should be greater than or equal to 262"),
        ({"kind": "gpt"}, "nursery.small"),
        ({"learning_rate": 0}, "nursery.small.learning_rate: input should be greater than 0"),
    ],
)
def test_a_training_that_cannot_be_is_refused_in_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(FathomError) as caught:
        config_of(hub(["step1"]), nursery={"small": NURSERY["small"] | change})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def trained(folder: Path) -> Path:
    """What the nursery leaves, with two steps: the manifest."""
    tiny_llama(folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    for step in (0, 5):
        save_file({name: value + step for name, value in weights.items()}, folder / f"step-{step}.safetensors")
    files = {path.name: file_facts(path) for path in folder.iterdir()}
    write_manifest(folder / "manifest.json", {"kind": "nursery", "training": {"steps": 5}, "files": files})
    return folder / "manifest.json"


def bring(manifest: Path, folder: Path, **more: Any) -> Path:
    settings = model_settings({"source": "nursery", "of": "small", **more})
    command.callback(settings, folder, folder / "manifest.json", manifest)  # type: ignore[misc]
    return folder


def test_a_step_of_a_training_is_a_model(tmp_path: Path) -> None:
    manifest = trained(tmp_path / "small")
    last, first = bring(manifest, tmp_path / "last"), bring(manifest, tmp_path / "first", step=0)
    one, other = (load_file(folder / "model.safetensors") for folder in (last, first))
    assert all((one[name] - other[name] == 5).all() for name in one)
    facts = read_manifest(last / "manifest.json", "model")
    assert (facts["revision"], facts["step"], facts["depth"]) == ("small, step 5", 5, 3)
    assert (last / "tokenizer.json").read_bytes() == (manifest.with_name("tokenizer.json")).read_bytes()


def test_a_step_that_is_not_there_and_weights_that_changed_are_refused(tmp_path: Path) -> None:
    manifest = trained(tmp_path / "small")
    with pytest.raises(FathomError, match="training small has no checkpoint of step 3, expected one of 0, 5"):
        bring(manifest, tmp_path / "model", step=3)
    with manifest.with_name("step-5.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(FathomError, match=r"step-5\.safetensors: not the file that was written"):
        bring(manifest, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_notebook_says_that_a_training_has_not_run(tmp_path: Path) -> None:
    config = {
        "models": {"grown": {"source": "nursery", "of": "small"}},
        "nursery": NURSERY,
        "corpora": {"prose": PROSE},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(FathomError, match="model grown: a checkpoint of training small, not there yet; run snakemake"):
        hidden_states("grown", ["A text."], config=tmp_path / "mine.yaml", results=tmp_path)


def test_configs_with_a_nursery_are_fine(root: Path) -> None:
    for name in ("offline", "nursery-long"):
        file = root / "config" / f"{name}.yaml"
        config = load_config(yaml.safe_load(file.read_text(encoding="utf-8")), [str(file)])
        assert any(model.checkpoint is not None for model in config.models.values())
        for training in config.nursery.values():  # what is measured is not trained on
            measured = {
                corpus
                for figure in (config.figures or {}).values()
                for corpus in getattr(figure, "corpora", None) or ()
            }
            assert training.apart_from
            assert training.text not in measured
