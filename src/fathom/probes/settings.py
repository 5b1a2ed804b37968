"""Which experiments probe which texts for what."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from fathom.probes.design import MARGIN_PENALTIES, RIDGE_PENALTIES, Estimator, ProbeDesign
from fathom.probes.job import CoordinationJob, ProbeJob
from fathom.schema import NOT_EXPECTED, UNKNOWN_KEY, Line, Name, Seed, Settings, Uncertainty, each_once

Position = Annotated[str, StringConstraints(pattern=r"^(mean|last|span:[A-Za-z0-9_-]{1,100})$")]
Site = Literal["residual", "attention_input", "attention", "attention_residual", "mlp", "mlp_inner"]
Control = Literal["random", "shuffled", "static", "selectivity", "surface"]
FEWEST_PERMUTATIONS = 20  # the smallest p is then below 0.05


def _enough(permutations: int) -> int:
    if 0 < permutations < FEWEST_PERMUTATIONS:
        expected = "expected 0 (no test) or at least {least}, with which p can be below 0.05"
        raise PydanticCustomError(NOT_EXPECTED, expected, {"least": FEWEST_PERMUTATIONS})
    return permutations


def _falling(penalties: tuple[float, ...]) -> tuple[float, ...]:
    if any(later >= earlier for earlier, later in pairwise(penalties)):
        raise PydanticCustomError(NOT_EXPECTED, "expected falling numbers: of equally good ones the first is taken")
    return penalties


Penalty = Annotated[float, Field(gt=0.0)]
Penalties = Annotated[tuple[Penalty, ...], Field(min_length=2), AfterValidator(_falling)]


class CoordinationSettings(Settings):
    """How the attention outputs of adjacent layers coordinate."""

    splits: Annotated[int, Field(ge=1)] = 20
    """Random halves of the groups, over which a score of one half against the other is averaged. Noise alone makes
    scores of adjacent layers alternate; what two halves share is more."""
    k: Annotated[int, Field(ge=1)] = 5
    """Nearest texts whose overlap between layers is measured."""
    samples: Annotated[int, Field(ge=20)] = 100
    """Half samples for the intervals of similarities, each of which measures all layers anew."""


class ExperimentSettings(Settings):
    """One probing design: labels of the texts of a corpus, read from one or several places in model and text."""

    corpus: Name
    """Corpus with the labelled texts."""
    test: Name | None = None
    """Another corpus with the same labels, on which what is trained on this one is tested besides: a curve out of the
    domain of the training, and how far the curve inside is ahead. Its classes must be the same. Texts that are equal or
    nearly equal to a training text are left out, of a design those that share an item with one."""
    title: Line | None = None
    """Name in figures; the key if left out."""
    views: Annotated[tuple[Line, ...], Field(min_length=1), AfterValidator(each_once)] | None = None
    """Views that are probed, each for itself; those of the corpus' design if left out (`original`, or the distances of
    an early-context corpus). Shuffled texts and further templates are controls of them."""
    sites: Annotated[tuple[Site, ...], Field(min_length=1), AfterValidator(each_once)] = ("residual",)
    """Where in a block."""
    positions: Annotated[tuple[Position, ...], Field(min_length=1), AfterValidator(each_once)]
    """Where in a text the state is read: `mean`, `last` or `span:<name>`."""
    labels: Annotated[tuple[Line, ...], Field(min_length=1), AfterValidator(each_once)] | None = None
    """Labels to probe for; all of the corpus if left out. Those with two values are averaged into one curve as well."""
    stratify_by: Line | None = None
    """Label whose classes are spread evenly over the folds, which all labels share. Left out, it is the label itself
    where there is one only."""
    estimators: Annotated[tuple[Estimator, ...], Field(min_length=1), AfterValidator(each_once)] = ("svm", "ridge")
    """Linear probes. Continuous labels are for `ridge` only."""
    penalty: Penalty = 1.0
    """Strength of the L2 penalty (alpha of ridge, 1 / C of SVM and logistic) on standardised states divided by the
    square root of the width, so that it means the same at every layer. Fixed: no choice of it can shape the curve."""
    inner: Annotated[tuple[Estimator, ...], AfterValidator(each_once)] = ("ridge",)
    """Estimators that are run once more with nested cross-validation: the penalty is chosen for every layer and
    training fold by folds inside it, as good as the probe can be. Ridge alone by default: it answers all penalties at
    once, while an SVM is fitted 130 times a layer and repeat."""
    ridge_penalties: Penalties = RIDGE_PENALTIES
    """Penalties that nested cross-validation chooses from: six decades, half a decade a step."""
    margin_penalties: Penalties = MARGIN_PENALTIES
    """The same for the margin classifiers, SVM and logistic regression: fewer, since each is a fit of its own."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Parts of the groups; each is predicted once from the others."""
    inner_folds: Annotated[int, Field(ge=2)] = 5
    """Parts of a training fold, to choose the penalty."""
    repeats: Annotated[int, Field(ge=1)] = 3
    """New assignments of groups to folds; their scores are averaged. A paper wants 10: what a curve moves from one
    assignment to another is less than its interval over groups already with 3."""
    permutations: Annotated[int, Field(ge=0), AfterValidator(_enough)] = 200
    """Permuted labels for the chance level; 0 leaves it untested. The smallest p is 1 / (permutations + 1)."""
    permuted: Annotated[tuple[Estimator, ...], AfterValidator(each_once)] = ("svm", "ridge")
    """Estimators that are tested so. Ridge answers all permutations at once, with the fixed penalty and with a chosen
    one; the others are fitted to each, with the fixed penalty only, and to none of more than 5,000 texts. Logistic
    regression takes several times as long as an SVM."""
    controls: Annotated[tuple[Control, ...], AfterValidator(each_once)] = (
        "random",
        "shuffled",
        "static",
        "selectivity",
        "surface",
    )
    """What the curve is set against, with the fixed penalty: `random`, the same model with random weights; `shuffled`,
    the same words in another order; `static`, the sum of the tokens' vectors before the first block; `selectivity`, a
    control task of random labels on a split by templates (Hewitt and Liang 2019); `surface`, what the words of a text
    in a bag (tf-idf), its length and its first word tell, of texts that no design balances. `shuffled` and
    `selectivity` need the views that the corpus makes for them."""
    control_draws: Annotated[int, Field(ge=1)] = 5
    """Random labellings of the control task; their scores are averaged."""
    keep_directions: bool = False
    """Also keep the directions of the probes with their scaler (`{experiment}.directions.safetensors`), fitted to all
    texts with the fixed penalty: `fathom.probes.apply` scores other states with them, or every token of a text."""
    coordination: CoordinationSettings | None = None
    """Also measure how the attention outputs of adjacent layers coordinate. Needs the site `attention`, and attention
    patterns of the corpus."""
    seed: Seed = 0
    """Seed of folds, permutations, bootstrap and control task."""

    @model_validator(mode="before")
    @classmethod
    def _name_renamed_key(cls, data: Any) -> Any:
        """Say what `strata` is called now."""
        if isinstance(data, Mapping) and "strata" in data:
            facts = {"key": "strata"}
            raise PydanticCustomError(UNKNOWN_KEY, "unknown key; expected its new name, stratify_by", facts)
        return data

    @property
    def corpora(self) -> tuple[str, ...]:
        """Corpora whose states are read: the one that is trained on, and one that is tested besides."""
        return (self.corpus,) if self.test is None else (self.corpus, self.test)

    def design(self, uncertainty: Uncertainty, *, control: bool = False) -> ProbeDesign:
        """How the labels are probed; of a model that is a control with the fixed penalty and without a test."""
        nested = set(self.inner) & set(self.estimators)
        design = ProbeDesign(
            estimators=self.estimators,
            selections=("fixed", "inner") if nested else ("fixed",),
            nested=self.inner,
            penalty=self.penalty,
            ridge_penalties=self.ridge_penalties,
            margin_penalties=self.margin_penalties,
            folds=self.folds,
            inner_folds=self.inner_folds,
            repeats=self.repeats,
            permutations=self.permutations,
            permuted=self.permuted,
            seed=self.seed,
            bootstrap=uncertainty.bootstrap,
            level=uncertainty.level,
        )
        return design.as_control() if control else design

    def job(
        self,
        model: str,
        experiment: str,
        views: tuple[str, ...],
        uncertainty: Uncertainty,
        *,
        control: bool = False,
        designed: bool = True,
    ) -> ProbeJob:
        """What the job is told that fits the probes.

        `control` is whether the whole model is one, `designed` whether the corpus words a design of items.
        """
        return ProbeJob(
            model=model,
            experiment=experiment,
            corpus=self.corpus,
            views=views,
            sites=self.sites,
            positions=self.positions,
            labels=self.labels,
            stratify_by=self.stratify_by,
            design=self.design(uncertainty, control=control),
            controls=() if control else self.controls,
            designed=designed,
            control_draws=self.control_draws,
            test=None if control else self.test,
        )

    def directions_job(self, job: ProbeJob) -> ProbeJob:
        """What the job is told that keeps the directions of the probes that another one fits."""
        return job.model_copy(update={"directions": True, "test": None, "controls": ()})

    def coordination_job(self, job: ProbeJob, uncertainty: Uncertainty) -> ProbeJob:
        """What the job is told that measures how adjacent layers coordinate, after the one that fits the probes."""
        how = self.coordination or CoordinationSettings()
        coordination = CoordinationJob(splits=how.splits, k=how.k, samples=how.samples, seed=uncertainty.seed)
        return job.model_copy(update={"coordination": coordination})
