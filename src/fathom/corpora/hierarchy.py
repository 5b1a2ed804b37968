"""Texts of single items, related pairs and analogies, in closed blocks that a probe cannot solve item by item.

After Bogdan (arXiv 2501.07359), whose lists and templates could not be read: the designs are our own. In a block every
item occurs equally often under both labels and, for pairs and analogies, equally often in each place, so that only the
match of the items tells the labels apart. Blocks share no item and are the groups of cross-validation: they are the
connected components of the graph of items.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fathom.tables import LABEL_PREFIX

if TYPE_CHECKING:
    from pathlib import Path

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

ITEM_SLOTS = ("item",)
RELATION_SLOTS = ("first", "second")
ANALOGY_SLOTS = ("first", "second", "third", "fourth")

Pair = tuple[str, str]


def load_items(path: Path | None = None) -> pd.DataFrame:
    """Return the checked items of a CSV file, or fathom's own (described in data/README.md)."""
    return check_items(_read("items.csv", path))


def load_pairs(path: Path | None = None) -> pd.DataFrame:
    """Return the checked pairs of a CSV file, or fathom's own (described in data/README.md)."""
    return check_pairs(_read("pairs.csv", path))


def check_items(items: pd.DataFrame) -> pd.DataFrame:
    """Return a table of items with its labels as integers.

    Args:
        items: columns item, category, and at least one property of 0 and 1.

    Raises:
        ValueError: naming row and column of a missing cell, a label other than 0 and 1 or an item that occurs twice,
            or naming a property that is the same for all items. Rows count from 1, the header not counted.
    """
    _check_cells("items", items, ("item", "category"))
    properties = [column for column in items.columns if column not in {"item", "category"}]
    if not properties:
        msg = "items: no property; expected at least one column of 0 and 1 beside item and category"
        raise ValueError(msg)
    _check_unique("items", [("item", row, item) for row, item in enumerate(items["item"], start=1)])
    checked = items.reset_index(drop=True).copy()
    for column in properties:
        for row, value in enumerate(items[column], start=1):
            if value not in {0, 1, "0", "1"}:
                msg = f"items: row {row}, column {column}: {value!r}; expected 0 or 1"
                raise ValueError(msg)
        checked[column] = items[column].astype(int).to_numpy()
        if checked[column].nunique() == 1:
            msg = f"items: column {column}: the same for all items, so there is nothing to tell apart"
            raise ValueError(msg)
    return checked


def check_pairs(pairs: pd.DataFrame, *, per_relation: int = 1) -> pd.DataFrame:
    """Return a table of pairs after checking that it allows closed blocks.

    Args:
        pairs: columns first, second, relation.
        per_relation: pairs that every relation must have.

    Raises:
        ValueError: naming row and column of a missing cell or of an item that occurs twice, be it in the same pair, or
            naming a relation with fewer pairs. Rows count from 1, the header not counted.
    """
    _check_cells("pairs", pairs, ("first", "second", "relation"))
    places = [
        (column, row, item)
        for row, both in enumerate(zip(pairs["first"], pairs["second"], strict=True), start=1)
        for column, item in zip(("first", "second"), both, strict=True)
    ]
    _check_unique("pairs", places)
    rows: dict[str, int] = {}
    for row, relation in enumerate(pairs["relation"], start=1):
        rows.setdefault(relation, row)
    for relation, count in Counter(pairs["relation"]).items():
        if count < per_relation:
            msg = (
                f"pairs: row {rows[relation]}, column relation: {relation!r} has {count} pair(s); "
                f"expected at least {per_relation}"
            )
            raise ValueError(msg)
    return pairs.reset_index(drop=True)


def item_texts(items: pd.DataFrame, template: str) -> pd.DataFrame:
    """Return one text an item, labelled with its properties; every item is a group.

    Args:
        items: as `check_items` takes them.
        template: holds {item}, and {article} if wanted.

    Returns:
        columns id, text, view, group, `label.<property>` (0 or 1) and spans: for each text a list of dictionaries with
        name ("item"), start and end, in characters.

    Raises:
        ValueError: naming what is wrong with the items or the template.
    """
    items = check_items(items)
    pieces = _parse(template, ITEM_SLOTS)
    properties = [column for column in items.columns if column not in {"item", "category"}]
    rows = []
    for _, item in items.iterrows():
        text, spans = _fill(pieces, {"item": item["item"]})
        labels = {LABEL_PREFIX + name: int(item[name]) for name in properties}
        rows.append(_row(item["item"], text, item["item"], labels, spans))
    return pd.DataFrame(rows)


