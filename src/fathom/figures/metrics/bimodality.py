"""Whether the texts of a corpus fall into two kinds at some layer: dip tests by layer, and the texts at the two modes.

Skean et al. 2024 (arXiv 2412.09563) report that the prompt entropies of a corpus can have two modes at some layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from fathom.figures.drawing.axes import head_height, head_panel, last_layer, note_height, set_depth_axis, set_value_axis
from fathom.figures.drawing.checks import SINKS
from fathom.figures.drawing.style import (
    DASHED,
    DOT,
    FAINT,
    INK,
    PALETTE,
    SMALL,
    SOLID,
    house_style,
    legend_below,
    legend_height,
    open_figure,
    text_width,
)
from fathom.figures.drawing.text import (
    count,
    figure_width,
    foot_height,
    foot_width,
    join_note,
    set_title,
    title_height,
    write_foot,
)
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.metrics.rows import ORIGINAL, RESIDUAL, first_preparation

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes


MODES, MODE_TEXTS = ".modes", ".mode_texts"  # end the contents of the two tables
DRAWN_AS = {"value": "dip", "p_single": "p", "p": "p_family_wise"}
MOST_PANELS = 4
SHOWN = 2
MAP_BINS = 40
HISTOGRAM_BINS = 24
MAP_HEIGHT = 1.4
DIP_HEIGHT = 0.9
HISTOGRAM_HEIGHT = 0.6
INDENT = 2 * "\N{NO-BREAK SPACE}"
COLOURS = {"low": PALETTE[0], "high": PALETTE[1]}


@dataclass(frozen=True)
class Sample:
    """What one column of the figure shows: one model, corpus, view and choice of tokens."""

    name: str
    """Its heading, such as the model and the corpus."""
    rows: pd.DataFrame
    """Rows of the metric: text, layer, depth, sinks, value; one row a text and layer."""
    layers: pd.DataFrame
    """The dip of each layer: layer, depth, dip, critical, p_family_wise, low_mode, high_mode, texts, left_out."""
    examples: pd.DataFrame
    """The texts nearest to the modes of the layer of the largest dip: mode, rank, id, value, tokens, excerpt."""


def draw_bimodality(
    panels: Sequence[Sample], *, title: str, unit: str, layers: str = "layer", notes: Sequence[str] = ()
) -> Figure:
    """Draw how the values of texts spread at each layer, their dip, three layers' histograms, and texts at both modes.

    One column a sample. From the top: share of the texts by value and relative depth; the dip, with the critical value
    of a single test (dashed) and filled markers where it is significant over all layers (Holm, 0.05); histograms of the
    first layer, the one of the largest dip, and the last one, with the modes of each. Below: the texts nearest to the
    modes of the layer of the largest dip.

    Args:
        panels: 1 to 4 samples
        title: of the figure, such as "Bimodality of prompt entropy"
        unit: of the values, the label of their axis
        layers: what to call the layers
        notes: lines of small text under everything

    Raises:
        ValueError: if there are no panels or too many, or a sample's tables do not belong together.
    """
    if not 1 <= len(panels) <= MOST_PANELS:
        msg = f"panels: {len(panels)}; expected 1 to {MOST_PANELS}"
        raise ValueError(msg)
    for panel in panels:
        if panel.layers["layer"].duplicated().any():
            msg = f"panels: {panel.name}: more than one row for a layer; choose one view and one choice of tokens"
            raise ValueError(msg)
        lost = set(panel.layers["layer"]) - set(panel.rows["layer"])
        if lost:
            msg = f"panels: {panel.name}: no rows for layer {min(lost)}"
            raise ValueError(msg)
    with house_style():
        return _draw(panels, title=title, unit=unit, layers=layers, notes=notes)


def _draw(panels: Sequence[Sample], *, title: str, unit: str, layers: str, notes: Sequence[str]) -> Figure:
    # Lines of text need the width of a page, also under a single panel.
    columns = max(len(panels), 2)
    width = figure_width(columns)
    heads = [_note(panel.layers) for panel in panels]
    lines = [*(line for panel in panels for line in _example_lines(panel, foot_width(columns))), *notes]
    foot = foot_height(lines, columns)
    handles = _handles()
    heights = [MAP_HEIGHT, DIP_HEIGHT, *[HISTOGRAM_HEIGHT] * 3]
    above = title_height(title, columns) + head_height([panel.name for panel in panels], heads, columns)
    figure = open_figure(width, above + sum(heights) + 1.75 + legend_height(handles, width) + foot)
    grid = figure.add_gridspec(len(heights), len(panels), height_ratios=heights)
    for at, panel in enumerate(panels):
        axes = [figure.add_subplot(grid[row, at]) for row in range(len(heights))]
        _draw_map(axes[0], panel, unit=unit, first=at == 0)
        head_panel(
            axes[0],
            name=panel.name,
            note=heads[at],
            last=last_layer(panel.layers),
            columns=columns,
            note_points=note_height(heads, columns),
            layers=layers if at == 0 else None,
        )
        _draw_dips(axes[1], panel.layers, first=at == 0)
        _draw_histograms(axes[2:], panel, unit=unit)
    set_title(figure, title, columns)
    write_foot(figure, lines, columns)
    legend_below(figure, handles, foot=foot)
    return figure


def _note(layers: pd.DataFrame) -> str:
    parts = [count(last_layer(layers), "layer"), count(int(layers["texts"].max()), "text")]
    if "sinks" in layers and SINKS[str(layers["sinks"].iloc[0])]:
        parts.insert(0, SINKS[str(layers["sinks"].iloc[0])])
    if layers["left_out"].max() > 0:
        parts.append(f"{int(layers['left_out'].max())}\N{NO-BREAK SPACE}left\N{NO-BREAK SPACE}out")
    return join_note(parts)


def _bins(values: pd.Series, number: int) -> npt.NDArray[np.float64]:
    low, high = float(values.min()), float(values.max())
    margin = (high - low or 1.0) * 0.02
    return np.linspace(low - margin, high + margin, number + 1)


def _shown(panel: Sample) -> pd.DataFrame:
    return panel.rows[panel.rows["layer"].isin(panel.layers["layer"])].dropna(subset="value")


def _draw_map(axes: Axes, panel: Sample, *, unit: str, first: bool) -> None:
    """Share of the texts in each bin of values, a column a layer."""
    rows = _shown(panel)
    bins = _bins(rows["value"], MAP_BINS)
    table = panel.layers.sort_values("layer")
    depths = table["depth"].to_numpy(dtype=np.float64)
    shares = [np.histogram(rows["value"][rows["layer"] == layer], bins)[0] for layer in table["layer"]]
    densities = np.array([share / share.sum() for share in shares]).T
    between = (depths[1:] + depths[:-1]) / 2
    edges = np.concatenate([[depths[0]], between, [depths[-1]]]) if len(depths) > 1 else np.array([0.0, 1.0])
    shades = LinearSegmentedColormap.from_list("shares", ["white", INK])
    # The square root keeps a thin mode visible beside a layer at which all texts are alike.
    axes.pcolormesh(edges, bins, np.sqrt(densities), cmap=shades, rasterized=True)
    axes.grid(visible=False)
    set_depth_axis(axes, label=False)
    set_value_axis(axes, label=unit, height=MAP_HEIGHT, numbers=True)
    if not first:
        axes.set_ylabel("")
    peak = table.iloc[int(table["dip"].to_numpy().argmax())]
    for mode, colour in COLOURS.items():
        axes.plot(peak["depth"], peak[f"{mode}_mode"], marker="_", color=colour, markersize=7, markeredgewidth=1.5)


def _draw_dips(axes: Axes, layers: pd.DataFrame, *, first: bool) -> None:
    table = layers.sort_values("layer")
    axes.plot(table["depth"], table["dip"], color=PALETTE[2], label="dip")
    significant = table["p_family_wise"] < 0.05
    for part, face in ((table[significant], PALETTE[2]), (table[~significant], "white")):
        axes.plot(part["depth"], part["dip"], "o", markersize=2.6, color=PALETTE[2], markerfacecolor=face)
    axes.axhline(float(table["critical"].iloc[0]), color=INK, linestyle=DASHED, linewidth=0.9, label="critical")
    axes.set_ylim(bottom=0)
    set_depth_axis(axes, label=True)
    set_value_axis(axes, label="dip" if first else "", height=DIP_HEIGHT, numbers=True)


def _draw_histograms(axes: Sequence[Axes], panel: Sample, *, unit: str) -> None:
    """Histograms of the first layer, the layer of the largest dip and the last layer."""
    table = panel.layers.sort_values("layer")
    chosen = [table.iloc[0], table.iloc[int(table["dip"].to_numpy().argmax())], table.iloc[-1]]
    rows = _shown(panel)
    for at, (one, layer, words) in enumerate(zip(axes, chosen, ("first", "largest dip", "last"), strict=True)):
        values = rows["value"][rows["layer"] == layer["layer"]]
        bins = _bins(values, HISTOGRAM_BINS)
        one.hist(values, bins=bins.tolist(), color="#BBBBBB")
        for mode, colour in COLOURS.items():
            one.axvline(float(layer[f"{mode}_mode"]), color=colour, linestyle=SOLID if mode == "low" else DASHED)
        facts = f"layer {int(layer['layer'])} ({words}): dip {layer['dip']:.3f}, {_p(float(layer['p_family_wise']))}"
        one.set_title(facts, loc="left", fontsize=SMALL, fontweight="normal", color=FAINT, pad=1.5)
        one.set_xlim(bins[0], bins[-1])
        one.xaxis.set_major_locator(MaxNLocator(5))
        one.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        if at == len(chosen) - 1:
            one.set_xlabel(unit.replace("\n", " "))


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _handles() -> list[list[Line2D]]:
    colour = PALETTE[2]
    return [
        [
            Line2D([], [], color=COLOURS["low"], label="low mode"),
            Line2D([], [], color=COLOURS["high"], linestyle=DASHED, label="high mode"),
        ],
        [
            Line2D([], [], color=colour, marker="o", label="dip, significant over all layers"),
            Line2D([], [], color=colour, marker="o", markerfacecolor="white", label="not significant"),
            Line2D([], [], color=INK, linestyle=DASHED, label="critical dip of one layer"),
        ],
    ]


def _example_lines(panel: Sample, width: float) -> list[str]:
    """One heading a mode, and under it the texts nearest to it, a line a text."""
    lines = []
    for mode in COLOURS:
        texts = panel.examples[panel.examples["mode"] == mode]
        if texts.empty:
            continue
        layer = panel.layers[panel.layers["layer"] == texts["layer"].iloc[0]].iloc[0]
        head = f"{panel.name}, {_note(panel.layers).split(' ' + DOT)[0]}, layer {int(layer['layer'])}"
        lines.append(f"{head}, texts nearest to the {mode} mode ({layer[f'{mode}_mode']:.3f}):")
        for _, text in texts.sort_values("rank").head(SHOWN).iterrows():
            length = f"{text['characters']} characters" if pd.isna(text["tokens"]) else f"{text['tokens']} tokens"
            lines.append(f"{INDENT}{text['value']:.3f}  {text['id']}, {length}: {text['excerpt']}")
    return [_one_line(line, width) for line in lines]


def _one_line(text: str, width: float) -> str:
    """Cut a text after as many words as fit on one line."""
    if text_width(text, size=SMALL) <= width:
        return text
    words = text.split(" ")
    while len(words) > 1 and text_width(" ".join(words) + " …", size=SMALL) > width:
        words.pop()
    return " ".join(words) + " …"


def text_rows(tables: Tables, metric: str, *, sinks: str) -> pd.DataFrame:
    """Rows of the metric of texts among the tables: original view, first preparation, one choice of tokens."""
    frame = next(frame for table, frame in tables if table.content == metric)
    rows = first_preparation(frame[(frame["site"] == RESIDUAL) & (frame["view"] == ORIGINAL)])
    return rows[rows["sinks"] == sinks]


def figure(tables: Tables, job: FigureJob, notes: list[str], *, metric: str, sinks: str) -> Drawn:
    """Histograms of one metric by layer, their dips, and the texts at the two modes."""
    found = {table.content: frame for table, frame in tables}
    by_layer, examples = (
        frame[frame["sinks"] == sinks].reset_index(drop=True)
        for frame in (found[metric + MODES].rename(columns=DRAWN_AS), found[metric + MODE_TEXTS])
    )
    of = job.tables[0]
    name = f"{of.model}, {of.corpus_or_experiment}"
    panel = Sample(name=name, rows=text_rows(tables, metric, sinks=sinks), layers=by_layer, examples=examples)
    picture = draw_bimodality([panel], title=job.title, unit=job.axes[metric], layers=job.layers, notes=notes)
    parts = [by_layer.assign(part="layers"), examples.assign(part="examples")]
    numbers = pd.concat(parts, ignore_index=True).assign(model=of.model, corpus=of.corpus_or_experiment)
    return Drawn(numbers, picture, notes)
