"""The shape of curves over layers: their centre of mass, and their scores between chance and ceiling."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fathom.statistics.arrays import FloatArray
from fathom.statistics.resampling import check_level, tails


def centre_of_mass(scores: npt.ArrayLike, chance: float, depths: npt.ArrayLike) -> FloatArray:
    """Return the mean depth of curves, each layer weighing as much as it exceeds chance.

    sum of depth x (score - chance)+ / sum of (score - chance)+. Layers below chance weigh nothing; noise around chance
    does weigh, and draws the centre to the middle.

    Args:
        scores: (..., layers), finite.
        chance: what guessing scores.
        depths: (layers,), relative depth of each layer.

    Returns:
        (...), between the depths of the first and the last layer; NaN where nothing exceeds chance.

    Raises:
        ValueError: if there is not one depth a layer, or a score is not finite.
    """
    table, places = np.asarray(scores, dtype=np.float64), np.asarray(depths, dtype=np.float64)
    if table.ndim == 0 or places.shape != table.shape[-1:]:
        msg = f"depths: shape {places.shape} for scores of shape {table.shape}; expected one a layer"
        raise ValueError(msg)
    if not np.isfinite(table).all():
        msg = "scores: holds NaN or infinity"
        raise ValueError(msg)
    excess = np.maximum(table - chance, 0.0)
    mass = excess.sum(axis=-1)
    some = mass > 0
    return np.asarray(np.where(some, excess @ places / np.where(some, mass, 1.0), np.nan), dtype=np.float64)


def centre_interval(
    replicates: npt.ArrayLike, chance: float, depths: npt.ArrayLike, *, level: float
) -> tuple[float, float]:
    """Return the percentile interval of the centre of mass; NaN if a bootstrap sample is nowhere above chance.

    Args:
        replicates: (samples, layers), bootstrap samples of the curve, finite.
        chance: what guessing scores.
        depths: (layers,), relative depth of each layer.
        level: coverage, between 0 and 1.

    Raises:
        ValueError: naming the argument.
    """
    check_level(level)
    low, high = np.quantile(centre_of_mass(replicates, chance, depths), tails(level))
    return float(low), float(high)


def normalised(score: npt.ArrayLike, chance: npt.ArrayLike, ceiling: npt.ArrayLike = 1.0) -> FloatArray:
    """Return (score - chance) / (ceiling - chance): 0 is chance, 1 the ceiling; below chance it is negative.

    Raises:
        ValueError: where the ceiling is not above chance.
    """
    floor, top = np.asarray(chance, dtype=np.float64), np.asarray(ceiling, dtype=np.float64)
    if not (top > floor).all():
        msg = f"ceiling: {top}; expected numbers above chance, {floor}"
        raise ValueError(msg)
    return np.asarray((np.asarray(score, dtype=np.float64) - floor) / (top - floor), dtype=np.float64)
