"""LiDAR and DiME against the loops that one would write first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.pairs import Comparison, clock, interleave
from fathom.metrics.checks import FloatArray
from fathom.metrics.definitions.dime import dime
from fathom.metrics.definitions.lidar import lidar
from fathom.metrics.preparation import prepare

PAIRS = 5
# The papers take 472 texts, 16 views and widths from 512: sizes that leave the loops within seconds.
TEXTS, VIEWS, WIDTH = 200, 16, 256
PERMUTATIONS = 10
RIDGE = 1e-4

Value = Callable[[], float]


def measure() -> list[Comparison]:
    """Measure LiDAR and DiME of the same random views of the same texts; both sides give the same value."""
    views = random_views(TEXTS, VIEWS, WIDTH)
    a, b = views[:, 0], views[:, 1]
    return [
        compare(
            f"LiDAR, {TEXTS} texts x {VIEWS} views x {WIDTH}",
            "a loop over views with an outer product each, and a root by eigh",
            lambda: lidar(views, ridge=RIDGE),
            lambda: lidar_loop(views, RIDGE),
        ),
        compare(
            f"DiME, {TEXTS} texts x {WIDTH}, {PERMUTATIONS} permutations",
            "a loop over permutations, both kernels and eigh in each",
            lambda: dime(a, b, permutations=PERMUTATIONS),
            lambda: dime_loop(a, b, PERMUTATIONS, seed=0),
        ),
    ]


def compare(name: str, against: str, ours: Value, theirs: Value) -> Comparison:
    """Time both sides in turn, after a run of each that shows that they give the same."""
    np.testing.assert_allclose(ours(), theirs(), rtol=1e-6)
    pairs = interleave(lambda: clock(ours), lambda: clock(theirs), PAIRS)
    return Comparison(name=name, against=against, unit="s", pairs=pairs, aim=None)


def random_views(texts: int, views: int, width: int) -> FloatArray:
    """Views (texts, views, width), as far from their text as texts lie apart, each view prepared."""
    random = np.random.default_rng(0)
    states = random.standard_normal((texts, 1, width)) + random.standard_normal((texts, views, width))
    return np.stack([prepare(states[:, view], "centred") for view in range(views)], axis=1)


def lidar_loop(views: FloatArray, ridge: float) -> float:
    """LiDAR as its definition reads."""
    texts, copies, width = views.shape
    mean = views.mean(axis=(0, 1))
    between, within = np.zeros((width, width)), ridge * np.eye(width)
    for text in views:
        centre = text.mean(axis=0)
        between += np.outer(centre - mean, centre - mean) / texts
        for view in text:
            within += np.outer(view - centre, view - centre) / (texts * copies)
    values, vectors = np.linalg.eigh(within)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    return entropy(np.linalg.eigh(root @ between @ root)[0])


def dime_loop(a: FloatArray, b: FloatArray, permutations: int, *, seed: int) -> float:
    """DiME as its definition reads, with the permutations that `dime` draws."""
    random = np.random.default_rng(seed)
    paired = entropy(np.linalg.eigh((a @ a.T) * (b @ b.T))[0])
    chance = []
    for _ in range(permutations):
        shuffled = b[random.permutation(len(b))]
        chance.append(entropy(np.linalg.eigh((a @ a.T) * (shuffled @ shuffled.T))[0]))
    return float(np.mean(chance)) - paired


def entropy(eigenvalues: FloatArray) -> float:
    """Entropy in nats of positive eigenvalues divided by their sum."""
    positive = eigenvalues[eigenvalues > 0.0]
    p = positive / positive.sum()
    return -float(np.sum(p * np.log(p)))
