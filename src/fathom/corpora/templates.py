"""Templates: items are put into slots, each item's place is marked, and words are put into another order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

ITEM_SLOTS = ("item",)
RELATION_SLOTS = ("first", "second")
ANALOGY_SLOTS = ("first", "second", "third", "fourth")
PLACES = ("first", "second", "third", "fourth", "fifth", "sixth")
"""Spans of the sentences of a document."""

# Words whose article does not follow from their first letter: a silent h, or a u or eu spoken as in "you".
ARTICLES = {
    "heir": "an",
    "heirloom": "an",
    "honor": "an",
    "honour": "an",
    "hour": "an",
    "hourglass": "an",
    "euphonium": "a",
    "eucalyptus": "a",
    "ewe": "a",
    "one-way": "a",
    "ukulele": "a",
    "unicorn": "a",
    "unicycle": "a",
    "uniform": "a",
    "union": "a",
    "unit": "a",
    "universe": "a",
    "university": "a",
    "urinal": "a",
    "user": "a",
    "utensil": "a",
}

Span = dict[str, str | int]
Worded = tuple[str, list[Span]]
"""A text and its spans: the name of each marked item, and its start and end in characters."""


def parse_template(template: str, slots: Sequence[str]) -> list[str]:
    """Split a template into literal texts (even places) and names of slots (odd places).

    Args:
        template: holds every slot once, and the article of each, {article} or {article_<slot>}, if wanted.
        slots: names of the items.

    Raises:
        ValueError: naming the slot that is missing, unknown or there more than once, or a brace of no slot.
    """
    pieces = re.split(r"\{(\w+)\}", template)
    literals, found = pieces[::2], pieces[1::2]
    for slot in slots:
        if found.count(slot) != 1:
            msg = f"template {template!r} holds the slot {{{slot}}} {found.count(slot)} times; expected once"
            raise ValueError(msg)
    known = {*slots, *_article_slots(slots)}
    for name in found:
        if name not in known:
            msg = f"template {template!r} holds the slot {{{name}}}; known are {', '.join(sorted(known))}"
            raise ValueError(msg)
    if any("{" in literal or "}" in literal for literal in literals):
        msg = f"template {template!r} holds a brace that belongs to no slot"
        raise ValueError(msg)
    return pieces


def fill(pieces: Sequence[str], items: Mapping[str, str], *, opens: bool = True) -> Worded:
    """Put items into the slots of a parsed template.

    Args:
        pieces: as of `parse_template`.
        items: slot -> item.
        opens: whether a text starts here, so that an article that stands first is capitalised.
    """
    articles = _article_slots(tuple(items))
    text = ""
    spans: list[Span] = []
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            text += piece
        elif piece in articles:
            word = article(items[articles[piece]])
            text += word.capitalize() if opens and not text.strip() else word
        else:
            spans.append({"name": piece, "start": len(text), "end": len(text) + len(items[piece])})
            text += items[piece]
    return text, spans


def embed(before: str, worded: Worded, after: str) -> Worded:
    """Put texts before and after a text; its spans move along."""
    text, spans = worded
    return before + text + after, _moved(spans, len(before))


def shuffle_words(worded: Worded, rng: np.random.Generator) -> Worded:
    """Put the words of a text into another order, joined by single blanks.

    A unit is what white space separates, with whatever signs stick to it; an item is one unit, blanks in it or not.
    The order is sampled until it differs from that of the text, unless all units are the same or there is one only.
    """
    text, spans = worded
    units = _units(text, spans)
    words = [text[start:end] for start, end in units]
    order = list(range(len(words)))
    while len(set(words)) > 1 and [words[index] for index in order] == words:
        order = rng.permutation(len(words)).tolist()
    shuffled = ""
    moved: list[Span] = []
    for index in order:
        start, end = units[index]
        shuffled += " " if shuffled else ""
        moved += _moved([span for span in spans if start <= int(span["start"]) < end], len(shuffled) - start)
        shuffled += words[index]
    return shuffled, moved


def article(word: str) -> str:
    """Return "a" or "an" by the spelling of the word, or as ARTICLES has it for its first word."""
    start = word.lower().split()[0]
    return ARTICLES.get(start, "an" if start[0] in "aeiou" else "a")


def _units(text: str, spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Start and end of what white space outside of spans separates."""
    inside = {place for span in spans for place in range(int(span["start"]), int(span["end"]))}
    units: list[tuple[int, int]] = []
    start: int | None = None
    for place, character in enumerate(text):
        if character.isspace() and place not in inside:
            if start is not None:
                units.append((start, place))
            start = None
        elif start is None:
            start = place
    return units if start is None else [*units, (start, len(text))]


def _moved(spans: Sequence[Span], by: int) -> list[Span]:
    return [{"name": span["name"], "start": int(span["start"]) + by, "end": int(span["end"]) + by} for span in spans]


def _article_slots(slots: Sequence[str]) -> dict[str, str]:
    """Return the slot of the item that each article slot stands for."""
    return {"article" if slot == "item" else f"article_{slot}": slot for slot in slots}
