"""The settings of one job of the probes stage: plain fields, so that no word of the settings is part of its code."""

from __future__ import annotations

from fathom.io.names import ORDERED
from fathom.probes.design import ProbeDesign
from fathom.schema import Line, Name, Seed, Settings


class CoordinationJob(Settings):
    """How a job measures the coordination of adjacent layers."""

    splits: int
    k: int
    samples: int
    seed: Seed


class ProbeJob(Settings):
    """The settings of one job of the probes stage: which texts it probes, where, for what and how."""

    model: Name
    experiment: Name
    corpus: Name
    views: tuple[Line, ...]
    sites: tuple[str, ...]
    positions: tuple[str, ...]
    labels: tuple[Line, ...] | None
    stratify_by: Line | None
    design: ProbeDesign
    controls: tuple[str, ...]
    designed: bool = True
    """Whether spans mark items whose design is checked: no two groups share one, and none tells the label."""
    control_draws: int
    test: Name | None = None
    """Another corpus that what is trained on this one is tested on besides."""
    directions: bool = False
    """Keep the directions of the probes, in place of scoring them."""
    coordination: CoordinationJob | None = None
    """Measure the coordination of adjacent layers from what the probes found, in place of fitting them."""


class OrderedStep(Settings):
    """One of the experiments whose peaks are said to follow one another."""

    experiment: Name
    corpus: Name
    strict: bool
    """Whether it is said to peak before the next one; otherwise before it or with it."""


class OrderJob(Settings):
    """The settings of one job that tests the order of the peaks of several experiments on one model."""

    model: Name
    steps: tuple[OrderedStep, ...]
    samples: int
    """Bootstrap samples."""
    level: float
    """Coverage of the intervals."""
    seed: Seed

    @property
    def name(self) -> str:
        """Names of the experiments, in their order."""
        return ORDERED.join(step.experiment for step in self.steps)
