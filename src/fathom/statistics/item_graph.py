"""The item graph of a design: texts that share an item are in one component, which a split must not divide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, shortest_path

from fathom.statistics.arrays import IntArray
from fathom.statistics.resampling import group_codes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


MOST_ITEMS_SHOWN = 8  # of a path through a component; a longer path is cut in its middle


def item_components(items: Sequence[Collection[str]]) -> IntArray:
    """Return the connected component of each text: texts that share an item, directly or through others, are in one.

    These are the smallest groups that a split may use (Levy et al. 2015, lexical splits).

    Args:
        items: the items of each text, at least one a text.

    Returns:
        (texts,), numbers from 0.

    Raises:
        ValueError: if a text has no item.
    """
    graph, _ = _graph(items)
    _, component = connected_components(graph, directed=False)
    return np.asarray(component[: len(items)], dtype=np.int64)


def check_design(
    items: Sequence[Collection[str]],
    labels: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
) -> None:
    """Refuse a design that leaks, or whose items alone tell the label.

    Args:
        items: the items of each text, at least one a text.
        labels: (texts,), the values of one label, missing where a text is left out. If it has two values and texts have
            several items, every item must occur as often with one value as with the other, so that no item on its own
            says anything about the label. Other labels, and texts of one item, are not held to that.
        groups: (texts,) names between which a split is to be made; left out, the connected components are meant.

    Raises:
        ValueError: if all texts are in one shared-item component, which leaves nothing to split (the message shows
            a path of items through it), an item is not balanced, or two groups share an item.
    """
    components = item_components(items)
    if components.max() == 0:
        msg = f"items: all {len(items)} texts hang together, so no split is free of leaks: {_path_through(items)}"
        raise ValueError(msg)
    names = components.astype(object) if groups is None else np.asarray(groups, dtype=object)
    if len(names) != len(items):
        msg = f"items: {len(items)} texts; groups has {len(names)}"
        raise ValueError(msg)
    if groups is not None:
        _check_shared(items, components, names)
    if labels is not None:
        _check_balance(items, labels, names)


def _graph(items: Sequence[Collection[str]]) -> tuple[coo_array, list[str]]:
    """Return the graph, one node a text and then one an item, an edge where the item occurs in the text; the items."""
    empty = [text for text, names in enumerate(items) if not names]
    if empty or not items:
        msg = f"items: text {empty[0]} has none" if empty else "items: no texts"
        raise ValueError(msg)
    texts = np.repeat(np.arange(len(items)), [len(names) for names in items])
    codes, uniques = pd.factorize(np.array([name for names in items for name in names], dtype=object))
    nodes = len(items) + len(uniques)
    edges = coo_array((np.ones(len(texts)), (texts, len(items) + codes)), shape=(nodes, nodes))
    return edges, [str(name) for name in uniques]


def _path_through(items: Sequence[Collection[str]]) -> str:
    """Return a shortest path of items through texts, between two items that lie far apart."""
    graph, names = _graph(items)
    # The farthest item from any one, and the farthest from that: the usual two sweeps towards the longest path.
    first = len(items)
    for _ in range(2):
        start = first
        distances, before = shortest_path(
            graph, directed=False, unweighted=True, indices=start, return_predecessors=True
        )
        first = len(items) + int(distances[len(items) :].argmax())
    path, node = [names[first - len(items)]], first
    while node != start:
        node = int(before[node])
        if node >= len(items):
            path.append(names[node - len(items)])
    if len(path) > MOST_ITEMS_SHOWN:
        half = MOST_ITEMS_SHOWN // 2
        path = [*path[:half], f"... ({len(path) - MOST_ITEMS_SHOWN} more) ...", *path[-half:]]
    return " - ".join(path)


def _check_shared(items: Sequence[Collection[str]], components: IntArray, names: npt.NDArray[np.object_]) -> None:
    group_codes(names)  # a missing name is refused
    spread = pd.DataFrame({"component": components, "group": names}).groupby("component")["group"].unique()
    for found in spread[spread.map(len) > 1]:
        inside = {item for name, held in zip(names, items, strict=True) if name == found[0] for item in held}
        outside = {item for name, held in zip(names, items, strict=True) if name != found[0] for item in held}
        msg = (
            f"groups: {found[0]!r} shares the item {min(inside & outside)!r} with another group; "
            "a split between them would leak"
        )
        raise ValueError(msg)


def _check_balance(items: Sequence[Collection[str]], labels: npt.ArrayLike, names: npt.NDArray[np.object_]) -> None:
    values = np.asarray(labels, dtype=object)
    if values.shape != (len(items),):
        msg = f"labels: shape {values.shape}; expected ({len(items)},)"
        raise ValueError(msg)
    codes, classes = pd.factorize(values, sort=True)  # a missing value has the code -1
    if len(classes) != 2:
        return
    rows = [
        (item, names[text], codes[text])
        for text, held in enumerate(items)
        if codes[text] >= 0 and len(held) > 1
        for item in held
    ]
    frame = pd.DataFrame(rows, columns=["item", "group", "class"])
    for (item, group), members in frame.groupby(["item", "group"], sort=True)["class"]:
        with_second = int(members.sum())
        with_first = len(members) - with_second
        if with_first != with_second:
            msg = (
                f"items: {item!r} of group {group!r} is in {with_second} texts with the label {classes[1]} and in "
                f"{with_first} with {classes[0]}; expected as many, or the item alone tells the label"
            )
            raise ValueError(msg)
