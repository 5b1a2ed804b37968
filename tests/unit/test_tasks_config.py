"""What a config says of tasks: which texts and states they need, what is refused, and what figures are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fathom.figures.job import Table
from fathom.figures.tasks.rows import task_scores
from fathom.runtime.errors import FathomError
from fathom.statistics.task_scores import complete
from fathom.tasks.published import PUBLISHED
from fathom.workflow.config import Config
from fathom.workflow.figure_tables import table_files
from fathom.workflow.jobs.tasks import task_resources
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.resources import CorpusSize, StatesSize
from fathom.workflow.strict_yaml import read_config_files
from fathom.workflow.wildcards import Wildcards

MODELS = {"mine": {"source": "hub", "repository": "owner/name", "revision": "0123456789abcdef"}}
LEE = {"likeness": {"kind": "lee"}}
SCORED = "tasks.x.name: expected a task of mteb that can be scored (task "


def config_of(**sections: Any) -> Config:
    return load_config({"models": MODELS, "tasks": LEE, **sections}, [])


def refusal(**sections: Any) -> str:
    with pytest.raises(FathomError) as caught:
        config_of(**sections)
    return str(caught.value).removeprefix("config: command line or defaults: ")


def test_default_tasks_are_of_every_type_and_go_with_the_default_corpora() -> None:
    kinds = {(task.kind, getattr(task, "type", "")) for task in Config().tasks.values()}
    assert kinds == {
        ("newsgroups", "classification"),
        ("newsgroups", "clustering"),
        ("bible", "pairs"),
        ("bible", "reranking"),
        ("lee", ""),
    }
    assert load_config({"corpora": {"mine": {"kind": "items"}}}, []).tasks == {}
    assert list(load_config({"models": MODELS}, []).tasks) == list(Config().tasks)


@pytest.mark.parametrize(
    ("embeddings", "positions"),
    [
        ({}, {"normed_mean"}),
        ({"norm": "none"}, {"mean"}),
        ({"positions": ["last", "mean"]}, {"normed_mean", "normed_last"}),
    ],
)
def test_extraction_keeps_what_tasks_and_their_metrics_read(embeddings: dict[str, Any], positions: set[str]) -> None:
    kept = config_of(embeddings=embeddings).kept_states("mine", "task-likeness")
    assert set(kept.positions) == positions | {"mean"}  # dataset entropy reads plain means
    assert kept.truncate
    alone = config_of(embeddings=embeddings, metrics={"tasks": []}).kept_states("mine", "task-likeness")
    assert set(alone.positions) == positions


def test_figures_read_tables_of_models_but_random_ones() -> None:
    config = config_of()
    assert table_files(config, "task-matrix") == ["results/tasks/mine/likeness.parquet"]
    assert table_files(config, "task-scores") == [
        "results/tasks/mine/likeness.parquet",
        "results/tasks/_over_tasks/task-scores.parquet",
    ]
    assert table_files(config, "task-layer-choice") == [
        "results/tasks/mine/likeness.parquet",
        "results/metrics/mine/task-likeness/dataset_entropy.layers.parquet",
        "results/tasks/_over_tasks/task-layer-choice.parquet",
    ]
    assert ("mine", "task-likeness") in Plan(config).extractions


def test_a_metric_of_views_is_read_from_views_of_the_tasks_texts() -> None:
    views = {"seen": {"kind": "views", "of": "task-likeness", "views": 2}}
    metrics = {"tasks": ["infonce"]}
    figures = {"choice": {"kind": "layer-choice", "choose": {"infonce": "highest"}}}
    config = config_of(corpora=views, metrics=metrics, figures=figures)
    assert table_files(config, "choice")[1] == "results/metrics/mine/seen/infonce.layers.parquet"
    assert config.kept_states("mine", "seen").truncate  # as of the task's own texts
    assert refusal(metrics=metrics).startswith("metrics.tasks: expected a corpus of the kind views `of: task-likeness`")
    two = {"tasks": LEE | {"other": {"kind": "lee"}}, "corpora": views, "metrics": metrics, "figures": figures}
    assert refusal(**two).startswith("figures.choice.metrics: expected a corpus of the kind views `of: task-other`")


def test_a_metric_is_measured_on_an_excerpt_of_the_tasks_texts_where_there_is_one() -> None:
    first = {"first": {"kind": "excerpt", "of": "task-likeness", "limit": 20}}
    config = config_of(corpora=first, metrics={"tasks": ["prompt_entropy", "dataset_entropy"]})
    assert table_files(config, "task-layer-choice")[1:-1] == [
        "results/metrics/mine/first/prompt_entropy.layers.parquet",
        "results/metrics/mine/first/dataset_entropy.layers.parquet",
    ]
    assert "tokens" in config.kept_states("mine", "first").positions
    assert set(config.kept_states("mine", "task-likeness").positions) == {"normed_mean"}
    assert config.metric_corpora == ()  # no figures of its own


def test_prompts_are_part_of_texts_and_scores() -> None:
    jobs = Plan(config_of(embeddings={"prompts": "task", "template": "{instruction} > {text}"})).tasks
    wildcards = Wildcards(model="mine", task="likeness")
    for settings in (jobs.texts_settings(wildcards), jobs.settings(wildcards)):
        assert '"template": "{instruction} > {text}"' in settings
    assert '"template": null' in Plan(config_of()).tasks.settings(wildcards)


def test_memory_follows_the_vectors_that_a_task_takes_at_a_time_and_no_longer_all_its_texts() -> None:
    layer = StatesSize(texts=8_932, passes=1, tokens=120_000, layers=25, width=1024, itemsize=4)
    texts = CorpusSize(texts=8_932, characters=500_000, longest=223, labels=0, at_once=202_000)
    pairs = task_resources(layer, texts, threads=1).mem_mb  # 101,000 pairs of few different texts
    assert pairs > 3 * 202_000 * 1024 * 4 / 1e6
    many = replace(layer, texts=600_000)
    sets = task_resources(many, replace(texts, at_once=48_000), threads=1).mem_mb
    assert sets < pairs


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        (
            {"corpora": {"task-likeness": {"kind": "items"}}},
            "corpora.task-likeness: expected another name, since the texts",
        ),
        ({"tasks": {"x": {"kind": "lee"}, "X": {"kind": "lee"}}}, "tasks.X: expected a name that differs from others"),
        ({"tasks": {"x": {"kind": "labels", "path": "x.txt"}}}, "tasks.x.path: string should match pattern"),
        ({"tasks": {"x": {"kind": "labels", "path": "none.csv"}}}, "tasks.x.path: expected an existing CSV file"),
        (
            {"tasks": {"x": {"kind": "labels", "path": "x.csv", "type": "clustering", "split": "half"}}},
            "tasks.x: expected no column `split` of a task of the type clustering",
        ),
        ({"tasks": {"x": {"kind": "labelz"}}}, "tasks.x.kind: expected one of 'mteb', 'newsgroups'"),
        (
            {"embeddings": {"template": "{text}"}},
            "embeddings.template: expected a template with {instruction} and {text}",
        ),
        ({"embeddings": {"positions": ["mean", "mean"]}}, "embeddings.positions: expected every entry once"),
        ({"metrics": {"tasks": ["entropi"]}}, "metrics.tasks: expected one of prompt_entropy"),
        ({"metrics": {"tasks": ["linear_cka"]}}, "metrics.tasks: expected one that has a value at each layer without"),
        ({"metrics": {"tasks": ["label_overlap"]}}, "metrics.tasks: expected one that has a value at each layer"),
        (
            {"tasks": {"x": {"kind": "mteb", "name": "STS21"}}},
            f"{SCORED}STS21: mteb 2.26.24 has none of this name; near it are: STS22",
        ),
        (
            {"tasks": {"x": {"kind": "mteb", "name": "PersianTextTone"}}},
            f"{SCORED}PersianTextTone: has another name in mteb",
        ),
        (
            {"tasks": {"x": {"kind": "mteb", "name": "ArguAna"}}},
            f"{SCORED}ArguAna: of the type Retrieval; fathom",
        ),
        (
            {"tasks": {"x": {"kind": "mteb", "name": "STS17", "subset": "en"}}},
            f"{SCORED}STS17: has no subset 'en', but 11 others: ",
        ),
        (
            {
                "paper": "p",
                "models": {"m": {"source": "path", "path": "m"}},
                "tasks": {"x": {"kind": "mteb", "name": "STS12", "revision": "main"}},
            },
            "tasks.x.revision: expected a full commit",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(sections: dict[str, Any], said: str) -> None:
    message = refusal(**{"corpora": {"items": {"kind": "items"}}, **sections})
    assert message.startswith(said)
    assert "\n" not in message


def paper_config(root: Path, *names: str) -> Config:
    files = [str(root / "config" / "papers" / f"{name}.yaml") for name in names]
    return load_config(read_config_files(files), files)


@pytest.mark.parametrize("paper", ["skean2025", "skean2024"])
def test_papers_name_the_32_tasks_in_full(root: Path, paper: str) -> None:
    config = paper_config(root, paper)
    assert {name: task.source for name, task in config.tasks.items() if task.kind == "mteb"} == {
        name: known[1:] for name, known in PUBLISHED.items()
    }
    assert config.embeddings.in_words() == "mean over tokens after the final norm, no prompts"


def tables_by_content(config: Config, figure: str) -> dict[str, set[str]]:
    """Of each content of the tables of a figure, the models that it is read of; all of them for all 32 tasks."""
    found: dict[str, set[str]] = {}
    figures = config.all_figures[figure].tables(config)
    for table in figures:
        found.setdefault(table.content, set()).add(str(table.model))
    assert len(figures) == len(PUBLISHED) * sum(map(len, found.values()))
    return found


def test_task_figures_of_skean2025_have_the_papers_models_and_metrics(root: Path) -> None:
    config = paper_config(root, "skean2025")
    every = ("prompt_entropy", "curvature", "dataset_entropy", "infonce", "dime", "lidar")
    pythia, bert = {"pythia-410m"}, {"bert-base"}
    assert tables_by_content(config, "skean2025_fig1_tasks") == {"tasks": {*pythia, *bert, "mamba-370m"}}
    for figure, models in (("fig3", pythia), ("fig8", pythia), ("fig9", bert)):
        expected = {"tasks": models} | {f"{metric}.layers": models for metric in every}
        assert tables_by_content(config, f"skean2025_{figure}_scatter") == expected
    chosen = {f"{metric}.layers": pythia for metric in ("dime", "infonce", "dataset_entropy")}
    assert tables_by_content(config, "skean2025_table2_choice") == {"tasks": pythia} | chosen
    choice = config.all_figures["skean2025_table2_choice"]
    assert set(choice.job_options(config)["choose"].values()) == {"lowest"}
    for task in PUBLISHED:  # no token of a task's hundreds of thousands of texts is kept
        assert set(config.kept_states("pythia-410m", f"task-{task}").positions) == {"normed_mean"}
        assert "tokens" in config.kept_states("pythia-410m", f"{task}-first").positions


def test_task_table_of_skean2024_has_the_papers_models(root: Path) -> None:
    config = paper_config(root, "skean2024")
    for kind in ("tasks", "best_layers"):
        assert tables_by_content(config, f"skean2024_table1_{kind}")["tasks"] == {"pythia-410m", "mamba-130m"}


@pytest.mark.parametrize(
    ("paper", "figure", "models"),
    [
        ("skean2025", "skean2025_table2_choice", {"pythia-410m", "llm2vec-unsup"}),
        ("skean2024", "skean2024_table1_tasks", {"pythia-410m", "mamba-130m", "llm2vec"}),
    ],
)
def test_merged_llm2vec_models_join_the_figures_of_a_paper(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paper: str, figure: str, models: set[str]
) -> None:
    """Their folders are the user's, so that only a config that asks for them needs them."""
    monkeypatch.chdir(tmp_path)
    names = (paper, f"llm2vec/{paper}")
    with pytest.raises(FathomError, match=r"models.llm2vec.*path: expected .*found 'models/llm2vec-llama3-8b"):
        paper_config(root, *names)
    for kind in ("unsup-simcse", "supervised"):
        merged = tmp_path / "models" / f"llm2vec-llama3-8b-mntp-{kind}"
        merged.mkdir(parents=True)
        (merged / "config.json").touch()
    config = paper_config(root, *names)
    assert tables_by_content(config, figure)["tasks"] == models
    assert {(model, "task-STS12") for model in models} <= set(Plan(config).extractions)


