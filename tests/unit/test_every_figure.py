"""What every kind of figure promises, from the config to the files; and that no kind is another one's code."""

from __future__ import annotations

import ast
import importlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from tests.copies import copy_package
from tests.hierarchy import corpora
from tests.measures import measured
from tests.unit import test_probe_figures as of_probes
from tests.unit.test_figures_sinks import margin_rows, sink_rows

from fathom.activations.loss_summary import loss_summary
from fathom.figures.base import FigureTable
from fathom.figures.claims.papers import CLAIMS
from fathom.figures.command import command, draw
from fathom.figures.drawing.checks import SINKS
from fathom.figures.drawing.style import FAINT, GRID, INK
from fathom.figures.job import FigureJob
from fathom.figures.settings import KINDS
from fathom.io.corpus_table import read_corpus, write_corpus
from fathom.io.tables import read_table, write_table
from fathom.metrics.command import command as metrics_command
from fathom.metrics.job import MetricJob, ModesJob
from fathom.metrics.modes import modes_tables
from fathom.metrics.summaries import summaries_of_sinks, summarise
from fathom.runtime.errors import FathomError
from fathom.schema import Uncertainty
from fathom.tasks.command import command as tasks_command
from fathom.workflow.code_digest import imported_modules
from fathom.workflow.figure_tables import figure_tables
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards

