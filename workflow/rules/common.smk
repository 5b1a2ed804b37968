"""
The plan of this run: the config, checked, and what the rules ask of it.
"""

import gc
import re
import sys

from fathom.runtime import described

described.wanted = False  # before any settings are imported

from fathom.runtime.errors import FathomError
from fathom.workflow.forks import start_forks
from fathom.workflow.jobs.models import base_option
from fathom.workflow.jobs.nursery import apart_option
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.resources import per_attempt

# A plan of 10,000 jobs is millions of objects, all of which stay: a tenth of the planning went into looking through them
# for garbage, as often as Python does by itself.
gc.set_threshold(200_000, 50, 100)

try:
    plan = Plan(
        load_config(config, workflow.configfiles, files_here=workflow.is_main_process)
    )
except FathomError as error:
    sys.exit(f"fathom: error: {error}")


# Jobs are forked from processes that have imported their libraries already, where all of them run on this machine: those
# of a scheduler keep within the limits that it sets them, and inherit the environment of this process.
onstart:
    if workflow.is_main_process and workflow.local_exec:
        start_forks()


def one_of(names):
    """A wildcard's closed set of values."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    training=one_of(plan.config.nursery),
    model=one_of(plan.config.all_models),
    corpus=one_of([*plan.config.corpora, *plan.config.task_corpora]),
    task=one_of(plan.config.tasks),
    metric=one_of(plan.metrics.names),
    text_metric=one_of(plan.metrics.token_tables),
    experiment=one_of(plan.config.experiments),
    order=one_of(plan.probes.orders),
    figure=one_of(plan.figures.names),
    shard=r"\d+-of-\d+",


# Places in a job that several small ones share: counted in each of them, not over all.
resource_scopes:
    slots="local",


def first_manifest(wildcards, input):
    """One of the manifests that a job reads: the folder that it is in is that of all of them."""
    return input.manifests[0]


def first_table(wildcards, output):
    """One of the tables that a job writes into one folder."""
    return output.tables[0]
