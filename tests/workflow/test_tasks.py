"""Downstream tasks in a real run: from tables of the user's to figures, with mteb's own results beside them."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.tasks import own_tables
from tests.tiny import CONTEXT
from tests.workflow.project import Project, done_jobs, said

from fathom import read_results

MODEL = "tiny"
TASKS = ("mood", "alike")


@pytest.fixture(scope="module")
def project(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has scored a task of every type."""
    project = prepared.copy(tmp_path_factory.mktemp("tasks") / "project")
    own = {name: task for name, task in own_tables(project.folder).items() if name in TASKS}
    tasks = {
        name: task.model_dump(mode="json", exclude_defaults=True) | {"path": Path(task.files[0]).name}
        for name, task in own.items()
    }
    with (project.folder / "alike.csv").open("a", encoding="utf-8") as table:
        table.write(f"{'a text of many words ' * 40},{'another one of them ' * 40},0.5\n")  # beyond the context
    kinds = ("task-curves", "layer-choice")
    views = {f"{name}-views": {"kind": "views", "of": f"task-{name}", "views": 2, "limit": 20} for name in tasks}
    changes: dict[str, Any] = {
        "tasks": tasks,
        "corpora": views | {"mood-first": {"kind": "excerpt", "of": "task-mood", "limit": 20}},
        "embeddings": {"positions": ["mean", "last"]},
        "probes": {},
        "activations": {"shards": 1, "corpora": {"task-alike": {"shards": 2}}},
        "metrics": {"only": ["dataset_entropy", "infonce"], "tasks": ["dataset_entropy", "infonce"]},
        "figures": {kind: {"kind": kind} for kind in kinds} | {"last": {"kind": "task-curves", "position": "last"}},
    }
    project.configure(changes)
    project.run("--set-threads", "tasks=2", "activations=1")
    return project


def table(project: Project, task: str) -> pd.DataFrame:
    return pd.read_parquet(project.folder / "results" / "tasks" / MODEL / f"{task}.parquet")


def test_every_layer_has_a_score_in_every_form(project: Project) -> None:
    for task in TASKS:
        scores = table(project, task)
        main = scores[scores["main"]]
        forms = main.groupby(["position", "sinks"])["layer"].apply(lambda layers: sorted(layers)).to_dict()
        layers = forms["normed_mean", "with"]
        assert layers == list(range(-1, max(layers) + 1))
        assert forms == dict.fromkeys(forms, layers)
        assert set(forms) == {("normed_mean", "with"), ("normed_mean", "without"), ("normed_last", "none")}
        assert main.loc[main["position"] == "normed_mean", "value"].notna().all()
        assert set(main["mteb_version"]) == {"2.26.24"}


def test_mteb_opens_its_own_results(project: Project) -> None:
    import mteb

    cache = mteb.ResultCache(project.folder / "results" / "tasks" / MODEL / "mteb")
    found = cache.load_results(load_experiments="match_name")
    scores = table(project, "alike")
    layers = set(scores["layer"])
    experiments = {
        result.model_name + str(result.experiment_name): {one.task_name: one for one in result.task_results}
        for result in found.model_results
    }
    assert len(experiments) >= 2 * len(layers)
    assert all(set(results) == set(TASKS) for results in experiments.values())
    (at_layer_1,) = [own for name, own in experiments.items() if "layer_1_" in name and "normed_last" in name]
    said = at_layer_1["alike"].scores["test"][0]["main_score"]
    ours = scores[scores["main"] & (scores["layer"] == 1) & (scores["position"] == "normed_last")]["value"].iloc[0]
    assert said == pytest.approx(ours, abs=1e-6)


def test_figures_hold_what_the_tables_say(project: Project) -> None:
    folder = project.folder / "results" / "figures"
    curves = pd.read_csv(folder / "task-curves.csv")
    mean = curves[(curves["task"] == "mean of the tasks") & (curves["sinks"] == "with") & (curves["layer"] == 1)]
    values = [
        scores[scores["main"] & (scores["layer"] == 1) & (scores["position"] == "normed_mean")]["value"].iloc[0]
        for scores in (table(project, task) for task in TASKS)
    ]
    assert mean["value"].iloc[0] == pytest.approx(np.mean(values))
    choices = pd.read_csv(folder / "layer-choice.csv")
    assert {"last layer", "middle layer", "best single layer, in hindsight"} <= set(choices["choice"])
    assert choices["choice"].str.startswith("lowest").any()
    assert (choices["tasks"] == 2).all()
    caption = (folder / "task-curves.txt").read_text(encoding="utf-8")
    for word in (
        "mteb 2.26.24",
        "no prompts",
        "after the final norm",
        "label of labels.csv",
        "Different texts: alike 33, mood 60.",
    ):
        assert word in caption


