"""Made-up tables of the probes stage over real corpora of items, relations and analogies, as figures get them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from fathom.corpora.analogies import analogy_texts
from fathom.corpora.early_context import early_context_texts
from fathom.corpora.items import item_texts
from fathom.corpora.relations import relation_texts
from fathom.figures.base import Figure
from fathom.figures.job import FigureJob, Table, Tables
from fathom.figures.probes.choices import CHOICES
from fathom.io.names import ORDERED
from fathom.probes.accuracy_curves import DIP, dips
from fathom.probes.curve_tables import told_over_depth
from fathom.probes.design import ProbeDesign
from fathom.probes.job import OrderedStep, OrderJob
from fathom.probes.peak_orders import Step, peak_order_table
from fathom.schema import Uncertainty
from tests.designs import ANALOGY, ITEM, RELATION, pair_table
from tests.scores import score_rows

STEPS = ("items", "relations", "analogies")
LABELS = {"items": ("edible", "alive"), "relations": ("related",), "analogies": ("same_relation",)}
LAST = 8
FILLER = (0, 4)


@cache
def corpora() -> dict[str, pd.DataFrame]:
    """Texts of the same 24 pairs: six quads, each of them a unit of items, relations and analogies."""
    pairs = pair_table([4] * 6)
    names = [*pairs["first"], *pairs["second"]]
    items = pd.DataFrame({"item": names, "category": [*pairs["relation"]] * 2})
    # Both values of each label occur in every quad.
    items["edible"] = [int(at < len(pairs)) for at in range(len(names))]
    items["alive"] = [int(at >= len(pairs)) for at in range(len(names))]
    return {
        "items": item_texts(items, [ITEM]),
        "relations": relation_texts(pairs, [RELATION]),
        "analogies": analogy_texts(pairs, [ANALOGY]),
        "moods": item_texts(items, [ITEM]),
        "early": early_context_texts(pairs, RELATION, filler=FILLER, closing="and so on"),
    }


def told(layers: Sequence[int] = range(LAST + 1), peak: int = 3) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Share of texts that a probe tells rightly, with one peak; below chance far from it."""
    return np.asarray(0.4 + 0.4 * np.exp(-(((np.asarray(layers) - peak) / 2) ** 2)), dtype=np.float64)


def hit_rows(
    corpus: pd.DataFrame,
    label: str,
    shares: Sequence[float] | np.ndarray[Any, Any],
    *,
    estimator: str = "ridge",
    noise: float = 0.0,
    view: str = "original",
    **columns: Any,
) -> pd.DataFrame:
    """Hits of one curve: of every text about the share of its layer."""
    texts = corpus[(corpus["view"] == view) & corpus[f"label.{label}"].notna()]
    layers = np.arange(len(shares))
    random = np.random.default_rng(0)
    hits = np.asarray(shares)[:, None] + noise * random.uniform(-1, 1, (len(layers), len(texts)))
    return pd.DataFrame(
        {
            "label": label,
            "estimator": estimator,
            "selection": "fixed",
            "layer": np.repeat(layers, len(texts)),
            "text": np.tile(texts["id"], len(layers)),
            "hit": hits.ravel().astype(np.float32),
            "depth": np.repeat(layers / max(layers[-1], 1), len(texts)),
            "group": np.tile(texts["group"], len(layers)),
            "class": np.tile(texts[f"label.{label}"].astype(str), len(layers)),
            "view": view,
            "site": "residual",
            "position": "last",
            "sinks": "with",
        }
    ).assign(**columns)


def curve_rows(peak: int = 3, *, last: int = LAST, label: str = "related", **columns: Any) -> pd.DataFrame:
    """One curve of a layers table, which knows neither its model nor its experiment."""
    rows = score_rows("m", last, "e", peak, label=label, **{"estimator": "ridge", **columns})
    rows["normalised"] = (rows["score"] - rows["chance"]) / (1 - rows["chance"])
    return rows.drop(columns=["model", "experiment"])


def choice_rows(curves: pd.DataFrame) -> pd.DataFrame:
    """Choices of a layer of every curve: the oracle is its peak, all else what the layer before has."""
    own = curves[(curves["control"] == "") & (curves["selection"] == "fixed") & curves["peak"].astype(bool)]
    parts = [
        own.assign(
            choice=choice,
            score=own["score"] - (0.0 if choice == "oracle" else 0.05),
            layer_low=own["layer"],
            layer_high=own["layer"],
            reason="",
        )
        for choice in CHOICES
    ]
    return pd.concat(parts, ignore_index=True)


def told_rows(hits: pd.DataFrame) -> pd.DataFrame:
    """Since which layer each text is told, of hits of the layers."""
    rows = [
        told_over_depth(part).assign(**{name: part[name].iloc[0] for name in ("view", "site", "position", "sinks")})
        for _, part in hits[hits["selection"] == "fixed"].groupby(["view", "site", "position", "sinks"], sort=False)
    ]
    names = hits.drop_duplicates(["label", "text"])[["label", "text", "group", "class"]]
    return pd.concat(rows, ignore_index=True).merge(names, on=["label", "text"])


