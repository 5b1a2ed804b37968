"""What the jobs of the past would run with now: their code, and what a config gives them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from grimp.exceptions import ModuleNotPresent
from pydantic import ValidationError

from fathom.corpora.job import CorpusJob
from fathom.figures.job import FigureJob
from fathom.metrics.job import ClaimJob, MetricJob, ModesJob
from fathom.models.job import ModelJob
from fathom.nursery.job import TrainingJob
from fathom.provenance.records import SUFFIX, Record
from fathom.workflow.code_digest import code_digest
from fathom.workflow.jobs.activations import loss_code
from fathom.workflow.jobs.corpora import corpus_code
from fathom.workflow.jobs.explore import explore_code
from fathom.workflow.jobs.figures import figure_code
from fathom.workflow.jobs.metrics import claims_code, metric_code, modes_code
from fathom.workflow.jobs.models import model_code
from fathom.workflow.jobs.nursery import training_code
from fathom.workflow.jobs.tasks import task_code
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.strict_yaml import read_config_files
from fathom.workflow.wildcards import Wildcards

BOUNDARIES = "shards"  # names the record of the job that finds the boundaries of shards
LOSSES = "losses"  # and of the job that measures losses without sinks
OF_TOKENS = "tokens"  # names the record of the metrics that one job measures together
MODES = ".modes"  # ends the names of records of tests for two modes
COORDINATION, DIRECTIONS, ORDER = ".coordination", ".directions", ".order"
TASK_DATA = "_data"  # folder of the data of tasks
CLAIMS, OVER_TASKS = "_claims", "_over_tasks"  # folders of what figures ask of several models or tasks together


def _activations(settings: Mapping[str, Any]) -> str:
    # Shards are counted (`shards`) or numbered (`shard`) in those of the other jobs.
    return code_digest("fathom.activations.command") if {"shard", "shards"} & settings.keys() else loss_code()


def _metrics(settings: Mapping[str, Any]) -> str:
    if "claim" in settings:
        ClaimJob.model_validate(settings)
        return claims_code()
    if "measured" not in settings:
        ModesJob.model_validate(settings)
        return modes_code()
    return metric_code([one.name for one in MetricJob.model_validate(settings).measured])


def _figures(settings: Mapping[str, Any]) -> str:
    return figure_code(FigureJob.model_validate(settings).module)


CODE_OF: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "models": lambda settings: model_code(ModelJob.model_validate(settings)),
    "nursery": lambda settings: training_code(TrainingJob.model_validate(settings)),
    "corpora": lambda settings: corpus_code(CorpusJob.model_validate(settings)),
    "activations": _activations,
    "metrics": _metrics,
    "probes": lambda _: code_digest("fathom.probes.command"),
    "tasks": task_code,
    "figures": _figures,
    "explore": lambda _: explore_code(),
}


def current_code(verb: str, settings: Mapping[str, Any]) -> str | None:
    """Digest of the code that a job of these settings would run now; None if this version does not know such a job."""
    try:
        return CODE_OF[verb](settings)
    except (ValidationError, KeyError, ModuleNotPresent, FileNotFoundError):
        return None


def _known(name: str, names: Collection[str]) -> str:
    """Errors: KeyError if the config does not have a name."""
    if name not in names:
        raise KeyError(name)
    return name


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
        name, folder, above = path.name.removesuffix(SUFFIX), path.parent.name, path.parent.parent.name
        plan = self._plan
        match verb:
            case "models":
                return plan.models.settings(Wildcards(model=name))
            case "nursery":
                return plan.nursery.settings(Wildcards(training=name))
            case "corpora":
                return plan.corpora.settings(Wildcards(corpus=name))
            case "activations" if name == BOUNDARIES:
                return plan.activations.boundary_settings(Wildcards(model=above, corpus=folder))
            case "activations" if name == LOSSES:
                return plan.activations.loss_settings(Wildcards(model=above, corpus=folder))
            case "activations":
                return plan.activations.settings(Wildcards(model=above, corpus=folder, shard=name))
            case "metrics" if name == OF_TOKENS:
                return plan.metrics.token_settings(Wildcards(model=above, corpus=folder))
            case "metrics" if folder == CLAIMS:
                return plan.metrics.claim_settings(Wildcards(figure=_known(name, plan.metrics.claimed)))
            case "metrics" if name.endswith(MODES):
                metric = name.removesuffix(MODES)
                return plan.metrics.modes_settings(Wildcards(model=above, corpus=folder, text_metric=metric))
            case "metrics":
                return plan.metrics.settings(Wildcards(model=above, corpus=folder, metric=name))
            case "probes" if name.endswith(COORDINATION):
                experiment = name.removesuffix(COORDINATION)
                return plan.probes.coordination_settings(Wildcards(model=folder, experiment=experiment))
            case "probes" if name.endswith(DIRECTIONS):
                experiment = name.removesuffix(DIRECTIONS)
                return plan.probes.directions_settings(Wildcards(model=folder, experiment=experiment))
            case "probes" if name.endswith(ORDER):
                return plan.probes.order_settings(Wildcards(model=folder, order=name.removesuffix(ORDER)))
            case "probes":
                return plan.probes.settings(Wildcards(model=folder, experiment=name))
            case "tasks" if folder == TASK_DATA:
                return plan.tasks.data_settings(Wildcards(task=name))
            case "tasks" if folder == OVER_TASKS:
                return plan.tasks.over_settings(Wildcards(figure=_known(name, plan.tasks.over_tasks)))
            case "tasks" if folder == "corpora":
                return plan.tasks.texts_settings(Wildcards(task=plan.config.task_corpora[name]))
            case "tasks":
                _known(name, plan.config.tasks)
                return plan.tasks.settings(Wildcards(model=_known(folder, plan.config.all_models), task=name))
            case "figures":
                return plan.figures.settings(Wildcards(figure=name))
            case "explore":
                return plan.explore.settings(Wildcards())
        raise KeyError(verb)
