"""Linear probes of every layer for one label."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy.typing as npt
import pandas as pd

from fathom.probes.checks import States
from fathom.probes.design import Estimator, ProbeDesign, Selection
from fathom.probes.probing import run_probes

LABEL = "label"


def probe_layers(
    states: States,
    labels: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    estimator: Estimator = "svm",
    folds: int = 5,
    repeats: int = 10,
    permutations: int = 200,
    seed: int = 0,
    penalty: float = 1.0,
    bootstrap: int = 1000,
    level: float = 0.95,
    jobs: int = 1,
    items: Sequence[Collection[str]] | None = None,
    selection: Selection = "fixed",
) -> pd.DataFrame:
    """Return how well each layer tells one label; `fathom.probes.probing.run_probes` says how.

    Args:
        states: layers of (texts, width), finite.
        labels: (texts,), strings or numbers; None and NaN leave the text out.
        groups: (texts,) names; texts of one group are never split between training and test.
        estimator: svm, ridge or logistic; numbers of more than two values are for ridge.
        folds: number of folds.
        repeats: number of assignments to folds.
        permutations: number of permutations; 0 leaves p_family_wise NaN.
        seed: seed of folds, permutations and bootstrap.
        penalty: strength of the penalty of selection "fixed".
        bootstrap: number of bootstrap samples; 0 leaves low and high NaN.
        level: coverage of the intervals.
        jobs: layers probed at the same time.
        items: the items of each text, by which the design is checked.
        selection: fixed, or inner: the penalty is chosen by nested cross-validation.

    Returns:
        One row a layer: layer, score (balanced accuracy, or r of numbers) with low, high, chance and p_family_wise,
        and what else is measured: auc of classes, r and r2 of ridge on two classes or numbers.

    Raises:
        ValueError: naming the argument.
    """
    design = ProbeDesign(
        estimators=(estimator,),
        selections=(selection,),
        penalty=penalty,
        folds=folds,
        repeats=repeats,
        permutations=permutations,
        seed=seed,
        bootstrap=bootstrap,
        level=level,
    )
    curves = run_probes(states, {LABEL: labels}, groups, design, items=items, jobs=jobs).curves
    # The first measure is the primary one.
    first, *others = curves["measure"].unique()
    columns = ["layer", "score", "low", "high", "chance", "p_family_wise"]
    layers = curves.loc[curves["measure"] == first, columns].reset_index(drop=True)
    more = {name: curves.loc[curves["measure"] == name, "score"].to_numpy() for name in others}
    if first == "r":
        more = {"r": layers["score"].to_numpy()} | more
    table: pd.DataFrame = layers.assign(**more)
    return table
