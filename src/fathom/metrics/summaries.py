"""The summary of a table of metrics: one row a curve and layer, with its interval, whatever the metric is of.

Every stage writes such a table, with the same columns, once; figures and readers take their numbers from it. Names are
those of the config: titles are words of figures.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from fathom.io.summaries import as_summary
from fathom.metrics.job import Measured, MetricJob
from fathom.statistics.arrays import FloatArray
from fathom.statistics.layer_curves import summarise_metric
from fathom.statistics.sink_curves import summarise_sinks

CURVE = ["site", "variant"]  # a curve of these is summarised by itself; view, sinks and preparation tell curves within
WITHIN = ["view", "sinks", "preparation"]


SINKS, TOKEN_NORMS = "sinks", "token_norms"
PROFILES = ("norm_ratio", "activation_ratio", "sink_rate", "heads")


def summaries_of_sinks(tables: Mapping[str, pd.DataFrame], job: MetricJob) -> dict[str, pd.DataFrame]:
    """The summaries of sinks and of norms by position in the text, by the names of their tables.

    Sinks: `norm_ratio`, the largest norm of a sink of a text over the median norm of the text, median and quartiles
    over the texts with a sink; `heads`, the largest share of heads that attend to a sink, mean and bootstrap interval.
    Token norms: `position` is the place of the token in the text; `norm_ratio` has its quartiles, the others none.
    """
    named = {"stage": "metrics", "model": job.model, "corpus": job.corpus, "site": "residual", "sinks": "with"}
    norms, heads = summarise_sinks(tables[SINKS], samples=job.bootstrap, level=job.level, seed=job.seed)
    sinks = pd.concat([norms.assign(measure="norm_ratio"), heads.assign(measure="heads")], ignore_index=True)
    profile = tables[TOKEN_NORMS]
    of_tokens = [
        profile.assign(
            measure=name,
            value=profile[name],
            low=profile["low"] if name == "norm_ratio" else np.nan,
            high=profile["high"] if name == "norm_ratio" else np.nan,
        )
        for name in PROFILES
    ]
    positions = pd.concat(of_tokens, ignore_index=True)
    positions["position"] = positions["position"].astype(str)
    facts = profile.drop_duplicates("view").set_index("view")
    found = {
        SINKS: sinks.assign(position="tokens", quantity=sinks["view"].map(facts["quantity"])),
        TOKEN_NORMS: positions,
    }
    return {name: as_summary(frame.assign(**named, name=name)) for name, frame in found.items()}


def summarise(table: pd.DataFrame, measured: Measured, job: MetricJob) -> pd.DataFrame:
    """The summary of one metric's table.

    A metric of texts becomes its mean over texts with the interval of a bootstrap over groups; one of whole corpora
    or of pairs of layers keeps the values and intervals that it came with.
    """
    curves = _pairs(table) if measured.of == "layers" else _curves(table, job)
    named = curves.assign(
        stage="metrics",
        name=measured.name,
        model=job.model,
        corpus=job.corpus,
        position=measured.position,
        label=measured.label or "",
        normalisation=measured.normalisation,
    )
    return as_summary(named)


def _curves(table: pd.DataFrame, job: MetricJob) -> pd.DataFrame:
    parts = []
    for _, rows in table.groupby(CURVE, sort=False, dropna=False):
        curve = summarise_metric(rows, samples=job.bootstrap, level=job.level, seed=job.seed)
        curve = curve.assign(**_in_own_unit(rows, curve, job))
        for name in CURVE:
            curve[name] = rows[name].iloc[0]
        parts.append(curve)
    curves = pd.concat(parts, ignore_index=True)
    facts = table.drop_duplicates("view").set_index("view")
    reasons = _reasons(table)
    keys: list[Hashable] = [*CURVE, *WITHIN, "layer"]
    return curves.assign(
        quantity=curves["view"].map(facts["quantity"]),
        control=curves["view"].map(facts["control"]),
        chance=curves["view"].map(facts["chance"]),
        reason=[reasons.get(_key(row), "") for row in curves[keys].itertuples(index=False)],
    )


def _in_own_unit(rows: pd.DataFrame, curve: pd.DataFrame, job: MetricJob) -> dict[str, FloatArray]:
    """The value in the metric's own unit, with its interval, where the values are divided by something."""
    names = {"raw": "value", "raw_low": "low", "raw_high": "high"}
    if rows["raw"].equals(rows["value"]):
        return {name: curve[column].to_numpy(dtype=np.float64) for name, column in names.items()}
    own = rows.assign(value=rows["raw"])
    if rows["text"].isna().all():
        # One number divides all values of a curve, and so its intervals.
        divisor = (rows["raw"] / rows["value"]).replace([np.inf, -np.inf], np.nan).median()
        own = own.assign(low=rows["low"] * divisor, high=rows["high"] * divisor)
    found = summarise_metric(own, samples=job.bootstrap, level=job.level, seed=job.seed)
    return {name: found[column].to_numpy(dtype=np.float64) for name, column in names.items()}


def _reasons(table: pd.DataFrame) -> dict[tuple[Any, ...], str]:
    """Why the first text without a value, or the corpus, has none, by curve and layer."""
    missing = table[table["value"].isna()].drop_duplicates([*CURVE, *WITHIN, "layer"])
    keys = missing[[*CURVE, *WITHIN, "layer"]].itertuples(index=False)
    return {_key(row): reason for row, reason in zip(keys, missing["reason"], strict=True)}


def _key(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Cells of a row as a key: a missing one is not equal to itself, so None stands for it."""
    return tuple(None if pd.isna(cell) else cell for cell in row)


def _pairs(table: pd.DataFrame) -> pd.DataFrame:
    counts = {"left_out": table["repeats"]} if "repeats" in table else {}
    return table.assign(sinks=table.get("sinks", "none"), site="residual", **counts)
