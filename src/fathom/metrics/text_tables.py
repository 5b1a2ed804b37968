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
from fathom.metrics.preparation import named_tokens
from fathom.metrics.sink_tables import PROFILE_COLUMNS, SINK_COLUMNS, sink_rows, summarise_profiles
from fathom.runtime.errors import FathomError
from fathom.runtime.progress import Progress
from fathom.store.reader import Activations, block_axis, number_layers

if TYPE_CHECKING:
    from fathom.metrics.definitions.sinks import SinkProfiler, TokenProfile

States = npt.NDArray[np.floating]
FloatArray = npt.NDArray[np.float64]
Sinks = npt.NDArray[np.bool_] | str
"""Which tokens of a text are sinks, (tokens,), or why that cannot be said."""

BLOCK_BYTES = 128 << 20  # token states in memory at a time
NAMES = ["text", "group", "view"]
RESIDUAL = "residual"
ATTENTION_MAPS = "attention_patterns"


@dataclass(frozen=True)
class Attention:
    """What is kept of the attention maps of a sampled text."""

    heads: FloatArray | None
    """Share of heads that attend to a token, (blocks, tokens), where sinks are profiled."""
    values: dict[str, FloatArray]
    """What metrics of attention maps give, by name: (blocks, heads)."""


@dataclass(frozen=True)
class SinkMetric:
    """The metric of sink tokens, bound to its settings."""

    profiler: SinkProfiler
    entropy: Measure
    """The metric that is measured again without each sink token."""


@dataclass(frozen=True)
class Found:
    """What one text gives."""

    values: pd.DataFrame
    sinks: Sinks
    profile: TokenProfile | None = None
    rows: pd.DataFrame | None = None
    """One row a sink token and layer."""


def make_tables(
    activations: Activations, corpus: pd.DataFrame, measures: Sequence[Measure], job: MetricJob, threads: int
) -> dict[str, pd.DataFrame]:
    """Tables of all metrics of the tokens of a text, by name. One read of the residual stream serves them all."""
    texts = corpus[["id", "group", "view"]].rename(columns={"id": "text"}).reset_index(drop=True)
    curves = [measure for measure in measures if measure.settings.of == "text"]
    sinks = _sinks(measures)
    attention = _attention(activations, curves, sinks)
    found = _measure_residual(activations, curves, attention, sinks, job, threads)
    parts = [_join([one.values for one in found], texts, activations, RESIDUAL)]
    everywhere = [measure for measure in curves if measure.settings.site == "all"]
    marked = [one.sinks for one in found]
    for site in activations.sites if everywhere else ():
        if site != RESIDUAL:
            elsewhere = _measure_site(activations, everywhere, marked, site, job, threads)
            parts.append(_join(elsewhere, texts, activations, site))
    parts += [
        _join(_of_maps(measure.name, attention, len(texts)), texts, activations, ATTENTION_MAPS)
        for measure in curves
        if attention and measure.attention is not None
    ]
    values = pd.concat(parts, ignore_index=True)
    tables = {
        measure.name: values[values["metric"] == measure.name].reindex(columns=CURVE_COLUMNS) for measure in curves
    }
    if sinks is not None:
        tables["sinks"] = _sinks_table(found, texts, activations)
        tables["token_norms"] = _profile_table(found, texts, activations, job, sinks)
    return tables


def _sinks(measures: Sequence[Measure]) -> SinkMetric | None:
    by_name = {measure.name: measure for measure in measures}
    for measure in measures:
        if measure.settings.of == "sinks" and measure.settings.together_with in by_name:
            return SinkMetric(measure.function(), by_name[measure.settings.together_with])
    return None


def _attention(activations: Activations, curves: Sequence[Measure], sinks: SinkMetric | None) -> dict[int, Attention]:
    """By text; attention maps are dropped as soon as they were read, since they grow with the square of the text."""
    functions = {measure.name: measure.attention for measure in curves if measure.attention is not None}
    if sinks is None and not functions:
        return {}
    return {
        text: Attention(
            heads=None if sinks is None else sinks.profiler.heads_attending(maps),
            values={name: function(maps) for name, function in functions.items()},
        )
        for text, maps in activations.attention_patterns()
    }


