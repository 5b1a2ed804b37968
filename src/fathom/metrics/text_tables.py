"""The tables of token-level metrics: the states of a block of texts are read once and serve all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.metrics.by_text import VALUE_COLUMNS, entropy_left, measure_text
from fathom.metrics.job import MetricJob
from fathom.metrics.measure import CURVE_COLUMNS, Measure
from fathom.metrics.parallel import in_parallel
from fathom.metrics.sink_tables import (
    MARGIN_COLUMNS,
    PROFILE_COLUMNS,
    SINK_COLUMNS,
    margins,
    sink_rows,
    summarise_profiles,
)
from fathom.runtime.progress import Progress
from fathom.store.reader import Activations, block_axis, number_layers

if TYPE_CHECKING:
    from fathom.metrics.definitions.sinks import SinkProfiler, TokenProfile

States = npt.NDArray[np.floating]
FloatArray = npt.NDArray[np.float64]
Masks = Sequence[npt.NDArray[np.bool_]]
"""Which tokens of every text are sinks."""
MapValues = dict[str, FloatArray]
"""What metrics of attention maps give for a text, by name: (blocks, heads)."""

BLOCK_BYTES = 128 << 20  # token states in memory at a time
NAMES = ["text", "group", "view"]
RESIDUAL = "residual"
ATTENTION_MAPS = "attention_patterns"


@dataclass(frozen=True)
class SinkMetric:
    """The metric of sink tokens, bound to its settings."""

    profiler: SinkProfiler
    entropy: Measure
    """The metric that is measured again without each sink token."""
    facts: TokenFacts


@dataclass(frozen=True)
class Found:
    """What one text gives."""

    values: pd.DataFrame
    profile: TokenProfile | None = None
    rows: pd.DataFrame | None = None
    """One row a sink token and layer."""


def make_tables(
    activations: Activations, corpus: pd.DataFrame, measures: Sequence[Measure], job: MetricJob, threads: int
) -> dict[str, pd.DataFrame]:
    """Tables of all metrics of the tokens of a text, by name. One read of the residual stream serves them all."""
    texts = corpus[["id", "group", "view"]].rename(columns={"id": "text"}).reset_index(drop=True)
    curves = [measure for measure in measures if measure.settings.of == "text"]
    sinks = _sinks(measures, activations)
    marked = activations.sinks()
    found = _measure_residual(activations, curves, marked, sinks, job, threads)
    parts = [_join([one.values for one in found], texts, activations, RESIDUAL)]
    everywhere = [measure for measure in curves if measure.settings.site == "all"]
    for site in activations.sites if everywhere else ():
        if site != RESIDUAL:
            elsewhere = _measure_site(activations, everywhere, marked, site, job, threads)
            parts.append(_join(elsewhere, texts, activations, site))
    of_maps = [measure for measure in curves if measure.attention is not None]
    maps = _measure_maps(activations, of_maps)
    parts += [
        _join(_of_maps(measure.name, maps, len(texts)), texts, activations, ATTENTION_MAPS)
        for measure in of_maps
        if maps
    ]
    values = pd.concat(parts, ignore_index=True)
    tables = {
        measure.name: values[values["metric"] == measure.name].reindex(columns=CURVE_COLUMNS) for measure in curves
    }
    if sinks is not None:
        tables["sinks"] = _sinks_table(found, texts, activations)
        tables["token_norms"] = _profile_table(found, texts, activations, sinks)
        tables["sink_margins"] = _margins_table(texts, activations)
    return tables


def _sinks(measures: Sequence[Measure], activations: Activations) -> SinkMetric | None:
    by_name = {measure.name: measure for measure in measures}
    for measure in measures:
        if measure.settings.of == "sinks" and measure.settings.together_with in by_name:
            return SinkMetric(measure.function(), by_name[measure.settings.together_with], TokenFacts(activations))
    return None


def _measure_maps(activations: Activations, measures: Sequence[Measure]) -> dict[int, MapValues]:
    """By text; attention maps are dropped as soon as they were read, since they grow with the square of the text."""
    functions = {measure.name: measure.attention for measure in measures if measure.attention is not None}
    if not functions:
        return {}
    found = {}
    for text, maps in activations.attention_patterns():
        given = ~np.isnan(maps[:, 0, 0, 0])  # of a hybrid, blocks without attention have none
        of_blocks = np.full((len(functions), *maps.shape[:2]), np.nan)
        of_blocks[:, given] = [function(maps[given]) for function in functions.values()]
        found[text] = dict(zip(functions, of_blocks, strict=True))
    return found


def _measure_residual(
    activations: Activations,
    measures: Sequence[Measure],
    marked: Masks,
    sinks: SinkMetric | None,
    job: MetricJob,
    threads: int,
) -> list[Found]:
    def measured(numbered: tuple[int, States]) -> Found:
        text, states = numbered
        if not states.shape[1]:  # a paraphrase, whose token states are not stored
            return Found(pd.DataFrame(columns=VALUE_COLUMNS))
        values = measure_text(states, marked[text], measures=measures)
        if sinks is None:
            return Found(values)
        facts = sinks.facts
        profile = sinks.profiler.profile(states, facts.norms(text), facts.heads(text), facts.scores[text])
        left = _entropy_left(states, profile.sinks, values, sinks.entropy)
        rows = sink_rows(profile, left, facts.ids[text], facts.strings)
        return Found(values, profile.first(sinks.profiler.positions), rows)

    found: list[Found] = []
    title = f"{', '.join(measure.name for measure in measures)} of {job.model} on {job.corpus}"
    with Progress(title, activations.texts, "texts") as progress:
        for block in activations.token_blocks(BLOCK_BYTES):
            found += in_parallel(measured, enumerate(block, start=len(found)), threads=threads)
            progress.advance(len(block))
    return found


def _entropy_left(states: States, marked: npt.NDArray[np.bool_], values: pd.DataFrame, entropy: Measure) -> FloatArray:
    positions = np.flatnonzero(marked)
    if len(positions) != 1:
        return entropy_left(states, positions, entropy)
    # With one sink, what is left without it is the curve without sinks, which is there already.
    curves = values[(values["metric"] == entropy.name) & (values["preparation"] == entropy.forms[0])]
    return np.stack([curves.loc[curves["sinks"] == sinks, "value"].to_numpy() for sinks in ("with", "without")], axis=1)


class TokenFacts:
    """What is known of the tokens of all texts, at the layers of the residual stream that are stored."""

    def __init__(self, activations: Activations) -> None:
        numbers = [None if name == "final" else int(name) for name in activations.layers_of(RESIDUAL)]
        self._layers = {row: number for row, number in enumerate(numbers) if number is not None}
        self._count = len(numbers)
        self._norms, self._heads = activations.norm_ratios(), activations.head_shares()
        self.scores, self.ids = activations.sink_scores(), activations.token_ids()
        self.strings = activations.token_strings()

    def norms(self, text: int) -> FloatArray:
        """Norm over the median norm of the text, (layers, tokens); NaN after the final norm."""
        return self._of_layers(self._norms[text], first=0)

    def heads(self, text: int) -> FloatArray:
        """Share of the heads of the layer's block that attend to the token, (layers, tokens); NaN at the embeddings."""
        return self._of_layers(self._heads[text], first=1)

    def _of_layers(self, facts: npt.NDArray[np.float32], *, first: int) -> FloatArray:
        """Facts of layers from `first` on, at the layers that are stored."""
        found = np.full((self._count, facts.shape[1]), np.nan)
        for row, number in self._layers.items():
            if number >= first:
                found[row] = facts[number - first]
        return found


