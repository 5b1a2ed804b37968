"""Where the sub-layers of a block are: found by their sums in a pass over a few tokens, never by names alone.

A block adds what its attention and its MLP put out to the residual stream. Which of its parts these are is told by the
numbers: their outputs and what the block read must add up to what the block put out, within round-off.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fathom.models.architecture import PROBE_LENGTH, PROBE_TEXTS, PROBE_TOKENS, Architecture, run_probe
from fathom.runtime.errors import FathomError, first_line

log = logging.getLogger("fathom")

RESIDUAL = "residual"
SUBLAYER_SITES = ("attention_input", "attention", "attention_residual", "mlp")
INNER = "mlp_inner"
"""The one site that is not of the residual stream's width."""
# Adding three numbers in floating point rounds twice, which is one unit of round-off of the sum of their sizes.
ROUND_OFF_UNITS = 4.0
# Of its norm a state may change by round-off in half precision; a mixer without the tokens before changes all of it.
TOKEN_ALONE = 0.02
MATRIX_AXES = 2

Order = Literal["sequential", "parallel"]
Norm = Literal["pre", "post"]


@dataclass(frozen=True)
class Tap:
    """Where a state is read: what a part of a block reads, or what it puts out."""

    part: nn.Module
    path: str
    """Name of the part inside its block."""
    side: Literal["input", "output"]


@dataclass(frozen=True)
class BlockSites:
    """The sites of a model's blocks, and why others do not exist.

    In a *sequential* block the MLP reads the residual stream after attention has joined it, in a *parallel* one both
    read the stream as the block found it. With *pre* norms the residual stream is the sum itself:

        attention_input      what attention reads, behind the norm
        attention            what joins the stream; behind a norm of its own where there is one (Gemma 2, OLMo 2)
        attention_residual   input of the block + attention; none in a parallel block
        mlp                  what joins the stream, likewise

    With either, `mlp_inner` is what the last projection of the mlp reads: its inner activations behind the
    non-linearity and, where there is one, the gate. A mixture of experts has none: each token has those of its experts.

    A hybrid has these sites in its blocks with attention; in the others, whose mixer stands in the place of attention,
    `mlp` alone, or none.

    With *post* norms (BERT, OPT-350m) each sum is normed, and the normed sum is the stream:

        attention_input      the input of the block itself
        attention            what is added to it, before sum and norm (BERT: attention.output.dense)
        attention_residual   the normed sum, which the MLP reads (BERT: what attention.output puts out)
        mlp                  what is added to that, before sum and norm (BERT: output.dense)
    """

    taps: dict[str, dict[int, Tap]] = field(default_factory=dict)
    """Site -> block, from 1, -> where it is read: of a hybrid the blocks that have it."""
    missing: dict[str, str] = field(default_factory=dict)
    """Site -> why the model has none."""
    inner_width: int = 0
    """Width of `mlp_inner`, where the model has it."""
    order: Order | None = None
    norm: Norm | None = None
    tokens_first: bool = False
    """Whether states come as (tokens, batch, width)."""

    @property
    def existing(self) -> tuple[str, ...]:
        """Names of the sites of the residual stream's width that the model has, `residual` first."""
        return (RESIDUAL, *(site for site in SUBLAYER_SITES if site in self.taps))


def choose_sites(setting: Literal["all"] | tuple[str, ...], found: BlockSites, name: str) -> tuple[str, ...]:
    """Names of the sites that a setting asks for; `all` are those that exist.

    Errors: FathomError that names the model, the site and what was found instead.
    """
    if setting == "all":
        return found.existing
    for site in setting:
        if site in found.missing:
            msg = (
                f"model {name}: activations.sites: no site {site!r}: {found.missing[site]}; "
                f"it has {', '.join(found.existing)} (`sites: all` stores these)"
            )
            raise FathomError(msg)
    return setting


def existing_sites(module: nn.Module, architecture: Architecture) -> tuple[str, ...]:
    """Names of the sites that a model has, `residual` first."""
    return find_sites(module, architecture).existing


