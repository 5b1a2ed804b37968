"""The Google analogy questions (Mikolov et al. 2013, arXiv 1301.3781): pairs of words by section.

The file has a line `: section` and then lines of four words, of which the first two and the last two are pairs of the
section's relation.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fathom.corpora.word_tables import load_pairs
from fathom.runtime.errors import FathomError

if TYPE_CHECKING:
    from fathom.corpora.sources import Sources

log = logging.getLogger("fathom")

WORDS = 4


def pairs_of(
    sources: Sources, *, table: str | None, questions: Mapping[str, Any] | None, per_relation: int | None, seed: int
) -> pd.DataFrame:
    """Pairs of the questions in a wheel, of a table of the user's or of fathom's own; so many of each relation."""
    if questions is not None:
        text, wheel = sources.wheel_text(questions)
        pairs = parse_questions(text, f"{wheel.package} {wheel.version}, {wheel.file}")
    else:
        pairs = load_pairs(None if table is None else Path(table))
        if per_relation is None:
            return pairs
    kept, left_out = disjoint_pairs(pairs, per_relation=per_relation, seed=seed)
    for relation, count in left_out.items():
        if count:
            log.info("relation %s: %s pairs left out, %s kept", relation, count, (kept["relation"] == relation).sum())
    return kept


def parse_questions(content: str, name: str) -> pd.DataFrame:
    """Return the different pairs of each section, in the order of the file.

    Args:
        content: of the file.
        name: of the file, for errors.

    Returns:
        columns first, second, relation (the section). A word may occur in several pairs.

    Raises:
        FathomError: naming the line that is not what was expected, or that there is no question.
    """
    section = ""
    pairs: dict[tuple[str, str, str], None] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        words = line.split()
        if line.startswith(":"):
            section = line.removeprefix(":").strip()
            if not section:
                msg = f"{name}: line {number}: ':' alone; expected ': ' and the name of a section"
                raise FathomError(msg)
        elif words:
            if not section:
                msg = f"{name}: line {number}: {line[:80]!r}; expected ': ' and the name of a section first"
                raise FathomError(msg)
            if len(words) != WORDS:
                msg = f"{name}: line {number}: {len(words)} word(s) in {line[:80]!r}; expected {WORDS}"
                raise FathomError(msg)
            first, second, third, fourth = words
            pairs |= {(first, second, section): None, (third, fourth, section): None}
    if not pairs:
        msg = f"{name}: no question; expected lines of {WORDS} words"
        raise FathomError(msg)
    return pd.DataFrame(list(pairs), columns=["first", "second", "relation"])


def disjoint_pairs(pairs: pd.DataFrame, *, per_relation: int | None, seed: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """Keep pairs that share no word, written large or small, so that a design of them does not chain everything.

    Relations take turns, that with fewest pairs first: it takes the next of its pairs, in a random order by the seed,
    whose words are both unused. So relations that share words (capitals and currencies share countries) come out about
    equally large, where taking all of one before the next would leave later ones nearly empty.

    Args:
        pairs: columns first, second, relation.
        per_relation: at most so many pairs a relation; None for all that are free.
        seed: seed of the order.

    Returns:
        the rows kept, in the order of the table, and the number of rows left out of each relation.
    """
    rng = np.random.default_rng(seed)
    waiting: dict[str, list[int]] = {}
    for row in rng.permutation(len(pairs)).tolist():
        waiting.setdefault(pairs["relation"].iloc[row], []).append(row)
    words = [{first.lower(), second.lower()} for first, second in zip(pairs["first"], pairs["second"], strict=True)]
    kept: dict[str, list[int]] = {relation: [] for relation in pairs["relation"]}
    used: set[str] = set()
    while waiting:
        relation = min(waiting, key=lambda name: len(kept[name]))
        row = next((row for row in waiting[relation] if len(words[row]) == 2 and not words[row] & used), None)
        if row is None or len(kept[relation]) == per_relation:
            del waiting[relation]
        else:
            waiting[relation].remove(row)
            kept[relation].append(row)
            used |= words[row]
    rows = sorted(row for held in kept.values() for row in held)
    counts = pairs["relation"].value_counts()
    left_out = {relation: int(counts[relation]) - len(held) for relation, held in kept.items()}
    return pairs.iloc[rows].reset_index(drop=True), left_out
