"""What one job of the probes stage is told."""

from __future__ import annotations

from typing import Literal

from fathom.probes.settings import ExperimentSettings
from fathom.schema import Name, Settings, Uncertainty


class ProbeJob(Settings):
    """What one job of the probes stage is told."""

    kind: Literal["probe", "coordination"] = "probe"
    """Fit the probes of an experiment, or measure its coordination of adjacent layers, which reads what they found."""
    model: Name
    experiment: Name
    settings: ExperimentSettings
    uncertainty: Uncertainty
