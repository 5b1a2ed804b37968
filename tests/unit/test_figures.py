"""Figures show the data they are given, all of it, and nothing hides anything."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from tests.drawings import LONG_NAME, LONG_NOTES, band, check_texts, drawn, labels, names, points, written

from fathom.figures import draw_metric
from fathom.figures.base import MOST_CURVES, MOST_EXPERIMENTS
from fathom.figures.drawing.axes import last_layer, layer_ticks
from fathom.figures.drawing.style import (
    DOUBLE_COLUMN,
    MARKERS,
    MOST_TOLD_APART,
    PALETTE,
    SINGLE_COLUMN,
    SMALL,
    drawable,
    fold,
    house_style,
    look,
    open_figure,
    ordered_colours,
    render,
    text_width,
)
from fathom.statistics.layer_curves import summarise_metric
from fathom.statistics.resampling import bootstrap_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fathom.figures.drawing.style import Format

FloatArray = npt.NDArray[np.float64]


def metric_rows(values: FloatArray, *, sinks: str = "with", view: str = "plain") -> pd.DataFrame:
    """Rows as the metrics stage writes them; values (texts, layers), two texts a group."""
    texts, layers = values.shape
    return pd.DataFrame(
        {
            "text": [f"t{text}" for text in range(texts) for _ in range(layers)],
            "group": [f"g{text // 2}" for text in range(texts) for _ in range(layers)],
            "view": view,
            "layer": list(range(layers)) * texts,
            "depth": [layer / (layers - 1) for layer in range(layers)] * texts,
            "preparation": "centred",
            "sinks": sinks,
            "value": values.ravel(),
            "low": np.nan,
            "high": np.nan,
            "reason": None,
        }
    )


def metric_curve(model: str, last: int, corpus: str = "prose", sinks: str = "with", rise: float = 0.0) -> pd.DataFrame:
    layers = np.arange(last + 1)
    value = 0.5 + rise + 0.3 * np.cos(6 * layers / last)
    return pd.DataFrame(
        {
            "model": model,
            "corpus": corpus,
            "sinks": sinks,
            "preparation": "centred",
            "layer": layers,
            "depth": layers / last,
            "value": value,
            "low": value - 0.02,
            "high": value + 0.03,
            "texts": 40,
        }
    )


def two_by_two() -> pd.DataFrame:
    return pd.concat(
        metric_curve(model, last, corpus, sinks, rise)
        for model, last in (("small", 6), ("large", 30))
        for corpus, rise in (("prose", 0.0), ("code", 0.2))
        for sinks in ("with", "without")
    )


def check_places(figure: Figure, names: list[str]) -> None:
    """No panel, name of a model or legend overlaps another or leaves the page."""
    heads = [text for text in figure.findobj(Text) if isinstance(text, Text) and unfolded(text) in names]
    assert len(heads) == len(names)
    boxes = [part.get_window_extent() for part in (*heads, *figure.axes, *figure.legends)]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    for box in boxes:
        assert figure.bbox.x0 - 1 <= box.x0
        assert box.x1 <= figure.bbox.x1 + 1
        assert figure.bbox.y0 - 1 <= box.y0
        assert box.y1 <= figure.bbox.y1 + 1


def unfolded(text: Text) -> str:
    return text.get_text().replace("\n", "")


# Summaries


def test_summary_is_the_mean_over_texts_with_the_group_bootstrap() -> None:
    values = np.array([[1.0, 2.0, 6.0], [3.0, 2.0, 0.0], [5.0, 5.0, 3.0], [7.0, 3.0, 3.0]])

    curve = summarise_metric(metric_rows(values), samples=200, level=0.9, seed=3)

    assert curve["value"].tolist() == [4.0, 3.0, 3.0]
    _, low, high = bootstrap_mean(values, ["g0", "g0", "g1", "g1"], samples=200, level=0.9, seed=3)
    np.testing.assert_array_equal(curve["low"], low)
    np.testing.assert_array_equal(curve["high"], high)
    # Two groups: a bootstrap mean is one group's mean or the mean of both.
    assert curve["low"].iloc[0] == 2.0
    assert curve["high"].iloc[0] == 6.0
    assert curve["layer"].tolist() == [0, 1, 2]
    assert curve["depth"].tolist() == [0.0, 0.5, 1.0]
    assert curve["texts"].tolist() == [4, 4, 4]
    assert curve["left_out"].tolist() == [0, 0, 0]


def test_summary_leaves_a_text_out_where_it_has_no_value_and_counts_it() -> None:
    values = np.array([[1.0, 2.0], [np.nan, 50.0], [5.0, 6.0], [3.0, 4.0]])

    curve = summarise_metric(metric_rows(values), samples=50, level=0.95, seed=0)

    assert curve["value"].tolist() == [3.0, 15.5]
    assert curve["texts"].tolist() == [3, 4]
    assert curve["left_out"].tolist() == [1, 0]
    assert curve[["low", "high"]].notna().all(axis=None)


def test_adding_a_text_removes_no_other_from_the_summary() -> None:
    values = np.array([[np.nan, 2.0, 1.0], [np.nan, 4.0, 3.0], [np.nan, 6.0, np.nan]])
    some = summarise_metric(metric_rows(values), samples=50, level=0.95, seed=0)
    more = summarise_metric(metric_rows(np.vstack([values, [1.0, 8.0, 8.0]])), samples=50, level=0.95, seed=0)

    assert (more["texts"] - some["texts"]).tolist() == [1, 1, 1]
    assert more["value"].tolist() == [1.0, 5.0, 4.0]
    assert more["left_out"].tolist() == some["left_out"].tolist()


def test_summary_keeps_a_layer_that_no_text_has_as_a_gap() -> None:
    values = np.array([[np.nan, 2.0], [np.nan, 4.0], [np.nan, 6.0]])

    curve = summarise_metric(metric_rows(values), samples=50, level=0.95, seed=0)

    assert curve["value"].isna().tolist() == [True, False]
    assert curve["value"].iloc[1] == 4.0
    assert curve["texts"].tolist() == [0, 3]
    assert curve["left_out"].tolist() == [3, 0]


def test_summary_of_a_single_group_has_no_interval() -> None:
    curve = summarise_metric(metric_rows(np.array([[1.0, 2.0], [3.0, 6.0]])), samples=50, level=0.95, seed=0)

    assert curve["value"].tolist() == [2.0, 4.0]
    assert curve[["low", "high"]].isna().all(axis=None)


def test_summary_makes_one_curve_for_every_view_and_sinks() -> None:
    values = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    parts = [("plain", "with", 0.0), ("plain", "without", 10.0), ("shuffled", "with", 20.0)]
    frame = pd.concat(metric_rows(values + shift, sinks=sinks, view=view) for view, sinks, shift in parts)

    curves = summarise_metric(frame, samples=50, level=0.95, seed=0)

    found = curves[curves["layer"] == 0][["view", "sinks", "value"]].to_numpy().tolist()
    assert found == [[view, sinks, 3.0 + shift] for view, sinks, shift in parts]


def test_summary_does_not_depend_on_the_order_of_rows() -> None:
    frame = metric_rows(np.random.default_rng(0).normal(size=(8, 5)))

    straight = summarise_metric(frame, samples=50, level=0.95, seed=0)
    shuffled = summarise_metric(frame.sample(frac=1, random_state=1), samples=50, level=0.95, seed=0)

    pd.testing.assert_frame_equal(straight, shuffled)


def test_summary_passes_a_metric_of_the_corpus_through() -> None:
    frame = metric_rows(np.array([[1.0, 2.0, 3.0]])).assign(
        text=None, group=None, low=[0.5, 1.5, 2.5], high=[1.5, 2.5, 3.5], sinks="none"
    )

    curve = summarise_metric(frame, samples=50, level=0.95, seed=0)

    assert curve["value"].tolist() == [1.0, 2.0, 3.0]
    assert curve["low"].tolist() == [0.5, 1.5, 2.5]
    assert curve["high"].tolist() == [1.5, 2.5, 3.5]
    assert curve[["texts", "left_out"]].isna().all(axis=None)


def test_summary_refuses_bad_frames() -> None:
    frame = metric_rows(np.arange(6.0).reshape(3, 2))

    with pytest.raises(ValueError, match=r"^frame: columns are missing: group, value$"):
        summarise_metric(frame.drop(columns=["group", "value"]), samples=50, level=0.95, seed=0)
    with pytest.raises(ValueError, match=r"^frame: there are no rows"):
        summarise_metric(frame.iloc[:0], samples=50, level=0.95, seed=0)
    with pytest.raises(ValueError, match="3 texts x 2 layers, found 5 rows"):
        summarise_metric(frame.iloc[:-1], samples=50, level=0.95, seed=0)
    with pytest.raises(ValueError, match="more than one row for a layer"):
        summarise_metric(pd.concat([frame, frame]), samples=50, level=0.95, seed=0)
    with pytest.raises(ValueError, match="mixed"):
        summarise_metric(frame.assign(text=frame["text"].where(frame["text"] != "t0")), samples=50, level=0.95, seed=0)
    with pytest.raises(ValueError, match="text t0 is not in exactly one group"):
        summarise_metric(frame.assign(group=["a", "b", "c", "c", "d", "d"]), samples=50, level=0.95, seed=0)
    with pytest.raises(ValueError, match="column value holds an infinite value"):
        summarise_metric(frame.replace({"value": {5.0: np.inf}}), samples=50, level=0.95, seed=0)


# Metrics


def test_metric_figure_has_a_panel_a_model_and_a_line_a_corpus_and_sinks() -> None:
    curves = two_by_two()

    figure = draw_metric(curves, title="Prompt entropy", unit="nats")

    assert [axes.get_title(loc="left") for axes in figure.axes] == ["small", "large"]
    for axes, model in zip(figure.axes, ("small", "large"), strict=True):
        assert labels(axes) == ["prose, with", "prose, without", "code, with", "code, without"]
        for corpus, sinks in itertools.product(("prose", "code"), ("with", "without")):
            rows = curves[(curves["model"] == model) & (curves["corpus"] == corpus) & (curves["sinks"] == sinks)]
            np.testing.assert_allclose(points(axes, f"{corpus}, {sinks}"), rows[["depth", "value"]].to_numpy())
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[0].get_ylabel() == "nats"


def test_metric_bands_are_the_intervals() -> None:
    curves = metric_curve("small", 6)

    (axes,) = draw_metric(curves, title="Curvature", unit="radians").axes

    outline = band(axes, "prose, with, interval")
    for depth, low, high in curves[["depth", "low", "high"]].to_numpy():
        heights = outline[np.isclose(outline[:, 0], depth), 1]
        assert heights.min() == pytest.approx(low)
        assert heights.max() == pytest.approx(high)


def test_corpus_is_told_by_colour_and_marker_and_sinks_by_line_and_fill() -> None:
    axes = draw_metric(two_by_two(), title="Prompt entropy", unit="nats").axes[0]

    prose, prose_without, code, code_without = axes.get_lines()
    assert prose.get_color() == prose_without.get_color() != code.get_color() == code_without.get_color()
    assert prose.get_marker() == prose_without.get_marker() != code.get_marker() == code_without.get_marker()
    assert not prose.is_dashed()
    assert not code.is_dashed()
    assert prose_without.is_dashed()
    assert code_without.is_dashed()
    assert prose.get_markerfacecolor() == prose.get_color()
    assert prose_without.get_markerfacecolor() == "white"


def test_metric_without_values_at_a_layer_has_a_gap() -> None:
    curves = metric_curve("small", 6)
    curves.loc[3, ["value", "low", "high"]] = np.nan

    figure = draw_metric(curves, title="Curvature", unit="radians")

    heights = points(figure.axes[0], "prose, with")[:, 1]
    assert np.isnan(heights[3])
    assert np.isfinite(np.delete(heights, 3)).all()
    assert render(figure, "svg")


def test_metric_without_intervals_has_lines_only() -> None:
    curves = metric_curve("small", 6).assign(low=np.nan, high=np.nan)

    figure = draw_metric(curves, title="Curvature", unit="radians")

    assert len(points(figure.axes[0], "prose, with")) == 7
    assert render(figure, "png")


def test_notes_say_layers_texts_and_what_was_left_out() -> None:
    curves = pd.concat([metric_curve("m", 30), metric_curve("m", 30, "code").assign(texts=36)]).assign(left_out=4)

    figure = draw_metric(curves, title="Curvature", unit="radians")

    (note, layer) = written(figure)
    assert note == "centred · 30 layers · 36–40 texts · 4 left out"  # noqa: RUF001
    assert layer == "layer"


def test_unknown_number_of_texts_is_left_out_of_the_note() -> None:
    curves = metric_curve("m", 6, sinks="none").assign(texts=pd.array([pd.NA] * 7, dtype="Int64"))

    figure = draw_metric(curves, title="InfoNCE", unit="nats")

    assert written(figure)[0] == "centred · 6 layers"


def test_layers_stand_above_and_depth_below() -> None:
    axes = draw_metric(metric_curve("m", 30), title="Curvature", unit="radians").axes[0]

    (above,) = axes.child_axes
    assert [tick.get_text() for tick in above.get_xticklabels()] == ["0", "5", "10", "15", "20", "25", "30"]
    np.testing.assert_allclose(above.get_xticks() * 30, [0, 5, 10, 15, 20, 25, 30])
    assert axes.get_xlabel() == "relative depth"


def test_several_preparations_have_rows_of_panels() -> None:
    curves = pd.concat([two_by_two(), two_by_two().assign(preparation="none")])

    figure = draw_metric(curves, title="Prompt entropy", unit="nats")

    assert [axes.get_title(loc="left") for axes in figure.axes] == ["small", "large"] * 2
    notes = [text for text in written(figure) if "layers" in text]
    assert [note.split(" ")[0] for note in notes] == ["centred", "centred", "raw", "raw"]


def test_legend_names_corpora_and_lines() -> None:
    figure = draw_metric(two_by_two(), title="Prompt entropy", unit="nats")

    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["prose", "code", "all tokens", "without sink tokens"]


def test_logarithmic_axis_is_written_in_plain_numbers() -> None:
    curves = metric_curve("m", 6)
    for column in ("value", "low", "high"):
        curves[column] = 10.0 ** curves["layer"]

    figure = draw_metric(curves, title="Norm", unit="norm", logarithmic=True)
    render(figure, "svg")

    ticks = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert {"1", "100", "10000", "1e6"} <= set(ticks)
    with pytest.raises(ValueError, match="above 0"):
        draw_metric(curves.assign(low=-1.0), title="Norm", unit="norm", logarithmic=True)


@pytest.mark.parametrize(("models", "corpora"), [(1, 1), (1, 4), (2, 4), (4, 4), (7, 1)])
def test_nothing_overlaps_and_everything_fits(models: int, corpora: int) -> None:
    names = [LONG_NAME, "small", "EleutherAI/pythia-410m-deduped", "x" * 60, "five", "six", "seven"][:models]
    curves = pd.concat(
        metric_curve(name, 12 + at, f"{corpus} passages", sinks)
        for at, name in enumerate(names)
        for corpus in ("encyclopedia", "source code", "medical", "simple")[:corpora]
        for sinks in ("with", "without")
    )

    figure = draw_metric(curves, title="Prompt entropy", unit="entropy / log min(T, d)")
    drawn(figure)

    assert figure.get_figwidth() == (SINGLE_COLUMN if models == 1 else DOUBLE_COLUMN)
    check_places(figure, names)


def test_metric_figure_refuses_what_it_cannot_draw() -> None:
    curves = two_by_two()

    with pytest.raises(ValueError, match=r"^curves: columns are missing: corpus, value$"):
        draw_metric(curves.drop(columns=["corpus", "value"]), title="t", unit="u")
    with pytest.raises(ValueError, match="there are no rows; expected one for every model, corpus, sinks, preparation"):
        draw_metric(curves.iloc[:0], title="t", unit="u")
    with pytest.raises(ValueError, match="more than one row for model=small, corpus=prose, sinks=with"):
        draw_metric(pd.concat([curves, curves]), title="t", unit="u")
    with pytest.raises(ValueError, match="column high holds an infinite value"):
        draw_metric(curves.assign(high=np.inf), title="t", unit="u")
    with pytest.raises(ValueError, match=r"column depth holds a value outside 0\.\.1"):
        draw_metric(curves.assign(depth=1.5), title="t", unit="u")
    with pytest.raises(ValueError, match="depth is not layer / last layer for model small"):
        draw_metric(curves.assign(depth=curves["depth"] ** 2), title="t", unit="u")
    with pytest.raises(ValueError, match="column sinks: expected one of with, without, none, found 'some'"):
        draw_metric(metric_curve("m", 6).assign(sinks="some"), title="t", unit="u")
    with pytest.raises(ValueError, match=r"column preparation: expected one of none, .*, found .other.$"):
        draw_metric(metric_curve("m", 6).assign(preparation="other"), title="t", unit="u")
    with pytest.raises(ValueError, match="column corpus: at most 36"):
        draw_metric(pd.concat(metric_curve("m", 6, f"c{at}") for at in range(37)), title="t", unit="u")


def test_more_corpora_than_colours_stand_in_more_panels_and_no_two_look_alike() -> None:
    names = [f"c{at}" for at in range(13)]
    figure = draw_metric(pd.concat(metric_curve("m", 6, name) for name in names), title="t", unit="u")
    looks: dict[str, tuple[object, object]] = {}
    for axes in figure.axes:
        found = {str(line.get_label()): (line.get_color(), line.get_marker()) for line in axes.get_lines()}
        curves = {label.split(", ")[0]: one for label, one in found.items() if ", " in label}
        assert len({colour for colour, _ in curves.values()}) == len(curves) <= len(PALETTE)
        looks |= curves
    assert list(looks) == names
    assert len(set(looks.values())) == len(names)
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} >= set(names)


def test_a_preparation_of_some_models_only_leaves_no_empty_row() -> None:
    curves = pd.concat(metric_curve(f"m{at}", 6) for at in range(6))
    raw = metric_curve("m0", 6).assign(preparation="none")

    figure = draw_metric(pd.concat([curves, raw]), title="Curvature", unit="radians")

    assert names(figure) == ["m0", "m1", "m2", "m3", "m4", "m5", "m0"]
    assert figure.axes[0].get_subplotspec().get_gridspec().nrows == 3  # type: ignore[union-attr]
    check_texts(figure)


def test_lines_of_text_stand_under_the_panels() -> None:
    figure = draw_metric(two_by_two(), title="Prompt entropy", unit="nats", notes=LONG_NOTES)
    without = draw_metric(two_by_two(), title="Prompt entropy", unit="nats")

    check_texts(figure)
    (foot,) = [text for text in figure.texts if text.get_text().startswith("Claim")]
    assert foot.get_text().replace("\n", " ") == " ".join(LONG_NOTES)
    (legend,) = figure.legends
    assert foot.get_window_extent().y1 <= legend.get_window_extent().y0
    assert figure.get_figheight() > without.get_figheight()
    panels = [drawn(one).axes[0].get_window_extent().height for one in (figure, without)]
    assert panels[0] == pytest.approx(panels[1], rel=0.02)


def test_a_value_without_neighbours_has_a_marker_and_its_interval() -> None:
    curves = metric_curve("small", 20)
    curves.loc[[5, 7], ["value", "low", "high"]] = np.nan

    (axes,) = draw_metric(curves, title="Curvature", unit="radians").axes

    (line,) = [line for line in axes.get_lines() if line.get_label() == "prose, with"]
    assert 6 in list(line.get_markevery())  # type: ignore[arg-type]
    low, high = curves["low"].to_numpy()[6], curves["high"].to_numpy()[6]
    (bar,) = [one for one in axes.collections if isinstance(one, LineCollection) and len(one.get_segments())]
    np.testing.assert_allclose(bar.get_segments()[0], [[0.3, low], [0.3, high]])


# Style


@pytest.mark.parametrize("form", ["svg", "png"])
def test_the_same_curves_give_the_same_bytes(form: Format) -> None:
    figure = draw_metric(metric_curve("m", 6), title="Prompt entropy", unit="nats")
    again = draw_metric(metric_curve("m", 6), title="Prompt entropy", unit="nats")
    first = render(figure, form)

    assert first == render(figure, form)
    assert first == render(again, form)


def test_caption_is_kept_in_the_file() -> None:
    figure = draw_metric(metric_curve("m", 6), title="Prompt entropy", unit="nats")
    caption = 'Entropy < 1 & "more".'

    found = ET.fromstring(render(figure, "svg", caption=caption)).find(
        ".//{http://purl.org/dc/elements/1.1/}description"
    )

    assert found is not None
    assert found.text == caption
    assert caption.encode("latin-1") in render(figure, "png", caption=caption)


def test_svg_has_the_paper_width_and_no_date_and_png_200_dots_an_inch() -> None:
    figure = draw_metric(metric_curve("m", 6), title="Prompt entropy", unit="nats")

    svg, png = render(figure, "svg"), render(figure, "png")

    assert ET.fromstring(svg).attrib["width"] == f"{SINGLE_COLUMN * 72:g}pt"
    assert b"dc:date" not in svg
    assert int.from_bytes(png[16:20], "big") == round(SINGLE_COLUMN * 200)
    assert b"Software" not in png
    with pytest.raises(ValueError, match="format: expected one of svg, png, found 'pdf'"):
        render(figure, "pdf")  # type: ignore[arg-type]


def test_a_dollar_in_a_name_is_a_dollar() -> None:
    figure = draw_metric(metric_curve("$a$", 6, corpus="$b"), title="$c$", unit="$\\d$")

    assert b"<!-- $a$ -->" in render(figure, "svg")


@pytest.mark.filterwarnings("error")
def test_letters_that_the_font_lacks_are_written_as_their_codes() -> None:
    words = "通义 \N{PARTY POPPER} $x$ é\t\N{ZERO WIDTH SPACE}"
    curves = pd.concat([metric_curve(f"{words} model", 6, corpus=corpus) for corpus in (words, "other")])
    figure = draw_metric(curves, title=words, unit=words, notes=[words * 20])
    svg = render(figure, "svg", caption=words).decode()

    assert drawable("通义 \N{PARTY POPPER} $x$ é\n\t") == "\\u901a\\u4e49 \\U0001f389 $x$ é\n\\t"
    assert "<!-- \\u901a\\u4e49 \\U0001f389 $x$ é" in svg
    assert "<!-- 通" not in svg
    assert "通义" in svg  # in the description
    check_places(figure, [drawable(words + " model")])
    assert len(render(draw_metric(curves, title=words, unit=words), "png", caption=words)) > 1000


def test_few_texts_have_no_band_and_the_panel_says_so() -> None:
    """Percentile intervals of so few texts are much too narrow."""
    few, enough = (draw_metric(metric_curve("m", 6).assign(texts=texts), title="t", unit="u") for texts in (9, 10))

    for figure, has_band in ((few, False), (enough, True)):
        (band,) = [part for part in figure.axes[0].collections if str(part.get_label()).endswith("interval")]
        assert bool(np.asarray(band.get_paths()[0].vertices).size) == has_band if band.get_paths() else not has_band
        words = " ".join(unfolded(text) for text in figure.findobj(Text))
        assert ("too\N{NO-BREAK SPACE}few" in words) != has_band


def test_no_text_is_smaller_than_the_smallest_size() -> None:
    figure = draw_metric(two_by_two(), title="t", unit="u")
    sizes = [float(text.get_fontsize()) for text in figure.findobj(Text) if isinstance(text, Text)]
    assert min(sizes) >= SMALL == 6.5


def test_drawing_leaves_the_settings_of_matplotlib_alone() -> None:
    before = dict(mpl.rcParams)
    render(draw_metric(metric_curve("m", 6), title="t", unit="u"), "svg")

    assert dict(mpl.rcParams) == before


def test_figures_do_not_depend_on_the_users_settings() -> None:
    expected = render(draw_metric(metric_curve("m", 6), title="t", unit="u"), "svg")
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 30, "axes.facecolor": "red"}):
        found = render(draw_metric(metric_curve("m", 6), title="t", unit="u"), "svg")

    assert found == expected


# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)


def linear(colour: str) -> FloatArray:
    channels = np.array(to_rgb(colour))
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: FloatArray) -> FloatArray:
    """CIE L*a*b* (D65) of linear RGB."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_colours_differ_for_the_colour_blind_and_stand_out_from_white() -> None:
    for one, other in itertools.combinations(PALETTE[:4], 2):
        assert np.linalg.norm(lab(DEUTERANOPIA @ linear(one)) - lab(DEUTERANOPIA @ linear(other))) > 30
    for colour in PALETTE:
        luminance = np.array([0.2126, 0.7152, 0.0722]) @ linear(colour)
        assert 1.05 / (luminance + 0.05) > 2.7
    assert len(set(MARKERS)) == len(MARKERS) == len(PALETTE) == MOST_EXPERIMENTS
    assert len({look(at) for at in range(MOST_TOLD_APART)}) == MOST_TOLD_APART == MOST_CURVES


