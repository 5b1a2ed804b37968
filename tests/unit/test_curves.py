"""The shape of curves over layers: planted peaks, valleys and orders, and what noise alone may make of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from fathom.statistics.accuracy_curve import AccuracyCurve, TooFewGroupsError
from fathom.statistics.curve_shape import centre_interval, centre_of_mass, normalised
from fathom.statistics.double_peak import valley_between_peaks
from fathom.statistics.peak_order import order_test, paired_units

few = settings(max_examples=50, deadline=None)
FloatArray = npt.NDArray[np.float64]
LAYERS = np.arange(12)


def bump(peak: int) -> FloatArray:
    return np.asarray(0.5 + 0.35 * np.exp(-(((LAYERS - peak) / 1.5) ** 2)))


def planted(name: str, shape: FloatArray, *, seed: int, units: int = 60, first: int = 0) -> AccuracyCurve:
    """Four texts a unit; whether a probe is correct is sampled by the shape; texts of a unit are hard together."""
    random = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), 4)
    hard = 0.1 * random.standard_normal((len(shape), units))[:, unit]
    correct = random.random((1, len(shape), len(unit))) < np.clip(shape[:, None] + hard, 0, 1)
    classes = np.tile([0, 1], 2 * units)[None]
    items = [[f"item {first + one}"] for one in unit]
    return AccuracyCurve(name, correct.astype(np.float64), classes, items, np.linspace(0, 1, len(shape)))


# Curves made of accuracies per text -----------------------------------------------------------------------------------


@few
@given(st.integers(0, 2**32), st.integers(2, 4))
def test_scores_are_balanced_accuracies(seed: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), random.integers(0, classes, 20)])
    answers = random.integers(0, classes, (2, 3, len(truth)))
    correct = (answers == truth).astype(np.float64)
    correct[1, :, -1] = np.nan
    codes = np.tile(truth, (2, 1))
    codes[1, -1] = -1
    curve = AccuracyCurve("c", correct, codes, [["x"]] * len(truth), np.array([0.0, 0.5, 1.0]))
    times = random.integers(1, 4, len(truth))
    expected = [
        np.mean(
            [
                balanced_accuracy_score(truth, answers[0, layer], sample_weight=times),
                balanced_accuracy_score(truth[:-1], answers[1, layer, :-1], sample_weight=times[:-1]),
            ]
        )
        for layer in range(3)
    ]
    np.testing.assert_allclose(curve.scores(times[None])[0], expected, atol=1e-12)
    assert curve.chance == pytest.approx(1 / classes)


def test_a_sample_without_a_class_is_refused() -> None:
    curve = AccuracyCurve("items", np.ones((1, 2, 2)), np.array([[0, 1]]), [["a"], ["b"]], np.array([0.0, 1.0]))
    with pytest.raises(TooFewGroupsError, match="lacks class 1 of label 0 of items; too few groups"):
        curve.scores([[1, 1], [2, 0]])
    with pytest.raises(ValueError, match="weights"):
        curve.scores([[1, 1, 1]])


def test_contributions_are_the_slope_of_the_scores_in_the_weights() -> None:
    random = np.random.default_rng(0)
    correct = random.random((2, 4, 30))
    classes = np.tile(np.arange(3), (2, 10))
    classes[1, :3] = -1
    correct[1, :, :3] = np.nan
    curve = AccuracyCurve("c", correct, classes, [["x"]] * 30, np.arange(4.0))
    units = random.integers(0, 6, 30)
    shifts = curve.contributions(units, count=7)
    np.testing.assert_allclose(shifts.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(shifts[6], 0)
    for unit in range(6):
        more = 1 + 1e-6 * (units == unit)
        np.testing.assert_allclose((curve.scores(more[None])[0] - curve.curve) / 1e-6, shifts[unit], atol=1e-6)
    with pytest.raises(ValueError, match="units"):
        curve.contributions(units[:5], count=7)


def test_contributions_of_closed_blocks_say_the_score_of_any_half() -> None:
    curve = planted("c", bump(4), seed=0, units=10)
    units = np.repeat(np.arange(10), 4)
    half = np.arange(10) % 2 == 0
    np.testing.assert_allclose(
        curve.curve + 2 * half @ curve.contributions(units, count=10), curve.scores(half[units][None])[0], atol=1e-12
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"correct": np.ones((2, 2))}, "correct: shape"),
        ({"correct": np.full((1, 2, 2), 1.5)}, "correct: c: expected 0 to 1"),
        ({"correct": np.full((1, 2, 2), np.nan)}, "correct: c: expected 0 to 1"),
        ({"classes": np.array([[0, -1]])}, "correct: c: expected 0 to 1"),
        ({"classes": np.array([[0, 0]])}, "classes: label 0 of c has fewer than two"),
        ({"classes": np.array([0, 1])}, "classes: shape"),
        ({"items": [["a"]]}, "items: 1 texts"),
        ({"depths": np.array([1.0, 0.0])}, "depths"),
    ],
)
def test_accuracies_that_do_not_fit_are_refused(change: dict[str, object], words: str) -> None:
    whole: dict[str, object] = {
        "name": "c",
        "correct": np.ones((1, 2, 2)),
        "classes": np.array([[0, 1]]),
        "items": [["a"], ["b"]],
        "depths": np.array([0.0, 1.0]),
    }
    AccuracyCurve(**whole)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=words):
        AccuracyCurve(**{**whole, **change})  # type: ignore[arg-type]


def test_units_are_shared_across_experiments() -> None:
    def curve(items: list[list[str]]) -> AccuracyCurve:
        texts = len(items)
        return AccuracyCurve("c", np.ones((1, 1, texts)), np.arange(texts)[None] % 2, items, np.zeros(1))

    nouns = curve([["cup"], ["tea"], ["dog"], ["fox"]])
    pairs = curve([["cup", "tea"], ["tea", "cup"], ["dog", "cat"]])
    own, other = paired_units([nouns, pairs])
    assert own[0] == own[1] == other[0] == other[1]  # cup and tea are tied by a pair only
    assert own[2] == other[2]
    assert len(set(own.tolist())) == 3  # the fox stands alone
    assert paired_units([nouns])[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="curves: none"):
        paired_units([])


# The order of curves --------------------------------------------------------------------------------------------------


def three(peaks: tuple[int, int, int], seed: int) -> list[AccuracyCurve]:
    names = ("items", "relations", "analogies")
    return [
        planted(name, bump(peak), seed=3 * seed + at) for at, (name, peak) in enumerate(zip(names, peaks, strict=True))
    ]


def test_planted_peaks_are_put_in_order() -> None:
    verdicts, second = [], []
    for seed in range(30):
        found = order_test(three((3, 7, 8), seed), above_chance=[True] * 3, samples=200, level=0.95, seed=seed)
        assert found.statement == "items < relations <= analogies"
        assert found.unit == "layers"
        assert found.pairs[0].order == "before"
        assert found.pairs[0].difference == found.places["relations"] - found.places["items"]
        assert found.pairs[0].before + found.pairs[0].equal + found.pairs[0].after == pytest.approx(1.0)
        assert found.shared_units == found.pairs[0].shared_units == 60
        verdicts.append(found.verdict)
        second.append(found.pairs[1].order)
    assert verdicts.count("agree") >= 27
    assert "disagree" not in verdicts
    assert "not before" not in second


def test_the_centre_of_mass_orders_them_too() -> None:
    orders = []
    for seed in range(20):
        found = order_test(
            three((3, 7, 8), seed),
            above_chance=[True] * 3,
            statistic="centre of mass",
            samples=200,
            level=0.95,
            seed=seed,
        )
        assert found.unit == "relative depth"
        assert found.verdict != "disagree"
        orders.append(found.pairs[0].order)
    assert orders == ["before"] * 20


def test_the_reverse_order_disagrees() -> None:
    for seed in range(10):
        found = order_test(three((8, 5, 3), seed), above_chance=[True] * 3, samples=200, level=0.95, seed=seed)
        assert found.verdict == "disagree"
        assert [pair.order for pair in found.pairs] == ["not before", "not before"]
        assert [pair.agrees for pair in found.pairs] == [False, False]


@pytest.mark.parametrize("statistic", ["peak", "centre of mass"])
@pytest.mark.parametrize("shape", [bump(5), np.minimum(0.5 + 0.1 * LAYERS, 0.8)], ids=["peaked", "plateau"])
def test_equal_curves_are_not_put_before_one_another(statistic: str, shape: FloatArray) -> None:
    """At most 5 % and a binomial error of the cases: 6 of 60 (a chance of 3 % at 5 %)."""
    before = 0
    for seed in range(60):
        pair = [planted(name, shape, seed=2 * seed + at) for at, name in enumerate(("one", "other"))]
        found = order_test(
            pair,
            above_chance=[True, True],
            strict=[True],
            statistic=statistic,  # type: ignore[arg-type]
            samples=200,
            level=0.95,
            seed=seed,
        )
        before += found.pairs[0].order == "before"
        assert (found.verdict == "agree") == (found.pairs[0].order == "before")
    assert before <= 6


def test_a_curve_that_nothing_lifts_above_chance_has_no_peak_to_order() -> None:
    curves = three((3, 7, 8), seed=0)
    found = order_test(curves, above_chance=[True, True, False], samples=100, level=0.95, seed=0)
    assert found.pairs[0].agrees is True
    assert (found.pairs[1].order, found.pairs[1].agrees) == ("undecided", None)
    assert found.verdict == "undecided"
    assert found.why == "analogies nowhere above chance"


def test_no_centre_of_mass_no_order() -> None:
    low = planted("low", np.full(12, 0.05), seed=0)
    found = order_test(
        [planted("high", bump(3), seed=1), low],
        above_chance=[True, True],
        strict=[True],
        statistic="centre of mass",
        samples=50,
        level=0.95,
        seed=0,
    )
    assert found.verdict == "undecided"
    assert np.isnan(found.places["low"])
    assert found.pairs[0].why == "high or low is nowhere above chance in a bootstrap sample"
    assert np.isnan(found.pairs[0].before)


def test_curves_without_a_shared_item_are_told_to_be_unpaired() -> None:
    curves = [planted("one", bump(3), seed=0), planted("other", bump(8), seed=1, first=1000)]
    found = order_test(curves, above_chance=[True, True], strict=[True], samples=100, level=0.95, seed=0)
    assert found.shared_units == found.pairs[0].shared_units == 0
    assert found.verdict == "agree"


def test_shared_units_move_together() -> None:
    """The same texts under two names: every sample places both alike."""
    curves = [planted(name, np.full(12, 0.7), seed=0) for name in ("one", "other")]
    found = order_test(curves, above_chance=[True, True], strict=[False], samples=100, level=0.95, seed=0)
    assert (found.pairs[0].equal, found.pairs[0].low, found.pairs[0].high) == (1.0, 0.0, 0.0)
    assert (found.pairs[0].order, found.verdict) == ("not before", "agree")
    strict = order_test(curves, above_chance=[True, True], strict=[True], samples=100, level=0.95, seed=0)
    assert strict.verdict == "disagree"


def test_peaks_of_curves_with_other_layers_are_compared_in_relative_depth() -> None:
    short = planted("short", bump(3)[:8], seed=0)
    found = order_test(
        [short, planted("long", bump(8), seed=1)],
        above_chance=[True, True],
        strict=[True],
        samples=50,
        level=0.95,
        seed=0,
    )
    assert found.unit == "relative depth"
    assert found.places["short"] == pytest.approx(3 / 7)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"above_chance": [True]}, "above_chance: 1 entries for 3 curves; expected 3"),
        ({"strict": [True]}, "strict: 1 entries for 3 curves; expected 2"),
        ({"level": 1.0}, "level: 1.0"),
        ({"samples": 0}, "samples: 0"),
    ],
)
def test_wrong_arguments_of_the_order_are_refused(change: dict[str, object], words: str) -> None:
    given_: dict[str, object] = {"above_chance": [True] * 3, "samples": 10, "level": 0.95, "seed": 0, **change}
    with pytest.raises(ValueError, match=words):
        order_test(three((3, 7, 8), 0), **given_)  # type: ignore[arg-type]


def test_one_curve_or_one_name_has_no_order() -> None:
    curve = planted("one", bump(3), seed=0)
    with pytest.raises(ValueError, match="curves: 1"):
        order_test([curve], above_chance=[True], strict=[], samples=10, level=0.95, seed=0)
    with pytest.raises(ValueError, match="curves: names one, one"):
        order_test([curve, curve], above_chance=[True] * 2, strict=[True], samples=10, level=0.95, seed=0)


# Centre of mass and normalised scores ---------------------------------------------------------------------------------


def test_centre_of_mass_weighs_what_exceeds_chance() -> None:
    depths = np.array([0.0, 0.5, 1.0])
    assert centre_of_mass([0.5, 0.8, 0.5], 0.5, depths) == pytest.approx(0.5)
    assert centre_of_mass([0.1, 0.6, 0.7], 0.5, depths) == pytest.approx((0.1 * 0.5 + 0.2) / 0.3)
    both = centre_of_mass([[0.9, 0.5, 0.5], [0.5, 0.4, 0.3]], 0.5, depths)
    assert both[0] == 0.0
    assert np.isnan(both[1])


def test_interval_of_the_centre() -> None:
    depths = np.linspace(0, 1, 5)
    peaks = 0.5 + 0.3 * np.eye(5)[np.repeat([1, 2, 3], [10, 80, 10])]
    assert centre_interval(peaks, 0.5, depths, level=0.9) == (0.25, 0.75)
    peaks[0] = 0.4
    assert np.isnan(centre_interval(peaks, 0.5, depths, level=0.9)).all()


def test_normalised_scores_are_never_clipped() -> None:
    np.testing.assert_allclose(normalised([0.5, 1.0, 0.25, 0.75], 0.5), [0, 1, -0.5, 0.5])
    assert normalised(0.6, 0.2, 0.7) == pytest.approx(0.8)
    with pytest.raises(ValueError, match="ceiling"):
        normalised(0.5, 0.5, 0.5)


def test_wrong_arguments_of_the_centre_are_refused() -> None:
    with pytest.raises(ValueError, match="depths"):
        centre_of_mass([0.5, 0.6], 0.5, [0.0])
    with pytest.raises(ValueError, match="scores"):
        centre_of_mass([0.5, np.nan], 0.5, [0.0, 1.0])
    with pytest.raises(ValueError, match="level"):
        centre_interval([[0.5, 0.6]], 0.5, [0.0, 1.0], level=0.0)


# A valley between two peaks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [np.full(12, 0.7), np.linspace(0.5, 0.9, 12), bump(5), np.where(LAYERS < 4, 0.6, 0.8)],
    ids=["flat", "monotone", "peaked", "step"],
)
def test_noise_makes_no_valley(shape: FloatArray) -> None:
    """Over 200 seeds a false positive rate of at most 5 % and a binomial error: 16 of 200."""
    found = [
        valley_between_peaks(planted("c", shape, seed=seed, units=40), splits=5, samples=100, level=0.95, seed=seed)
        for seed in range(200)
    ]
    assert sum(one.exceeds for one in found) <= 16
    assert np.mean([one.size for one in found]) < 0.005
    # A valley chosen and read on the same texts is there every time: that is what the halves are for.
    assert np.mean([one.apparent for one in found]) > 0.02


def test_a_planted_valley_is_found_where_it_is() -> None:
    shape = np.array([0.5, 0.6, 0.7, 0.8, 0.85, 0.7, 0.5, 0.5, 0.7, 0.85, 0.6, 0.5])
    for seed in range(20):
        found = valley_between_peaks(planted("c", shape, seed=seed), splits=10, samples=200, level=0.95, seed=seed)
        assert found.exceeds
        assert (found.left in (3, 4), found.bottom in (6, 7), found.right) == (True, True, 9)
        assert found.low < found.size < found.high
        assert found.size == pytest.approx(0.3, abs=0.15)


def test_what_has_no_room_for_a_valley_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least 3"):
        valley_between_peaks(planted("c", np.array([0.5, 0.6]), seed=0), splits=2, samples=2, level=0.9, seed=0)
    with pytest.raises(ValueError, match="texts of 3 units"):
        valley_between_peaks(planted("c", bump(3), seed=0, units=3), splits=2, samples=2, level=0.9, seed=0)
    with pytest.raises(ValueError, match="level"):
        valley_between_peaks(planted("c", bump(3), seed=0), splits=2, samples=2, level=2, seed=0)
