"""Sink tokens over layers: the valley of the entropy, the norm of the sinks, and how many heads look at them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.checks import check_curves, check_words
from fathom.figures.drawing.curve import draw_curve, draw_with_and_without, panel_note, sinks_handles
from fathom.figures.drawing.grid import MOST_COLUMNS, Panel, draw_panels, pages
from fathom.figures.drawing.style import INK, SMALL, SOLID, fold, house_style, look, pages_of_colours
from fathom.figures.drawing.text import count, panel_width
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.metrics.rows import ORIGINAL, RESIDUAL, curve_rows, first_preparation
from fathom.statistics.words import three_digits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    # Corpora that share a panel, each with its place among all.
    Group = Sequence[tuple[int, str]]

NUMBERS = ("value", "low", "high")
CURVE_COLUMNS = ("model", "corpus", "layer", "depth", *NUMBERS, "texts")
CURVE_KEY = ("model", "corpus", "layer")
MARGINS = "sink_margins"
VALLEY_HEIGHT = 1.3
OTHER_HEIGHT = 0.95


def margin_note(place: str, margins: pd.DataFrame) -> str:
    """How near the texts of a model and corpus are to having other sinks than they have, in one sentence.

    Args:
        place: which model and corpus
        margins: sink_tokens, weakest_sink and nearest_other (NaN where there is no such token); one row a text
    """
    having = int((margins["sink_tokens"] > 0).sum())
    parts = [f"{having} of {count(len(margins), 'text')} with a sink"]
    if having:
        parts.append(f"weakest sink {three_digits(margins['weakest_sink'].min())} times the threshold")
    if margins["nearest_other"].notna().any():
        parts.append(f"nearest other token {three_digits(margins['nearest_other'].max())} of it")
    return f"{place}: {', '.join(parts)}."


def draw_sinks(
    valley: pd.DataFrame,
    norms: pd.DataFrame,
    heads: pd.DataFrame,
    *,
    title: str,
    unit: str = "prompt entropy /\nlog min(T, d)",
    layers: str = "layer",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw what sink tokens do to the entropy of a text, a column a model, three panels over one axis of depth.

    Top: the entropy over all tokens (solid) and without the sink tokens (dashed), with intervals. Middle, on a
    logarithmic axis: the norm of the sink relative to the median norm of its text, median and quartiles over texts.
    Bottom: the share of the heads of a block that attend to the sink, with intervals. Colour and marker tell the
    corpus. A model without a sink, or of whose attention nothing is known, has a panel that says so.
    After Queipo-de-Llano et al. 2025, arXiv:2510.06477.

    Args:
        valley: model, corpus, sinks ("with" | "without" | "none"), layer, depth (0..1), value, low, high, texts; one
            row a point. Panels and corpora stand in the order of its rows
        norms: model, corpus, layer, depth, value (median), low, high (quartiles), texts; as their
            summary has them
        heads: the same of the share of heads
        title: of the figure
        unit: of the entropy, the label of its axis
        layers: what to call the layers
        notes: lines of small text under the panels

    Raises:
        ValueError: if columns or, in `valley`, rows are missing, sinks are unknown, two rows are the same point, a norm
            is not above 0, a model or corpus is not in `valley`, or there are more corpora than can be told apart.
    """
    check_curves(
        valley,
        columns=(*CURVE_COLUMNS, "sinks"),
        numbers=NUMBERS,
        key=("model", "corpus", "sinks", "layer"),
        name="valley",
    )
    check_words(valley, name="valley")
    _check_others(norms, CURVE_COLUMNS, CURVE_KEY, valley, name="norms")
    _check_others(heads, CURVE_COLUMNS, CURVE_KEY, valley, name="heads")
    if (norms[list(NUMBERS)] <= 0).any(axis=None):
        msg = "norms: a logarithmic axis needs values and quartiles above 0"
        raise ValueError(msg)
    corpora = list(dict.fromkeys(valley["corpus"]))
    groups = pages_of_colours(corpora, "valley: column corpus")
    with house_style():
        return _draw(valley, norms, heads, groups, title=title, unit=unit, layers=layers, notes=notes)


