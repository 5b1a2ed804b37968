"""What Snakemake's rules ask, a stage at a time: files, settings, code and resources of every job.

Every answer is a pure function of the config and the wildcards, and settings are one JSON string with sorted keys, for
that is what Snakemake can compare with the last run.
"""

from __future__ import annotations

from fathom.workflow.config import Config
from fathom.workflow.figure_tables import figure_tables, table_corpora
from fathom.workflow.jobs.activations import ActivationJobs
from fathom.workflow.jobs.corpora import CorpusJobs
from fathom.workflow.jobs.explore import ExploreJobs
from fathom.workflow.jobs.figures import FigureJobs
from fathom.workflow.jobs.metrics import MetricJobs
from fathom.workflow.jobs.models import ModelJobs
from fathom.workflow.jobs.nursery import NurseryJobs
from fathom.workflow.jobs.probes import ProbeJobs
from fathom.workflow.jobs.tasks import TaskJobs
from fathom.workflow.paths import manifests_of
from fathom.workflow.priorities import Priorities


class Plan:
    """The config, seen from the rules."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.models = ModelJobs(config)
        self.corpora = CorpusJobs(config)
        self.nursery = NurseryJobs(config)
        self.activations = ActivationJobs(config)
        self.metrics = MetricJobs(config)
        self.probes = ProbeJobs(config)
        self.tasks = TaskJobs(config)
        self.figures = FigureJobs(config)
        self.priorities = Priorities(config)
        self.explore = ExploreJobs(config)

    @property
    def extractions(self) -> tuple[tuple[str, str], ...]:
        """Model and corpus of all states that figures come from, each pair once."""
        tables = [table for figure in self.figures.names for table in figure_tables(self.config, figure)]
        pairs = {
            (table.model, corpus): None
            for table in tables
            if table.model is not None
            for corpus in table_corpora(self.config, table)
        }
        return tuple((str(model), corpus) for model, corpus in pairs)

    @property
    def manifests(self) -> list[str]:
        """Manifests of all these states. A shard that was lost is made anew even where all made from it is there."""
        return [
            manifest
            for model, corpus in self.extractions
            for manifest in manifests_of(model, corpus, self.config.shards_of(corpus))
        ]
