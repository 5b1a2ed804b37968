"""The one style of the house: paper widths, colours, markers, line styles, and how a figure becomes bytes."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import numpy as np
from matplotlib import colormaps, style
from matplotlib.colors import ListedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from matplotlib.artist import Artist
    from matplotlib.ft2font import FT2Font
    from matplotlib.legend import Legend
    from matplotlib.typing import LineStyleType, RcKeyType


Thing = TypeVar("Thing")
Format = Literal["svg", "png"]
# Inches: the column, one and a half of them, and the text width of the usual two-column journals and proceedings.
SINGLE_COLUMN = 3.35
ONE_AND_A_HALF = 5.2
DOUBLE_COLUMN = 6.9
# Points. Nothing in a figure is smaller than SMALL, since figures are printed at the size they are drawn.
SMALL = 6.5
NORMAL = 7.0
LARGE = 8.0
DOTS_PER_INCH = 200
# Stands between the parts of a note; a line break can stand for it.
DOT = "\N{MIDDLE DOT}"
INK = "#222222"
FAINT = "#666666"
GRID = "#E4E4E4"
# The order matters: the first four differ most in lightness and under simulated deuteranopia and protanopia, and every
# colour has a contrast to white of 2.7 or more. Markers have the same order, so no curve is known by colour alone.
PALETTE = ("#004488", "#D55E00", "#44AA99", INK, "#882255", "#3A9BDC")
MARKERS = ("o", "s", "^", "D", "v", "P")
MOST_TOLD_APART = len(PALETTE) * len(MARKERS)
"""Things without an order that one figure tells apart, of which a panel holds as many as there are colours."""
# For ordered things (scales, checkpoints, amounts): from dark to light, so that the order survives colour blindness and
# a black and white print. The map's yellow end is left out, for it would vanish on white.
SEQUENTIAL = ListedColormap(colormaps["plasma"](np.linspace(0, 0.74, 256)), name="fathom")
SOLID: LineStyleType = "-"
DASHED: LineStyleType = (0, (3.6, 1.5))
DOTTED: LineStyleType = (0, (1.2, 1.2))
LINES: tuple[LineStyleType, ...] = (
    SOLID,
    DASHED,
    (0, (5.0, 1.3, 1.0, 1.3)),
    DOTTED,
    (0, (7.0, 1.5)),
    (0, (5.0, 1.3, 1.0, 1.3, 1.0, 1.3)),
)
STYLE: dict[RcKeyType, Any] = {
    # DejaVu Sans comes with matplotlib, and text becomes paths: the picture is the same on every machine and in every
    # browser, whatever fonts are there. matplotlib leaves the words in the svg as comments.
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": NORMAL,
    "svg.fonttype": "path",
    "svg.hashsalt": "fathom",
    # Names of models and corpora are data: a "$" in one is a dollar sign.
    "text.parse_math": False,
    "text.color": INK,
    "figure.titlesize": LARGE,
    "figure.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "figure.constrained_layout.hspace": 0.02,
    "figure.constrained_layout.wspace": 0.02,
    "axes.titlesize": NORMAL,
    "axes.titleweight": "bold",
    "axes.labelsize": NORMAL,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.2,
    "lines.markeredgewidth": 0.7,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.4,
    "legend.labelspacing": 0.35,
    "legend.borderpad": 0.2,
    "legend.borderaxespad": 0.2,
    "savefig.facecolor": "white",
}


def house_style() -> AbstractContextManager[None]:
    """Context in which figures are made and rendered: matplotlib's defaults and STYLE, not the user's own settings."""
    return style.context(STYLE, after_reset=True)  # type: ignore[arg-type]  # the stub wants str keys, rcParams are narrower


def look(at: int) -> tuple[str, str]:
    """Colour and marker of the thing `at` among up to MOST_TOLD_APART: no two have both, and neighbours neither."""
    return PALETTE[at % len(PALETTE)], MARKERS[(at + at // len(PALETTE)) % len(MARKERS)]


def pages_of_colours(things: Sequence[Thing], column: str) -> list[list[tuple[int, Thing]]]:
    """Cut things that have no order into groups of as many as there are colours, each with its place among all.

    Raises:
        ValueError: if there are more than can be told apart, naming the `column` that holds them.
    """
    if len(things) > MOST_TOLD_APART:
        msg = f"{column}: at most {MOST_TOLD_APART} can be told apart in one figure, found {len(things)}"
        raise ValueError(msg)
    placed = list(enumerate(things))
    return [placed[at : at + len(PALETTE)] for at in range(0, len(placed), len(PALETTE))]


def open_figure(width: float, height: float) -> Figure:
    """Open an empty figure of `width` by `height` inches whose parts arrange themselves (constrained layout).

    To be called inside `house_style`.
    """
    return Figure(figsize=(width, height), layout="constrained")


def leave_below(figure: Figure, inches: float) -> None:
    """Keep the panels of an open figure out of its lowest inches."""
    free = inches / float(figure.get_size_inches()[1])
    figure.set_layout_engine("constrained", rect=(0, free, 1, 1 - free))


def render(figure: Figure, format: Format, *, caption: str = "") -> bytes:
    """Render a figure to bytes, the same bytes every time: without a date, with fixed identifiers, at 200 dots an inch.

    Args:
        figure: the figure
        format: "svg" or "png"
        caption: kept in the file as its description, so that a figure that travels alone still says what it shows

    Raises:
        ValueError: if `format` is another one.
    """
    if format not in get_args(Format):
        msg = f"format: expected one of {', '.join(get_args(Format))}, found {format!r}"
        raise ValueError(msg)
    metadata: dict[str, str | None] = {"Date": None} if format == "svg" else {"Software": None}
    if caption:
        metadata["Description"] = caption
    buffer = io.BytesIO()
    with house_style():
        for words in figure.findobj(Text):
            words.set_text(drawable(words.get_text()))
        _settle(figure)
        figure.savefig(buffer, format=format, dpi=DOTS_PER_INCH, metadata=metadata)
    return buffer.getvalue()


def _settle(figure: Figure) -> None:
    """Let a figure's parts take their places, and fix them there.

    The solver of the layout has another last digit from call to call, and the svg's identifiers are made from places.
    """
    # Once is not enough where a text was wider than its panel before the panel had its place.
    for _ in range(2):
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        place = axes.get_position(original=True).bounds
        axes.set_position((round(place[0], 6), round(place[1], 6), round(place[2], 6), round(place[3], 6)))


@lru_cache(maxsize=1)
def _fonts() -> tuple[FT2Font, ...]:
    weights = ("normal", "bold")
    return tuple(get_font(findfont(FontProperties(family=["DejaVu Sans"], weight=weight))) for weight in weights)


def drawable(text: str) -> str:
    r"""The text with its code, such as \u4e2d, in place of every character that the font of all figures lacks.

    A font of the machine would draw another picture on another machine, and a box says nothing. The words as they are
    stand in the caption and in the CSV.
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(
        letter
        if letter == "\n" or all(font.get_char_index(ord(letter)) for font in _fonts())
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


@lru_cache(maxsize=10_000)
def text_width(text: str, *, size: float = NORMAL, weight: str = "normal") -> float:
    """Width in inches of one line of text of `size` points, as it is drawn."""
    font = FontProperties(family=["DejaVu Sans"], size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(drawable(text), font, ismath=False)[0] / 72


def fold(text: str, width: float, *, size: float = NORMAL, weight: str = "normal") -> str:
    """Break a text into lines of at most `width` inches, after a space or one of -/_@:, or inside a longer word."""
    lines = [""]
    text = drawable(text)
    # A no-break space is no place to break, so no \s here.
    for part in re.split(r"(?<=[ \-/_@:,])", text):
        if text_width((lines[-1] + part).rstrip(), size=size, weight=weight) <= width:
            lines[-1] += part
            continue
        lines.append("")
        for letter in part:
            if lines[-1] and text_width(lines[-1] + letter, size=size, weight=weight) > width:
                lines.append("")
            lines[-1] += letter
    return "\n".join(line.strip(f" {DOT}") for line in lines if line.strip(f" {DOT}"))


def ordered_colours(count: int) -> list[str]:
    """Give `count` colours from dark to light for things that have an order."""
    return [to_hex(SEQUENTIAL(at / max(count - 1, 1))) for at in range(count)]


def legend_fits(labels: Sequence[str], columns: int, width: float) -> bool:
    """Tell whether a legend with these labels in so many columns, read row by row, is at most `width` inches wide."""
    em = SMALL / 72
    widths = [max(text_width(label, size=SMALL) for label in labels[start::columns]) for start in range(columns)]
    return sum(widths) + columns * (2.4 + 0.5) * em + (columns - 1) * 1.4 * em + 0.4 * em <= width


def legend_below(figure: Figure, groups: Sequence[Sequence[Artist]], *, foot: float = 0.0) -> Legend:
    """Put one legend under all panels, read row by row; if it needs several rows, every group begins a new one.

    Args:
        figure: the figure
        groups: the handles; a label that is wider than the figure is folded
        foot: inches to leave free below it
    """
    width, height = (float(inches) for inches in figure.get_size_inches())
    columns, handles = _legend_rows(groups, width)
    # matplotlib fills a legend column by column.
    ordered = [handle for start in range(columns) for handle in handles[start::columns]]
    labels = [_legend_label(handle, width) for handle in ordered]
    # Not matplotlib's "outside lower center": that has its place at the edge of the figure, and so no room for a foot.
    place = (0, foot / height, 1, 1 - foot / height)
    legend = figure.legend(ordered, labels, loc="lower center", ncols=columns, bbox_to_anchor=place)
    leave_below(figure, foot + legend.get_window_extent().height / figure.dpi + 0.04)
    return legend


def legend_height(groups: Sequence[Sequence[Artist]], width: float) -> float:
    """Height in inches that `legend_below` takes in a figure of `width` inches."""
    columns, handles = _legend_rows(groups, width)
    lines = sum(
        max(_legend_label(handle, width).count("\n") + 1 for handle in handles[at : at + columns])
        for at in range(0, len(handles), columns)
    )
    return lines * 1.4 * SMALL / 72 + 0.08


def _legend_label(handle: Artist, width: float) -> str:
    return fold(str(handle.get_label()), width - 0.1 - 3.4 * SMALL / 72, size=SMALL) or " "


def _legend_rows(groups: Sequence[Sequence[Artist]], width: float) -> tuple[int, list[Artist]]:
    handles = [handle for group in groups for handle in group]
    for columns in range(len(handles), 1, -1):
        # With the blanks that put groups on rows of their own, for they move labels to other columns.
        rows = handles if columns == len(handles) else _on_own_rows(groups, columns)
        if legend_fits([str(handle.get_label()) for handle in rows], columns, width - 0.1):
            return columns, rows
    return 1, handles


def _on_own_rows(groups: Sequence[Sequence[Artist]], columns: int) -> list[Artist]:
    return [handle for group in groups for handle in [*group, *_blanks(-len(group) % columns)]]


def _blanks(count: int) -> list[Artist]:
    return [Line2D([], [], linestyle="none", label=" ") for _ in range(count)]
