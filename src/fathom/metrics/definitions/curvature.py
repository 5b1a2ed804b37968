"""Curvature of the path through the tokens of a text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import ROUND_OFF, STATES_ROUND_OFF, FloatArray, MeanOfAngles, as_matrix, round_off_of, whole
from fathom.metrics.preparation import centred_rows, row_norms

# Beyond this cosine an arccos would lose more than two digits to rounding.
_NEARLY_STRAIGHT = 0.99
# Numbers of steps in memory at a time: 128 KiB.
_BLOCK = 2**14


def curvature(z: npt.ArrayLike, *, k: int = 1) -> float:
    """Mean angle between consecutive steps of the path through the tokens `z` (tokens, d), in radians from 0 to pi.

    Steps of `k` tokens, v_i = z_{i+k} - z_i; the mean over i of arccos(v_i . v_{i+k} / (|v_i| |v_{i+k}|)): a step and
    the one that goes on where it ends. k = 1 is the definition of skean2025 (arXiv 2502.02013; Hosseini and Fedorenko,
    arXiv 2311.04930). 0 is a straight line, pi/2 a right angle at every token, pi a path that turns back at every
    token; independent tokens give 2 pi / 3. The angle keeps its sign: beyond pi/2 it is not folded back
    (`as_published.curvature` folds it).

    The mean is over the angles that exist. Between tokens `k` apart that are the same to within the rounding of their
    numbers there is no step, and a step that is none has no angle with the one before it or after it.

    Angles are right to 1e-12 of their size, those near 0 and pi too, for the numbers given: float32 states hold a step
    to about 1e-7 |z| / |v|, and its angle no better.

    Raises ValueError for fewer than 2 k + 1 tokens, `k` below 1, and for tokens without any angle.
    """
    z = as_matrix("z", z)
    return _mean_angle(z, k, round_off=round_off_of(z)).value


def curvature_of_states(z: npt.ArrayLike, *, k: int = 1) -> MeanOfAngles:
    """Curvature of hidden states, which are rounded to float32, and the number of angles that it is a mean over."""
    return _mean_angle(z, k, round_off=STATES_ROUND_OFF)


def curvature_as_published(z: npt.ArrayLike) -> float:
    """Curvature of the raw token states `z` (tokens, d), in radians from 0 to pi/2.

    Taken after centring and unit rows, with the angle folded: arccos of the absolute cosine. Where the paper's angle is
    obtuse, this rises as the paper's falls. A token equal to the next one counts as an
    angle of 0, as in that code.

    Raises ValueError for fewer than 3 tokens (that code gives 0), and for a token that equals the mean of the tokens.
    """
    return curvature_of_states_as_published(z).value


def curvature_of_states_as_published(z: npt.ArrayLike) -> MeanOfAngles:
    """Curvature as published, and the number of angles: those of 0 that stand for a token equal to the next one too."""
    steps = np.diff(centred_rows(as_matrix("z", z, rows=3), of="`z`"), axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    moving = lengths > 4.0 * ROUND_OFF
    directions = steps / np.where(moving, lengths, 1.0)[:, np.newaxis]
    cosines = np.abs(np.einsum("kd,kd->k", directions[:-1], directions[1:]))
    angles = np.where(moving[:-1] & moving[1:], np.arccos(np.minimum(cosines, 1.0)), 0.0)
    return MeanOfAngles(float(angles.mean()), len(angles))


def _mean_angle(z: npt.ArrayLike, k: int, *, round_off: float) -> MeanOfAngles:
    k = whole("k", k, low=1)
    z = as_matrix("z", z, rows=2 * k + 1)
    lengths, products = _steps(z, k)
    norms = row_norms(z)
    moving = lengths > 4.0 * round_off * np.maximum(norms[:-k], norms[k:])
    there = np.flatnonzero(moving[:-k] & moving[k:])
    if not there.size:
        msg = (
            f"no angle: of any two steps that follow each other, at least one is between equal tokens ({len(z)} tokens)"
        )
        raise ValueError(msg)
    cosines = products[there] / (lengths[there] * lengths[there + k])
    angles = np.arccos(np.clip(cosines, -1.0, 1.0))
    # Near 0 and pi the cosine hardly changes with the angle, so its rounding would show.
    straight = np.abs(cosines) > _NEARLY_STRAIGHT
    if straight.any():
        angles[straight] = _exact_angles(z, there[straight], k)
    return MeanOfAngles(float(angles.mean()), len(angles))


def _steps(z: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Lengths of the steps v_i of `k` tokens, and the products v_i . v_{i+k}.

    Steps are made a few at a time: as a whole they would not stay in the cache, and the memory that all of them take
    would be handed back and fetched anew for every text and layer.
    """
    lengths, products = np.empty(len(z) - k), np.empty(len(z) - 2 * k)
    size = max(1, _BLOCK // z.shape[1])
    for first in range(0, len(products), size):
        last = min(first + size, len(products))
        steps = z[first + k : last + 2 * k] - z[first : last + k]
        lengths[first : last + k] = row_norms(steps)
        products[first:last] = np.linalg.vecdot(steps[:-k], steps[k:])
    return lengths, products


def _exact_angles(z: FloatArray, rows: npt.NDArray[np.intp], k: int) -> FloatArray:
    """Angles between the steps from `rows` and those that go on, in Kahan's form: its digits stay near 0 and pi."""
    before, after = z[rows + k] - z[rows], z[rows + 2 * k] - z[rows + k]
    before, after = before / row_norms(before)[:, np.newaxis], after / row_norms(after)[:, np.newaxis]
    angles: FloatArray = 2.0 * np.arctan2(row_norms(after - before), row_norms(after + before))
    return angles
