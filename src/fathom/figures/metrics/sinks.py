"""Sink tokens over layers: the valley of the entropy, the norm of the sinks, and how many heads look at them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from fathom.figures.drawing.axes import last_layer
from fathom.figures.drawing.checks import check_curves, check_words
from fathom.figures.drawing.curve import draw_curve, draw_with_and_without, panel_note, sinks_handles
from fathom.figures.drawing.grid import MOST_COLUMNS, Panel, draw_panels, pages
from fathom.figures.drawing.style import DOTTED, INK, LINES, MARKERS, PALETTE, SMALL, SOLID, fold, house_style
from fathom.figures.drawing.text import panel_width
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.metrics.rows import ORIGINAL, RESIDUAL, curves_of_job, first_preparation
from fathom.statistics.resampling import bootstrap_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from fathom.statistics.arrays import FloatArray


TOKEN_COLUMNS = ("text", "group", "view", "layer", "norm_ratio", "named", "heads")
POSITION_COLUMNS = ("view", "layer", "depth", "texts")
NORM_COLUMNS = ("view", "layer", "depth", "value", "low", "high", "texts")
RATE_COLUMNS = ("view", "kind", "layer", "depth", "value", "low", "high", "texts")
NUMBERS = ("value", "low", "high")
CURVE_COLUMNS = ("model", "corpus", "layer", "depth", *NUMBERS, "texts")
CURVE_KEY = ("model", "corpus", "layer")
RATES = {"heads": "heads that look at the sink", "texts": "texts with a sink"}
# Others than those of the valley, which stand for the tokens.
RATE_LINES = {"heads": LINES[2], "texts": DOTTED}
VALLEY_HEIGHT = 1.3
OTHER_HEIGHT = 0.95


def summarise_sinks(
    sinks: pd.DataFrame, token_norms: pd.DataFrame, *, samples: int, level: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn the sink tokens of one model and corpus into the curves that `draw_sinks` draws.

    Norms are over the texts that have a sink at some layer: of each text, at every layer, the largest norm among its
    sink tokens (those that the rule names at some layer), relative to the median norm of the text; then median and
    quartiles over texts. The share of heads is over those of these texts whose attention was sampled: of each, at every
    layer, the largest share of heads that look at one of its sink tokens; then the mean over texts with a group
    bootstrap interval. The share of texts is over all texts: those in which the rule names a token at that layer, with
    the same interval. Texts without any sink have no row in `sinks` and so no known group; each counts as a group of
    its own. Values of a single group have no interval (NaN).

    Args:
        sinks: text, group, view, layer, norm_ratio, named (bool), heads (NaN where not sampled); one row a token that
            is a sink at some layer, and layer
        token_norms: view, layer, depth, texts; at least one row a view and layer. It tells the layers, and the number
            of texts as the largest at any position
        samples: bootstrap samples over groups
        level: of the intervals, such as 0.95
        seed: of the bootstrap

    Returns:
        norms: view, layer, depth, value, low, high, texts; no rows for a view without sinks
        rates: view, kind ("heads" | "texts"), layer, depth, value, low, high, texts; no rows of heads at a layer where
            no attention was sampled

    Raises:
        ValueError: if columns or rows are missing, a text lacks a layer, is in two groups, or more texts have sinks
            than there are.
    """
    for name, frame, columns in (("sinks", sinks, TOKEN_COLUMNS), ("token_norms", token_norms, POSITION_COLUMNS)):
        missing = [column for column in columns if column not in frame.columns]
        if missing:
            msg = f"{name}: columns are missing: {', '.join(missing)}"
            raise ValueError(msg)
    if token_norms.empty:
        msg = "token_norms: there are no rows; expected at least one for every view and layer"
        raise ValueError(msg)
    norms, rates = [], []
    for view, positions in token_norms.groupby("view", sort=False):
        depths = positions.drop_duplicates("layer").set_index("layer")["depth"].sort_index()
        tokens = sinks[sinks["view"] == view]
        norms.append(_norms(tokens, depths).assign(view=view))
        for kind, curve in _rates(tokens, depths, int(positions["texts"].max()), samples, level, seed).items():
            rates.append(curve.assign(view=view, kind=kind))
    return (
        pd.concat(norms, ignore_index=True).reindex(columns=list(NORM_COLUMNS)),
        pd.concat(rates, ignore_index=True).reindex(columns=list(RATE_COLUMNS)),
    )


def _norms(tokens: pd.DataFrame, depths: pd.Series) -> pd.DataFrame:
    if tokens.empty:
        nothing = np.empty(0)
        return _curve(depths.iloc[:0], nothing, nothing, nothing, texts=0)
    largest = _largest(tokens, "norm_ratio", depths)
    low, median, high = np.quantile(largest, [0.25, 0.5, 0.75], axis=0)
    return _curve(depths, median, low, high, texts=len(largest))


