"""Documents of one theme against mixed ones, in closed blocks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fathom.corpora.blocks import theme_blocks
from fathom.corpora.designs import DesignText, closed_groups, template_views, word_design
from fathom.corpora.templates import ITEM_SLOTS, PLACES, Span, Worded, embed, fill, parse_template
from fathom.corpora.word_tables import check_items, load_items

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from fathom.corpora.sources import Sources


def build(
    _sources: Sources,
    *,
    table: str | None,
    sentence: str,
    more_templates: Sequence[str],
    sentences: int,
    shuffled: bool,
    seed: int,
) -> pd.DataFrame:
    """Documents of items of a table of the user's, or of fathom's own."""
    items = load_items(None if table is None else Path(table))
    return document_texts(items, (sentence, *more_templates), sentences=sentences, shuffled=shuffled, seed=seed)


def document_texts(
    items: pd.DataFrame, templates: Sequence[str], *, sentences: int = 3, shuffled: bool = True, seed: int = 0
) -> pd.DataFrame:
    """Return documents of one theme (label.one_theme = 1) and mixed ones (0), one item a sentence.

    A block holds k categories with k items each. Each category makes a document; a Latin square makes k mixed ones,
    each of one item of every category, so that every item is in one document of either kind. Each document comes in its
    k rotations, so that every item stands in every place once under either label. Items that fill no block are left
    out.

    Args:
        items: as `check_items` takes them.
        templates: of a sentence; each holds {item}, and {article} if wanted; at least one.
        sentences: k, sentences of a document, from 2 to 6.
        shuffled: whether to add the view of shuffled words.
        seed: seed of the blocks and of that order.

    Returns:
        columns as of `word_design`, 2 k^2 texts a block and view; label.category is the theme, missing where it is
        mixed;
        spans are named first, second, ... in the order of the sentences.

    Raises:
        ValueError: naming what is wrong with the items, a template or the number of sentences, or a chain through all
            texts.
    """
    if not 2 <= sentences <= len(PLACES):
        msg = f"sentences: {sentences}; expected 2 to {len(PLACES)}"
        raise ValueError(msg)
    parsed = [parse_template(template, ITEM_SLOTS) for template in templates]
    views = template_views([partial(_document, pieces) for pieces in parsed], shuffled=shuffled, seed=seed)
    items = check_items(items)
    names, categories = items["item"].tolist(), items["category"].tolist()
    rng = np.random.default_rng(seed)
    design = []
    for block in theme_blocks(categories, sentences, rng):
        for rows in block:
            design += _rotations([names[row] for row in rows], categories[rows[0]])
        for shift in range(sentences):
            order = rng.permutation(sentences).tolist()
            design += _rotations([names[block[theme][(theme + shift) % sentences]] for theme in order], None)
    if not design:
        msg = f"items: too few; expected {sentences} categories with {sentences} items each"
        raise ValueError(msg)
    return word_design(design, closed_groups(design, "one_theme"), views)


def _rotations(members: list[str], category: str | None) -> list[DesignText]:
    labels = {"one_theme": int(category is not None), "category": category}
    turned = [members[start:] + members[:start] for start in range(len(members))]
    return [DesignText("+".join(own), dict(zip(PLACES, own, strict=False)), labels) for own in turned]


def _document(pieces: Sequence[str], text: DesignText) -> Worded:
    """Word every item as a sentence; sentences are joined by blanks."""
    document: str = ""
    spans: list[Span] = []
    for place, item in text.items.items():
        before = f"{document} " if document else ""
        document, (span,) = embed(before, fill(pieces, {"item": item}), "")
        spans.append({**span, "name": place})
    return document, spans
