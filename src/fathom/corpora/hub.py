"""Texts from a file of a dataset on the Hugging Face hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.corpora.files import read_texts, select

if TYPE_CHECKING:
    import pandas as pd

    from fathom.corpora.sources import Sources


def build(
    sources: Sources, *, repository: str, revision: str | None, file: str, column: str, **selection: Any
) -> pd.DataFrame:
    """The texts of a column of the file; `selection` as of `fathom.corpora.files.select`."""
    return select(read_texts(sources.hub_file(repository, revision, file), column), **selection)
