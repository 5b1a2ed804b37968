"""One batch read: a forward pass, the sinks of its texts, and the states that are made without these."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from torch import nn

from fathom.activations.ablation import SinkAblation
from fathom.activations.capture import Batch, Observed, Targets, capture, make_batch, packed_targets
from fathom.activations.pooling import pool
from fathom.activations.settings import SinkSettings
from fathom.activations.sinks import FEWEST_TOKENS, Reference, TokenFacts, judge_tokens
from fathom.models.architecture import find_final_norm
from fathom.models.load import LoadedModel
from fathom.models.sites import BlockSites
from fathom.store.layout import NORMED, Shape


def read_batch(
    model: LoadedModel,
    batch: Batch,
    shape: Shape,
    found: BlockSites,
    targets: Targets,
    rule: SinkSettings,
    short: Reference | None,
    norm: nn.Module | None,
    ablation: SinkAblation | None = None,
) -> list[TokenFacts]:
    """Run a batch and put all states of `shape` into their targets. Returns what is known of the tokens of every text.

    `short` is what texts of fewer than FEWEST_TOKENS tokens are compared with, `norm` the model's final norm; both may
    be None where nothing needs them. With an `ablation` the sinks that a first pass finds are taken away, and what is
    returned is of the pass without them.
    """
    if ablation is None:
        seen = capture(model, batch, shape, found, targets, attention=rule.attention)
    else:
        intact = look(model, batch, shape, found, rule)
        known = judge_batch(batch, intact, rule, short)
        with ablation.taken_away(model.architecture, intact.norms.astype(np.float64), known, rule):
            seen = capture(model, batch, shape, found, targets, attention=rule.attention)
    facts = judge_batch(batch, seen, rule, short)
    pool(batch, shape, targets, [one.sinks for one in facts], norm)
    return facts


def judge_batch(batch: Batch, seen: Observed, rule: SinkSettings, short: Reference | None) -> list[TokenFacts]:
    """What is known of the tokens of every text of a batch from a pass over it."""
    norms, shares = seen.norms.astype(np.float64), seen.head_shares.astype(np.float64)
    return [
        judge_tokens(norms[:, row, :length], shares[:, row, :length], rule, short)
        for row, length in enumerate(batch.lengths.tolist())
    ]


def look(model: LoadedModel, batch: Batch, shape: Shape, found: BlockSites, rule: SinkSettings) -> Observed:
    """Run a batch for what it shows of its tokens alone, and keep no states."""
    nothing = replace(shape, positions=())
    targets = packed_targets(batch, nothing, model.device)
    return capture(model, batch, nothing, found, targets, attention=rule.attention)


def read_reference(
    model: LoadedModel, ids: npt.NDArray[np.int32], shape: Shape, found: BlockSites, rule: SinkSettings
) -> Reference:
    """Run the text that short ones are compared with, of these token ids."""
    batch = make_batch(np.array([0]), [ids], {})
    seen = look(model, batch, shape, found, rule)
    medians = np.median(seen.norms[:, 0].astype(np.float64), axis=1)
    return Reference(norms=medians, head_shares=seen.head_shares[:, 0, : FEWEST_TOKENS - 1].astype(np.float64))


def final_norm(model: LoadedModel, shape: Shape, name: str) -> nn.Module | None:
    """The model's final norm, where states after it are asked for.

    Errors: FathomError if the model has none.
    """
    if not any(position.startswith(NORMED) for position in shape.positions):
        return None
    return find_final_norm(model.module, model.architecture, name)
