"""The figure of sinks and what it is drawn from: norms and rates of the tokens that a rule names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.drawings import LONG_NAME, LONG_NOTES, check_band, check_texts, labels, names, points, written

from fathom.figures.drawing.style import render
from fathom.figures.metrics.sinks import NORM_COLUMNS, RATE_COLUMNS, draw_sinks, summarise_sinks
from fathom.statistics.resampling import bootstrap_mean

# Text t0 has two sink tokens, t1 one, t2 (of the same group as t1) one that is named at the last layer only, t3 none.
NORMS = {
    ("t0", 0): [1.0, 50.0, 60.0],
    ("t0", 7): [2.0, 30.0, 80.0],
    ("t1", 0): [1.5, 100.0, 100.0],
    ("t2", 0): [1.1, 10.0, 40.0],
}
GROUPS = {"t0": "a", "t1": "b", "t2": "b"}
HEADS = {("t0", 0): [0.2, 0.5], ("t0", 7): [0.4, 0.1], ("t1", 0): [0.8, 0.9]}


def sink_rows(view: str = "original") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "text": text,
                "group": GROUPS[text],
                "view": view,
                "layer": layer,
                "depth": layer / 2,
                "position": position,
                "norm_ratio": ratio,
                "named": ratio > 20,
                # Blocks begin at layer 1, and only two texts are in the sample.
                "heads": HEADS.get((text, position), [np.nan, np.nan])[layer - 1] if layer else np.nan,
            }
            for (text, position), ratios in NORMS.items()
            for layer, ratio in enumerate(ratios)
        ]
    )


def position_rows(view: str = "original", texts: int = 4) -> pd.DataFrame:
    """Position 0 is in all texts, position 1 in all but one."""
    return pd.DataFrame(
        [
            {"view": view, "layer": layer, "depth": layer / 2, "position": position, "texts": texts - position}
            for layer in range(3)
            for position in range(2)
        ]
    )


def summarise(sinks: pd.DataFrame, positions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return summarise_sinks(sinks, positions, samples=200, level=0.9, seed=3)


def test_norms_are_median_and_quartiles_over_texts_of_the_largest_sink() -> None:
    norms, _ = summarise(sink_rows(), position_rows())

    assert tuple(norms.columns) == NORM_COLUMNS
    assert norms["layer"].tolist() == [0, 1, 2]
    assert norms["depth"].tolist() == [0.0, 0.5, 1.0]
    assert norms["texts"].tolist() == [3, 3, 3]
    # Largest of each text: layer 0: 2, 1.5, 1.1; layer 1: 50, 100, 10; layer 2: 80, 100, 40.
    assert norms["value"].tolist() == [1.5, 50.0, 80.0]
    np.testing.assert_allclose(norms["low"], [1.3, 30.0, 60.0])
    np.testing.assert_allclose(norms["high"], [1.75, 75.0, 90.0])


def test_rate_of_texts_is_over_all_texts() -> None:
    _, rates = summarise(sink_rows(), position_rows())

    assert tuple(rates.columns) == RATE_COLUMNS
    texts = rates[rates["kind"] == "texts"]
    assert texts["value"].tolist() == [0.0, 0.5, 0.75]
    assert texts["texts"].tolist() == [4, 4, 4]
    named = np.array([[0, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]], dtype=float)
    _, low, high = bootstrap_mean(named, ["a", "b", "b", "c"], samples=200, level=0.9, seed=3)
    np.testing.assert_array_equal(texts["low"], low)
    np.testing.assert_array_equal(texts["high"], high)


def test_rate_of_heads_is_over_sampled_texts_and_layers() -> None:
    _, rates = summarise(sink_rows(), position_rows())

    heads = rates[rates["kind"] == "heads"]
    assert heads["layer"].tolist() == [1, 2]
    assert heads["texts"].tolist() == [2, 2]
    np.testing.assert_allclose(heads["value"], [0.6, 0.7])
    _, low, high = bootstrap_mean([[0.4, 0.5], [0.8, 0.9]], ["a", "b"], samples=200, level=0.9, seed=3)
    np.testing.assert_allclose(heads["low"], low)
    np.testing.assert_allclose(heads["high"], high)


def test_without_a_sample_of_attention_there_is_no_rate_of_heads() -> None:
    _, rates = summarise(sink_rows().assign(heads=np.nan), position_rows())

    assert set(rates["kind"]) == {"texts"}


def test_without_sinks_there_are_no_norms_and_the_rate_is_zero() -> None:
    norms, rates = summarise(sink_rows().iloc[:0], position_rows())

    assert norms.empty
    assert tuple(norms.columns) == NORM_COLUMNS
    assert rates["kind"].tolist() == ["texts"] * 3
    assert (rates[["value", "low", "high"]] == 0).all(axis=None)
    assert rates["texts"].tolist() == [4, 4, 4]


def test_texts_of_a_single_group_have_rates_without_an_interval() -> None:
    _, rates = summarise(sink_rows().assign(group="a"), position_rows(texts=3))

    assert rates["value"].notna().all()
    assert rates[["low", "high"]].isna().all(axis=None)


def test_views_are_apart_and_the_order_of_rows_does_not_matter() -> None:
    sinks = pd.concat([sink_rows(), sink_rows("other")])
    positions = pd.concat([position_rows(), position_rows("other"), position_rows("third")])

    norms, rates = summarise(sinks, positions)
    shuffled = summarise(sinks.sample(frac=1, random_state=0), positions)

    assert list(dict.fromkeys(norms["view"])) == ["original", "other"]
    assert list(dict.fromkeys(rates["view"])) == ["original", "other", "third"]
    pd.testing.assert_frame_equal(norms, shuffled[0])
    pd.testing.assert_frame_equal(rates, shuffled[1])


def test_summary_refuses_bad_tables() -> None:
    with pytest.raises(ValueError, match=r"^sinks: columns are missing: named$"):
        summarise(sink_rows().drop(columns="named"), position_rows())
    with pytest.raises(ValueError, match=r"^token_norms: columns are missing: texts$"):
        summarise(sink_rows(), position_rows().drop(columns="texts"))
    with pytest.raises(ValueError, match=r"^token_norms: there are no rows"):
        summarise(sink_rows(), position_rows().iloc[:0])
    with pytest.raises(ValueError, match="text t2 has no value at some layer"):
        summarise(sink_rows().iloc[:-1], position_rows())
    mixed = sink_rows()
    mixed.loc[(mixed["text"] == "t1") & (mixed["layer"] == 2), "group"] = "z"
    with pytest.raises(ValueError, match="text t1 is not in exactly one group"):
        summarise(mixed, position_rows())
    with pytest.raises(ValueError, match="3 texts have a sink, but token_norms is of 2"):
        summarise(sink_rows(), position_rows(texts=2))


# The figure


def curve(model: str, last: int, corpus: str, first: int = 0, **columns: str) -> pd.DataFrame:
    layers = np.arange(first, last + 1)
    value = 0.5 + 0.3 * np.cos(6 * layers / last)
    return pd.DataFrame(
        {
            "model": model,
            "corpus": corpus,
            **columns,
            "layer": layers,
            "depth": layers / last,
            "value": value,
            "low": value - 0.05,
            "high": value + 0.06,
            "texts": 40,
        }
    )


def valley_of(models: dict[str, int], corpora: tuple[str, ...] = ("prose", "code")) -> pd.DataFrame:
    return pd.concat(
        curve(model, last, corpus, sinks=sinks)
        for model, last in models.items()
        for corpus in corpora
        for sinks in ("with", "without")
    )


def norms_of(models: dict[str, int], corpora: tuple[str, ...] = ("prose", "code")) -> pd.DataFrame:
    frames = [curve(model, last, corpus) for model, last in models.items() for corpus in corpora]
    norms = pd.concat(frames)
    norms[["value", "low", "high"]] = 10.0 ** (3 * norms[["value", "low", "high"]])
    return norms


def rates_of(
    models: dict[str, int], corpora: tuple[str, ...] = ("prose", "code"), kinds: tuple[str, ...] = ("heads", "texts")
) -> pd.DataFrame:
    return pd.concat(
        curve(model, last, corpus, first=1 if kind == "heads" else 0, kind=kind)
        for model, last in models.items()
        for corpus in corpora
        for kind in kinds
    )


def test_three_panels_a_model_with_every_curve_and_its_band() -> None:
    models = {"small": 6, "large": 30}
    valley, norms, rates = valley_of(models), norms_of(models), rates_of(models)

    figure = draw_sinks(valley, norms, rates, title="Sinks", notes=LONG_NOTES)

    assert names(figure) == ["small", "large"]
    tops, middles, bottoms = figure.axes[:2], figure.axes[2:4], figure.axes[4:]
    for at, model in enumerate(models):
        for corpus in ("prose", "code"):
            for axes, frame, word, column in (
                (tops[at], valley, "with", "sinks"),
                (tops[at], valley, "without", "sinks"),
                (middles[at], norms.assign(all="norm"), "norm", "all"),
                (bottoms[at], rates, "heads", "kind"),
                (bottoms[at], rates, "texts", "kind"),
            ):
                rows = frame[(frame["model"] == model) & (frame["corpus"] == corpus) & (frame[column] == word)]
                np.testing.assert_allclose(points(axes, f"{corpus}, {word}"), rows[["depth", "value"]].to_numpy())
                check_band(axes, f"{corpus}, {word}, interval", rows[["depth", "low", "high"]].to_numpy())
    assert all(axes.get_yscale() == "log" for axes in middles)
    assert all(axes.get_ylim() == (-0.04, 1.04) for axes in bottoms)
    assert [axes.get_xlabel() for axes in figure.axes] == [""] * 4 + ["relative depth"] * 2


def test_a_model_without_sinks_or_sample_says_so() -> None:
    models = {"both": 6, "no sample": 6, "no sinks": 6}
    sample, sinks = {"both": 6}, {"both": 6, "no sample": 6}
    rates = pd.concat([rates_of(sample, kinds=("heads",)), rates_of(models, kinds=("texts",))])

    figure = draw_sinks(valley_of(models), norms_of(sinks), rates, title="Sinks")

    said = {
        text.get_text().replace("\n", " "): (labels(axes), axes.get_subplotspec().colspan.start)  # type: ignore[union-attr]
        for axes in figure.axes
        for text in axes.texts
        if text.get_text().startswith("no ")
    }
    assert said == {
        "no token is a sink by the rule": ([], 2),
        "no attention to the sink was sampled": (["prose, texts", "code, texts"], 1),
    }
    check_texts(figure)


def test_a_corpus_without_sinks_is_named() -> None:
    models = {"m": 6}

    figure = draw_sinks(valley_of(models), norms_of(models, ("prose",)), rates_of(models), title="Sinks")

    assert "no token is a sink by the rule (code)" in [text.replace("\n", " ") for text in written(figure)]


def test_no_sinks_at_all_can_be_drawn() -> None:
    models = {"m": 6}

    figure = draw_sinks(
        valley_of(models), norms_of(models).iloc[:0], rates_of(models, kinds=("texts",)).iloc[:0], title="Sinks"
    )

    check_texts(figure)
    assert render(figure, "svg")


@pytest.mark.parametrize("models", [1, 3, 5])
def test_texts_keep_clear_of_each_other(models: int) -> None:
    some = dict(list({LONG_NAME: 30, "small": 6, "x" * 60: 12, "EleutherAI/pythia-410m": 24, "m": 1}.items())[:models])

    check_texts(draw_sinks(valley_of(some), norms_of(some), rates_of(some), title=LONG_NAME, notes=LONG_NOTES))


def test_summary_can_be_drawn() -> None:
    norms, rates = summarise(sink_rows(), position_rows())
    valley = valley_of({"m": 2}, ("prose",))

    figure = draw_sinks(
        valley, norms.assign(model="m", corpus="prose"), rates.assign(model="m", corpus="prose"), title="Sinks"
    )

    np.testing.assert_allclose(points(figure.axes[1], "prose, norm")[:, 1], [1.5, 50.0, 80.0])
    np.testing.assert_allclose(points(figure.axes[2], "prose, heads")[:, 0], [0.5, 1.0])


def test_sinks_refuse_what_they_cannot_draw() -> None:
    models = {"m": 6}
    valley, norms, rates = valley_of(models), norms_of(models), rates_of(models)

    with pytest.raises(ValueError, match=r"^valley: columns are missing: sinks$"):
        draw_sinks(valley.drop(columns="sinks"), norms, rates, title="t")
    with pytest.raises(ValueError, match=r"^norms: columns are missing: texts$"):
        draw_sinks(valley, norms.iloc[:0].drop(columns="texts"), rates, title="t")
    with pytest.raises(ValueError, match=r"^rates: columns are missing: kind$"):
        draw_sinks(valley, norms, rates.drop(columns="kind"), title="t")
    with pytest.raises(ValueError, match=r"^valley: there are no rows"):
        draw_sinks(valley.iloc[:0], norms, rates, title="t")
    with pytest.raises(ValueError, match=r"^norms: more than one row for model=m, corpus=prose"):
        draw_sinks(valley, pd.concat([norms, norms]), rates, title="t")
    with pytest.raises(ValueError, match=r"^norms: a logarithmic axis needs"):
        draw_sinks(valley, norms.assign(low=0.0), rates, title="t")
    with pytest.raises(ValueError, match=r"^norms: column model: other is not in valley$"):
        draw_sinks(valley, norms.assign(model="other"), rates, title="t")
    with pytest.raises(ValueError, match="column kind: expected one of heads, texts, found 'layers'"):
        draw_sinks(valley, norms, rates_of(models, kinds=("layers",)), title="t")
    with pytest.raises(ValueError, match="column corpus: at most 6"):
        draw_sinks(valley_of(models, tuple("abcdefg")), norms.iloc[:0], rates.iloc[:0], title="t")
