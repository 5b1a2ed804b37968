"""Passages of a Bible translation, read from the pythonbible packages' files without importing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from fathom.io.bible_files import parse_verses
from fathom.io.corpus_table import LABEL_PREFIX
from fathom.runtime.errors import FathomError

if TYPE_CHECKING:
    from fathom.corpora.sources import Sources

VERSES_PER_CHAPTER_ID = 1_000  # a verse id is book * 1,000,000 + chapter * 1,000 + verse
VERSES_PER_BOOK_ID = 1_000_000
# The packages number the books of the Protestant canon from 1 to 66 and those of the Apocrypha from 67.
FIRST_OF_NEW_TESTAMENT, LAST_OF_NEW_TESTAMENT = 40, 66


def build(
    sources: Sources,
    *,
    translation: Mapping[str, Any],
    paraphrase: Mapping[str, Any] | None,
    words: int,
    passages: int,
    choice: Literal["random", "first"],
    seed: int,
) -> pd.DataFrame:
    """Passages of a translation in a wheel, and of another one as the view `paraphrase`."""
    other = None if paraphrase is None else _verses(sources, paraphrase)
    drawn_by = seed if choice == "random" else None
    return draw_passages(_verses(sources, translation), other, words=words, count=passages, seed=drawn_by)


def _verses(sources: Sources, wheel: Mapping[str, Any]) -> dict[int, str]:
    text, source = sources.wheel_text(wheel)
    return parse_verses(text, f"{source.package} {source.version}")


def draw_passages(
    verses: dict[int, str], paraphrase: dict[int, str] | None, *, words: int, count: int, seed: int | None
) -> pd.DataFrame:
    """Draw passages: runs of whole verses of one chapter with at least `words` words, without overlap.

    Without a seed they are the first ones.

    With a paraphrase, only verses that both translations have are used, and each passage comes twice, as the views
    `original` and `paraphrase`, in one group. label.testament is "old" or "new", and None for the Apocrypha, which are
    neither. Errors: FathomError if the text is too short for so many passages.
    """
    usable = sorted(verse for verse, text in verses.items() if text and (paraphrase is None or paraphrase.get(verse)))
    candidates = _cut(usable, verses, words)
    if len(candidates) < count:
        msg = f"passages: expected at most {len(candidates)} passages of {words} words, found {count}"
        raise FathomError(msg)
    if seed is None:
        chosen = np.arange(count)
    else:
        chosen = np.sort(np.random.default_rng(seed).choice(len(candidates), size=count, replace=False))
    views = {"original": verses} | ({} if paraphrase is None else {"paraphrase": paraphrase})
    rows = [
        {
            "id": str(candidates[index][0]),
            "text": " ".join(texts[verse] for verse in candidates[index]),
            "view": view,
            "group": str(candidates[index][0]),
            f"{LABEL_PREFIX}testament": _testament(candidates[index][0]),
        }
        for view, texts in views.items()
        for index in chosen
    ]
    return pd.DataFrame(rows)


def _testament(verse: int) -> str | None:
    book = verse // VERSES_PER_BOOK_ID
    if book > LAST_OF_NEW_TESTAMENT:
        return None
    return "new" if book >= FIRST_OF_NEW_TESTAMENT else "old"


def _cut(usable: list[int], verses: dict[int, str], words: int) -> list[list[int]]:
    """Consecutive verses, cut as soon as they have enough words; a chapter's rest that is too short is dropped."""
    runs: list[list[int]] = []
    run: list[int] = []
    length = 0
    for verse in usable:
        if run and verse // VERSES_PER_CHAPTER_ID != run[-1] // VERSES_PER_CHAPTER_ID:
            run, length = [], 0
        run.append(verse)
        length += len(verses[verse].split())
        if length >= words:
            runs.append(run)
            run, length = [], 0
    return runs
