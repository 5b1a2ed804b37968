"""What a figure of probes says in words: the order of the peaks, and dips between two maxima."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from fathom.figures.job import Tables
from fathom.figures.probes.forms import form_names
from fathom.figures.probes.rows import ACCURACY, FIXED, experiment_curves, one_label, one_place
from fathom.io.names import ORDERED

ORDER = "order"
MINUS = "\N{MINUS SIGN}"
SMALLEST = 0.0005  # number that is not written as 0


def hierarchy_notes(tables: Tables, estimator: str) -> list[str]:
    """For each model, and each of its forms that differ, the order of the experiments' peaks and their curves' dips."""
    rows = one_label(one_place(experiment_curves(tables, estimator=estimator)))
    titles = {table.name: table.corpus_or_experiment for table, _ in tables if table.content == "probes"}
    orders = {table.model: frame for table, frame in tables if table.content == ORDER}
    steps = {titles[name] for table, _ in tables if table.content == ORDER for name in table.name.split(ORDERED)}
    notes = []
    for (model, sinks), name in form_names(rows).items():
        order = orders[model]
        found = order[(order["estimator"] == estimator) & (order["sinks"] == sinks)]
        notes.append(_order_note(name, found, titles))
        own = rows[(rows["model"] == model) & (rows["sinks"] == sinks)]
        dips = [
            _dip_words(str(experiment), curve)
            for experiment, curve in own.groupby("experiment", sort=False)
            if experiment in steps and (curve["measure"] == ACCURACY).any()
        ]
        if dips:
            notes.append(f"{name}, dip between two maxima: {'; '.join(dips)}.")
    return notes


def _order_note(model: str, order: pd.DataFrame, titles: Mapping[str, str]) -> str:
    by_peak, by_centre = (order[order["measure"] == statistic] for statistic in ("peak", "centre of mass"))
    pairs: list[Any] = [*by_peak.itertuples(index=False)]
    if not pairs or not pairs[0].first:
        # Where a bootstrap sample lacks a class there is no test, but there still are curves to be drawn.
        reason = pairs[0].reason if pairs else "fewer than two experiments were tested against chance"
        return f"{model}: no test of the order: {reason}."
    statement = titles[pairs[0].first] + "".join(
        f" {'<' if pair.strict else '<='} {titles[pair.second]}" for pair in pairs
    )
    known = {pairs[0].first: pairs[0].first_place} | {pair.second: pair.second_place for pair in pairs}
    places = ", ".join(f"{titles[step]} {place:g}" for step, place in known.items())
    differences = "; ".join(
        f"{titles[pair.second]} {MINUS} {titles[pair.first]} {_signed(pair.value)} "
        f"({_signed(pair.low)} to {_signed(pair.high)}), {pair.shared_units} shared units"
        for pair in pairs
    )
    return (
        f"{model}: {statement}: {_verdict(by_peak)}. Peaks ({pairs[0].unit}): {places}; {differences}. "
        f"By centre of mass: {_verdict(by_centre)}."
    )


def _verdict(pairs: pd.DataFrame) -> str:
    verdict, reason = pairs[["verdict", "verdict_reason"]].iloc[0]
    return f"{verdict} ({reason})" if reason else str(verdict)


def _dip_words(experiment: str, curve: pd.DataFrame) -> str:
    """The dip of a curve, or why there is no test of it."""
    own = curve[(curve["control"] == "") & (curve["selection"] == FIXED) & (curve["measure"] == ACCURACY)]
    one: Any = own.iloc[0]
    if one["dip_reason"]:
        return f"{experiment} no dip test ({one['dip_reason']})"
    size = f"{experiment} {_signed(one['dip'])} ({_signed(one['dip_low'])} to {_signed(one['dip_high'])})"
    if not one["dip_low"] > 0:
        return size
    depth_of = own.set_index("layer")["depth"]
    depths = ", ".join(f"{depth_of[one[place]]:.2g}" for place in ("dip_left", "dip_bottom", "dip_right"))
    return f"{size}, at relative depths {depths}: exceeds its interval"


def _signed(value: float) -> str:
    """A number with its sign: that of minus, at which no line breaks; a dash for none."""
    if math.isnan(value):
        return "\N{EN DASH}"
    return f"{value:+.3g}".replace("-", MINUS, 1) if abs(value) >= SMALLEST else "0"
