"""Where a training stands: weights, moments and losses so far in one file, from which it goes on bit for bit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save

from fathom.io.atomic import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

FILE = "state.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass
class Progressed:
    """How far a training is."""

    step: int = 0
    """Steps done."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Losses measured so far."""
    running: float = 0.0
    """Sum of the losses of the batches since the last of them."""
    batches: int = 0
    """How many batches that is."""


def save_state(
    path: Path, made_of: str, model: torch.nn.Module, optimizer: torch.optim.Optimizer, done: Progressed
) -> None:
    """Write a training's state; `made_of` tells one training from another."""
    tensors = {f"weight.{name}": value.detach() for name, value in model.named_parameters()}
    for name, value in model.named_parameters():
        tensors |= {f"{moment}.{name}": optimizer.state[value][moment] for moment in MOMENTS if done.step}
    # JSON writes a float so that it reads back as the same one.
    facts = {"made_of": made_of, "done": json.dumps(done.__dict__)}
    with atomic_write(path) as stream:
        stream.write(save({name: value.contiguous().cpu() for name, value in tensors.items()}, metadata=facts))


def restore_state(
    path: Path, made_of: str, model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> Progressed | None:
    """Take up a training where it was left; None if there is no state, or that of another training."""
    if not path.is_file():
        return None
    with safe_open(path, framework="pt") as file:
        facts = file.metadata() or {}
        if facts.get("made_of") != made_of:
            return None
        done = Progressed(**json.loads(facts["done"]))
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_(file.get_tensor(f"weight.{name}"))
                if done.step:
                    moments = {moment: file.get_tensor(f"{moment}.{name}") for moment in MOMENTS}
                    optimizer.state[value] = {"step": torch.tensor(float(done.step)), **moments}
    return done
