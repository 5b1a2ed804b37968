"""What a figure of probes says in words: the order of the peaks, and dips between two maxima."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fathom.curves import (
    DipBetweenPeaks,
    HitCurve,
    OrderTest,
    TooFewGroupsError,
    dip_between_peaks,
    order_test,
)
from fathom.figures.probe_frames import Tables, experiment_curves, hit_curves, one_label, one_place
from fathom.figures.settings import FigureJob

SIGNIFICANT = 0.05
HALVINGS = 20  # of the texts, to choose where a dip is on one half and read it on the other


def hierarchy_notes(tables: Tables, job: FigureJob, estimator: str) -> list[str]:
    """For each model the order of the experiments' peaks, and the dips of their curves."""
    models = list(dict.fromkeys(table.model for table, _ in tables if table.holds == "hits"))
    notes = []
    for model in models:
        curves = hit_curves(tables, model, job.order, estimator)
        tested = _tested(tables, model, estimator)
        known = [curve for curve in curves if curve.name in tested]
        if len(known) > 1:
            try:
                tests = [_order(known, tested, job, statistic) for statistic in STATISTICS]
            except TooFewGroupsError as error:
                notes.append(f"{model}: order of the peaks not tested ({error}).")
            else:
                notes.append(_order_note(model, tests))
        parts = [_dip_words(curve, job) for curve in curves if len(curve.depths) > 2]
        notes.append(f"{model}, dip between two maxima: {'; '.join(parts)}.")
    return notes


STATISTICS = ("peak", "centre of mass")


def _tested(tables: Tables, model: str, estimator: str) -> dict[str, bool]:
    """Whether each experiment that was tested is above chance at some layer."""
    curves = one_label(one_place(experiment_curves(tables, estimator=estimator)))
    own = curves[(curves["model"] == model) & (curves["control"] == "") & (curves["selection"] == "fixed")]
    p = own[own["p_family_wise"].notna()].groupby("experiment", sort=False)["p_family_wise"].min()
    return {str(name): bool(least < SIGNIFICANT) for name, least in p.items()}


def _order(curves: Sequence[HitCurve], tested: dict[str, bool], job: FigureJob, statistic: str) -> OrderTest:
    # Items come before relations; relations may peak where analogies do.
    return order_test(
        curves,
        above_chance=[tested[curve.name] for curve in curves],
        strict=[at == 0 and len(job.order) > 2 for at in range(len(curves) - 1)],
        statistic=statistic,  # type: ignore[arg-type]  # one of STATISTICS
        samples=job.uncertainty.bootstrap,
        level=job.uncertainty.level,
        seed=job.uncertainty.seed,
    )


def _order_note(model: str, tests: Sequence[OrderTest]) -> str:
    by_peak, by_centre = tests
    places = ", ".join(f"{name} {place:g}" for name, place in by_peak.places.items())
    pairs = "; ".join(
        f"{pair.second} - {pair.first} {pair.difference:+.3g} ({pair.low:+.3g} to {pair.high:+.3g})"
        for pair in by_peak.pairs
    )
    why = f" ({by_peak.why})" if by_peak.why else ""
    return (
        f"{model}: {by_peak.statement}: {by_peak.verdict}{why}. Peaks ({by_peak.unit}): {places}; {pairs}, paired by "
        f"{by_peak.shared_units} shared units. By centre of mass: {by_centre.verdict}."
    )


def _dip(curve: HitCurve, job: FigureJob) -> DipBetweenPeaks:
    uncertainty = job.uncertainty
    return dip_between_peaks(
        curve, splits=HALVINGS, samples=uncertainty.bootstrap, level=uncertainty.level, seed=uncertainty.seed
    )


def _dip_words(curve: HitCurve, job: FigureJob) -> str:
    try:
        dip = _dip(curve, job)
    except TooFewGroupsError as error:
        return f"{curve.name} not tested ({error})"
    exceeds = f", layers {dip.left}, {dip.bottom}, {dip.right}: exceeds its interval" if dip.exceeds else ""
    return f"{curve.name} {dip.size:+.3f} ({dip.low:+.3f} to {dip.high:+.3f}){exceeds}"


def dip_columns(tables: Tables, job: FigureJob, summary: pd.DataFrame) -> pd.DataFrame:
    """The summary with size and interval of each experiment's dip between two maxima, in the row of its first place.

    Other rows stay empty, and so do those of experiments with too few groups.
    """
    names = list(dict.fromkeys(table.of for table, _ in tables if table.holds == "hits"))
    rows = []
    for model, estimator in summary[["model", "estimator"]].drop_duplicates().itertuples(index=False):
        for curve in hit_curves(tables, model, names, estimator):
            if len(curve.depths) > 2:
                try:
                    dip = _dip(curve, job)
                except TooFewGroupsError:  # then its columns stay empty
                    continue
                rows.append((model, curve.name, estimator, dip.size, dip.low, dip.high))
    of_curve, found = ["model", "experiment", "estimator"], ["dip", "dip_low", "dip_high"]
    together = summary.merge(pd.DataFrame(rows, columns=[*of_curve, *found]), on=of_curve, how="left")
    together.loc[together.duplicated(of_curve), found] = np.nan
    return together
