"""Claims that hold are agreed with, those that do not are not, and chance is agreed with as often as said."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.stats import spearmanr

from fathom.figures.claims.lines import verdict_lines
from fathom.figures.claims.papers import CLAIMS, ClaimName
from fathom.io.summaries import SUMMARY_COLUMNS
from fathom.io.verdicts import VERDICT_TYPES
from fathom.metrics.claims.claim_tests import rank_trend, valley_depth
from fathom.metrics.claims.evaluate import TESTS, verdicts_table
from fathom.metrics.claims.rows import Curves
from fathom.metrics.job import ModesJob
from fathom.metrics.modes import modes_tables
from fathom.statistics.power_law import power_law_entropies

FloatArray = npt.NDArray[np.float64]
Table = tuple[str, str, str, pd.DataFrame]
Planted = Callable[[np.random.Generator], list[Table]]

TEXTS = 24


def rows(values: FloatArray, *, view: str = "original", sinks: str = "with", site: str = "residual") -> pd.DataFrame:
    """Rows of a metric of texts; values (texts, layers), two texts a group."""
    texts, layers = values.shape
    return pd.DataFrame(
        {
            "text": np.repeat([f"t{text}" for text in range(texts)], layers),
            "group": np.repeat([f"g{text // 2}" for text in range(texts)], layers),
            "view": view,
            "site": site,
            "layer": np.tile(np.arange(layers), texts),
            "depth": np.tile(np.arange(layers) / (layers - 1), texts),
            "preparation": "none",
            "sinks": sinks,
            "value": values.ravel(),
            "low": np.nan,
            "high": np.nan,
        }
    )


def corpus_rows(values: FloatArray, half_width: float, view: str = "view-01 and view-02") -> pd.DataFrame:
    """Rows of a metric of the corpus; values (layers,)."""
    layers = np.arange(len(values))
    return pd.DataFrame(
        {
            "text": None,
            "group": None,
            "view": view,
            "layer": layers,
            "depth": layers / layers[-1],
            "preparation": "none",
            "sinks": "none",
            "value": values,
            "low": values - half_width,
            "high": values + half_width,
        }
    )


def curve(depth: float, layers: int) -> FloatArray:
    """A parabola with its valley at mid depth."""
    return depth * (2 * np.linspace(0, 1, layers) - 1) ** 2


def noisy(mean: FloatArray, rng: np.random.Generator, *, texts: int = TEXTS, spread: float = 0.1) -> FloatArray:
    """Curves around a mean one; the noise of a text is shared by its layers, that of a group by its texts."""
    groups = np.repeat(rng.normal(0, spread, texts // 2), 2)[:, None]
    return mean + groups + rng.normal(0, spread, (texts, 1)) + rng.normal(0, spread, (texts, len(mean)))


def evaluate(claim: str, frames: list[Table], *, samples: int, level: float, seed: int) -> list[str]:
    """Lines of a caption, in which models bear their names in capitals."""
    table = verdicts_table(claim, frames, samples=samples, level=level, seed=seed)
    assert set(table["name"]) <= {*(metric.removesuffix(".modes") for _, _, metric, _ in frames)}
    return verdict_lines(table, {model: model.upper() for model, _, _, _ in frames})


def words(
    claim: ClaimName, frames: list[Table], *, level: float = 0.95, samples: int = 300, seed: int = 0
) -> list[str]:
    """The last word of every verdict: agrees, disagrees or undecided."""
    lines = evaluate(claim, frames, samples=samples, level=level, seed=seed)
    found = []
    for line in lines:
        word = re.search(r": (agrees|disagrees|undecided)( \(.+\))?\.$", line)
        assert word is not None, line
        found.append(word.group(1))
    return found


def models(
    metric: str, *means: FloatArray, rng: np.random.Generator, spread: float = 0.1, sinks: str = "with"
) -> list[Table]:
    return [
        (f"m{at}", "prose", metric, rows(noisy(mean, rng, spread=spread), sinks=sinks)) for at, mean in enumerate(means)
    ]


def sweep(steps: dict[float, FloatArray], rng: np.random.Generator, *, spread: float = 0.05) -> list[Table]:
    texts = noisy(np.zeros(7), rng)
    views = [
        rows(texts + mean + rng.normal(0, spread, texts.shape), view=f"step {at}").assign(
            raw=lambda rows: rows["value"], quantity=quantity
        )
        for at, (quantity, mean) in enumerate(steps.items())
    ]
    return [("m", "repeated", "prompt_entropy", pd.concat(views))]


def by_probability(slope: float) -> dict[float, FloatArray]:
    return {p: np.full(7, slope * p) for p in (0.0, 0.25, 0.5, 0.9)}


def by_length(exponent: float, factor: float = 1.0) -> dict[float, FloatArray]:
    return {length: np.full(7, factor * np.log(length) ** exponent) for length in (64, 128, 256, 512)}


def stages(rise: float, rng: np.random.Generator) -> list[Table]:
    """Effective ranks of 10 on the residual stream, `rise` more in the outputs of sub-layers."""
    stream = noisy(np.full(7, 10.0), rng)
    outputs = stream[:, 1:] + rise + rng.normal(0, 0.1, (TEXTS, 6))
    frames = [rows(stream), *(_inner(outputs, site) for site in ("attention", "mlp"))]
    return [("m", "prose", "effective_rank", pd.concat(frames))]


def _inner(values: FloatArray, site: str) -> pd.DataFrame:
    """Rows of a sub-layer, whose layers begin at 1."""
    found = rows(values, site=site)
    return found.assign(layer=found["layer"] + 1, depth=(found["layer"] + 1) / values.shape[1])


def checkpoints(changes: list[FloatArray], rng: np.random.Generator) -> list[Table]:
    values, found = noisy(np.zeros(9), rng), []
    for step, change in enumerate([np.zeros(9), *changes]):
        values = values + change * (1 + rng.normal(0, 0.1, (TEXTS, 1)))
        found.append((f"step {step}", "prose", "prompt_entropy", rows(values)))
    return found


def levels(metric: str, *means: float, half_width: float, rng: np.random.Generator, noise: float = 0.0) -> list[Table]:
    return [
        (f"m{at}", "views", metric, corpus_rows(np.full(5, mean + rng.normal(0, noise)), half_width))
        for at, mean in enumerate(means)
    ]


def two_modes(share: float, rng: np.random.Generator, *, samples: int = 500) -> list[Table]:
    values = rng.normal(0, 0.05, (60, 4))
    values[: int(60 * share), 2] += 1
    table = rows(values).assign(site="residual")
    texts = pd.DataFrame({"id": table["text"].unique(), "view": "original", "text": "a text"})
    job = ModesJob(model="m", corpus="prose", metric="prompt_entropy", samples=samples, level=0.95, seed=0)
    return [("m", "prose", "prompt_entropy.modes", modes_tables(job, table, texts)[0])]


MIDDLE = np.where((np.linspace(0, 1, 9) > 0.3) & (np.linspace(0, 1, 9) < 0.7), 1.0, 0.2)
LATE = np.where(np.linspace(0, 1, 9) < 0.3, 0.05, 0.5)


@pytest.mark.parametrize(
    ("claim", "planted", "expected"),
    [
        ("fig2", lambda rng: models("prompt_entropy", curve(0.5, 31), curve(0.0, 7), rng=rng), ["agrees"]),
        ("fig2", lambda rng: models("prompt_entropy", curve(0.0, 31), curve(0.5, 7), rng=rng), ["disagrees"]),
        (
            "fig10",
            lambda rng: models("prompt_entropy", curve(0.5, 9), curve(0.0, 7), curve(1.5, 9), rng=rng),
            ["agrees", "disagrees"],
        ),
        ("fig4", lambda rng: checkpoints([MIDDLE], rng), ["agrees", "undecided"]),
        ("fig4", lambda rng: checkpoints([1.2 - MIDDLE], rng), ["disagrees", "undecided"]),
        ("fig11", lambda rng: checkpoints([MIDDLE, LATE], rng), ["agrees", "agrees"]),
        ("fig11", lambda rng: checkpoints([MIDDLE, 0.1 * LATE, 0.1 * (1 - LATE)], rng), ["agrees", "disagrees"]),
        ("fig6a", lambda rng: sweep(by_probability(-1.0), rng), ["agrees"]),
        ("fig6a", lambda rng: sweep(by_probability(1.0), rng), ["disagrees"]),
        ("fig6b", lambda rng: sweep(by_probability(1.0), rng), ["agrees"]),
        ("fig6b", lambda rng: sweep(by_probability(-1.0), rng), ["disagrees"]),
        ("fig6c", lambda rng: sweep(by_length(0.5), rng), ["agrees", "agrees"]),
        ("fig6c", lambda rng: sweep(by_length(2.0), rng), ["agrees", "disagrees"]),
        ("fig6c", lambda rng: sweep(by_length(0.5, -1.0), rng), ["disagrees", "disagrees"]),
        ("fig15", lambda rng: stages(1.0, rng), ["agrees"]),
        ("fig15", lambda rng: stages(-1.0, rng), ["disagrees"]),
        (
            "fig12",
            lambda rng: [
                *models("prompt_entropy", curve(0.0, 7), curve(0.5, 13), rng=rng),
                *models("curvature", np.full(7, 2.0), np.full(13, 1.5), rng=rng),
                *levels("lidar", 0.3, 0.6, half_width=0.1, rng=rng),
            ],
            ["agrees"] * 3,
        ),
        (
            "fig12",
            lambda rng: [
                *models("prompt_entropy", curve(1.0, 7), curve(0.5, 9), curve(0.0, 13), rng=rng),
                *models("curvature", np.full(7, 1.0), np.full(9, 1.5), np.full(13, 2.0), rng=rng),
                *levels("lidar", 0.6, 0.4, 0.3, half_width=0.1, rng=rng),
            ],
            ["disagrees"] * 3,
        ),
        (
            "fig13",
            lambda rng: levels("infonce", 3.0, 2.0, 4.0, 3.05, half_width=0.1, rng=rng),
            ["agrees", "disagrees", "undecided"],
        ),
        ("bimodal", lambda rng: two_modes(0.4, rng), ["agrees"]),
        ("bimodal", lambda rng: two_modes(0.0, rng), ["undecided"]),
    ],
)
def test_planted_claims(claim: ClaimName, planted: Planted, expected: list[str]) -> None:
    assert words(claim, planted(np.random.default_rng(0))) == expected


@pytest.mark.nightly  # `test_planted_claims` has the verdicts on single runs
@pytest.mark.parametrize(
    ("claim", "planted"),
    [
        # Flat curves of models with different numbers of layers: a valley picked from noise would be deeper in one.
        ("fig2", lambda rng: models("prompt_entropy", np.zeros(15), np.zeros(4), rng=rng)),
        ("fig4", lambda rng: models("prompt_entropy", np.zeros(9), np.zeros(9), np.zeros(9), rng=rng)),
        ("fig6a", lambda rng: sweep(by_probability(0.0), rng)),
        # An 80 % interval of a normal error reaches 1.2816 standard deviations either way.
        ("fig13", lambda rng: levels("infonce", 0.0, 0.0, half_width=0.12816, rng=rng, noise=0.1)),
    ],
)
def test_chance_is_agreed_with_as_often_as_said(claim: ClaimName, planted: Planted) -> None:
    """One run in ten at a level of 80 %; in 200 runs the standard deviation is 2 %; 12 groups narrow the bootstrap."""
    runs = [
        words(claim, planted(np.random.default_rng(seed)), level=0.8, samples=100, seed=seed) for seed in range(200)
    ]
    for verdicts in zip(*runs, strict=True):
        assert 0.04 <= np.mean([verdict == "agrees" for verdict in verdicts]) <= 0.19
        assert 0.04 <= np.mean([verdict == "disagrees" for verdict in verdicts]) <= 0.19


def test_both_choices_of_tokens_have_their_verdict() -> None:
    rng = np.random.default_rng(0)
    sinks = {"with": (0.5, 0.0), "without": (0.0, 0.2)}
    frames: list[Table] = [
        (
            f"m{model}",
            "prose",
            "prompt_entropy",
            pd.concat([rows(noisy(curve(depths[model], 9), rng), sinks=name) for name, depths in sinks.items()]),
        )
        for model in (0, 1)
    ]
    assert words("fig2", frames) == ["agrees", "disagrees"]
    lines = evaluate("fig2", frames, samples=300, level=0.95, seed=0)
    assert "all tokens" in lines[0]
    assert "without sink tokens" in lines[1]


@pytest.mark.parametrize(("claim", "metric", "expected"), [("fig13", "infonce", -1), ("fig12", "lidar", 1)])
def test_claims_on_means_have_a_verdict_for_both_choices_of_tokens(
    claim: ClaimName, metric: str, expected: int
) -> None:
    """In one form the second model is on the side of the claim, in the other form on the other side."""
    rng = np.random.default_rng(0)
    frames: list[Table] = [
        (
            f"m{at}",
            "views",
            metric,
            pd.concat(
                corpus_rows(np.full(5, 2.0 + at * expected * side), 0.1).assign(sinks=sinks)
                for sinks, side in (("with", 1), ("without", -1))
            ),
        )
        for at in (0, 1)
    ]
    if claim == "fig12":
        frames += models("prompt_entropy", curve(0.5, 9), curve(0.5, 9), rng=rng)
        frames += models("curvature", curve(0.5, 9), curve(0.5, 9), rng=rng)
    assert words(claim, frames)[-2:] == ["agrees", "disagrees"]
    lines = evaluate(claim, frames, samples=100, level=0.95, seed=0)[-2:]
    assert [("all tokens" in line, "without sink tokens" in line) for line in lines] == [(True, False), (False, True)]


def test_numbers_in_a_line_are_those_of_the_data() -> None:
    flat, valley = np.tile(np.zeros(5), (8, 1)), np.tile([1.0, 0.5, 0.25, 0.5, 0.8], (8, 1))
    valley += np.arange(8)[:, None]  # an offset of a text changes no depth
    frames: list[Table] = [
        ("decoder", "prose", "prompt_entropy", rows(valley)),
        ("encoder", "prose", "prompt_entropy", rows(flat)),
    ]
    (line,) = evaluate("fig2", frames, samples=100, level=0.95, seed=0)
    assert line == (
        "Here: valley 0.550 [0.550, 0.550] in DECODER against 0.00 [0.00, 0.00] in ENCODER, all tokens: "
        "difference 0.550 [0.550, 0.550]: agrees."
    )


def test_a_verdict_is_a_row_with_the_columns_of_a_summary() -> None:
    rng = np.random.default_rng(0)
    frames = models("prompt_entropy", curve(0.5, 9), curve(0.0, 9), rng=rng)
    table = verdicts_table("fig2", frames, samples=100, level=0.95, seed=0)
    assert list(table.columns) == [*SUMMARY_COLUMNS, *VERDICT_TYPES]
    row = table.iloc[0]
    assert row[["stage", "name", "model", "corpus", "sinks", "claim", "measure"]].tolist() == [
        "metrics",
        "prompt_entropy",
        "m0+m1",
        "prose",
        "with",
        "fig2",
        "difference",
    ]
    assert row["low"] < row["value"] < row["high"]
    assert (row["texts"], row["groups"], row["agrees"]) == (TEXTS, TEXTS // 2, True)


def test_interval_of_a_difference_of_corpus_levels() -> None:
    """Errors of 0.3 and 0.4 make one of 0.5."""
    frames: list[Table] = [
        ("base", "views", "infonce", corpus_rows(np.array([2.0, 4.0]), 0.3)),
        ("tuned", "views", "infonce", corpus_rows(np.array([1.0, 3.0]), 0.4)),
    ]
    (line,) = evaluate("fig13", frames, samples=100, level=0.95, seed=0)
    assert line.replace("\N{MINUS SIGN}", "-").endswith("difference -1.00 [-1.50, -0.500]: agrees.")


def test_power_law() -> None:
    table = power_law_entropies([0.0, 1.0, 2.0], [0.5, 1.0, 2.0], dimension=64)
    assert words("fig7", [("", "", "power_law", table)]) == ["agrees", "disagrees"]
    swapped = table.assign(beta=2 - table["beta"], value_larger_half=table["value"] * (1 - 0.1 * table["alpha"]))
    assert words("fig7", [("", "", "power_law", swapped)]) == ["disagrees", "agrees"]
    line = evaluate("fig7", [("", "", "power_law", table)], samples=1, level=0.95, seed=0)[1]
    at_one = table[(table["beta"] == 1) & (table["alpha"] == 1)].iloc[0]
    assert f"{100 * (1 - at_one['value_larger_half'] / at_one['value']):.2g} % at alpha = 1" in line


def test_one_group_cannot_be_decided() -> None:
    frames = [
        (model, corpus, metric, table.assign(group="g"))
        for model, corpus, metric, table in models(
            "prompt_entropy", curve(0.5, 9), curve(0.0, 9), rng=np.random.default_rng(0)
        )
    ]
    (line,) = evaluate("fig2", frames, samples=100, level=0.95, seed=0)
    assert line.endswith(": undecided (texts of a single group, nothing to resample).")


def test_too_few_samples_for_a_p_are_named() -> None:
    (line,) = evaluate("bimodal", two_modes(0.4, np.random.default_rng(0), samples=50), samples=100, level=0.95, seed=0)
    assert line.endswith("undecided (with 50 samples no p is below 0.078).")


def test_layers_at_which_a_text_has_no_value_are_left_out() -> None:
    rng = np.random.default_rng(0)
    frames = models("prompt_entropy", curve(0.5, 9), curve(0.0, 9), rng=rng)
    broken = frames[0][3].copy()
    broken.loc[(broken["text"] == "t3") & (broken["layer"] == 4), "value"] = np.nan
    broken.loc[broken["layer"] == 0, "value"] = np.nan
    kept = broken[~broken["layer"].isin([0, 4])]
    other = frames[1][3]
    one, two = frames[0][:3], frames[1][:3]
    whole = evaluate("fig2", [(*one, broken), frames[1]], samples=100, level=0.95, seed=0)
    assert whole == evaluate("fig2", [(*one, kept), (*two, other)], samples=100, level=0.95, seed=0)


def test_texts_as_they_are_come_before_their_views() -> None:
    rng = np.random.default_rng(0)
    frames = models("prompt_entropy", curve(0.5, 9), curve(0.0, 9), rng=rng)
    views: list[Table] = [(model, "views", metric, table.assign(view="view-01")) for model, _, metric, table in frames]
    assert evaluate("fig2", [*views, *frames], samples=50, level=0.9, seed=0) == evaluate(
        "fig2", frames, samples=50, level=0.9, seed=0
    )
    assert len(evaluate("fig2", views, samples=50, level=0.9, seed=0)) == 1


def test_depth_of_a_valley_is_read_where_the_other_half_has_it() -> None:
    values = pd.DataFrame([[1.0, 0.0, 0.5, 1.0], [2.0, 1.5, 0.0, 2.0]], index=["a", "b"])
    curves = Curves("prompt_entropy", "m", "c", "with", values, np.linspace(0, 1, 4), pd.Series({"a": "g0", "b": "g1"}))
    assert valley_depth(curves).to_dict() == {"a": 0.5, "b": 0.5}


def test_rank_trend_is_spearmans() -> None:
    table = pd.DataFrame(np.random.default_rng(0).integers(0, 4, (20, 6)))
    for at, row in enumerate(table.to_numpy()):
        assert rank_trend(table).iloc[at] == pytest.approx(spearmanr(np.arange(6), row).statistic)
    assert rank_trend(pd.DataFrame([[1.0, 1.0, 1.0]])).tolist() == [0.0]


def test_every_claim_is_named_by_its_key() -> None:
    assert list(TESTS) == list(CLAIMS) == list(get_args(ClaimName))


@pytest.mark.parametrize(
    ("claim", "frames", "message"),
    [
        ("fig2", [], "claim fig2: expected a table of prompt_entropy, found none"),
        (
            "fig12",
            models("prompt_entropy", np.zeros(4), np.zeros(4), rng=np.random.default_rng(0)),
            "table of curvature",
        ),
        ("fig2", models("prompt_entropy", np.zeros(4), rng=np.random.default_rng(0)), "one model, m0"),
        ("fig2", models("prompt_entropy", np.zeros(2), np.zeros(4), rng=np.random.default_rng(0)), "at least 3"),
        (
            "fig4",
            models("prompt_entropy", np.zeros(5), np.zeros(4), rng=np.random.default_rng(0)),
            "different numbers of layers",
        ),
        ("fig6a", sweep({np.nan: np.zeros(7)}, np.random.default_rng(0)), "expected a view with a quantity"),
        ("fig15", models("effective_rank", np.zeros(4), rng=np.random.default_rng(0)), "no outputs of sub-layers"),
        ("fig13", levels("infonce", 1.0, half_width=0.1, rng=np.random.default_rng(0)), "one model, m0"),
        (
            "bimodal",
            levels("prompt_entropy", 1.0, half_width=0.1, rng=np.random.default_rng(0)),
            "prompt_entropy.modes",
        ),
        ("fig13", models("infonce", np.zeros(4), np.zeros(4), rng=np.random.default_rng(0)), "one value a layer"),
        ("fig2", [("m", "c", "prompt_entropy", pd.DataFrame({"text": []}))], "expected rows with group, view"),
    ],
)
def test_what_is_missing_is_named(claim: ClaimName, frames: list[Table], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(claim, frames, samples=50, level=0.95, seed=0)