def test_what_is_taken_of_tasks_together_is_in_the_frame_of_all_results(project: Project) -> None:
    found = read_results(project.folder / "results")
    joined = found[found["task"] == "mean of the tasks"]
    curves = pd.read_csv(project.folder / "results" / "figures" / "task-curves.csv")
    mean = joined[(joined["control"] == "") & (joined["position"] == "mean")].sort_values(["sinks", "layer"])
    drawn = curves[curves["task"] == "mean of the tasks"].sort_values(["sinks", "layer"])
    assert mean["value"].tolist() == pytest.approx(drawn["value"].tolist())
    choices = pd.read_csv(project.folder / "results" / "figures" / "layer-choice.csv")
    rows = joined[joined["control"] == "choice"]
    assert rows["gap"].tolist() == pytest.approx(choices["gain"].tolist())
    assert rows["gap_low"].tolist() == pytest.approx(choices["low"].tolist())
    assert {"last layer", "lowest infonce, sinks with"} <= set(rows["choice"])


def test_texts_beyond_the_context_are_cut_and_counted(project: Project) -> None:
    caption = (project.folder / "results" / "figures" / "task-curves.txt").read_text(encoding="utf-8")
    assert f"2 of 33 texts cut at {CONTEXT} tokens" in caption


def test_metrics_of_views_and_of_an_excerpt_choose_layers_too(project: Project) -> None:
    choices = pd.read_csv(project.folder / "results" / "figures" / "layer-choice.csv")
    chosen = choices[choices["chooses"]]
    assert {"lowest Dataset entropy", "lowest InfoNCE loss"} == {name.split(",")[0] for name in chosen["choice"]}
    assert chosen["score"].notna().all()
    metrics = project.folder / "results" / "metrics" / MODEL
    assert pd.read_parquet(metrics / "mood-first" / "dataset_entropy.layers.parquet")["texts"].max() == 20
    assert not (metrics / "task-mood").exists()


def test_nothing_runs_again_and_a_caption_scores_nothing(project: Project) -> None:
    assert project.planned() == []


def test_a_changed_table_scores_its_own_task_again(project: Project, tmp_path: Path) -> None:
    own = project.copy(tmp_path / "project")
    path = own.folder / "alike.csv"
    rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*rows[:-1], rows[-1].rsplit(",", 1)[0] + ",0.123"]) + "\n", encoding="utf-8")
    planned = own.planned()
    assert "Bringing the data of task alike" in planned
    assert "Scoring tiny on alike" in planned
    assert not [job for job in planned if "Scoring" in job and "alike" not in job]


def test_scores_of_another_version_of_mteb_are_refused_in_one_figure(project: Project, tmp_path: Path) -> None:
    own = project.copy(tmp_path / "project")
    path = own.folder / "results" / "tasks" / MODEL / "alike.parquet"
    pd.read_parquet(path).assign(mteb_version="2.27.0").to_parquet(path)
    done = own.run("results/figures/task-curves.svg", check=False)
    assert done.returncode != 0
    (line,) = {line for line in said(done).splitlines() if "different mteb_version" in line}
    for word in ("'2.26.24'", "'2.27.0'", "alike", "delete the older table"):
        assert word in line


def test_what_was_scored_before_a_run_was_killed_stays(project: Project, tmp_path: Path) -> None:
    own = project.copy(tmp_path / "project")
    folder = own.folder / "results" / "tasks" / MODEL
    shutil.rmtree(folder)
    tables = [f"results/tasks/{MODEL}/{task}.parquet" for task in TASKS]
    with own.background(own.command(*tables, cores=1)) as run:
        # One is scored, and the other has begun: its job has made its folder for what it deletes afterwards.
        while not ((finished := list(folder.glob("*.record.json"))) and list(folder.glob(".*.scratch"))):
            assert run.poll() is None, own.folder.with_name("output.txt").read_text(encoding="utf-8")
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGKILL)
    (record,) = finished
    task = record.name.removesuffix(".record.json")
    kept = {path: path.read_bytes() for path in folder.glob(f"{task}.*")}
    own.run("--unlock")
    (other,) = set(TASKS) - {task}
    done = done_jobs(own.run("--rerun-incomplete", *tables))
    assert f"Scoring {MODEL} on {other}" in done
    assert f"Scoring {MODEL} on {task}" not in done
    assert {path: path.read_bytes() for path in folder.glob(f"{task}.*")} == kept
    again, before = (table(one, other) for one in (own, project))
    pd.testing.assert_frame_equal(again, before)
    assert not list(folder.glob(".*"))  # nor is anything left of the job that was killed


def test_results_are_as_recorded(project: Project) -> None:
    done = project.execute(["fathom", "verify", "results", "--configfile", "mine.yaml"], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    trace = project.execute(["fathom", "trace", "results/figures/task-curves.svg"], check=True)
    assert "labels.csv" in trace.stdout
    assert done_jobs(trace) == []
