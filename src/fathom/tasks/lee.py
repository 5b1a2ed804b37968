"""The 50 news texts of Lee, Pincombe and Welsh (2005) and their rated likeness, from the files of the gensim wheel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fathom.runtime.errors import FathomError
from fathom.tasks.task_data import OwnTask

if TYPE_CHECKING:
    from pathlib import Path

    from fathom.tasks.sources import TaskSources

TEXTS = 50


def build(sources: TaskSources, *, wheel: Mapping[str, Any], words: int | None) -> OwnTask:
    """Every pair of different texts with its mean rating, from 0 (unrelated) to 1."""
    folder = sources.wheel_files(wheel)
    texts, ratings = read_texts(folder / "lee.cor"), read_ratings(folder / "similarities0-1.txt")
    if words is not None:
        texts = [" ".join(text.split()[:words]) for text in texts]
    first, second = np.triu_indices(TEXTS, 1)
    rows = pd.DataFrame(
        {
            "sentence1": [texts[one] for one in first],
            "sentence2": [texts[one] for one in second],
            "score": ratings[first, second],
        }
    )
    return OwnTask("STS", {"test": rows})


def read_texts(path: Path) -> list[str]:
    """The texts, a line each. Errors: FathomError if there are not 50."""
    texts = [line.strip().strip('"') for line in path.read_text(encoding="latin-1").splitlines() if line.strip()]
    if len(texts) != TEXTS:
        msg = f"{path.name}: {len(texts)} texts; expected {TEXTS}"
        raise FathomError(msg)
    return texts


def read_ratings(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Mean rating of every pair: the upper half of a square of 50 texts. Errors: FathomError if it is none."""
    ratings = np.loadtxt(path, dtype=np.float64, ndmin=2)
    if ratings.shape != (TEXTS, TEXTS) or not ((ratings >= 0) & (ratings <= 1)).all():
        msg = f"{path.name}: ratings of shape {ratings.shape}; expected {TEXTS} by {TEXTS} from 0 to 1"
        raise FathomError(msg)
    return ratings
