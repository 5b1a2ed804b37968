"""The tables of metrics of whole corpora, views and pairs of layers: mean states in, one value a layer out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.io.corpus_table import LABEL_PREFIX
from fathom.metrics.by_corpus import measure_corpus
from fathom.metrics.by_layers import measure_layer_pairs
from fathom.metrics.job import MetricJob
from fathom.metrics.measure import CURVE_COLUMNS, Measure
from fathom.runtime.errors import FathomError
from fathom.runtime.progress import Progress
from fathom.statistics.resampling import half_samples
from fathom.store.reader import Activations, number_layers

States = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def make_tables(
    activations: Activations, corpus: pd.DataFrame, measures: Sequence[Measure], job: MetricJob, threads: int
) -> dict[str, pd.DataFrame]:
    """Tables of metrics of whole corpora, views and pairs of layers, by name."""
    return {
        measure.name: (layer_pairs_table if measure.settings.of == "layers" else corpus_table)(
            activations, corpus, measure, job, threads
        )
        for measure in measures
    }


def corpus_table(
    activations: Activations, corpus: pd.DataFrame, measure: Measure, job: MetricJob, threads: int
) -> pd.DataFrame:
    """Table of a metric of all texts: one row a view (or of all views together), layer and form."""
    texts = _texts_by_view(corpus, job)
    compared = measure.settings.views
    if compared != 1 and len(texts) < 2:
        msg = f"metric {measure.name} on corpus {job.corpus}: expected at least 2 views of its texts, found 1"
        raise FathomError(msg)
    together = [[view] for view in texts] if compared == 1 else [list(texts)[:compared]]
    tables = []
    with Progress(f"{measure.name} of {job.model} on {job.corpus}", len(together), "views") as progress:
        for views in together:
            chosen = [texts[view] for view in views]
            first = corpus.iloc[chosen[0]]
            labels = _labels(first, measure, job)
            table = measure_corpus(
                _layers(activations, chosen, measure.settings.position),
                measure,
                halves=half_samples(first["group"].to_numpy(), samples=max(measure.settings.samples, 1), seed=job.seed),
                labels=labels,
                level=job.level,
                threads=threads,
            )
            name = " and ".join(views) if len(views) <= 2 else f"{len(views)} views"
            tables.append(table.assign(view=name, chance=_chance(measure, labels)))
            progress.advance(1)
    joined = number_layers(pd.concat(tables, ignore_index=True), activations.layer_axis(), "row")
    return joined.assign(site="residual", sinks="none").reindex(columns=CURVE_COLUMNS)


def layer_pairs_table(
    activations: Activations, corpus: pd.DataFrame, measure: Measure, job: MetricJob, threads: int
) -> pd.DataFrame:
    """Table of a metric of pairs of layers: one row a view and pair."""
    axis = activations.layer_axis()
    tables = []
    for view, chosen in _texts_by_view(corpus, job).items():
        halves = half_samples(
            corpus["group"].to_numpy()[chosen], samples=max(measure.settings.samples, 1), seed=job.seed
        )
        layers = [layer[0] for layer in _layers(activations, [chosen], measure.settings.position)]
        table = measure_layer_pairs(layers, measure, halves=halves, level=job.level, threads=threads)
        tables.append(table.assign(view=view, texts=len(chosen)))
    joined = number_layers(pd.concat(tables, ignore_index=True), axis, "row")
    joined = number_layers(joined, axis, "other_row", layer="other_layer", depth="other_depth")
    return joined[
        [
            "view",
            "layer",
            "depth",
            "other_layer",
            "other_depth",
            "preparation",
            "value",
            "low",
            "high",
            "texts",
            "reason",
        ]
    ]


def _texts_by_view(corpus: pd.DataFrame, job: MetricJob) -> dict[str, Indices]:
    """View -> rows of its texts, in one order of texts for all views.

    Errors: FathomError if a text lacks a view.
    """
    first = list(dict.fromkeys(corpus["id"]))
    rows = {}
    for view, members in corpus.groupby("view", sort=False).indices.items():
        by_id = dict(zip(corpus["id"].to_numpy()[members], members, strict=True))
        missing = [name for name in first if name not in by_id]
        if missing:
            msg = f"corpus {job.corpus}: expected every text in every view; text {missing[0]!r} lacks view {view!r}"
            raise FathomError(msg)
        rows[str(view)] = np.array([by_id[name] for name in first], dtype=np.int64)
    return rows


def _layers(activations: Activations, views: list[Indices], position: str) -> list[list[States]]:
    """States (texts, width) of every view at every layer."""
    layers = []
    for layer in range(len(activations.layers)):
        states = activations.pooled(position, layer)
        layers.append([states[rows] for rows in views])
    return layers


def _chance(measure: Measure, labels: npt.NDArray[np.object_] | None) -> float:
    if measure.chance is None or labels is None:
        return np.nan
    try:
        return measure.chance(labels)
    except ValueError:  # labels for which the metric itself is not defined: its rows say why
        return np.nan


def _labels(texts: pd.DataFrame, measure: Measure, job: MetricJob) -> npt.NDArray[np.object_] | None:
    label = measure.settings.label
    if label is None:
        return None
    column = f"{LABEL_PREFIX}{label}"
    if column not in texts.columns:
        known = [name.removeprefix(LABEL_PREFIX) for name in texts.columns if name.startswith(LABEL_PREFIX)]
        msg = f"corpus {job.corpus}: expected a label {label!r}, found {', '.join(known) or 'none'}"
        raise FathomError(msg)
    return texts[column].to_numpy(dtype=object)
