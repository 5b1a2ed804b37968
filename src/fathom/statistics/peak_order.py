"""Whether the peaks of several curves follow one another in a stated order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from fathom.statistics.accuracy_curve import AccuracyCurve
from fathom.statistics.arrays import FloatArray, IntArray
from fathom.statistics.curve_shape import centre_of_mass
from fathom.statistics.item_graph import item_components
from fathom.statistics.resampling import check_level, group_weights, tails

if TYPE_CHECKING:
    from collections.abc import Sequence


Statistic = Literal["peak", "centre of mass"]
Order = Literal["before", "not before", "undecided"]
Agreement = Literal["agree", "disagree", "undecided"]


@dataclass(frozen=True)
class PairOrder:
    """Which of two neighbouring curves comes first.

    Attributes:
        first, second: names of the curves.
        strict: whether the statement is first < second (or first <= second).
        difference: place of the second minus place of the first, in the unit of the test.
        median, low, high: of the difference over the bootstrap samples.
        before, equal, after: shares of samples in which the first is placed before, at and after the second; NaN where
            a sample has no place.
        shared_units: units that both curves draw from; 0 means that the two are not paired.
        order: "before" where the interval lies above 0, "not before" where it holds nothing above 0.
        agrees: whether the interval bears the statement out, None where it does not tell.
        why: why it is undecided, where the interval does not say so.
    """

    first: str
    second: str
    strict: bool
    difference: float
    median: float
    low: float
    high: float
    before: float
    equal: float
    after: float
    shared_units: int
    order: Order
    agrees: bool | None
    why: str


@dataclass(frozen=True)
class OrderTest:
    """Whether curves come in a stated order.

    Attributes:
        statement: the order, such as "items < relations <= analogies".
        statistic: what places a curve: the layer of its peak, or its centre of mass.
        unit: unit of places, "layers" (counted from the first of the curve) or "relative depth".
        places: place of each curve, by name; NaN where it has none.
        pairs: one entry for each two neighbours.
        shared_units: units that all curves draw from; 0 means that they are not paired.
        verdict: "agree" if every pair agrees, "disagree" if one disagrees, otherwise "undecided".
        why: why it is undecided, where the intervals do not say so.
    """

    statement: str
    statistic: Statistic
    unit: Literal["layers", "relative depth"]
    places: dict[str, float]
    pairs: tuple[PairOrder, ...]
    shared_units: int
    verdict: Agreement
    why: str


def paired_units(curves: Sequence[AccuracyCurve]) -> list[IntArray]:
    """Return the unit of each text of each curve: what a bootstrap over several experiments draws together.

    Units are the connected components of the joint item graph: texts of any curves that share an item, directly or
    through others, are one unit.

    Returns:
        One (texts,) array of codes a curve; a code means the same unit in all of them.

    Raises:
        ValueError: without curves.
    """
    if not curves:
        msg = "curves: none; expected at least one"
        raise ValueError(msg)
    codes = item_components([names for curve in curves for names in curve.items])
    return np.split(codes, np.cumsum([curve.texts for curve in curves])[:-1])


def order_test(
    curves: Sequence[AccuracyCurve],
    *,
    above_chance: Sequence[bool],
    strict: Sequence[bool] = (True, False),
    statistic: Statistic = "peak",
    samples: int,
    level: float,
    seed: int,
) -> OrderTest:
    """Test whether curves come in the given order, by a paired bootstrap over the items they share.

    Units (`paired_units`) are sampled with replacement, jointly for all curves: a unit sampled k times weighs k in
    every curve that holds the unit. Each sample places each curve, and the interval of a difference is the percentile
    one. Two places can be asked for:

    - "peak": the first layer that reaches the maximum. It is what the claim speaks of, but on a plateau any layer may
      win by noise; then intervals are wide and the order stays undecided. Ends of the interval are rounded outward to
      differences that did occur.
    - "centre of mass" (`centre_of_mass` of what exceeds chance): steadier, for all layers enter; but noise around
      chance and a long decline behind the peak draw it to the middle. It is in relative depth.

    A pair agrees with first < second where the interval of second - first lies above 0, with first <= second where it
    holds nothing below 0; it disagrees where the interval holds nothing above 0, or lies below 0. The whole agrees if
    every pair does, which needs no correction (an intersection-union test, Berger 1982, Technometrics 24:295), and
    disagrees if one pair does; intervals are not corrected for the number of pairs, as in the claims of other figures.

    Args:
        curves: in the stated order, at least two, of one model (their layers may differ, as those of sites do).
        above_chance: whether each curve exceeds chance anywhere, by a test of its own. One that does not has no peak
            to speak of: its pairs are undecided.
        strict: for each two neighbours whether the first comes before the second, or not after it.
        statistic: what places a curve.
        samples: number of bootstrap samples, at least 1.
        level: coverage of the intervals, between 0 and 1.
        seed: seed of the resampling.

    Raises:
        TooFewGroupsError: where a sample lacks a class (`AccuracyCurve.scores`), as where few of the items of one curve
            are items of the others.
        ValueError: naming the argument.
    """
    _check_order(curves, above_chance=above_chance, strict=strict, level=level)
    units = paired_units(curves)
    weights = group_weights(np.concatenate(units), samples=samples, seed=seed)
    resampled = np.split(weights, np.cumsum([curve.texts for curve in curves])[:-1], axis=1)
    alike = all(np.array_equal(curve.depths, curves[0].depths) for curve in curves)
    in_layers = statistic == "peak" and alike
    observed, replicates = [], []
    for curve, own in zip(curves, resampled, strict=True):
        place = _peaks if statistic == "peak" else centre_of_mass
        depths = np.arange(len(curve.depths), dtype=np.float64) if in_layers else curve.depths
        observed.append(float(place(curve.curve[None], curve.chance, depths)[0]))
        replicates.append(place(curve.scores(own), curve.chance, depths))
    held = [set(codes.tolist()) for codes in units]
    pairs = []
    for one, other in pairwise(range(len(curves))):
        flat = [curves[at].name for at in (one, other) if not above_chance[at]]
        pairs.append(
            _pair_order(
                (curves[one].name, curves[other].name),
                observed[other] - observed[one],
                replicates[other] - replicates[one],
                strict=strict[one],
                level=level,
                shared_units=len(held[one] & held[other]),
                why=f"{' and '.join(flat)} nowhere above chance" if flat else "",
            )
        )
    return OrderTest(
        statement=curves[0].name + "".join(f" {'<' if pair.strict else '<='} {pair.second}" for pair in pairs),
        statistic=statistic,
        unit="layers" if in_layers else "relative depth",
        places={curve.name: place_ for curve, place_ in zip(curves, observed, strict=True)},
        pairs=tuple(pairs),
        shared_units=len(set.intersection(*held)),
        verdict=_together([pair.agrees for pair in pairs]),
        why="; ".join(dict.fromkeys(pair.why for pair in pairs if pair.why)),
    )


def _peaks(scores: FloatArray, _chance: float, depths: FloatArray) -> FloatArray:
    return np.asarray(depths[scores.argmax(axis=1)], dtype=np.float64)


def _pair_order(
    names: tuple[str, str],
    difference: float,
    replicates: FloatArray,
    *,
    strict: bool,
    level: float,
    shared_units: int,
    why: str,
) -> PairOrder:
    if np.isnan(difference) or np.isnan(replicates).any():
        median = low = high = before = equal = after = float("nan")
        why = why or f"{names[0]} or {names[1]} is nowhere above chance in a bootstrap sample"
    else:
        below, above = tails(level)
        median = float(np.median(replicates))
        low = float(np.quantile(replicates, below, method="lower"))
        high = float(np.quantile(replicates, above, method="higher"))
        before, equal, after = (float(share.mean()) for share in (replicates > 0, replicates == 0, replicates < 0))
    return PairOrder(
        first=names[0],
        second=names[1],
        strict=strict,
        difference=difference,
        median=median,
        low=low,
        high=high,
        before=before,
        equal=equal,
        after=after,
        shared_units=shared_units,
        order="undecided" if why else _order(low, high),
        agrees=None if why else _agrees(low, high, strict=strict),
        why=why,
    )


def _order(low: float, high: float) -> Order:
    if low > 0:
        return "before"
    return "not before" if high <= 0 else "undecided"


def _agrees(low: float, high: float, *, strict: bool) -> bool | None:
    """Whether an interval lies where the statement puts the difference, or where it does not; None if in both."""
    if low > 0 or (low == 0 and not strict):
        return True
    return False if high < 0 or (high == 0 and strict) else None


def _together(agreements: Sequence[bool | None]) -> Agreement:
    if all(agreements):
        return "agree"
    return "disagree" if False in agreements else "undecided"


def _check_order(
    curves: Sequence[AccuracyCurve], *, above_chance: Sequence[bool], strict: Sequence[bool], level: float
) -> None:
    check_level(level)
    if len(curves) < 2:
        msg = f"curves: {len(curves)}; an order needs at least 2"
        raise ValueError(msg)
    names = [curve.name for curve in curves]
    if len(set(names)) < len(names):
        msg = f"curves: names {', '.join(names)}; expected different ones"
        raise ValueError(msg)
    for argument, given, expected in (
        ("above_chance", len(above_chance), len(curves)),
        ("strict", len(strict), len(curves) - 1),
    ):
        if given != expected:
            msg = f"{argument}: {given} entries for {len(curves)} curves; expected {expected}"
            raise ValueError(msg)
