"""What anybody may put into a file: trees of any shape, valid trees with parts changed, and damaged bytes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from fathom.runtime.errors import FathomError

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.sampled_from([0, 1, -1, 2**31, 2**63, 10**400]),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["..", "../../x", "/etc/passwd", "a\x00b", "a\nb", "$(x)", "{x}", "\ud800", "all", "x" * 5000]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def places(tree: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a tree of mappings and lists."""
    yield here
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, part in parts:
        yield from places(part, (*here, key))


@st.composite
def mutated(draw: st.DrawFn, valid: Any) -> Any:
    """A valid tree with a few parts replaced, taken away, doubled under another key, or swapped."""
    tree = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        known = [place for place in places(tree) if place]
        if not known:
            break
        *above, last = draw(st.sampled_from(known))
        holder = tree
        for key in above:
            holder = holder[key]
        change = draw(st.sampled_from(["replace", "delete", "rename", "swap"]))
        if change == "replace":
            holder[last] = draw(VALUES)
        elif change == "delete":
            del holder[last]
        elif change == "rename" and isinstance(holder, dict):
            name = draw(st.text(max_size=8) | st.sampled_from(list(map(str, holder))))
            holder[name] = holder.pop(last)
        else:
            *other_above, other = draw(st.sampled_from([place for place in places(tree) if place]))
            part = tree
            for key in other_above:
                part = part[key]
            holder[last] = copy.deepcopy(part[other])
    return tree


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes of a file that was cut, flipped, overwritten or filled with noise."""
    content = bytearray(whole)
    match draw(st.sampled_from(["cut", "flip", "insert", "overwrite", "noise"])):
        case "cut":
            return bytes(content[: draw(st.integers(0, max(0, len(content) - 1)))])
        case "flip":
            content[draw(st.integers(0, len(content) - 1))] ^= draw(st.integers(1, 255))
        case "insert":
            at = draw(st.integers(0, len(content)))
            content[at:at] = draw(st.binary(min_size=1, max_size=16))
        case "overwrite":
            noise = draw(st.binary(min_size=1, max_size=64))
            at = draw(st.integers(0, len(content)))
            content[at : at + len(noise)] = noise
        case _:
            return draw(st.binary(max_size=300))
    return bytes(content)


def outcome(read: Callable[[], Any], names: str) -> Any:
    """What reading gives; a FathomError must be one printable line that names the file or the key."""
    try:
        return read()
    except FathomError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 3000
        assert names in message
        return None
