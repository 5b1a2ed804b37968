"""What the rules of the models stage ask."""

from __future__ import annotations

from fathom.models.job import ModelJob
from fathom.models.settings import ModelSettings
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
from fathom.workflow.jobs.settings_json import as_json
from fathom.workflow.wildcards import Inputs, Wildcards


class ModelJobs:
    """Jobs that fetch, convert or draw a checkpoint."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom models`."""
        return as_json(model_job(wildcards.model, self._config.all_models[wildcards.model]))

    def code(self, wildcards: Wildcards) -> str:
        """Digest of the code behind a checkpoint; that of other kinds of sources is none of it."""
        return model_code(model_job(wildcards.model, self._config.all_models[wildcards.model]))

    def files(self, wildcards: Wildcards) -> list[str]:
        """Files of the user's that a model is made of; none for what is fetched."""
        return list(self._config.all_models[wildcards.model].files)

    def base(self, wildcards: Wildcards) -> list[str]:
        """Manifest of the model whose shape a model of random weights has, or of the training; none for others."""
        model = self._config.all_models[wildcards.model]
        if model.training is not None:
            return [f"results/nursery/{model.training}/manifest.json"]
        return [] if model.base is None else [f"results/models/{model.base}/manifest.json"]


def model_job(name: str, settings: ModelSettings) -> ModelJob:
    """What `fathom models` is told. Label, note and precision do not change the folder that it makes."""
    return ModelJob(
        name=name,
        module=settings.module,
        source=settings.described,
        base=settings.training or settings.base,
        part=settings.part,
        depth=settings.depth,
    )


def model_code(job: ModelJob) -> str:
    """Digest of the code behind one job of the models stage."""
    return code_digest("fathom.models.command", job.module)


def base_option(wildcards: Wildcards, input: Inputs) -> list[str]:  # noqa: ARG001 - Snakemake's names
    """What a job's result is made of, as words of its command, which the rule quotes one by one."""
    return ["--base", *input.base] if input.base else []
