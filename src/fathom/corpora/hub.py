"""Texts from a file of a dataset on the Hugging Face hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.corpora.files import texts_of

if TYPE_CHECKING:
    import pandas as pd

    from fathom.corpora.sources import Sources


def build(sources: Sources, *, repository: str, revision: str | None, file: str, **options: Any) -> pd.DataFrame:
    """The texts of a column of the file; `options` as of `fathom.corpora.files.texts_of`."""
    return texts_of(sources.hub_file(repository, revision, file), f"{repository}, {file}", **options)