def _check_others(
    frame: pd.DataFrame, columns: Sequence[str], key: Sequence[str], valley: pd.DataFrame, *, name: str
) -> None:
    """Check a frame that may have no rows for some models, or none at all."""
    if not frame.empty:
        check_curves(frame, columns=columns, numbers=NUMBERS, key=key, name=name)
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        msg = f"{name}: columns are missing: {', '.join(missing)}"
        raise ValueError(msg)
    for column in ("model", "corpus"):
        strangers = set(frame[column]) - set(valley[column])
        if strangers:
            msg = f"{name}: column {column}: {min(strangers)} is not in valley"
            raise ValueError(msg)


def _draw(
    valley: pd.DataFrame,
    norms: pd.DataFrame,
    heads: pd.DataFrame,
    groups: Sequence[Group],
    *,
    title: str,
    unit: str,
    layers: str,
    notes: Sequence[str],
) -> Figure:
    models = list(dict.fromkeys(valley["model"]))
    width = panel_width(min(len(models), MOST_COLUMNS))

    def draw_valley(axes: Axes, model: str, group: Group) -> None:
        for turn, (at, corpus) in enumerate(group):
            colour, marker = look(at)
            draw_with_and_without(
                axes,
                _of(valley, model, corpus),
                label=corpus,
                colour=colour,
                marker=marker,
                turn=(turn, len(group)),
            )

    def draw_all(axes: Axes, model: str, group: Group, curves: pd.DataFrame, what: str) -> None:
        for turn, (at, corpus) in enumerate(group):
            colour, marker = look(at)
            draw_curve(
                axes,
                _of(curves, model, corpus),
                label=f"{corpus}, {what}",
                colour=colour,
                marker=marker,
                turn=(turn, len(group)),
            )

    def draw_norms(axes: Axes, model: str, group: Group) -> None:
        draw_all(axes, model, group, norms, "norm")
        corpora = [corpus for _, corpus in group if not _of(valley, model, corpus).empty]
        without = [corpus for corpus in corpora if _of(norms, model, corpus).empty]
        if without:
            _say(axes, "no token is a sink by the rule", without, corpora, width)

    def draw_heads(axes: Axes, model: str, group: Group) -> None:
        draw_all(axes, model, group, heads, "heads")
        axes.set_ylim(-0.04, 1.04)
        corpora = [corpus for _, corpus in group]
        without = [
            corpus for corpus in corpora if _of(heads, model, corpus).empty and not _of(norms, model, corpus).empty
        ]
        if without:
            _say(axes, "attention to the sink is not known", without, corpora, width)

    def top(model: str, group: Group) -> Panel:
        rows = valley[(valley["model"] == model) & valley["corpus"].isin([corpus for _, corpus in group])]
        return Panel(
            draw=partial(draw_valley, model=model, group=group),
            unit=unit,
            name=model,
            note=panel_note(rows),
            last=last_layer(rows),
            scale="entropy",
            height=VALLEY_HEIGHT,
        )

    def middle(model: str, group: Group) -> Panel:
        return Panel(
            draw=partial(draw_norms, model=model, group=group),
            unit="norm of sink /\nmedian norm",
            scale="norm",
            logarithmic=True,
            height=OTHER_HEIGHT,
        )

    def bottom(model: str, group: Group) -> Panel:
        unit = "heads that\nattend to it"
        return Panel(draw=partial(draw_heads, model=model, group=group), unit=unit, scale="share", height=OTHER_HEIGHT)

    # A model is measured on every corpus of the figure, but a frame of one's own may lack some.
    pairs = set(zip(valley["model"], valley["corpus"], strict=True))
    rows = [
        [kind(model, group) if any((model, corpus) in pairs for _, corpus in group) else None for model in page]
        for group in groups
        for page in pages(models, MOST_COLUMNS)
        for kind in (top, middle, bottom)
    ]
    legend = [
        [
            Line2D([], [], color=look(at)[0], marker=look(at)[1], linestyle=SOLID, label=corpus)
            for group in groups
            for at, corpus in group
        ],
        sinks_handles(list(valley["sinks"].unique())),
    ]
    bands = "Bands: intervals of the mean; of the norm, quartiles over texts."
    return draw_panels(rows, title=title, layers=layers, legend=legend, notes=[bands, *notes])