def find_sites(module: nn.Module, architecture: Architecture) -> BlockSites:
    """Run a few tokens and find the sub-layers of every block.

    A sequential block must satisfy output = input + attention + mlp and hold a part that reads input + attention, a
    parallel one the first alone; behind post norms the same holds for what the norms read. All within round-off. A
    block without attention has an mlp where output = input + mixer + mlp, or input + mlp, and the mlp reads each token
    alone.
    """
    kind = type(architecture.blocks[0]).__name__
    if architecture.shared:
        return BlockSites(missing=dict.fromkeys((*SUBLAYER_SITES, INNER), f"its blocks ({kind}) share their weights"))
    blocks: list[_Block | str] = []
    with _tracing(architecture, lambda trace: blocks.append(_understand(trace))):
        run_probe(module, type(module).__name__)
    understood = {number: block for number, block in enumerate(blocks, start=1) if isinstance(block, _Block)}
    attending = {number: block for number, block in understood.items() if block.order is not None}
    forms = sorted({f"{block.order}, {block.norm}-norm" for block in attending.values()})
    kinds = [type(block).__name__ for block in architecture.blocks]
    wrong = [
        f"block {number} ({kinds[number - 1]}) {block}"
        for number, block in enumerate(blocks, start=1)
        if isinstance(block, str)
    ]
    if len(blocks) != architecture.depth:
        wrong.append(f"{len(blocks)} of its {architecture.depth} blocks ({kind}) read and put out the residual stream")
    if len(forms) > 1:
        wrong.append(f"its blocks ({kind}) differ in form ({'; '.join(forms)})")
    if wrong:
        return BlockSites(missing=dict.fromkeys((*SUBLAYER_SITES, INNER), wrong[0]))
    taps: dict[str, dict[int, Tap]] = {}
    for number, block in understood.items():
        for site, tap in block.taps.items():
            taps.setdefault(site, {})[number] = tap
    some = next(iter(attending.values()), None)
    why = f"its blocks ({kind}) are parallel: nothing stands between attention and mlp"
    if not attending:
        why = (
            f"block 1 ({kinds[0]}) holds no attention sub-layer" if not taps else f"none of its blocks ({kind}) has one"
        )
    missing = {site: why for site in SUBLAYER_SITES if site not in taps}
    widths = sorted({block.inner_width for block in understood.values() if INNER in block.taps})
    if len(widths) != 1:
        taps.pop(INNER, None)
        missing[INNER] = (
            why if "mlp" not in taps else f"no mlp of its blocks ({kind}) ends in one projection of its own, "
        )
        missing[INNER] += "as none of a mixture of experts does" if "mlp" in taps and not widths else ""
        if widths:
            missing[INNER] = f"its blocks ({kind}) differ in inner width ({', '.join(map(str, widths))})"
    return BlockSites(
        taps=taps,
        missing=missing,
        inner_width=widths[0] if len(widths) == 1 else 0,
        order=None if some is None else some.order,
        norm=None if some is None else some.norm,
        tokens_first=architecture.tokens_first,
    )


