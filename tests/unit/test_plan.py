"""What the rules are told: everything that matters to a job, nothing else, in one steady line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from fathom.activations.command import ExtractionSettings
from fathom.captions import caption, figure_category, figure_subject, metric_axis, model_label
from fathom.config import Config, load_config
from fathom.corpora.settings import CorpusSettings
from fathom.figures.settings import FigureJob
from fathom.metrics.settings import MetricJob
from fathom.models.settings import ModelSettings
from fathom.plan import Plan
from fathom.probes.settings import ProbeJob


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(Config())


def jobs(plan: Plan) -> dict[str, str]:
    """Settings of every job."""
    config = plan.config
    found = {f"models {name}": plan.model_settings(name) for name in config.models}
    found |= {f"corpora {name}": plan.corpus_settings(name) for name in config.corpora}
    for model in config.models:
        for corpus in config.corpora:
            for shard in plan.shards:
                found[f"activations {model} {corpus} {shard}"] = plan.extraction_settings(model, corpus, shard)
        for corpus in config.metric_corpora:
            for metric in config.metric_settings:
                found[f"metrics {model} {corpus} {metric}"] = plan.metric_settings(model, corpus, metric)
        for experiment in config.experiments:
            found[f"probes {model} {experiment}"] = plan.probe_settings(model, experiment)
    return found | {f"figures {name}": plan.figure_settings(name) for name in plan.figures}


def test_settings_are_one_line_of_json_with_sorted_keys(plan: Plan) -> None:
    for job in jobs(plan).values():
        assert "\n" not in job
        assert json.dumps(json.loads(job), sort_keys=True, ensure_ascii=False) == job


def test_every_stage_understands_what_it_is_told(plan: Plan) -> None:
    readers: dict[str, TypeAdapter[Any]] = {
        "models": TypeAdapter(ModelSettings),
        "corpora": TypeAdapter(CorpusSettings),
        "activations": TypeAdapter(ExtractionSettings),
        "metrics": TypeAdapter(MetricJob),
        "probes": TypeAdapter(ProbeJob),
        "figures": TypeAdapter(FigureJob),
    }
    for name, job in jobs(plan).items():
        readers[name.split()[0]].validate_json(job)


def test_shards_are_numbered_from_one() -> None:
    plan = Plan(load_config({"activations": {"shards": 3}}, []))
    assert plan.shards == ("1-of-3", "2-of-3", "3-of-3")
    told = [json.loads(plan.extraction_settings("minilm-l6", "items", shard))["shard"] for shard in plan.shards]
    assert told == [0, 1, 2]


def altered(change: dict[str, Any]) -> set[str]:
    """Jobs whose settings are others than in the defaults, where both have the job."""
    before, after = jobs(Plan(Config())), jobs(Plan(load_config(change, [])))
    return {name for name in before.keys() & after.keys() if before[name] != after[name]}


def test_a_label_is_the_figures_business_only() -> None:
    models = Config().model_dump(mode="json")["models"]
    models["minilm-l6"] |= {"label": "MiniLM", "note": "a note"}
    assert {name.split()[0] for name in altered({"models": models})} == {"figures"}


def test_precision_is_the_business_of_extraction() -> None:
    models = Config().model_dump(mode="json")["models"]
    models["minilm-l6"]["dtype"] = "bfloat16"
    names = altered({"models": models})
    assert {name.split()[0] for name in names} == {"activations", "figures"}
    assert all("smollm2" not in name for name in names)


def test_a_metrics_settings_are_its_own() -> None:
    metrics = Config().model_dump(mode="json")["metrics"]
    metrics["curvature"]["preparation"] = "none"
    names = altered({"metrics": metrics})
    assert {name.split()[-1] for name in names} == {"curvature"}


def test_intervals_are_no_business_of_extraction() -> None:
    stages = {name.split()[0] for name in altered({"uncertainty": {"seed": 1}})}
    assert stages.isdisjoint({"models", "corpora", "activations"})


def test_files_of_ones_own_are_inputs(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "tokenizer.json", "notes.md"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "texts.txt").touch()
    config = {
        "models": {"mine": {"source": "path", "path": str(tmp_path), "depth": 2}},
        "corpora": {
            "mine": {"kind": "file", "path": str(tmp_path / "texts.txt")},
            "drawn": {"kind": "random-tokens"},
            "own": {"kind": "items", "table": str(tmp_path / "texts.txt")},
            "built-in": {"kind": "items"},
        },
    }
    plan = Plan(load_config(config, []))
    kept = ("config.json", "model.safetensors", "texts.txt", "tokenizer.json")
    assert plan.model_files("mine") == [str(tmp_path / name) for name in kept]
    assert plan.corpus_files("mine") == plan.corpus_files("own") == [str(tmp_path / "texts.txt")]
    assert plan.corpus_files("drawn") == plan.corpus_files("built-in") == []
    assert Plan(Config()).model_files("minilm-l6") == []


def test_captions_say_what_a_reader_must_know() -> None:
    bible = {"kind": "bible", "translation": Config().model_dump()["corpora"]["bible"]["translation"], "passages": 7}
    config = load_config({"corpora": {"bible": bible, "items": {"kind": "items"}}}, [])
    entropy = caption(config, "prompt_entropy")
    for word in (
        "4-bit",
        "SmolLM2-135M-Instruct",
        "all-MiniLM-L6-v2",
        "centred",
        "sink",
        "95 %",
        "Eq. 1",
        "7 passages",
    ):
        assert word in entropy, word
    probes = caption(config, "probes")
    for word in ("not a replication", "closed blocks", "grouped folds", "chance"):
        assert word in probes, word
    assert "the last one is normed" not in probes
    normed = load_config({"activations": {"layers": "transformers"}}, [])
    assert "the last one is normed" in caption(normed, "probes")


def test_names_in_figures() -> None:
    config = load_config({"metrics": {"prompt_entropy": {"alpha": 2.0, "normalisation": "logN"}}}, [])
    assert model_label(config, "minilm-l6") == "all-MiniLM-L6-v2"
    assert metric_axis(config, "prompt_entropy") == "S (α = 2) / log rows"
    assert metric_axis(config, "curvature") == "C (rad)"
    assert figure_category(config, "probes") == "Probes"
    assert figure_category(config, "curvature") == "Representation metrics"
    assert figure_subject(config, "curvature") == "Curvature"
