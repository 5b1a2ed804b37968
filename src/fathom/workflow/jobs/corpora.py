"""What the rules of the corpora stage ask."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fathom.corpora.job import CorpusJob
from fathom.corpora.settings import CorpusSettings
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
from fathom.workflow.jobs.settings_json import as_json
from fathom.workflow.wildcards import Wildcards


class CorpusJobs:
    """Jobs that build the texts of a corpus."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom corpora`."""
        return as_json(self._job(wildcards))

    def code(self, wildcards: Wildcards) -> str:
        """Digest of the code behind a corpus, and of fathom's own table where it uses it."""
        return corpus_code(self._job(wildcards))

    def files(self, wildcards: Wildcards) -> list[str]:
        """Files of the user's that a corpus is made of; none for what is fetched or made."""
        return list(self._config.corpora[wildcards.corpus].files)

    def base(self, wildcards: Wildcards) -> list[str]:
        """The corpus whose texts a corpus changes; none for others."""
        base = self._config.corpora[wildcards.corpus].base
        return [] if base is None else [f"results/corpora/{base}.parquet"]

    def _job(self, wildcards: Wildcards) -> CorpusJob:
        name = wildcards.corpus
        return corpus_job(name, self._config.corpora[name], self._folds(name))

    def _folds(self, corpus: str) -> dict[str, int]:
        """Of each label of a corpus that is probed, how many folds an experiment divides its texts into at most."""
        folds: dict[str, int] = {}
        for experiment in self._config.experiments.values():
            if experiment.corpus == corpus:
                for label in experiment.labels or self._config.corpora[corpus].label_names or ():
                    folds[label] = max(experiment.folds, folds.get(label, 0))
        return folds


def corpus_job(name: str, settings: CorpusSettings, folds: Mapping[str, int] = MappingProxyType({})) -> CorpusJob:
    """What `fathom corpora` is told; `folds` of labels as of `Corpus.job_options`."""
    return CorpusJob(
        name=name,
        module=settings.module,
        options=settings.job_options(folds),
        base=settings.base,
        files=settings.files,
        data=settings.data,
    )


def corpus_code(job: CorpusJob) -> str:
    """Digest of the code behind one job of the corpora stage."""
    return code_digest("fathom.corpora.command", job.module, data=job.data)