def relation_texts(pairs: pd.DataFrame, template: str, block_size: int = 2, seed: int = 0) -> pd.DataFrame:
    """Return related pairs (label.related = 1) and the same items paired anew (0), in both orders.

    A block holds pairs of different relations, so that a new pair is hardly related after all. Its second items move on
    by a number of pairs drawn at random. Pairs left over make some blocks larger.

    Args:
        pairs: as `check_pairs` takes them.
        template: holds {first} and {second}, and {article_first} and {article_second} if wanted.
        block_size: pairs a block, at least 2.
        seed: seed of the assignment to blocks.

    Returns:
        columns as in `item_texts`, four texts a pair; spans are named by the place in the text, first and second.

    Raises:
        ValueError: naming what is wrong with the pairs, the template or the block size.
    """
    pairs = check_pairs(pairs)
    pieces = _parse(template, RELATION_SLOTS)
    rng = np.random.default_rng(seed)
    rows = []
    for number, block in enumerate(_mixed_blocks(pairs["relation"].tolist(), block_size, rng)):
        chosen = [_pair(pairs, row) for row in block]
        # Any other shift would tear the block into parts that share no item.
        shifts = [shift for shift in range(1, len(chosen)) if math.gcd(shift, len(chosen)) == 1]
        shift = shifts[int(rng.integers(len(shifts)))]
        moved = [(first, chosen[(place + shift) % len(chosen)][1]) for place, (first, _) in enumerate(chosen)]
        for related, couples in ((1, chosen), (0, moved)):
            for couple in couples:
                for items in (couple, couple[::-1]):
                    text, spans = _fill(pieces, dict(zip(RELATION_SLOTS, items, strict=True)))
                    labels = {f"{LABEL_PREFIX}related": related}
                    rows.append(_row("+".join(items), text, f"block-{number:03d}", labels, spans))
    return pd.DataFrame(rows)


def analogy_texts(pairs: pd.DataFrame, template: str, seed: int = 0) -> pd.DataFrame:
    """Return two pairs of one relation (label.same_relation = 1) and two pairs of different ones (0).

    A block holds two relations with two pairs each. Each pair stands first once and second once under either label and
    is never swapped inside, so that both pairs are always valid and only their match varies. Pairs that fill no block
    (an odd one of a relation, or two of a relation that finds no partner) are left out.

    Args:
        pairs: as `check_pairs` takes them, at least two a relation and two relations.
        template: holds {first} to {fourth}, and {article_first} to {article_fourth} if wanted.
        seed: seed of the assignment to blocks.

    Returns:
        columns as in `item_texts`, eight texts a block; spans are named first to fourth.

    Raises:
        ValueError: naming what is wrong with the pairs or the template.
    """
    pairs = check_pairs(pairs, per_relation=2)
    pieces = _parse(template, ANALOGY_SLOTS)
    rng = np.random.default_rng(seed)
    twos = _twos(pairs["relation"].tolist(), rng)
    blocks, _ = _deal([relation for relation, _ in twos], 2, rng)
    if not blocks:
        msg = "pairs: one relation only; analogies need two"
        raise ValueError(msg)
    rows = []
    for number, (one, other) in enumerate(blocks):
        a, b = (_pair(pairs, row) for row in twos[one][1])
        c, d = (_pair(pairs, row) for row in twos[other][1])
        same = [(a, b), (b, a), (c, d), (d, c)]
        different = [(a, c), (c, a), (b, d), (d, b)]
        for label, couples in ((1, same), (0, different)):
            for left, right in couples:
                text, spans = _fill(pieces, dict(zip(ANALOGY_SLOTS, left + right, strict=True)))
                identity = f"{'+'.join(left)}:{'+'.join(right)}"
                labels = {f"{LABEL_PREFIX}same_relation": label}
                rows.append(_row(identity, text, f"block-{number:03d}", labels, spans))
    return pd.DataFrame(rows)


def article(word: str) -> str:
    """Return "a" or "an" by the spelling of the word, or as ARTICLES has it for its first word."""
    start = word.lower().split()[0]
    return ARTICLES.get(start, "an" if start[0] in "aeiou" else "a")


def _read(name: str, path: Path | None) -> pd.DataFrame:
    source = path or resources.files("fathom.corpora").joinpath("data", name)
    with source.open(encoding="utf-8") as table:
        # No cell but an empty one is missing: "null" and "NA" may be items.
        return pd.read_csv(table, dtype=str, na_filter=False)


def _row(
    identity: str, text: str, group: str, labels: dict[str, int], spans: list[dict[str, str | int]]
) -> dict[str, object]:
    return {"id": identity, "text": text, "view": "original", "group": group, **labels, "spans": spans}