NAMES = [get_args(kind.model_fields["kind"].annotation)[0] for kind in KINDS]
TEXTS, LAYERS = 12, 5
REAL = {"models": ["real"]}
BOTH = {"models": ["real", "twin"]}
CONFIG: dict[str, Any] = of_probes.CONFIG | {
    "models": {
        "real": of_probes.CONFIG["models"]["real"],
        "twin": {"source": "hub", "repository": "owner/twin", "revision": "fedcba9876543210", "label": "Twin"},
        "without": {"source": "ablated-sinks", "of": "real", "label": "Real without its sinks"},
        "growing": {"source": "hub", "repository": "owner/growing", "checkpoints": ["step1", "step64", "step512"]},
    },
    "nursery": {"small": {"kind": "llama", "text": "prose"}, "large": {"kind": "mamba", "text": "prose", "width": 128}},
    "corpora": of_probes.CONFIG["corpora"]
    | {
        "prose": {"kind": "hub", "repository": "owner/prose", "revision": "00112233445566", "file": "t.parquet"},
        "repeated": {"kind": "repetition", "of": "prose"},
        "moods": {
            "kind": "hub",
            "repository": "owner/moods",
            "revision": "00112233445566",
            "file": "t.parquet",
            "labels": ["edible", "alive"],
        },
    },
    "probes": of_probes.CONFIG["probes"]
    | {"moods": {"corpus": "moods", "positions": ["mean"], "labels": ["edible", "alive"], "estimators": ["ridge"]}},
    "tasks": {
        "likeness": {"kind": "lee"},
        "verses": {"kind": "bible", "type": "pairs", "title": "Verses of two Bibles"},
    },
}
# An example of every kind.
FIGURES: dict[str, dict[str, Any]] = {
    "metric": {"metric": "prompt_entropy", "corpora": ["prose"], "claim": "fig2"} | BOTH,
    "comparison": {"metrics": ["prompt_entropy", "dataset_entropy"], "corpora": ["prose"], "claim": "fig10"} | BOTH,
    "sweep": {"metric": "prompt_entropy", "corpus": "repeated", "claim": "fig6a"} | BOTH,
    "training": {"metric": "prompt_entropy", "corpora": ["prose"], "models": ["growing"], "claim": "fig4"},
    "matrix": {"metric": "linear_cka", "corpora": ["prose"]} | BOTH,
    "sinks": {"corpora": ["prose"]} | BOTH,
    "ablation": {"model": "without", "corpus": "prose", "metrics": ["prompt_entropy", "dataset_entropy"]},
    "block-sites": {"corpus": "prose", "claim": "fig15"} | BOTH,
    "bimodality": {"model": "real", "corpus": "prose", "samples": 100, "claim": "bimodal"},
    "power-law": {"dimension": 16, "claim": "fig7"},
    "losses": {},
    "probes": {"estimator": "svm"} | REAL,
    "properties": {"model": "real", "experiment": "every"},
    "labelled": {"model": "real", "experiment": "moods"},
    "confusion": {"model": "real", "experiment": "moods"},
    "told": {"model": "real", "experiment": "moods"},
    "spans": {"experiments": ["relations"]} | REAL,
    "sites": {"experiments": ["relations"]} | REAL,
    "early-context": {"experiment": "early"} | REAL,
    "coordination": {"model": "real", "experiment": "relations"},
    "probe-summary": REAL,
    "task-curves": {} | BOTH,
    "task-matrix": REAL,
    "best-layers": {"tasks": ["verses", "likeness"]} | BOTH,
    "layer-choice": {"choose": {"dataset_entropy": "lowest"}} | BOTH,
    "task-scatter": REAL,
}
# What its caption must name: where the data are from, and how the numbers are defined.
SAID: dict[str, tuple[str, ...]] = {
    "metric": ("owner/prose at 001122334455", "Eq. 1"),
    "comparison": ("owner/prose at 001122334455", "Eq. 1"),
    "sweep": ("prose, each token replaced with probability p", "Eq. 1"),
    "training": ("owner/prose at 001122334455", "Eq. 1", "growing at step 1, 64, 512 (owner/growing"),
    "losses": ("Witten and Bell", "small: llama, 6 blocks of width 96", "large: mamba"),
    "matrix": ("owner/prose at 001122334455", "Kornblith"),
    "sinks": ("owner/prose at 001122334455", "Queipo-de-Llano"),
    "ablation": (
        "owner/prose at 001122334455",
        "Queipo-de-Llano",
        "of the next token in nats",
        "rescaled to the median",
    ),
    "block-sites": ("owner/prose at 001122334455", "Roy and Vetterli"),
    "bimodality": ("owner/prose at 001122334455", "Hartigan"),
    "power-law": ("no data", "16 eigenvalues"),
    "labelled": ("owner/moods at 001122334455", "labels edible (kind inferred)", "words in a bag"),
    "confusion": ("owner/moods at 001122334455", "labels edible (kind inferred)", "words in a bag"),
    "told": ("owner/moods at 001122334455", "labels edible (kind inferred)", "words in a bag"),
    "task-curves": ("gensim 4.4.0", "mteb 2.26.24", "no prompts", "after the final norm", "1,225 pairs"),
    "task-matrix": ("Verses of two Bibles (200 pairs", "mteb 2.26.24"),
    "best-layers": ("gensim 4.4.0", "mteb 2.26.24"),
    "layer-choice": ("gensim 4.4.0", "Eq. 1", "bootstrap samples of the gain over tasks"),
    "task-scatter": ("gensim 4.4.0", "Eq. 1"),
}
OF_OTHERS = {"power-law", "losses", "training"}  # which show no model, or one with checkpoints
OF_PROBES = ("template “", "grouped folds", "our own design")
# A change for the worse of every kind that names something, and how the line begins that refuses it.
WORSE: dict[str, list[tuple[dict[str, Any], str]]] = {
    "metric": [({"metric": "x"}, "metric: expected one of prompt_entropy"), ({"models": ["x"]}, "models: expected")],
    "comparison": [({"metrics": ["x"]}, "metrics: expected one of"), ({"corpora": ["x"]}, "corpora: expected one of")],
    "sweep": [({"corpus": "x"}, "corpus: expected one of"), ({"corpus": "prose"}, "corpus: expected a corpus whose")],
    "training": [
        ({"models": ["real"]}, "models: expected entries with `checkpoints`"),
        ({"models": ["growing-step64"]}, "models: expected at least two checkpoints of a training"),
    ],
    "matrix": [
        ({"metric": "curvature"}, "metric: expected one of linear_cka"),
        ({"models": ["x"]}, "models: expected"),
    ],
    "sinks": [({"corpora": ["x"]}, "corpora: expected one of"), ({"models": ["x"]}, "models: expected one of")],
    "ablation": [
        ({"model": "real"}, "model: expected a model of source `ablated-sinks`: without"),
        ({"corpus": "x"}, "corpus: expected one of"),
        ({"metrics": ["linear_cka"]}, "metric: expected one of prompt_entropy"),
    ],
    "block-sites": [({"corpus": "x"}, "corpus: expected one of"), ({"models": ["x"]}, "models: expected one of")],
    "bimodality": [({"model": "x"}, "model: expected one of real, twin"), ({"corpus": "x"}, "corpus: expected one of")],
    "power-law": [({"betas": [1.0]}, "betas: tuple should have at least 2 items")],
    "losses": [({"trainings": ["x"]}, "trainings: expected one of small, large")],
    "probes": [({"experiments": ["x"]}, "experiments: expected one of"), ({"models": ["x"]}, "models: expected")],
    "properties": [({"experiment": "x"}, "experiment: expected one of"), ({"model": "x"}, "model: expected one of")],
    "labelled": [
        ({"experiment": "every"}, "experiment: expected an experiment on a table with labels"),
        ({"model": "x"}, "model: expected one of"),
    ],
    "confusion": [
        ({"experiment": "every"}, "experiment: expected an experiment on a table with labels"),
        ({"model": "x"}, "model: expected one of"),
    ],
    "told": [
        ({"experiment": "every"}, "experiment: expected an experiment on a table with labels"),
        ({"model": "x"}, "model: expected one of"),
    ],
    "spans": [
        ({"experiments": ["x"]}, "experiments: expected one of"),
        ({"experiments": ["items"]}, "experiments: expected experiments with several positions"),
    ],
    "sites": [
        ({"experiments": ["x"]}, "experiments: expected one of"),
        ({"experiments": ["items"]}, "experiments: expected experiments with several sites"),
    ],
    "early-context": [
        ({"experiment": "x"}, "experiment: expected one of"),
        ({"experiment": "items"}, "experiment: expected an experiment on an early-context corpus"),
    ],
    "coordination": [
        ({"experiment": "items"}, "experiment: expected an experiment that measures coordination"),
        ({"model": "x"}, "model: expected one of"),
    ],
    "probe-summary": [
        ({"experiments": ["x"]}, "experiments: expected one of"),
        ({"models": ["x"]}, "models: expected"),
    ],
    "task-curves": [
        ({"tasks": ["x"]}, "tasks: expected one of likeness, verses"),
        ({"position": "last"}, "position: expected one of embeddings.positions: mean"),
    ],
    "task-matrix": [({"models": ["x"]}, "models: expected")],
    "best-layers": [({"tasks": ["x"]}, "tasks: expected one of likeness, verses")],
    "layer-choice": [({"choose": {"curvature": "lowest"}}, "metrics: expected one of dataset_entropy")],
    "task-scatter": [({"metrics": ["lidar"]}, "metrics: expected one of dataset_entropy")],
}


