"""Linear probes of every layer for several labels at once: what each Gram matrix is made for is made only once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import config_context
from threadpoolctl import threadpool_limits

from fathom.probes import measures as scores
from fathom.probes.checks import States, check_count, check_names, check_penalty, read_layer
from fathom.probes.designs import check_groups
from fathom.probes.estimators import Selection
from fathom.probes.fitting import Outcome, Penalties, probe_layer
from fathom.probes.label_batches import Batch, Curve, make_batch
from fathom.probes.settings import MARGIN_PENALTIES, RIDGE_PENALTIES, Estimator
from fathom.probes.targets import Target, by_rows, read_targets
from fathom.statistics.item_graph import check_design
from fathom.statistics.multiple_testing import family_wise_p
from fathom.statistics.resampling import check_level, group_weights

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Strongest first, for ties take the first. On features that are not divided by the root of the width these are alpha
# from 1 to 1e6 and C from 1e-5 to 0.1 at a width of 1,000.
PENALTIES: dict[Estimator, tuple[float, ...]] = {
    "ridge": RIDGE_PENALTIES,
    "svm": MARGIN_PENALTIES,
    "logistic": MARGIN_PENALTIES,
}
CURVE_COLUMNS = ["label", "estimator", "selection"]
TEXT_COLUMNS = [*CURVE_COLUMNS, "layer", "text", "hit"]


@dataclass(frozen=True)
class ProbeTables:
    """What the probes of several labels found.

    Attributes:
        curves: one row a label, estimator, selection, measure and layer: label, estimator, selection, measure, layer
            (from 0), score, low, high, chance, p_family_wise, texts, groups.
        folds: one row a curve, layer, repeat and fold: label, estimator, selection, layer, repeat, fold, texts
            (tested), score (the primary measure), penalty.
        texts: one row a curve of classes, layer and text: label, estimator, selection, layer, text (its row in the
            states), hit (share of the repeats in which it was classified rightly).
        replicates: (samples, layers) of each label, estimator, selection and measure: bootstrap samples of the curve.
            For the same groups and seed, row s draws the same groups whatever the labels and states, so that curves of
            several labels or models can be compared.
    """

    curves: pd.DataFrame
    folds: pd.DataFrame
    texts: pd.DataFrame
    replicates: dict[tuple[str, str, str, str], FloatArray]


@dataclass(frozen=True)
class _Scored:
    """One curve at one layer.

    Attributes:
        measures: each in all texts and then in each bootstrap sample, (1 + samples,).
        folds: repeat, fold, texts, score and penalty of each fold.
        hits: (texts,), share of repeats in which a text is classified rightly; none of numbers.
        statistics: (labellings,), the primary measure in the first repeat.
    """

    measures: dict[str, FloatArray]
    folds: list[tuple[int, int, int, float, float]]
    hits: FloatArray | None
    statistics: FloatArray


@dataclass(frozen=True)
class _Samples:
    """How the labels of a batch are scored: all texts, then bootstrap samples, (1 + samples, texts); pairs for AUC."""

    weights: FloatArray
    pairs: dict[str, scores.RankedPairs]


def run_probes(
    states: States,
    labels: Mapping[str, npt.ArrayLike],
    groups: npt.ArrayLike,
    *,
    estimators: Sequence[Estimator] = ("svm", "ridge"),
    selections: Sequence[Selection] = ("fixed",),
    penalty: float = 1.0,
    penalties: Mapping[Estimator, Sequence[float]] | None = None,
    folds: int = 5,
    inner_folds: int = 5,
    repeats: int = 5,
    permutations: int = 200,
    permuted: Sequence[Estimator] | None = None,
    chosen: Sequence[Estimator] | None = None,
    strata: npt.ArrayLike | None = None,
    items: Sequence[Collection[str]] | None = None,
    seed: int = 0,
    bootstrap: int = 1000,
    level: float = 0.95,
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
    where the mean of the training labels predicts better). `fathom.probes.measures` defines them. The primary measure is
    balanced accuracy, or r of numbers. Folds are put together before they are scored, repeats are averaged after.

    Selection `fixed` is one penalty everywhere, so that the choice cannot shape the curve. `inner` chooses it in each
    layer and outer training fold by inner grouped folds, the scaler fitted anew in each of their training parts: ridge
    by the least mean squared error, the others by the highest balanced accuracy over the classes present, averaged over
    the inner folds; of ties the first. Both are what scikit-learn's GridSearchCV chooses.

    Interval: percentiles over bootstrap samples of groups, the predictions held fixed.

    `p_family_wise`: maximum statistic over layers (`fathom.statistics.multiple_testing.family_wise_p`) of the primary measure under the
    permutations of `permuted_labels`. They are run on the folds of the first repeat only, and so is the statistic that
    they are compared with: a mean over repeats varies less than a single one, and is never set against it. Under
    `inner`, ridge chooses a penalty for each permuted labelling, as it did for the labels; svm and logistic, whose
    choices would have to be fitted one by one, have no p there. It is NaN where it was not asked for.

    Args:
        states: layers of (texts, width), finite; a layer is read when it is probed, and computed in float64. An array
            (layers, texts, width) is such a sequence.
        labels: (texts,) values of each label. Strings are classes; numbers of two values are two classes, other numbers
            are continuous and for ridge only. None and NaN leave the text out for this label. Labels that leave out
            the same texts share their folds.
        groups: (texts,) names; texts of one group are never split between training and test.
        estimators: of svm, ridge, logistic.
        selections: of fixed, inner.
        penalty: of `fixed`. Strength of the L2 penalty, above 0: alpha of ridge, 1 / C of the others. The Gram matrix
            of the standardised features is divided by the width, which makes its mean diagonal 1 at every layer and
            width, so that one value means the same everywhere. On features not divided so, it is alpha / width or
            1 / (C width).
        penalties: from which `inner` chooses, in the same unit, for some estimators; the others take `PENALTIES`.
        folds: number of outer folds.
        inner_folds: number of inner folds.
        repeats: number of assignments to folds.
        permutations: number of permutations; 0 leaves p_family_wise NaN.
        permuted: estimators whose permutations are run; all if left out.
        chosen: estimators for which `inner` is run; all if left out.
        strata: (texts,) classes of which every fold, inner ones included, shall have its share. Left out, a label that
            shares its folds with no other is its own stratum if it has classes; shared folds have none.
        items: the items of each text; if given, the design is checked by `fathom.statistics.item_graph.check_design`.
        seed: seed of folds, permutations and bootstrap.
        bootstrap: number of bootstrap samples; 0 leaves low and high NaN.
        level: coverage of the intervals.
        jobs: layers probed at the same time, in threads. BLAS is held to one thread meanwhile. What is held of a layer
            is its states and the Gram matrices of one training fold.
        progress: called after each layer.

    Raises:
        ValueError: naming the argument.
    """
    codes = check_groups(groups)
    _check_arguments(states, estimators, selections, permuted, penalty=penalty, level=level)
    check_count("permutations", permutations, 0)
    check_count("bootstrap", bootstrap, 0)
    check_count("jobs", jobs, 1)
    classes = None if strata is None else np.asarray(strata, dtype=object)
    if classes is not None and classes.shape != codes.shape:
        msg = f"strata: shape {classes.shape}; expected {codes.shape}"
        raise ValueError(msg)
    targets = read_targets(labels, len(codes))
    if items is not None:
        for target in targets:
            check_design(items, labels[target.name], groups)
    curves: list[Curve] = [
        (target.name, estimator, selection)
        for target in targets
        for estimator in estimators
        for selection in selections
        if (estimator == "ridge" or not target.continuous)
        and (selection == "fixed" or chosen is None or estimator in chosen)
    ]
    if not curves:
        msg = f"labels: {targets[0].name} is continuous; {', '.join(estimators)} takes classes, ridge takes numbers"
        raise ValueError(msg)
    weights = np.ones((1, len(codes)))
    if bootstrap:
        weights = np.vstack([weights, group_weights(codes, samples=bootstrap, seed=seed)])
    probed = [target for target in targets if target.name in {curve[0] for curve in curves}]
    batches = [
        make_batch(
            batch,
            [curve for curve in curves if curve[0] in {target.name for target in batch}],
            codes,
            classes,
            folds=folds,
            inner=inner_folds if "inner" in selections else 0,
            repeats=repeats,
            permutations=permutations,
            permuted=frozenset(estimators if permuted is None else permuted),
            seed=seed,
        )
        for batch in by_rows(probed)
    ]
    samples = [_make_samples(batch, weights[:, batch.rows]) for batch in batches]
    strengths = Penalties(penalty, _grids(penalties))

    def probe(layer: int) -> dict[Curve, _Scored]:
        layer_states = read_layer(states, layer, len(codes))
        scored: dict[Curve, _Scored] = {}
        # What scikit-learn would check again at each of many thousand small fits costs it more than the fit.
        with config_context(assume_finite=True, skip_parameter_validation=True):
            for batch, drawn in zip(batches, samples, strict=True):
                for curve, outcome in probe_layer(layer_states, batch, strengths).items():
                    scored[curve] = _score(batch, drawn, curve, outcome)
        if progress is not None:
            progress()
        return scored

    with threadpool_limits(limits=1), ThreadPoolExecutor(jobs) as pool:
        layers = list(pool.map(probe, range(len(states))))
    return _tables(layers, {name: batch for batch in batches for name in batch.targets}, curves, level)


