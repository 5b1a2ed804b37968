"""Which block of a model made which of the attention maps that it puts out: a hybrid gives fewer maps than blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from fathom.models.architecture import hooking

MAPS_AXES = 4  # texts, heads, queries, keys
Place = Callable[[Any], "list[Tensor | None] | None"]


@contextmanager
def placing(blocks: nn.ModuleList) -> Iterator[Place]:
    """While active, the parts of blocks are watched; yields what sorts a model's `attentions` by block.

    As many maps as blocks, or none, are taken in their order. Fewer are those of the blocks in which a part has put out
    the very same tensor; None where some map is found in no block, or two in one.
    """
    made: list[list[Tensor]] = [[] for _ in blocks]
    running: list[int] = []

    def note(_: nn.Module, __: Any, output: Any) -> None:
        if running and isinstance(output, (tuple, list)):
            made[running[-1]] += [one for one in output if isinstance(one, Tensor) and one.dim() == MAPS_AXES]

    def place(attentions: Any) -> list[Tensor | None] | None:
        given = list(attentions or ())
        if len(given) == len(blocks):
            return given
        maps: list[Tensor | None] = [None] * len(blocks)
        for one in given:
            if one is None:
                continue
            owners = [block for block, parts in enumerate(made) if any(part is one for part in parts)]
            if len(owners) != 1 or maps[owners[0]] is not None:
                return None
            maps[owners[0]] = one
        return maps

    parts = {id(part): part for block in blocks for part in block.modules()}
    handles = [part.register_forward_hook(note) for part in parts.values()]
    try:
        with hooking(blocks, before=lambda block, *_: running.append(block), after=lambda *_: running.clear()):
            yield place
    finally:
        for handle in handles:
            handle.remove()
