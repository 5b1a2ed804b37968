"""The data of a task of mteb: the repository that it names, as a folder."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fathom.io.download import OutOfReachError
from fathom.runtime.errors import FathomError
from fathom.tasks.mteb_names import require_scorable, superseded
from fathom.tasks.task_data import PublishedData

if TYPE_CHECKING:
    from fathom.tasks.sources import TaskSources

log = logging.getLogger("fathom")


def build(
    sources: TaskSources, *, name: str, repository: str | None, revision: str | None, subset: str | None
) -> tuple[PublishedData, str]:
    """The task as it was fetched, and its type.

    Errors: FathomError if mteb has no such task or subset, or one of a type that is not scored here, or if the dataset
    cannot be fetched.
    """
    metadata = require_scorable(name, subset)
    newer = superseded(name)
    if newer is not None:
        log.warning("task %s: mteb has a newer task in its place, %s; this one is scored, as it is named", name, newer)
    from_ = repository or str(metadata.dataset["path"])
    try:
        commit = sources.dataset(from_, revision or str(metadata.dataset["revision"]))
    except OutOfReachError as error:
        place = sources.folder / "manifest.json"
        msg = f"{error}; run `snakemake --cores 1 -- {place}` where there is a network, and keep {sources.folder}"
        raise FathomError(msg) from error
    return PublishedData(name, from_, commit, subset), str(metadata.type)