def _of(frame: pd.DataFrame, model: str, corpus: str) -> pd.DataFrame:
    return frame[(frame["model"] == model) & (frame["corpus"] == corpus)]


def _say(axes: Axes, words: str, of: Sequence[str], corpora: Sequence[str], width: float) -> None:
    """Write words in the middle of a panel of `width` inches, and of which corpora they are, unless of all."""
    which = "" if len(of) == len(corpora) else f" ({', '.join(of)})"
    axes.text(
        0.5,
        0.5,
        fold(f"{words}{which}", 0.9 * width, size=SMALL),
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=SMALL,
        color=INK,
        # So that it can be read across a curve without hiding it.
        path_effects=[withStroke(linewidth=2.0, foreground="white")],
    )


def sink_frames(
    tables: Tables,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[tuple[str, str], pd.DataFrame]]:
    """Entropy, norms and heads of the original views, as `draw_sinks` takes them, and margins by model and corpus."""
    by_place: dict[tuple[str, str], dict[str, pd.DataFrame]] = {}
    for table, frame in tables:
        by_place.setdefault((table.model, table.corpus_or_experiment), {})[table.content] = frame[
            frame["view"] == ORIGINAL
        ]
    valleys, norms, heads = [], [], []
    for (model, corpus), found in by_place.items():
        place = {"model": model, "corpus": corpus}
        entropy = found["prompt_entropy"]
        rows = first_preparation(entropy[entropy["site"] == RESIDUAL])
        valleys.append(curve_rows(rows).assign(**place))
        sinks = found["sinks"]
        norms.append(curve_rows(sinks[sinks["measure"] == "norm_ratio"]).assign(**place))
        heads.append(curve_rows(sinks[sinks["measure"] == "heads"]).assign(**place))
    return (
        pd.concat(valleys, ignore_index=True),
        pd.concat(norms, ignore_index=True),
        pd.concat(heads, ignore_index=True),
        {place: found[MARGINS] for place, found in by_place.items()},
    )


def blocks_notes(valley: pd.DataFrame, heads: pd.DataFrame) -> list[str]:
    """One sentence for each model of some blocks of which no attention is known; those of a hybrid have none."""
    notes = []
    for model, known in heads.dropna(subset="value").groupby("model", sort=False):
        layers = sorted({*valley.loc[valley["model"] == model, "layer"]} - {0})
        unknown = [layer for layer in layers if layer not in set(known["layer"])]
        # The final norm is a layer, but no block.
        if unknown and unknown != layers[-1:]:
            shown = f"{len(layers) - len(unknown)} of {count(len(layers), 'block')}"
            notes.append(f"{model}: attention is known of {shown}; the others have none, or one that is not seen.")
    return notes


def figure(tables: Tables, job: FigureJob, notes: list[str]) -> Drawn:
    """The valley of the entropy, the norms of sinks, the heads that attend to them, and how near texts are to more."""
    valley, norms, heads, margins = sink_frames(tables)
    unit = job.axes["prompt_entropy"]
    near = [margin_note(f"{model} on {corpus}", table) for (model, corpus), table in margins.items()]
    notes = [*blocks_notes(valley, heads), *notes]
    rule = next(iter(margins.values()))["rule"].iloc[0]
    said = [f"Sink tokens: {rule}.", *near, *notes]
    picture = draw_sinks(valley, norms, heads, title=job.title, unit=unit, layers=job.layers, notes=said)
    panels = [valley.assign(panel="entropy"), norms.assign(panel="norm"), heads.assign(panel="heads")]
    return Drawn(pd.concat(panels, ignore_index=True), picture, [*near, *notes])