@contextmanager
def tapping(
    found: BlockSites, layers: Mapping[str, tuple[str, ...]], keep: Callable[[str, str, Tensor], None]
) -> Iterator[None]:
    """While active, each forward pass calls `keep(site, layer, state)` for the named layers of sub-layer sites.

    Layer l is that of block l, from 1 to the depth; only blocks that have a site can be named. A state may come as
    (batch * tokens, width), as OPT's MLP gives it.
    """
    handles = []
    keep = _texts_first(keep) if found.tokens_first else keep
    for site, names in layers.items():
        for layer in names:
            tap = found.taps[site][int(layer)]
            if tap.side == "input":
                before = _keep_input(site, layer, keep)
                handles.append(tap.part.register_forward_pre_hook(before, with_kwargs=True))
            else:
                handles.append(tap.part.register_forward_hook(_keep_output(site, layer, keep)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _texts_first(keep: Callable[[str, str, Tensor], None]) -> Callable[[str, str, Tensor], None]:
    return lambda site, layer, state: keep(site, layer, state.transpose(0, 1))


def _keep_input(site: str, layer: str, keep: Callable[[str, str, Tensor], None]) -> Any:
    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        keep(site, layer, _first_input(args, kwargs))

    return hook


def _keep_output(site: str, layer: str, keep: Callable[[str, str, Tensor], None]) -> Any:
    def hook(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        keep(site, layer, _first_output(output))

    return hook


def _first_input(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs.get("hidden_states")


def _first_output(output: Any) -> Any:
    return output[0] if isinstance(output, (tuple, list)) else output


@dataclass(frozen=True)
class _Call:
    """One run of a part of a block; states are None where they do not have the shape of the residual stream."""

    path: str
    part: nn.Module
    read: Tensor | None
    gave: Tensor | None
    projected: Tensor | None = None
    """What a projection reads, (tokens of all texts, its own width)."""

    def inside(self, path: str) -> bool:
        return self.path == path or self.path.startswith(f"{path}.")


@dataclass(frozen=True)
class _Trace:
    """One run of a block: its own states, and its parts in the order in which they were done."""

    block: nn.Module
    read: Tensor
    gave: Tensor
    calls: list[_Call]


@dataclass(frozen=True)
class _Block:
    """The form of one block, and its taps by site."""

    order: Order | None
    """None of a block that has not both attention and an mlp."""
    norm: Norm | None
    taps: dict[str, Tap]
    inner_width: int = 0


@contextmanager
def _tracing(architecture: Architecture, done: Callable[[_Trace], None]) -> Iterator[None]:
    """While active, `done` gets the trace of every block as soon as it has run, so that one is held at a time."""
    read: dict[str, Tensor | None] = {}
    projected: dict[str, Tensor | None] = {}
    calls: list[_Call] = []

    def before(path: str) -> Any:
        def hook(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            read[path] = _stream(_first_input(args, kwargs), architecture.width)
            projected[path] = _flat(_first_input(args, kwargs)) if _matrix(part) is not None else None

        return hook

    def after(path: str) -> Any:
        def hook(part: nn.Module, _: tuple[Any, ...], output: Any) -> None:
            gave = _stream(_first_output(output), architecture.width)
            calls.append(_Call(path, part, read.pop(path, None), gave, projected.pop(path, None)))
            if path == "":
                whole = calls.pop()
                if whole.read is not None and whole.gave is not None:
                    done(_Trace(whole.part, whole.read, whole.gave, _run_once(calls)))
                calls.clear()

        return hook

    handles = []
    for block in architecture.blocks:
        for path, part in block.named_modules():
            handles.append(part.register_forward_pre_hook(before(path), with_kwargs=True))
            handles.append(part.register_forward_hook(after(path)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _matrix(part: nn.Module) -> Tensor | None:
    """The matrix of a projection, as nn.Linear or GPT-2's Conv1D has it; None of any other part."""
    weight = getattr(part, "weight", None)
    leaf = next(part.children(), None) is None and not isinstance(part, nn.Embedding)
    return weight if leaf and isinstance(weight, Tensor) and weight.dim() == MATRIX_AXES else None


def _flat(state: Any) -> Tensor | None:
    """A copy of a state as (tokens of all texts, its own width); None if it is no state."""
    if not isinstance(state, Tensor) or state.numel() % PROBE_TOKENS or state.numel() != PROBE_TOKENS * state.shape[-1]:
        return None
    return state.reshape(PROBE_TOKENS, -1).clone()


def _stream(state: Any, width: int) -> Tensor | None:
    """A copy of a state as (tokens of all texts, width), for some parts change it in place; None if it is no state."""
    if not isinstance(state, Tensor) or state.shape[-1:] != (width,) or state.numel() != PROBE_TOKENS * width:
        return None
    return state.reshape(PROBE_TOKENS, width).clone()


def _run_once(calls: list[_Call]) -> list[_Call]:
    """Parts that ran more than once in a block are no place to read from."""
    counts = Counter(call.path for call in calls)
    return [call for call in calls if counts[call.path] == 1]


def _understand(trace: _Trace) -> _Block | str:
    """The sites of a block, or what is wrong with it."""
    block = _sublayers(trace)
    if isinstance(block, str) or "mlp" not in block.taps:
        return block
    last = _last_projection(trace, block.taps["mlp"])
    if last is None or last.projected is None:
        return block
    taps = block.taps | {INNER: Tap(last.part, last.path, "input")}
    return replace(block, taps=taps, inner_width=last.projected.shape[1])


def _last_projection(trace: _Trace, mlp: Tap) -> _Call | None:
    """The projection whose output is that of the mlp, or what the norm reads that puts it out; None if there is none.

    That it is one is told by its numbers: what it reads times its matrix, and its bias, is what it puts out.
    """
    whole = next(call for call in trace.calls if call.path == mlp.path)
    normed = all(weight.dim() < MATRIX_AXES for weight in whole.part.parameters())
    wanted = [state for state in (whole.gave, whole.read if normed else None) if state is not None]
    for call in trace.calls:
        matrix = _matrix(call.part)
        if matrix is None or call.gave is None or call.projected is None:
            continue
        if any(torch.equal(call.gave, state) for state in wanted) and _projects(call.projected, matrix, call):
            return call
    return None


def _projects(read: Tensor, matrix: Tensor, call: _Call) -> bool:
    bias, gave = getattr(call.part, "bias", None), call.gave
    for turned in (matrix.T, matrix):
        if gave is None or turned.shape != (read.shape[1], gave.shape[1]):
            continue
        made = read @ turned + (0.0 if bias is None else bias)
        gap = torch.linalg.vector_norm((made - gave).to(torch.float32))
        if gap <= TOKEN_ALONE * torch.linalg.vector_norm(gave.to(torch.float32)):
            return True
    return False


def _sublayers(trace: _Trace) -> _Block | str:
    """The sites of the residual stream's width, or what is wrong with a block."""
    named = [path for path, part in trace.block.named_modules() if path and _is_attention(part)]
    chain = [call for path in named for call in trace.calls if call.path == path]
    if not chain:
        return _Block(None, None, _mlp_beside_mixer(trace))
    outer, inner = chain[0], chain[-1]
    if any(not below.inside(above.path) for above, below in pairwise(chain)):
        return f"holds several attention sub-layers ({', '.join(call.path for call in chain)})"
    if inner.read is None:
        return f"holds an attention sub-layer ({inner.path}) that does not read the residual stream"
    block = _pre_norm(trace, outer, inner) or _post_norm(trace, outer, inner) or _attention_alone(trace, outer, inner)
    return block or "does not put out its input + attention + mlp, nor normed sums of them, within round-off"


def _is_attention(part: nn.Module) -> bool:
    """Whether a part calls itself attention; norms do not, and are told apart by having no parts of their own."""
    return "attention" in type(part).__name__.lower() and any(True for _ in part.children())


def _pre_norm(trace: _Trace, outer: _Call, inner: _Call) -> _Block | None:
    """A block whose output is its input + attention + mlp."""
    calls = trace.calls
    done = calls.index(outer)
    fits: list[tuple[float, _Call, _Call]] = []
    for mlp_at, mlp in enumerate(calls):
        if mlp.gave is None or mlp.inside(outer.path):
            continue
        for at, attention in enumerate(calls):
            # Inside of the sub-layer, or a norm between it and the mlp.
            if attention.gave is not None and (attention.inside(outer.path) or done < at < mlp_at):
                misfit = _misfit(trace.gave, trace.read, attention.gave, mlp.gave)
                fits.append((misfit, attention, mlp))
    misfit, attention, mlp = min(fits, key=_best_then_outermost, default=(math.inf, outer, outer))
    if misfit > ROUND_OFF_UNITS or attention.gave is None:
        return None
    taps = {
        "attention_input": Tap(inner.part, inner.path, "input"),
        "attention": Tap(attention.part, attention.path, "output"),
        "mlp": Tap(mlp.part, mlp.path, "output"),
    }
    reader = _reader_of_sum(trace, attention.gave)
    if reader is None:
        return _Block("parallel", "pre", taps)
    taps["attention_residual"] = Tap(reader.part, reader.path, "input")
    return _Block("sequential", "pre", taps)


def _attention_alone(trace: _Trace, outer: _Call, inner: _Call) -> _Block | None:
    """A block whose output is its input + attention: that of a hybrid whose mlps are blocks of their own."""
    if outer.gave is None or _misfit(trace.gave, trace.read, outer.gave) > ROUND_OFF_UNITS:
        return None
    taps = {
        "attention_input": Tap(inner.part, inner.path, "input"),
        "attention": Tap(outer.part, outer.path, "output"),
    }
    return _Block(None, None, taps)


def _mlp_beside_mixer(trace: _Trace) -> dict[str, Tap]:
    """The mlp of a block without attention: its output is its input + mixer + mlp, or input + mlp; none if neither.

    That the mlp reads each token alone tells it from the mixer, whatever both are called.
    """
    fits: list[tuple[float, _Call, _Call]] = []
    for at, mlp in enumerate(trace.calls):
        if mlp.gave is None:
            continue
        fits.append((_misfit(trace.gave, trace.read, mlp.gave), mlp, mlp))
        fits += [
            (_misfit(trace.gave, trace.read, mixer.gave, mlp.gave), mixer, mlp)
            for mixer in trace.calls[:at]
            if mixer.gave is not None and not mixer.inside(mlp.path) and not mlp.inside(mixer.path)
        ]
    fitting = [fit for fit in fits if fit[0] <= ROUND_OFF_UNITS]
    # The outermost parts: what a mixer puts out is also put out by its last projection, which reads each token alone.
    fitting.sort(key=lambda fit: (fit[1].path.count(".") + fit[2].path.count("."), fit[0]))
    for _, mixer, mlp in fitting[:1]:
        if _reads_tokens_alone(mlp) and (mixer is mlp or not _reads_tokens_alone(mixer)):
            return {"mlp": Tap(mlp.part, mlp.path, "output")}
    return {}


def _reads_tokens_alone(call: _Call) -> bool:
    """Whether a part with weights gives the last token of a text the same state without the tokens before it."""
    if call.read is None or call.gave is None or all(weight.dim() < 2 for weight in call.part.parameters()):
        return False
    shape = (PROBE_TEXTS, PROBE_LENGTH, -1)
    last, expected = call.read.reshape(shape)[:, -1:], call.gave.reshape(shape)[:, -1:]
    try:
        alone = _first_output(call.part(last))
    except Exception as error:  # noqa: BLE001 - a part that wants more than states may raise anything
        log.debug("%s does not run on a state alone (%s)", call.path, first_line(error))
        return False
    if not isinstance(alone, Tensor) or alone.numel() != expected.numel():
        return False
    gap = torch.linalg.vector_norm((alone.reshape(expected.shape) - expected).to(torch.float32))
    return bool(gap <= TOKEN_ALONE * torch.linalg.vector_norm(expected.to(torch.float32)))


def _best_then_outermost(fit: tuple[float, _Call, _Call]) -> tuple[float, int]:
    misfit, attention, mlp = fit
    return misfit, attention.path.count(".") + mlp.path.count(".")


def _reader_of_sum(trace: _Trace, attention: Tensor) -> _Call | None:
    """The first part that reads the residual stream after attention has joined it."""
    for call in trace.calls:
        if call.read is not None:
            misfit = _misfit(call.read, trace.read, attention)
            # Where attention adds next to nothing, the stream before it would fit as well.
            if misfit <= ROUND_OFF_UNITS and misfit < _misfit(call.read, trace.read):
                return call
    return None


def _post_norm(trace: _Trace, outer: _Call, inner: _Call) -> _Block | None:
    """A block whose output is norm(h + mlp), where h = norm(input + attention)."""
    for first_at, first in enumerate(trace.calls):
        for attention in trace.calls[:first_at]:
            if not attention.inside(outer.path) or not _sums(first.read, trace.read, attention.gave):
                continue
            after = trace.calls[first_at + 1 :]
            for second in after:
                if second.gave is None or not torch.equal(second.gave, trace.gave):
                    continue
                for mlp in after:
                    if not mlp.inside(outer.path) and _sums(second.read, first.gave, mlp.gave):
                        taps = {
                            "attention_input": Tap(inner.part, inner.path, "input"),
                            "attention": Tap(attention.part, attention.path, "output"),
                            "attention_residual": Tap(first.part, first.path, "output"),
                            "mlp": Tap(mlp.part, mlp.path, "output"),
                        }
                        return _Block("sequential", "post", taps)
    return None


def _sums(total: Tensor | None, first: Tensor | None, second: Tensor | None) -> bool:
    if total is None or first is None or second is None:
        return False
    return _misfit(total, first, second) <= ROUND_OFF_UNITS


def _misfit(total: Tensor, *terms: Tensor) -> float:
    """Largest difference between a state and a sum, in units of round-off of the terms' sizes (0 to infinity)."""
    unit = max(torch.finfo(state.dtype).eps for state in (total, *terms))
    exact = torch.stack([term.to(torch.float64) for term in terms])
    size = exact.abs().sum(dim=0).clamp_min(torch.finfo(torch.float32).tiny)
    return float(((total.to(torch.float64) - exact.sum(dim=0)).abs() / size).max()) / unit
