"""Whether the curves of several experiments on one model peak in a stated order, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import pandas as pd

from fathom.probes.accuracy_curves import accuracy_curve
from fathom.probes.job import OrderJob
from fathom.statistics.accuracy_curve import AccuracyCurve, TooFewGroupsError
from fathom.statistics.peak_order import OrderTest, Statistic, order_test

SIGNIFICANT = 0.05
PLACE = ("view", "site", "position")
UNTESTED = "fewer than two experiments were tested against chance"
TYPES = {
    "name": "string",
    "sinks": "string",
    "estimator": "string",
    "measure": "string",
    "variant": "string",
    "first": "string",
    "second": "string",
    "strict": "boolean",
    "unit": "string",
    "first_place": "float64",
    "second_place": "float64",
    "value": "float64",
    "low": "float64",
    "high": "float64",
    "median": "float64",
    "before": "float64",
    "equal": "float64",
    "after": "float64",
    "shared_units": "Int64",
    "agrees": "boolean",
    "reason": "string",
    "verdict": "string",
    "verdict_reason": "string",
}
"""Columns of the table and their types; `peak_order_table` says what they hold."""


@dataclass(frozen=True)
class Step:
    """What the probes of one experiment found: its curves, its accuracy per text, and its texts."""

    experiment: str
    curves: pd.DataFrame
    hits: pd.DataFrame
    corpus: pd.DataFrame


def peak_order_table(job: OrderJob, steps: Sequence[Step]) -> pd.DataFrame:
    """Test the order of the peaks of several experiments, for each of their estimators and forms.

    Each experiment is read at its first place, with the fixed penalty, at the label or labels that stand for it. Those
    that have not the estimator or form, or were not tested against chance, are left out of the order.

    Returns:
        One row an estimator, form, statistic (`measure`: "peak" or "centre of mass") and two neighbours (`first` and
        `second`, names of experiments; `variant` is both): `strict` (whether the first is said to come strictly
        before), their places in `unit`, `value` (second minus first) with its interval, the `median` and the shares
        `before`, `equal`, `after` of the samples, `shared_units`, whether the pair `agrees` and the `reason` why that
        is undecided; the `verdict` on the whole order. Without a test there is one row, which says why in `reason`.
    """
    strict = {step.experiment: step.strict for step in job.steps}
    found: list[dict[str, Any]] = []
    forms = dict.fromkeys((estimator, sinks) for step in steps for estimator, sinks in _forms(step.hits))
    for estimator, sinks in forms:
        curves, above_chance = _curves(steps, estimator, sinks)
        place = {"estimator": estimator, "sinks": sinks}
        for statistic in get_args(Statistic):
            if len(curves) < 2:
                found.append(place | {"measure": statistic, "reason": UNTESTED})
                continue
            try:
                test = order_test(
                    curves,
                    above_chance=[above_chance[curve.name] for curve in curves],
                    strict=[strict[curve.name] for curve in curves[:-1]],
                    statistic=statistic,
                    samples=job.samples,
                    level=job.level,
                    seed=job.seed,
                )
            except TooFewGroupsError as error:
                found.append(place | {"measure": statistic, "reason": str(error)})
                continue
            found += [place | row for row in _rows(test)]
    table = pd.DataFrame(found, columns=[column for column in TYPES if column != "name"]).assign(name=job.name)
    words = [column for column, kind in TYPES.items() if kind == "string"]
    return table[list(TYPES)].astype(TYPES).fillna(dict.fromkeys(words, ""))


def _forms(hits: pd.DataFrame) -> list[tuple[str, str]]:
    pairs = hits[["estimator", "sinks"]].drop_duplicates()
    return [(str(estimator), str(sinks)) for estimator, sinks in pairs.itertuples(index=False)]


def _curves(steps: Sequence[Step], estimator: str, sinks: str) -> tuple[list[AccuracyCurve], Mapping[str, bool]]:
    """The curves of the experiments that were tested, and whether each is above chance at some layer."""
    curves, above_chance = [], {}
    for step in steps:
        rows = step.hits[(step.hits["estimator"] == estimator) & (step.hits["selection"] == "fixed")]
        rows = _first_place(rows) if len(rows) else rows
        rows = rows[rows["sinks"] == sinks]
        if rows.empty:
            continue
        curve = accuracy_curve(step.experiment, rows, step.corpus)
        own = step.curves
        for column in PLACE:
            own = own[own[column] == rows[column].iloc[0]]
        own = own[(own["control"] == "") & (own["selection"] == "fixed") & (own["measure"] == "balanced_accuracy")]
        own = own[(own["estimator"] == estimator) & (own["sinks"] == sinks) & own["p_family_wise"].notna()]
        # Of several labels the mean counts as above chance where each of them does, as everywhere.
        labels = own["label"].unique()
        own = own[own["label"] == ("mean" if "mean" in labels else rows["label"].iloc[0])]
        if len(own):
            curves.append(curve)
            above_chance[step.experiment] = bool(own["p_family_wise"].min() < SIGNIFICANT)
    return curves, above_chance


def _first_place(rows: pd.DataFrame) -> pd.DataFrame:
    for column in PLACE:
        rows = rows[rows[column] == rows[column].iloc[0]]
    return rows


def _rows(test: OrderTest) -> list[dict[str, Any]]:
    unit = "layers, counted from the first" if test.unit == "layers" else test.unit
    rows = []
    for pair in test.pairs:
        own = asdict(pair)
        own["value"], own["reason"] = own.pop("difference"), own.pop("why")
        rows.append(
            own
            | {
                "measure": test.statistic,
                "variant": f"{pair.second} - {pair.first}",
                "unit": unit,
                "first_place": test.places[pair.first],
                "second_place": test.places[pair.second],
                "verdict": test.verdict,
                "verdict_reason": test.why,
            }
        )
    return rows