def _pair(pairs: pd.DataFrame, row: int) -> Pair:
    return str(pairs["first"].iloc[row]), str(pairs["second"].iloc[row])


def _check_cells(name: str, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    """Refuse a table without rows, without one of the columns, or with an empty cell."""
    for column in columns:
        if column not in table.columns:
            msg = f"{name}: no column {column}; found {', '.join(map(str, table.columns))}"
            raise ValueError(msg)
    if table.empty:
        msg = f"{name}: no rows"
        raise ValueError(msg)
    for column in table.columns:
        for row, cell in enumerate(table[column], start=1):
            if pd.isna(cell) or (isinstance(cell, str) and not cell.strip()):
                msg = f"{name}: row {row}, column {column}: missing"
                raise ValueError(msg)


def _check_unique(name: str, places: list[tuple[str, int, str]]) -> None:
    seen: dict[str, int] = {}
    for column, row, item in places:
        if item in seen:
            msg = f"{name}: row {row}, column {column}: {item!r} occurs in row {seen[item]} already"
            raise ValueError(msg)
        seen[item] = row


def _parse(template: str, slots: tuple[str, ...]) -> list[str]:
    """Split a template into literal texts (even places) and slot names (odd places)."""
    pieces = re.split(r"\{(\w+)\}", template)
    literals, found = pieces[::2], pieces[1::2]
    for slot in slots:
        if found.count(slot) != 1:
            msg = f"template: {template!r} holds the slot {{{slot}}} {found.count(slot)} times; expected once"
            raise ValueError(msg)
    known = {*slots, *_article_slots(slots)}
    for name in found:
        if name not in known:
            msg = f"template: {template!r} holds the slot {{{name}}}; known are {', '.join(sorted(known))}"
            raise ValueError(msg)
    if any("{" in literal or "}" in literal for literal in literals):
        msg = f"template: {template!r} holds a brace that belongs to no slot"
        raise ValueError(msg)
    return pieces


def _article_slots(slots: tuple[str, ...]) -> dict[str, str]:
    """Return the slot of the item that each article slot stands for."""
    return {"article" if slot == "item" else f"article_{slot}": slot for slot in slots}


def _fill(pieces: list[str], items: dict[str, str]) -> tuple[str, list[dict[str, str | int]]]:
    """Return the text and the place of each item in it; an article that opens the text is capitalised."""
    articles = _article_slots(tuple(items))
    text = ""
    spans: list[dict[str, str | int]] = []
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            text += piece
        elif piece in articles:
            word = article(items[articles[piece]])
            text += word if text.strip() else word.capitalize()
        else:
            spans.append({"name": piece, "start": len(text), "end": len(text) + len(items[piece])})
            text += items[piece]
    return text, spans


def _deal(relations: list[str], size: int, rng: np.random.Generator) -> tuple[list[list[int]], dict[str, list[int]]]:
    """Deal rows into blocks of `size` rows with different relations; return the blocks and the rows left over.

    Each block takes from the relations that have most left, which makes as many blocks as there can be.
    """
    left: dict[str, list[int]] = defaultdict(list)
    for row in rng.permutation(len(relations)).tolist():
        left[relations[row]].append(row)
    blocks: list[list[int]] = []
    while len(left) >= size:
        names = [list(left)[place] for place in rng.permutation(len(left))]
        names.sort(key=lambda name: len(left[name]), reverse=True)
        blocks.append([left[name].pop() for name in names[:size]])
        left = defaultdict(list, {name: rows for name, rows in left.items() if rows})
    return blocks, left


def _mixed_blocks(relations: list[str], size: int, rng: np.random.Generator) -> list[list[int]]:
    """Deal all rows into blocks of at least `size` rows with different relations."""
    if size < 2:
        msg = f"block_size: {size}; expected at least 2, a single pair cannot be paired anew"
        raise ValueError(msg)
    blocks, left = _deal(relations, size, rng)
    for relation, rows in left.items():
        for row in rows:
            free = [block for block in blocks if relation not in {relations[other] for other in block}]
            if not free:
                msg = f"pairs: too many of the relation {relation!r} for blocks of {size} different relations"
                raise ValueError(msg)
            smallest = [block for block in free if len(block) == min(map(len, free))]
            smallest[int(rng.integers(len(smallest)))].append(row)
    return blocks


def _twos(relations: list[str], rng: np.random.Generator) -> list[tuple[str, list[int]]]:
    """Put the rows of each relation together by two; an odd one is left out."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row in rng.permutation(len(relations)).tolist():
        rows[relations[row]].append(row)
    return [(name, of[k : k + 2]) for name, of in rows.items() for k in range(0, len(of) - 1, 2)]
