"""The first texts of another corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fathom.corpora.derive import originals

if TYPE_CHECKING:
    import pandas as pd

    from fathom.corpora.sources import Sources


def build(sources: Sources, *, limit: int) -> pd.DataFrame:
    """The texts with all that the other corpus says of them."""
    base, of = sources.base()
    return originals(base, of, limit)
