"""Verses of two Bible translations, read from the files of the pythonbible wheels, which are never imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.io.bible_files import parse_verses
from fathom.runtime.errors import FathomError
from fathom.schema import Wheel
from fathom.tasks.task_data import OwnTask

if TYPE_CHECKING:
    from fathom.tasks.sources import TaskSources

Verses = Mapping[int, str]


def build(
    sources: TaskSources,
    *,
    type: Literal["pairs", "reranking"],
    translation: Mapping[str, Any],
    other: Mapping[str, Any],
    verses: int,
    queries: int,
    candidates: int,
    words: Sequence[int],
    seed: int,
) -> OwnTask:
    """Pairs of verses, or verses to be ranked by their likeness to one of another translation."""
    first, second = _verses(sources, translation), _verses(sources, other)
    drawn = draw_verses(first, second, words=words, count=verses, rng=np.random.default_rng(seed))
    if type == "pairs":
        return verse_pairs(drawn, first, second)
    return verse_ranking(drawn, first, second, queries=queries, candidates=candidates)


def _verses(sources: TaskSources, wheel: Mapping[str, Any]) -> dict[int, str]:
    source = Wheel.model_validate(wheel)
    return parse_verses(sources.wheel_files(wheel).read_text(encoding="utf-8"), f"{source.package} {source.version}")


def draw_verses(
    first: Verses, second: Verses, *, words: Sequence[int], count: int, rng: np.random.Generator
) -> list[int]:
    """A run of verses, in order, that both translations have and word differently in so many words.

    Neighbours in a run are of one chapter or of two that follow each other, so that a wrong candidate is near the right
    one. Errors: FathomError if there are too few.
    """
    fewest, most = words

    def fits(verse: int) -> bool:
        texts = (first.get(verse, ""), second.get(verse, ""))
        return texts[0] != texts[1] and all(fewest <= len(text.split()) <= most for text in texts)

    usable = [verse for verse in sorted(first) if fits(verse)]
    taken: set[str] = set()
    different = []
    for verse in usable:  # "And the LORD spake unto Moses, saying," stands in many places
        if first[verse] not in taken and second[verse] not in taken:
            taken |= {first[verse], second[verse]}
            different.append(verse)
    if len(different) < count:
        msg = f"verses: expected at most {len(different)} of {fewest} to {most} words, found {count}"
        raise FathomError(msg)
    start = int(rng.integers(len(different) - count + 1))
    return different[start : start + count]


def verse_pairs(drawn: Sequence[int], first: Verses, second: Verses) -> OwnTask:
    """Every verse with itself, and with the next one, in the other translation."""
    following = [*drawn[1:], drawn[0]]
    rows = [(first[verse], second[verse], 1) for verse in drawn]
    rows += [(first[verse], second[next_], 0) for verse, next_ in zip(drawn, following, strict=True)]
    return OwnTask("PairClassification", {"test": pd.DataFrame(rows, columns=["sentence1", "sentence2", "labels"])})


def verse_ranking(drawn: Sequence[int], first: Verses, second: Verses, *, queries: int, candidates: int) -> OwnTask:
    """Evenly spaced verses, each among its nearest neighbours in the other translation, itself one of them.

    Errors: FathomError if there are fewer verses than that takes.
    """
    if max(queries, candidates) > len(drawn):
        msg = f"queries, candidates: expected at most {len(drawn)}, the number of verses; found {queries}, {candidates}"
        raise FathomError(msg)
    spaced: npt.NDArray[np.int64] = np.linspace(0, len(drawn) - 1, queries).round().astype(np.int64)
    rows = []
    for at in spaced.tolist():
        start = min(max(0, at - candidates // 2), len(drawn) - candidates)
        rows += [(f"q{at}", f"d{one}", int(one == at)) for one in range(start, start + candidates)]
    return OwnTask(
        "Reranking",
        {
            "queries": pd.DataFrame([(f"q{at}", first[drawn[at]]) for at in spaced.tolist()], columns=["id", "text"]),
            "candidates": pd.DataFrame(
                [(f"d{at}", second[verse]) for at, verse in enumerate(drawn)], columns=["id", "text"]
            ),
            "relevant": pd.DataFrame(rows, columns=["query", "candidate", "relevance"]),
        },
    )
