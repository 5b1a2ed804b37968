"""The texts that a task asks for, as an ordinary corpus."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from fathom.io.corpus_table import ORIGINAL, write_corpus
from fathom.io.scratch import scratch_folder
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work
from fathom.tasks.encoders import RecordingEncoder
from fathom.tasks.job import TextsJob
from fathom.tasks.mteb_import import work_offline
from fathom.tasks.mteb_tasks import open_task, scores_of

log = logging.getLogger("fathom")


def write_texts(settings_json: str, data: Path, output: Path) -> Work:
    """List what a task asks for, and write it as a corpus."""
    job = TextsJob.model_validate_json(settings_json)
    output.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(output) as scratch:
        work_offline(scratch)
        asked = recorded_texts(data, job.template)
    texts = asked.texts
    if not texts:
        msg = f"task {job.task}: asks for no text that is not blank"
        raise FathomError(msg)
    names = [f"text-{at + 1}" for at in range(len(texts))]
    frame = pd.DataFrame({"id": names, "text": texts, "view": ORIGINAL, "group": names})
    write_corpus(frame, output, output.stem, at_once=asked.at_once)
    log.info("task %s: asks for %s texts, %s of them different", job.task, f"{asked.asked:,}", f"{len(texts):,}")
    return Work(settings_json, read=[data], written=[output])


class Asked(NamedTuple):
    """What a task asks for."""

    texts: list[str]
    """Different ones, prompts included and blank ones left out, in the order in which they are asked for."""
    asked: int
    """Texts in all."""
    at_once: int
    """Most vectors that it takes at a time."""


def recorded_texts(data: Path, template: str | None) -> Asked:
    """What a task asks for. It chooses its texts without looking at the vectors, so that random ones tell which."""
    from mteb.models import ModelMeta

    task = open_task(data)
    encoder = RecordingEncoder(ModelMeta.create_empty({"name": "fathom/recorder", "revision": "none"}), template)
    scores_of(task, encoder)
    return Asked([text for text in encoder.texts if text.strip()], encoder.asked, encoder.at_once)
