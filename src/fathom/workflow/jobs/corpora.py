"""What the rules of the corpora stage ask."""

from __future__ import annotations

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
        return as_json(corpus_job(wildcards.corpus, self._config.corpora[wildcards.corpus]))

    def code(self, wildcards: Wildcards) -> str:
        """Digest of the code behind a corpus, and of fathom's own table where it uses it."""
        return corpus_code(corpus_job(wildcards.corpus, self._config.corpora[wildcards.corpus]))

    def files(self, wildcards: Wildcards) -> list[str]:
        """Files of the user's that a corpus is made of; none for what is fetched or made."""
        return list(self._config.corpora[wildcards.corpus].files)

    def base(self, wildcards: Wildcards) -> list[str]:
        """The corpus whose texts a corpus changes; none for others."""
        base = self._config.corpora[wildcards.corpus].base
        return [] if base is None else [f"results/corpora/{base}.parquet"]


def corpus_job(name: str, settings: CorpusSettings) -> CorpusJob:
    """What `fathom corpora` is told."""
    return CorpusJob(
        name=name,
        module=settings.module,
        options=settings.options,
        base=settings.base,
        files=settings.files,
        data=settings.data,
    )


def corpus_code(job: CorpusJob) -> str:
    """Digest of the code behind one job of the corpora stage."""
    return code_digest("fathom.corpora.command", job.module, data=job.data)
