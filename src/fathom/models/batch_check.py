"""Whether the texts of a batch leave each other's states alone: tried on a few texts whenever a model is loaded.

Two short texts and one longer than the model's own thresholds run alone and together. Where the states of a text in
a batch are not those that the text has alone, every text runs alone: pads and neighbours do not belong to a text.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from fathom.models.architecture import Architecture, hooking
from fathom.models.passes import Fresh, call, device_of, first_pass, ordinary_ids
from fathom.models.sizes import text_config
from fathom.runtime.errors import FathomError

log = logging.getLogger("fathom")

SHORT = (5, 12)
LONG = 40
"""Tokens of the texts that are tried; the third is longer where a threshold of the model is."""
BEYOND = 9
"""Tokens that a long text has more than a threshold."""
# A sparse attention in blocks needs so many of them before it is one (BigBird: 5, and 2 for each of 3 random blocks).
BLOCKS_OF_SPARSE_ATTENTION = 11
MOST_TOKENS = 4608
"""Longest text that is tried: longer than 4,096, the widest window that is common."""
MOST_OPERATIONS = {"cpu": 1e12, "cuda": 1e14}
"""Of the passes with the long text: half a minute on a slow core, a second on a GPU."""
FIRST_BLOCKS = 2
"""So many blocks, and more until each kind of layer is among them, show what masks and rotary factors do."""
# Difference of a token's state, by its norm, that round-off makes when sums run in another order. Between a text alone
# and in a padded batch it was 2.5e-6 for SmolLM2 (30 blocks) and 1.8e-6 for MiniLM in float32, 2.4e-2 and 1.6e-2 in
# bfloat16. A model whose texts differ more between two equal rows of a batch without pads is allowed MARGIN times that.
ROUND_OFF = {torch.float32: 2e-5, torch.float16: 2e-2, torch.bfloat16: 1e-1}
MOST_WIDENED = 2_000_000_000
"""Weights of a model in half precision that is tried in float32 too, which takes 4 bytes each while it is tried."""
MARGIN = 8.0
MOST_ROUND_OFF = 10.0
"""Times ROUND_OFF: a larger difference is none, whatever two equal rows show."""
_THRESHOLD = re.compile(r"window|chunk|block_size|original_max_position_embeddings|local_attention|local_radius")
_NO_THRESHOLD = re.compile(r"max_window_layers|layers|_feed_forward|inference|use_|num_|ssm|mamba")
# Rotary factors that depend on the length of what runs.
LENGTH_DEPENDENT = frozenset({"longrope", "dynamic", "su"})


@dataclass(frozen=True)
class BatchCheck:
    """What the check found."""

    texts_alone: str | None
    """Why every text has to run alone; None if texts may share a batch."""
    difference: float
    """Largest difference of a token's state in a batch from its state alone, by its norm."""
    longest: int
    """Tokens of the longest text that was tried."""
    not_tried: str | None
    """Which threshold of the model is beyond that."""

    def notes(self, longest: int) -> list[str]:
        """What captions must say of texts of at most so many tokens."""
        if self.texts_alone:
            return [f"every text ran alone, since {self.texts_alone}"]
        if self.not_tried and longest > self.longest:
            return [f"texts of more than {self.longest:,} tokens were not tried in batches ({self.not_tried})"]
        return []

    def facts(self) -> dict[str, Any]:
        """For a manifest."""
        return {
            "texts_alone": self.texts_alone,
            "largest_difference": float(f"{self.difference:.1e}"),
            "longest_tried": self.longest,
            "not_tried": self.not_tried,
        }


def check_batches(
    module: nn.Module, architecture: Architecture, fresh: Fresh, name: str, *, context: int | None
) -> BatchCheck:
    """Run a few texts alone and together and compare the states of their tokens.

    A model in half precision is tried in float32 too: there round-off hides no text that leans on its neighbours.
    Errors: FathomError if a text has other states when it runs a second time, so that no state is the text's own.
    """
    trial = _Trial(module, architecture, fresh, name)
    found = _check(trial, context)
    numbers = sum(one.numel() for one in module.parameters())
    if found.texts_alone or trial.round_off == ROUND_OFF[torch.float32] or numbers > MOST_WIDENED:
        return found
    try:
        with _in_float32(module) as widened:
            exact = _check(_Trial(module, architecture, widened, name), context)
    except FathomError as error:
        log.debug("model %s: not tried in float32 (%s)", name, error)
        return found
    finally:
        fresh.restore()
    return replace(found, texts_alone=exact.texts_alone, difference=max(found.difference, exact.difference))


