"""A small run as the explore stage sees it: summaries whose truths can be read off, captions, tokens, and bad names."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fathom.explore.budget import Content
from fathom.explore.command import fitting_page
from fathom.explore.curves import read_curves
from fathom.explore.job import Corpus, ExploreJob, FigureView, Model, Table, Words
from fathom.explore.tokens import norm_bytes, share_bytes
from fathom.io.summaries import as_summary
from fathom.io.tables import write_table

HOSTILE = '<img src=x onerror="document.title=1">"&\'</script>'
MODELS = {"deep": ("Deep model", 12), "flat": ("Flat model", 6), "bad": (HOSTILE, 6)}
TOKENS = ["The", " first", HOSTILE, " and", " last"]
CORPORA = {"bible": "passages", "random": "drawn tokens"}


def value_of(metric: int, model: str, corpus: str, sinks: str, layer: int) -> float:
    """A value that tells every curve and layer from every other one."""
    place = list(MODELS).index(model) * 100 + list(CORPORA).index(corpus) * 10 + (sinks == "without")
    return round(metric + place / 1000 + layer / 100_000, 6)


def curve(name: str, model: str, depth: int, values: Sequence[float], **of: Any) -> pd.DataFrame:
    """One curve over all layers of a model."""
    layers = np.arange(len(values))
    frame = pd.DataFrame({"layer": layers, "depth": layers / depth, "value": values})
    frame = frame.assign(low=frame["value"] - 0.001, high=frame["value"] + 0.002, texts=40 + layers)
    return frame.assign(stage="metrics", name=name, model=model, site="residual", position="tokens", **of)


def metric_table(name: str, number: int, model: str, corpus: str) -> pd.DataFrame:
    """The summary of a metric, with and without sinks, and a paraphrase."""
    depth = MODELS[model][1]
    parts = []
    for view in ("original", "paraphrase") if corpus == "bible" else ("original",):
        for sinks in ("with", "without"):
            shift = 0.005 if view == "paraphrase" else 0.0
            values = [value_of(number, model, corpus, sinks, layer) + shift for layer in range(depth + 1)]
            parts.append(
                curve(name, model, depth, values, corpus=corpus, view=view, sinks=sinks, preparation="centred")
            )
    return pd.concat(parts)


def pairs_table(model: str, corpus: str) -> pd.DataFrame:
    """A matrix of layers that is the same turned round."""
    depth = MODELS[model][1]
    rows = [
        {"layer": a, "other_layer": b, "depth": a / depth, "value": 1 - abs(a - b) / (2 * depth), "texts": 40}
        for a in range(depth + 1)
        for b in range(depth + 1)
    ]
    frame = pd.DataFrame(rows).assign(stage="metrics", name="cka", model=model, corpus=corpus, view="original")
    below = 0.01 + (7 * (frame["layer"] + frame["other_layer"]) + 13 * frame["layer"] * frame["other_layer"]) % 97 / 1e4
    return frame.assign(low=frame["value"] - below, high=frame["value"] + 0.01, other_depth=frame["depth"])


def probe_table(model: str) -> pd.DataFrame:
    """Scores of an experiment with controls: the highest at the middle layer."""
    depth = MODELS[model][1]
    layers = np.arange(depth + 1)
    parts = []
    for control, height in (("", 0.9), ("shuffled", 0.6), ("static", 0.55)):
        for estimator in ("ridge", "svm"):
            score = height - 0.2 * np.abs(layers - depth // 2) / depth - (0.03 if estimator == "svm" else 0.0)
            part = pd.DataFrame({"layer": layers, "depth": layers / depth, "score": score, "control": control})
            part = part.assign(low=score - 0.02, high=score + 0.02, p_family_wise=np.where(score > 0.85, 0.005, 0.3))
            part = part.assign(peak=layers == depth // 2, peak_low=depth // 2 - 1, peak_high=depth // 2 + 1)
            parts.append(part.assign(estimator=estimator, measure="balanced_accuracy", selection="fixed", chance=0.5))
    frame = pd.concat(parts).assign(stage="probes", name="relations", model=model, corpus="pairs", view="original")
    return frame.assign(label="related", site="residual", position="span:second", texts=512, groups=64, sinks="with")


def choices_table(model: str) -> pd.DataFrame:
    """The layer that inner folds choose."""
    depth = MODELS[model][1]
    frame = pd.DataFrame({"layer": [depth // 2], "score": [0.89], "choice": ["inner_folds"], "control": [""]})
    frame = frame.assign(stage="probes", name="relations", model=model, corpus="pairs", view="original", sinks="with")
    return frame.assign(label="related", site="residual", position="span:second", estimator="ridge").assign(
        measure="balanced_accuracy", selection="fixed", texts=512
    )


def task_table(model: str, task: str, measure: str) -> pd.DataFrame:
    """The main score of a task."""
    depth = MODELS[model][1]
    layers = np.arange(depth + 1)
    frame = pd.DataFrame({"layer": layers, "depth": layers / depth, "value": 0.3 + layers / (2 * depth)})
    frame = frame.assign(stage="tasks", name=task, model=model, corpus=f"task-{task}", measure=measure, texts=160)
    return frame.assign(site="residual", position="normed_mean", sinks="with", peak=layers == depth)


def explored(folder: Path, **changes: Any) -> tuple[ExploreJob, Content]:
    """A job of the explore stage with its files, and what it reads from them; paths are as in a run."""
    with contextlib.chdir(folder):
        return _explored(changes)


def _explored(changes: Mapping[str, Any]) -> tuple[ExploreJob, Content]:
    tables: dict[str, pd.DataFrame] = {}
    for model in MODELS:
        for corpus in CORPORA:
            at = f"metrics/{model}/{corpus}"
            tables[f"{at}/prompt_entropy"] = metric_table("prompt_entropy", 1, model, corpus)
            tables[f"{at}/curvature"] = metric_table("curvature", 2, model, corpus)
            tables[f"{at}/wobble"] = metric_table("wobble", 3, model, corpus)
            tables[f"{at}/cka"] = pairs_table(model, corpus)
        tables[f"probes/{model}/relations"] = probe_table(model)
        tables[f"probes/{model}/relations.choices"] = choices_table(model)
        for task, measure in (("pairs", "max_ap"), ("ranking", "ndcg_at_10")):
            tables[f"tasks/{model}/{task}"] = task_table(model, task, measure)
    told = []
    for name, table in tables.items():
        ending = "" if name.endswith(".choices") else ".layers"
        path = Path(f"results/{name}{ending}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(as_summary(table) if table["stage"].iloc[0] == "metrics" else table, path)
        record = f"results/{name.removesuffix('.choices')}.record.json"
        told.append(Table(path=str(path), record=record))
    first_record = Path("results/metrics/deep/bible/prompt_entropy.record.json")
    first_record.write_text(json.dumps(record_of("prompt_entropy.layers.parquet")), encoding="utf-8")
    caption = Path("results/figures/entropies.txt")
    caption.parent.mkdir(parents=True, exist_ok=True)
    claim = "Deeper models have deeper valleys."
    caption.write_text(
        f"Entropies of everything.\n{claim}\nHere: Deep model: 0.3: agrees.\nA note.\n", encoding="utf-8"
    )
    job = ExploreJob(
        megabytes=6.0,
        token_texts=2,
        tables=tuple(told),
        words=tuple(WORDS),
        models=tuple(Model(name=name, title=title, origin="made up") for name, (title, _) in MODELS.items()),
        corpora=tuple(Corpus(name=name, about=about) for name, about in CORPORA.items()),
        tokens=(),
        figures=(
            FigureView(name="entropies", title="Entropies", text=str(caption), shows=("prompt_entropy",), claim=claim),
        ),
        records=(str(first_record),),
        not_shown=("results/metrics/*/*/token_norms.layers.parquet",),
        level=0.95,
        layers="layer",
    ).model_copy(update=changes)
    curves = read_curves([(Path(one.path), one.control, one.control_of) for one in job.tables])
    return job, Content(curves=curves, tokens=tuple(token_text(model) for model in ("deep", "bad")))


def write_explored(folder: Path, **changes: Any) -> Path:
    """The page of that run."""
    job, content = explored(folder, **changes)
    path = folder / "results/explore.html"
    with contextlib.chdir(folder):
        path.write_bytes(fitting_page(job, content))
    return path


def record_of(output: str) -> Mapping[str, Any]:
    """A record of a job that wrote a file beside it."""
    return {
        "outputs": [{"path": output}],
        "inputs": [],
        "ended": "2026-01-02T03:04:05+00:00",
        "seconds": 1.5,
        "code": "abc",
        "machine": {"host": "here", "cpu": "some"},
        "packages": {"numpy": "2.0"},
        "settings": {"seed": 7},
    }


def token_text(model: str) -> dict[str, object]:
    """A text of five tokens whose first is a sink from layer 3 on."""
    depth = MODELS[model][1]
    ratios = np.ones((depth + 1, len(TOKENS)), dtype=np.float32)
    ratios[3:, 0] = 64.0
    shares = np.zeros((depth, len(TOKENS)), dtype=np.float32)
    shares[2:, 0] = 0.5
    return {
        "model": model,
        "corpus": "bible",
        "text": "text-1",
        "tokens": TOKENS,
        "sinks": [0],
        "layers": depth + 1,
        "norm": base64.b64encode(norm_bytes(ratios).tobytes()).decode(),
        "attention": base64.b64encode(share_bytes(shares).tobytes()).decode(),
    }


WORDS = [
    Words(
        stage="metrics",
        name="prompt_entropy",
        title="Prompt entropy",
        axis="S1",
        gist="lower: fewer directions",
        sentences=("Prompt entropy is defined somewhere.",),
        opens=True,
        main={"preparation": "centred"},
    ),
    Words(stage="metrics", name="curvature", title="Curvature", axis="C (rad)"),
    # Nothing in the page's own code knows this one.
    Words(stage="metrics", name="wobble", title="Wobble of my own", axis="W (wobbles)", gist="lower: steadier"),
    Words(stage="metrics", name="cka", title="Similarity of layers", axis="CKA"),
    Words(
        stage="probes",
        name="relations",
        title="Relations",
        axis="balanced accuracy",
        main={"estimator": "ridge", "label": "related"},
    ),
    Words(stage="tasks", name="pairs", title="Pairs", axis="main score"),
    Words(stage="tasks", name="ranking", title="Ranking", axis="main score"),
]
