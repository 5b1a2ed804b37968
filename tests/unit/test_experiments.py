"""What experiments imply: designs by default, random weights, figures, their tables and titles, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from fathom.activations.settings import ActivationsSettings
from fathom.corpora.settings import CorpusSettings
from fathom.figures.base import FigureTable, ProbeFigure, hierarchy
from fathom.figures.settings import (
    CoordinationFigure,
    EarlyContextFigure,
    FigureSettings,
    ProbesFigure,
    PropertiesFigure,
    SitesFigure,
    SpansFigure,
    SummaryFigure,
)
from fathom.models.settings import HubModel, ModelSettings, RandomModel
from fathom.probes.settings import ExperimentSettings
from fathom.runtime.errors import FathomError
from fathom.workflow.checks import impossible_experiments, impossible_figures
from fathom.workflow.config import Config
from fathom.workflow.defaults import (
    Corpora,
    Experiments,
    default_experiments,
    default_figures,
    keeps_static,
    probed_views,
    random_model_of,
    random_models,
)
from fathom.workflow.figure_tables import figure_tables
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards as At

CORPUS: TypeAdapter[CorpusSettings] = TypeAdapter(CorpusSettings)
ALL_KINDS = ("items", "relations", "analogies", "documents", "early-context")


def corpora(**changed: dict[str, Any]) -> dict[str, CorpusSettings]:
    """A corpus of every kind of the hierarchy, and one that is not of it."""
    settings = {name: {"kind": name} for name in (*ALL_KINDS, "random-tokens")} | changed
    return {name: CORPUS.validate_python(one) for name, one in settings.items()}


def experiment(corpus: str = "relations", **settings: Any) -> ExperimentSettings:
    return ExperimentSettings.model_validate({"corpus": corpus, "positions": ("last",), **settings})


def defaults(**activations: Any) -> dict[str, ExperimentSettings]:
    return default_experiments(corpora(), ActivationsSettings.model_validate(activations))


PROPERTIES = ExperimentSettings(corpus="items", positions=("span:item",), stratify_by="category", estimators=("ridge",))


def config_with(experiments: Experiments, **sections: Any) -> Config:
    """A config with these experiments, which nobody has checked."""
    hub = {name: HubModel(source="hub", repository=f"owner/{name}", revision="main") for name in ("a", "b")}
    return Config.model_construct(**{"models": hub, "corpora": corpora(), "probes": dict(experiments), **sections})


# Experiments by default ----------------------------------------------------------------------------------------------


def test_one_experiment_a_corpus_of_the_hierarchy() -> None:
    found = defaults()
    assert {name: (one.corpus, one.positions, one.labels) for name, one in found.items()} == {
        "items": ("items", ("span:item",), ("edible", "manmade", "larger_than_person")),
        "relations": ("relations", ("span:second",), ("related",)),
        "analogies": ("analogies", ("span:fourth",), ("same_relation",)),
        "documents": ("documents", ("last",), ("one_theme",)),
        "early-context": ("early-context", ("last",), ("related",)),
    }
    assert list(impossible_experiments(found, corpora())) == []


def test_a_table_of_ones_own_has_labels_that_are_not_known_yet() -> None:
    own = {"items": CORPUS.validate_python({"kind": "items", "table": "own.csv"})}
    assert {one.labels for one in default_experiments(own, ActivationsSettings()).values()} == {None}


@pytest.mark.parametrize(
    ("activations", "kept"),
    [
        ({}, True),
        ({"layers": "transformers"}, True),
        ({"layers": [0, 3]}, True),
        ({"layers": [1, "final"]}, False),
        ({"positions": ["last", "spans"]}, False),
        ({"sites": ["attention"]}, False),
        ({"sites": "all"}, True),
        ({"corpora": {"items": {"positions": ["spans"]}}}, False),
        ({"corpora": {"items": {"sites": ["mlp"]}}}, False),
        ({"positions": ["spans"], "corpora": {"items": {"positions": ["mean", "spans"]}}}, True),
        ({"corpora": {"relations": {"positions": ["spans"]}}}, True),
    ],
)
def test_static_vectors_are_a_control_where_their_states_are_kept(activations: dict[str, Any], kept: bool) -> None:
    settings = ActivationsSettings.model_validate(activations)
    assert keeps_static(settings, "items") == kept
    items = default_experiments(corpora(), settings)["items"]
    assert ("static" in items.controls) == kept
    assert {"random", "shuffled", "selectivity"} <= set(items.controls)


def test_what_a_corpus_keeps_decides_on_its_control_only() -> None:
    found = defaults(corpora={"relations": {"positions": ["spans"]}})
    assert [name for name, one in found.items() if "static" not in one.controls] == ["relations"]
    kept = {"corpora": {"items": {"kind": "items"}}, "activations": {"corpora": {"items": {"positions": ["spans"]}}}}
    assert "static" not in load_config(kept, []).experiments["items"].controls


# Random weights ------------------------------------------------------------------------------------------------------


def test_every_model_has_a_random_one_unless_the_config_has_it() -> None:
    real = HubModel(source="hub", repository="a/b", revision="main", label="B", dtype="bfloat16", depth=7)
    drawn = RandomModel(source="random", of="other", seed=3)
    models: dict[str, ModelSettings] = {"real": real, "other": real, "drawn": drawn}
    found = random_models(models, defaults())
    assert list(found) == ["real-random"]
    random = found["real-random"]
    assert (random.of, random.label, random.dtype, random.depth) == ("real", "B, random weights", "bfloat16", 7)
    assert random_model_of(models | found, "real") == "real-random"
    assert random_model_of(models, "other") == "drawn"
    assert random_model_of(models, "real") is None


def test_there_is_no_random_model_where_no_experiment_asks_for_it() -> None:
    models = {"real": HubModel(source="hub", repository="a/b", revision="main")}
    assert random_models(models, {"e": experiment(controls=("shuffled",))}) == {}
    assert random_models(models, {}) == {}


def test_a_name_that_the_random_model_would_take_is_refused() -> None:
    hub = {"source": "hub", "repository": "a/b", "revision": "main"}
    with pytest.raises(FathomError, match=r"models\.a-random: expected another name"):
        load_config({"models": {"a": hub, "a-random": hub}, "corpora": {"items": {"kind": "items"}}}, [])
    load_config({"models": {"a": hub, "a-random": {"source": "random", "of": "a"}}}, [])


# The hierarchy -------------------------------------------------------------------------------------------------------


def test_the_hierarchy_is_the_first_experiment_of_each_kind_in_the_order_of_the_claim() -> None:
    found = {
        "late": experiment("analogies"),
        "early": experiment("early-context"),
        "pairs": experiment("relations"),
        "more pairs": experiment("relations"),
        "nouns": experiment("items"),
    }
    config = config_with(found | {"gone": experiment("none")})
    assert hierarchy(config, found) == ("nouns", "pairs", "late")
    assert hierarchy(config, ("late", "nouns")) == ("nouns", "late")
    assert hierarchy(config, ("early", "gone")) == ()


@pytest.mark.parametrize(
    ("names", "order", "strictly"),
    [
        (None, ("items", "relations", "analogies"), ("items",)),
        (["items", "relations"], ("items", "relations"), ("items",)),
        (["relations", "analogies"], ("relations", "analogies"), ()),
        (["analogies", "items"], ("items", "analogies"), ("items",)),
        (["documents"], (), ()),
    ],
)
def test_a_job_knows_which_step_comes_strictly_first(
    names: list[str] | None, order: tuple[str, ...], strictly: tuple[str, ...]
) -> None:
    probes = {name: one.model_dump(mode="json") for name, one in defaults().items()}
    probes["items"]["title"] = "nouns"
    figures = {"f": {"kind": "probes"} | ({"experiments": names} if names else {})}
    config = load_config({"corpora": all_corpora(), "probes": probes, "figures": figures}, [])
    plan = Plan(config)
    (found,) = plan.probes.orders.values() if order else ((),)
    assert found == order
    tables = [table for table in figure_tables(config, "f") if table.content == "order"]
    assert {table.corpus_or_experiment for table in tables} == ({"+".join(order)} if order else set())
    if order:
        job = json.loads(plan.probes.order_settings(At(model=str(tables[0].model), order="+".join(order))))
        assert [step["experiment"] for step in job["steps"]] == list(order)
        assert tuple(step["experiment"] for step in job["steps"] if step["strict"]) == strictly


def all_corpora() -> dict[str, dict[str, str]]:
    return {name: {"kind": name} for name in ALL_KINDS}


def test_the_views_of_an_experiment() -> None:
    assert probed_views(experiment(), corpora()) == ("original",)
    assert probed_views(experiment(views=("template 2",)), corpora()) == ("template 2",)
    early = corpora(**{"early-context": {"kind": "early-context", "filler": [0, 4]}})
    assert probed_views(experiment("early-context"), early) == ("start 0", "start 4", "end 4")


# Figures by default --------------------------------------------------------------------------------------------------


def figures_of(**experiments: ExperimentSettings) -> dict[str, FigureSettings]:
    found = default_figures(config_with(experiments))
    return {name: figure for name, figure in found.items() if isinstance(figure, ProbeFigure)}


def test_experiments_call_for_curves_properties_decay_and_a_summary() -> None:
    experiments = defaults() | {"items-properties": PROPERTIES}
    found = figures_of(**experiments)
    properties = ["items-properties-a", "items-properties-b"]
    assert list(found) == ["probes-svm", "probes-ridge", *properties, "early-context-decay", "probe-summary"]
    assert list(impossible_figures(config_with(experiments, figures=found))) == []


def test_several_places_and_coordination_have_figures() -> None:
    found = figures_of(
        pairs=experiment(
            positions=("span:second", "span:first"),
            sites=("residual", "attention"),
            coordination={},
            estimators=("svm",),
        )
    )
    assert found == {
        "probes-svm": ProbesFigure(kind="probes", estimator="svm"),
        "pairs-spans": SpansFigure(kind="spans", experiments=("pairs",), estimator="svm"),
        "pairs-sites": SitesFigure(kind="sites", experiments=("pairs",), estimator="svm"),
        "pairs-coordination-a": CoordinationFigure(kind="coordination", model="a", experiment="pairs", estimator="svm"),
        "pairs-coordination-b": CoordinationFigure(kind="coordination", model="b", experiment="pairs", estimator="svm"),
        "probe-summary": SummaryFigure(kind="probe-summary"),
    }


def test_an_estimator_that_a_step_lacks_draws_the_other_steps() -> None:
    found = figures_of(
        items=experiment("items", estimators=("ridge",)), relations=experiment(estimators=("svm", "ridge", "logistic"))
    )
    assert found["probes-ridge"] == ProbesFigure(kind="probes", estimator="ridge")
    for estimator in ("svm", "logistic"):
        figure = found[f"probes-{estimator}"]
        assert isinstance(figure, ProbesFigure)
        assert figure.experiments == ("relations",)


def test_early_context_and_properties() -> None:
    found = figures_of(early=experiment("early-context"), few=experiment("items", labels=("edible", "alive")))
    assert found["early-decay"] == EarlyContextFigure(kind="early-context", experiment="early")
    assert not any(isinstance(one, PropertiesFigure) for one in found.values())
    found = figures_of(all=experiment("items", estimators=("logistic", "svm")))
    assert found["all-b"] == PropertiesFigure(kind="properties", model="b", experiment="all", estimator="logistic")
    assert figures_of() == {}


def test_the_tables_of_a_figure() -> None:
    found = {name: experiment(name, controls=()) for name in ("items", "relations", "documents")}
    config = config_with(found)
    probes = ProbesFigure(kind="probes", models=("a",))
    assert probes.plotted_experiments(config) == ("items", "relations")
    assert probes.plotted_experiments(config_with({"documents": found["documents"]})) == ("documents",)
    assert probes.tables(config) == [
        *(FigureTable("a", name, "probes") for name in ("items", "relations")),
        FigureTable("a", "items+relations", "order"),
    ]
    summary = SummaryFigure(kind="probe-summary")
    assert summary.plotted_experiments(config) == tuple(found)
    coordination = CoordinationFigure(kind="coordination", model="a", experiment="items")
    assert coordination.tables(config) == [FigureTable("a", "items", one) for one in ("probes", "coordination")]
    spans = SpansFigure(kind="spans", models=("a",), experiments=("relations",))
    assert spans.tables(config) == [FigureTable("a", "relations", "probes")]
    assert coordination.named_experiments == ("experiment", ("items",))
    assert spans.named_experiments == ("experiments", ("relations",))
    assert probes.named_experiments == ("experiments", ())


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "place", "found", "expected"),
    [
        ({"positions": ("span:third",)}, "positions", "span:third", "relations marks: span:first, span:second"),
        ({"labels": ("edible",)}, "labels", "edible", "a label of corpus relations: related, relation"),
        ({"stratify_by": "category"}, "stratify_by", "category", "a label of corpus relations: related, relation"),
        ({"coordination": {}}, "sites", ["residual"], "'attention' too, since coordination reads it"),
        ({"title": "other"}, "title", "other", "a title of its own"),
        ({"test": "relations"}, "test", "relations", "another corpus than the one that is trained on"),
    ],
)
def test_impossible_experiments(changed: dict[str, Any], place: str, found: object, expected: str) -> None:
    experiments: Experiments = {"e": experiment(**changed), "other": experiment("documents")}
    problems = [
        problem for problem in impossible_experiments(experiments, corpora()) if problem[0].startswith("probes.e.")
    ]
    ((where, what, wanted),) = problems
    assert (where, what) == (f"probes.e.{place}", found)
    assert expected in wanted


def test_what_is_said_elsewhere_or_not_known_is_no_problem() -> None:
    own: Corpora = corpora(items={"kind": "items", "table": "own.csv"})
    found = {"gone": experiment("none", labels=("x",)), "own": experiment("items", labels=("x",), stratify_by="y")}
    assert list(impossible_experiments(found, own)) == []


@pytest.mark.parametrize(
    ("figure", "place", "expected"),
    [
        (ProbesFigure(kind="probes", estimator="svm", experiments=("one",)), "estimator", "of experiment one: ridge"),
        (SpansFigure(kind="spans", experiments=("one",)), "experiments", "several positions"),
        (SitesFigure(kind="sites", experiments=("one",)), "experiments", "several sites"),
        (EarlyContextFigure(kind="early-context", experiment="one"), "experiment", "an early-context corpus"),
        (CoordinationFigure(kind="coordination", model="a", experiment="one"), "experiment", "measures coordination"),
        (ProbesFigure(kind="probes", experiments=tuple(f"e{at}" for at in range(7))), "experiments", "at most 6"),
    ],
)
def test_impossible_figures(figure: FigureSettings, place: str, expected: str) -> None:
    experiments = {name: experiment(estimators=("ridge",)) for name in ("one", *(f"e{at}" for at in range(7)))}
    ((where, _, wanted),) = impossible_figures(config_with(experiments, figures={"f": figure}))
    assert where == f"figures.f.{place}"
    assert expected in wanted


@pytest.mark.parametrize(
    ("figure", "key", "found"),
    [
        ({"kind": "metric", "metric": "curvature"}, "corpora", "4 corpora with 40 views"),
        ({"kind": "comparison", "metrics": ["curvature"], "corpora": ["prose"]}, "models", "37 models"),
    ],
)
def test_more_curves_than_can_be_told_apart_are_refused_before_anything_runs(
    figure: dict[str, Any], key: str, found: str
) -> None:
    data = {
        "models": {f"m{at}": {"source": "hub", "repository": "o/m", "revision": "main"} for at in range(37)},
        "corpora": {
            "prose": {"kind": "random-tokens", "tokens": list(range(3, 13))},
            **{f"r{at}": {"kind": "random-tokens", "tokens": list(range(3, 13))} for at in range(3)},
        },
        "metrics": {"only": ["curvature"]},
        "figures": {"f": figure},
    }
    with pytest.raises(FathomError, match=f"figures.f.{key}: expected at most 36 .*; found '{found}'"):
        load_config(data, [])


def test_a_summary_takes_every_estimator_and_any_number_of_experiments() -> None:
    experiments = {f"e{at}": experiment(estimators=("logistic",)) for at in range(9)}
    summary = {"f": SummaryFigure(kind="probe-summary")}
    assert list(impossible_figures(config_with(experiments, figures=summary))) == []


# Titles and captions -------------------------------------------------------------------------------------------------

DRAWN: dict[str, dict[str, Any]] = {
    "all": {"kind": "probes", "estimator": "svm"},
    "some": {"kind": "probes", "experiments": ["documents", "relations"]},
    "spans": {"kind": "spans", "experiments": ["relations"]},
    "sites": {"kind": "sites", "experiments": ["relations"]},
    "early": {"kind": "early-context", "experiment": "early-context"},
    "properties": {"kind": "properties", "model": "minilm-l6", "experiment": "items-properties"},
    "coordination": {"kind": "coordination", "model": "minilm-l6", "experiment": "relations"},
    "summary": {"kind": "probe-summary"},
}


@pytest.fixture(scope="module")
def config() -> Config:
    probes = {
        name: one.model_dump(mode="json") for name, one in (defaults() | {"items-properties": PROPERTIES}).items()
    }
    sites = ["residual", "attention"]
    places = {"title": "pairs", "sites": sites, "positions": ["span:second", "last"], "coordination": {}}
    probes["relations"] |= places
    probes["documents"]["permutations"] = 0
    kept = {"corpora": {"relations": {"sites": sites, "attention_texts": 20}}}
    content = {"corpora": all_corpora(), "activations": kept, "probes": probes, "figures": DRAWN}
    return load_config(content, [])


def test_titles_say_what_is_drawn(config: Config) -> None:
    assert {figure: config.all_figures[figure].title(config) for figure in DRAWN} == {
        "all": "Items, relations, analogies: linear SVM",
        "some": "documents, pairs: ridge regression",
        "spans": "Where in a text it can be read: pairs",
        "sites": "Residual stream and sub-layers: pairs",
        "early": "What is left of an early pair",
        "properties": "items-properties by label",
        "coordination": "Coordination of adjacent layers: pairs",
        "summary": "Summary of all probes",
    }
    assert (
        config.all_figures["coordination"].subject(config) == "Coordination of adjacent layers: pairs, all-MiniLM-L6-v2"
    )
    assert config.all_figures["summary"].subject(config) == "Summary of all probes"


def test_captions_say_tests_and_texts(config: Config) -> None:
    words = config.all_figures["some"].caption(config)
    assert "Tests: none / 200 block-wise permutations, family-wise over layers." in words
    assert "3 sentences “There is {article} {item}.” of one category or of several" in words
    assert "Normalised" in words
    assert "Normalised" not in config.all_figures["spans"].caption(config)
    assert "SVM, ridge and logistic regression in closed blocks" in config.all_figures["summary"].caption(config)
    assert "0, 8, 32, 128 words of filler" in config.all_figures["early"].caption(config)