def _check_arguments(
    states: States,
    estimators: Sequence[Estimator],
    selections: Sequence[Selection],
    permuted: Sequence[Estimator] | None,
    *,
    penalty: float,
    level: float,
) -> None:
    check_names("estimator", estimators, Estimator)
    check_names("selection", selections, Selection)
    if permuted:
        check_names("permuted", permuted, Estimator)
    check_penalty("penalty", penalty)
    check_level(level)
    if len(states) == 0:
        msg = "states: no layers"
        raise ValueError(msg)


def _grids(penalties: Mapping[Estimator, Sequence[float]] | None) -> dict[Estimator, tuple[float, ...]]:
    given = penalties or {}
    if given:
        check_names("penalties", given, Estimator)
    for estimator, grid in given.items():
        if len(grid) == 0:
            msg = f"penalties: none for {estimator}"
            raise ValueError(msg)
        for penalty in grid:
            check_penalty(f"penalties of {estimator}", penalty)
    return PENALTIES | {estimator: tuple(grid) for estimator, grid in given.items()}


def _make_samples(batch: Batch, weights: FloatArray) -> _Samples:
    return _Samples(
        weights,
        {
            name: scores.RankedPairs(target, batch.assignment, batch.groups, weights)
            for name, target in batch.targets.items()
            if not target.continuous
        },
    )