def _measure_residual(
    activations: Activations,
    measures: Sequence[Measure],
    attention: Mapping[int, Attention],
    sinks: SinkMetric | None,
    job: MetricJob,
    threads: int,
) -> list[Found]:
    blocks = [int(name) - 1 if name not in {"0", "final"} else None for name in activations.layers_of(RESIDUAL)]
    token_ids = activations.token_ids()

    def measured(numbered: tuple[int, States]) -> Found:
        text, states = numbered
        try:
            named = named_tokens(states, job.sink_multiple)
        except ValueError as error:  # most tokens are zero at some layer: the tables say so
            return Found(measure_text(states, str(error), measures=measures), str(error))
        marked = np.asarray(named.any(axis=0))
        values = measure_text(states, marked, measures=measures)
        if sinks is None:
            return Found(values, marked)
        try:
            heads = _heads(attention.get(text), blocks, states.shape[1])
            profile = sinks.profiler.profile(states, named, heads)
        except ValueError as error:
            msg = f"metric sinks of model {job.model} on corpus {job.corpus}, text {text + 1}: {error}"
            raise FathomError(msg) from error
        left = _entropy_left(states, marked, values, sinks.entropy)
        rows = sink_rows(profile, left, token_ids[text], multiple=job.sink_multiple)
        return Found(values, marked, profile.first(sinks.profiler.positions), rows)

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


def _heads(attention: Attention | None, blocks: Sequence[int | None], tokens: int) -> FloatArray:
    heads = np.full((len(blocks), tokens), np.nan)
    for row, block in enumerate(blocks):
        if attention is not None and attention.heads is not None and block is not None:
            heads[row] = attention.heads[block]
    return heads


def _measure_site(
    activations: Activations,
    measures: Sequence[Measure],
    marked: Sequence[Sinks],
    site: str,
    job: MetricJob,
    threads: int,
) -> list[pd.DataFrame]:
    """Another site than the residual stream; the tokens left out as sinks are the same."""

    def measured(numbered: tuple[int, States]) -> pd.DataFrame:
        text, states = numbered
        return measure_text(states, marked[text], measures=measures)

    found: list[pd.DataFrame] = []
    with Progress(f"{site} of {job.model} on {job.corpus}", activations.texts, "texts") as progress:
        for block in activations.token_blocks(BLOCK_BYTES, site=site):
            found += in_parallel(measured, enumerate(block, start=len(found)), threads=threads)
            progress.advance(len(block))
    return found


def _of_maps(metric: str, attention: Mapping[int, Attention], texts: int) -> list[pd.DataFrame]:
    """Mean over heads of what a metric gives for the attention maps of the sampled texts."""
    tables = [pd.DataFrame(columns=VALUE_COLUMNS)] * texts
    for text, one in attention.items():
        means = one.values[metric].mean(axis=1)
        tables[text] = pd.DataFrame(
            {
                "metric": metric,
                "row": np.arange(len(means)),
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
    return _join(tables, texts, activations, RESIDUAL).reindex(columns=columns)


def _profile_table(
    found: Sequence[Found], texts: pd.DataFrame, activations: Activations, job: MetricJob, sinks: SinkMetric
) -> pd.DataFrame:
    tables = []
    for view, members in texts.groupby("view", sort=False).groups.items():
        profiles = [profile for profile in (found[at].profile for at in members) if profile is not None]
        if profiles:
            table = summarise_profiles(profiles, positions=sinks.profiler.positions)
            tables.append(number_layers(table, activations.layer_axis(RESIDUAL), "row").assign(view=str(view)))
    if not tables:
        msg = f"metric sinks of model {job.model} on corpus {job.corpus}: no text has a median norm above 0"
        raise FathomError(msg)
    first = ["view", "layer", "depth"]
    return pd.concat(tables, ignore_index=True)[[*first, *(name for name in PROFILE_COLUMNS if name != "row")]]
