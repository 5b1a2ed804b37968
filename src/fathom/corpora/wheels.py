"""Texts from a table inside a wheel on the package index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fathom.corpora.files import texts_of

if TYPE_CHECKING:
    import pandas as pd

    from fathom.corpora.sources import Sources


def build(sources: Sources, *, wheel: Mapping[str, Any], **options: Any) -> pd.DataFrame:
    """The texts of a column of the file; `options` as of `fathom.corpora.files.texts_of`."""
    path, source = sources.wheel_file(wheel)
    return texts_of(path, f"{source.package} {source.version}, {path.name}", **options)
