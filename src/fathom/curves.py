"""The shape of curves over layers: where they peak, in which order, and whether one dips between two peaks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from fathom.item_graph import item_components
from fathom.statistics import FEWEST_GROUPS, check_level, group_weights, half_samples, tails

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Statistic = Literal["peak", "centre of mass"]
Order = Literal["before", "not before", "undecided"]
Verdict = Literal["agree", "disagree", "undecided"]


class TooFewGroupsError(ValueError):
    """Texts hang together in too few groups for an interval. What does not need one can go on without it."""


@dataclass(frozen=True, eq=False)
class HitCurve:
    """Which texts a probe classified rightly at each layer: what a curve of balanced accuracy is made of.

    Attributes:
        name: the experiment, as words name it.
        hits: (labels, layers, texts), the share of repeats in which the text was classified rightly, 0 to 1; NaN where
            the text does not have the label.
        classes: (labels, texts), the number of the text's class, at least two classes a label; -1 where it has none.
        items: the names of the items of each text, at least one a text.
        depths: (layers,), relative depth of each layer, ascending.

    Raises:
        ValueError: if one of these does not hold.
    """

    name: str
    hits: FloatArray
    classes: IntArray
    items: Sequence[Collection[str]]
    depths: FloatArray

    def __post_init__(self) -> None:
        """Refuse hits, classes, items and depths that do not fit together."""
        if self.hits.ndim != 3 or 0 in self.hits.shape:
            msg = f"hits: shape {self.hits.shape}; expected (labels, layers, texts), none of them 0"
            raise ValueError(msg)
        labels, layers, texts = self.hits.shape
        if self.classes.shape != (labels, texts):
            msg = f"classes: shape {self.classes.shape}; expected {(labels, texts)}"
            raise ValueError(msg)
        if len(self.items) != texts:
            msg = f"items: {len(self.items)} texts; hits has {texts}"
            raise ValueError(msg)
        if self.depths.shape != (layers,) or not (np.diff(self.depths) > 0).all():
            msg = f"depths: {self.depths}; expected {layers} ascending numbers"
            raise ValueError(msg)
        held = np.broadcast_to(self.classes[:, None, :] >= 0, self.hits.shape)
        inside = (self.hits >= 0) & (self.hits <= 1)
        if (inside != held).any() or (np.isnan(self.hits) == held).any():
            msg = f"hits: {self.name}: expected 0 to 1 where a text has a class, and NaN where it has none"
            raise ValueError(msg)
        for label, codes in enumerate(self.classes):
            if len(np.unique(codes[codes >= 0])) < 2:
                msg = f"classes: label {label} of {self.name} has fewer than two classes"
                raise ValueError(msg)

    @property
    def texts(self) -> int:
        """Number of texts."""
        return len(self.items)

    @property
    def chance(self) -> float:
        """What guessing scores: the mean over labels of 1 / number of classes."""
        return float(np.mean([1 / len(np.unique(codes[codes >= 0])) for codes in self.classes]))

    @cached_property
    def curve(self) -> FloatArray:
        """Score of each layer, of all texts: (layers,)."""
        curve: FloatArray = self.scores(np.ones((1, self.texts)))[0]
        return curve

    def scores(self, weights: npt.ArrayLike) -> FloatArray:
        """Return the balanced accuracy of every layer under other weights of the texts, as a bootstrap draws them.

        The mean over labels of the mean over classes of the weighted mean of hits.

        Args:
            weights: (samples, texts), at least 0.

        Returns:
            (samples, layers), 0 to 1.

        Raises:
            TooFewGroupsError: if a sample lacks a class: then there are too few groups of texts for an interval.
                Samples that lack a class are never left out, for the others would not be drawn as the bootstrap says.
            ValueError: if the weights do not fit the texts.
        """
        table = np.asarray(weights, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != self.texts or not (table >= 0).all():
            msg = f"weights: shape {table.shape}; expected (samples, {self.texts} texts), numbers of at least 0"
            raise ValueError(msg)
        total = np.zeros((len(table), self.hits.shape[1]))
        for label, codes in enumerate(self.classes):
            names = np.unique(codes[codes >= 0])
            for name in names:
                members = np.flatnonzero(codes == name)
                own = table[:, members]
                size = own.sum(axis=1, keepdims=True)
                if not size.all():
                    msg = (
                        f"weights: a sample lacks class {name} of label {label} of {self.name}; too few groups hold it"
                    )
                    raise TooFewGroupsError(msg)
                total += own @ self.hits[label, :, members] / size / len(names)
        return total / len(self.classes)

    def contributions(self, units: IntArray, *, count: int) -> FloatArray:
        """Return by how much the score of every layer shifts where a unit of texts weighs one more.

        The first order of `scores` in the weights (the infinitesimal jackknife, Efron 1982, chapter 6): a weighting w
        of the units scores about curve + w @ contributions. It is exact where weights leave every class its size, as in
        closed blocks, and it has a value where a part of the texts lacks a class.

        Args:
            units: (texts,), the unit of each text (`paired_units`), below `count`.
            count: number of units, of which some may hold no text of this curve.

        Returns:
            (count, layers), summing to 0 over units.

        Raises:
            ValueError: if there is not one unit a text.
        """
        if units.shape != (self.texts,):
            msg = f"units: shape {units.shape}; expected ({self.texts},)"
            raise ValueError(msg)
        shifts = np.zeros((count, self.hits.shape[1]))
        for label, codes in enumerate(self.classes):
            names = np.unique(codes[codes >= 0])
            for name in names:
                members = np.flatnonzero(codes == name)
                own = self.hits[label][:, members].T
                share = len(members) * len(names) * len(self.classes)
                np.add.at(shifts, units[members], (own - own.mean(axis=0)) / share)
        return shifts


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
    verdict: Verdict
    why: str


@dataclass(frozen=True)
class DipBetweenPeaks:
    """A dip of a curve between two maxima.

    Attributes:
        left, bottom, right: layers (counted from the first of the curve) of the two maxima and of the lowest layer
            between, in all texts.
        apparent: size of the dip at these layers, chosen and read on the same texts: biased upward.
        size: the cross-fitted size, which noise alone does not make positive.
        low, high: interval of `size`.
        exceeds: whether `low` is above 0: a dip larger than its interval.
    """

    left: int
    bottom: int
    right: int
    apparent: float
    size: float
    low: float
    high: float
    exceeds: bool


def paired_units(curves: Sequence[HitCurve]) -> list[IntArray]:
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
    curves: Sequence[HitCurve],
    *,
    above_chance: Sequence[bool],
    strict: Sequence[bool] = (True, False),
    statistic: Statistic = "peak",
    samples: int,
    level: float,
    seed: int,
) -> OrderTest:
    """Test whether curves come in the given order, by a paired bootstrap over the items they share.

    Units (`paired_units`) are drawn with replacement, jointly for all curves: a unit drawn k times weighs k in every
    curve that holds it. Each sample places each curve, and the interval of a difference is the percentile one. Two
    places can be asked for:

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
        TooFewGroupsError: where a sample lacks a class (`HitCurve.scores`), as where few of the items of one curve are
            items of the others.
        ValueError: naming the argument.
    """
    _check_order(curves, above_chance=above_chance, strict=strict, level=level)
    units = paired_units(curves)
    weights = group_weights(np.concatenate(units), samples=samples, seed=seed)
    drawn = np.split(weights, np.cumsum([curve.texts for curve in curves])[:-1], axis=1)
    alike = all(np.array_equal(curve.depths, curves[0].depths) for curve in curves)
    in_layers = statistic == "peak" and alike
    observed, replicates = [], []
    for curve, own in zip(curves, drawn, strict=True):
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


def centre_of_mass(scores: npt.ArrayLike, chance: float, depths: npt.ArrayLike) -> FloatArray:
    """Return the mean depth of curves, each layer weighing as much as it exceeds chance.

    sum of depth x (score - chance)+ / sum of (score - chance)+. Layers below chance weigh nothing; noise around chance
    does weigh, and draws the centre to the middle.

    Args:
        scores: (..., layers), finite.
        chance: what guessing scores.
        depths: (layers,), relative depth of each layer.

    Returns:
        (...), between the depths of the first and the last layer; NaN where nothing exceeds chance.

    Raises:
        ValueError: if there is not one depth a layer, or a score is not finite.
    """
    table, places = np.asarray(scores, dtype=np.float64), np.asarray(depths, dtype=np.float64)
    if table.ndim == 0 or places.shape != table.shape[-1:]:
        msg = f"depths: shape {places.shape} for scores of shape {table.shape}; expected one a layer"
        raise ValueError(msg)
    if not np.isfinite(table).all():
        msg = "scores: holds NaN or infinity"
        raise ValueError(msg)
    excess = np.maximum(table - chance, 0.0)
    mass = excess.sum(axis=-1)
    some = mass > 0
    return np.asarray(np.where(some, excess @ places / np.where(some, mass, 1.0), np.nan), dtype=np.float64)


def centre_interval(
    replicates: npt.ArrayLike, chance: float, depths: npt.ArrayLike, *, level: float
) -> tuple[float, float]:
    """Return the percentile interval of the centre of mass; NaN if a bootstrap sample is nowhere above chance.

    Args:
        replicates: (samples, layers), bootstrap samples of the curve, finite.
        chance: what guessing scores.
        depths: (layers,), relative depth of each layer.
        level: coverage, between 0 and 1.

    Raises:
        ValueError: naming the argument.
    """
    check_level(level)
    low, high = np.quantile(centre_of_mass(replicates, chance, depths), tails(level))
    return float(low), float(high)


def normalised(score: npt.ArrayLike, chance: npt.ArrayLike, ceiling: npt.ArrayLike = 1.0) -> FloatArray:
    """Return (score - chance) / (ceiling - chance): 0 is chance, 1 the ceiling; below chance it is negative.

    Raises:
        ValueError: where the ceiling is not above chance.
    """
    floor, top = np.asarray(chance, dtype=np.float64), np.asarray(ceiling, dtype=np.float64)
    if not (top > floor).all():
        msg = f"ceiling: {top}; expected numbers above chance, {floor}"
        raise ValueError(msg)
    return np.asarray((np.asarray(score, dtype=np.float64) - floor) / (top - floor), dtype=np.float64)


def dip_between_peaks(curve: HitCurve, *, splits: int, samples: int, level: float, seed: int) -> DipBetweenPeaks:
    """Test whether a curve dips between two maxima by more than its noise makes.

    The size of a dip at layers left < bottom < right is min(score[left], score[right]) - score[bottom]; ends of the
    curve may be maxima. The largest one of a noisy curve is positive even where the true curve has none. So the layers
    are chosen on a random half of the units (connected components of the item graph) and the size is read on the other
    half, both ways, and averaged over `splits` random halvings. Then a curve with one peak or none gets a size of at
    most 0 on average, wherever the layers fall, and the minimum of two noisy maxima only lowers it.

    The interval is as wide as the sizes of bootstrap samples of units spread about their own mean, which lies lower
    than `size` does, for a sample is noisier than the data it is drawn from. Copies of a unit stay in one half. Halves
    are scored by the `contributions` of their units. On simulated curves that are flat, rise, step or have one peak,
    the interval lies above 0 in at most 2 % of cases at level 0.95: the test is cautious.

    Args:
        curve: at least three layers.
        splits: random halvings to average over, at least 1.
        samples: bootstrap samples, at least 1.
        level: coverage of the interval, between 0 and 1.
        seed: seed of halvings and resampling.

    Raises:
        TooFewGroupsError: with fewer than 4 units.
        ValueError: naming the argument.
    """
    check_level(level)
    if len(curve.depths) < 3:
        msg = f"curve: {len(curve.depths)} layers; a dip needs at least 3"
        raise ValueError(msg)
    units = paired_units([curve])[0]
    every = np.unique(units)
    halves = half_samples(every, samples=splits, seed=seed)
    if not len(halves):
        msg = f"curve: {curve.name} has texts of {len(every)} units; halving needs at least {FEWEST_GROUPS}"
        raise TooFewGroupsError(msg)
    weights = group_weights(every, samples=samples, seed=seed)
    contributions = curve.contributions(units, count=len(every))
    sizes = _cross_fitted(curve.curve, contributions, np.vstack([np.ones_like(every), weights]), halves)
    low, high = sizes[0] + np.quantile(sizes[1:] - sizes[1:].mean(), tails(level))
    left, bottom, right = (int(layers[0]) for layers in _dip_layers(curve.curve[None]))
    apparent = _dip_size(curve.curve[None], np.array([left]), np.array([bottom]), np.array([right]))
    return DipBetweenPeaks(
        left=left,
        bottom=bottom,
        right=right,
        apparent=float(apparent[0]),
        size=float(sizes[0]),
        low=float(low),
        high=float(high),
        exceeds=bool(low > 0),
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


def _together(agreements: Sequence[bool | None]) -> Verdict:
    if all(agreements):
        return "agree"
    return "disagree" if False in agreements else "undecided"


def _cross_fitted(curve: FloatArray, contributions: FloatArray, weights: IntArray, halves: BoolArray) -> FloatArray:
    """Size of the dip whose layers the one half of the units chose and the other read, for each row of weights."""
    total = np.zeros(len(weights))
    for half in halves:
        one, other = (curve + 2 * (weights * part) @ contributions for part in (half, ~half))
        total += _dip_size(other, *_dip_layers(one)) + _dip_size(one, *_dip_layers(other))
    return total / (2 * len(halves))


def _dip_layers(scores: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Layers left < bottom < right of the largest dip of each of the curves (samples, layers)."""
    before = np.maximum.accumulate(scores, axis=1)[:, :-2]
    after = np.maximum.accumulate(scores[:, ::-1], axis=1)[:, ::-1][:, 2:]
    bottom = 1 + (np.minimum(before, after) - scores[:, 1:-1]).argmax(axis=1)
    layers = np.arange(scores.shape[1])
    left = np.where(layers < bottom[:, None], scores, -np.inf).argmax(axis=1)
    right = np.where(layers > bottom[:, None], scores, -np.inf).argmax(axis=1)
    return left, bottom, right


def _dip_size(scores: FloatArray, left: IntArray, bottom: IntArray, right: IntArray) -> FloatArray:
    rows = np.arange(len(scores))
    size: FloatArray = np.minimum(scores[rows, left], scores[rows, right]) - scores[rows, bottom]
    return size


def _check_order(
    curves: Sequence[HitCurve], *, above_chance: Sequence[bool], strict: Sequence[bool], level: float
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