@contextmanager
def _in_float32(module: nn.Module) -> Iterator[Fresh]:
    """While active, a model's weights are float32 copies; they must be put back by what kept the model as it was."""
    for part in module.modules():
        for key, weight in part._parameters.items():
            if weight is not None and weight.is_floating_point():
                part._parameters[key] = nn.Parameter(weight.detach().to(torch.float32), requires_grad=False)
        for key, buffer in part._buffers.items():
            if buffer is not None and buffer.is_floating_point():
                part._buffers[key] = buffer.to(torch.float32)
    yield Fresh(module)


def _check(trial: _Trial, context: int | None) -> BatchCheck:
    limit = context if context is not None else MOST_TOKENS
    short = [trial.text(min(length, limit), seed) for seed, length in enumerate(SHORT)]
    alone = [trial.run([ids])[0] for ids in short]
    again = trial.run([short[-1]])[0]
    if (drift := _difference(alone[-1], again)) > MOST_ROUND_OFF * trial.round_off:
        msg = f"model {trial.name}: {trial.kind} gives a text other states when the text runs once more "
        msg += f"(by {drift:.1g} of their norm): it draws at random as it runs, and no state is the text's own"
        raise FathomError(msg)
    allowed = trial.allowed(short[-1], alone[-1])
    worst = max(map(_difference, alone, trial.run(short)))
    long, tried, not_tried = _long_text(trial, context)
    if long:
        cut = None if long <= LONG else tried
        longer = trial.text(long, len(SHORT))
        alone_cut = [trial.run([ids], cut)[0] for ids in (short[-1], longer)]
        worst = max(worst, *map(_difference, alone_cut, trial.run([short[-1], longer], cut)))
    reason = None
    if not worst <= allowed:
        reason = f"in a batch {trial.kind} gives a text other states than alone (by {worst:.1g} of their norm)"
    elif not_tried and _length_dependent(text_config(trial.module.config, None)):  # type: ignore[arg-type]  # nn.Module types it a Tensor
        reason = f"the rotary factors of {trial.kind} depend on the longest text of a batch"
    return BatchCheck(reason, worst, long or max(map(len, short)), not_tried)


def _long_text(trial: _Trial, context: int | None) -> tuple[int, int, str | None]:
    """Tokens of the long text, blocks that it is run through, and the threshold that it does not reach."""
    wanted = {key: size for key, size in thresholds(trial.module.config) if context is None or size < context}
    blocks = trial.enough_blocks()
    fitting = {key: size for key, size in wanted.items() if size <= trial.most_tokens(blocks) - BEYOND}
    beyond = sorted((size, key) for key, size in wanted.items() if key not in fitting)
    not_tried = f"{beyond[-1][1]} {beyond[-1][0]:,}" if beyond else None
    limit = MOST_TOKENS if context is None else context
    return min(limit, max(LONG, *(size + BEYOND for size in fitting.values()), 0)), blocks, not_tried


def thresholds(config: Any) -> Iterator[tuple[str, int]]:
    """Lengths at which a model treats tokens in another way, as its config object names them."""
    yield from _thresholds(text_config(config, None).to_dict())


