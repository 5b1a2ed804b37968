"""The tables of one experiment: its curves with their controls, the scores of folds, and the accuracy per text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.io.corpus_table import (
    LABEL_PREFIX,
    ORIGINAL,
    shuffled_view,
    template_views,
    text_items,
    with_facts_of_view,
)
from fathom.io.tables import MEAN
from fathom.probes.checks import States
from fathom.probes.curve_tables import ProbeTables
from fathom.probes.design import ProbeDesign
from fathom.probes.job import ProbeJob
from fathom.probes.probing import run_probes
from fathom.probes.selectivity import template_split
from fathom.probes.shapes import Replicates, shaped
from fathom.probes.states import LayerStates, static_vectors
from fathom.runtime.errors import FathomError
from fathom.runtime.progress import Progress
from fathom.statistics.arrays import IntArray
from fathom.store.reader import Activations, LayerAxis, layer_axis, number_layers


@dataclass(frozen=True)
class Tables:
    """What a job writes; workflow/rules/probes.smk says what a row is."""

    curves: pd.DataFrame
    folds: pd.DataFrame
    texts: pd.DataFrame


@dataclass(frozen=True)
class Reading:
    """One view of the texts, read at one place of model and text."""

    view: str
    site: str
    position: str


def probe_tables(job: ProbeJob, corpus: pd.DataFrame, activations: Activations, threads: int) -> Tables:
    """Probe every view, site and position of an experiment, with its controls.

    Errors: FathomError if the corpus lacks a view or label of the experiment; ValueError if its design does not allow
    leak-free folds.
    """
    probing = _Probing(job, corpus, activations, threads)
    readings = [
        Reading(view, site, position) for view in probing.views() for site in job.sites for position in job.positions
    ]
    total = sum(len(activations.layers_of(reading.site)) for reading in readings)
    curves, folds, texts = [], [], []
    with Progress(f"{job.experiment} of {job.model}", total, "layers") as progress:
        for reading in readings:
            found = probing.main(reading, lambda: progress.advance(1))
            parts = [("", found.curves, found.replicates), *probing.controls(reading, found)]
            axis = activations.layer_axis(reading.site)
            place = vars(reading)
            for control, rows, replicates in parts:
                # Static vectors are those before the first block, whichever layers of the site are stored.
                own = layer_axis(("0",), activations.depth) if control == "static" else axis
                with_shape = shaped(rows, replicates, own[1], job.design.level)
                curves.append(_numbered(with_shape, own).assign(**place, control=control))
            folds.append(_numbered(found.folds, axis).assign(**place))
            texts.append(_numbered(probing.named(found.texts, reading), axis).assign(**place))
    distances = probing.distances()
    table = pd.concat(curves, ignore_index=True)
    return Tables(
        # A curve's `control` is what the curve is of its view: that with shuffled words, say.
        curves=with_facts_of_view(table.assign(distance=table["view"].map(distances)), corpus, ("quantity", "pair_at")),
        folds=with_facts_of_view(pd.concat(folds, ignore_index=True), corpus),
        texts=with_facts_of_view(pd.concat(texts, ignore_index=True), corpus),
    )


class _Probing:
    """The texts of an experiment and how they are probed."""

    def __init__(self, job: ProbeJob, corpus: pd.DataFrame, activations: Activations, threads: int) -> None:
        self._job, self._corpus, self._activations, self._threads = job, corpus, activations, threads
        self._labels = self._chosen_labels()
        self._static: dict[str, ProbeTables] = {}

    def views(self) -> list[str]:
        found = [str(view) for view in self._corpus["view"].unique()]
        wanted = self._job.views
        missing = [view for view in wanted if view not in found]
        if missing:
            msg = (
                f"probes.{self._job.experiment}.views: corpus {self._job.corpus} has the views "
                f"{', '.join(found)}, found {', '.join(missing)}"
            )
            raise FathomError(msg)
        return list(wanted)

    def _chosen_labels(self) -> list[str]:
        columns = [column for column in self._corpus.columns if column.startswith(LABEL_PREFIX)]
        known = [column.removeprefix(LABEL_PREFIX) for column in columns]
        wanted = self._job.labels or tuple(known)
        unknown = [label for label in wanted if label not in known]
        stratify_by = self._job.stratify_by
        place = "labels" if unknown or not wanted else "stratify_by"
        unknown += [stratify_by] if stratify_by is not None and stratify_by not in known else []
        if unknown or not wanted:
            msg = (
                f"probes.{self._job.experiment}.{place}: corpus {self._job.corpus} has the labels "
                f"{', '.join(known) or 'none'}, found {', '.join(unknown) or 'none'}"
            )
            raise FathomError(msg)
        if MEAN in wanted:
            msg = f"probes.{self._job.experiment}.labels: {MEAN!r} names the mean of labels; expected other names"
            raise FathomError(msg)
        return list(wanted)

    def main(self, reading: Reading, progress: Callable[[], None]) -> ProbeTables:
        """The experiment itself: every estimator and selection, with a test against permuted labels."""
        texts = self._texts(reading.view)
        states = LayerStates(self._activations, reading.site, reading.position, texts)
        return self._run(states, texts, self._job.design, progress)

    def controls(self, reading: Reading, main: ProbeTables) -> list[tuple[str, pd.DataFrame, Replicates]]:
        """Name, curves and replicates of the controls that the corpus has texts for."""
        wanted, found = self._job.controls, []
        shuffled = shuffled_view(self._corpus, reading.view)
        if "shuffled" in wanted and shuffled is not None:
            texts = self._texts(shuffled)
            states = LayerStates(self._activations, reading.site, reading.position, texts)
            found.append(("shuffled", self._run(states, texts, self._job.design.as_control())))
        if "static" in wanted:
            found.append(("static", self._static_control(reading.view)))
        parts: list[tuple[str, pd.DataFrame, Replicates]] = [
            (name, tables.curves, tables.replicates) for name, tables in found
        ]
        templates = template_views(self._corpus)
        classes = main.texts["label"].unique().tolist()
        if "selectivity" in wanted and reading.view == ORIGINAL and len(templates) > 1 and classes:
            parts += self._selectivity(reading, templates, classes)
        return parts

    def _static_control(self, view: str) -> ProbeTables:
        """Static vectors know no site and no position, so that one fit serves all readings of a view."""
        if view not in self._static:
            texts = self._texts(view)
            self._static[view] = self._run(
                static_vectors(self._activations, texts), texts, self._job.design.as_control()
            )
        return self._static[view]

    def _selectivity(
        self, reading: Reading, templates: list[str], labels: list[str]
    ) -> list[tuple[str, pd.DataFrame, Replicates]]:
        """A control task of random labels, and the labels on the same split; of those that are classes."""
        texts = np.flatnonzero(self._corpus["view"].isin(templates).to_numpy())
        part = self._corpus.iloc[texts]
        rows, replicates = template_split(
            LayerStates(self._activations, reading.site, reading.position, texts),
            {label: part[LABEL_PREFIX + label].to_numpy() for label in labels},
            part["id"].to_numpy(dtype=str),
            part["view"].to_numpy(dtype=str),
            self._job.design,
            draws=self._job.control_draws,
            jobs=self._threads,
        )
        return [
            (
                str(control),
                curves.drop(columns="control").assign(selection="fixed", p_family_wise=np.nan),
                {
                    (label, estimator, "fixed", "balanced_accuracy"): values
                    for (label, estimator, name), values in replicates.items()
                    if name == control
                },
            )
            for control, curves in rows.groupby("control", sort=False)
        ]

    def _run(
        self, states: States, texts: IntArray, design: ProbeDesign, progress: Callable[[], None] | None = None
    ) -> ProbeTables:
        """Probe some texts."""
        part = self._corpus.iloc[texts]
        items, stratify_by = text_items(part), self._job.stratify_by
        return run_probes(
            states,
            self._values(part),
            part["group"].to_numpy(dtype=str),
            design,
            stratify_by=None if stratify_by is None else part[LABEL_PREFIX + stratify_by].to_numpy(),
            items=items if all(items) else None,
            jobs=self._threads,
            progress=progress,
        )

    def _texts(self, view: str) -> IntArray:
        return np.flatnonzero((self._corpus["view"] == view).to_numpy())

    def _values(self, part: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
        return {label: part[LABEL_PREFIX + label].to_numpy() for label in self._labels}

    def named(self, texts: pd.DataFrame, reading: Reading) -> pd.DataFrame:
        """Texts by their id, with group and class, in place of their numbers."""
        part = self._corpus.iloc[self._texts(reading.view)]
        rows = texts["text"].to_numpy()
        columns = {label: part[LABEL_PREFIX + label].astype(str).to_numpy() for label in self._labels}
        classes = np.empty(len(texts), dtype=object)
        for label, values in columns.items():
            of_label = (texts["label"] == label).to_numpy()
            classes[of_label] = values[rows[of_label]]
        named = texts.assign(
            text=part["id"].to_numpy()[rows],
            group=part["group"].to_numpy()[rows],
            hit=texts["hit"].astype(np.float32),
        )
        named["class"] = classes
        return named

    def distances(self) -> dict[str, float]:
        """Filler tokens of each view of an early-context corpus, as this model counts them; NaN for other views."""
        lengths = pd.Series(self._activations.lengths).groupby(self._corpus["view"].to_numpy()).mean()
        # The quantity of a view whose texts mark items is filler: the tokens of a marked item are never replaced.
        bare = (self._corpus["quantity"] == 0) & (self._corpus["control"] == "") & self._corpus["spans"].notna()
        if not bare.any():
            return dict.fromkeys(lengths.index, np.nan)
        shortest = lengths[self._corpus.loc[bare, "view"].iloc[0]]
        return {str(view): float(length - shortest) for view, length in lengths.items()}


def _numbered(table: pd.DataFrame, axis: LayerAxis) -> pd.DataFrame:
    """Rows counted from 0 become layer numbers, with their relative depth; so do the ends of the peak's interval."""
    for column in ("peak_low", "peak_high"):
        if column in table:
            table = number_layers(table, axis, column, layer=column, depth=None)
    return number_layers(table, axis)
