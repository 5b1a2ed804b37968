"""What the rules are told: everything that matters to a job, nothing else, in one steady line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

from fathom.activations.job import ExtractionSettings
from fathom.activations.sharding import CutSettings
from fathom.corpora.job import CorpusJob
from fathom.figures.job import FigureJob
from fathom.figures.sentences import metric_axis, model_label
from fathom.io.shards import shard_names
from fathom.metrics.by_corpus import evaluate
from fathom.metrics.by_text import LayerStates, measure_states
from fathom.metrics.job import ClaimJob, MetricJob
from fathom.metrics.measure import make_measure
from fathom.metrics.settings import METRICS
from fathom.models.job import ModelJob
from fathom.probes.job import ProbeJob
from fathom.workflow.config import Config
from fathom.workflow.figure_tables import figure_tables
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards as At


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(Config())


def jobs(plan: Plan) -> dict[str, str]:
    """Settings of every job."""
    config = plan.config
    found = {f"models {name}": plan.models.settings(At(model=name)) for name in config.models}
    found |= {f"corpora {name}": plan.corpora.settings(At(corpus=name)) for name in config.corpora}
    for model in config.models:
        for corpus in config.corpora:
            for shard in shard_names(plan.config.shards_of(corpus)):
                found[f"activations {model} {corpus} {shard}"] = plan.activations.settings(
                    At(model=model, corpus=corpus, shard=shard)
                )
        for corpus in config.metric_corpora:
            found[f"metrics {model} {corpus} tokens"] = plan.metrics.token_settings(At(model=model, corpus=corpus))
            for metric in plan.metrics.names:
                found[f"metrics {model} {corpus} {metric}"] = plan.metrics.settings(
                    At(model=model, corpus=corpus, metric=metric)
                )
        for experiment in config.experiments:
            found[f"probes {model} {experiment}"] = plan.probes.settings(At(model=model, experiment=experiment))
            found[f"probes {model} {experiment} coordination"] = plan.probes.coordination_settings(
                At(model=model, experiment=experiment)
            )
    return found | {f"figures {name}": plan.figures.settings(At(figure=name)) for name in plan.figures.names}


def test_settings_are_one_line_of_json_with_sorted_keys(plan: Plan) -> None:
    for job in jobs(plan).values():
        assert "\n" not in job
        assert json.dumps(json.loads(job), sort_keys=True, ensure_ascii=False) == job


def test_every_stage_understands_what_it_is_told(plan: Plan) -> None:
    readers: dict[str, TypeAdapter[Any]] = {
        "models": TypeAdapter(ModelJob),
        "corpora": TypeAdapter(CorpusJob),
        "activations": TypeAdapter(ExtractionSettings),
        "metrics": TypeAdapter(MetricJob),
        "probes": TypeAdapter(ProbeJob),
        "figures": TypeAdapter(FigureJob),
    }
    for name, job in jobs(plan).items():
        readers[name.split()[0]].validate_json(job)


def test_shards_are_numbered_from_one() -> None:
    plan = Plan(load_config({"activations": {"shards": 3}}, []))
    shards = shard_names(plan.config.shards_of("items"))
    assert shards == ("1-of-3", "2-of-3", "3-of-3")
    told = [
        json.loads(plan.activations.settings(At(model="minilm-l6", corpus="items", shard=shard)))["shard"]
        for shard in shards
    ]
    assert told == [0, 1, 2]


def test_a_corpus_is_cut_as_its_own_settings_say_and_others_do_not_notice() -> None:
    before = Plan(load_config({"activations": {"shards": 3}}, []))
    after = Plan(load_config({"activations": {"shards": 3, "corpora": {"bible": {"shards": 5}}}}, []))
    assert (after.config.shards_of("bible"), after.config.shards_of("items")) == (5, 3)
    for model in before.config.models:
        assert json.loads(after.activations.boundary_settings(At(model=model, corpus="bible")))["shards"] == 5
        assert (
            json.loads(after.activations.settings(At(model=model, corpus="bible", shard="1-of-5")))["activations"][
                "shards"
            ]
            == 5
        )
        for corpus in set(before.config.corpora) - {"bible"}:
            assert after.activations.boundary_settings(
                At(model=model, corpus=corpus)
            ) == before.activations.boundary_settings(At(model=model, corpus=corpus))
            for shard in shard_names(3):
                told = before.activations.settings(At(model=model, corpus=corpus, shard=shard))
                assert after.activations.settings(At(model=model, corpus=corpus, shard=shard)) == told


def test_a_cut_is_told_what_it_depends_on() -> None:
    maps = {"attention_texts": 8}
    plan = Plan(load_config({"activations": {"shards": 2, "truncate": True, **maps}}, []))
    told = CutSettings.model_validate_json(plan.activations.boundary_settings(At(model="minilm-l6", corpus="bible")))
    assert (told.shards, told.truncate, told.attention_texts) == (2, True, 8)
    changed = {"token_budget": 7, "sites": "all", **maps}
    other = Plan(load_config({"activations": {"shards": 2, "truncate": True, **changed}}, []))
    assert other.activations.boundary_settings(
        At(model="minilm-l6", corpus="bible")
    ) == plan.activations.boundary_settings(At(model="minilm-l6", corpus="bible"))


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
    # The tokens' metrics share a job; a caption says how the states were prepared.
    assert {name.split()[-1] for name in altered({"metrics": metrics})} == {"tokens", "curvature"}
    metrics = Config().model_dump(mode="json")["metrics"]
    metrics["lidar"]["ridge"] = 1e-3
    assert {name for name in altered({"metrics": metrics}) if name.startswith("metrics")} == {
        f"metrics {model} {corpus} lidar" for model in Config().models for corpus in Config().metric_corpora
    }


def test_intervals_are_no_business_of_extraction() -> None:
    names = altered({"uncertainty": {"seed": 1}})
    assert {"probes", "figures", "metrics"} == {name.split()[0] for name in names}
    stages = {name.split()[0] for name in names}
    assert stages.isdisjoint({"models", "corpora", "activations"})


def test_a_model_of_random_weights_is_probed_as_a_control(plan: Plan) -> None:
    assert plan.models.base(At(model="minilm-l6-random")) == ["results/models/minilm-l6/manifest.json"]
    own = ProbeJob.model_validate_json(plan.probes.settings(At(model="minilm-l6", experiment="relations")))
    control = ProbeJob.model_validate_json(plan.probes.settings(At(model="minilm-l6-random", experiment="relations")))
    assert own.design.permutations > 0
    assert "inner" in own.design.selections
    changed = {"model": "minilm-l6-random", "controls": (), "design": own.design.as_control()}
    assert control == own.model_copy(update=changed)
    tables = figure_tables(plan.config, "probes-svm")
    assert [table.model for table in tables if table.control == "random"] == [
        *["smollm2-135m-random"] * 3,
        *["minilm-l6-random"] * 3,
    ]
    job = FigureJob.model_validate_json(plan.figures.settings(At(figure="probes-svm")))
    assert {table.model for table in job.tables if table.control == "random"} == {
        "SmolLM2-135M-Instruct",
        "all-MiniLM-L6-v2",
    }
    assert list(plan.probes.orders) == ["items+relations+analogies"]


def test_controls_of_a_corpus_are_not_run_through_a_model_of_random_weights(plan: Plan) -> None:
    def views(model: str, corpus: str) -> tuple[str, ...] | None:
        return plan.config.kept_states(model, corpus).views

    assert views("minilm-l6-random", "items") == views("smollm2-135m-random", "tweets") == ("original",)
    assert views("minilm-l6", "items") is None
    measured = plan.config.model_copy(update={"models": plan.config.all_models})
    assert measured.kept_states("minilm-l6-random", "bible").views is None
    assert "of the views original" in plan.activations.stored(At(model="minilm-l6-random", corpus="items"))


def test_patterns_are_stored_of_the_models_whose_patterns_are_read(root: Path) -> None:
    file = root / "config" / "offline.yaml"
    plan = Plan(load_config(yaml.safe_load(file.read_text(encoding="utf-8")), [str(file)]))

    def texts(model: str, corpus: str) -> int:
        told = ExtractionSettings.model_validate_json(
            plan.activations.settings(At(model=model, corpus=corpus, shard="1-of-1"))
        )
        return told.activations.attention_texts

    assert texts("smollm2-135m", "relations") == 128
    assert texts("smollm2-135m-random", "relations") == texts("minilm-l6", "relations") == 0
    assert texts("smollm2-135m-random", "bible") == texts("minilm-l6", "bible") == 0
    assert texts("smollm2-135m", "genesis") == 8


def test_a_model_of_random_weights_in_the_config_is_the_control() -> None:
    models = {
        "mine": {"source": "hub", "repository": "owner/name", "revision": "main"},
        "untrained": {"source": "random", "of": "mine", "seed": 3},
    }
    config = load_config({"models": models}, [])
    assert list(config.all_models) == ["mine", "untrained"]
    assert config.random_model("mine") == "untrained"
    assert config.random_model("untrained") is None
    assert config.all_figures["probes-svm"].plotted_models(config) == ("mine",)


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
    assert plan.models.files(At(model="mine")) == [str(tmp_path / name) for name in kept]
    assert (
        plan.corpora.files(At(corpus="mine")) == plan.corpora.files(At(corpus="own")) == [str(tmp_path / "texts.txt")]
    )
    assert plan.corpora.files(At(corpus="drawn")) == plan.corpora.files(At(corpus="built-in")) == []
    assert Plan(Config()).models.files(At(model="minilm-l6")) == []


def test_captions_say_what_a_reader_must_know() -> None:
    bible = {"kind": "bible", "translation": Config().model_dump()["corpora"]["bible"]["translation"], "passages": 7}
    config = load_config({"corpora": {"bible": bible, "items": {"kind": "items"}}}, [])
    entropy = config.all_figures["prompt_entropy"].caption(config)
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
    probes = config.all_figures["probes-svm"].caption(config)
    for word in ("not a replication", "closed blocks", "grouped folds", "random weights", "shuffled", "Linear SVM"):
        assert word in probes, word
    assert "the last one is normed" not in probes
    normed = load_config({"activations": {"layers": "transformers"}}, [])
    assert "the last one is normed" in normed.all_figures["probes-svm"].caption(normed)


def test_names_in_figures() -> None:
    config = load_config({"metrics": {"prompt_entropy": {"alpha": 2.0, "normalisation": "logN"}}}, [])
    assert model_label(config, "minilm-l6") == "all-MiniLM-L6-v2"
    assert metric_axis(config, "prompt_entropy") == "S (α = 2) / log rows"
    assert metric_axis(config, "curvature") == "C (rad)"
    assert config.all_figures["probes-svm"].category == "Probes"
    assert config.all_figures["curvature"].category == "Representation metrics"
    assert config.all_figures["curvature"].subject(config) == "Curvature"
    assert config.all_figures["tweets-minilm-l6"].subject(config) == "tweets by label, all-MiniLM-L6-v2"


# Metrics -------------------------------------------------------------------------------------------------------------


def test_all_metrics_of_tokens_are_one_job_and_every_other_one_its_own(plan: Plan) -> None:
    told = MetricJob.model_validate_json(plan.metrics.token_settings(At(model="minilm-l6", corpus="bible")))
    names = [one.name for one in told.measured]
    assert names == ["prompt_entropy", "curvature", "effective_rank", "sinks"]
    assert plan.metrics.token_tables == (
        "prompt_entropy",
        "curvature",
        "effective_rank",
        "sinks",
        "token_norms",
        "sink_margins",
    )
    assert set(names) | set(plan.metrics.names) == set(METRICS)
    assert set(names).isdisjoint(plan.metrics.names)
    for metric in plan.metrics.names:
        job = MetricJob.model_validate_json(plan.metrics.settings(At(model="minilm-l6", corpus="bible", metric=metric)))
        assert [one.name for one in job.measured] == [metric]
        assert (job.model, job.corpus) == ("minilm-l6", "bible")


def test_a_metric_is_told_its_settings() -> None:
    metrics = {
        "prompt_entropy": {"alpha": 2.0, "normalisation": "logN", "preparation": ["none", "rows"]},
        "label_overlap": {"k": 7, "label": "age", "samples": 150},
        "dime": {"permutations": 4},
        "sinks": {"positions": 9},
    }
    plan = Plan(load_config({"metrics": metrics, "uncertainty": {"seed": 5, "level": 0.9}}, []))
    job = MetricJob.model_validate_json(plan.metrics.token_settings(At(model="minilm-l6", corpus="bible")))
    assert (job.level, job.seed) == (0.9, 5)
    (sinks,) = (one for one in job.measured if one.name == "sinks")
    assert sinks.arguments == {"positions": 9}
    entropy = job.measured[0]
    assert entropy.forms == ("none", "rows")
    assert entropy.normalisation == "logN"
    assert entropy.arguments == {"alpha": 2.0}
    overlap, dime, dimension = (
        MetricJob.model_validate_json(
            plan.metrics.settings(At(model="minilm-l6", corpus="bible", metric=name))
        ).measured[0]
        for name in ("label_overlap", "dime", "intrinsic_dimension")
    )
    assert (overlap.label, overlap.samples, overlap.arguments) == ("age", 150, {"k": 7})
    assert dime.arguments == {"alpha": 1.0, "permutations": 4, "seed": 5}
    assert dimension.arguments["seed"] == 5


def test_every_metric_can_be_bound_to_what_it_is_told() -> None:
    """With the defaults, and in every form that it has."""
    forms = {
        name: {"preparation": ["none", "rows", "centred", *(["as_published"] if metric.published else [])]}
        for name, metric in METRICS.items()
        if name != "sinks"
    }
    draw = np.random.default_rng(0)
    views = [draw.standard_normal((12, 5)) for _ in range(2)]
    labels = np.array(["a", "b"] * 6, dtype=object)
    for metrics in ({}, forms):
        plan = Plan(load_config({"metrics": metrics}, []))
        for name in (*plan.config.token_metrics, *plan.metrics.names):
            told = plan.metrics.settings(At(model="minilm-l6", corpus="bible", metric=name))
            (one,) = MetricJob.model_validate_json(told).measured
            found = make_measure(one)
            assert found.name == name
            of = found.settings.of
            for form in found.forms:
                if of in {"corpus", "views"} and name != "intrinsic_dimension":
                    chosen = labels if name == "label_overlap" else None
                    assert np.isfinite(evaluate(views[: 2 if of == "views" else 1], found, form, chosen).value), (
                        name,
                        form,
                    )
                elif of == "text":
                    assert measure_states(LayerStates(views[0]), found, form)[3] is None, (name, form)


def test_sites_and_patterns_of_a_corpus_are_the_business_of_its_extraction() -> None:
    kept = {"corpora": {"items": {"sites": "all"}}}
    assert altered({"activations": kept}) == {f"activations {model} items 1-of-1" for model in Config().models}


def test_what_is_derived_names_its_base() -> None:
    config = {
        "models": {"real": HUB_MODEL, "drawn": {"source": "random", "of": "real"}},
        "corpora": {"texts": HUB_CORPUS, "views": {"kind": "views", "of": "texts"}},
    }
    plan = Plan(load_config(config, []))
    assert plan.models.base(At(model="drawn")) == ["results/models/real/manifest.json"]
    assert plan.corpora.base(At(corpus="views")) == ["results/corpora/texts.parquet"]
    assert plan.models.base(At(model="real")) == plan.corpora.base(At(corpus="texts")) == []
    assert plan.models.files(At(model="drawn")) == plan.corpora.files(At(corpus="views")) == []
    assert json.loads(plan.activations.settings(At(model="drawn", corpus="views", shard="1-of-1")))["activations"][
        "positions"
    ] == ["mean"]


# Figures and captions ------------------------------------------------------------------------------------------------

HUB_MODEL = {"source": "hub", "repository": "owner/name", "revision": "0123456789abcdef"}
HUB_CORPUS = {"kind": "hub", "repository": "owner/texts", "revision": "fedcba9876543210", "file": "t.parquet"}
DRAWN: dict[str, Any] = {
    "models": {"real": HUB_MODEL | {"label": "Real"}, "drawn": {"source": "random", "of": "real", "seed": 4}},
    "corpora": {
        "texts": HUB_CORPUS,
        "views": {"kind": "views", "of": "texts", "views": 5},
        "repeated": {"kind": "repetition", "of": "texts", "as_published": True},
        "lengths": {"kind": "random-tokens", "texts": 6, "tokens": [32, 64]},
    },
    "metrics": {"prompt_entropy": {"preparation": ["none", "as_published"]}},
    "figures": {
        "compared": {
            "kind": "comparison",
            "metrics": ["prompt_entropy", "lidar"],
            "corpora": ["texts", "views"],
            "claim": "fig2",
        },
        "forms": {"kind": "metric", "metric": "prompt_entropy", "corpora": ["texts"]},
        "sweep": {"kind": "sweep", "metric": "prompt_entropy", "corpus": "repeated", "raw": True, "claim": "fig6a"},
        "lengths": {"kind": "sweep", "metric": "curvature", "corpus": "lengths"},
        "matrix": {"kind": "matrix", "metric": "linear_cka", "models": ["real"]},
        "sinks": {"kind": "sinks", "corpora": ["texts"]},
        "sites": {"kind": "block-sites", "corpus": "texts"},
        "modes": {"kind": "bimodality", "model": "real", "corpus": "texts", "samples": 300},
        "power": {"kind": "power-law", "dimension": 77},
    },
}


@pytest.fixture(scope="module")
def drawn() -> Plan:
    return Plan(load_config(DRAWN, []))


def test_every_kind_of_figure_is_told_what_it_needs(drawn: Plan) -> None:
    for figure in drawn.figures.names:
        told = FigureJob.model_validate_json(drawn.figures.settings(At(figure=figure)))
        assert told.figure == figure
        assert len(told.tables) == len(figure_tables(drawn.config, figure))
        assert told.title
        assert told.caption == drawn.config.all_figures[figure].caption(drawn.config)
        assert set(told.titles) == set(told.axes) == {one.content for one in told.tables if one.content in METRICS}
    compared = FigureJob.model_validate_json(drawn.figures.settings(At(figure="compared")))
    columns = (("texts", "prompt_entropy"), ("views", "lidar"))
    read = [("Real", *column, True) for column in columns] + [("drawn", *column, True) for column in columns]
    # It reads summaries, and the verdicts, which are given on the tables of single texts.
    assert [(one.model, one.corpus_or_experiment, one.content, one.summary) for one in compared.tables] == [
        *read,
        ("", "compared", "verdicts", False),
    ]
    judged = ClaimJob.model_validate_json(drawn.metrics.claim_settings(At(figure="compared")))
    assert [(one.model, one.corpus, one.content) for one in judged.tables] == [
        (model, *column) for model in ("real", "drawn") for column in columns
    ]
    assert compared.titles == {"prompt_entropy": "Prompt entropy", "lidar": "LiDAR"}
    raw = FigureJob.model_validate_json(drawn.figures.settings(At(figure="sweep")))
    assert raw.axes == {"prompt_entropy": "S₁ (nats)"}
    assert compared.axes["prompt_entropy"] == "S₁ / log min(rows, width)"


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        (
            "compared",
            (
                "Prompt entropy",
                "Eq. 1",
                "LiDAR",
                "Thilak",
                "states: raw states.",  # the first form, which is the one that is drawn
                "centred, then unit rows",
                "owner/texts at fedcba987654",
                "5 augmented views of texts",
                "owner/name at 0123456789ab",
                "randomly initialised weights, seed 4, shape of real",
                "20 times the median of the text",
                "1,000 bootstrap samples",
                "half samples",
                "The paper's claim: ",
            ),
        ),
        ("forms", ("states: raw states / as in the public code of skean2025", "Eq. 1")),
        ("sweep", ("nats", "texts, each token replaced with probability p by tokens of the text itself, as published")),
        ("lengths", ("Curvature", "6 texts of 32, 64 tokens sampled uniformly")),
        ("matrix", ("Kornblith", "owner/texts at fedcba987654", "half samples")),
        ("sinks", ("Queipo-de-Llano", "Prompt entropy", "20 times the median of the text")),
        ("sites", ("Roy and Vetterli", "owner/name at 0123456789ab")),
        ("modes", ("Hartigan", "300 samples", "corrected over layers", "Eq. 1")),
        ("power", ("77 eigenvalues", "no model and no data", "Fig. 7")),
    ],
)
def test_a_caption_names_definition_states_corpora_and_models(drawn: Plan, figure: str, words: tuple[str, ...]) -> None:
    text = drawn.config.all_figures[figure].caption(drawn.config)
    for word in words:
        assert word in text, (word, text)
    assert ("claim" in text) == (figure in {"compared", "sweep"})
    if figure == "matrix":
        assert "randomly initialised" not in text
    if figure == "power":
        assert "Models" not in text


def test_categories_and_titles_in_the_report(drawn: Plan) -> None:
    config = drawn.config
    assert config.all_figures["compared"].category == "Claims of the papers"
    assert config.all_figures["matrix"].category == "Representation metrics"
    subjects = {figure: config.all_figures[figure].subject(config) for figure in drawn.figures.names}
    assert subjects == {
        "compared": "Prompt entropy, LiDAR",
        "forms": "Prompt entropy",
        "sweep": "Prompt entropy: repeated tokens",
        "lengths": "Curvature: length of the text",
        "matrix": "Linear CKA between layers",
        "sinks": "Entropy valley, token norms and attention sinks",
        "sites": "Effective rank at every stage of a block",
        "modes": "Distribution of prompt entropy over texts",
        "power": "Entropy of power-law spectra",
    }
