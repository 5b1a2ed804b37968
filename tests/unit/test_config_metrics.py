"""Settings of metrics and of the figures of metrics: what they allow, refuse, and come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from fathom.activations.settings import ActivationsSettings
from fathom.figures.base import FigureTable
from fathom.figures.claims.papers import ClaimName
from fathom.metrics.settings import (
    METRICS,
    CurvatureSettings,
    DimeSettings,
    EffectiveRankSettings,
    InfonceSettings,
    LidarSettings,
    Metric,
    MetricsSettings,
    NeighbourhoodOverlapSettings,
    PromptEntropySettings,
)
from fathom.runtime.errors import FathomError
from fathom.workflow.config import Config
from fathom.workflow.figure_tables import figure_tables
from fathom.workflow.kept_states import SHOWN_MAPS
from fathom.workflow.load import load_config

DEFAULT = Config().model_dump(mode="json")
HUB = {"kind": "hub", "repository": "owner/name", "revision": "main", "file": "texts.parquet"}
CORPORA: dict[str, Any] = {
    "bible": DEFAULT["corpora"]["bible"],
    "plain": DEFAULT["corpora"]["bible"] | {"paraphrase": None},
    "random": {"kind": "random-tokens"},
    "lengths": {"kind": "random-tokens", "tokens": [32, 64]},
    "hub": HUB,
    "views": {"kind": "views", "of": "hub"},
    "repeated": {"kind": "repetition", "of": "hub"},
    "randomised": {"kind": "randomness", "of": "plain"},
    "items": {"kind": "items"},
}
MODELS: dict[str, Any] = {
    "small": {"source": "hub", "repository": "owner/small", "revision": "main"},
    "large": {"source": "hub", "repository": "owner/large", "revision": "main"},
    "drawn": {"source": "random", "of": "small", "seed": 3},
}


def config_of(**changes: Any) -> Config:
    return load_config({"models": MODELS, "corpora": CORPORA} | changes, [])


def refusal(**changes: Any) -> str:
    with pytest.raises(FathomError) as caught:
        config_of(**changes)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix("config: command line or defaults: ")


# Preparation ---------------------------------------------------------------------------------------------------------


def test_preparation_is_one_word_or_several() -> None:
    assert CurvatureSettings.model_validate({"preparation": "rows"}).preparation == ("rows",)
    several = ["none", "as_published"]
    assert PromptEntropySettings.model_validate({"preparation": several}).preparation == ("none", "as_published")
    for settings in MetricsSettings():
        name, metric = settings
        if hasattr(metric, "preparation"):
            assert metric.preparation == ("centred",), name


@pytest.mark.parametrize("wrong", [[], "white", ["rows", "white"], ["rows", "rows"], 3, None])
def test_other_preparations_are_refused(wrong: Any) -> None:
    assert refusal(metrics={"curvature": {"preparation": wrong}}).startswith("metrics.curvature.preparation")


@pytest.mark.parametrize("metric", [name for name in METRICS if name != "sinks"])
def test_as_published_is_for_metrics_whose_public_code_has_a_form(metric: str) -> None:
    settings = {metric: {"preparation": ["none", "as_published"]}}
    if METRICS[metric].published is None:
        assert refusal(metrics=settings).startswith(
            f"metrics.{metric}.preparation.1: input should be 'none', 'rows' or"
        )
    else:
        found = config_of(metrics=settings).metric_settings[metric]
        assert getattr(found, "preparation") == ("none", "as_published")  # noqa: B009


@pytest.mark.parametrize(
    ("metric", "key", "fixed", "other"),
    [
        ("prompt_entropy", "alpha", "1.0", 2.0),
        ("dataset_entropy", "alpha", "1.0", 0.5),
        ("curvature", "k", "1", 2),
        ("infonce", "temperature", "0.1", 0.07),
        ("infonce", "both", "False", True),
        ("lidar", "ridge", "0.0001", 1e-3),
    ],
)
def test_as_published_holds_what_the_public_code_does(metric: str, key: str, fixed: str, other: Any) -> None:
    for preparation in ("as_published", ["rows", "as_published"]):
        message = refusal(metrics={metric: {"preparation": preparation, key: other}})
        expected = f"as_published: expected {key} = {fixed}, the only one in the public code; found {other}"
        assert message.startswith(f"metrics.{metric}: {expected}")
    config_of(metrics={metric: {"preparation": "rows", key: other}})
    config_of(metrics={metric: {"preparation": "as_published"}})


@pytest.mark.parametrize("metric", list(METRICS))
def test_an_unknown_key_of_a_metric_is_named(metric: str) -> None:
    assert refusal(metrics={metric: {"typo": 1}}).startswith(f"metrics.{metric}.typo: unknown key; expected one of ")


@pytest.mark.parametrize(
    ("settings", "content"),
    [
        (PromptEntropySettings, {"alpha": 0.0}),
        (PromptEntropySettings, {"alpha": float("inf")}),
        (PromptEntropySettings, {"normalisation": "log"}),
        (CurvatureSettings, {"k": 0}),
        (DimeSettings, {"permutations": 1}),  # one has no error
        (InfonceSettings, {"temperature": 0.0}),
        (LidarSettings, {"ridge": 0.0}),
        (LidarSettings, {"normalisation": "logN"}),
        (NeighbourhoodOverlapSettings, {"k": 0}),
        (NeighbourhoodOverlapSettings, {"samples": 99}),
        (EffectiveRankSettings, {"preparation": "as_published"}),
    ],
)
def test_ranges(settings: type[Metric], content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings.model_validate(content)


def test_a_renamed_setting_is_refused_with_its_new_name() -> None:
    for key in ("looking", "attention_threshold"):
        message = refusal(metrics={"sinks": {key: 0.3}})
        assert message == f"metrics.sinks.{key}: is now called activations.sinks.attention"
    assert refusal(metrics={"sink_multiple": 30}) == "metrics.sink_multiple: is now called activations.sinks.norm"


def test_only_and_null_say_what_is_measured() -> None:
    assert list(config_of().metric_settings) == list(METRICS)
    chosen = config_of(metrics={"only": ["lidar", "curvature"]})
    assert list(chosen.metric_settings) == ["curvature", "lidar"]
    assert chosen.token_metrics == ("curvature",)
    left = config_of(metrics={"only": ["lidar", "curvature"], "lidar": None})
    assert list(left.metric_settings) == ["curvature"]
    assert refusal(metrics={"only": ["lidr"]}).startswith("metrics.only: expected one of prompt_entropy, curvature")


def test_sinks_need_the_entropy() -> None:
    for metrics in ({"prompt_entropy": None}, {"only": ["sinks", "curvature"]}):
        assert "sinks" not in config_of(metrics=metrics).metric_settings
    assert config_of(metrics={"only": ["sinks", "prompt_entropy"]}).token_metrics == ("prompt_entropy", "sinks")
    message = refusal(metrics={"prompt_entropy": None}, figures={"s": {"kind": "sinks"}})
    assert message.startswith("figures.s: expected one of curvature, ")


# What is measured on which corpus ------------------------------------------------------------------------------------

TEXTS = ("bible", "plain", "random", "hub")


@pytest.mark.parametrize(
    ("metrics", "corpora"),
    [
        (
            ("prompt_entropy", "curvature", "effective_rank", "sinks"),
            ("bible", "plain", "random", "lengths", "hub", "repeated", "randomised"),
        ),
        (("dataset_entropy", "intrinsic_dimension", "linear_cka", "neighbourhood_overlap"), TEXTS),
        (("label_overlap",), ("bible", "plain")),
        (("infonce", "dime", "lidar"), ("bible", "views")),
    ],
)
def test_a_metric_is_measured_where_there_is_what_it_reads(metrics: tuple[str, ...], corpora: tuple[str, ...]) -> None:
    config = config_of()
    for metric in metrics:
        assert config.corpora_of(metric) == corpora, metric


def test_every_metric_is_covered_above() -> None:
    assert set(METRICS) == {
        *("prompt_entropy", "curvature", "effective_rank", "sinks"),
        *("dataset_entropy", "intrinsic_dimension", "linear_cka", "neighbourhood_overlap"),
        *("label_overlap", "infonce", "dime", "lidar"),
    }


def test_chosen_corpora_only() -> None:
    config = config_of(metrics={"corpora": ["views", "items", "hub"]})
    assert config.corpora_of("curvature") == ("items", "hub")
    assert config.corpora_of("lidar") == ("views",)
    assert config.corpora_of("label_overlap") == ()
    edible = config_of(metrics={"corpora": ["items"], "label_overlap": {"label": "edible"}})
    assert edible.corpora_of("label_overlap") == ("items",)
    assert "label_overlap" not in config.all_figures
    assert "label_overlap" in edible.all_figures


# What is kept of a corpus --------------------------------------------------------------------------------------------


def test_what_is_read_is_kept() -> None:
    config = config_of()
    model = next(iter(config.models))
    kept = {corpus: config.kept_states(model, corpus) for corpus in config.corpora}
    assert kept["hub"].positions == ("tokens", "mean")
    assert kept["views"].positions == ("mean",)
    assert kept["items"].positions == ("embedding_mean", "span:item")  # the control `static` reads layer 0
    assert {one.sites for one in kept.values()} == {("residual",)}
    assert {one.attention_texts for one in kept.values()} == {0}
    assert config.kept_states("drawn", "items").positions == ("span:item",)  # no control of a control
    few = config_of(metrics={"only": ["prompt_entropy"]}, probes={}, corpora={"hub": CORPORA["hub"]})
    assert few.kept_states(model, "hub").positions == ("tokens",)
    nothing = config_of(metrics={"corpora": ["plain"]}, probes={})
    assert nothing.kept_states(model, "hub").positions == ("mean",)  # a store holds something


def test_every_position_that_a_probe_reads_is_kept() -> None:
    probe = {"corpus": "items", "labels": ["edible"], "controls": ["shuffled"]}
    config = config_of(probes={"e": {**probe, "positions": ["span:item", "last"], "sites": ["mlp", "residual"]}})
    kept = config.kept_states(next(iter(config.models)), "items")
    assert (kept.positions, kept.sites) == (("last", "span:item"), ("residual", "mlp"))


def test_sites_and_maps_of_a_figure_are_kept_of_its_models_and_corpus() -> None:
    models = list(MODELS)
    figure = {"kind": "block-sites", "corpus": "hub", "models": [models[0]]}
    config = config_of(figures={"stages": figure})
    drawn, other = config.kept_states(models[0], "hub"), config.kept_states(models[0], "plain")
    assert (drawn.sites, drawn.attention_texts) == ("all", SHOWN_MAPS)
    assert (other.sites, other.attention_texts) == (("residual",), 0)


def test_a_corpus_may_keep_something_of_its_own() -> None:
    own = {"hub": {"sites": "all", "attention_texts": 2}, "views": {"positions": ["mean", "last", "normed_mean"]}}
    config = config_of(activations={"corpora": own, "attention_texts": 5})
    model = next(iter(config.models))
    assert config.kept_states(model, "hub").sites == "all"
    assert config.kept_states(model, "hub").attention_texts == 2
    assert config.kept_states(model, "plain").sites == ("residual",)
    assert config.kept_states(model, "plain").attention_texts == 5
    # Who lists positions has them of every text, paraphrases among them.
    assert config.kept_states(model, "views").paraphrase_tokens
    assert not config.kept_states(model, "plain").paraphrase_tokens
    assert config.kept_states(model, "views").positions == ("mean", "last", "normed_mean")
    assert config.kept_states(model, "hub").corpora == {}  # what others keep is no matter of this corpus
    assert refusal(activations={"corpora": {"hab": {}}}).startswith("activations.corpora: expected one of bible, plain")


def test_a_position_that_a_corpus_does_not_keep_is_missed_before_the_run() -> None:
    for metric, kept, missed in (("prompt_entropy", "mean", "tokens"), ("dataset_entropy", "tokens", "mean")):
        message = refusal(metrics={"only": [metric]}, activations={"corpora": {"hub": {"positions": [kept]}}})
        expected = f"expected 'auto', or {missed!r} too, since metrics.{metric} reads it; found ['{kept}']"
        assert message == f"activations.corpora.hub.positions: {expected}"
    own = {"items": {"positions": ["mean"]}}
    expected = "activations.corpora.items.positions: expected 'auto', or 'span:item' too"
    assert refusal(activations={"corpora": own}).startswith(expected)


def store_of(folder: Path, model: str, corpus: str, activations: ActivationsSettings) -> None:
    manifest = folder / "results" / "activations" / model / corpus / "1-of-1.manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"settings": {"activations": activations.model_dump(mode="json")}}))


def test_a_store_that_holds_more_than_is_read_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = next(iter(MODELS))
    everything, entropy = config_of(), config_of(metrics={"only": ["prompt_entropy"]})
    larger, smaller = everything.kept_states(model, "hub"), entropy.kept_states(model, "hub")
    store_of(tmp_path, model, "hub", larger)
    assert entropy.kept_states(model, "hub") == larger
    assert everything.kept_states(model, "hub") == larger
    # What is asked for in words is made, and so is what the store lacks, or what was read in another way.
    asked = config_of(metrics={"only": ["prompt_entropy"]}, probes={}, activations={"positions": ["tokens"]})
    assert asked.kept_states(model, "hub").positions == ("tokens",)
    other = config_of(metrics={"only": ["prompt_entropy"]}, activations={"max_tokens": 9})
    assert other.kept_states(model, "hub").positions == smaller.positions
    store_of(tmp_path, model, "plain", smaller)
    assert everything.kept_states(model, "plain").positions == ("tokens", "mean")


# Derived corpora and models ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["views", "repetition", "randomness"])
@pytest.mark.parametrize("of", ["views", "random", "lengths", "items", "nowhere", "mine"])
def test_a_corpus_is_derived_from_written_texts(kind: str, of: str) -> None:
    message = refusal(corpora=CORPORA | {"mine": {"kind": kind, "of": of}})
    assert message.startswith(f"corpora.mine.of: expected one of bible, plain, hub; found '{of}'")


@pytest.mark.parametrize("of", ["drawn", "nowhere", "mine"])
def test_random_weights_have_the_shape_of_a_real_model(of: str) -> None:
    message = refusal(models=MODELS | {"mine": {"source": "random", "of": of}})
    assert message.startswith(f"models.mine.of: expected one of small, large; found '{of}'")


def test_the_depth_of_random_weights_is_that_of_the_real_model() -> None:
    known = {"small": MODELS["small"] | {"depth": 4}, "drawn": MODELS["drawn"]}
    assert config_of(models=known, activations={"layers": [4]})
    message = refusal(models=known, activations={"layers": [5]})
    assert message.startswith("activations.layers: expected a layer from 0 to 4")


# Figures -------------------------------------------------------------------------------------------------------------

FIGURES: dict[str, dict[str, Any]] = {
    "metric": {"kind": "metric", "metric": "curvature"},
    "chosen": {"kind": "metric", "metric": "lidar", "models": ["large"], "corpora": ["views"]},
    "comparison": {
        "kind": "comparison",
        "metrics": ["prompt_entropy", "dataset_entropy", "lidar"],
        "models": ["small", "drawn"],
        "corpora": ["hub", "views"],
    },
    "sweep": {"kind": "sweep", "metric": "prompt_entropy", "corpus": "repeated"},
    "matrix": {"kind": "matrix", "metric": "linear_cka", "models": ["small"]},
    "sinks": {"kind": "sinks", "models": ["small"], "corpora": ["hub", "plain"]},
    "block-sites": {"kind": "block-sites", "corpus": "hub", "models": ["small"]},
    "bimodality": {"kind": "bimodality", "model": "large", "corpus": "hub"},
    "power-law": {"kind": "power-law"},
    "probes": {"kind": "probes", "models": ["small"]},
    "properties": {"kind": "properties", "model": "large", "experiment": "items"},
    "summary": {"kind": "probe-summary", "models": ["small"], "experiments": ["items"]},
}
SUMMARY = ("", "", True)  # no task and no control, and a summary
TABLES: dict[str, list[tuple[Any, ...]]] = {
    "metric": [
        (model, of, "curvature", *SUMMARY)
        for model in MODELS
        for of in ("bible", "plain", "random", "lengths", "hub", "repeated", "randomised")
    ],
    "chosen": [("large", "views", "lidar", *SUMMARY)],
    "comparison": [
        (model, of, metric, *SUMMARY)
        for model in ("small", "drawn")
        for of, metric in (("hub", "prompt_entropy"), ("hub", "dataset_entropy"), ("views", "lidar"))
    ],
    "sweep": [(model, "repeated", "prompt_entropy", *SUMMARY) for model in MODELS],
    "matrix": [("small", of, "linear_cka", *SUMMARY) for of in TEXTS],
    "sinks": [
        *(("small", of, one, *SUMMARY) for of in ("hub", "plain") for one in ("prompt_entropy", "sinks")),
        *(("small", of, "sink_margins") for of in ("hub", "plain")),
    ],
    "block-sites": [("small", "hub", "effective_rank", *SUMMARY)],
    "bimodality": [("large", "hub", f"prompt_entropy{table}") for table in ("", ".modes", ".mode_texts")],
    "power-law": [],
    "probes": [
        ("small", "items", "probes"),
        ("drawn", "items", "probes", "", "random"),
    ],
    "properties": [
        ("large", "items", "probes"),
        ("large-random", "items", "probes", "", "random"),
    ],
    "summary": [
        ("small", "items", "probes"),
        ("drawn", "items", "probes", "", "random"),
        ("small", "items", "choices"),
    ],
}


@pytest.mark.parametrize("figure", list(FIGURES))
def test_tables_of_every_kind_of_figure(figure: str) -> None:
    config = config_of(figures=FIGURES)
    assert figure_tables(config, figure) == [FigureTable(*table) for table in TABLES[figure]]


def test_default_figures_are_of_the_kind_that_their_metric_needs() -> None:
    kinds = {name: figure.kind for name, figure in config_of().all_figures.items()}
    assert kinds == dict.fromkeys(METRICS, "metric") | {
        "linear_cka": "matrix",
        "neighbourhood_overlap": "matrix",
        "sinks": "sinks",
        "probes-svm": "probes",
        "probes-ridge": "probes",
        "probe-summary": "probe-summary",
    }


@pytest.mark.parametrize(
    ("figure", "change", "expected"),
    [
        ("metric", {"metric": "curl"}, "metric: expected one of prompt_entropy, curvature"),
        ("metric", {"metric": "sinks"}, "metric: expected one of prompt_entropy, curvature"),
        ("metric", {"metric": "linear_cka"}, "metric: expected one of prompt_entropy, curvature"),
        ("metric", {"models": ["x"]}, "models: expected one of small, large, drawn; found 'x'"),
        ("metric", {"corpora": ["views"]}, "corpora: expected one of bible, plain, random"),
        ("metric", {"corpora": ["hub", "hub"]}, "corpora: expected every name once"),
        ("metric", {"models": []}, "models: tuple should have at least 1 item"),
        ("chosen", {"corpora": ["hub"]}, "corpora: expected one of bible, views; found 'hub'"),
        ("comparison", {"metrics": ["prompt_entropy", "x"]}, "metrics: expected one of prompt_entropy"),
        ("comparison", {"metrics": ["linear_cka"]}, "metrics: expected one of prompt_entropy"),
        ("comparison", {"metrics": ["curvature", "curvature"]}, "metrics: expected every name once"),
        ("comparison", {"corpora": ["items"]}, "corpora: expected one of bible"),
        ("comparison", {"models": ["x"]}, "models: expected one of small"),
        ("sweep", {"corpus": "views"}, "corpus: expected one of bible, plain"),
        ("sweep", {"metric": "neighbourhood_overlap"}, "metric: expected one of prompt_entropy"),
        ("matrix", {"metric": "curvature"}, "metric: expected one of linear_cka, neighbourhood_overlap"),
        ("matrix", {"corpora": ["repeated"]}, "corpora: expected one of bible, plain, random, hub; found 'repeated'"),
        ("sinks", {"corpora": ["views"]}, "corpora: expected one of bible, plain"),
        ("sinks", {"models": ["x"]}, "models: expected one of small"),
        ("block-sites", {"corpus": "views"}, "corpus: expected one of bible, plain"),
        ("block-sites", {"metric": "curvature"}, "metric: input should be 'effective_rank'; found 'curvature'"),
        ("bimodality", {"model": "x"}, "model: expected one of small"),
        ("bimodality", {"corpus": "items"}, "corpus: expected one of bible"),
        ("bimodality", {"samples": 99}, "samples: input should be greater than or equal to 100"),
        ("power-law", {"betas": [1.0]}, "betas: tuple should have at least 2 items"),
        ("power-law", {"alphas": [0.0, 1.0]}, "alphas.0: input should be greater than 0"),
        ("power-law", {"claim": "fig99"}, "claim: input should be 'fig2'"),
        ("comparison", {"claim": "fig99"}, "claim: input should be 'fig2'"),
        ("matrix", {"claim": "fig2"}, "claim: unknown key"),
        ("probes", {"experiments": ["x"]}, "experiments: expected one of items; found 'x'"),
    ],
)
def test_a_figure_refuses_what_does_not_exist(figure: str, change: dict[str, Any], expected: str) -> None:
    assert refusal(figures={figure: FIGURES[figure] | change}).startswith(f"figures.{figure}.{expected}")


def test_a_metric_that_is_not_measured_cannot_be_drawn() -> None:
    for figure in ("metric", "comparison", "matrix", "block-sites"):
        of = FIGURES[figure].get("metric", "effective_rank" if figure == "block-sites" else "lidar")
        message = refusal(metrics={of: None}, figures={figure: FIGURES[figure]})
        assert message.startswith(f"figures.{figure}.metric")


@pytest.mark.parametrize("claim", get_args(ClaimName))
def test_every_claim_can_be_asked_for(claim: str) -> None:
    config = config_of(figures={"comparison": FIGURES["comparison"] | {"claim": claim}})
    assert figure_tables(config, "comparison")
