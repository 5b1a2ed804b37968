"""What a figure of probes says in words: the order of the peaks, and dips between two maxima."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import pandas as pd

from fathom.figures.job import FigureJob, Tables
from fathom.figures.probes.forms import form_names
from fathom.figures.probes.rows import PLACE, accuracy_curves, experiment_curves, one_label, one_place
from fathom.statistics.accuracy_curve import AccuracyCurve, TooFewGroupsError
from fathom.statistics.double_peak import ValleyBetweenPeaks, valley_between_peaks
from fathom.statistics.peak_order import OrderTest, Statistic, order_test

SIGNIFICANT = 0.05
HALVINGS = 20  # of the texts, to choose where a dip is on one half and read it on the other
FEWEST_LAYERS = 3  # of a dip
MINUS = "\N{MINUS SIGN}"
SMALLEST = 0.0005  # number that is not written as 0


def hierarchy_notes(tables: Tables, job: FigureJob, estimator: str) -> list[str]:
    """For each model, and each of its forms that differ, the order of the experiments' peaks and their curves' dips."""
    rows = one_label(one_place(experiment_curves(tables, estimator=estimator)))
    notes = []
    for (model, sinks), name in form_names(rows).items():
        curves = accuracy_curves(tables, model, job.order, estimator, sinks)
        above_chance = _above_chance(rows[(rows["model"] == model) & (rows["sinks"] == sinks)])
        tested = [curve for curve in curves if curve.name in above_chance]
        if len(tested) > 1:
            notes.append(_order_note(name, tested, above_chance, job))
        else:
            notes.append(f"{name}: no test of the order: fewer than two experiments were tested against chance.")
        if curves:
            notes.append(f"{name}, dip between two maxima: {'; '.join(_dip_words(curve, job) for curve in curves)}.")
    return notes


def _above_chance(curves: pd.DataFrame) -> dict[str, bool]:
    """Whether each experiment that was tested is above chance at some layer."""
    own = curves[(curves["control"] == "") & (curves["selection"] == "fixed")]
    p = own[own["p_family_wise"].notna()].groupby("experiment", sort=False)["p_family_wise"].min()
    return {str(name): bool(least < SIGNIFICANT) for name, least in p.items()}


def _order_note(model: str, curves: Sequence[AccuracyCurve], above_chance: dict[str, bool], job: FigureJob) -> str:
    try:
        by_peak, by_centre = (_order(curves, above_chance, job, statistic) for statistic in get_args(Statistic))
    except TooFewGroupsError as error:
        # Where a bootstrap sample lacks a class there is no test, but there still are curves to be drawn.
        return f"{model}: no test of the order: {error}."
    # A peak's place is where it stands among the layers that were read.
    unit = "layers, counted from the first" if by_peak.unit == "layers" else by_peak.unit
    places = ", ".join(f"{name} {place:g}" for name, place in by_peak.places.items())
    pairs = "; ".join(
        f"{pair.second} {MINUS} {pair.first} {_signed(pair.difference)} ({_signed(pair.low)} to {_signed(pair.high)})"
        for pair in by_peak.pairs
    )
    return (
        f"{model}: {by_peak.statement}: {_verdict(by_peak)}. Peaks ({unit}): {places}; {pairs}, paired by "
        f"{by_peak.shared_units} shared units. By centre of mass: {_verdict(by_centre)}."
    )


def _order(
    curves: Sequence[AccuracyCurve], above_chance: dict[str, bool], job: FigureJob, statistic: Statistic
) -> OrderTest:
    return order_test(
        curves,
        above_chance=[above_chance[curve.name] for curve in curves],
        strict=[curve.name in job.strictly_before for curve in curves[:-1]],
        statistic=statistic,
        samples=job.uncertainty.bootstrap,
        level=job.uncertainty.level,
        seed=job.uncertainty.seed,
    )


def _verdict(test: OrderTest) -> str:
    return f"{test.verdict} ({test.why})" if test.why else test.verdict


def _dip(curve: AccuracyCurve, job: FigureJob) -> ValleyBetweenPeaks | str:
    """The dip of a curve, or why there is no test of it."""
    if len(curve.depths) < FEWEST_LAYERS:
        return f"{len(curve.depths)} layers, at least {FEWEST_LAYERS} needed"
    uncertainty = job.uncertainty
    try:
        return valley_between_peaks(
            curve, splits=HALVINGS, samples=uncertainty.bootstrap, level=uncertainty.level, seed=uncertainty.seed
        )
    except TooFewGroupsError as error:
        return str(error)


def _dip_words(curve: AccuracyCurve, job: FigureJob) -> str:
    dip = _dip(curve, job)
    if isinstance(dip, str):
        return f"{curve.name} no dip test ({dip})"
    size = f"{curve.name} {_signed(dip.size)} ({_signed(dip.low)} to {_signed(dip.high)})"
    if not dip.exceeds:
        return size
    depths = ", ".join(f"{curve.depths[at]:.2g}" for at in (dip.left, dip.bottom, dip.right))
    return f"{size}, at relative depths {depths}: exceeds its interval"


def _signed(value: float) -> str:
    """A number with its sign: that of minus, at which no line breaks."""
    return f"{value:+.3g}".replace("-", MINUS, 1) if abs(value) >= SMALLEST else "0"


def dip_columns(tables: Tables, job: FigureJob, summary: pd.DataFrame) -> pd.DataFrame:
    """The summary with size and interval of the dip between two maxima, of the curves at the first place in each form.

    NaN elsewhere, and where there is no test of it.
    """
    names = list(dict.fromkeys(table.corpus_or_experiment for table, _ in tables if table.content == "hits"))
    curve_of = ["model", "experiment", "estimator"]
    first = summary.drop_duplicates(curve_of)[[*curve_of, *PLACE]]
    rows = []
    for model, estimator, sinks in summary[["model", "estimator", "sinks"]].drop_duplicates().itertuples(index=False):
        for curve in accuracy_curves(tables, model, names, estimator, sinks):
            dip = _dip(curve, job)
            if not isinstance(dip, str):
                rows.append((model, curve.name, estimator, sinks, dip.size, dip.low, dip.high))
    dips = pd.DataFrame(rows, columns=[*curve_of, "sinks", "dip", "dip_low", "dip_high"])
    places = first.merge(dips)
    return summary.merge(places, on=[*curve_of, *PLACE, "sinks"], how="left")
