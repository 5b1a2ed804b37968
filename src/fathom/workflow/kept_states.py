"""What extraction keeps of a model on a corpus: what is asked for, or what metrics, experiments and figures read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from fathom.activations.settings import POSITIONS, CorpusActivations, KeptActivations, Site, holds
from fathom.metrics.settings import METRICS
from fathom.workflow.defaults import probed_views
from fathom.workflow.paths import states_folder

if TYPE_CHECKING:
    from fathom.workflow.config import Config

SHOWN_MAPS = 8  # attention maps of so many texts, where a figure shows their mean
CORRELATED_MAPS = 128  # and where an experiment correlates layers over texts
EVERY_SITE = "all"


def kept_states(config: Config, model: str, corpus: str) -> KeptActivations:
    """Extraction settings of a model on a corpus, nothing in them left to the planner."""
    own = config.activations.corpora.get(corpus, CorpusActivations())
    asked = {name: value for name, value in own if value is not None}
    kept = config.activations.model_copy(update={"corpora": {}, **asked})
    read = list(_read(config, model, corpus))
    # Who lists positions wants them of every text.
    found: dict[str, Any] = {"paraphrase_tokens": kept.positions != "auto"}
    if corpus in config.task_corpora or (
        corpus in config.corpora and config.corpora[corpus].base in config.task_corpora
    ):
        found["truncate"] = True  # as every library of embeddings does; the texts that are cut are counted
    if kept.positions == "auto":
        positions = {position for _, position in read}
        if "mean" in positions:
            positions.discard("embedding_mean")
        known = [one for one in POSITIONS if one in positions]
        # Nothing reads the states of a corpus of which only attention maps are shown; a store has at least one array.
        found["positions"] = (*known, *sorted(positions - set(known))) or ("mean",)
    if kept.sites == "auto":
        sites = {site for site, _ in read}
        every = EVERY_SITE in sites
        found["sites"] = EVERY_SITE if every else tuple(one for one in get_args(Site) if one in sites) or ("residual",)
    if kept.attention_texts == "auto":
        found["attention_texts"] = _maps_read(config, model, corpus)
    found["views"] = _views_read(config, model, corpus) if kept.shards == 1 else None
    needed = KeptActivations.model_validate(kept.model_dump() | found)
    return _stored_already(needed, left_open=set(found), folder=Path(states_folder(model, corpus)))


def _stored_already(needed: KeptActivations, *, left_open: set[str], folder: Path) -> KeptActivations:
    """What a finished store was told to keep, where that is all that is needed and more, so that it stays as it is.

    Without this, a metric that is taken out of a config would cost a forward pass. `left_open` names what the config
    leaves to the planner; all other settings must be the same.
    """
    manifest = next(iter(sorted(folder.glob("*.manifest.json"))), None)
    try:
        found = None if manifest is None else json.loads(manifest.read_text())["settings"]["activations"]
        stored = None if found is None else KeptActivations.model_validate(found)
    except (OSError, ValueError, KeyError, TypeError):  # a manifest of another version, or a damaged one: made anew
        return needed
    if stored is None or stored.model_copy(update={name: getattr(needed, name) for name in left_open}) != needed:
        return needed
    kept = {name: getattr(stored, name) for name in left_open}
    enough = (
        all(holds(stored.positions, position) for position in needed.positions)
        and (stored.sites == EVERY_SITE or set(needed.sites) <= set(stored.sites))
        and needed.attention_texts <= stored.attention_texts
        and needed.paraphrase_tokens <= stored.paraphrase_tokens
        and (stored.views is None or set(needed.views or [""]) <= set(stored.views))
    )
    return needed.model_copy(update=kept) if enough else needed


def _read(config: Config, model: str, corpus: str) -> Iterator[tuple[str, str]]:
    """Sites and positions that something reads."""
    if model in config.models:
        for name in config.metric_settings:
            if corpus in config.corpora_of(name):
                yield "residual", METRICS[name].position
        for figure in config.all_figures.values():
            for site in figure.sites_read(config, model, corpus):
                yield site, "tokens"
    if corpus in config.task_corpora:
        for position in config.embeddings.stored_positions:
            yield "residual", position
    for name in config.task_metrics:
        if corpus in config.task_metric_corpora(name).values():
            yield "residual", METRICS[name].position
    for experiment in config.experiments.values():
        control = config.all_models[model].random
        if corpus not in (experiment.corpora[:1] if control else experiment.corpora):
            continue
        # A model that is a control itself has no controls, and neither has the corpus that is tested besides.
        if corpus == experiment.corpus and "static" in experiment.controls and not control:
            yield "residual", "embedding_mean"
        for site in experiment.sites:
            for position in experiment.positions:
                yield site, position


def _views_read(config: Config, model: str, corpus: str) -> tuple[str, ...] | None:
    """Views that are read of a model of random weights, which experiments alone read and without controls; else all."""
    if not config.all_models[model].random or model in config.models:
        return None
    read = [probed_views(one, config.corpora) for one in config.experiments.values() if one.corpus == corpus]
    return tuple(dict.fromkeys(view for views in read for view in views)) or None


def _maps_read(config: Config, model: str, corpus: str) -> int:
    """Texts whose attention maps are read."""
    figures = [one for one in config.all_figures.values() if one.reads_attention(config, model, corpus)]
    if not figures:
        return 0
    correlated = any(one.corpus == corpus and one.coordination for one in config.experiments.values())
    return CORRELATED_MAPS if correlated else SHOWN_MAPS
