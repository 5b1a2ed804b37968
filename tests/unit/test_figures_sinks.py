"""The figure of sinks and what it is drawn from: norms of sink tokens, and heads that attend to them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.drawings import LONG_NAME, LONG_NOTES, check_band, check_texts, labels, names, points, written

from fathom.figures.drawing.style import render
from fathom.figures.metrics.rows import with_gaps
from fathom.figures.metrics.sinks import blocks_notes, draw_sinks, margin_note
from fathom.statistics.resampling import bootstrap_mean
from fathom.statistics.sink_curves import SUMMARY_COLUMNS, summarise_sinks

# Text t0 has two sink tokens, t1 and t2 (of one group) one each.
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
                # Blocks begin at layer 1, and the attention of two texts is known.
                "heads": HEADS.get((text, position), [np.nan, np.nan])[layer - 1] if layer else np.nan,
            }
            for (text, position), ratios in NORMS.items()
            for layer, ratio in enumerate(ratios)
        ]
    )


def margin_rows(view: str = "original") -> pd.DataFrame:
    """Of four texts; t3 has no sink."""
    return pd.DataFrame(
        {
            "text": ["t0", "t1", "t2", "t3"],
            "view": view,
            "sink_tokens": [2, 1, 1, 0],
            "weakest_sink": [4.0, 5.0, 2.0, np.nan],
            "nearest_other": [0.25, 0.5, 0.75, 0.125],
            "rule": "norm above 20",
        }
    )


def summarise(sinks: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return summarise_sinks(sinks, samples=200, level=0.9, seed=3)


def test_norms_are_median_and_quartiles_over_texts_of_the_largest_sink() -> None:
    norms, _ = summarise(sink_rows())

    assert tuple(norms.columns) == SUMMARY_COLUMNS
    assert norms["layer"].tolist() == [0, 1, 2]
    assert norms["depth"].tolist() == [0.0, 0.5, 1.0]
    assert norms["texts"].tolist() == [3, 3, 3]
    # Largest of each text: layer 0: 2, 1.5, 1.1; layer 1: 50, 100, 10; layer 2: 80, 100, 40.
    assert norms["value"].tolist() == [1.5, 50.0, 80.0]
    np.testing.assert_allclose(norms["low"], [1.3, 30.0, 60.0])
    np.testing.assert_allclose(norms["high"], [1.75, 75.0, 90.0])


def test_heads_are_over_texts_and_layers_whose_attention_is_known() -> None:
    _, heads = summarise(sink_rows())

    assert tuple(heads.columns) == SUMMARY_COLUMNS
    assert heads["layer"].tolist() == [1, 2]
    assert heads["texts"].tolist() == [2, 2]
    np.testing.assert_allclose(heads["value"], [0.6, 0.7])
    _, low, high = bootstrap_mean([[0.4, 0.5], [0.8, 0.9]], ["a", "b"], samples=200, level=0.9, seed=3)
    np.testing.assert_allclose(heads["low"], low)
    np.testing.assert_allclose(heads["high"], high)


def test_what_is_not_known_has_no_curve() -> None:
    norms, heads = summarise(sink_rows().assign(heads=np.nan))
    assert heads.empty
    assert norms["layer"].tolist() == [0, 1, 2]
    # After the final norm no sinks are looked for, and no norm is in the table.
    rows = sink_rows()
    norms, _ = summarise(rows.assign(norm_ratio=rows["norm_ratio"].where(rows["layer"] < 2)))
    assert norms["layer"].tolist() == [0, 1]


def test_without_sinks_there_are_no_curves() -> None:
    for found in summarise(sink_rows().iloc[:0]):
        assert found.empty
        assert tuple(found.columns) == SUMMARY_COLUMNS


def test_texts_of_a_single_group_have_heads_without_an_interval() -> None:
    _, heads = summarise(sink_rows().assign(group="a"))

    assert heads["value"].notna().all()
    assert heads[["low", "high"]].isna().all(axis=None)


def test_views_are_apart_and_the_order_of_rows_does_not_matter() -> None:
    sinks = pd.concat([sink_rows(), sink_rows("other")])
    for found, again in zip(summarise(sinks), summarise(sinks.sample(frac=1, random_state=0)), strict=True):
        assert list(dict.fromkeys(found["view"])) == ["original", "other"]
        ordered = again.sort_values(["view", "layer"], ascending=[False, True], ignore_index=True)
        expected = found.sort_values(["view", "layer"], ascending=[False, True], ignore_index=True)
        pd.testing.assert_frame_equal(expected, ordered)


def test_summary_refuses_bad_tables() -> None:
    with pytest.raises(ValueError, match=r"^sinks: columns are missing: heads$"):
        summarise(sink_rows().drop(columns="heads"))
    with pytest.raises(ValueError, match="text t2 has no row at some layer"):
        summarise(sink_rows().iloc[:-1])
    mixed = sink_rows()
    mixed.loc[(mixed["text"] == "t1") & (mixed["layer"] == 2), "group"] = "z"
    with pytest.raises(ValueError, match="text t1 is not in exactly one group"):
        summarise(mixed)


def test_a_note_says_how_near_the_texts_are_to_the_threshold() -> None:
    assert margin_note("m on prose", margin_rows()).replace("\N{NO-BREAK SPACE}", " ") == (
        "m on prose: 3 of 4 texts with a sink, weakest sink 2.00 times the threshold, nearest other token 0.750 of it."
    )
    none = margin_rows().assign(sink_tokens=0, weakest_sink=np.nan)
    assert margin_note("m", none).replace("\N{NO-BREAK SPACE}", " ") == (
        "m: 0 of 4 texts with a sink, nearest other token 0.750 of it."
    )
    alone = margin_rows().iloc[:1].assign(nearest_other=np.nan)
    assert margin_note("m", alone).endswith("with a sink, weakest sink 4.00 times the threshold.")


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


def heads_of(models: dict[str, int], corpora: tuple[str, ...] = ("prose", "code")) -> pd.DataFrame:
    return pd.concat(curve(model, last, corpus, first=1) for model, last in models.items() for corpus in corpora)


def test_three_panels_a_model_with_every_curve_and_its_band() -> None:
    models = {"small": 6, "large": 30}
    valley, norms, heads = valley_of(models), norms_of(models), heads_of(models)

    figure = draw_sinks(valley, norms, heads, title="Sinks", notes=LONG_NOTES)

    assert names(figure) == ["small", "large"]
    tops, middles, bottoms = figure.axes[:2], figure.axes[2:4], figure.axes[4:]
    for at, model in enumerate(models):
        for corpus in ("prose", "code"):
            for axes, frame, word, column in (
                (tops[at], valley, "with", "sinks"),
                (tops[at], valley, "without", "sinks"),
                (middles[at], norms.assign(all="norm"), "norm", "all"),
                (bottoms[at], heads.assign(all="heads"), "heads", "all"),
            ):
                rows = frame[(frame["model"] == model) & (frame["corpus"] == corpus) & (frame[column] == word)]
                np.testing.assert_allclose(points(axes, f"{corpus}, {word}"), rows[["depth", "value"]].to_numpy())
                check_band(axes, f"{corpus}, {word}, interval", rows[["depth", "low", "high"]].to_numpy())
    assert all(axes.get_yscale() == "log" for axes in middles)
    assert all(axes.get_ylim() == (-0.04, 1.04) for axes in bottoms)
    assert [axes.get_xlabel() for axes in figure.axes] == [""] * 4 + ["relative depth"] * 2


def test_a_model_without_sinks_or_attention_says_so() -> None:
    models = {"both": 6, "no attention": 6, "no sinks": 6}
    known, sinks = {"both": 6}, {"both": 6, "no attention": 6}

    figure = draw_sinks(valley_of(models), norms_of(sinks), heads_of(known), title="Sinks")

    said = {
        text.get_text().replace("\n", " "): (labels(axes), axes.get_subplotspec().colspan.start)  # type: ignore[union-attr]
        for axes in figure.axes
        for text in axes.texts
        if text.get_text().startswith(("no ", "attention "))
    }
    assert said == {
        "no token is a sink by the rule": ([], 2),
        "attention to the sink is not known": ([], 1),
    }
    check_texts(figure)


def test_a_corpus_without_sinks_is_named() -> None:
    models = {"m": 6}

    figure = draw_sinks(valley_of(models), norms_of(models, ("prose",)), heads_of(models), title="Sinks")

    assert "no token is a sink by the rule (code)" in [text.replace("\n", " ") for text in written(figure)]


def test_no_sinks_at_all_can_be_drawn() -> None:
    models = {"m": 6}

    figure = draw_sinks(valley_of(models), norms_of(models).iloc[:0], heads_of(models).iloc[:0], title="Sinks")

    check_texts(figure)
    assert render(figure, "svg")


@pytest.mark.parametrize("models", [1, 3, 5])
def test_texts_keep_clear_of_each_other(models: int) -> None:
    some = dict(list({LONG_NAME: 30, "small": 6, "x" * 60: 12, "EleutherAI/pythia-410m": 24, "m": 1}.items())[:models])

    check_texts(draw_sinks(valley_of(some), norms_of(some), heads_of(some), title=LONG_NAME, notes=LONG_NOTES))


def test_summary_can_be_drawn() -> None:
    norms, heads = summarise(sink_rows())
    valley = valley_of({"m": 2}, ("prose",))

    figure = draw_sinks(
        valley, norms.assign(model="m", corpus="prose"), heads.assign(model="m", corpus="prose"), title="Sinks"
    )

    np.testing.assert_allclose(points(figure.axes[1], "prose, norm")[:, 1], [1.5, 50.0, 80.0])
    np.testing.assert_allclose(points(figure.axes[2], "prose, heads")[:, 0], [0.5, 1.0])


def test_sinks_refuse_what_they_cannot_draw() -> None:
    models = {"m": 6}
    valley, norms, heads = valley_of(models), norms_of(models), heads_of(models)

    with pytest.raises(ValueError, match=r"^valley: columns are missing: sinks$"):
        draw_sinks(valley.drop(columns="sinks"), norms, heads, title="t")
    with pytest.raises(ValueError, match=r"^norms: columns are missing: texts$"):
        draw_sinks(valley, norms.iloc[:0].drop(columns="texts"), heads, title="t")
    with pytest.raises(ValueError, match=r"^heads: columns are missing: depth$"):
        draw_sinks(valley, norms, heads.iloc[:0].drop(columns="depth"), title="t")
    with pytest.raises(ValueError, match=r"^valley: there are no rows"):
        draw_sinks(valley.iloc[:0], norms, heads, title="t")
    with pytest.raises(ValueError, match=r"^norms: more than one row for model=m, corpus=prose"):
        draw_sinks(valley, pd.concat([norms, norms]), heads, title="t")
    with pytest.raises(ValueError, match=r"^norms: a logarithmic axis needs"):
        draw_sinks(valley, norms.assign(low=0.0), heads, title="t")
    with pytest.raises(ValueError, match=r"^norms: column model: other is not in valley$"):
        draw_sinks(valley, norms.assign(model="other"), heads, title="t")
    corpora = tuple(f"c{at}" for at in range(37))
    with pytest.raises(ValueError, match="column corpus: at most 36"):
        draw_sinks(valley_of(models, corpora), norms.iloc[:0], heads.iloc[:0], title="t")
    assert draw_sinks(valley_of(models, tuple("abcdefg")), norms.iloc[:0], heads.iloc[:0], title="t").axes


def test_a_curve_of_some_blocks_has_gaps_and_a_note_of_their_number() -> None:
    blocks = [2, 4, 7]
    curve = pd.DataFrame({"layer": blocks, "depth": [at / 8 for at in blocks], "value": 0.5, "view": "original"})
    with_rest = with_gaps(curve, range(9))
    assert with_rest["layer"].tolist() == [2, 3, 4, 5, 6, 7]
    assert with_rest.loc[with_rest["value"].notna(), "layer"].tolist() == blocks
    np.testing.assert_allclose(with_rest["depth"], with_rest["layer"] / 8)
    # Layers that are not stored are no gaps.
    assert with_gaps(curve, blocks)["layer"].tolist() == blocks
    valley = pd.DataFrame({"model": "hybrid", "layer": range(9), "depth": [at / 8 for at in range(9)]})
    note = (
        "hybrid: attention is known of 3 of 8\N{NO-BREAK SPACE}blocks; the others have none, or one that is not seen."
    )
    assert blocks_notes(valley, with_rest.assign(model="hybrid")) == [note]
    known = pd.DataFrame({"model": "hybrid", "layer": range(1, 9), "value": 0.5})
    assert blocks_notes(valley, known) == []
    # The final norm is a layer without a block.
    assert blocks_notes(valley, known[known["layer"] < 8]) == []