def _rates(
    tokens: pd.DataFrame, depths: pd.Series, texts: int, samples: int, level: float, seed: int
) -> dict[str, pd.DataFrame]:
    """Give the curve of each kind of rate that can be had."""
    if tokens.empty:
        zeros = np.zeros((texts, len(depths)))
        return {"texts": _mean_curve(depths, zeros, np.arange(texts), samples=samples, level=level, seed=seed)}
    of_text = tokens.groupby("text")["group"].agg(["nunique", "first"])
    if (of_text["nunique"] != 1).any():
        msg = f"sinks: column group: text {of_text.index[of_text['nunique'] != 1][0]} is not in exactly one group"
        raise ValueError(msg)
    if len(of_text) > texts:
        msg = f"sinks: {len(of_text)} texts have a sink, but token_norms is of {texts}"
        raise ValueError(msg)
    groups, names = pd.factorize(of_text["first"])
    others = texts - len(of_text)
    named = np.vstack([_largest(tokens, "named", depths), np.zeros((others, len(depths)))])
    all_groups = np.concatenate([groups, len(names) + np.arange(others)])
    curves = {}
    heads = _largest(tokens, "heads", depths)
    sampled = np.flatnonzero(~np.isnan(heads).all(axis=0))
    complete = np.flatnonzero(~np.isnan(heads[:, sampled]).any(axis=1))
    if len(sampled) and len(complete):
        curves["heads"] = _mean_curve(
            depths.iloc[sampled],
            heads[np.ix_(complete, sampled)],
            groups[complete],
            samples=samples,
            level=level,
            seed=seed,
        )
    curves["texts"] = _mean_curve(depths, named, all_groups, samples=samples, level=level, seed=seed)
    return curves


def _largest(tokens: pd.DataFrame, column: str, depths: pd.Series) -> FloatArray:
    """Give the largest value among the tokens of each text, (texts, layers); NaN in `heads` where not sampled."""
    largest = tokens.astype({column: np.float64}).groupby(["text", "layer"])[column].max().unstack()
    largest = largest.reindex(columns=depths.index)
    if column != "heads" and largest.isna().any(axis=None):
        text = largest.index[largest.isna().any(axis=1)][0]
        msg = f"sinks: column {column}: text {text} has no value at some layer of token_norms"
        raise ValueError(msg)
    return largest.to_numpy(dtype=np.float64)


def _mean_curve(
    depths: pd.Series,
    values: FloatArray,
    groups: npt.NDArray[np.int64],
    *,
    samples: int,
    level: float,
    seed: int,
) -> pd.DataFrame:
    low = high = np.full(values.shape[1], np.nan)
    if len(set(groups.tolist())) > 1:
        _, low, high = bootstrap_mean(values, groups, samples=samples, level=level, seed=seed)
    return _curve(depths, values.mean(axis=0), low, high, texts=len(values))


def _curve(depths: pd.Series, value: FloatArray, low: FloatArray, high: FloatArray, *, texts: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"layer": depths.index, "depth": depths.to_numpy(), "value": value, "low": low, "high": high, "texts": texts}
    )


