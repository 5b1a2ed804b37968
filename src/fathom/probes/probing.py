"""Linear probes of every layer for several labels at once: what each Gram matrix is made for is made only once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sklearn import config_context
from threadpoolctl import threadpool_limits

from fathom.probes.checks import States, check_count, read_layer
from fathom.probes.curve_tables import ProbeTables, make_tables
from fathom.probes.design import ProbeDesign
from fathom.probes.fitting import Outcome, probe_layer
from fathom.probes.folds import check_groups
from fathom.probes.kept_outcomes import kept_outcomes, outcome_bytes
from fathom.probes.label_batches import Batch, Curve, make_batch
from fathom.probes.layer_choice import Choice, choice_table, choose_layers
from fathom.probes.scoring import Samples, Scored, make_samples, score_curve
from fathom.probes.targets import by_rows, read_targets
from fathom.statistics.arrays import BoolArray, FloatArray, IntArray
from fathom.statistics.item_graph import check_design
from fathom.statistics.resampling import group_weights


def run_probes(
    states: States,
    labels: Mapping[str, npt.ArrayLike],
    groups: npt.ArrayLike,
    design: ProbeDesign,
    *,
    stratify_by: npt.ArrayLike | None = None,
    items: Sequence[Collection[str]] | None = None,
    tested: npt.ArrayLike | None = None,
    choices: bool = False,
    jobs: int = 1,
    progress: Callable[[], None] | None = None,
) -> ProbeTables:
    """Probe every layer for every label with grouped cross-validation.

    Features are standardised with the mean and standard deviation of the training fold. `svm` is a support vector
    machine with hinge loss, `logistic` logistic regression; both weigh the classes equally. `ridge` is a ridge
    regression on the numbers or on classes coded -1 and 1. With more than two classes each is set against the rest, and
    the class with the highest prediction is taken.

    Measures of classes: `balanced_accuracy` (chance 1 / classes) and `auc` (chance 0.5; of several classes the mean of
    each against the rest). Ridge on numbers or two classes: also `r` (Pearson, chance 0) and `r2` (chance 0, negative
    where the mean of the training labels predicts better). `fathom.probes.measures` defines them. The primary measure
    is balanced accuracy, or r of numbers. Folds are put together before they are scored, repeats are averaged after.

    Selection `fixed` is one penalty everywhere, so that the choice cannot shape the curve. `inner` is nested
    cross-validation: the penalty is chosen in each layer and outer training fold by inner grouped folds, the scaler
    fitted anew in each of their training parts: ridge
    by the least mean squared error, the others by the highest balanced accuracy over the classes present, averaged over
    the inner folds; of ties the first. Both are what scikit-learn's GridSearchCV chooses.

    Interval: percentiles over bootstrap samples of groups, the predictions held fixed.

    `p_family_wise`: maximum statistic over layers (`fathom.statistics.multiple_testing.family_wise_p`) of the primary
    measure under the permutations of `fathom.probes.permutations.permuted_labels`. They are run on the folds of the
    first repeat only, and so is the statistic that they are compared with: a mean over repeats varies less than a
    single one, and is never set against it. Under `inner`, ridge chooses a penalty for each permuted labelling, as it
    did for the labels; svm and logistic, whose choices would have to be fitted one by one, have no p there. It is NaN
    where it was not asked for.

    Args:
        states: layers of (texts, width), finite; a layer is read when it is probed, and computed in float64. An array
            (layers, texts, width) is such a sequence.
        labels: (texts,) values of each label. Strings are classes; numbers of two values are two classes, other numbers
            are continuous and for ridge only. None and NaN leave the text out for this label. Labels that leave out
            the same texts share their folds.
        groups: (texts,) names; texts of one group are never split between training and test.
        design: how the labels are probed.
        stratify_by: (texts,) classes of which every fold, inner ones included, shall have its share. Left out, a label
            that shares its folds with no other is its own stratum if it has classes; shared folds have none.
        items: the items of each text; if given, the design is checked by `fathom.statistics.item_graph.check_design`.
        tested: (texts,) true for the texts of a given split that are tested, false for those that are trained on. There
            are no folds and repeats then, and intervals resample the groups that are tested.
        choices: whether layers are chosen from as well (`fathom.probes.layer_choice`), with the fixed penalty.
        jobs: layers probed at the same time, in threads. BLAS is held to one thread meanwhile. What is held of a layer
            is its states and the Gram matrices of one training fold.
        progress: called after each layer.

    Raises:
        ValueError: naming the argument.
    """
    check_count("jobs", jobs, 1)
    if len(states) == 0:
        msg = "states: no layers"
        raise ValueError(msg)
    plan = plan_probes(labels, groups, design, stratify_by=stratify_by, items=items, tested=tested)

    with kept_outcomes(outcome_bytes(plan.batches) * len(states) if choices else 0) as keep:

        def probe(layer: int) -> tuple[dict[Curve, Scored], dict[Curve, Outcome]]:
            found = _probe(plan, read_layer(states, layer, plan.texts))
            if progress is not None:
                progress()
            scored = {curve: one for curve, (one, _) in found.items()}
            fixed = [curve for curve in found if choices and curve[2] == "fixed"]
            return scored, {curve: keep(found[curve][1]) for curve in fixed}

        with threadpool_limits(limits=1), ThreadPoolExecutor(jobs) as pool:
            layers = list(pool.map(probe, range(len(states))))
        of_labels = {name: batch for batch in plan.batches for name in batch.targets}
        tables = make_tables([scored for scored, _ in layers], of_labels, plan.curves, design.level)
        if not choices:
            return tables
        with threadpool_limits(limits=1):
            return replace(tables, choices=choice_table(_choices(states, plan, layers), of_labels, design.level))


def _probe(plan: ProbePlan, states: FloatArray) -> dict[Curve, tuple[Scored, Outcome]]:
    """Fit, predict and score every curve on the states (texts, width) of a layer."""
    found: dict[Curve, tuple[Scored, Outcome]] = {}
    # What scikit-learn would check again at each of many thousand small fits costs it more than the fit.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for batch, sampled in zip(plan.batches, plan.samples, strict=True):
            for curve, outcome in probe_layer(states, batch).items():
                found[curve] = (score_curve(batch, sampled, curve, outcome), outcome)
    return found


def _choices(
    states: States, plan: ProbePlan, layers: Sequence[tuple[dict[Curve, Scored], dict[Curve, Outcome]]]
) -> dict[Curve, dict[str, Choice]]:
    """What each way to choose among the layers scores, of every curve of the fixed penalty."""
    total = np.zeros(1)
    for layer in range(len(states)):
        total = total + read_layer(states, layer, plan.texts)
    of_mean = _probe(plan.untested(), total / len(states))
    return {
        curve: choose_layers(
            batch, sampled, curve, [(scored[curve], outcomes[curve]) for scored, outcomes in layers], of_mean[curve][0]
        )
        for batch, sampled in zip(plan.batches, plan.samples, strict=True)
        for curve in batch.curves
        if curve[2] == "fixed"
    }


@dataclass(frozen=True)
class ProbePlan:
    """What is fitted at every layer, known before any state is read.

    Attributes:
        texts: how many there are.
        curves: what is probed.
        batches: labels that share folds.
        samples: bootstrap samples of the texts of each batch.
    """

    texts: int
    curves: list[Curve]
    batches: list[Batch]
    samples: list[Samples]

    def untested(self) -> ProbePlan:
        """The same curves of the fixed penalty on the same folds, without permuted labels."""
        batches = [
            replace(
                batch,
                inner=None,
                labellings={name: labelling[:, :1] for name, labelling in batch.labellings.items()},
                curves=[curve for curve in batch.curves if curve[2] == "fixed"],
            )
            for batch in self.batches
        ]
        return replace(self, curves=[curve for curve in self.curves if curve[2] == "fixed"], batches=batches)


def plan_probes(
    labels: Mapping[str, npt.ArrayLike],
    groups: npt.ArrayLike,
    design: ProbeDesign,
    *,
    stratify_by: npt.ArrayLike | None = None,
    items: Sequence[Collection[str]] | None = None,
    tested: npt.ArrayLike | None = None,
) -> ProbePlan:
    """Make the folds, permuted labels and bootstrap samples of `run_probes`, which explains the arguments.

    Raises:
        ValueError: naming the argument, if the texts do not allow such probes.
    """
    codes = check_groups(groups)
    classes = None if stratify_by is None else np.asarray(stratify_by, dtype=object)
    if classes is not None and classes.shape != codes.shape:
        msg = f"stratify_by: shape {classes.shape}; expected {codes.shape}"
        raise ValueError(msg)
    targets = read_targets(labels, len(codes))
    if items is not None:
        for target in targets:
            check_design(items, labels[target.name], groups)
    curves: list[Curve] = [
        (target.name, estimator, selection)
        for target in targets
        for estimator in design.estimators
        for selection in design.selections
        if (estimator == "ridge" or not target.continuous) and design.selects(estimator, selection)
    ]
    if not curves:
        estimators = ", ".join(design.estimators)
        msg = f"labels: {targets[0].name} is continuous; {estimators} takes classes, ridge takes numbers"
        raise ValueError(msg)
    test = None if tested is None else np.asarray(tested, dtype=np.bool_)
    weights = _weights(codes, test, design)
    probed = [target for target in targets if target.name in {curve[0] for curve in curves}]
    batches = []
    for batch in by_rows(probed):
        names = {target.name for target in batch}
        of_batch = [curve for curve in curves if curve[0] in names]
        batches.append(make_batch(batch, of_batch, codes, classes, design, test))
    samples = [
        make_samples(batch, weights if len(batch.rows) == len(codes) else weights[:, batch.rows]) for batch in batches
    ]
    return ProbePlan(len(codes), curves, batches, samples)


def _weights(groups: IntArray, tested: BoolArray | None, design: ProbeDesign) -> npt.NDArray[np.float32]:
    """How often each text counts, (1 + samples, texts): once, then as bootstrap samples of the groups have it."""
    scored = np.ones(len(groups), dtype=np.bool_) if tested is None else tested
    weights = np.zeros((1 + design.bootstrap, len(groups)), dtype=np.float32)  # whole numbers, which it holds
    weights[0, scored] = 1.0
    if design.bootstrap:
        drawn = group_weights(groups[scored], samples=design.bootstrap, seed=design.seed, dtype=np.float32)
        weights[1:, scored] = drawn
    return weights
