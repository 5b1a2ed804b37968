"""Checks of a config that no single section can make."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from fathom.corpora.settings import EarlyContextCorpus, labels_of, spans_of
from fathom.figures.settings import (
    CoordinationFigure,
    EarlyContextFigure,
    FigureSettings,
    ProbeFigure,
    ProbesFigure,
    SitesFigure,
    SpansFigure,
)
from fathom.io.strict_json import read_json
from fathom.models.settings import ModelSettings, PathModel
from fathom.schema import in_storage
from fathom.workflow.defaults import Corpora, Experiments
from fathom.workflow.figure_tables import drawn_experiments

COMMIT = re.compile(r"[0-9a-f]{40}")
FEWEST_PATTERNS = 20  # texts with attention patterns, over which layers are correlated
LARGEST_CONFIG = 8 << 20  # bytes of a model's config.json


class ImpossibleError(ValueError):
    """A combination of settings that cannot work."""

    def __init__(self, place: str, found: object, expected: str) -> None:
        super().__init__(f"{place}: expected {expected}; found {found!r}")
        self.place = place


def is_missing(path: str) -> bool:
    """Whether there is no such file here. What is missing in a storage Snakemake says."""
    return not in_storage(path) and not Path(path).is_file()


def known_depth(model: ModelSettings) -> int | None:
    """Number of blocks as far as it is known before a model is fetched."""
    if model.depth is not None or not isinstance(model, PathModel):
        return model.depth
    try:
        return int(read_json(Path(model.path) / "config.json", largest=LARGEST_CONFIG)["num_hidden_layers"])
    except (OSError, ValueError, KeyError, TypeError):
        # Another name for it, or not a config: the models stage says what is wrong.
        return None


Problem = tuple[str, object, str]
"""Place in the config, what was found, what was expected."""
MOST_EXPERIMENTS = 6  # that colours tell apart in one figure


def impossible_experiments(experiments: Experiments, corpora: Corpora) -> Iterator[Problem]:
    """Experiments that ask of their corpus what it does not have."""
    titles = [one.title or name for name, one in experiments.items()]
    for name, one in experiments.items():
        if titles.count(one.title or name) > 1:
            yield f"probes.{name}.title", one.title or name, "a title of its own: figures tell experiments apart by it"
        if one.corpus not in corpora:
            continue  # said elsewhere
        marked = spans_of(corpora[one.corpus])
        for position in one.positions:
            if position.startswith("span:") and position.removeprefix("span:") not in marked:
                spans = ", ".join(f"span:{span}" for span in marked) or "none"
                yield f"probes.{name}.positions", position, f"a span that corpus {one.corpus} marks: {spans}"
        known = labels_of(corpora[one.corpus])
        strata = (one.stratify_by,) if one.stratify_by else ()
        for key, labels in (("labels", one.labels or ()), ("stratify_by", strata)):
            for label in labels:
                if known is not None and label not in known:
                    yield f"probes.{name}.{key}", label, f"a label of corpus {one.corpus}: {', '.join(known) or 'none'}"
        if one.coordination is not None and "attention" not in one.sites:
            yield f"probes.{name}.sites", list(one.sites), "'attention' too, since coordination reads it"


def impossible_figures(
    figures: Mapping[str, FigureSettings], experiments: Experiments, corpora: Corpora
) -> Iterator[Problem]:
    """Figures that ask of experiments what they do not measure."""
    for name, figure in figures.items():
        if not isinstance(figure, ProbeFigure):
            continue
        place = f"figures.{name}"
        drawn = drawn_experiments(figure, experiments, corpora)
        if isinstance(figure, ProbesFigure | SitesFigure) and len(drawn) > MOST_EXPERIMENTS:
            yield f"{place}.experiments", list(drawn), f"at most {MOST_EXPERIMENTS}, which colours can tell apart"
        for one in drawn:
            if one not in experiments:
                continue  # said elsewhere
            experiment = experiments[one]
            estimator = getattr(figure, "estimator", experiment.estimators[0])
            if estimator not in experiment.estimators:
                yield (
                    f"{place}.estimator",
                    estimator,
                    f"an estimator of experiment {one}: {', '.join(experiment.estimators)}",
                )
            if isinstance(figure, SpansFigure) and len(experiment.positions) < 2:
                yield f"{place}.experiments", one, "experiments with several positions"
            if isinstance(figure, SitesFigure) and len(experiment.sites) < 2:
                yield f"{place}.experiments", one, "experiments with several sites"
            if isinstance(figure, EarlyContextFigure) and not isinstance(
                corpora.get(experiment.corpus), EarlyContextCorpus
            ):
                yield f"{place}.experiment", one, "an experiment on an early-context corpus"
            if isinstance(figure, CoordinationFigure) and experiment.coordination is None:
                yield f"{place}.experiment", one, "an experiment that measures coordination"
