"""Selectivity: how much better a probe tells the label than it learns random labels by heart (Hewitt and Liang 2019).

A control task gives every type a random label. Where types never recur between training and test, as in grouped folds,
no probe can learn it, so it is set on folds of templates: train on the texts of the other templates, test on those of
one. The same types are then seen in training, and what a probe reaches on random labels it reached by memory.
Selectivity is the score of the real labels on the same split minus that of the control task.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import config_context
from threadpoolctl import threadpool_limits

from fathom.probes import measures as scores
from fathom.probes.checks import States, check_count, read_layer
from fathom.probes.design import Estimator, ProbeDesign
from fathom.probes.estimators import predict
from fathom.probes.gram import make_fold
from fathom.probes.targets import Labels, Target, by_rows, read_targets
from fathom.statistics.arrays import FloatArray, IntArray
from fathom.statistics.resampling import group_codes, group_weights

SPLIT, CONTROL = "template split", "control task"


def template_split(
    states: States,
    labels: Mapping[str, npt.ArrayLike],
    types: npt.ArrayLike,
    templates: npt.ArrayLike,
    design: ProbeDesign,
    *,
    draws: int = 5,
    jobs: int = 1,
) -> tuple[pd.DataFrame, dict[tuple[str, str, str], FloatArray]]:
    """Probe the labels and control tasks of the same types, leaving one template out.

    The splits are not grouped, by design: a type is in training and test. So these scores say nothing about new items,
    and are not to be compared with those of grouped folds.

    Args:
        states: layers of (texts, width), finite; an array (layers, texts, width) is such a sequence.
        labels: (texts,) classes of each label, as `fathom.probes.probing.run_probes` reads them; all texts of a type
            have the same. Missing ones leave the text out.
        types: (texts,) names of what is put into the templates.
        templates: (texts,) names, at least two.
        design: how the labels are probed; of it the estimators, the fixed penalty, the seed (of the control tasks and
            the bootstrap) and the bootstrap, types being resampled, are used.
        draws: control tasks a label, over which the score is averaged. Each permutes the labels of the types, which
            keeps the number of types of each class.
        jobs: layers probed at the same time.

    Returns:
        One row a label, estimator, control ("template split": the real label, "control task") and layer: label,
        estimator, control, measure ("balanced_accuracy"), layer (from 0), score, low, high, chance, texts, groups
        (types). And the bootstrap samples (samples, layers) of each label, estimator and control: row s draws the same
        types for all.

    Raises:
        ValueError: naming the argument.
    """
    check_count("jobs", jobs, 1)
    plan = plan_split(labels, types, templates, draws=draws, seed=design.seed)
    codes, fold_of, targets, labellings = plan.types, plan.fold_of, plan.targets, plan.labellings
    weights = np.ones((1, len(codes)))
    if design.bootstrap:
        weights = np.vstack([weights, group_weights(codes, samples=design.bootstrap, seed=design.seed)])

    def probe(layer: int) -> dict[tuple[str, str, str], FloatArray]:
        layer_states = read_layer(states, layer, len(codes))
        found: dict[tuple[str, str, str], FloatArray] = {}
        with config_context(assume_finite=True, skip_parameter_validation=True):
            for batch in by_rows(targets):
                rows = batch[0].rows
                predicted = _predicted(layer_states[rows], fold_of[rows], batch, labellings, design)
                for (name, estimator), classes in predicted.items():
                    correct = classes == labellings[name]
                    each = [
                        scores.balanced_accuracy(correct[:, draw].astype(np.float64), truth, weights[:, rows])
                        for draw, truth in enumerate(labellings[name].T)
                    ]
                    found[name, estimator, SPLIT] = each[0]
                    found[name, estimator, CONTROL] = np.mean(each[1:], axis=0)
        return found

    with threadpool_limits(limits=1), ThreadPoolExecutor(jobs) as pool:
        layers = list(pool.map(probe, range(len(states))))
    return _table(layers, {target.name: target for target in targets}, codes, design.level)


@dataclass(frozen=True)
class SplitPlan:
    """What is probed on a split by templates, known before any state is read.

    Attributes:
        types: (texts,), numbers.
        fold_of: (texts,), number of the template.
        targets: the labels.
        labellings: (texts that have the label, 1 + draws) of each label: codes of its classes, then of control tasks.
    """

    types: IntArray
    fold_of: IntArray
    targets: list[Target]
    labellings: dict[str, Labels]


def plan_split(
    labels: Mapping[str, npt.ArrayLike], types: npt.ArrayLike, templates: npt.ArrayLike, *, draws: int, seed: int
) -> SplitPlan:
    """Make the split and the control tasks of `template_split`, which explains the arguments.

    Raises:
        ValueError: naming the argument, if the texts do not allow such a split.
    """
    codes, fold_of = group_codes(types), _codes("templates", templates)
    check_count("draws", draws, 1)
    if len(fold_of) != len(codes):
        msg = f"templates: {len(fold_of)} names for {len(codes)} texts"
        raise ValueError(msg)
    targets = read_targets(labels, len(codes))
    labellings = {target.name: _labellings(target, codes, fold_of, draws, seed) for target in targets}
    return SplitPlan(codes, fold_of, targets, labellings)


def _codes(argument: str, names: npt.ArrayLike) -> IntArray:
    codes, found = pd.factorize(np.asarray(names, dtype=object), sort=True)
    if (codes < 0).any() or len(found) < 2:
        msg = f"{argument}: {len(found)} different names; expected at least two, and one for every text"
        raise ValueError(msg)
    return np.asarray(codes, dtype=np.int64)


def _labellings(target: Target, types: IntArray, fold_of: IntArray, draws: int, seed: int) -> Labels:
    """Return the codes of the real classes and of each control task: (texts, 1 + draws)."""
    if target.continuous:
        msg = f"labels: {target.name} is continuous; a control task is one of classes"
        raise ValueError(msg)
    own = types[target.rows]
    _, first, place = np.unique(own, return_index=True, return_inverse=True)
    of_types = target.values[first]
    differing = np.flatnonzero(of_types[place] != target.values)
    if len(differing):
        msg = f"labels: the texts of one type have different {target.name}, that of text {target.rows[differing[0]]}"
        raise ValueError(msg)
    rng = np.random.default_rng(seed)
    labellings = np.column_stack([target.values, *(rng.permutation(of_types)[place] for _ in range(draws))])
    folds = fold_of[target.rows]
    for fold in np.unique(folds):
        for labelling in labellings[folds != fold].T:
            if len(np.unique(labelling)) < len(target.classes):
                msg = f"templates: without one of them a class of {target.name} has no texts to train on"
                raise ValueError(msg)
    return labellings


def _predicted(
    states: FloatArray,
    fold_of: IntArray,
    batch: list[Target],
    labellings: dict[str, Labels],
    design: ProbeDesign,
) -> dict[tuple[str, Estimator], IntArray]:
    """Return the predicted codes (texts, 1 + draws) of labels of the same texts."""
    predicted: dict[tuple[str, Estimator], IntArray] = {
        (target.name, estimator): np.empty(labellings[target.name].shape, dtype=np.int64)
        for target in batch
        for estimator in design.estimators
    }
    for number in np.unique(fold_of):
        test = fold_of == number
        fold = make_fold(states, ~test)
        for target in batch:
            columns = target.columns(labellings[target.name][~test])
            for estimator in design.estimators:
                found = predict(estimator, fold, columns, design.penalty).reshape(int(test.sum()), -1, target.width)
                predicted[target.name, estimator][test] = target.predicted(found)
    return predicted


def _table(
    layers: list[dict[tuple[str, str, str], FloatArray]], targets: dict[str, Target], types: IntArray, level: float
) -> tuple[pd.DataFrame, dict[tuple[str, str, str], FloatArray]]:
    frames, replicates = [], {}
    for key in layers[0]:
        name, estimator, control = key
        table = np.stack([layer[key] for layer in layers], axis=1)
        replicates[key] = table[1:]
        low, high = scores.interval(table[1:], level)
        frames.append(
            pd.DataFrame(
                {
                    "label": name,
                    "estimator": estimator,
                    "control": control,
                    "measure": "balanced_accuracy",
                    "layer": np.arange(len(layers)),
                    "score": table[0],
                    "low": low,
                    "high": high,
                    "chance": 1 / len(targets[name].classes),
                    "texts": len(targets[name].rows),
                    "groups": len(np.unique(types[targets[name].rows])),
                }
            )
        )
    return pd.concat(frames, ignore_index=True), replicates
