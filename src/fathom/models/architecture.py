"""Where the layers of a model are: its blocks, found by structure and checked by a pass over a few tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from fathom.models.passes import Half, call, device_of, first_pass, ordinary_ids
from fathom.models.sizes import depth_of, text_config
from fathom.runtime.errors import FathomError

Dtype = Literal["float32", "bfloat16", "float16"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)
FINAL = "final"
PROBE_TEXTS, PROBE_LENGTH = 2, 5
STATE_AXES = 3  # batch, tokens, width
PROBE_TOKENS = PROBE_TEXTS * PROBE_LENGTH


@dataclass(frozen=True)
class Architecture:
    """The parts of a loaded model that layers are read from."""

    blocks: nn.ModuleList
    """One entry a block, in the order in which they run. Blocks that share their weights are one module, repeated."""
    path: str
    """Name of the list of blocks inside the model."""
    width: int
    tokens_first: bool = False
    """Whether blocks read and put out (tokens, batch, width), as XLNet's do."""
    pads_inside: bool = False
    """Whether blocks read and put out more tokens than the model was given, pads of its own at the end."""
    no_final: str | None = None
    """Why the model has no state after the last block of the same width."""

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def shared(self) -> bool:
        """Whether some blocks share their weights."""
        return len({id(block) for block in self.blocks}) < self.depth


def find_architecture(module: nn.Module, name: str) -> Architecture:
    """Find the list of blocks: the outermost list of modules as long as the config's number of hidden layers.

    Where a model has several such lists, the blocks are those that all run when it reads text; where it has none, those
    that run so many times together (ALBERT shares one block among all its layers).
    Errors: FathomError if there is no such list, or more than one.
    """
    config: Any = module.config
    part = module.part if isinstance(module, Half) else None
    depth, width = depth_of(config, part), getattr(text_config(config, part), "hidden_size", None)
    if type(depth) is not int or type(width) is not int:
        msg = f"model {name}: expected a config with hidden size and number of layers, found {width} and {depth}"
        raise FathomError(msg)
    outermost = find_outermost(module)
    fitting = {path: one for path, one in outermost.items() if len(one) == depth}
    if len(fitting) == 1:
        path, blocks = fitting.popitem()
        return Architecture(blocks=blocks, path=path, width=width)
    runs = _runs(module, outermost, name)
    for path, order in runs.items():
        if len(order) == depth and (path in fitting or not fitting):
            fitting[path] = nn.ModuleList([outermost[path][number] for number in order])
        else:
            fitting.pop(path, None)
    if len(fitting) != 1:
        found = ", ".join(f"{path} ({len(one)})" for path, one in outermost.items()) or "none"
        msg = f"model {name}: expected one list of {depth} blocks, found {len(fitting)}; its lists: {found}"
        raise FathomError(msg)
    path, blocks = fitting.popitem()
    return Architecture(blocks=blocks, path=path, width=width)


def find_outermost(module: nn.Module) -> dict[str, nn.ModuleList]:
    """Lists of modules that are in no other list, by their path; of an encoder-decoder those of the half that runs."""
    stack = module.stack if isinstance(module, Half) else module
    lists = {path: one for path, one in stack.named_modules() if isinstance(one, nn.ModuleList) and len(one)}
    return {path: one for path, one in lists.items() if not any(path.startswith(f"{other}.") for other in lists)}


def _runs(module: nn.Module, lists: dict[str, nn.ModuleList], name: str) -> dict[str, list[int]]:
    """List of modules -> which of its members run when the model reads a few tokens, in that order."""
    runs: dict[str, list[int]] = {path: [] for path in lists}

    def noting(path: str, number: int) -> Any:
        return lambda *_: runs[path].append(number)

    handles = [
        member.register_forward_hook(noting(path, number))
        for path, one in lists.items()
        for number, member in enumerate(one)
    ]
    try:
        run_probe(module, name)
    finally:
        for handle in handles:
            handle.remove()
    return runs


