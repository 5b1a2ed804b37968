"""What tests of figures look at: curves by their label, and whether every text has its place."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from fathom.figures.drawing.style import SMALL, house_style

FloatArray = npt.NDArray[np.float64]

LONG_NAME = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B@step143000"
LONG_NOTES = (
    "Claim (a paper, Fig. 2): the curve of one model has a strong dip at mid-depth while that of the other stays high.",
    "This run: a dip of 0.52 (0.49 to 0.55) over all tokens, of 0.04 (0.01 to 0.07) without sink tokens; tau = 0.61.",
)


def labels(axes: Axes) -> list[str]:
    return [str(line.get_label()) for line in axes.get_lines()]


def points(axes: Axes, label: str) -> FloatArray:
    """Give the (depth, value) points of a line."""
    (line,) = [line for line in axes.get_lines() if line.get_label() == label]
    return np.asarray(line.get_xydata(), dtype=np.float64)


def band(axes: Axes, label: str) -> FloatArray:
    """Give the outline of an area."""
    (area,) = [area for area in axes.collections if area.get_label() == label]
    assert isinstance(area, PolyCollection)
    return np.asarray(area.get_paths()[0].vertices, dtype=np.float64)


def check_band(axes: Axes, label: str, ends: FloatArray) -> None:
    """Check an area against rows of depth, low, high."""
    outline = band(axes, label)
    for depth, low, high in ends:
        heights = outline[np.isclose(outline[:, 0], depth), 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [low, high])


def written(figure: Figure) -> list[str]:
    """Give the small texts in and around panels."""
    return [text.get_text().replace("\N{NO-BREAK SPACE}", " ") for axes in figure.axes for text in axes.texts]


def names(figure: Figure) -> list[str]:
    """Give the names of the panels that have one."""
    return [title for axes in figure.axes if (title := axes.get_title(loc="left").replace("\n", ""))]


def drawn(figure: Figure) -> Figure:
    """Draw a figure, so that everything has its place."""
    with house_style():
        figure.draw_without_rendering()
        figure.draw_without_rendering()
    return figure


def check_texts(figure: Figure) -> None:
    """No text is too small, overlaps another or a legend, or leaves the page; panels do not overlap."""
    drawn(figure)
    texts = _drawn_texts(figure)
    assert min(float(text.get_fontsize()) for text in texts) >= SMALL
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    for text, box in boxes:
        assert box.x0 >= figure.bbox.x0 - 0.5, text
        assert box.y0 >= figure.bbox.y0 - 0.5, text
        assert box.x1 <= figure.bbox.x1 + 0.5, text
        assert box.y1 <= figure.bbox.y1 + 0.5, text
    for (text, one), (other_text, other) in itertools.combinations(boxes, 2):
        wide = min(one.x1, other.x1) - max(one.x0, other.x0)
        high = min(one.y1, other.y1) - max(one.y0, other.y0)
        # A box is a little larger than its letters.
        assert wide <= 1 or high <= 1, f"{text!r} over {other_text!r}"
    parts = [part.get_window_extent() for part in (*figure.axes, *figure.legends)]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(parts, 2))


def _drawn_texts(figure: Figure) -> list[Text]:
    """Give the texts that are to be seen: not those of ticks outside their axis."""
    outside: set[Text] = set()
    for axis in figure.findobj(Axis):
        assert isinstance(axis, Axis)
        low, high = sorted(axis.get_view_interval())
        slack = 1e-9 * (high - low)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low - slack <= tick.get_loc() <= high + slack:
                outside |= {tick.label1, tick.label2}
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    return [text for text in texts if text.get_visible() and text.get_text().strip() and text not in outside]