def _thresholds(values: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _thresholds(value)
        elif _THRESHOLD.search(str(key)) and not _NO_THRESHOLD.search(str(key)):
            sizes = [one for one in (value if isinstance(value, list) else [value]) if type(one) is int and one > 0]
            if sizes:
                yield str(key), max(sizes) * (BLOCKS_OF_SPARSE_ATTENTION if key == "block_size" else 1)


def _length_dependent(config: Any) -> bool:
    rotary = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    return any(f"'{kind}'" in str(rotary) for kind in LENGTH_DEPENDENT)


class _Enough(Exception):  # noqa: N818 - no error: the pass may end here
    """As many blocks have run as are looked at."""


class _Trial:
    """Passes of a few texts, and the states of their tokens."""

    def __init__(self, module: nn.Module, architecture: Architecture, fresh: Fresh, name: str) -> None:
        self.module = module
        self.kind = getattr(module, "kind", type(module).__name__)
        self._architecture = architecture
        self._fresh = fresh
        self.name = name
        self._device = device_of(module)
        self.round_off = ROUND_OFF[next(module.parameters()).dtype]

    def text(self, length: int, seed: int) -> Tensor:
        """Ids of a text of so many tokens."""
        return ordinary_ids(self.module, length, seed=seed)

    def enough_blocks(self) -> int:
        """The first blocks among which every kind of layer is."""
        kinds = getattr(text_config(self.module.config, None), "layer_types", None) or []  # type: ignore[arg-type]  # as above
        seen = [list(kinds).index(kind) + 1 for kind in set(kinds)]
        return min(self._architecture.depth, max(FIRST_BLOCKS, *seen, 0))

    def most_tokens(self, blocks: int) -> int:
        """Tokens of a long text for which there is time: it runs alone and twice as wide in a batch."""
        weights = sum(one.numel() for block in self._architecture.blocks[:blocks] for one in block.parameters())
        return min(MOST_TOKENS, int(MOST_OPERATIONS.get(self._device.type, 1e12) / (6 * max(1, weights))))

    def allowed(self, ids: Tensor, alone: list[Tensor]) -> float:
        """Difference of a text's states that is round-off: what a batch of two equal rows makes of them, and more."""
        noise = max(_difference(alone, row) for row in self.run([ids, ids]))
        return min(max(self.round_off, MARGIN * noise), MOST_ROUND_OFF * self.round_off)

    def run(self, texts: list[Tensor], blocks: int | None = None) -> list[list[Tensor]]:
        """States of each text's own tokens, (tokens, width) a layer, from one pass, through so many blocks if named."""
        longest = max(map(len, texts))
        ids = torch.zeros((len(texts), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        found: list[list[Tensor]] = [[] for _ in texts]

        def keep(state: Tensor) -> None:
            state = state.transpose(0, 1) if self._architecture.tokens_first else state
            if not self._architecture.pads_inside and state.shape[1] != longest:
                msg = (
                    f"model {self.name}: {self.kind} reads {state.shape[1]} tokens where a text has {longest}, and as "
                )
                msg += "many as it has where a text is short; where its config has an attention_type, set original_full"
                raise FathomError(msg)
            for row, text in enumerate(texts):
                found[row].append(state[row, : len(text)].to(torch.float32).cpu())

        def before(number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if number == 0:
                keep(args[0] if args else kwargs["hidden_states"])

        def after(number: int, output: Any) -> None:
            keep(output[0] if isinstance(output, (tuple, list)) else output)
            if number + 1 == blocks and blocks < self._architecture.depth:
                raise _Enough

        self._fresh.restore()
        try:
            with (
                torch.inference_mode(),
                first_pass(self.module, self.name, but=_Enough),
                hooking(self._architecture.blocks, before=before, after=after),
            ):
                output = call(self.module, ids.to(self._device), mask.to(self._device))
                if self._architecture.no_final is None and blocks is None:
                    final = output.last_hidden_state
                    for row, text in enumerate(texts):
                        found[row].append(final[row, : len(text)].to(torch.float32).cpu())
        except _Enough:
            pass
        finally:
            self._fresh.restore()
        return found


def _difference(one: list[Tensor], other: list[Tensor]) -> float:
    """Largest difference of two states of a token, by their norm, over all layers; infinite where one is no number.

    Where both are no numbers they do not differ: extraction refuses them, and names the text and the layer.
    """
    worst = 0.0
    for a, b in zip(one, other, strict=True):
        same = (a == b) | (a.isnan() & b.isnan())
        scale = torch.linalg.vector_norm(a.nan_to_num(), dim=-1).clamp_min(torch.finfo(torch.float32).tiny)
        gap = torch.where(same, 0.0, a - b)
        found = float((torch.linalg.vector_norm(gap, dim=-1) / scale).max())
        worst = max(worst, math.inf if math.isnan(found) else found)
    return worst
