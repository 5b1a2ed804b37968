"""Related pairs and the same items paired anew, in closed blocks.

After Bogdan (arXiv 2501.07359), whose lists and templates could not be read: the design is our own. In a block every
item occurs equally often under both labels and equally often in each place, so that only the match of the items tells
the labels apart.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fathom.corpora.blocks import pair_blocks
from fathom.corpora.designs import DesignText, closed_groups, word_design, wordings
from fathom.corpora.google_analogies import pairs_of
from fathom.corpora.templates import RELATION_SLOTS
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
    block_size: int,
    shuffled: bool,
    seed: int,
) -> pd.DataFrame:
    """Pairs of a table of the user's, of Google analogy questions, or of fathom's own table."""
    pairs = pairs_of(sources, table=table, questions=questions, per_relation=per_relation, seed=seed)
    return relation_texts(pairs, (template, *more_templates), block_size=block_size, shuffled=shuffled, seed=seed)


def relation_texts(
    pairs: pd.DataFrame, templates: Sequence[str], *, block_size: int = 2, shuffled: bool = True, seed: int = 0
) -> pd.DataFrame:
    """Return related pairs (label.related = 1) and the same items paired anew (0), in both orders.

    Blocks of two pairs nest in the blocks of `analogy_texts` with the same seed.

    Args:
        pairs: as `check_pairs` takes them.
        templates: each holds {first} and {second}, and {article_first} and {article_second} if wanted; at least one.
        block_size: pairs a block, at least 2. Pairs left over make some blocks larger.
        shuffled: whether to add the view of shuffled words.
        seed: seed of the blocks and of that order.

    Returns:
        columns as of `word_design`, four texts a pair and view; label.relation is that of a related pair, else missing;
        spans are named by the place in the text, first and second.

    Raises:
        ValueError: naming what is wrong with the pairs, a template or the block size, or a chain through all texts.
    """
    views = wordings(templates, RELATION_SLOTS, shuffled=shuffled, seed=seed)
    design = [text for block in paired_blocks(pairs, block_size, seed) for text in block]
    return word_design(design, closed_groups(design, "related"), views)


def paired_blocks(pairs: pd.DataFrame, block_size: int, seed: int) -> list[list[DesignText]]:
    """Return the related pairs of each block and its items paired anew, in both orders.

    A block holds pairs of different relations, so that a new pair is hardly related after all. Its second items move on
    by a number of pairs sampled at random. Arguments and errors: see `relation_texts`.
    """
    pairs = check_pairs(pairs)
    rows = list(zip(pairs["first"], pairs["second"], pairs["relation"], strict=True))
    rng = np.random.default_rng(seed)
    blocks = []
    for block in pair_blocks(pairs["relation"].tolist(), block_size, rng):
        chosen = [rows[row] for row in block]
        # Any other shift would tear the block into parts that share no item.
        shifts = [shift for shift in range(1, len(chosen)) if math.gcd(shift, len(chosen)) == 1]
        shift = shifts[int(rng.integers(len(shifts)))]
        seconds = [chosen[(place + shift) % len(chosen)][1] for place in range(len(chosen))]
        anew = [(first, second) for (first, _, _), second in zip(chosen, seconds, strict=True)]
        related = [text for first, second, relation in chosen for text in _both_orders(first, second, relation)]
        blocks.append(related + [text for first, second in anew for text in _both_orders(first, second, None)])
    return blocks


def _both_orders(first: str, second: str, relation: str | None) -> list[DesignText]:
    labels = {"related": int(relation is not None), "relation": relation}
    return [
        DesignText("+".join(couple), dict(zip(RELATION_SLOTS, couple, strict=True)), labels)
        for couple in ((first, second), (second, first))
    ]
