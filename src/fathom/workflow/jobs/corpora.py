"""Settings and code of the jobs of the corpora stage."""

from __future__ import annotations

from fathom.corpora.job import CorpusJob
from fathom.corpora.settings import CorpusSettings
from fathom.workflow.code_digest import code_digest


def corpus_job(name: str, settings: CorpusSettings) -> CorpusJob:
    """What `fathom corpora` is told of a corpus."""
    return CorpusJob(
        name=name,
        module=settings.module,
        options=settings.options,
        base=settings.base,
        files=settings.files,
        data=settings.data,
    )


def corpus_code(job: CorpusJob) -> str:
    """Digest of the code behind a corpus, and of fathom's own table where it uses it."""
    return code_digest("fathom.corpora.command", job.module, data=job.data)
