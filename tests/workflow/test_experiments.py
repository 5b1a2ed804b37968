"""Experiments of the papers in small: derived corpora, random weights, all sites, every kind of figure of metrics."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tests.tiny import SENTENCES
from tests.workflow.project import Project

from fathom import read_results
from fathom.io.manifests import read_manifest

FIGURES: dict[str, dict[str, Any]] = {
    "comparison": {
        "kind": "comparison",
        "metrics": ["prompt_entropy", "lidar"],
        "corpora": ["texts", "views"],
        "claim": "fig2",
    },
    "sweep": {
        "kind": "sweep",
        "metric": "prompt_entropy",
        "raw": True,
        "corpus": "repeated",
        "models": ["tiny"],
        "claim": "fig6a",
    },
    "matrix": {"kind": "matrix", "metric": "linear_cka", "models": ["tiny"], "corpora": ["texts"]},
    "sinks": {"kind": "sinks", "models": ["tiny"], "corpora": ["texts"]},
    "block-sites": {"kind": "block-sites", "corpus": "texts", "models": ["tiny"], "claim": "fig15"},
    "bimodality": {"kind": "bimodality", "model": "tiny", "corpus": "texts", "samples": 100, "claim": "bimodal"},
    "power-law": {"kind": "power-law", "dimension": 32, "claim": "fig7"},
}
CONFIG: dict[str, Any] = {
    "models": {
        "tiny": {"source": "path", "path": "tiny", "label": "Tiny"},
        "drawn": {"source": "random", "of": "tiny", "seed": 1},
    },
    "corpora": {
        "texts": {"kind": "file", "path": "texts.txt"},
        "views": {"kind": "views", "of": "texts", "views": 3},
        "repeated": {"kind": "repetition", "of": "texts", "probabilities": [0.0, 0.45, 0.9]},
    },
    "activations": {
        "device": "cpu",
        "truncate": True,
        "attention_texts": 3,
        "corpora": {"texts": {"sites": "all"}},
        "sinks": {"norm": 1.05},  # the norms of a tiny model's tokens hardly differ
    },
    "metrics": {
        "only": ["prompt_entropy", "effective_rank", "sinks", "lidar", "linear_cka"],
        "lidar": {"samples": 100},
        "linear_cka": {"samples": 100},
    },
    "probes": {},
    "figures": FIGURES,
    "uncertainty": {"bootstrap": 100},
}
TEXTS = [f"{sentence[start:]} {number}" for number, sentence in enumerate(SENTENCES) for start in (0, 9, 20)]


@pytest.fixture(scope="module")
def made(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has drawn every kind of figure."""
    project = unmade(prepared, tmp_path_factory.mktemp("experiments") / "project")
    project.run()
    return project


