"""What a config's entry becomes on the command line of `fathom corpora` and `fathom models`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from fathom.corpora.files import read_table, texts_in
from fathom.corpora.settings import CorpusSettings
from fathom.models.settings import ModelSettings
from fathom.workflow.jobs.corpora import corpus_job
from fathom.workflow.jobs.models import model_job
from fathom.workflow.jobs.settings_json import as_json


def corpus_of(entry: Mapping[str, Any]) -> CorpusSettings:
    """An entry of `corpora`, checked."""
    settings: CorpusSettings = TypeAdapter(CorpusSettings).validate_python(dict(entry))
    return settings


def texts_of_table(path: Path, column: str) -> pd.Series[str]:
    """The texts of a column of a file."""
    return texts_in(read_table(path, column, str(path), "utf-8"), column)


def corpus_settings(entry: Mapping[str, Any], name: str = "c") -> str:
    """Settings of the job that builds a corpus."""
    return as_json(corpus_job(name, corpus_of(entry)))


def model_settings(entry: Mapping[str, Any], name: str = "m") -> str:
    """Settings of the job that prepares a model."""
    settings: ModelSettings = TypeAdapter(ModelSettings).validate_python(dict(entry))
    return as_json(model_job(name, settings))
