"""How the cost of a metric grows with texts, tokens, width and layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from benchmarks.invariance import random_views
from benchmarks.pairs import clock
from benchmarks.table import number
from fathom.metrics.definitions.curvature import curvature
from fathom.metrics.definitions.dataset_entropy import matrix_entropy
from fathom.metrics.definitions.dime import dime
from fathom.metrics.definitions.lidar import lidar
from fathom.metrics.definitions.linear_cka import linear_cka_matrix
from fathom.metrics.preparation import prepare

REPEATS = 5
VIEWS = 4

Sizes = dict[str, int]
Work = Callable[[], object]
Metric = Callable[[npt.NDArray[np.floating]], float]


@dataclass(frozen=True)
class Curve:
    """Seconds of one metric along one axis, the other sizes held."""

    metric: str
    axis: str
    held: Sizes
    sizes: list[int]
    seconds: list[float]

    @property
    def exponent(self) -> float:
        """Slope of log seconds over log size, by least squares."""
        return float(np.polyfit(np.log(self.sizes), np.log(self.seconds), 1)[0])


@dataclass(frozen=True)
class Case:
    """One metric: how to make its work for given sizes, the sizes that are held, and those of each axis."""

    metric: str
    make: Callable[[Sizes], Work]
    held: Sizes
    axes: dict[str, list[int]]


def measure(scale: float = 1.0) -> list[Curve]:
    """Measure all curves on one core; `scale` multiplies all sizes, for a quick look."""
    with threadpool_limits(limits=1, user_api="blas"):
        return [curve for case in cases() for curve in curves_of(case, scale)]


def curves_of(case: Case, scale: float) -> Iterator[Curve]:
    """The curves of one metric."""
    held = {axis: max(1, round(scale * size)) for axis, size in case.held.items()}
    for axis, lengths in case.axes.items():
        sizes = [max(1, round(scale * length)) for length in lengths]
        seconds = [fastest(case.make(held | {axis: size})) for size in sizes]
        others = {name: size for name, size in held.items() if name != axis}
        yield Curve(metric=case.metric, axis=axis, held=others, sizes=sizes, seconds=seconds)


def fastest(work: Work) -> float:
    """Least seconds of a few runs, which meets the fewest interruptions."""
    work()
    return min(clock(work) for _ in range(REPEATS))


def cases() -> list[Case]:
    """All metrics: those of tokens for every text and layer, those of texts for every layer, and CKA between layers."""
    tokens = {"texts": 2, "tokens": 100, "width": 576, "layers": 4}
    token_axes = {
        "texts": [2, 4, 8],
        "tokens": [50, 100, 200, 400],
        "width": [144, 288, 576, 1152],
        "layers": [2, 4, 8],
    }
    texts = {"texts": 200, "width": 256, "layers": 2}
    text_axes = {"texts": [50, 100, 200, 400], "width": [128, 256, 512], "layers": [1, 2, 4]}
    return [
        Case("prompt entropy", of_tokens(lambda z: matrix_entropy(prepare(z, "centred"))), tokens, token_axes),
        Case("curvature", of_tokens(curvature), tokens, token_axes),
        Case("dataset entropy", of_texts(lambda z: matrix_entropy(prepare(z, "centred"))), texts, text_axes),
        Case("DiME, 10 permutations", of_views(lambda views: dime(views[:, 0], views[:, 1])), texts, text_axes),
        Case(f"LiDAR, {VIEWS} views", of_views(lidar), texts, text_axes),
        Case(
            "linear CKA, all pairs of layers", between_layers, texts | {"layers": 8}, text_axes | {"layers": [4, 8, 16]}
        ),
    ]


def of_tokens(metric: Metric) -> Callable[[Sizes], Work]:
    """Work of a metric of the tokens of a text, at all layers of all texts."""

    def make(sizes: Sizes) -> Work:
        states = random_states(sizes["texts"] * sizes["layers"], sizes["tokens"], sizes["width"])
        return lambda: [metric(z) for z in states]

    return make


def of_texts(metric: Metric) -> Callable[[Sizes], Work]:
    """Work of a metric of the mean states of all texts, at all layers."""

    def make(sizes: Sizes) -> Work:
        states = random_states(sizes["layers"], sizes["texts"], sizes["width"])
        return lambda: [metric(z) for z in states]

    return make


def of_views(metric: Metric) -> Callable[[Sizes], Work]:
    """Work of a metric of the views of all texts, at all layers."""

    def make(sizes: Sizes) -> Work:
        views = random_views(sizes["texts"], VIEWS, sizes["width"])
        return lambda: [metric(views) for _ in range(sizes["layers"])]

    return make


def between_layers(sizes: Sizes) -> Work:
    """Work of linear CKA between all pairs of layers."""
    states = random_states(sizes["layers"], sizes["texts"], sizes["width"])
    return lambda: linear_cka_matrix(list(states))


def random_states(count: int, rows: int, width: int) -> npt.NDArray[np.float32]:
    """Random states (count, rows, width), as a store gives them: float32."""
    return np.random.default_rng(0).standard_normal((count, rows, width), dtype=np.float32)


def curve_lines(curves: list[Curve]) -> list[str]:
    """The curves as a Markdown table."""
    lines = [
        "| cost of | grows with | held | seconds | exponent |",
        "|---|---|---|---|---|",
    ]
    for curve in curves:
        held = ", ".join(f"{size} {axis}" for axis, size in curve.held.items())
        seconds = ", ".join(f"{size}: {number(one)}" for size, one in zip(curve.sizes, curve.seconds, strict=True))
        lines.append(f"| {curve.metric} | {curve.axis} | {held} | {seconds} | {curve.exponent:.2f} |")
    return lines
