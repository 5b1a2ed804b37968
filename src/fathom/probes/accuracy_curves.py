"""Curves of the accuracy per text, from the rows that the probes write of it: what orders of peaks and dips read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fathom.io.corpus_table import text_items
from fathom.io.tables import MEAN
from fathom.probes.design import ProbeDesign
from fathom.statistics.accuracy_curve import AccuracyCurve, TooFewGroupsError
from fathom.statistics.double_peak import valley_between_peaks
from fathom.statistics.words import counted

ACCURACY = "balanced_accuracy"
HALVINGS = 20  # of the texts, to choose where a dip is on one half and read it on the other
FEWEST_LAYERS = 3  # of a dip
DIP = ("dip", "dip_low", "dip_high", "dip_left", "dip_bottom", "dip_right", "dip_reason")
"""Columns of curves of balanced accuracy: size of the dip between two maxima, its interval, the layers of the maxima
and of the lowest layer between, and why there is no test."""
NO_DIP = (np.nan, np.nan, np.nan, None, None, None)


def accuracy_curve(
    name: str, rows: pd.DataFrame, corpus: pd.DataFrame, labels: Sequence[str] | None = None
) -> AccuracyCurve:
    """The accuracy per text of one estimator at one place, averaged over labels.

    Args:
        name: of the curve.
        rows: label, layer, depth, text, hit, group, class and view of one estimator, selection, place and form.
        corpus: the texts that were probed: id, view and spans.
        labels: their mean is the curve; those that stand for the experiment if None.

    Raises:
        ValueError: if the corpus lacks a text of the rows.
    """
    chosen = list(main_labels(rows) if labels is None else labels)
    rows = rows[rows["label"].isin(chosen)]
    texts = rows.drop_duplicates("text")
    layers = np.sort(rows["layer"].unique())
    hits = np.full((len(chosen), len(layers), len(texts)), np.nan)
    codes = np.full((len(chosen), len(texts)), -1, dtype=np.int64)
    for at, label in enumerate(chosen):
        part = rows[rows["label"] == label]
        table = part.pivot_table(index="layer", columns="text", values="hit").reindex(columns=texts["text"])
        hits[at] = table.loc[layers].to_numpy(dtype=np.float64)
        classes = part.drop_duplicates("text").set_index("text")["class"].reindex(texts["text"])
        codes[at] = pd.factorize(classes, sort=True)[0]
    depths = rows.drop_duplicates("layer").set_index("layer")["depth"].loc[layers].to_numpy(dtype=np.float64)
    return AccuracyCurve(name=name, correct=hits, classes=codes, items=_items(texts, corpus), depths=depths)


def main_labels(rows: pd.DataFrame) -> list[str]:
    """The labels that stand for an experiment: those with two values where there are several, else the first."""
    binary = binary_labels(rows)
    return binary if len(binary) > 1 else [str(rows["label"].iloc[0])]


def binary_labels(rows: pd.DataFrame) -> list[str]:
    """Labels with two values."""
    classes = rows.groupby("label")["class"].nunique()
    return [str(label) for label in rows["label"].unique() if classes[label] == 2]


def _items(texts: pd.DataFrame, corpus: pd.DataFrame) -> list[tuple[str, ...]]:
    """Items of texts; of a text that marks none its group, which then is what is drawn together."""
    of_view = corpus[corpus["view"] == texts["view"].iloc[0]].set_index("id")
    missing = sorted(set(texts["text"]) - set(of_view.index))
    if missing:
        view = texts["view"].iloc[0]
        msg = f"texts: the corpus lacks {missing[0]!r} in its view {view!r}; expected all that were probed"
        raise ValueError(msg)
    marked = text_items(of_view.loc[texts["text"]])
    return [items or (str(group),) for items, group in zip(marked, texts["group"], strict=True)]


def dips(rows: pd.DataFrame, corpus: pd.DataFrame, design: ProbeDesign) -> pd.DataFrame:
    """The dip between two maxima of every curve of classes at one place, and of their mean.

    Args:
        rows: label, estimator, selection, layer (its number), depth, text, hit, group, class and view.
        corpus: the texts that were probed.
        design: samples, level and seed of the resampling.

    Returns:
        One row a curve of the fixed penalty: label, estimator, selection, measure and DIP.
    """
    found = []
    fixed = rows[rows["selection"] == "fixed"]
    for estimator, of_estimator in fixed.groupby("estimator", sort=False):
        binary = binary_labels(of_estimator)
        wanted = {str(label): [str(label)] for label in of_estimator["label"].unique()}
        if len(binary) > 1:
            wanted[MEAN] = binary
        layers = np.sort(of_estimator["layer"].unique())
        for label, averaged in wanted.items():
            curve = accuracy_curve(label, of_estimator, corpus, averaged)
            found.append((label, estimator, *_dip(curve, layers.tolist(), design)))
    table = pd.DataFrame(found, columns=["label", "estimator", *DIP])
    numbers = dict.fromkeys(("dip", "dip_low", "dip_high"), "float64")
    table = table.astype(numbers | dict.fromkeys(("dip_left", "dip_bottom", "dip_right"), "Int64"))
    return table.assign(selection="fixed", measure=ACCURACY)


def _dip(curve: AccuracyCurve, layers: Sequence[int], design: ProbeDesign) -> tuple[object, ...]:
    """The values of DIP."""
    if len(layers) < FEWEST_LAYERS:
        return (*NO_DIP, f"{counted(len(layers), 'layer')}, at least {FEWEST_LAYERS} needed")
    try:
        found = valley_between_peaks(
            curve, splits=HALVINGS, samples=design.bootstrap, level=design.level, seed=design.seed
        )
    except TooFewGroupsError as error:
        return (*NO_DIP, str(error))
    places = (layers[at] for at in (found.left, found.bottom, found.right))
    return (found.size, found.low, found.high, *places, "")
