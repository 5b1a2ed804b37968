"""What Snakemake's rules ask: which files there will be, and the settings and code digest of every job.

Every answer is a pure function of the config and the wildcards, and settings are one JSON string with sorted keys, for
that is what Snakemake can compare with the last run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fathom.metrics.job import MetricJob
from fathom.metrics.settings import METRICS
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
from fathom.workflow.figure_tables import figure_tables, table_corpus
from fathom.workflow.jobs.activations import CUT_BY
from fathom.workflow.jobs.corpora import corpus_code, corpus_job
from fathom.workflow.jobs.figures import figure_code, figure_settings
from fathom.workflow.jobs.metrics import metric_code
from fathom.workflow.jobs.models import model_code, model_job
from fathom.workflow.jobs.probes import probed_views
from fathom.workflow.jobs.settings_json import as_json


class Plan:
    """The config, seen from the rules."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._kept_of: dict[tuple[str, str], dict[str, Any]] = {}

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of all figures."""
        return tuple(self.config.all_figures)

    def shards_of(self, corpus: str) -> int:
        """How many shards a corpus is cut into."""
        own = self.config.activations.corpora.get(corpus)
        return self.config.activations.shards if own is None or own.shards is None else own.shards

    @property
    def extractions(self) -> tuple[tuple[str, str], ...]:
        """Model and corpus of all states that figures come from, each pair once."""
        tables = [table for figure in self.figures for table in figure_tables(self.config, figure)]
        pairs = {(table.model, table_corpus(self.config, table)): None for table in tables if table.model is not None}
        return tuple((str(model), corpus) for model, corpus in pairs)

    def model_files(self, model: str) -> list[str]:
        """Files that a model folder of the user's is made of, or its address in a storage; none for what is fetched."""
        return list(self.config.all_models[model].files)

    def model_base(self, model: str) -> str | None:
        """The model whose shape a model of random weights has."""
        return self.config.all_models[model].base

    def corpus_base(self, corpus: str) -> str | None:
        """The corpus whose texts a corpus changes."""
        return self.config.corpora[corpus].base

    def corpus_files(self, corpus: str) -> list[str]:
        """The user's file that a corpus is made of; none for what is fetched or made."""
        return list(self.config.corpora[corpus].files)

    # Settings of jobs ---------------------------------------------------------------------------------------------

    def model_settings(self, model: str) -> str:
        """Settings of `fathom models`."""
        return as_json(model_job(model, self.config.all_models[model]))

    def corpus_settings(self, corpus: str) -> str:
        """Settings of `fathom corpora`."""
        return as_json(corpus_job(corpus, self.config.corpora[corpus]))

    def extraction_settings(self, model: str, corpus: str, shard: str) -> str:
        """Settings of `fathom activations`."""
        return as_json(
            {
                "model": model,
                "corpus": corpus,
                "dtype": self.config.all_models[model].dtype,
                "shard": int(shard.split("-")[0]) - 1,
                "activations": self._kept(model, corpus),
            }
        )

    def cut_settings(self, model: str, corpus: str) -> str:
        """Settings of `fathom activations --write-cut`: what tokens and the sample of patterns depend on."""
        kept = self._kept(model, corpus)
        return as_json({"model": model, "corpus": corpus, **{name: kept[name] for name in CUT_BY}})

    def _kept(self, model: str, corpus: str) -> dict[str, Any]:
        """What is kept of a corpus, the same for all its shards; patterns only where something reads them."""
        if (model, corpus) not in self._kept_of:
            kept = self.config.extraction_of(corpus)
            if not self.config.reads_patterns(model, corpus):
                kept = kept.model_copy(update={"attention_texts": 0})
            self._kept_of[model, corpus] = kept.model_dump(mode="json")
        return self._kept_of[model, corpus]

    @property
    def token_tables(self) -> tuple[str, ...]:
        """Tables of the metrics of the tokens of a text, which one job writes."""
        names = self.config.token_metrics
        return tuple(table for name in names for table in (name, *METRICS[name].tables))

    @property
    def corpus_metrics(self) -> tuple[str, ...]:
        """Metrics of whole corpora, views and pairs of layers, each with a job of its own."""
        return tuple(name for name in self.config.metric_settings if name not in self.config.token_metrics)

    def token_metric_settings(self, model: str, corpus: str) -> str:
        """Settings of `fathom metrics` for all metrics of the tokens of a text."""
        return self._metric_job(model, corpus, self.config.token_metrics)

    def corpus_metric_settings(self, model: str, corpus: str, metric: str) -> str:
        """Settings of `fathom metrics` for one metric of a whole corpus."""
        return self._metric_job(model, corpus, (metric,))

    def _metric_job(self, model: str, corpus: str, metrics: Sequence[str]) -> str:
        uncertainty = self.config.uncertainty
        job = MetricJob(
            model=model,
            corpus=corpus,
            measured=tuple(self.config.metric_settings[metric].measured(uncertainty.seed) for metric in metrics),
            sink_multiple=self.config.metrics.sink_multiple,
            level=uncertainty.level,
            seed=uncertainty.seed,
        )
        return as_json(job)

    def probe_settings(self, model: str, experiment: str) -> str:
        """Settings of `fathom probes`; of a model of random weights, those of a control."""
        one, control = self.config.experiments[experiment], self.config.all_models[model].random
        views = probed_views(one, self.config.corpora)
        return as_json(one.job(model, experiment, views, self.config.uncertainty, control=control))

    def coordination_settings(self, model: str, experiment: str) -> str:
        """Settings of `fathom probes` for the coordination of adjacent layers."""
        one, control = self.config.experiments[experiment], self.config.all_models[model].random
        views = probed_views(one, self.config.corpora)
        return as_json(one.coordination_job(model, experiment, views, self.config.uncertainty, control=control))

    def figure_settings(self, figure: str) -> str:
        """Settings of `fathom figures`."""
        return figure_settings(self.config, figure)

    # Code of jobs -------------------------------------------------------------------------------------------------

    def code(self, stage: str) -> str:
        """Digest of the code behind a stage's verb."""
        return code_digest(f"fathom.{stage}.command")

    def corpus_code(self, corpus: str) -> str:
        """Digest of the code behind a corpus, and of fathom's own table where it uses it."""
        return corpus_code(corpus_job(corpus, self.config.corpora[corpus]))

    def model_code(self, model: str) -> str:
        """Digest of the code behind a model."""
        return model_code(model_job(model, self.config.all_models[model]))

    def metric_code(self, *metrics: str) -> str:
        """Digest of the code behind some metrics; the other metrics' code is none of it."""
        return metric_code(metrics)

    def figure_code(self, figure: str) -> str:
        """Digest of the code behind a figure."""
        return figure_code(self.config, figure)
