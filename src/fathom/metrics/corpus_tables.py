"""The tables of metrics of whole corpora, views and pairs of layers: mean states in, one value a layer out.

A mean over the tokens of a text holds its sink tokens, whose norm outweighs all others. So every value comes twice:
from means over all tokens, and from means over the tokens that are no sinks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.io.corpus_table import LABEL_PREFIX
from fathom.metrics.by_corpus import measure_corpus
from fathom.metrics.by_layers import measure_layer_pairs
from fathom.metrics.job import MetricJob
from fathom.metrics.measure import CURVE_COLUMNS, Measure
from fathom.metrics.repeats import first_of_repeats
from fathom.runtime.errors import FathomError
from fathom.runtime.progress import Progress
from fathom.statistics.resampling import half_samples
from fathom.store.layout import is_mean, without_sinks
from fathom.store.reader import Activations, number_layers

States = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Layers = list[list[States]]
"""States (texts, width) of every view at every layer."""
Advance = Callable[[int], object]
"""Hears of units of work that are done."""

PAIR_COLUMNS = [
    "view",
    "sinks",
    "layer",
    "depth",
    "other_layer",
    "other_depth",
    "preparation",
    "value",
    "low",
    "high",
    "texts",
    "repeats",
    "reason",
]


@dataclass(frozen=True)
class Counted:
    """What progress counts in one form of one view."""

    title: str
    units: int
    unit: str


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
    """Table of a metric of all texts: one row a view (or of all views together), choice of tokens, layer and form."""
    texts = _texts_by_view(corpus, job)
    compared = measure.settings.views
    if compared != 1:  # the words of a text in another order are no other view of what it says
        shuffled = set(corpus.loc[corpus["control"] == "shuffled", "view"])
        texts = {view: rows for view, rows in texts.items() if view not in shuffled}
    if compared != 1 and len(texts) < 2:
        msg = f"metric {measure.name} on corpus {job.corpus}: expected at least 2 views of its texts, found 1"
        raise FathomError(msg)
    together = [[view] for view in texts] if compared == 1 else [list(texts)[:compared]]

    def table_of(states: Layers, rows: Indices, advance: Advance) -> pd.DataFrame:
        labels = _labels(corpus.iloc[rows], measure, job)
        halves = _halves(corpus, rows, measure, job)
        table = measure_corpus(
            states, measure, halves=halves, labels=labels, level=job.level, threads=threads, advance=advance
        )
        return table.assign(chance=_chance(measure, labels))

    tables = []
    for views in together:
        name = " and ".join(views) if len(views) <= 2 else f"{len(views)} views"
        counted = Counted(_title(measure, job, name), len(activations.layers), "layers")
        tables.append(_with_and_without(activations, [texts[view] for view in views], measure, table_of, name, counted))
    joined = number_layers(pd.concat(tables, ignore_index=True), activations.layer_axis(), "row")
    return joined.assign(site="residual").reindex(columns=CURVE_COLUMNS)


def layer_pairs_table(
    activations: Activations, corpus: pd.DataFrame, measure: Measure, job: MetricJob, threads: int
) -> pd.DataFrame:
    """Table of a metric of pairs of layers: one row a view, choice of tokens and pair."""

    def table_of(states: Layers, rows: Indices, advance: Advance) -> pd.DataFrame:
        halves = _halves(corpus, rows, measure, job)
        layers = [layer[0] for layer in states]
        table = measure_layer_pairs(layers, measure, halves=halves, level=job.level, threads=threads, advance=advance)
        return table.assign(texts=len(rows))

    axis = activations.layer_axis()
    samples = max(measure.settings.samples, 1) * len(measure.forms)
    tables = [
        _with_and_without(
            activations, [chosen], measure, table_of, view, Counted(_title(measure, job, view), samples, "half samples")
        )
        for view, chosen in _texts_by_view(corpus, job).items()
    ]
    joined = number_layers(pd.concat(tables, ignore_index=True), axis, "row")
    joined = number_layers(joined, axis, "other_row", layer="other_layer", depth="other_depth")
    return joined[PAIR_COLUMNS]


def _with_and_without(
    activations: Activations,
    views: list[Indices],
    measure: Measure,
    table_of: Callable[[Layers, Indices, Advance], pd.DataFrame],
    name: str,
    counted: Counted,
) -> pd.DataFrame:
    """Rows of some views under their name: of means over all tokens, and of those without the sink tokens.

    `table_of` makes the rows from the states (of every view, at every layer) and the rows of the first view's texts in
    the corpus. A text that has no token but sinks in some view is left out of the second form. Where no text has a sink
    the second form is the first. Texts that repeat another are left out of both by the metrics that say so.
    """
    position = measure.settings.position
    repeats = 0
    if measure.settings.distinct:
        first = first_of_repeats(activations.token_ids(), views)
        views, repeats = [view[first] for view in views], int(np.count_nonzero(~first))
    sinks = activations.sinks()
    differ = is_mean(position) and any(sinks[row].any() for view in views for row in view)
    with Progress(counted.title, counted.units * (2 if differ else 1), counted.unit) as progress:
        table = table_of(_layers(activations, views, position), views[0], progress.advance)
        if not is_mean(position):
            return table.assign(view=name, repeats=repeats, sinks="none")
        other = table
        if differ:
            has_others = np.all([[not sinks[row].all() for row in view] for view in views], axis=0)
            kept = [view[has_others] for view in views]
            other = table_of(_layers(activations, kept, without_sinks(position)), kept[0], progress.advance)
    both = pd.concat([table.assign(sinks="with"), other.assign(sinks="without")], ignore_index=True)
    return both.assign(view=name, repeats=repeats)


def _title(measure: Measure, job: MetricJob, view: str) -> str:
    return f"{measure.name} of {job.model} on {job.corpus}, {view}"


def _halves(corpus: pd.DataFrame, rows: Indices, measure: Measure, job: MetricJob) -> npt.NDArray[np.bool_]:
    """Half samples of some texts."""
    if not len(rows):
        return np.zeros((0, 0), dtype=np.bool_)
    groups = corpus["group"].to_numpy()[rows]
    return half_samples(groups, samples=max(measure.settings.samples, 1), seed=job.seed)


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


def _layers(activations: Activations, views: list[Indices], position: str) -> Layers:
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