def _score(batch: Batch, samples: _Samples, curve: Curve, outcome: Outcome) -> _Scored:
    target = batch.targets[curve[0]]
    measures: dict[str, FloatArray] = {}
    hits = None
    if not target.continuous:
        hits = (target.predicted(outcome.predictions) == target.values[:, None]).mean(axis=1)
        measures["balanced_accuracy"] = scores.balanced_accuracy(hits, target.values, samples.weights)
        measures["auc"] = samples.pairs[target.name].auc(outcome.predictions)
    if curve[1] == "ridge" and target.width == 1:
        numbers = target.columns(target.values[:, None])[:, 0]
        arguments = outcome.predictions[:, :, 0], numbers, batch.assignment, samples.weights
        measures["r"] = scores.correlation(*arguments)
        measures["r2"] = scores.determination(*arguments)
    return _Scored(measures, list(_score_folds(batch, target, outcome)), hits, outcome.statistics)


def _score_folds(batch: Batch, target: Target, outcome: Outcome) -> Iterator[tuple[int, int, int, float, float]]:
    for repeat, fold_of in enumerate(batch.assignment):
        for fold in np.unique(fold_of):
            test = fold_of == fold
            score = scores.RunningScore(target, 1)
            score.add(outcome.predictions[test, repeat][:, None], target.values[test][:, None])
            penalty = float(outcome.penalties[repeat, fold])
            yield repeat, int(fold), int(test.sum()), float(score.value()[0]), penalty