# Tables of figures ---------------------------------------------------------------------------------------------------


def scores(task: str = "a", **facts: Any) -> tuple[Table, pd.DataFrame]:
    rows = pd.DataFrame({"layer": [0, 1, 2], "depth": [0, 0.5, 1], "value": [0.1, 0.2, 0.3]})
    said: dict[str, Any] = {
        "sinks": "with",
        "main": True,
        "vectors": "layer",
        "position": "normed_mean",
        "type": "STS",
        "texts": 9,
    }
    said |= {"corpus": f"task-{task}", "revision": "1", "mteb_version": "2.26.24", "template": ""} | facts
    return Table(model=facts.get("model", "m"), corpus_or_experiment=task, content="tasks"), rows.assign(**said)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (scores("b", mteb_version="2.27.0"), "different mteb_version: '2.26.24' .* and '2.27.0' .*delete the older"),
        (scores("b", template="x"), "different template"),
        (scores("a", model="n", revision="2"), "scores of a of different revision"),
    ],
)
def test_scores_that_cannot_be_compared_are_refused_in_one_figure(other: tuple[Table, pd.DataFrame], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        task_scores([scores(), other], "mean")


def test_a_task_that_lacks_a_layer_is_in_no_average() -> None:
    table, rows = scores("b")
    found = task_scores([scores(), (table, rows.iloc[:2])], "mean")
    assert complete(found, ["with"]) == (["a"], ["b"])
    with pytest.raises(ValueError, match="no scores of position last, only mean"):
        task_scores([scores()], "last")
