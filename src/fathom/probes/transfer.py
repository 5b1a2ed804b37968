"""Probes trained on one corpus and tested on another with the same labels: curves out of the domain of the training.

After Uselis and Oh 2025 (arXiv 2504.05461): the best layer inside a domain need not be the best one outside of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from fathom.io.corpus_table import LABEL_PREFIX, TEST, TRAIN, different_classes, text_items
from fathom.io.tables import MEAN
from fathom.probes.curve_tables import ProbeTables
from fathom.probes.job import ProbeJob
from fathom.probes.measures import interval
from fathom.probes.probing import run_probes
from fathom.probes.states import WITHOUT, LayerStates, SinkFacts, StackedStates, stored_position
from fathom.runtime.errors import FathomError
from fathom.statistics.arrays import BoolArray, IntArray
from fathom.statistics.near_texts import near_pairs
from fathom.store.reader import Activations

TRANSFER = "transfer"
OF_TEST = ("texts_known", "test_corpus")
"""Columns of curves on another corpus: how many of its texts the training gives away and are left out, its name."""
NEAR = 0.8  # share of the words from which on a text is nearly equal to another, as in tables of labelled texts
MOST_NAMED = 5  # classes that are named


@dataclass(frozen=True)
class OtherCorpus:
    """The corpus that the probes are tested on besides, and its states of the same model."""

    name: str
    texts: pd.DataFrame
    activations: Activations


@dataclass(frozen=True)
class Across:
    """What the probes found on the other corpus at one reading, and counts of its texts, as columns of curves."""

    tables: ProbeTables
    counts: dict[str, Any]


class Transfer:
    """The texts of another corpus that probes are tested on, without those that the training texts give away.

    A text that is equal or nearly equal to a training text is left out, and of a design a text that shares an item with
    one. Where the other corpus gives a split, its texts of the test are tested.

    Errors: FathomError if it lacks a label, or a label has other classes there.
    """

    def __init__(self, job: ProbeJob, corpus: pd.DataFrame, other: OtherCorpus, labels: Sequence[str]) -> None:
        self._job, self._corpus, self._other = job, corpus, other
        self._labels = labels
        self._sinks = SinkFacts(other.activations)
        self._place = f"probes.{job.experiment}.test: corpus {other.name}"
        self._check_labels()
        self._known: dict[str, BoolArray] = {}

    @property
    def any_sinks(self) -> bool:
        """Whether any of its texts has a sink token."""
        return bool(self._sinks.counts.any())

    def _check_labels(self) -> None:
        for label in self._labels:
            column = LABEL_PREFIX + label
            if column not in self._other.texts:
                known = [str(name) for name in self._other.texts if str(name).startswith(LABEL_PREFIX)]
                found = ", ".join(name.removeprefix(LABEL_PREFIX) for name in known) or "none"
                msg = f"{self._place} has no label {label!r}; expected the labels of {self._job.corpus}, found {found}"
                raise FathomError(msg)
            missing, added = different_classes(self._other.texts, self._corpus, label)
            if missing or added:
                parts = [f"it lacks {_named(missing)}"] if missing else []
                parts += [f"it has {_named(added)}, on which nothing is trained"] if added else []
                msg = (
                    f"{self._place} has other classes of {label} than {self._job.corpus}: {'; '.join(parts)}; "
                    "expected the same classes in both: rename or leave out texts of the others"
                )
                raise FathomError(msg)

    def probe(self, states: LayerStates, trained: Mapping[str, Any], reading: Any, threads: int) -> Across:
        """Train on the texts of the experiment, test on those of the other corpus.

        `trained` is what `run_probes` is told of the texts of the experiment; of those that a given split tests nothing
        is trained, so that both curves are of the same probes.
        """
        texts, counts = self._tested(reading)
        own = LayerStates(
            self._other.activations, reading.site, stored_position(reading.position, reading.sinks), texts
        )
        held = np.ones(len(states.texts), dtype=np.bool_) if trained["tested"] is None else ~trained["tested"]
        part = self._other.texts.iloc[texts]
        labels = {
            label: np.concatenate([np.where(held, values, None), part[LABEL_PREFIX + label].astype(object).to_numpy()])
            for label, values in trained["labels"].items()
        }
        # The same name means two groups where it stands in two corpora.
        groups = [f"train {name}" for name in trained["groups"]] + [f"test {name}" for name in part["group"]]
        strata = trained["stratify_by"]
        try:
            tables = run_probes(
                StackedStates(states, own),
                labels,
                groups,
                # Another seed: row s of the samples of two corpora has nothing in common.
                replace(self._job.design, seed=self._job.design.seed + 1),
                stratify_by=None if strata is None else np.concatenate([strata, [""] * len(texts)]),
                tested=np.arange(len(groups)) >= len(states.texts),
                choices=True,
                jobs=threads,
            )
        except ValueError as error:
            msg = f"{self._place}: {error}"
            raise FathomError(msg) from error
        return Across(tables, counts)

    def _tested(self, reading: Any) -> tuple[IntArray, dict[str, Any]]:
        """Rows of the texts that are tested, and their counts."""
        frame = self._other.texts
        of_view = (frame["view"] == reading.view).to_numpy()
        if not of_view.any():
            found = ", ".join(map(str, frame["view"].unique()))
            msg = f"{self._place} has no view {reading.view!r}; found {found}"
            raise FathomError(msg)
        if frame["split"].notna().any():
            of_view = of_view & (frame["split"] == TEST).to_numpy()
        known = self._known_texts(reading.view)
        chosen = of_view & ~known & self._sinks.has_state(reading.sinks)
        if not chosen.any():
            msg = f"{self._place}: no text is left to test, {int((of_view & known).sum())} are known from the training"
            raise FathomError(msg)
        rows = np.flatnonzero(chosen)
        held = self._sinks.held(reading.position, reading.sinks)
        return rows, {
            "texts_with_sinks": int(held[rows].sum()),
            "texts_left_out": int((of_view & ~self._sinks.has_state(reading.sinks)).sum())
            if reading.sinks == WITHOUT
            else 0,
            **dict(zip(OF_TEST, (int((of_view & known).sum()), self._other.name), strict=True)),
        }

    def _known_texts(self, view: str) -> BoolArray:
        """Texts of the other corpus that the training texts give away, (texts,)."""
        if view not in self._known:
            trained = self._corpus[self._corpus["view"] == view]
            if trained["split"].notna().any():
                trained = trained[trained["split"] == TRAIN]
            find = sharing_items if self._job.designed else near
            self._known[view] = find(trained, self._other.texts)
        return self._known[view]


def near(trained: pd.DataFrame, tested: pd.DataFrame) -> BoolArray:
    """Which texts are equal or nearly equal to one that is trained on."""
    found = np.zeros(len(tested), dtype=np.bool_)
    texts = [*trained["text"], *tested["text"]]
    if any(not isinstance(text, str) for text in texts):
        return found  # texts that are drawn for each model
    pairs = near_pairs(texts, NEAR)
    stands_for = {pair.second: pair.first for pair in pairs if pair.share == 1}
    first_of = np.array([stands_for.get(text, text) for text in range(len(texts))])
    # Of equal texts the first stands for all; those that are trained on come first.
    alike: dict[int, set[int]] = {}
    for pair in pairs:
        if pair.share < 1:
            alike.setdefault(pair.first, set()).add(pair.second)
            alike.setdefault(pair.second, set()).add(pair.first)
    for row in range(len(tested)):
        first = int(first_of[len(trained) + row])
        found[row] = min({first, *alike.get(first, ())}) < len(trained)
    return found


def sharing_items(trained: pd.DataFrame, tested: pd.DataFrame) -> BoolArray:
    """Which texts share an item with one that is trained on."""
    known = {item.casefold() for items in text_items(trained) for item in items}
    return np.array([any(item.casefold() in known for item in items) for items in text_items(tested)], dtype=np.bool_)


def with_gaps(across: ProbeTables, main: ProbeTables, level: float) -> pd.DataFrame:
    """Curves on the other corpus, with how far the experiment's own curve is ahead: `gap`, `gap_low`, `gap_high`.

    Both are resampled by themselves: their groups have nothing in common.
    """
    parts = []
    for key, rows in across.curves.groupby(["label", "estimator", "selection", "measure"], sort=False):
        name: Any = tuple(map(str, key))
        own = main.curves
        for column, value in zip(("label", "estimator", "selection", "measure"), name, strict=True):
            own = own[own[column] == value]
        low, high = interval(main.replicates[name] - across.replicates[name], level)
        gap = own["score"].to_numpy() - rows["score"].to_numpy()
        parts.append(rows.assign(gap=gap, gap_low=low, gap_high=high))
    return pd.concat(parts, ignore_index=True)


def with_gaps_of_mean(curves: pd.DataFrame, across: ProbeTables, main: ProbeTables, level: float) -> pd.DataFrame:
    """Curves on the other corpus with the gap of the mean over labels of two values, where there is such a mean."""
    curves = curves.copy()
    of_two = (curves["measure"] == "balanced_accuracy") & (curves["chance"] == 1 / 2) & (curves["label"] != MEAN)
    binary = [str(label) for label in curves.loc[of_two, "label"].unique()]
    for key, rows in curves[curves["label"] == MEAN].groupby(["estimator", "selection", "measure"], sort=False):
        kind: Any = tuple(map(str, key))
        same = curves[curves["label"].isin(binary)]
        for column, value in zip(("estimator", "selection", "measure"), kind, strict=True):
            same = same[same[column] == value]
        replicates = [main.replicates[label, *kind] - across.replicates[label, *kind] for label in binary]
        low, high = interval(np.mean(replicates, axis=0), level)
        gap = same.groupby("layer", sort=True)["gap"].mean().to_numpy()
        curves.loc[rows.index, ["gap", "gap_low", "gap_high"]] = np.stack([gap, low, high], axis=1)
    return curves


def _named(classes: Sequence[object]) -> str:
    named = ", ".join(map(repr, classes[:MOST_NAMED]))
    return named + (f" and {len(classes) - MOST_NAMED} more" if len(classes) > MOST_NAMED else "")
