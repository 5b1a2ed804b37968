"""Single items in a template, labelled with their properties and their category."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fathom.corpora.column_names import label_name
from fathom.corpora.designs import DesignText, word_design, wordings
from fathom.corpora.templates import ITEM_SLOTS
from fathom.corpora.word_tables import check_items, load_items

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from fathom.corpora.sources import Sources


def build(
    _sources: Sources,
    *,
    table: str | None,
    template: str,
    more_templates: Sequence[str],
    shuffled: bool,
    seed: int,
) -> pd.DataFrame:
    """Items of a table of the user's, or of fathom's own."""
    items = load_items(None if table is None else Path(table))
    return item_texts(items, (template, *more_templates), shuffled=shuffled, seed=seed)


def item_texts(items: pd.DataFrame, templates: Sequence[str], *, shuffled: bool = True, seed: int = 0) -> pd.DataFrame:
    """Return one text an item and view; every item is a group.

    Args:
        items: as `check_items` takes them.
        templates: each holds {item}, and {article} if wanted; at least one.
        shuffled: whether to add the view of shuffled words.
        seed: seed of that order.

    Returns:
        columns as of `word_design`; labels are the category (text) and the other columns, without their units; the span
        is called "item".

    Raises:
        ValueError: naming what is wrong with the items or a template.
    """
    items = check_items(items)
    names = {column: label_name(column) for column in items.columns if column != "item"}
    design = [
        DesignText(item, {"item": item}, {name: row[column] for column, name in names.items()})
        for item, row in zip(items["item"], items.to_dict("records"), strict=True)
    ]
    views = wordings(templates, ITEM_SLOTS, shuffled=shuffled, seed=seed)
    return word_design(design, items["item"].tolist(), views)
