"""What the rule of the nursery stage asks."""

from __future__ import annotations

from fathom.nursery.job import TrainingJob
from fathom.nursery.settings import TrainingSettings
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
from fathom.workflow.jobs.settings_json import as_json
from fathom.workflow.resources import Resources, resources_for, training_mb, training_seconds
from fathom.workflow.wildcards import Inputs, Wildcards


class NurseryJobs:
    """Jobs that train a model."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom nursery`."""
        return as_json(self._job(wildcards))

    def code(self, wildcards: Wildcards) -> str:
        """Digest of the code behind a training; that of other architectures is none of it."""
        return training_code(self._job(wildcards))

    def text(self, wildcards: Wildcards) -> str:
        """The corpus that is trained on."""
        return f"results/corpora/{self._config.nursery[wildcards.training].text}.parquet"

    def apart(self, wildcards: Wildcards) -> list[str]:
        """Corpora whose texts are not trained on."""
        return [f"results/corpora/{name}.parquet" for name in self._config.nursery[wildcards.training].apart_from]

    def resources(self, wildcards: Wildcards, inputs: Inputs, threads: int) -> Resources:  # noqa: ARG002 - asked of all jobs
        """Memory and time of a training."""
        one = self._config.nursery[wildcards.training]
        weights = 12 * one.layers * one.width**2 + one.vocabulary * one.width
        tokens = one.steps * one.batch * one.context
        return resources_for(
            training_mb(weights, one.batch * one.context, one.width, one.layers, one.vocabulary),
            training_seconds(weights, tokens),
        )

    def _job(self, wildcards: Wildcards) -> TrainingJob:
        return training_job(wildcards.training, self._config.nursery[wildcards.training])


def training_job(name: str, settings: TrainingSettings) -> TrainingJob:
    """What `fathom nursery` is told."""
    told = {field: getattr(settings, field) for field in TrainingJob.model_fields if hasattr(settings, field)}
    return TrainingJob(**{**told, "name": name})


def training_code(job: TrainingJob) -> str:
    """Digest of the code behind one training."""
    return code_digest("fathom.nursery.command", job.module)


def apart_option(wildcards: Wildcards, input: Inputs) -> list[str]:  # noqa: ARG001 - Snakemake's names
    """Corpora whose texts are not trained on, as words of the command, which the rule quotes one by one."""
    return [word for path in input.apart for word in ("--apart", path)]