def layer_names(
    setting: str | tuple[int | str, ...],
    depth: int,
    name: str,
    *,
    embedding: bool = True,
    no_final: str | None = None,
) -> tuple[str, ...]:
    """Names of the layers that a setting asks for: "0" .. "depth" and "final".

    `embedding` says whether transformers' own tuple begins with it, see `lists_embedding`; `no_final` why there is no
    layer `final`. Errors: FathomError if the model has no such layer.
    """
    if (setting == "transformers" or FINAL in setting) and no_final is not None:
        msg = f"activations.layers: model {name} has no layer 'final', for {no_final}"
        raise FathomError(msg)
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
def hooking(
    blocks: nn.ModuleList,
    *,
    before: Callable[[int, tuple[Any, ...], dict[str, Any]], Any] | None = None,
    after: Callable[[int, Any], Any] | None = None,
) -> Iterator[None]:
    """While active, each forward pass calls `before(block, args, kwargs)` and `after(block, output)`, blocks from 0.

    What they return takes the place of (args, kwargs) and of the output, unless it is None. A block that several layers
    share runs once for each of them, and is told apart by how often it has run.
    """
    numbers: dict[int, list[int]] = {}
    for number, block in enumerate(blocks):
        numbers.setdefault(id(block), []).append(number)
    ran = dict.fromkeys(numbers, 0)

    def entering(block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        own = numbers[id(block)]
        return None if before is None else before(own[ran[id(block)] % len(own)], args, kwargs)

    def leaving(block: nn.Module, _: tuple[Any, ...], output: Any) -> Any:
        own = numbers[id(block)]
        number = own[ran[id(block)] % len(own)]
        ran[id(block)] += 1
        return None if after is None else after(number, output)

    handles = []
    for block in {id(block): block for block in blocks}.values():
        handles.append(block.register_forward_pre_hook(entering, with_kwargs=True))
        handles.append(block.register_forward_hook(leaving))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def capturing(
    architecture: Architecture, layers: tuple[str, ...], keep: Any, *, tokens: int | None = None
) -> Iterator[None]:
    """While active, each forward pass calls `keep(layer name, state)` with (batch, tokens, width) of the named blocks.

    With `tokens`, states are cut to so many, since some models pad what they are given (Longformer).

    Layer 0 is what the first block reads, layer l what block l puts out: the residual stream, before any final norm.
    """

    def give(layer: str, state: Any) -> None:
        if layer in layers:
            state = state.transpose(0, 1) if architecture.tokens_first else state
            keep(layer, state if tokens is None else state[:, :tokens])

    def before(number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if number == 0:
            give("0", args[0] if args else kwargs.get("hidden_states"))

    def after(number: int, output: Any) -> None:
        give(str(number + 1), output[0] if isinstance(output, (tuple, list)) else output)

    with hooking(architecture.blocks, before=before, after=after):
        yield


def probe_ids(module: nn.Module) -> Tensor:
    """A few tokens of the vocabulary, (texts, tokens), on the model's device."""
    return ordinary_ids(module, PROBE_TOKENS).reshape(PROBE_TEXTS, PROBE_LENGTH).to(device_of(module))


def run_probe(module: nn.Module, name: str, **wanted: bool) -> Any:
    """One pass over a few tokens. Errors: FathomError if the model does not run on text."""
    with torch.inference_mode(), first_pass(module, name):
        ids = probe_ids(module)
        return call(module, ids, torch.ones_like(ids), **wanted)


def lists_embedding(module: nn.Module, architecture: Architecture, name: str) -> bool:
    """Whether transformers' `hidden_states` begin with layer 0, the embedding.

    Those of state-space models begin with layer 1 and end with the last block's state before and after the final norm.
    Errors: FathomError if they are neither layer 0 to the last but one nor layer 1 to the last, then `final`, in every
    number.
    """
    found: dict[str, Tensor] = {}
    layers = layer_names("all", architecture.depth, name)
    note = lambda layer, state: found.update({layer: state.clone()})  # noqa: E731
    with capturing(architecture, layers, note, tokens=PROBE_LENGTH):
        output = run_probe(module, name, output_hidden_states=True)
    theirs = getattr(output, "hidden_states", None) or ()
    final = output.last_hidden_state
    for embedding in (True, False):
        ours = [*(found[layer] for layer in (layers[:-1] if embedding else layers[1:])), final]
        if len(theirs) == len(ours) and all(map(_equal, theirs, ours)):
            return embedding
    unlike = f"its hidden_states ({len(theirs)} entries) are not its layers in their order, then final"
    reason = architecture.no_final or unlike
    msg = f"model {name}: activations.layers: expected 'all' or numbers, for {reason}; found 'transformers'"
    raise FathomError(msg)


def _equal(one: Any, other: Tensor) -> bool:
    return isinstance(one, Tensor) and one.dtype == other.dtype and torch.equal(one, other)


def find_final_norm(model: nn.Module, architecture: Architecture, name: str) -> nn.Module:
    """The module that makes the model's last hidden state of the last block's state: an identity where they are equal.

    Found by a pass over a few tokens: of all modules outside of the blocks, the one that reads the one and puts out the
    other, bit for bit. Errors: FathomError if there is none.
    """
    last: dict[str, Tensor] = {}
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def note(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(output, Tensor) and args[0].shape == output.shape:
            calls.append((module, args[0].clone(), output))

    inside = {id(module) for module in architecture.blocks.modules()}
    handles = [module.register_forward_hook(note) for module in model.modules() if id(module) not in inside]
    top = str(architecture.depth)
    try:
        with capturing(architecture, (top,), lambda layer, state: last.update({layer: state.clone()})):
            final = run_probe(model, name).last_hidden_state
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


def check_architecture(module: nn.Module, architecture: Architecture, name: str) -> Architecture:
    """Run a few tokens through the model and compare the shape of every layer with (batch, tokens, width).

    Returns the architecture with what this shows of it. Errors: FathomError that names the layer, what was found and
    what was expected.
    """
    found: dict[str, Any] = {}
    layers = layer_names("all", architecture.depth, name)
    with capturing(architecture, layers, found.__setitem__):
        final = getattr(run_probe(module, name), "last_hidden_state", None)
    expected = (PROBE_TEXTS, PROBE_LENGTH, architecture.width)
    tokens_first = all(_shape(found.get(layer)) == (PROBE_LENGTH, PROBE_TEXTS, architecture.width) for layer in layers)
    padded = {_padded(found.get(layer), architecture.width) for layer in layers}
    pads_inside = len(padded) == 1 and max(padded) > PROBE_LENGTH
    for layer in layers:
        if not (tokens_first or pads_inside) and _shape(found.get(layer)) != expected:
            msg = f"model {name}: layer {layer} ({architecture.path}) gives {_shape(found.get(layer))}, expected "
            msg += f"(batch, tokens, width) = {expected}"
            raise FathomError(msg)
    if pads_inside:
        _require_pads_at_the_end(module, replace(architecture, pads_inside=True), name)
    no_final = None
    if _shape(final) != expected:
        no_final = f"its last hidden state has the shape {_shape(final)}, a layer has {expected}"
    return replace(architecture, tokens_first=tokens_first, pads_inside=pads_inside, no_final=no_final)


def _require_pads_at_the_end(module: nn.Module, architecture: Architecture, name: str) -> None:
    """Refuse a model that puts tokens of its own before a text: its states would be taken for those of the text."""
    try:
        lists_embedding(module, architecture, name)
    except FathomError as error:
        msg = f"model {name}: its blocks ({architecture.path}) read more tokens than the text has, and not at its end "
        msg += "alone"
        raise FathomError(msg) from error


def _padded(state: Any, width: int) -> int:
    """Tokens of a state (batch, tokens, width); 0 of any other."""
    shape = _shape(state)
    return int(shape[1]) if len(shape) == STATE_AXES and shape[::2] == (PROBE_TEXTS, width) else 0


def _shape(state: Any) -> tuple[int, ...] | str:
    return tuple(state.shape) if isinstance(state, Tensor) else type(state).__name__


def stream_dtype(module: nn.Module, architecture: Architecture, name: str) -> Dtype:
    """Precision of the residual stream: the widest of its layers, which differ where a model mixes precisions.

    Errors: FathomError if it is no floating-point number of a store.
    """
    found: list[torch.dtype] = []
    layers = layer_names("all", architecture.depth, name)
    with capturing(architecture, layers, lambda _, state: found.append(state.dtype)):
        run_probe(module, name)
    widest = max(found, key=lambda dtype: torch.finfo(dtype).bits)
    for dtype in DTYPES:
        if widest == getattr(torch, dtype):
            return dtype
    msg = f"model {name}: its layers are of type {widest}, expected one of {', '.join(DTYPES)}"
    raise FathomError(msg)
