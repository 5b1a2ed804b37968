"""Which jobs go first: those behind the first figure, then those that the longest work waits for.

A priority changes when a job runs, never what it makes. Snakemake starts the ready jobs of the highest priority; two
cores that end on a long job alone would idle by turns.
"""

from __future__ import annotations

from functools import cached_property

from fathom.probes.settings import ExperimentSettings
from fathom.workflow.config import Config
from fathom.workflow.figure_tables import figure_tables, table_corpora
from fathom.workflow.wildcards import Wildcards

FIRST = 1_000_000  # above all work that is counted
BLOCKS = 12  # of a model whose config does not say how many it has
SVM = 4  # times what ridge takes for as many labellings, about
LABELS = 3  # of an experiment that probes all labels of its corpus: more or less, nobody knows before it is built
START = 1  # work of a job beside its probes


class Priorities:
    """Priorities of all jobs of a config, in a unit of work that knows neither machine nor texts."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def model(self, wildcards: Wildcards) -> int:
        """Of a model: all work on its states."""
        return self._models.get(wildcards.model, 0)

    def corpus(self, wildcards: Wildcards) -> int:
        """Of a corpus: all work on its states."""
        return self._corpora.get(wildcards.corpus, 0)

    def states(self, wildcards: Wildcards) -> int:
        """Of an extraction: what is probed in its states."""
        key = wildcards.model, wildcards.corpus
        work = self._works.get(key, 0) + self._depths[wildcards.model]
        return self._raised(work, first=key in self._behind_first)

    def metrics(self, wildcards: Wildcards) -> int:
        """Of a metric: what it takes, before the first figure or after all probes."""
        return self._raised(START, first=(wildcards.model, wildcards.corpus) in self._behind_first)

    def probes(self, wildcards: Wildcards) -> int:
        """Of the probes of an experiment."""
        corpora = self._experiments[wildcards.experiment].corpora
        behind = any((wildcards.model, corpus) in self._behind_first for corpus in corpora)
        return self._raised(self._probing(wildcards.model, wildcards.experiment), first=behind)

    def modes(self, wildcards: Wildcards) -> int:
        """Of a test for two modes: before the first figure, or where a core is free."""
        table = (wildcards.model, wildcards.corpus, f"{wildcards.text_metric}.modes")
        return FIRST if table in self._of_first else 0

    def order(self, wildcards: Wildcards) -> int:
        """Of a test of the order of peaks: before the first figure, or where a core is free."""
        return FIRST if (wildcards.model, wildcards.order, "order") in self._of_first else 0

    def figure(self, wildcards: Wildcards) -> int:
        """Of a figure and of the verdicts in it: the first one at once, others where a core is free."""
        return FIRST if wildcards.figure == self.first else 0

    @cached_property
    def first(self) -> str:
        """The figure that is drawn first: the one that the fewest states are extracted for."""
        drawn = {name: states for name in self._config.all_figures if (states := self._states_of(name))}
        return min(drawn, key=lambda name: len(drawn[name]), default="")

    @cached_property
    def _of_first(self) -> set[tuple[str | None, str, str]]:
        """Model, corpus or experiments, and content of all tables that the first figure is drawn from."""
        tables = figure_tables(self._config, self.first) if self.first else []
        return {(table.model, table.corpus_or_experiment, table.content) for table in tables}

    @cached_property
    def _behind_first(self) -> set[tuple[str, str]]:
        return self._states_of(self.first) if self.first else set()

    def _states_of(self, figure: str) -> set[tuple[str, str]]:
        """Model and corpus of all states that a figure is drawn from."""
        return {
            (table.model, corpus)
            for table in figure_tables(self._config, figure)
            if table.model is not None
            for corpus in table_corpora(self._config, table)
        }

    @cached_property
    def _works(self) -> dict[tuple[str, str], int]:
        """What is probed in the states of every model and corpus."""
        works: dict[tuple[str, str], int] = {}
        for model in self._depths:
            for name, experiment in self._experiments.items():
                for corpus in experiment.corpora:
                    works[model, corpus] = works.get((model, corpus), 0) + self._probing(model, name)
        return works

    @cached_property
    def _models(self) -> dict[str, int]:
        works = dict(self._depths)
        for (model, _), work in self._works.items():
            works[model] += work
        first = {model for model, _ in self._behind_first}
        return {model: self._raised(work, first=model in first) for model, work in works.items()}

    @cached_property
    def _corpora(self) -> dict[str, int]:
        works = dict.fromkeys(self._config.corpora, 0)
        for (_, corpus), work in self._works.items():
            works[corpus] = works.get(corpus, 0) + work
        first = {corpus for _, corpus in self._behind_first}
        return {corpus: self._raised(work, first=corpus in first) for corpus, work in works.items()}

    @cached_property
    def _experiments(self) -> dict[str, ExperimentSettings]:
        return self._config.experiments

    @cached_property
    def _depths(self) -> dict[str, int]:
        """Blocks of every model; one of random weights has those of the model that it is set against."""
        models = self._config.all_models
        return {name: model.known_depth() or BLOCKS for name, model in models.items()}

    @cached_property
    def _random(self) -> set[str]:
        return {name for name, model in self._config.all_models.items() if model.random}

    def _probing(self, model: str, name: str) -> int:
        """Labellings that are fitted, over the blocks of the model."""
        one = self._experiments[name]
        labellings = 1 if model in self._random else 1 + one.permutations
        each = sum(1 if estimator == "ridge" else SVM for estimator in one.estimators)
        places = len(one.positions) * len(one.sites) * len(one.views or (None,))
        work = self._depths[model] * (len(one.labels) if one.labels else LABELS) * labellings * each * places
        return START + work // 100

    @staticmethod
    def _raised(work: int, *, first: bool) -> int:
        return min(work, FIRST - 1) + FIRST * first