def unmade(prepared: Project, folder: Path) -> Project:
    project = Project(folder)
    shutil.copytree(prepared.folder / "tiny", folder / "tiny")
    (folder / "texts.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    (folder / "mine.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    return project


def numbers(project: Project, figure: str) -> pd.DataFrame:
    return pd.read_csv(project.folder / f"results/figures/{figure}.csv")


def test_every_figure_with_its_numbers_and_caption(made: Project) -> None:
    folder = made.folder / "results/figures"
    for figure, settings in FIGURES.items():
        for kind in ("svg", "png", "csv", "txt"):
            assert (folder / f"{figure}.{kind}").stat().st_size > 0, f"{figure}.{kind}"
        text = (folder / f"{figure}.txt").read_text(encoding="utf-8")
        assert ("The paper's claim" in text) == ("claim" in settings)
        if "claim" in settings:
            assert len(text.splitlines()) > 1, figure  # what this run says, in numbers
        if figure != "power-law":
            assert "Tiny" in text
    assert made.planned() == []


def test_a_comparison_holds_every_metric_and_model(made: Project) -> None:
    table = numbers(made, "comparison")
    assert (set(table["model"]), set(table["model_title"])) == ({"tiny", "drawn"}, {"Tiny", "drawn"})
    assert set(table["metric"]) == {"prompt_entropy", "lidar"}
    assert set(table["metric_title"]) == {"Prompt entropy", "LiDAR"}
    assert set(table["layer"]) == {0, 1, 2, 3}
    curves = table[table["sinks"] != "without"].pivot_table(index=["metric", "layer"], columns="model", values="value")
    assert curves.notna().all(axis=None)
    assert ((curves["tiny"] - curves["drawn"]).abs() > 1e-6).all()  # other weights


def test_repetition_lowers_the_entropy(made: Project) -> None:
    table = numbers(made, "sweep")
    curve = table[(table["sinks"] == "with") & (table["layer"] == 0)].set_index("quantity")["value"]
    assert curve.index.tolist() == pytest.approx([0.0, 0.45, 0.9])
    assert curve.is_monotonic_decreasing


def test_a_matrix_holds_every_pair_of_layers(made: Project) -> None:
    table = numbers(made, "matrix")
    assert len(table) == 16 * 2  # with and without sink tokens
    diagonal = table[table["layer"] == table["other_layer"]]
    assert diagonal["value"].tolist() == pytest.approx([1.0] * 8)
    assert set(table["texts"]) == {len(TEXTS)}


def test_stages_are_those_of_the_block(made: Project) -> None:
    table = numbers(made, "block-sites")
    layers: Mapping[Any, int] = table[table["sinks"] == "with"].groupby("stage")["layer"].nunique().to_dict()
    assert layers == {
        "what attention reads": 3,
        "attention patterns, mean of heads": 3,
        "attention output": 3,
        "residual after attention": 3,
        "MLP output": 3,
        "residual after the block": 4,
    }


def test_sinks_in_three_panels(made: Project) -> None:
    table = numbers(made, "sinks")
    assert set(table["panel"]) == {"entropy", "norm", "heads"}


def test_modes_of_the_entropies(made: Project) -> None:
    table = numbers(made, "bimodality")
    layers = table[table["part"] == "layers"]
    assert sorted(layers["layer"]) == [0, 1, 2, 3]
    assert set(table["part"]) == {"layers", "examples"}


def test_power_laws_need_no_model(made: Project, prepared: Project, tmp_path: Path) -> None:
    table = numbers(made, "power-law")
    assert len(table) == 5 * 10
    project = unmade(prepared, tmp_path / "project")
    assert project.planned("results/figures/power-law.svg") == [
        "Drawing power-law",
        "Judging what a paper claims in power-law",
    ]


def test_verdicts_are_tables_of_their_own_which_figures_tell_in_words(made: Project) -> None:
    found = read_results(made.folder / "results")
    verdicts = found[found["control"] == "claim"]
    claims = {name: settings["claim"] for name, settings in FIGURES.items() if "claim" in settings}
    assert set(verdicts["claim"]) == set(claims.values())
    assert set(verdicts["stage"]) == {"metrics"}
    assert set(verdicts.loc[verdicts["claim"] == "fig2", "model"]) == {"drawn+tiny"}  # in the order of the config
    for figure, claim in claims.items():
        text = (made.folder / f"results/figures/{figure}.txt").read_text(encoding="utf-8")
        assert text.count("Here: ") == (verdicts["claim"] == claim).sum()
        assert "{" not in text


def test_another_name_in_figures_judges_nothing_anew(made: Project, tmp_path: Path) -> None:
    project = made.copy(tmp_path / "project")
    config = CONFIG | {"models": CONFIG["models"] | {"tiny": {"source": "path", "path": "tiny", "label": "Small"}}}
    (project.folder / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    planned = project.planned()
    assert "Drawing comparison" in planned
    assert all(one.startswith(("Drawing", "Writing the page")) for one in planned)


def test_one_extraction_of_the_views_serves_all_and_says_its_passes(made: Project) -> None:
    manifest = made.folder / "results/activations/tiny/views/1-of-1.manifest.json"
    facts = read_manifest(manifest, "activations")
    assert facts["texts"] == 3 * len(TEXTS)
    assert facts["passes"] == 3
    assert facts["positions"] == ["mean", "mean_without_sinks"]
    tables = {path.stem for path in (made.folder / "results/metrics/tiny/views").glob("*.parquet")}
    assert tables == {"lidar", "lidar.layers"}
    tokens = {path.stem for path in (made.folder / "results/metrics/tiny/texts").glob("*.parquet")}
    summarised = {"prompt_entropy", "effective_rank", "linear_cka"}
    every = {*summarised, "sinks", "token_norms"}
    modes = {"prompt_entropy.modes", "prompt_entropy.mode_texts"}
    assert tokens == every | {f"{name}.layers" for name in every} | {"sink_margins"} | modes


def test_another_seed_of_weights_remakes_that_model_only(made: Project, tmp_path: Path) -> None:
    project = made.copy(tmp_path / "project")
    config = CONFIG | {"models": CONFIG["models"] | {"drawn": {"source": "random", "of": "tiny", "seed": 2}}}
    (project.folder / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert project.planned() == [
        "Drawing comparison",
        "Extracting drawn on texts, shard 1-of-1",
        "Extracting drawn on views, shard 1-of-1",
        "Judging what a paper claims in comparison",
        "Measuring lidar of drawn on views",
        "Measuring tokens of drawn on texts",
        "Preparing model drawn",
        "Writing the page to explore",
    ]


def test_changed_texts_remake_what_is_derived_from_them(made: Project, tmp_path: Path) -> None:
    project = made.copy(tmp_path / "project")
    (project.folder / "texts.txt").write_text("\n".join(TEXTS[1:]), encoding="utf-8")
    planned = project.planned()
    assert [one for one in planned if one.startswith("Building")] == [
        "Building corpus repeated",
        "Building corpus texts",
        "Building corpus views",
    ]
    assert [one for one in planned if one.startswith("Preparing")] == []
    assert "Drawing power-law" not in planned
