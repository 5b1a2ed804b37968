"""The data of a task, brought once: fetched, or read from a file of the user's."""

from __future__ import annotations

import importlib
import logging
import shutil
from pathlib import Path

from fathom.io.scratch import scratch_folder
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work
from fathom.tasks.job import DataJob
from fathom.tasks.sources import TaskSources
from fathom.tasks.task_data import OwnTask, write_own_task, write_published

log = logging.getLogger("fathom")


def write_data(settings_json: str, manifest: Path) -> Work:
    """Bring the data of a task into the folder of its manifest, which is written last."""
    job = DataJob.model_validate_json(settings_json)
    folder = manifest.parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with scratch_folder(folder) as scratch:
            # By name, so that the code of one kind of task is no part of another's.
            built = importlib.import_module(job.module).build(TaskSources(scratch, folder), **job.options)
    except (FathomError, ValueError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        msg = str(error) if str(error).startswith("task ") else f"task {job.task}: {error}"
        raise FathomError(msg) from error
    if isinstance(built, OwnTask):
        write_own_task(built, job.task, manifest)
        revision = None
    else:
        data, type_ = built
        write_published(data, type_, job.task, manifest)
        revision = data.revision
    return Work(settings_json, read=[Path(file) for file in job.files], written=[manifest], revision=revision)
