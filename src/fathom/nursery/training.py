"""The training loop: every batch and every learning rate is a function of the step alone."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from fathom.nursery.batches import NOTHING, Batch, Windows
from fathom.nursery.state import FILE, Progressed, restore_state, save_state
from fathom.nursery.steps import checkpoint_steps, learning_rate
from fathom.runtime.errors import FathomError
from fathom.runtime.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

BETAS = (0.9, 0.95)  # of AdamW: Pythia's (arXiv 2304.01373), as is the norm at which gradients are cut
LARGEST_GRADIENT = 1.0
POINTS = 20  # losses measured at even distances, beside those of the checkpoints
MOST_WINDOWS = 64  # of the held-out text, on which loss is measured: its standard error is then about 0.03 nats
AT_A_TIME = 8
SECONDS_BETWEEN_STATES = 30.0
DIVERGED = 2.0  # times the loss of guessing: no batch of a training that learns has such a loss
TRAIN, HELD_OUT = "train", "held-out"
log = logging.getLogger("fathom")


@dataclass(frozen=True)
class Recipe:
    """What a training is, beside model and text."""

    name: str
    steps: int
    batch: int
    context: int
    vocabulary: int
    learning_rate: float
    warmup: int
    weight_decay: float
    seed: int


def train(
    model: PreTrainedModel,
    windows: Windows,
    held_out: Sequence[Batch],
    recipe: Recipe,
    *,
    folder: Path,
    made_of: str,
    keep: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Train a model in place, from where the state in `folder` has left it.

    Args:
        model: with its initial weights
        windows: of the text that is trained on
        held_out: windows on which loss is measured
        recipe: steps and rates
        folder: where the state is kept; it must be there
        made_of: what tells this training from another one: the state of another one is not taken up
        keep: writes the checkpoint of a step

    Returns:
        One row a measured loss: step, tokens, split, loss, error (standard error over windows, NaN of batches),
        learning_rate.

    Errors: FathomError if the loss is no number, or far above that of guessing: step and learning rate are named.
    """
    # Where each parameter is, by name: matrices are decayed, vectors are not.
    named = dict(model.named_parameters())
    groups = [
        {"params": [one for one in named.values() if one.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [one for one in named.values() if one.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=BETAS, foreach=True)
    state = folder / FILE
    done = restore_state(state, made_of, model, optimizer)
    if done is None:
        done = Progressed()
    else:
        log.info("%s: goes on after step %s of %s", recipe.name, f"{done.step:,}", f"{recipe.steps:,}")
    checkpoints = {*checkpoint_steps(recipe.steps)}
    measured = checkpoints | {*range(0, recipe.steps + 1, max(1, recipe.steps // POINTS))}
    if not done.rows:
        _measure(model, held_out, done, recipe, rate=0.0)
        keep(0)
    saved = time.monotonic()
    step_tokens = recipe.batch * recipe.context
    with Progress(f"training {recipe.name}", (recipe.steps - done.step) * step_tokens, "tokens") as progress:
        while done.step < recipe.steps:
            step = done.step + 1
            rate = learning_rate(step, highest=recipe.learning_rate, warmup=recipe.warmup, steps=recipe.steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = _step(model, optimizer, windows.drawn(recipe.seed, step, recipe.batch))
            if not loss < DIVERGED * math.log(recipe.vocabulary):
                raise FathomError(_diverged(recipe, step, rate, loss))
            done.step, done.running, done.batches = step, done.running + loss, done.batches + 1
            if step in measured:
                _measure(model, held_out, done, recipe, rate=rate)
            if step in checkpoints:
                keep(step)
            if step in checkpoints or time.monotonic() - saved > SECONDS_BETWEEN_STATES:
                save_state(state, made_of, model, optimizer, done)
                saved = time.monotonic()
            progress.advance(step_tokens, note=f"step {step:,}, loss {done.rows[-1]['loss']:.2f}")
    return done.rows


def _step(model: PreTrainedModel, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
    """One step; the loss of its batch before it, NaN where loss or gradients are no numbers."""
    model.train()
    optimizer.zero_grad(set_to_none=True)
    loss = _losses(model, batch).mean()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
    found = float(loss.detach())
    if not math.isfinite(found) or not math.isfinite(float(norm)):
        return math.nan
    optimizer.step()
    return found


def _losses(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Loss of each predicted token, in nats."""
    logits = model(input_ids=torch.from_numpy(batch.inputs)).logits
    targets = torch.from_numpy(batch.targets)
    losses = functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), ignore_index=NOTHING, reduction="none"
    )
    return losses[targets.flatten() != NOTHING]


def window_losses(model: PreTrainedModel, batches: Sequence[Batch]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Mean loss of each window. All have as many predicted tokens."""
    model.eval()
    found = []
    with torch.inference_mode():
        for first in range(0, len(batches), AT_A_TIME):
            some = batches[first : first + AT_A_TIME]
            together = Batch(*(np.concatenate(parts) for parts in zip(*some, strict=True)))
            found.append(_losses(model, together).double().reshape(len(some), -1).mean(dim=1).numpy())
    return np.concatenate(found)


def _measure(
    model: PreTrainedModel, held_out: Sequence[Batch], done: Progressed, recipe: Recipe, *, rate: float
) -> None:
    """Add the losses of the batches since the last measurement, and that of the held-out windows."""
    step = done.step
    place = {"step": step, "tokens": step * recipe.batch * recipe.context, "learning_rate": rate}
    if done.batches:
        done.rows.append({**place, "split": TRAIN, "loss": done.running / done.batches, "error": math.nan})
        done.running, done.batches = 0.0, 0
    losses = window_losses(model, held_out)
    loss, error = float(losses.mean()), float(losses.std(ddof=1) / math.sqrt(len(losses)))
    if step > recipe.warmup and not loss < math.log(recipe.vocabulary) + 1.0:
        raise FathomError(_diverged(recipe, step, rate, loss))
    done.rows.append({**place, "split": HELD_OUT, "loss": loss, "error": error})


def _diverged(recipe: Recipe, step: int, rate: float, loss: float) -> str:
    return (
        f"nursery.{recipe.name}: diverged at step {step:,} with learning rate {rate:.3g}: loss {loss:.3g}, guessing "
        f"has {math.log(recipe.vocabulary):.3g}; lower learning_rate or raise warmup"
    )