@pytest.mark.parametrize("count", [1, 2, 7, 15])
def test_ordered_colours_go_from_dark_to_light_also_for_the_colour_blind(count: int) -> None:
    colours = ordered_colours(count)

    assert len(set(colours)) == count
    for seen in (np.eye(3), DEUTERANOPIA):
        lightness = [lab(seen @ linear(colour))[0] for colour in colours]
        assert lightness == sorted(lightness)
        assert count == 1 or min(np.diff(lightness)) > 40 / count
    for colour in colours:
        luminance = np.array([0.2126, 0.7152, 0.0722]) @ linear(colour)
        assert 1.05 / (luminance + 0.05) > 2.2


def test_fold_keeps_the_letters_and_the_width() -> None:
    folded = fold(LONG_NAME, 1.0)

    assert folded.replace("\n", "") == LONG_NAME
    assert all(text_width(line) <= 1.0 for line in folded.split("\n"))
    assert fold("two words", 5.0) == "two words"
    assert fold("two words", text_width("words")) == "two\nwords"
    assert fold("30 layers · 40\N{NO-BREAK SPACE}texts", text_width("30 layers · 40")) == (
        "30 layers\n40\N{NO-BREAK SPACE}texts"
    )


def test_text_width_is_the_width_that_is_drawn() -> None:
    with house_style():
        figure = open_figure(3.0, 1.0)
        text = figure.text(0, 0, "relative depth", fontsize=7)
    width = text.get_window_extent().width / figure.dpi

    assert text_width("relative depth", size=7) == pytest.approx(width, rel=0.05)


@pytest.mark.parametrize(
    ("last", "most", "ticks"),
    [
        (30, 4, [0, 10, 20, 30]),
        (24, 4, [0, 8, 16, 24]),
        (29, 4, [0, 10, 20, 29]),
        (6, 7, [0, 1, 2, 3, 4, 5, 6]),
        (1, 4, [0, 1]),
        (0, 4, [0]),
    ],
)
def test_layer_ticks(last: int, most: int, ticks: list[int]) -> None:
    assert layer_ticks(last, most) == ticks


@pytest.mark.parametrize("most", [3, 4, 8])
def test_layer_ticks_are_few_and_end_at_the_last_layer(most: int) -> None:
    for last in range(1, 130):
        ticks = layer_ticks(last, most)
        assert len(ticks) <= most
        assert ticks[0] == 0
        assert ticks[-1] == last
        assert ticks == sorted(set(ticks))


def test_last_layer_is_found_from_a_part_of_the_layers() -> None:
    assert last_layer(metric_curve("m", 30).iloc[3:9]) == 30
    assert last_layer(metric_curve("m", 30).iloc[:1]) == 0
