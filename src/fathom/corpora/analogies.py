"""Two pairs of one relation against two pairs of different ones, in closed blocks; see fathom.corpora.relations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fathom.corpora.blocks import deal_quads
from fathom.corpora.designs import DesignText, closed_groups, word_design, wordings
from fathom.corpora.google_analogies import pairs_of
from fathom.corpora.templates import ANALOGY_SLOTS
from fathom.corpora.word_tables import check_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from fathom.corpora.sources import Sources


def build(
    sources: Sources,
    *,
    table: str | None,
    questions: Mapping[str, Any] | None,
    per_relation: int | None,
    template: str,
    more_templates: Sequence[str],
    shuffled: bool,
    seed: int,
) -> pd.DataFrame:
    """Pairs of a table of the user's, of Google analogy questions, or of fathom's own table."""
    pairs = pairs_of(sources, table=table, questions=questions, per_relation=per_relation, seed=seed)
    return analogy_texts(pairs, (template, *more_templates), shuffled=shuffled, seed=seed)


def analogy_texts(
    pairs: pd.DataFrame, templates: Sequence[str], *, shuffled: bool = True, seed: int = 0
) -> pd.DataFrame:
    """Return two pairs of one relation (label.same_relation = 1) and two pairs of different ones (0).

    A block holds two relations with two pairs each. Each pair stands first once and second once under either label and
    is never swapped inside, so that both pairs are always valid and only their match varies. Pairs that fill no block
    (an odd one of a relation, or two of a relation that find no partner) are left out.

    Args:
        pairs: as `check_pairs` takes them, at least two a relation and two relations.
        templates: each holds {first} to {fourth}, and {article_first} to {article_fourth} if wanted; at least one.
        shuffled: whether to add the view of shuffled words.
        seed: seed of the blocks and of that order.

    Returns:
        columns as of `word_design`, eight texts a block and view; label.relation is that of both pairs, missing
        where they differ; spans are named first to fourth.

    Raises:
        ValueError: naming what is wrong with the pairs or a template, or a chain through all texts.
    """
    views = wordings(templates, ANALOGY_SLOTS, shuffled=shuffled, seed=seed)
    pairs = check_pairs(pairs, per_relation=2)
    relations = pairs["relation"].tolist()
    both = list(zip(pairs["first"], pairs["second"], strict=True))
    quads, _ = deal_quads(relations, np.random.default_rng(seed))
    if not quads:
        msg = "pairs: one relation only; analogies need two"
        raise ValueError(msg)
    design = []
    for a, b, c, d in quads:
        for left, right in ((a, b), (b, a), (c, d), (d, c), (a, c), (c, a), (b, d), (d, b)):
            relation = relations[left] if relations[left] == relations[right] else None
            labels = {"same_relation": int(relation is not None), "relation": relation}
            items = dict(zip(ANALOGY_SLOTS, both[left] + both[right], strict=True))
            design.append(DesignText(f"{'+'.join(both[left])}:{'+'.join(both[right])}", items, labels))
    return word_design(design, closed_groups(design, "same_relation"), views)
