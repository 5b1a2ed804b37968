"""Which tasks mteb has."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fathom.runtime.errors import FathomError
from fathom.tasks.mteb_import import import_mteb
from fathom.tasks.task_data import TYPES

if TYPE_CHECKING:
    from mteb import TaskMetadata


def require_known(name: str) -> tuple[TaskMetadata, Sequence[str]]:
    """What mteb says of a task, and its subsets.

    Errors: FathomError if mteb has no such task, with names near it, or if the task has another name by now.
    """
    mteb = import_mteb()
    from mteb.get_tasks import _TASK_RENAMES, _TASKS_REGISTRY

    if name in _TASK_RENAMES:
        msg = f"task {name}: has another name in mteb {mteb.__version__}: {_TASK_RENAMES[name]}"
        raise FathomError(msg)
    if name not in _TASKS_REGISTRY:
        near = difflib.get_close_matches(name, _TASKS_REGISTRY, n=3)
        msg = f"task {name}: mteb {mteb.__version__} has none of this name; near it are: {', '.join(near) or 'none'}"
        raise FathomError(msg)
    metadata = _TASKS_REGISTRY[name].metadata
    return metadata, tuple(metadata.hf_subsets)


def require_scorable(name: str, subset: str | None) -> TaskMetadata:
    """What mteb says of a task that is scored here.

    Errors: FathomError if mteb has no such task or subset, or one of a type that is not scored.
    """
    metadata, subsets = require_known(name)
    if metadata.type not in TYPES:
        msg = f"task {name}: of the type {metadata.type}; fathom scores {', '.join(TYPES)}"
        raise FathomError(msg)
    if subset is not None and subset not in subsets:
        near = difflib.get_close_matches(subset, subsets, n=3) or subsets[:10]
        msg = f"task {name}: has no subset {subset!r}, but {len(subsets)} others: {', '.join(near)}"
        raise FathomError(msg)
    return metadata


def superseded(name: str) -> str | None:
    """The task that mteb recommends in place of one."""
    import_mteb()
    from mteb.get_tasks import _TASKS_REGISTRY

    newer = _TASKS_REGISTRY[name].metadata.superseded_by
    return None if newer is None else str(newer)
