"""The table of coordination of one experiment: scores, attention and states of adjacent layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from fathom.io.corpus_table import LABEL_PREFIX, text_items
from fathom.probes.coordination.alternation import probe_coordination
from fathom.probes.coordination.attention import attention_coordination, item_weights
from fathom.probes.coordination.complementarity import complementarity
from fathom.probes.coordination.resampling import FEWEST_LAYERS, FEWEST_UNITS, CoordinationResampling
from fathom.probes.coordination.similarity import state_similarity
from fathom.probes.design import Estimator
from fathom.probes.job import CoordinationJob, ProbeJob
from fathom.probes.probing import run_probes
from fathom.probes.states import (
    WITH,
    WITHOUT,
    AdjacentLayers,
    LayerStates,
    SinkFacts,
    Sinks,
    forms_of,
    stored_position,
)
from fathom.runtime.errors import FathomError
from fathom.statistics.accuracy_curve import AccuracyCurve
from fathom.statistics.arrays import FloatArray, IntArray
from fathom.store.reader import Activations, LayerAxis, block_axis, number_layers

FEWEST_BLOCKS = 2  # with attention maps
SITE = "attention"  # the residual stream sums what all layers wrote, which hides turns that they take
PRIMARY = "balanced_accuracy"


def coordination_table(
    job: ProbeJob, how: CoordinationJob, corpus: pd.DataFrame, activations: Activations, found: pd.DataFrame
) -> pd.DataFrame:
    """Measure coordination at the first view and position of an experiment, for each of its estimators.

    A mean over tokens is measured in both forms, with and without sink tokens, as it was probed; without, where texts
    of enough groups are left. Attention is that of all tokens; it is measured where texts mark several spans: from the
    last of them to the others.

    Args:
        job: the experiment.
        how: how coordination is measured.
        corpus: texts of the states.
        activations: states at the attention site, and attention patterns.
        found: accuracy per text of the probes, as they wrote it.

    Errors: FathomError if no sampled text has items that attention can be read of, the model has fewer blocks than are
    needed, or `found` holds other texts.
    """
    view, position, design = job.views[0], job.positions[0], job.design
    place = f"experiment {job.experiment} of model {job.model}"
    layers = len(activations.layers_of(SITE))
    if layers < FEWEST_LAYERS:
        msg = f"{place}: {layers} blocks; coordination needs {FEWEST_LAYERS}"
        raise FathomError(msg)
    resampling = CoordinationResampling(samples=design.bootstrap, splits=how.splits, level=design.level, seed=how.seed)
    rows = found[(found["view"] == view) & (found["site"] == SITE) & (found["position"] == position)]
    part = corpus[corpus["view"] == view]
    unknown = set(rows["text"]) - set(part["id"])
    if rows.empty or unknown:
        holds = f"texts that the corpus lacks, such as {min(unknown)!r}" if unknown else "no such texts"
        msg = f"{place}: its texts table holds {holds}; expected those of view {view!r}, site {SITE}, {position}"
        raise FathomError(msg)
    axis, facts = activations.layer_axis(SITE), SinkFacts(activations)
    tables: list[pd.DataFrame] = []
    for sinks in forms_of(position):
        if sinks == WITHOUT and not facts.counts.any():
            tables.append(tables[0].assign(sinks=sinks))
            continue
        of_form = rows[rows["sinks"] == sinks]
        texts = np.flatnonzero((corpus["view"] == view).to_numpy() & facts.has_state(sinks))
        if sinks == WITHOUT and (of_form.empty or corpus["group"].iloc[texts].nunique() < FEWEST_UNITS):
            continue
        measured = _of_states(job, how, corpus, activations, of_form, texts, sinks, resampling)
        tables.append(_numbered(measured, axis).assign(sinks=sinks))
    if len(activations.spans) > 1:
        of_patterns = _attention(job, corpus, activations, resampling)
        if of_patterns is not None:
            # Patterns are those of all blocks, whichever layers are stored.
            of_patterns = _numbered(of_patterns.assign(estimator=""), block_axis(activations.depth))
            tables.append(of_patterns.assign(sinks=WITH))
    return pd.concat(tables, ignore_index=True)


def _of_states(
    job: ProbeJob,
    how: CoordinationJob,
    corpus: pd.DataFrame,
    activations: Activations,
    rows: pd.DataFrame,
    texts: IntArray,
    sinks: Sinks,
    resampling: CoordinationResampling,
) -> pd.DataFrame:
    """What is measured on the states of some texts in one form, and on the accuracy per text in `rows`."""
    states = LayerStates(activations, SITE, stored_position(job.positions[0], sinks), texts)
    part = corpus.iloc[texts]
    parts = []
    for estimator in job.design.estimators:
        own = rows[(rows["estimator"] == estimator) & (rows["selection"] == "fixed")]
        curves = accuracy_curves(own, part)
        parts.append(probe_coordination(curves, resampling).assign(estimator=estimator))
        labels = [curve.name for curve in curves]
        parts.append(_complements(job, estimator, labels, states, part).assign(estimator=estimator))
    halves = replace(resampling, samples=how.samples)
    similar = state_similarity(
        np.stack([states[layer] for layer in range(len(states))]),
        part["group"].to_numpy(dtype=str),
        halves,
        k=how.k,
    )
    parts.append(similar.assign(estimator=""))
    return pd.concat(parts, ignore_index=True).assign(texts=len(part), groups=part["group"].nunique())


def accuracy_curves(found: pd.DataFrame, corpus: pd.DataFrame) -> list[AccuracyCurve]:
    """One curve a label, of the texts that have it."""
    curves = []
    items = pd.Series(text_items(corpus), index=corpus["id"].to_numpy())
    for label, rows in found.groupby("label", sort=False):
        table = rows.pivot_table(index="layer", columns="text", values="hit", sort=True)
        classes = rows.drop_duplicates("text").set_index("text")["class"].loc[table.columns]
        depths = rows.drop_duplicates("layer").set_index("layer")["depth"].loc[table.index]
        curves.append(
            AccuracyCurve(
                name=str(label),
                correct=table.to_numpy(dtype=np.float64)[None],
                classes=np.asarray(pd.factorize(classes, sort=True)[0], dtype=np.int64)[None],
                items=items.loc[table.columns].tolist(),
                depths=depths.to_numpy(dtype=np.float64),
            )
        )
    return curves


def _complements(
    job: ProbeJob, estimator: Estimator, labels: Sequence[str], states: LayerStates, corpus: pd.DataFrame
) -> pd.DataFrame:
    """What two adjacent layers tell together beyond the better one."""
    design, stratify_by = replace(job.design.as_control(), estimators=(estimator,)), job.stratify_by
    found = []
    for layers in (states, AdjacentLayers(states)):
        tables = run_probes(
            layers,
            {label: corpus[LABEL_PREFIX + label].to_numpy() for label in labels},
            corpus["group"].to_numpy(dtype=str),
            design,
            stratify_by=None if stratify_by is None else corpus[LABEL_PREFIX + stratify_by].to_numpy(),
        )
        found.append(tables)
    single, joint = found
    parts = []
    for label in labels:
        key = (label, estimator, "fixed", PRIMARY)
        alone, both = (
            table.curves[(table.curves["label"] == label) & (table.curves["measure"] == PRIMARY)]["score"].to_numpy()
            for table in (single, joint)
        )
        samples, joint_samples = single.replicates[key], joint.replicates[key]
        parts.append(complementarity(label, alone, both, samples, joint_samples, level=design.level))
    return pd.concat(parts, ignore_index=True)


def _attention(
    job: ProbeJob, corpus: pd.DataFrame, activations: Activations, resampling: CoordinationResampling
) -> pd.DataFrame | None:
    """How the blocks' attention from the last item to the others goes together over the sampled texts.

    None where no patterns are stored, or of fewer than two blocks: the store says why, and the states are right.
    """
    spans = activations.spans
    places = {span: activations.span_tokens(span) for span in spans}
    weights: list[FloatArray] = []
    sampled: list[int] = []
    token_counts: list[str] = []
    sampled_texts = blocks = 0
    for text, pattern in activations.attention_patterns():
        sampled_texts += 1
        blocks = int(np.isfinite(pattern[:, 0, 0, 0]).sum())
        tokens = [range(int(places[span][text, 0]), int(places[span][text, 1]) + 1) for span in spans]
        # The first token draws most attention whatever the text, so it is left out; so are items that it is part of.
        queried = max(item[-1] for item in tokens)
        kept = [list(item) for item in tokens if 0 not in item and item[-1] != queried]
        if kept:
            weights.append(item_weights(pattern, queried, kept))
            sampled.append(text)
            token_counts.append(" ".join(str(len(item)) for item in tokens))
    if not sampled_texts or blocks < FEWEST_BLOCKS:
        return None
    alike = {one.shape for one in weights}
    if len(alike) != 1:
        msg = (
            f"experiment {job.experiment} of model {job.model}: {len(weights)} sampled texts have items that attention "
            f"can be read of, in {len(alike)} forms; expected one, with an item that is neither first nor last token"
        )
        raise FathomError(msg)
    groups = corpus["group"].to_numpy(dtype=str)[sampled]
    found = attention_coordination(np.stack(weights), groups, resampling, stratify_by=token_counts)
    return found.assign(texts=len(groups), groups=len(np.unique(groups)))


def _numbered(rows: pd.DataFrame, axis: LayerAxis) -> pd.DataFrame:
    """Rows counted from 0 become layer numbers, with their relative depth; a row of a whole curve keeps none."""
    return number_layers(number_layers(rows, axis), axis, "other_layer", layer="other_layer", depth="other_depth")
