"""What the jobs of the past would run with now: their code, and what a config gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from grimp.exceptions import ModuleNotPresent
from pydantic import ValidationError

from fathom.corpora.job import CorpusJob
from fathom.metrics.job import MetricJob
from fathom.models.job import ModelJob
from fathom.provenance.records import SUFFIX, Record
from fathom.stages import STAGES
from fathom.workflow.code_digest import code_digest
from fathom.workflow.jobs.corpora import corpus_code
from fathom.workflow.jobs.metrics import metric_code
from fathom.workflow.jobs.models import model_code
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.strict_yaml import read_config_files

CUT = "shards"  # names the record of the job that cuts a corpus
OF_TOKENS = "tokens"  # names the record of the metrics that one job measures together
COORDINATION = ".coordination"


def current_code(verb: str, settings: Mapping[str, Any]) -> str | None:
    """Digest of the code that a job of these settings would run now; None if this version does not know such a job."""
    try:
        if verb == "metrics":
            job = MetricJob.model_validate(settings)
            return metric_code([one.name for one in job.measured])
        if verb == "corpora":
            return corpus_code(CorpusJob.model_validate(settings))
        if verb == "models":
            return model_code(ModelJob.model_validate(settings))
    except (ValidationError, KeyError, ModuleNotPresent, FileNotFoundError):
        return None
    return _stage_code(verb) if verb in STAGES else None


@cache
def _stage_code(stage: str) -> str:
    return code_digest(f"fathom.{stage}.command")


class PlannedJobs:
    """The settings that a config gives to the jobs that records tell of."""

    def __init__(self, configfiles: Sequence[Path]) -> None:
        files = [str(file) for file in configfiles]
        self._plan = Plan(load_config(read_config_files(files), files))

    def settings(self, record: Record) -> Any | None:
        """Settings of the job by the config; None if the config has no such job."""
        try:
            return json.loads(self._settings(record.verb, record.path))
        except KeyError:
            return None

    def _settings(self, verb: str, path: Path) -> str:
        """Errors: KeyError if the config names no such model, corpus, metric, experiment or figure."""
        name, model, above = path.name.removesuffix(SUFFIX), path.parent.name, path.parent.parent.name
        plan = self._plan
        match verb:
            case "models":
                return plan.model_settings(name)
            case "corpora":
                return plan.corpus_settings(name)
            case "activations" if name == CUT:
                return plan.cut_settings(above, model)
            case "activations":
                return plan.extraction_settings(above, model, name)
            case "metrics" if name == OF_TOKENS:
                return plan.token_metric_settings(above, model)
            case "metrics":
                return plan.corpus_metric_settings(above, model, name)
            case "probes" if name.endswith(COORDINATION):
                return plan.coordination_settings(model, name.removesuffix(COORDINATION))
            case "probes":
                return plan.probe_settings(model, name)
            case "figures":
                return plan.figure_settings(name)
        raise KeyError(verb)
