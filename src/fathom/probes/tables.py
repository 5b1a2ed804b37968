"""The tables of one experiment: its curves with their controls, the scores of folds, and the accuracy per text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fathom.io.corpus_table import (
    LABEL_PREFIX,
    ORIGINAL,
    TEST,
    TRAIN,
    shuffled_view,
    template_views,
    text_items,
    with_facts_of_view,
)
from fathom.io.tables import MEAN
from fathom.probes.accuracy_curves import dips
from fathom.probes.checks import States
from fathom.probes.curve_tables import CURVE_COLUMNS, ProbeTables
from fathom.probes.design import ProbeDesign
from fathom.probes.directions import Directions, Place, fit_directions
from fathom.probes.job import ProbeJob
from fathom.probes.layer_choice import layer_choices
from fathom.probes.probing import plan_probes, run_probes
from fathom.probes.selectivity import plan_split, template_split
from fathom.probes.shapes import Replicates, shaped
from fathom.probes.states import WITH, WITHOUT, LayerStates, SinkFacts, Sinks, forms_of, static_vectors, stored_position
from fathom.probes.surface import GAP, SURFACES, surface_tables, with_gap
from fathom.probes.targets import read_targets
from fathom.probes.transfer import OF_TEST, TRANSFER, OtherCorpus, Transfer, with_gaps, with_gaps_of_mean
from fathom.runtime.errors import FathomError
from fathom.runtime.progress import Progress
from fathom.statistics.arrays import IntArray
from fathom.store.reader import Activations, LayerAxis, layer_axis, number_layers

WITHOUT_LAYERS = ("static", *SURFACES)


@dataclass(frozen=True)
class Tables:
    """What a job writes; workflow/rules/probes.smk says what a row is."""

    curves: pd.DataFrame
    folds: pd.DataFrame
    texts: pd.DataFrame
    choices: pd.DataFrame
    confusion: pd.DataFrame
    told: pd.DataFrame


@dataclass(frozen=True)
class Reading:
    """One view of the texts, read at one place of model and text, with or without the sink tokens."""

    view: str
    site: str
    position: str
    sinks: Sinks = WITH


class _Part(NamedTuple):
    """Curves of a reading, or of a control of it, and the views that they are of."""

    control: str
    curves: pd.DataFrame
    replicates: Replicates
    views: list[str]


def probe_tables(
    job: ProbeJob,
    corpus: pd.DataFrame,
    activations: Activations,
    threads: int,
    other: OtherCorpus | None = None,
) -> Tables:
    """Probe every view, site and position of an experiment, with its controls, and on another corpus if there is one.

    A mean over tokens is probed in both forms, with and without sink tokens. Where no text has a sink the two are the
    same and fitted once. Where texts are left out that have no other token, and the rest are too few for such probes,
    there is no form without.

    Errors: FathomError if a corpus lacks a view or label of the experiment, or two corpora have different classes;
    ValueError if the design does not allow leak-free folds.
    """
    probing = _Probing(job, corpus, activations, threads, other)
    readings = [
        Reading(view, site, position) for view in probing.views() for site in job.sites for position in job.positions
    ]
    fitted = [form for reading in readings for form in probing.fitted_forms(reading)]
    found: list[Tables] = []
    total = sum(len(activations.layers_of(reading.site)) for reading in fitted)
    with Progress(f"{job.experiment} of {job.model}", total, "layers") as progress:
        for reading in fitted:
            found.append(probing.tables(reading, lambda: progress.advance(1)))
            if probing.is_same_without(reading):
                found.append(_without_sinks(found[-1]))
    distances = probing.distances()
    table = pd.concat([one.curves for one in found], ignore_index=True)
    table = table.reindex(columns=[*table.columns, *(column for column in (*GAP, *OF_TEST) if column not in table)])
    table["test_corpus"] = table["test_corpus"].astype(object).fillna("").astype("str")
    table["dip_reason"] = table["dip_reason"].fillna("")
    table["texts_known"] = table["texts_known"].fillna(0).astype(np.int64)
    return Tables(
        # A curve's `control` is what the curve is of its view: that with shuffled words, say.
        curves=with_facts_of_view(table.assign(distance=table["view"].map(distances)), corpus, ("quantity", "pair_at")),
        folds=with_facts_of_view(pd.concat([one.folds for one in found], ignore_index=True), corpus),
        texts=with_facts_of_view(pd.concat([one.texts for one in found], ignore_index=True), corpus),
        choices=pd.concat([one.choices for one in found], ignore_index=True),
        confusion=pd.concat([one.confusion for one in found], ignore_index=True),
        told=pd.concat([one.told for one in found], ignore_index=True),
    )


def kept_directions(job: ProbeJob, corpus: pd.DataFrame, activations: Activations) -> list[Directions]:
    """The directions of the probes of an experiment; of a position that no sink is in, those of one form."""
    return _Probing(job, corpus, activations, 1, None).directions()


def _without_sinks(tables: Tables) -> Tables:
    """The same numbers as those without sinks."""
    frames = (tables.curves, tables.folds, tables.texts, tables.choices, tables.confusion, tables.told)
    return Tables(*(frame.assign(sinks=WITHOUT) for frame in frames))


class _Probing:
    """The texts of an experiment and how they are probed."""

    def __init__(
        self,
        job: ProbeJob,
        corpus: pd.DataFrame,
        activations: Activations,
        threads: int,
        other: OtherCorpus | None,
    ) -> None:
        self._job, self._corpus, self._activations, self._threads = job, corpus, activations, threads
        self._labels = self._chosen_labels()
        self._sinks = SinkFacts(activations)
        self._transfer = None if other is None else Transfer(job, corpus, other, self._labels)
        self._static: dict[tuple[str, Sinks], ProbeTables] = {}
        self._surface: dict[tuple[str, Sinks], dict[str, ProbeTables]] = {}

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

    def fitted_forms(self, reading: Reading) -> list[Reading]:
        """The forms of a reading that are fitted: without sinks only where some text has one and enough are left."""
        forms = [replace(reading, sinks=sinks) for sinks in forms_of(reading.position)]
        return [form for form in forms if form.sinks == WITH or (self._any_sinks() and self._allows(form))]

    def is_same_without(self, reading: Reading) -> bool:
        """Whether the form without sinks has the same numbers."""
        return WITHOUT in forms_of(reading.position) and not self._any_sinks()

    def _any_sinks(self) -> bool:
        return bool(self._sinks.counts.any()) or (self._transfer is not None and self._transfer.any_sinks)

    def tables(self, reading: Reading, progress: Callable[[], None]) -> Tables:
        """What is found at one reading, with its controls."""
        main = self._main(reading, progress)
        axis, place = self._activations.layer_axis(reading.site), vars(reading)
        hits = _numbered(self._named(main.texts, reading), axis).assign(**place)
        curves, parts = [], [_Part("", main.curves, main.replicates, [reading.view]), *self._controls(reading, main)]
        choices = [_choices(main, axis).assign(control="", test_corpus="")]
        if self._transfer is not None:
            states = self._states(reading, self._texts([reading.view], reading.sinks))
            across = self._transfer.probe(states, self._texts_to_probe(states.texts), reading, self._threads)
            level = self._job.design.level
            outside = shaped(with_gaps(across.tables, main, level), across.tables.replicates, axis[1], level)
            outside = with_gaps_of_mean(outside, across.tables, main, level)
            curves.append(_numbered(outside, axis).assign(**place, control=TRANSFER, **across.counts))
            own_choices = _choices(across.tables, axis)
            choices.append(own_choices.assign(control=TRANSFER, test_corpus=across.counts["test_corpus"]))
        for part in parts:
            # Static vectors are those before the first block, whichever layers of the site are stored; of all tokens.
            # The surface of a text has no layers.
            static = part.control in WITHOUT_LAYERS
            own = layer_axis(("0",), self._activations.depth) if static else axis
            held = self._sinks.held("mean" if static else reading.position, reading.sinks)
            texts = self._texts(part.views, reading.sinks)
            with_shape = _numbered(shaped(part.curves, part.replicates, own[1], self._job.design.level), own)
            if not part.control:
                found = dips(hits, self._corpus, self._job.design)
                with_shape = with_shape.merge(found, on=[*CURVE_COLUMNS, "measure"], how="left")
            curves.append(
                with_shape.assign(
                    **place,
                    control=part.control,
                    texts_with_sinks=int(held[texts].sum()),
                    texts_left_out=self._left_out(part.views, reading.sinks),
                )
            )
        return Tables(
            curves=pd.concat(curves, ignore_index=True),
            folds=_numbered(main.folds, axis).assign(**place),
            texts=hits,
            choices=pd.concat(choices, ignore_index=True).assign(**place),
            confusion=_numbered(main.confusion, axis).assign(**place),
            told=self._told(main.told, reading, axis).assign(**place),
        )

    def directions(self) -> list[Directions]:
        """Directions of every label and estimator at every place, fitted to all texts that are trained on."""
        job, found = self._job, []
        readings = [
            Reading(view, site, position) for view in self.views() for site in job.sites for position in job.positions
        ]
        for reading in [form for one in readings for form in self.fitted_forms(one)]:
            texts = self._texts([reading.view], reading.sinks)
            asked = self._texts_to_probe(texts)
            trained = np.ones(len(texts), dtype=np.bool_) if asked["tested"] is None else ~asked["tested"]
            labels = {label: np.where(trained, values, None) for label, values in asked["labels"].items()}
            numbers = self._activations.layer_axis(reading.site)[0].tolist()
            for target in read_targets(labels, len(texts)):
                for estimator in job.design.estimators:
                    if estimator == "ridge" or not target.continuous:
                        place = Place(target.name, estimator, **vars(reading))
                        states = self._states(reading, texts)
                        penalty = job.design.penalty
                        found.append(fit_directions(states, target, estimator, penalty, place, numbers))
        return found

    def _main(self, reading: Reading, progress: Callable[[], None]) -> ProbeTables:
        """The experiment itself: every estimator and selection, with a test against permuted labels."""
        texts = self._texts([reading.view], reading.sinks)
        states = self._states(reading, texts)
        return run_probes(
            states,
            **self._texts_to_probe(texts),
            design=self._job.design,
            choices=True,
            jobs=self._threads,
            progress=progress,
        )

    def _controls(self, reading: Reading, main: ProbeTables) -> list[_Part]:
        """The controls that the corpus has texts for."""
        wanted, parts = self._job.controls, []
        shuffled = shuffled_view(self._corpus, reading.view)
        if "shuffled" in wanted and shuffled is not None and self._allows(replace(reading, view=shuffled)):
            texts = self._texts([shuffled], reading.sinks)
            tables = self._run(self._states(reading, texts), texts, self._job.design.as_control())
            parts.append(_Part("shuffled", tables.curves, tables.replicates, [shuffled]))
        if "static" in wanted:
            tables = self._static_control(reading.view, reading.sinks)
            parts.append(_Part("static", tables.curves, tables.replicates, [reading.view]))
        if "surface" in wanted and not self._job.designed:
            for control, surface in self._surface_controls(reading).items():
                curves = with_gap(surface, main, self._job.design.level)
                parts.append(_Part(control, curves, surface.replicates, [reading.view]))
        templates = template_views(self._corpus)
        classes = main.texts["label"].unique().tolist()
        if "selectivity" in wanted and reading.view == ORIGINAL and len(templates) > 1 and classes:
            parts += self._selectivity(reading, templates, classes)
        return parts

    def _static_control(self, view: str, sinks: Sinks) -> ProbeTables:
        """Static vectors know no site and no position, so that one fit serves all readings of a view in a form."""
        if (view, sinks) not in self._static:
            texts = self._texts([view], sinks)
            self._static[view, sinks] = self._run(
                static_vectors(self._activations, texts, sinks), texts, self._job.design.as_control()
            )
        return self._static[view, sinks]

    def _surface_controls(self, reading: Reading) -> dict[str, ProbeTables]:
        """What the surface of the texts tells, as of one layer; texts that are drawn for each model have none."""
        key = (reading.view, reading.sinks)
        if key not in self._surface:
            texts = self._texts([reading.view], reading.sinks)
            words, design = self._corpus["text"].iloc[texts], self._job.design.as_control()
            plan = plan_probes(**self._texts_to_probe(texts), design=design)
            self._surface[key] = {} if words.isna().any() else surface_tables(words.tolist(), plan, design)
        return self._surface[key]

    def _selectivity(self, reading: Reading, templates: list[str], labels: list[str]) -> list[_Part]:
        """A control task of random labels, and the labels on the same split; of those that are classes.

        Without sinks there is none where the texts that are left do not allow such a split.
        """
        texts = self._texts(templates, reading.sinks)
        part = self._corpus.iloc[texts]
        values = {label: part[LABEL_PREFIX + label].to_numpy() for label in labels}
        types, views = part["id"].to_numpy(dtype=str), part["view"].to_numpy(dtype=str)
        design, draws = self._job.design, self._job.control_draws
        if self._left_out(templates, reading.sinks):
            try:
                plan_split(values, types, views, draws=draws, seed=design.seed)
            except ValueError:
                return []
        rows, replicates = template_split(
            self._states(reading, texts), values, types, views, design, draws=draws, jobs=self._threads
        )
        return [
            _Part(
                str(control),
                curves.drop(columns="control").assign(selection="fixed", p_family_wise=np.nan),
                {
                    (label, estimator, "fixed", "balanced_accuracy"): values
                    for (label, estimator, name), values in replicates.items()
                    if name == control
                },
                templates,
            )
            for control, curves in rows.groupby("control", sort=False)
        ]

    def _run(self, states: States, texts: IntArray, design: ProbeDesign) -> ProbeTables:
        """Probe some texts."""
        return run_probes(states, **self._texts_to_probe(texts), design=design, jobs=self._threads)

    def _allows(self, reading: Reading) -> bool:
        """Whether the texts that have a state in the form of a reading can be probed as those with sinks can."""
        if not self._left_out([reading.view], reading.sinks):
            return True  # what these texts do not allow is refused when they are probed
        texts = self._texts([reading.view], reading.sinks)
        try:
            plan_probes(**self._texts_to_probe(texts), design=self._job.design)
        except ValueError:
            return False
        return True

    def _texts_to_probe(self, texts: IntArray) -> dict[str, Any]:
        """Labels, groups, strata and items of some texts, as the probes take them."""
        part = self._corpus.iloc[texts]
        items, stratify_by = text_items(part), self._job.stratify_by
        given = part["split"].notna().any()
        # A text outside of a given split has no label to probe.
        inside = part["split"].isin((TRAIN, TEST)).to_numpy() | (not given)
        return {
            "labels": {label: part[LABEL_PREFIX + label].where(inside, None).to_numpy() for label in self._labels},
            "tested": (part["split"] == TEST).to_numpy() if given else None,
            "groups": part["group"].to_numpy(dtype=str),
            "stratify_by": None if stratify_by is None else part[LABEL_PREFIX + stratify_by].to_numpy(),
            "items": items if self._job.designed and all(items) else None,
        }

    def _states(self, reading: Reading, texts: IntArray) -> LayerStates:
        position = stored_position(reading.position, reading.sinks)
        return LayerStates(self._activations, reading.site, position, texts)

    def _texts(self, views: list[str], sinks: Sinks) -> IntArray:
        """The texts of some views that have a state in a form."""
        return np.flatnonzero(self._corpus["view"].isin(views).to_numpy() & self._sinks.has_state(sinks))

    def _left_out(self, views: list[str], sinks: Sinks) -> int:
        """How many texts of some views have no state in a form."""
        return len(self._texts(views, WITH)) - len(self._texts(views, sinks))

    def _told(self, told: pd.DataFrame, reading: Reading, axis: LayerAxis) -> pd.DataFrame:
        """From which layer on each text is told, the texts by their ids and the layers by their numbers."""
        named = self._with_ids(told, reading)
        for column in ("first", "since"):
            named = number_layers(named, axis, column, layer=column, depth=None)
        return named

    def _named(self, texts: pd.DataFrame, reading: Reading) -> pd.DataFrame:
        """Hits of texts by their id, with group and class, in place of their numbers."""
        return self._with_ids(texts.assign(hit=texts["hit"].astype(np.float32)), reading)

    def _with_ids(self, texts: pd.DataFrame, reading: Reading) -> pd.DataFrame:
        """Texts by their id, with group and class, in place of their numbers."""
        part = self._corpus.iloc[self._texts([reading.view], reading.sinks)]
        rows = texts["text"].to_numpy()
        columns = {label: part[LABEL_PREFIX + label].astype(str).to_numpy() for label in self._labels}
        classes = np.empty(len(texts), dtype=object)
        for label, values in columns.items():
            of_label = (texts["label"] == label).to_numpy()
            classes[of_label] = values[rows[of_label]]
        named = texts.assign(
            text=part["id"].to_numpy()[rows],
            group=part["group"].to_numpy()[rows],
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


def _choices(tables: ProbeTables, axis: LayerAxis) -> pd.DataFrame:
    """Choices among the layers, which are numbered."""
    found = layer_choices(tables)
    for column in ("layer", "layer_low", "layer_high"):
        found = number_layers(found, axis, column, layer=column, depth=None)
    return found


def _numbered(table: pd.DataFrame, axis: LayerAxis) -> pd.DataFrame:
    """Rows counted from 0 become layer numbers, with their relative depth; so do the ends of the peak's interval."""
    for column in ("peak_low", "peak_high"):
        if column in table:
            table = number_layers(table, axis, column, layer=column, depth=None)
    return number_layers(table, axis)