def draw_sinks(
    valley: pd.DataFrame,
    norms: pd.DataFrame,
    rates: pd.DataFrame,
    *,
    title: str,
    unit: str = "prompt entropy /\nlog min(T, d)",
    layers: str = "layer",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw what sink tokens do to the entropy of a text, a column a model, three panels over one axis of depth.

    Top: the entropy over all tokens (solid) and without the sink tokens (dashed), with intervals. Middle, on a
    logarithmic axis: the norm of the sink relative to the median norm of its text, median and quartiles over texts.
    Bottom: the share of heads that look at the sink and the share of texts that have one at that layer, with intervals.
    Colour and marker tell the corpus. A model without a sink or without a sample of attention has a panel that says so.
    After Queipo-de-Llano et al. 2025, arXiv:2510.06477.

    Args:
        valley: model, corpus, sinks ("with" | "without" | "none"), layer, depth (0..1), value, low, high, texts; one
            row a point. Panels and corpora stand in the order of its rows
        norms: model, corpus, layer, depth, value (median), low, high (quartiles), texts; as from `summarise_sinks`
        rates: model, corpus, kind ("heads" | "texts"), layer, depth, value, low, high, texts; as from
            `summarise_sinks`
        title: of the figure
        unit: of the entropy, the label of its axis
        layers: what to call the layers
        notes: lines of small text under the panels

    Raises:
        ValueError: if columns or, in `valley`, rows are missing, sinks or kind are unknown, two rows are the same
            point, a norm is not above 0, a model or corpus is not in `valley`, or there are more corpora than colours.
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
    _check_others(rates, (*CURVE_COLUMNS, "kind"), (*CURVE_KEY, "kind"), valley, name="rates")
    if (norms[list(NUMBERS)] <= 0).any(axis=None):
        msg = "norms: a logarithmic axis needs values and quartiles above 0"
        raise ValueError(msg)
    unknown = sorted(set(rates["kind"]) - set(RATES))
    if unknown:
        msg = f"rates: column kind: expected one of {', '.join(RATES)}, found {unknown[0]!r}"
        raise ValueError(msg)
    corpora = list(dict.fromkeys(valley["corpus"]))
    if len(corpora) > len(PALETTE):
        msg = f"valley: column corpus: at most {len(PALETTE)} can be told apart in one figure, found {len(corpora)}"
        raise ValueError(msg)
    with house_style():
        return _draw(valley, norms, rates, corpora, title=title, unit=unit, layers=layers, notes=notes)


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
    rates: pd.DataFrame,
    corpora: Sequence[str],
    *,
    title: str,
    unit: str,
    layers: str,
    notes: Sequence[str],
) -> Figure:
    models = list(dict.fromkeys(valley["model"]))
    width = panel_width(min(len(models), MOST_COLUMNS))

    def draw_valley(axes: Axes, model: str) -> None:
        for at, corpus in enumerate(corpora):
            draw_with_and_without(
                axes,
                _of(valley, model, corpus),
                label=corpus,
                colour=PALETTE[at],
                marker=MARKERS[at],
                turn=(at, len(corpora)),
            )

    def draw_norms(axes: Axes, model: str) -> None:
        for at, corpus in enumerate(corpora):
            draw_curve(
                axes,
                _of(norms, model, corpus),
                label=f"{corpus}, norm",
                colour=PALETTE[at],
                marker=MARKERS[at],
                turn=(at, len(corpora)),
            )
        without = [corpus for corpus in corpora if _of(norms, model, corpus).empty]
        if without:
            _say(axes, "no token is a sink by the rule", without, corpora, width)

    def draw_rates(axes: Axes, model: str) -> None:
        for at, corpus in enumerate(corpora):
            of_corpus = _of(rates, model, corpus)
            for kind, line in RATE_LINES.items():
                draw_curve(
                    axes,
                    of_corpus[of_corpus["kind"] == kind],
                    label=f"{corpus}, {kind}",
                    colour=PALETTE[at],
                    marker=MARKERS[at],
                    line=line,
                    filled=kind == "heads",
                    turn=(at, len(corpora)),
                )
        axes.set_ylim(-0.04, 1.04)
        heads = rates[rates["kind"] == "heads"]
        without = [
            corpus for corpus in corpora if _of(heads, model, corpus).empty and not _of(norms, model, corpus).empty
        ]
        if without:
            _say(axes, "no attention to the sink was sampled", without, corpora, width)

    def top(model: str) -> Panel:
        rows = valley[valley["model"] == model]
        return Panel(
            draw=partial(draw_valley, model=model),
            unit=unit,
            name=model,
            note=panel_note(rows),
            last=last_layer(rows),
            scale="entropy",
            height=VALLEY_HEIGHT,
        )

    def middle(model: str) -> Panel:
        return Panel(
            draw=partial(draw_norms, model=model),
            unit="norm of sink /\nmedian norm",
            scale="norm",
            logarithmic=True,
            height=OTHER_HEIGHT,
        )

    def bottom(model: str) -> Panel:
        return Panel(draw=partial(draw_rates, model=model), unit="share", scale="share", height=OTHER_HEIGHT)

    rows = [[kind(model) for model in page] for page in pages(models, MOST_COLUMNS) for kind in (top, middle, bottom)]
    legend = [
        [
            Line2D([], [], color=PALETTE[at], marker=MARKERS[at], linestyle=SOLID, label=corpus)
            for at, corpus in enumerate(corpora)
        ],
        sinks_handles(list(valley["sinks"].unique())),
        [Line2D([], [], color=INK, linestyle=line, label=RATES[kind]) for kind, line in RATE_LINES.items()],
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


def sink_frames(tables: Tables, job: FigureJob) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Entropy, norms and rates of the original views, as `draw_sinks` takes them."""
    uncertainty = job.uncertainty
    by_place: dict[tuple[str, str], dict[str, pd.DataFrame]] = {}
    for table, frame in tables:
        by_place.setdefault((table.model, table.corpus_or_experiment), {})[table.content] = frame[
            frame["view"] == ORIGINAL
        ]
    valleys, norms, rates = [], [], []
    for (model, corpus), found in by_place.items():
        place = {"model": model, "corpus": corpus}
        entropy = found["prompt_entropy"]
        rows = first_preparation(entropy[entropy["site"] == RESIDUAL])
        valleys.append(curves_of_job(rows, job).assign(**place))
        norm, rate = summarise_sinks(
            found["sinks"],
            found["token_norms"],
            samples=uncertainty.bootstrap,
            level=uncertainty.level,
            seed=uncertainty.seed,
        )
        norms.append(norm.assign(**place))
        rates.append(rate.assign(**place))
    return (
        pd.concat(valleys, ignore_index=True),
        pd.concat(norms, ignore_index=True),
        pd.concat(rates, ignore_index=True),
    )


def figure(tables: Tables, job: FigureJob, notes: list[str]) -> Drawn:
    """The valley of the entropy, the norms of sinks, and their rates."""
    valley, norms, rates = sink_frames(tables, job)
    unit = job.axes["prompt_entropy"]
    picture = draw_sinks(valley, norms, rates, title=job.title, unit=unit, layers=job.layers, notes=notes)
    panels = [valley.assign(panel="entropy"), norms.assign(panel="norm"), rates.assign(panel="rate")]
    return Drawn(pd.concat(panels, ignore_index=True), picture, notes)
