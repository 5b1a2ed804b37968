"""How the cost of a metric grows with texts, tokens, width and layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from benchmarks.invariance import random_views
from benchmarks.pairs import clock
from benchmarks.table import number
from fathom.metrics.definitions.curvature import curvature
from fathom.metrics.definitions.dataset_entropy import matrix_entropy
from fathom.metrics.definitions.dime import dime
from fathom.metrics.definitions.infonce import infonce
from fathom.metrics.definitions.lidar import lidar
from fathom.metrics.definitions.linear_cka import linear_cka_matrix
from fathom.metrics.preparation import prepare
from fathom.probes.design import ProbeDesign
from fathom.probes.probing import run_probes
from fathom.statistics.neighbours import nearest_neighbours

REPEATS = 5
VIEWS = 4

Sizes = dict[str, int]
Work = Callable[[], object]
Metric = Callable[[npt.NDArray[Any]], object]


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
    repeats: int = REPEATS


def measure(scale: float = 1.0) -> list[Curve]:
    """Measure all curves on one core; `scale` multiplies all sizes, for a quick look."""
    with threadpool_limits(limits=1, user_api="blas"):
        return [curve for case in cases() for curve in curves_of(case, scale)]


def curves_of(case: Case, scale: float) -> Iterator[Curve]:
    """The curves of one metric."""
    held = {axis: max(1, round(scale * size)) for axis, size in case.held.items()}
    for axis, lengths in case.axes.items():
        sizes = [max(1, round(scale * length)) for length in lengths]
        seconds = [fastest(case.make(held | {axis: size}), case.repeats) for size in sizes]
        others = {name: size for name, size in held.items() if name != axis}
        yield Curve(metric=case.metric, axis=axis, held=others, sizes=sizes, seconds=seconds)


def fastest(work: Work, repeats: int = REPEATS) -> float:
    """Least seconds of a few runs, which meets the fewest interruptions."""
    if repeats > 1:
        work()
    return min(clock(work) for _ in range(repeats))


def cases() -> list[Case]:
    """All metrics: those of tokens for every text and layer, those of texts for every layer, and CKA between layers.

    Those of texts once more for thousands of them, with neighbours and probes. The aims over texts: an exponent of at
    most 1.1 for ridge, dataset entropy and DiME in blocks; of 2.1 for neighbours and InfoNCE, which compare all pairs.
    """
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
        *many_texts(),
    ]


def many_texts() -> list[Case]:
    """What is measured of thousands of texts, at one layer."""
    one = {"texts": 4000, "width": 128, "layers": 1}
    linear, square = {"texts": [4000, 16_000, 64_000]}, {"texts": [4000, 8000, 16_000]}
    entropy = of_texts(lambda z: matrix_entropy(prepare(z, "centred")))
    pairs = of_views(lambda views: infonce(prepare(views[:, 0], "centred"), prepare(views[:, 1], "centred")))
    blocks = of_views(lambda views: dime(views[:, 0], views[:, 1], permutations=2))
    return [
        Case("ridge, 13 penalties, 200 permutations, 5 x 5 folds", probed, one, linear, repeats=1),
        Case("dataset entropy of many texts", entropy, one, linear),
        Case("DiME of many texts, 2 permutations", blocks, one, {"texts": [4000, 8000]}, repeats=1),
        Case("InfoNCE of many texts", pairs, one, square, repeats=1),
        Case("10 nearest neighbours", of_texts(lambda z: nearest_neighbours(z, 10).sum()), one, square, repeats=1),
    ]


def probed(sizes: Sizes) -> Work:
    """Work of ridge with nested folds and permuted labels at one layer."""
    states = random_states(1, sizes["texts"], sizes["width"])
    labels = {"side": np.where(states[0, :, 0] > 0, "left", "right")}
    design = ProbeDesign(estimators=("ridge",), selections=("fixed", "inner"), repeats=1, bootstrap=100)
    return lambda: run_probes(states, labels, np.arange(sizes["texts"]), design)


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