def _tables(
    layers: list[dict[Curve, _Scored]], batches: dict[str, Batch], curves: list[Curve], level: float
) -> ProbeTables:
    replicates: dict[tuple[str, str, str, str], FloatArray] = {}
    of_curves, of_folds, of_texts = [], [], []
    number = np.arange(len(layers))
    for curve in curves:
        batch, scored = batches[curve[0]], [layer[curve] for layer in layers]
        target = batch.targets[curve[0]]
        named = dict(zip(CURVE_COLUMNS, curve, strict=True))
        for measure in scored[0].measures:
            table = np.stack([one.measures[measure] for one in scored], axis=1)
            replicates[*curve, measure] = table[1:]
            low, high = scores.interval(table[1:], level)
            of_curves.append(
                pd.DataFrame(
                    named
                    | {
                        "measure": measure,
                        "layer": number,
                        "score": table[0],
                        "low": low,
                        "high": high,
                        "chance": _chance(target, measure),
                        "p_family_wise": _p(scored) if measure == primary_measure(target) else np.nan,
                        "texts": len(batch.rows),
                        "groups": int(batch.groups.max()) + 1,
                    }
                )
            )
        rows = [(layer, *row) for layer, one in enumerate(scored) for row in one.folds]
        of_folds.append(
            pd.DataFrame(rows, columns=["layer", "repeat", "fold", "texts", "score", "penalty"]).assign(**named)
        )
        hits = [one.hits for one in scored if one.hits is not None]
        if hits:
            of_texts.append(
                pd.DataFrame(
                    named
                    | {
                        "layer": np.repeat(number, len(batch.rows)),
                        "text": np.tile(batch.rows, len(layers)),
                        "hit": np.concatenate(hits),
                    }
                )
            )
    folds = pd.concat(of_folds, ignore_index=True)
    texts = pd.concat(of_texts, ignore_index=True) if of_texts else _no_texts()
    return ProbeTables(
        curves=pd.concat(of_curves, ignore_index=True),
        folds=folds[[*CURVE_COLUMNS, *folds.columns.drop(CURVE_COLUMNS)]],
        texts=texts,
        replicates=replicates,
    )


def _no_texts() -> pd.DataFrame:
    """The table of texts where no label has classes; its columns keep their types."""
    kinds = dict.fromkeys(TEXT_COLUMNS, "object") | {"layer": "int64", "text": "int64", "hit": "float64"}
    return pd.DataFrame(columns=TEXT_COLUMNS).astype(kinds)


def primary_measure(target: Target) -> str:
    """The measure that is tested against chance."""
    return "r" if target.continuous else "balanced_accuracy"


def _chance(target: Target, measure: str) -> float:
    if measure == "balanced_accuracy":
        return 1 / len(target.classes)
    return 0.5 if measure == "auc" else 0.0


def _p(scored: list[_Scored]) -> FloatArray:
    """Return the family-wise p of each layer, NaN without permutations."""
    statistics = np.stack([one.statistics for one in scored], axis=1)
    if len(statistics) == 1:
        return np.full(len(scored), np.nan)
    return family_wise_p(statistics[0], statistics[1:])
