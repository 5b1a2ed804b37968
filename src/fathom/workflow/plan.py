"""What Snakemake's rules ask: which files there will be, and the settings and code digest of every job.

Every answer is a pure function of the config and the wildcards, and settings are one JSON string with sorted keys, for
that is what Snakemake can compare with the last run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fathom.corpora.settings import DerivedCorpus, FileCorpus, HierarchyCorpus, ItemsCorpus
from fathom.figures.job import FigureJob, Table
from fathom.metrics.job import Measured, MetricJob
from fathom.metrics.settings import METRICS, SinksSettings
from fathom.models.settings import PathModel, RandomModel
from fathom.schema import in_storage
from fathom.workflow.captions import caption, figure_title, metric_axis, model_label
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import TOKEN_TABLES, Config
from fathom.workflow.figure_tables import OF_EXPERIMENTS
from fathom.workflow.jobs.activations import CUT_BY
from fathom.workflow.jobs.corpora import corpus_code
from fathom.workflow.jobs.figures import main_model
from fathom.workflow.jobs.metrics import SEEDED, metric_code
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
        tables = [table for figure in self.figures for table in self.config.figure_tables(figure)]
        pairs = {
            (table.model, self._corpus_name(table.of) if table.holds in OF_EXPERIMENTS else table.of): None
            for table in tables
            if table.model is not None
        }
        return tuple((str(model), corpus) for model, corpus in pairs)

    def model_files(self, model: str) -> list[str]:
        """Files that a model folder of the user's is made of, or its address in a storage; none for what is fetched."""
        settings = self.config.all_models[model]
        if not isinstance(settings, PathModel):
            return []
        if in_storage(settings.path):
            return [settings.path]
        folder = Path(settings.path)
        # Any other name is none that a checkpoint needs, and Snakemake might read more in it than a name.
        endings = r"[A-Za-z0-9][A-Za-z0-9._-]*\.(json|safetensors|txt|model)"
        return sorted(str(path) for path in folder.iterdir() if re.fullmatch(endings, path.name) and path.is_file())

    def model_base(self, model: str) -> str | None:
        """The model whose shape a model of random weights has."""
        settings = self.config.all_models[model]
        return settings.of if isinstance(settings, RandomModel) else None

    def corpus_base(self, corpus: str) -> str | None:
        """The corpus whose texts a corpus changes."""
        settings = self.config.corpora[corpus]
        return settings.of if isinstance(settings, DerivedCorpus) else None

    def corpus_files(self, corpus: str) -> list[str]:
        """The user's file that a corpus is made of; none for what is fetched or made."""
        settings = self.config.corpora[corpus]
        if isinstance(settings, FileCorpus):
            return [settings.path]
        if isinstance(settings, HierarchyCorpus) and settings.table is not None:
            return [settings.table]
        return []

    # Settings of jobs ---------------------------------------------------------------------------------------------

    def model_settings(self, model: str) -> str:
        """Settings of `fathom models`. Label, note and precision do not change the folder that it makes."""
        return as_json(self.config.all_models[model].model_dump(mode="json", exclude={"label", "note", "dtype"}))

    def corpus_settings(self, corpus: str) -> str:
        """Settings of `fathom corpora`."""
        return as_json(self.config.corpora[corpus])

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
        return tuple(table for name in names for table in TOKEN_TABLES.get(name, (name,)))

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
        sinks = self.config.metrics.sinks or SinksSettings()
        job = MetricJob(
            model=model,
            corpus=corpus,
            measured=tuple(self._measured(metric) for metric in metrics),
            sink_multiple=self.config.metrics.sink_multiple,
            looking=sinks.looking,
            positions=sinks.positions,
            level=uncertainty.level,
            seed=uncertainty.seed,
        )
        return as_json(job)

    def _measured(self, metric: str) -> Measured:
        """One metric of a job: what its settings say that is not said to all metrics is for its function."""
        settings = self.config.metric_settings[metric].model_dump()
        if metric == "sinks":
            return Measured(metric=metric)
        facts = {name: settings.pop(name) for name in ("normalisation", "samples", "label") if name in settings}
        forms = settings.pop("preparation")
        if metric in SEEDED:
            settings["seed"] = self.config.uncertainty.seed
        return Measured(metric=metric, forms=forms, arguments=settings, **facts)

    def probe_settings(self, model: str, experiment: str) -> str:
        """Settings of `fathom probes`; of a model of random weights, those of a control."""
        one, control = self.config.experiments[experiment], isinstance(self.config.all_models[model], RandomModel)
        views = probed_views(one, self.config.corpora)
        return as_json(one.job(model, experiment, views, self.config.uncertainty, control=control))

    def coordination_settings(self, model: str, experiment: str) -> str:
        """Settings of `fathom probes` for the coordination of adjacent layers."""
        one, control = self.config.experiments[experiment], isinstance(self.config.all_models[model], RandomModel)
        views = probed_views(one, self.config.corpora)
        return as_json(one.coordination_job(model, experiment, views, self.config.uncertainty, control=control))

    def figure_settings(self, figure: str) -> str:
        """Settings of `fathom figures`."""
        settings = self.config.all_figures[figure]
        titles = {name: one.title or name for name, one in self.config.experiments.items()}
        tables = self.config.figure_tables(figure)
        steps = self.config.hierarchy_of(figure)
        metrics = {table.holds for table in tables if table.holds in self.config.metric_settings}
        job = FigureJob(
            figure=figure,
            settings=settings,
            tables=tuple(
                Table(
                    model="" if table.model is None else model_label(self.config, main_model(self.config, table)),
                    of=titles[table.of] if table.holds in OF_EXPERIMENTS else table.of,
                    holds=table.holds,
                    corpus=self._corpus_name(table.of) if table.holds in OF_EXPERIMENTS else "",
                    control=table.control,
                )
                for table in tables
            ),
            title=figure_title(self.config, figure),
            titles={name: METRICS[name].title for name in sorted(metrics)},
            axes={
                name: metric_axis(self.config, name, raw=getattr(settings, "raw", False)) for name in sorted(metrics)
            },
            layers="layer (transformers)" if self.config.activations.layers == "transformers" else "layer",
            caption=caption(self.config, figure),
            order=tuple(titles[name] for name in steps),
            # The claim is: items < relations <= analogies.
            strictly_before=tuple(
                titles[name] for name in steps if isinstance(self.config.corpora[self._corpus_name(name)], ItemsCorpus)
            ),
            uncertainty=self.config.uncertainty,
        )
        return as_json(job)

    def _corpus_name(self, experiment: str) -> str:
        return self.config.experiments[experiment].corpus

    # Code of jobs -------------------------------------------------------------------------------------------------

    def code(self, stage: str) -> str:
        """Digest of the code behind a stage's verb."""
        return code_digest(f"fathom.{stage}.command")

    def corpus_code(self, corpus: str) -> str:
        """Digest of the code behind a corpus, and of fathom's own table where it uses it."""
        return corpus_code(self.config.corpora[corpus])

    def metric_code(self, *metrics: str) -> str:
        """Digest of the code behind some metrics; the other metrics' code is none of it."""
        settings = [self.config.metric_settings[metric] for metric in metrics]
        published = any("as_published" in getattr(one, "preparation", ()) for one in settings)
        return metric_code(metrics, published=published)
