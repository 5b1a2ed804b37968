"""Which experiments probe which texts for what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from fathom.settings import Name, Settings, Uncertainty

Position = Annotated[str, StringConstraints(pattern=r"^(mean|last|span:[A-Za-z0-9_-]+)$")]


class ExperimentSettings(Settings):
    """One probing design: labels of the texts of a corpus, read from one position."""

    corpus: Name
    """Corpus with the labelled texts."""
    title: str | None = None
    """Name in figures; the key if left out."""
    position: Position
    """`mean`, `last` or `span:<name>`: where in a text the state is read."""
    labels: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Labels to probe for; all of the corpus if left out. Several are averaged into one curve."""
    estimators: Annotated[tuple[Literal["svm", "ridge", "logistic"], ...], Field(min_length=1)] = ("svm", "ridge")
    """Linear probes."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Parts of the groups; each is predicted once from the others."""
    repeats: Annotated[int, Field(ge=1)] = 5
    """New assignments of groups to folds; their scores are averaged."""
    permutations: Annotated[int, Field(ge=20)] = 50
    """Permuted labels for the chance level. The smallest p is 1 / (permutations + 1): 50 are enough to test at 0.05 in
    a run of minutes, a paper wants 1,000."""
    penalty: Annotated[float, Field(gt=0.0)] = 1.0
    """Strength of the L2 penalty (alpha of ridge, 1 / C of SVM and logistic) on standardised states divided by the
    square root of the width, so that it means the same at every layer. Fixed: one chosen per layer shapes the curve."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of folds, permutations and bootstrap."""


class ProbeJob(Settings):
    """What one job of the probes stage is told."""

    model: Name
    experiment: Name
    settings: ExperimentSettings
    uncertainty: Uncertainty