def _measure_site(
    activations: Activations,
    measures: Sequence[Measure],
    marked: Masks,
    site: str,
    job: MetricJob,
    threads: int,
) -> list[pd.DataFrame]:
    """Another site than the residual stream; the tokens left out as sinks are the same."""

    def measured(numbered: tuple[int, States]) -> pd.DataFrame:
        text, states = numbered
        if not states.shape[1]:
            return pd.DataFrame(columns=VALUE_COLUMNS)
        return measure_text(states, marked[text], measures=measures)

    found: list[pd.DataFrame] = []
    with Progress(f"{site} of {job.model} on {job.corpus}", activations.texts, "texts") as progress:
        for block in activations.token_blocks(BLOCK_BYTES, site=site):
            found += in_parallel(measured, enumerate(block, start=len(found)), threads=threads)
            progress.advance(len(block))
    return found


def _of_maps(metric: str, maps: Mapping[int, MapValues], texts: int) -> list[pd.DataFrame]:
    """Mean over heads of what a metric gives for the attention maps of the sampled texts, of blocks that have some."""
    tables = [pd.DataFrame(columns=VALUE_COLUMNS)] * texts
    for text, values in maps.items():
        given = np.flatnonzero(~np.isnan(values[metric]).all(axis=1))
        means = values[metric][given].mean(axis=1)
        tables[text] = pd.DataFrame(
            {
                "metric": metric,
                "row": given,
                "preparation": "none",
                "sinks": "with",
                "value": means,
                "raw": means,
                "angles": np.nan,
                "reason": None,
            }
        )
    return tables


def _join(tables: Sequence[pd.DataFrame], texts: pd.DataFrame, activations: Activations, site: str) -> pd.DataFrame:
    """The rows of all texts, with the names of their text and the layer instead of its index."""
    joined = pd.concat([table.assign(at=at) for at, table in enumerate(tables) if len(table)], ignore_index=True)
    for name in NAMES:
        joined[name] = texts[name].to_numpy()[joined["at"].to_numpy(dtype=np.int64)]
    # Attention maps are of the blocks, as the sub-layers' outputs are, whether these are stored or not.
    axis = block_axis(activations.depth) if site == ATTENTION_MAPS else activations.layer_axis(site)
    return number_layers(joined, axis, "row").assign(site=site)


def _sinks_table(found: Sequence[Found], texts: pd.DataFrame, activations: Activations) -> pd.DataFrame:
    columns = [*NAMES, "layer", "depth", *(name for name in SINK_COLUMNS if name != "row")]
    tables = [pd.DataFrame(columns=SINK_COLUMNS) if one.rows is None else one.rows for one in found]
    if not any(len(table) for table in tables):
        return pd.DataFrame(columns=columns)
    return _join(tables, texts, activations, RESIDUAL).assign(rule=activations.sink_rule()).reindex(columns=columns)


def _profile_table(
    found: Sequence[Found], texts: pd.DataFrame, activations: Activations, sinks: SinkMetric
) -> pd.DataFrame:
    tables = []
    for view, members in texts.groupby("view", sort=False).groups.items():
        profiles = [profile for profile in (found[at].profile for at in members) if profile is not None]
        if not profiles:
            continue
        table = summarise_profiles(profiles, positions=sinks.profiler.positions)
        tables.append(number_layers(table, activations.layer_axis(RESIDUAL), "row").assign(view=str(view)))
    first = ["view", "layer", "depth"]
    return pd.concat(tables, ignore_index=True)[[*first, *(name for name in PROFILE_COLUMNS if name != "row")]]


def _margins_table(texts: pd.DataFrame, activations: Activations) -> pd.DataFrame:
    """One row a text: how near it is to having other sinks than it has."""
    table = pd.concat([texts, margins(activations.sink_scores())], axis=1)
    return table.assign(rule=activations.sink_rule())[[*NAMES, *MARGIN_COLUMNS, "rule"]]
