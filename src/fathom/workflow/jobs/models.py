"""Settings and code of the jobs of the models stage."""

from __future__ import annotations

from fathom.models.job import ModelJob
from fathom.models.settings import ModelSettings
from fathom.workflow.code_digest import code_digest


def model_job(name: str, settings: ModelSettings) -> ModelJob:
    """What `fathom models` is told of a model. Label, note and precision do not change the folder that it makes."""
    return ModelJob(
        name=name, module=settings.module, source=settings.described, base=settings.base, depth=settings.depth
    )


def model_code(job: ModelJob) -> str:
    """Digest of the code behind a model; that of other kinds of sources is none of it."""
    return code_digest("fathom.models.command", job.module)
