"""Checks of a config that no single section can make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fathom.schema import Problem, in_storage
from fathom.workflow.defaults import Corpora, Experiments

if TYPE_CHECKING:
    from fathom.workflow.config import Config

FEWEST_PATTERNS = 20  # texts with attention patterns, over which layers are correlated


class ImpossibleError(ValueError):
    """A combination of settings that cannot work."""

    def __init__(self, place: str, found: object, expected: str) -> None:
        super().__init__(f"{place}: expected {expected}; found {found!r}")
        self.place = place


def is_missing(path: str) -> bool:
    """Whether there is no such file here. What is missing in a storage Snakemake says."""
    return not in_storage(path) and not Path(path).is_file()


def impossible_experiments(experiments: Experiments, corpora: Corpora) -> Iterator[Problem]:
    """Experiments that ask of their corpus what it does not have."""
    titles = [one.title or name for name, one in experiments.items()]
    for name, one in experiments.items():
        if titles.count(one.title or name) > 1:
            yield f"probes.{name}.title", one.title or name, "a title of its own: figures tell experiments apart by it"
        if one.corpus not in corpora:
            continue  # said elsewhere
        marked = corpora[one.corpus].spans
        for position in one.positions:
            if position.startswith("span:") and position.removeprefix("span:") not in marked:
                spans = ", ".join(f"span:{span}" for span in marked) or "none"
                yield f"probes.{name}.positions", position, f"a span that corpus {one.corpus} marks: {spans}"
        known = corpora[one.corpus].labels
        strata = (one.stratify_by,) if one.stratify_by else ()
        for key, labels in (("labels", one.labels or ()), ("stratify_by", strata)):
            for label in labels:
                if known is not None and label not in known:
                    yield f"probes.{name}.{key}", label, f"a label of corpus {one.corpus}: {', '.join(known) or 'none'}"
        if one.coordination is not None and "attention" not in one.sites:
            yield f"probes.{name}.sites", list(one.sites), "'attention' too, since coordination reads it"


def impossible_figures(config: Config) -> Iterator[Problem]:
    """What figures ask for and the config has not."""
    for name, figure in config.all_figures.items():
        for key, found, expected in figure.problems(config):
            yield ".".join(part for part in ("figures", name, key) if part), found, expected
