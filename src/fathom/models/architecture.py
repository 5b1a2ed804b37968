"""Where the layers of a model are: its blocks, found by structure and checked by a pass over a few tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fathom.runtime.errors import FathomError

FINAL = "final"
PROBE_TEXTS, PROBE_LENGTH = 2, 5
PROBE_TOKENS = PROBE_TEXTS * PROBE_LENGTH


@dataclass(frozen=True)
class Anatomy:
    """The parts of a loaded model that layers are read from."""

    blocks: nn.ModuleList
    path: str
    """Name of the list of blocks inside the model."""
    width: int

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.blocks)


def find_anatomy(model: nn.Module, name: str) -> Anatomy:
    """Find the list of blocks: the outermost list of modules as long as the config's number of hidden layers.

    Errors: FathomError if there is no such list, or more than one.
    """
    config = model.config.get_text_config()  # type: ignore[operator, union-attr]  # attributes are tensors to nn.Module
    depth, width = int(config.num_hidden_layers), int(config.hidden_size)
    lists = {path: part for path, part in model.named_modules() if isinstance(part, nn.ModuleList)}
    outermost = {
        path: part
        for path, part in lists.items()
        if len(part) == depth and not any(path.startswith(f"{other}.") for other in lists if other != path)
    }
    if len(outermost) != 1:
        found = ", ".join(f"{path} ({len(part)})" for path, part in lists.items()) or "none"
        msg = f"model {name}: expected one list of {depth} blocks, found {len(outermost)}; its lists: {found}"
        raise FathomError(msg)
    path, blocks = outermost.popitem()
    return Anatomy(blocks=blocks, path=path, width=width)


def layer_names(
    setting: str | tuple[int | str, ...], depth: int, name: str, *, embedding: bool = True
) -> tuple[str, ...]:
    """Names of the layers that a setting asks for: "0" .. "depth" and "final".

    `embedding` says whether transformers' own tuple begins with it, see `lists_embedding`. Errors: FathomError if the
    model has no such layer.
    """
    if setting == "all":
        return tuple(str(layer) for layer in range(depth + 1))
    if setting == "transformers":
        blocks = range(depth) if embedding else range(1, depth + 1)
        return (*(str(layer) for layer in blocks), FINAL)
    unknown = [layer for layer in setting if isinstance(layer, int) and layer > depth]
    if unknown:
        msg = f"activations.layers: model {name} has the layers 0 to {depth}, expected no {unknown[0]}"
        raise FathomError(msg)
    return tuple(str(layer) for layer in setting)


@contextmanager
def capturing(anatomy: Anatomy, layers: tuple[str, ...], keep: Any) -> Iterator[None]:
    """While active, each forward pass calls `keep(layer name, state)` with (batch, tokens, width) of the named blocks.

    Layer 0 is what the first block reads, layer l what block l puts out: the residual stream, before any final norm.
    """

    def before_first(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        keep("0", args[0] if args else kwargs["hidden_states"])

    def after(layer: str) -> Any:
        def hook(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
            keep(layer, output[0] if isinstance(output, tuple) else output)

        return hook

    handles = []
    if "0" in layers:
        handles.append(anatomy.blocks[0].register_forward_pre_hook(before_first, with_kwargs=True))
    handles += [
        block.register_forward_hook(after(str(number)))
        for number, block in enumerate(anatomy.blocks, start=1)
        if str(number) in layers
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def probe_ids(model: nn.Module) -> Tensor:
    """The first few tokens of any vocabulary, (texts, tokens), on the model's device."""
    device = next(model.parameters()).device
    return torch.arange(PROBE_TOKENS, device=device).reshape(PROBE_TEXTS, PROBE_LENGTH)


def lists_embedding(model: nn.Module, anatomy: Anatomy) -> bool:
    """Whether transformers' `hidden_states` begin with layer 0, the embedding.

    Those of state-space models begin with layer 1 and end with the last block's state before and after the final norm.
    """
    found: dict[str, Tensor] = {}
    ids = probe_ids(model)
    with torch.inference_mode(), capturing(anatomy, ("0",), lambda layer, state: found.update({layer: state.clone()})):
        output = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
    return torch.equal(output.hidden_states[0], found["0"])


def find_final_norm(model: nn.Module, anatomy: Anatomy, name: str) -> nn.Module:
    """The module that makes the model's last hidden state of the last block's state: an identity where they are equal.

    Found by a pass over a few tokens: of all modules outside of the blocks, the one that reads the one and puts out the
    other, bit for bit. Errors: FathomError if there is none.
    """
    last: dict[str, Tensor] = {}
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def note(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(output, Tensor) and args[0].shape == output.shape:
            calls.append((module, args[0].clone(), output))

    inside = {id(module) for module in anatomy.blocks.modules()}
    handles = [module.register_forward_hook(note) for module in model.modules() if id(module) not in inside]
    ids = probe_ids(model)
    top = str(anatomy.depth)
    try:
        with (
            torch.inference_mode(),
            capturing(anatomy, (top,), lambda layer, state: last.update({layer: state.clone()})),
        ):
            final = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    finally:
        for handle in handles:
            handle.remove()
    if torch.equal(last[top], final):
        return nn.Identity()
    for module, read, made in calls:
        if read.shape == last[top].shape and torch.equal(read, last[top]) and torch.equal(made, final):
            return module
    msg = f"model {name}: no module makes its last hidden state of the last block's alone, expected a final norm; "
    msg += "leave normed_mean and normed_last out of activations.positions"
    raise FathomError(msg)


def check_anatomy(model: nn.Module, anatomy: Anatomy, name: str) -> None:
    """Run a few tokens through the model and compare the shape of every layer with (batch, tokens, width).

    Errors: FathomError that names the layer, what was found and what was expected.
    """
    found: dict[str, Any] = {}
    layers = layer_names("all", anatomy.depth, name)
    ids = probe_ids(model)
    with torch.inference_mode(), capturing(anatomy, layers, found.__setitem__):
        final = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    expected = (PROBE_TEXTS, PROBE_LENGTH, anatomy.width)
    for layer in (*layers, FINAL):
        state = final if layer == FINAL else found.get(layer)
        shape = tuple(state.shape) if isinstance(state, Tensor) else type(state).__name__
        if shape != expected:
            wanted = f"(batch, tokens, width) = {expected}"
            msg = f"model {name}: layer {layer} ({anatomy.path}) gives {shape}, expected {wanted}"
            raise FathomError(msg)
