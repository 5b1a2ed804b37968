"""Designs and states of which it is known what a probe can read: shared by the tests of probes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fathom.probes.curve_tables import ProbeTables
from fathom.probes.design import ProbeDesign
from fathom.probes.probing import run_probes

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def closed_blocks(blocks: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """First item, second item, label and block of each text: blocks of two pairs, related and re-paired."""
    first = np.concatenate([[2 * b, 2 * b + 1, 2 * b, 2 * b + 1] for b in range(blocks)])
    second = np.concatenate([[2 * b, 2 * b + 1, 2 * b + 1, 2 * b] for b in range(blocks)])
    return first, second, np.tile([1, 1, 0, 0], blocks), np.repeat(np.arange(blocks), 4)


def additive_states(seed: int, first: IntArray, second: IntArray, *, layers: int = 1, width: int = 64) -> FloatArray:
    """States (layers, texts, width) that hold each item but nothing of their relation: a_i + b_j + noise."""
    rng = np.random.default_rng(1000 + seed)
    a, b = rng.standard_normal((2, layers, int(first.max()) + 1, width))
    noise = 0.3 * rng.standard_normal((layers, len(first), width))
    return np.asarray(a[:, first] + b[:, second] + noise, dtype=np.float64)


def partly_told() -> tuple[FloatArray, IntArray, IntArray]:
    """States with features of very different scale, two of them constant; labels that they tell in part; 40 groups."""
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(40) % 4 == 0, 3).astype(np.int64)
    states = rng.standard_normal((120, 50)) * np.logspace(-2, 3, 50) + 100
    states[:, :10] += 0.6 * np.std(states[:, :10], axis=0) * labels[:, None]
    states[:, 20] = 0.1
    states[:, 21] = 0.0
    return states, labels, np.repeat(np.arange(40), 3)


def probe(
    states: Any,
    labels: Any,
    groups: Any,
    *,
    stratify_by: Any = None,
    items: Any = None,
    jobs: int = 1,
    progress: Any = None,
    **design: Any,
) -> ProbeTables:
    """`run_probes` with a design in words."""
    how = ProbeDesign(**design)
    return run_probes(states, labels, groups, how, stratify_by=stratify_by, items=items, jobs=jobs, progress=progress)
