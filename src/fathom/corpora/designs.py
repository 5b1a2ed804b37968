"""A design: texts before they are worded. Its blocks are found from the items, and every view words it in its way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from fathom.corpora.derive import text_seed
from fathom.corpora.templates import Worded, fill, parse_template, shuffle_words
from fathom.io.corpus_table import LABEL_PREFIX, ORIGINAL, SHUFFLED, TEMPLATE
from fathom.statistics.item_graph import check_design, item_components


@dataclass(frozen=True)
class DesignText:
    """One text of a design."""

    id: str
    items: Mapping[str, str]
    """Slot -> item."""
    labels: Mapping[str, str | float | None]
    """Name -> value, without prefix; None leaves a text out for a label."""


Wording = Callable[[DesignText], Worded]


@dataclass(frozen=True)
class View:
    """How a view words a text, and what the table of the corpus says of the view."""

    wording: Wording
    quantity: float = math.nan
    control: str = ""
    pair_at: str = ""


def closed_groups(texts: Sequence[DesignText], balanced: str) -> list[str]:
    """Name the connected component of each text, block-000 and so on in the order of the texts.

    Args:
        texts: the design.
        balanced: the label under whose two values every item must occur equally often.

    Raises:
        ValueError: if an item tells the label, or everything hangs together (the chain is shown).
    """
    items = [list(text.items.values()) for text in texts]
    codes, _ = pd.factorize(item_components(items))
    groups = [f"block-{code:03d}" for code in codes]
    check_design(items, np.array([text.labels[balanced] for text in texts]), groups)
    return groups


def wordings(templates: Sequence[str], slots: Sequence[str], *, shuffled: bool, seed: int) -> dict[str, View]:
    """Views of a design in templates that hold all its slots: see `template_views`.

    Raises:
        ValueError: naming a template that lacks a slot.
    """
    parsed = [parse_template(template, slots) for template in templates]
    return template_views([partial(_filled, pieces) for pieces in parsed], shuffled=shuffled, seed=seed)


def template_views(in_templates: Sequence[Wording], *, shuffled: bool, seed: int) -> dict[str, View]:
    """Name the views: `original` in the first template, its `shuffled` form, then `template 2` and so on."""
    views = {ORIGINAL: View(in_templates[0])}
    if shuffled:
        views["shuffled"] = View(partial(shuffled_words, in_templates[0], seed), control=SHUFFLED)
    others = enumerate(in_templates[1:], start=2)
    return views | {f"template {number}": View(wording, control=TEMPLATE) for number, wording in others}


def shuffled_words(wording: Wording, seed: int, text: DesignText) -> Worded:
    """Word a text and shuffle its words, in an order that depends on the seed and the id of the text alone."""
    return shuffle_words(wording(text), np.random.default_rng(text_seed(seed, text.id, 0)))


def word_design(texts: Sequence[DesignText], groups: Sequence[str], views: Mapping[str, View]) -> pd.DataFrame:
    """Word all texts in all views, of which one of shuffled words follows the view whose words they are.

    Returns:
        columns id, text, view, group, quantity, control, pair_at, `label.<name>` and spans: for each text a list of
        dictionaries with name (the slot), start and end, in characters.
    """
    rows: list[dict[str, object]] = []
    for name, view in views.items():
        for text, group in zip(texts, groups, strict=True):
            words, spans = view.wording(text)
            labels = {LABEL_PREFIX + name: value for name, value in text.labels.items()}
            facts = {"quantity": view.quantity, "control": view.control, "pair_at": view.pair_at}
            rows.append({"id": text.id, "text": words, "view": name, "group": group, **facts, **labels, "spans": spans})
    return pd.DataFrame(rows)


def _filled(pieces: Sequence[str], text: DesignText) -> Worded:
    return fill(pieces, text.items)
