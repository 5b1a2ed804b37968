"""The chapters of a Bible translation, each a text, to train on."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd

from fathom.io.bible_files import parse_verses

if TYPE_CHECKING:
    from fathom.corpora.sources import Sources

VERSES_PER_CHAPTER_ID = 1_000  # a verse id is book * 1,000,000 + chapter * 1,000 + verse


def build(sources: Sources, *, translation: Mapping[str, Any]) -> pd.DataFrame:
    """Every chapter of a translation in a wheel."""
    text, source = sources.wheel_text(translation)
    return chapters(parse_verses(text, f"{source.package} {source.version}"))


def chapters(verses: Mapping[int, str]) -> pd.DataFrame:
    """One row a chapter, its verses joined by spaces; verses without text are left out."""
    written = sorted(verse for verse, text in verses.items() if text)
    rows = [
        {
            "id": str(chapter),
            "text": " ".join(verses[verse] for verse in found),
            "view": "original",
            "group": str(chapter),
        }
        for chapter, found in groupby(written, key=lambda verse: verse // VERSES_PER_CHAPTER_ID)
    ]
    return pd.DataFrame(rows)
