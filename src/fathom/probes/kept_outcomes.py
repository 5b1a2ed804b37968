"""Predictions of all layers, kept until the layers are compared: in memory while they are few, else in files.

Of 77 classes of 13,000 texts at 30 layers they are 7 GB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from fathom.probes.fitting import Outcome, predicted_inside
from fathom.probes.label_batches import Batch

MOST_HELD = 512 * 2**20  # bytes of the predictions of all layers that are held in memory


def outcome_bytes(batches: list[Batch]) -> int:
    """How large the predictions of one layer are, of the curves of the fixed penalty."""
    total = 0
    for batch in batches:
        repeats, folds = len(batch.assignment), int(batch.assignment.max()) + 1
        inside = predicted_inside(batch) if batch.inner is not None else []
        for curve in batch.curves:
            if curve[2] == "fixed":
                width = batch.targets[curve[0]].width
                total += len(batch.rows) * repeats * width * (8 + 4 * folds * (curve in inside))
    return total


@contextmanager
def kept_outcomes(size: int) -> Iterator[Callable[[Outcome], Outcome]]:
    """Give what keeps outcomes that take so many bytes in all; files are in the system's folder of temporary files."""
    if size <= MOST_HELD:
        yield lambda outcome: outcome
        return
    with TemporaryDirectory(prefix="fathom-probes-") as folder:
        numbers = count()

        def keep(outcome: Outcome) -> Outcome:
            number = next(numbers)
            # Read fold by fold, so that the texts of a fold lie together.
            predictions = _on_disk(Path(folder, f"{number}.npy"), outcome.predictions, to=1)
            inside = outcome.inside
            if inside is not None:
                inside = _on_disk(Path(folder, f"{number}-inside.npy"), inside, to=2)
            return replace(outcome, predictions=predictions, inside=inside)

        yield keep


def _on_disk(path: Path, values: npt.NDArray[Any], *, to: int) -> Any:
    """The same array, whose values are in a file; there its first axis comes after `to` others."""
    np.save(path, np.ascontiguousarray(np.moveaxis(values, 0, to)))
    return np.moveaxis(np.load(path, mmap_mode="r"), to, 0)
