"""Small tables of stimuli, and what the texts made of them hold."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

ITEM = "{article} {item}"
RELATION = "{article_first} {first} and {article_second} {second}"
ANALOGY = "{first} is to {second} as {third} is to {fourth}"
SENTENCE = "There is {article} {item}."


def pair_table(sizes: Sequence[int]) -> pd.DataFrame:
    """Relations r0, r1, ... of so many pairs each; no item occurs twice."""
    rows = [(f"f{r}{k}", f"s{r}{k}", f"r{r}") for r, size in enumerate(sizes) for k in range(size)]
    return pd.DataFrame(rows, columns=["first", "second", "relation"])


def item_table(sizes: Sequence[int]) -> pd.DataFrame:
    """Categories c0, c1, ... of so many items each, one of them of two words, with a binary and a continuous label."""
    names = [
        (f"hour {c}{k}" if c == k == 0 else f"i{c}{k}", f"c{c}") for c, size in enumerate(sizes) for k in range(size)
    ]
    items = pd.DataFrame(names, columns=["item", "category"])
    items["odd"] = [number % 2 for number in range(len(names))]
    items["length [m]"] = [number / 4 for number in range(len(names))]
    return items


def view_of(texts: pd.DataFrame, view: str) -> pd.DataFrame:
    return texts[texts["view"] == view].reset_index(drop=True)


def items_of(texts: pd.DataFrame) -> list[dict[str, str]]:
    """The marked items of each text, by the name of their span."""
    return [
        {span["name"]: text[span["start"] : span["end"]] for span in spans}
        for text, spans in zip(texts["text"], texts["spans"], strict=True)
    ]


def units_of(text: str) -> list[str]:
    """Words of a text in sorted order, an item of two words as one."""
    return sorted(re.findall(r"hour \S+|\S+", text))


def occurrences(texts: pd.DataFrame, label: str) -> pd.DataFrame:
    """One row a group, item and place, with how often it occurs there under each label."""
    rows = [
        {"group": group, "item": item, "place": place, "label": value}
        for items, group, value in zip(items_of(texts), texts["group"], texts[label], strict=True)
        for place, item in items.items()
    ]
    return pd.DataFrame(rows).groupby(["group", "item", "place"])["label"].value_counts().unstack(fill_value=0)
