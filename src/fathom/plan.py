"""What Snakemake's rules ask: which files there will be, and the settings and code digest of every job.

Every answer is a pure function of the config and the wildcards, and settings are one JSON string with sorted keys, for
that is what Snakemake can compare with the last run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fathom.captions import caption, metric_axis, model_label
from fathom.code import code_digest
from fathom.config import Config, HierarchyCorpus
from fathom.corpora.settings import FileCorpus, ItemsCorpus
from fathom.figures.settings import MetricFigure
from fathom.metrics.registry import METRICS
from fathom.metrics.settings import CorpusEntropySettings, EntropySettings
from fathom.models.settings import PathModel


class Plan:
    """The config, seen from the rules."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of all figures."""
        return tuple(self.config.all_figures)

    @property
    def shards(self) -> tuple[str, ...]:
        """Names of the shards of a corpus: "1-of-2", "2-of-2"."""
        count = self.config.activations.shards
        return tuple(f"{shard}-of-{count}" for shard in range(1, count + 1))

    def model_files(self, model: str) -> list[str]:
        """Files that a model folder of the user's is made of; none for what is fetched."""
        settings = self.config.models[model]
        if not isinstance(settings, PathModel):
            return []
        folder = Path(settings.path)
        return sorted(
            str(path) for path in folder.iterdir() if path.suffix in {".json", ".safetensors", ".txt", ".model"}
        )

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
        return as_json(self.config.models[model].model_dump(mode="json", exclude={"label", "note", "dtype"}))

    def corpus_settings(self, corpus: str) -> str:
        """Settings of `fathom corpora`."""
        return as_json(self.config.corpora[corpus])

    def extraction_settings(self, model: str, corpus: str, shard: str) -> str:
        """Settings of `fathom activations`."""
        return as_json(
            {
                "model": model,
                "corpus": corpus,
                "dtype": self.config.models[model].dtype,
                "shard": int(shard.split("-")[0]) - 1,
                "activations": self.config.activations.model_dump(mode="json"),
            }
        )

    def metric_settings(self, model: str, corpus: str, metric: str) -> str:
        """Settings of `fathom metrics`."""
        settings = self.config.metric_settings[metric]
        job: dict[str, Any] = {
            "model": model,
            "corpus": corpus,
            "metric": metric,
            "preparation": settings.preparation,
            "sink_multiple": self.config.metrics.sink_multiple,
            **self.config.uncertainty.model_dump(mode="json"),
        }
        if isinstance(settings, EntropySettings):
            job |= {"normalisation": settings.normalisation, "arguments": {"alpha": settings.alpha}}
        if isinstance(settings, CorpusEntropySettings):
            job["bootstrap"] = settings.bootstrap
        return as_json(job)

    def probe_settings(self, model: str, experiment: str) -> str:
        """Settings of `fathom probes`."""
        return as_json(
            {
                "model": model,
                "experiment": experiment,
                "settings": self.config.experiments[experiment].model_dump(mode="json", exclude={"title"}),
                "uncertainty": self.config.uncertainty.model_dump(mode="json"),
            }
        )

    def figure_settings(self, figure: str) -> str:
        """Settings of `fathom figures`."""
        settings = self.config.all_figures[figure]
        tables = self.config.figure_tables(figure)
        titles = {name: one.title or name for name, one in self.config.experiments.items()}
        job: dict[str, Any] = {
            "figure": figure,
            "kind": settings.kind,
            "tables": [{"model": model_label(self.config, model), "of": titles.get(of, of)} for model, of in tables],
            "layers": "layer (transformers)" if self.config.activations.layers == "transformers" else "layer",
            "caption": caption(self.config, figure),
            "uncertainty": self.config.uncertainty.model_dump(mode="json"),
        }
        if isinstance(settings, MetricFigure):
            metric = METRICS[settings.metric]
            job |= {"title": metric.title, "axis": metric_axis(self.config, settings.metric)}
        else:
            job |= {"title": "Linear probes", "axis": "balanced accuracy"}
        return as_json(job)

    # Code of jobs -------------------------------------------------------------------------------------------------

    def code(self, stage: str) -> str:
        """Digest of the code behind a stage's verb."""
        return code_digest(f"fathom.{stage}.command")

    def corpus_code(self, corpus: str) -> str:
        """Digest of the code behind a corpus, and of fathom's own table where it uses it."""
        settings = self.config.corpora[corpus]
        own: tuple[str, ...] = ()
        if isinstance(settings, HierarchyCorpus) and settings.table is None:
            own = ("corpora/data/items.csv",) if isinstance(settings, ItemsCorpus) else ("corpora/data/pairs.csv",)
        return code_digest("fathom.corpora.command", data=own)

    def metric_code(self, metric: str) -> str:
        """Digest of the code behind one metric; the other metrics' code is none of it."""
        return code_digest("fathom.metrics.command", METRICS[metric].module)


def as_json(content: BaseModel | Mapping[str, Any]) -> str:
    """One line of JSON with sorted keys."""
    plain = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
    return json.dumps(plain, sort_keys=True, ensure_ascii=False)
