"""Texts that are equal, or of mostly the same words, found without comparing all pairs.

Two texts are compared by their words: case, accents' spelling (NFKC), punctuation and white space aside, a word that
occurs twice counts twice. Their likeness is the Jaccard index, the number of words that both have over the number of
words that one of them has.

The search is exact. Words are sorted by rarity; of texts as alike as `share` asks, at least one of the rarest words of
each is the same (prefix filter; Chaudhuri, Ganti and Kaushik 2006, Bayardo, Ma and Srikant 2007), so that an inverted
index of those words gives the pairs that are worth comparing. Equal texts are one entry of the index. Time is that of
the texts with a rare word in common: linear in natural texts, quadratic only where all texts share all their words.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fathom.statistics.arrays import IntArray

WORD = re.compile(r"\w+")


class Pair(NamedTuple):
    """Two texts and how alike they are; 1 is equal but for case, punctuation and white space."""

    first: int
    second: int
    share: float


def near_pairs(texts: Sequence[str], share: float) -> list[Pair]:
    """Pairs of texts whose likeness is at least `share`, above 0 and at most 1.

    Of n equal texts there are n - 1 pairs, each with the first of them; of texts that are alike but not equal, the
    first of those that are equal stands for all.
    """
    keys = [" ".join(WORD.findall(normalised)) or normalised for normalised in map(_normalise, texts)]
    first_of: dict[str, int] = {}
    pairs = []
    for text, key in enumerate(keys):
        known = first_of.setdefault(key, text)
        if known != text:
            pairs.append(Pair(known, text, 1.0))
    return sorted(pairs + _alike(list(first_of.values()), keys, share))


def joined(count: int, pairs: Sequence[Pair], groups: Sequence[str]) -> IntArray:
    """Component of each of `count` texts, where texts of one group and pairs hang together: numbers from 0."""
    of_group: dict[str, int] = {}
    edges = [(of_group.setdefault(group, text), text) for text, group in enumerate(groups)]
    edges += [(pair.first, pair.second) for pair in pairs]
    rows, columns = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges)), (rows, columns)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _normalise(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _alike(texts: Sequence[int], keys: Sequence[str], share: float) -> list[Pair]:
    """Pairs of texts that are not equal."""
    bags = {text: _bag(keys[text].split(" ")) for text in texts}
    frequency = Counter(word for bag in bags.values() for word in bag)
    index: dict[tuple[str, int], list[int]] = defaultdict(list)
    pairs = []
    # Shorter ones first, so that what a text is compared with is never longer than itself.
    for text in sorted(texts, key=lambda one: (len(bags[one]), one)):
        bag = bags[text]
        least = math.ceil(share * len(bag) - 1e-9)  # words that are shared at least
        rarest = sorted(bag, key=lambda word: (frequency[word], word))[: len(bag) - least + 1]
        for other in {other for word in rarest for other in index[word]}:
            if len(bags[other]) < least:
                continue
            both = len(bag & bags[other])
            likeness = both / (len(bag) + len(bags[other]) - both)
            if likeness >= share:
                pairs.append(Pair(min(text, other), max(text, other), likeness))
        for word in rarest:
            index[word].append(text)
    return pairs


def _bag(words: Sequence[str]) -> frozenset[tuple[str, int]]:
    """Words with the number of their occurrence, so that a set counts repeats."""
    seen: Counter[str] = Counter()
    bag = []
    for word in words:
        bag.append((word, seen[word]))
        seen[word] += 1
    return frozenset(bag)
