"""Rows of a table are dealt into closed blocks: what is told apart in a block is of different kinds.

The blocks of pairs nest in those of analogies: a quad of two pairs (a, b) of one relation and two (c, d) of another is
an analogy block, and {a, c} and {b, d} are blocks of two pairs. So both experiments can be resampled together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

Quad = tuple[int, int, int, int]
"""Rows of two pairs of one relation, then of two pairs of another."""

# Relations that are one relation by two names, as sections of the Google questions are: no block tells them apart.
SAME_RELATION = {"capital-common-countries": "capital-world"}


def deal_quads(relations: Sequence[str], rng: np.random.Generator) -> tuple[list[Quad], list[int]]:
    """Deal rows into quads of two relations with two rows each; return the quads and the rows left over.

    Left over are an odd row of a relation, and two rows that find no partner of another relation.
    """
    twos, odd = _chunks(relations, 2, rng)
    kinds = [_kind(relations[rows[0]]) for rows in twos]
    blocks, left = _deal(range(len(twos)), kinds, 2, rng, Counter(_kind(relations[row]) for row in odd))
    quads = [(twos[one][0], twos[one][1], twos[other][0], twos[other][1]) for one, other in blocks]
    return quads, [*odd, *(row for two in left for row in twos[two])]


def pair_blocks(relations: Sequence[str], size: int, rng: np.random.Generator) -> list[list[int]]:
    """Deal all rows into blocks of at least `size` rows of different relations.

    Blocks of two nest in the quads that `deal_quads` deals from the same generator; rows that are in no quad make
    further blocks. What is left then makes some blocks larger, those that nest in no quad first.

    Raises:
        ValueError: if `size` is below 2, or a relation has too many rows to be kept apart.
    """
    if size < 2:
        msg = f"block_size: {size}; expected at least 2, a single pair cannot be paired anew"
        raise ValueError(msg)
    kinds = [_kind(relation) for relation in relations]
    nested: list[list[int]] = []
    left = list(range(len(relations)))
    if size == 2:
        quads, left = deal_quads(relations, rng)
        nested = [block for a, b, c, d in quads for block in ([a, c], [b, d])]
    further, left = _deal(left, [kinds[row] for row in left], size, rng)
    for row in left:
        free = _without(kinds[row], further, kinds) or _without(kinds[row], nested, kinds)
        if not free:
            msg = (
                f"pairs: too many of the relation {relations[row]!r} for blocks of {size} different relations; "
                "leave some out, by per_relation say"
            )
            raise ValueError(msg)
        smallest = [block for block in free if len(block) == min(map(len, free))]
        smallest[int(rng.integers(len(smallest)))].append(row)
    return nested + further


def theme_blocks(themes: Sequence[str], size: int, rng: np.random.Generator) -> list[list[list[int]]]:
    """Deal rows into blocks of `size` themes with `size` rows each, as many blocks as there can be.

    Returns:
        the rows of each theme of each block; rows that fill no block are left out.
    """
    chunks, _ = _chunks(themes, size, rng)
    blocks, _ = _deal(range(len(chunks)), [themes[rows[0]] for rows in chunks], size, rng)
    return [[chunks[chunk] for chunk in block] for block in blocks]


def _kind(relation: str) -> str:
    return SAME_RELATION.get(relation, relation)


def _without(kind: str, blocks: Sequence[list[int]], kinds: Sequence[str]) -> list[list[int]]:
    return [block for block in blocks if all(kinds[other] != kind for other in block)]


def _deal(
    rows: Sequence[int],
    kinds: Sequence[str],
    size: int,
    rng: np.random.Generator,
    odd: Mapping[str, int] = MappingProxyType({}),
) -> tuple[list[list[int]], list[int]]:
    """Deal rows into blocks of `size` rows of different kinds; return the blocks and the rows left over.

    Each block takes from the kinds that have most left, which makes as many blocks as there can be. Of kinds with as
    many left it takes those with most in `odd`, for which a place must be found later.
    """
    left: dict[str, list[int]] = defaultdict(list)
    for place in rng.permutation(len(rows)).tolist():
        left[kinds[place]].append(rows[place])
    blocks: list[list[int]] = []
    while len(left) >= size:
        names = [list(left)[place] for place in rng.permutation(len(left))]
        names.sort(key=lambda name: (len(left[name]), odd.get(name, 0)), reverse=True)
        blocks.append([left[name].pop() for name in names[:size]])
        left = {name: held for name, held in left.items() if held}
    return blocks, [row for held in left.values() for row in held]


def _chunks(kinds: Sequence[str], size: int, rng: np.random.Generator) -> tuple[list[list[int]], list[int]]:
    """Put the rows of each kind together by `size`; return the chunks and the rows left over."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row in rng.permutation(len(kinds)).tolist():
        rows[kinds[row]].append(row)
    full = {kind: len(held) - len(held) % size for kind, held in rows.items()}
    chunks = [held[k : k + size] for kind, held in rows.items() for k in range(0, full[kind], size)]
    return chunks, [row for kind, held in rows.items() for row in held[full[kind] :]]