@dataclass(frozen=True)
class Made:
    """What a job wrote, and what it was told."""

    job: FigureJob
    tables: list[Path]
    files: dict[str, bytes]

    @property
    def caption(self) -> str:
        """Caption with all notes."""
        return self.files["text"].decode()

    def picture(self) -> Figure:
        """The picture, drawn once more."""
        read = [
            (table, read_corpus(path) if table.content == "texts" else read_table(path))
            for table, path in zip(self.job.tables, self.tables, strict=True)
        ]
        return draw(read, self.job).picture


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(load_config(CONFIG | {"figures": {name: {"kind": name} | FIGURES[name] for name in NAMES}}, []))


@pytest.fixture(scope="module")
def made(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """Every kind, once."""
    folder = tmp_path_factory.mktemp("figures")
    return {name: make(plan, name, folder) for name in NAMES}


def make(plan: Plan, figure: str, folder: Path) -> Made:
    tables = [write(plan, table, folder) for table in figure_tables(plan.config, figure)]
    outputs = {kind: folder / f"new-{figure}" / f"figure.{kind}" for kind in ("svg", "png", "csv", "text")}
    options = [word for kind, path in outputs.items() for word in (f"--{kind}", str(path))]
    settings = plan.figures.settings(Wildcards(figure=figure))
    done = CliRunner().invoke(command, ["--settings", settings, *options, *map(str, tables)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    files = {kind: path.read_bytes() for kind, path in outputs.items()}
    return Made(FigureJob.model_validate_json(settings), tables, files)


def write(plan: Plan, table: FigureTable, folder: Path) -> Path:
    """Write one made-up table, if it is not there yet."""
    path = folder / f"{table.model}-{table.corpus_or_experiment}-{table.content}.parquet"
    if table.summary:
        whole = read_table(write(plan, replace(table, summary=False), folder))
        write_table(summary_of(table.content, whole), path.with_suffix(".layers.parquet"))
        return path.with_suffix(".layers.parquet")
    if path.exists():
        return path
    if table.content in {"verdicts", "over_tasks"}:
        return together(plan, table, folder)
    if table.of_experiment or table.content == "order" or table.corpus_or_experiment in corpora():
        return of_probes.write(plan, table, folder)
    match table.content:
        case "texts":
            rows = {"id": [f"t{at}" for at in range(TEXTS)], "group": [f"g{at // 2}" for at in range(TEXTS)]}
            texts = [f"Text number {at}." for at in range(TEXTS)]
            write_corpus(pd.DataFrame(rows | {"view": "original", "text": texts}), path, table.corpus_or_experiment)
        case "text_losses":
            groups = [f"g{at // 2}" for at in range(TEXTS)]
            losses = {"intact": np.linspace(3.0, 4.0, TEXTS), "ablated": np.linspace(3.5, 5.5, TEXTS)}
            of_texts = pd.DataFrame({"group": groups, "layer": 2} | losses)
            write_table(loss_summary(of_texts, Uncertainty(bootstrap=100)), path)
        case "losses":
            write_table(loss_rows(), path)
        case "prompt_entropy.modes" | "prompt_entropy.mode_texts":
            values = read_table(write(plan, replace(table, content="prompt_entropy"), folder))
            corpus = read_corpus(write(plan, FigureTable(None, table.corpus_or_experiment, "texts"), folder))
            job = ModesJob(model="real", corpus="prose", metric="prompt_entropy", samples=100, level=0.95, seed=0)
            by_layer, examples = modes_tables(job, values, corpus)
            write_table(by_layer if table.content.endswith(".modes") else examples, path)
        case "sinks":
            write_table(sink_rows(), path)
        case "sink_margins":
            write_table(margin_rows(), path)
        case "linear_cka":
            write_table(pairs_of_layers(), path)
        case "tasks":
            write_table(scores_of_layers(table.corpus_or_experiment), path)
        case "dataset_entropy.layers":
            one = values_of_texts("original", "residual").drop_duplicates(["layer", "sinks"])
            write_table(one.assign(variant=""), path)
        case "dataset_entropy":
            one = values_of_texts("original", "residual").drop_duplicates(["layer", "sinks"])
            write_table(one.assign(text=None, group=None, low=0.2, high=0.9, texts=TEXTS), path)
        case _:
            views = ("p = 0.10", "p = 0.50") if table.corpus_or_experiment == "repeated" else ("original",)
            sites = ("residual", "attention", "mlp") if table.content == "effective_rank" else ("residual",)
            write_table(pd.concat([values_of_texts(view, site) for view in views for site in sites]), path)
    return path


def together(plan: Plan, table: FigureTable, folder: Path) -> Path:
    """What the stages of metrics and of tasks make of the other tables of a figure."""
    wildcards, figure = (
        Wildcards(figure=table.corpus_or_experiment),
        plan.config.all_figures[table.corpus_or_experiment],
    )
    if table.content == "verdicts":
        judged = [write(plan, one, folder) for one in figure.judged_tables(plan.config)]
        words = ["--settings", plan.metrics.claim_settings(wildcards), "--folder", str(folder / "claims")]
        path = folder / "claims" / f"{wildcards.figure}.parquet"
    else:
        judged = [write(plan, one, folder) for one in figure.tables(plan.config)]
        path = folder / "over" / f"{wildcards.figure}.parquet"
        words = ["--settings", plan.tasks.over_settings(wildcards), "--write-over-tasks", str(path)]
    verb = metrics_command if table.content == "verdicts" else tasks_command
    done = CliRunner().invoke(verb, [*words, *map(str, judged)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return path


def summary_of(metric: str, table: pd.DataFrame) -> pd.DataFrame:
    """The summary that the metrics stage writes beside a made-up table."""
    one = measured(metric)
    job = MetricJob(model="m", corpus="c", measured=(one,), bootstrap=100, level=0.95, seed=0)
    if metric == "sinks":
        first = table.drop_duplicates("layer")
        norms = first.assign(
            position=0, quantity=np.nan, low=1.0, high=1.0, activation_ratio=1.0, sink_rate=1.0, texts=4
        )
        return summaries_of_sinks({"sinks": table, "token_norms": norms}, job)["sinks"]
    plain: dict[str, Any] = {"quantity": np.nan, "control": "", "reason": None, "site": "residual"}
    return summarise(table.assign(**{name: value for name, value in plain.items() if name not in table}), one, job)


def values_of_texts(view: str, site: str) -> pd.DataFrame:
    """Rows of a metric of texts, as the metrics stage writes them: with all tokens, and without sink tokens."""
    return pd.concat([_values_of_texts(view, site, sinks) for sinks in ("with", "without")], ignore_index=True)


def _values_of_texts(view: str, site: str, sinks: str) -> pd.DataFrame:
    layers = np.tile(np.arange(LAYERS), TEXTS)
    random = np.random.default_rng(len(view) + len(site) + len(sinks))
    return pd.DataFrame(
        {
            "text": [f"t{at}" for at in range(TEXTS) for _ in range(LAYERS)],
            "group": [f"g{at // 2}" for at in range(TEXTS) for _ in range(LAYERS)],
            "view": view,
            "quantity": float(view.removeprefix("p = ")) if view.startswith("p") else np.nan,
            "site": site,
            "layer": layers,
            "depth": layers / (LAYERS - 1),
            "preparation": "none",
            "variant": None,
            "sinks": sinks,
            "value": 0.5 + 0.1 * random.standard_normal(TEXTS * LAYERS),
            "raw": 1.0,
            "low": np.nan,
            "high": np.nan,
            "chance": np.nan,
            "texts": TEXTS,
        }
    )


def loss_rows() -> pd.DataFrame:
    """Losses of a training, as the nursery writes them: it ends above bigrams."""
    steps = np.array([0, 1, 2, 4, 8])
    held_out = pd.DataFrame({"step": steps, "split": "held-out", "loss": 6.9 - 0.2 * np.sqrt(steps), "error": 0.02})
    train = held_out[1:].assign(split="train", error=np.nan)
    both = pd.concat([held_out, train], ignore_index=True)
    return both.assign(tokens=both["step"] * 512, learning_rate=0.003, uniform=6.9, unigram=5.8, bigram=4.0)


def scores_of_layers(task: str) -> pd.DataFrame:
    """Scores of a task, as the tasks stage writes them."""
    rng = np.random.default_rng(len(task))
    rows = [
        {"layer": layer, "depth": layer / (LAYERS - 1), "sinks": sinks, "vectors": "layer", "value": rng.uniform()}
        for layer in range(LAYERS)
        for sinks in ("with", "without")
    ]
    rows += [
        {"layer": -1, "depth": np.nan, "sinks": sinks, "vectors": "mean of layers", "value": rng.uniform()}
        for sinks in ("with", "without")
    ]
    return pd.DataFrame(rows).assign(
        task=task,
        type="STS",
        position="normed_mean",
        subset="default",
        measure="cosine_spearman",
        main=True,
        texts=TEXTS,
        corpus=f"task-{task}",
        revision="1",
        mteb_version="2.26.24",
        template="",
    )


def pairs_of_layers() -> pd.DataFrame:
    layer, other = (axis.ravel() for axis in np.meshgrid(np.arange(LAYERS), np.arange(LAYERS)))
    alike = 1 - np.abs(layer - other) / LAYERS
    rows = {"layer": layer, "other_layer": other, "value": alike, "low": alike - 0.1, "high": alike + 0.1}
    depths = {"depth": layer / (LAYERS - 1), "other_depth": other / (LAYERS - 1)}
    cells = pd.DataFrame(rows | depths).assign(view="original", preparation="none", texts=TEXTS)
    return pd.concat([cells.assign(sinks="with"), cells.assign(sinks="without", value=alike**2)], ignore_index=True)


def test_every_kind_has_an_example() -> None:
    assert NAMES == list(FIGURES) == list(WORSE)
    assert len({kind.module for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_written_with_its_numbers_and_caption(plan: Plan, made: dict[str, Made], name: str) -> None:
    files, job = made[name].files, made[name].job
    assert files["svg"].startswith(b"<?xml")
    assert files["png"].startswith(b"\x89PNG")
    assert files["csv"].count(b"\n") > 1
    assert made[name].caption.startswith(job.caption + "\n")
    assert job.caption == plan.config.all_figures[name].caption(plan.config)
    for word in SAID.get(name, OF_PROBES):
        assert word in job.caption, word
    assert ("Models: Real (owner/name at 0123456789ab" in job.caption) == (name not in OF_OTHERS)


OF_NO_MODEL = {"power-law", "training", "losses"}  # a formula, and trainings with all their checkpoints


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OF_NO_MODEL])
def test_its_numbers_name_the_models_as_the_config_does_and_as_the_figure_does(
    plan: Plan, made: dict[str, Made], name: str
) -> None:
    numbers = pd.read_csv(io.BytesIO(made[name].files["csv"]))
    titles = {model: settings.label or model for model, settings in plan.config.all_models.items()}
    found = numbers[["model", "model_title"]].drop_duplicates().to_numpy().tolist()
    assert found
    for model, title in found:
        assert title.startswith(titles[model])
    for column in ("experiment", "task", "corpus"):
        if column in numbers:
            known = {"mean of the tasks", *plan.config.experiments, *plan.config.tasks, *plan.config.corpora}
            assert set(numbers[column].dropna()) <= known | set(plan.config.task_corpora) | {"m", "c"}, column


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_is_judged_under_it(made: dict[str, Made], name: str) -> None:
    claim, notes = FIGURES[name].get("claim"), made[name].caption.splitlines()[1:]
    if claim is None:
        assert not any(note.startswith("Here: ") for note in notes)
        return
    assert f"The paper's claim: {CLAIMS[claim]}" in made[name].job.caption
    assert notes[0] == str(CLAIMS[claim])
    assert notes[1].startswith("Here: ")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_same_every_time(plan: Plan, made: dict[str, Made], name: str, tmp_path: Path) -> None:
    assert make(plan, name, tmp_path).files == made[name].files


NO_LEGEND = {"matrix", "task-matrix", "best-layers", "layer-choice", "task-scatter"}  # notes and names say what is what


@pytest.mark.parametrize("name", NAMES)
def test_it_says_by_title_labels_and_colours_what_it_shows(made: dict[str, Made], name: str) -> None:
    picture = made[name].picture()
    title = " ".join(picture.get_suptitle().split())
    assert title == " ".join(made[name].job.title.split())
    if name == "told":
        (axes,) = picture.axes
        assert "text" in [text.get_text() for text in axes.texts]
        return
    if name == "probe-summary":
        (axes,) = picture.axes
        assert "experiment" in [text.get_text() for text in axes.texts]
        return
    labels = {label for axes in picture.axes for label in (axes.get_xlabel(), axes.get_ylabel()) if label}
    assert len(labels) >= 2 or name in {"matrix", "layer-choice"}
    assert labels
    named = [text.get_text().strip() for legend in picture.legends for text in legend.get_texts()]
    entries = [word for word in named if word]
    assert len(set(entries)) == len(entries)
    assert entries or name in {*NO_LEGEND, "confusion"}
    lines = [line for axes in picture.axes for line in axes.get_lines()]
    hues = {to_hex(line.get_color()).upper() for line in lines} - {INK.upper(), FAINT.upper(), GRID.upper()}
    images = [image for axes in picture.axes for image in axes.get_images()]
    assert hues or images or name in {"spans", "task-matrix", "best-layers"}


NO_FORMS = {"power-law", "losses", "bimodality", "labelled", "confusion", "told"}
OF_METRICS = [name for name in SAID if name not in NO_FORMS]


@pytest.mark.parametrize("name", OF_METRICS)
def test_it_shows_both_forms_of_a_metric(made: dict[str, Made], name: str) -> None:
    """Bimodality shows the one that it is asked for, the power law is of no model, and labels are no metric."""
    picture = made[name].picture()
    written = [text.get_text() for axes in picture.axes for text in axes.texts]
    entries = [text.get_text() for legend in picture.legends for text in legend.get_texts()]
    said = [word.replace("\N{NO-BREAK SPACE}", " ") for word in written + entries]
    for form in SINKS.values():
        assert not form or any(form in word for word in said), form
    numbers = pd.read_csv(io.BytesIO(made[name].files["csv"]))
    assert set(numbers["sinks"].dropna()) == {"with", "without"}
    assert "without sink tokens (" in made[name].job.caption
    if name in {"comparison", "matrix"}:
        assert "A mean over T tokens holds the sink token divided by T" in made[name].job.caption


@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_exist_is_refused_in_one_line(name: str) -> None:
    for change, expected in WORSE[name]:
        with pytest.raises(FathomError) as caught:
            load_config(CONFIG | {"figures": {"f": {"kind": name} | FIGURES[name] | change}}, [])
        message = str(caught.value)
        assert "\n" not in message
        assert f"figures.f.{expected}" in message


def test_a_kind_that_was_renamed_is_refused_with_its_new_name() -> None:
    with pytest.raises(FathomError) as caught:
        load_config(CONFIG | {"figures": {"f": {"kind": "stages", "corpus": "prose"}}}, [])
    assert str(caught.value).endswith("figures.f.kind: expected 'block-sites', as 'stages' is called now")


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_table_is_refused(plan: Plan, name: str, tmp_path: Path) -> None:
    expected = len(figure_tables(plan.config, name))
    options = [word for kind in ("svg", "png", "csv", "text") for word in (f"--{kind}", str(tmp_path / kind))]
    extra = [] if expected else [str(tmp_path / "extra")]
    done = CliRunner().invoke(command, ["--settings", plan.figures.settings(Wildcards(figure=name)), *options, *extra])
    assert str(done.exception) == f"figure {name}: expected {expected} tables, found {len(extra)}"


# Whose code is whose -------------------------------------------------------------------------------------------------

PRINT_CODES = """
import json, sys
from fathom.workflow.jobs.figures import FigureJobs
from fathom.workflow.wildcards import Wildcards
from fathom.workflow.load import load_config
config = load_config(json.load(sys.stdin), [])
jobs, figures = FigureJobs(config), [Wildcards(figure=name) for name in config.all_figures]
print(json.dumps({one.figure: [jobs.code(one), jobs.settings(one)] for one in figures}))
"""


class Source:
    """A copy of the package, to be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def figures(self) -> dict[str, tuple[str, str]]:
        """Code digest and settings of an example of every kind, from the copy."""
        figures = {name: {"kind": name} | FIGURES[name] for name in NAMES}
        figures["unclaimed"] = {"kind": "metric", "metric": "curvature", "corpora": ["prose"]}
        done = subprocess.run(
            [sys.executable, "-c", PRINT_CODES],
            input=json.dumps(CONFIG | {"figures": figures}),
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        return {name: (code, told) for name, (code, told) in json.loads(done.stdout).items()}

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace the only occurrence of some code."""
        path = self.folder / "fathom/figures" / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def append(self, file: str, code: str = "\nONE_MORE = 1\n") -> None:
        """Write code below what a file holds."""
        path = self.folder / "fathom/figures" / file
        path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + code, encoding="utf-8")


@pytest.fixture(scope="module")
def unedited(root: Path) -> dict[str, tuple[str, str]]:
    """What the package says of itself as it is."""
    return Source(root / "src").figures()


@pytest.fixture
def source(tmp_path: Path) -> Source:
    copy_package(tmp_path / "fathom")
    return Source(tmp_path)


def changed(before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]]) -> tuple[set[str], set[str]]:
    """Figures whose code, and figures whose settings are others."""
    assert before.keys() == after.keys()
    codes, told = ({name for name in before if before[name][at] != after[name][at]} for at in (0, 1))
    return codes, told


def test_the_code_of_a_kind_is_none_of_anothers(source: Source, unedited: dict[str, tuple[str, str]]) -> None:
    modules = {kind.module for kind in KINDS}
    for kind in KINDS:  # a digest is taken over what is imported
        assert imported_modules("fathom.figures.command", kind.module) & modules == {kind.module}
    source.append("metrics/curves.py")
    assert changed(unedited, source.figures()) == ({"metric", "unclaimed"}, set())


def test_another_word_redraws_the_figures_that_show_it_and_is_nobodys_code(
    source: Source, unedited: dict[str, tuple[str, str]]
) -> None:
    source.edit("settings.py", '"What is left of an early pair"', '"What remains of an early pair"')
    assert changed(unedited, source.figures()) == (set(), {"early-context"})
    for file in ("sentences.py", "base.py", "settings.py"):
        source.append(file)
    assert changed(unedited, source.figures()) == (set(), {"early-context"})
    source.edit("claims/papers.py", '"repeated tokens lower the prompt entropy."', '"repetition lowers it."')
    assert changed(unedited, source.figures()) == (set(), {"early-context", "sweep"})


def test_the_tests_of_claims_are_no_figures_code() -> None:
    for kind in KINDS:
        held = imported_modules("fathom.figures.command", kind.module)
        assert not any(module.startswith(("fathom.metrics.claims", "fathom.tasks")) for module in held)


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_no_figure_resamples_or_tests(kind: Any) -> None:
    """Intervals, p values and verdicts come from the tables of the stages that measured."""
    of_figures = imported_modules("fathom.figures.command", kind.module)
    assert {module for module in of_figures if module.startswith("fathom.statistics.")} <= {
        f"fathom.statistics.{name}" for name in ("arrays", "power_law", "quantities", "renyi", "task_scores", "words")
    }
    for module in of_figures:
        tree = ast.parse(Path(str(importlib.import_module(module).__file__)).read_text())
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not used & {"random", "default_rng"}, module
        assert not any(str(name).startswith("scipy") for name in imported), module


def test_a_new_kind_is_a_class_and_a_module_and_redraws_nothing(
    source: Source, unedited: dict[str, tuple[str, str]]
) -> None:
    source.append("metrics/flat.py", '"""A new one."""\nfrom fathom.figures.job import Drawn\n')
    new = """class FlatFigure(PowerLawFigure):
    kind: Literal["flat"]  # type: ignore[assignment]
    module: ClassVar[str] = "fathom.figures.metrics.flat"


FigureSettings = Annotated[
    FlatFigure
    | MetricFigure"""
    source.edit("settings.py", "FigureSettings = Annotated[\n    MetricFigure", new)
    assert changed(unedited, source.figures()) == (set(), set())


def test_a_job_of_figures_holds_no_words(plan: Plan) -> None:
    for kind in KINDS:
        held = imported_modules("fathom.figures.command", kind.module)
        words = {f"fathom.figures.{module}" for module in ("settings", "base", "sentences", "claims.papers")}
        assert held.isdisjoint(words), kind.module
        others = {other.module for other in KINDS} - {kind.module}
        assert held.isdisjoint(others), kind.module
    assert len({plan.figures.code(Wildcards(figure=name)) for name in NAMES}) == len(NAMES)
