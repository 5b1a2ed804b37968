"""Which steps of a training leave a checkpoint, and the learning rate at each step."""

from __future__ import annotations

import math

FLOOR = 0.1  # of the highest learning rate, at the last step: after Pythia (arXiv 2304.01373)


def checkpoint_steps(steps: int) -> tuple[int, ...]:
    """Steps 0, 1, 2, 4, 8 and so on below the last, and the last: as Pythia has them, as far as they double."""
    return (0, *(2**power for power in range(steps.bit_length()) if 2**power < steps), steps)


def learning_rate(step: int, *, highest: float, warmup: int, steps: int) -> float:
    """Learning rate of step `step`, counted from 1: a linear warm-up, then half a cosine down to a tenth."""
    if step <= warmup:
        return highest * step / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return highest * (FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + math.cos(math.pi * done)))