def confusion_rows(curves: pd.DataFrame) -> pd.DataFrame:
    """Two classes, three texts in four told rightly, of every layer of every curve."""
    own = curves[(curves["control"] == "") & (curves["selection"] == "fixed") & curves["score"].notna()]
    own = own[own["measure"] == "balanced_accuracy"]
    key = ["label", "estimator", "selection", "view", "site", "position", "sinks", "layer", "depth"]
    cells = [("0", "0", 0.75), ("0", "1", 0.25), ("1", "0", 0.25), ("1", "1", 0.75)]
    return pd.concat(
        [
            own[key].assign(predicted=other, share=share, texts=12 * share, **{"class": one})
            for one, other, share in cells
        ],
        ignore_index=True,
    )


def with_dips(curves: pd.DataFrame, hits: pd.DataFrame, corpus: pd.DataFrame, *, samples: int = 100) -> pd.DataFrame:
    """Curves of one place and form with the dips of their hits."""
    found = dips(hits, corpus, ProbeDesign(bootstrap=samples))
    joined = curves.drop(columns=list(DIP)).merge(found, on=["label", "estimator", "selection", "measure"], how="left")
    joined["dip_reason"] = joined["dip_reason"].fillna("")
    return joined


def order_rows(steps: Sequence[Step], *, model: str = "m", samples: int = 100) -> pd.DataFrame:
    """The table of the order of some steps, as the probes stage writes it."""
    ordered = tuple(
        OrderedStep(experiment=step.experiment, corpus=step.experiment, strict=step.experiment == "items")
        for step in steps
    )
    job = OrderJob(model=model, steps=ordered, samples=samples, level=0.95, seed=0)
    return peak_order_table(job, steps)


def step_tables(
    peaks: dict[str, int],
    *,
    model: str = "m",
    estimators: Sequence[str] | dict[str, Sequence[str]] = ("svm", "ridge"),
    shares: dict[str, Sequence[float]] | None = None,
    curves: dict[str, dict[str, Any]] | None = None,
    noise: float = 0.0,
    change_hits: Callable[[str, pd.DataFrame], pd.DataFrame] = lambda _, hits: hits,
) -> list[tuple[Table, pd.DataFrame]]:
    """Curves of steps of the hierarchy that peak at some layers, with all their controls, and their order.

    Args:
        peaks: experiment -> layer
        model: of all
        estimators: of all, or by experiment
        shares: by layer, in place of a curve with that peak, by experiment
        curves: changed columns of an experiment's own curves
        noise: of the hits
        change_hits: changes the hits of an experiment
    """
    tables: list[tuple[Table, pd.DataFrame]] = []
    steps = []
    for name, peak in peaks.items():
        corpus = corpora()[name]
        fitted = estimators[name] if isinstance(estimators, dict) else estimators
        told_at = (shares or {}).get(name, told(peak=peak))
        labels = ("mean", *LABELS[name]) if len(LABELS[name]) > 1 else LABELS[name]
        own = [
            curve_rows(peak, last=len(told_at) - 1, label=label, estimator=estimator).assign(
                **(curves or {}).get(name, {})
            )
            for label in labels
            for estimator in fitted
        ]
        rows = [
            curve_rows(peak, label=label, estimator=estimator, control=control)
            for label in labels
            for estimator in fitted
            for control in ("shuffled", "static", "template split", "control task")
        ]
        rows += [curve_rows(peak, label=label, selection="inner") for label in labels if "ridge" in fitted]
        random = [curve_rows(1, label=label, estimator=one, p_family_wise=np.nan) for label in labels for one in fitted]
        found = [
            hit_rows(corpus, label, told_at, estimator=one, noise=noise) for label in LABELS[name] for one in fitted
        ]
        hits = change_hits(name, pd.concat(found, ignore_index=True))
        found_curves = with_dips(pd.concat(own, ignore_index=True), hits, corpus)
        steps.append(Step(name, found_curves, hits, corpus))
        of: dict[str, Any] = {"model": model, "corpus_or_experiment": name, "model_id": model, "name": name}
        of["corpus"] = name
        tables.append((Table(**of, content="probes"), pd.concat([found_curves, *rows], ignore_index=True)))
        tables.append((Table(**of, content="probes", control="random"), pd.concat(random, ignore_index=True)))
    return [*tables, *order_tables(steps, model=model)]


def order_tables(steps: Sequence[Step], *, model: str = "m") -> list[tuple[Table, pd.DataFrame]]:
    """The table of the order of some steps, where they are several."""
    if len(steps) < 2:
        return []
    name = ORDERED.join(step.experiment for step in steps)
    table = Table(model=model, corpus_or_experiment=name, model_id=model, name=name, content="order")
    return [(table, order_rows(steps, model=model))]


def job_of(settings: Figure, tables: Tables, **changed: Any) -> FigureJob:
    """A job that draws some tables."""
    told_to = {
        "figure": "f",
        "module": settings.module,
        "options": settings.options,
        "tables": tuple(table for table, _ in tables),
        "title": "A title",
        "layers": "layer",
        "caption": "A caption.",
        "uncertainty": Uncertainty(bootstrap=100),
    }
    return FigureJob(**{**told_to, **changed})
