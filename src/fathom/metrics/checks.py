"""The checks that all metrics make of their arguments. Every refusal is a ValueError that names the argument."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ROUND_OFF = float(np.finfo(np.float64).eps)
# Hidden states are held in float32 at best: what differs by less is one number.
STATES_ROUND_OFF = float(np.finfo(np.float32).eps)
# Between these magnitudes even fourth powers neither overflow nor vanish in float64. float32 and bfloat16 lie inside.
SMALLEST = 1e-60
LARGEST = 1e60


def round_off_of(z: npt.ArrayLike) -> float:
    """Relative rounding of the numbers `z`: that of float32 where float32 holds them all, whatever holds them now."""
    array = np.asarray(z, dtype=np.float64)
    with np.errstate(over="ignore"):
        narrow = np.array_equal(array.astype(np.float32), array)
    return STATES_ROUND_OFF if narrow else ROUND_OFF


class MeanOfAngles(NamedTuple):
    """A mean over as many angles as exist."""

    value: float
    angles: int


def as_array(name: str, value: npt.ArrayLike, *, axes: tuple[str, ...], least: tuple[int, ...]) -> FloatArray:
    """Return `value` as float64 with the named axes.

    `axes` names the axes and `least` holds the smallest length of each. Raises ValueError for another number of axes, a
    shorter axis, numbers that float64 cannot hold (complex, text, objects), NaN, infinity, or magnitudes whose squares
    would be lost.
    """
    array = np.asarray(value)
    if array.dtype == np.bool_ or not np.can_cast(array.dtype, np.float64):
        msg = f"`{name}` holds {array.dtype}; expected real numbers that fit in float64"
        raise ValueError(msg)
    if array.ndim != len(axes):
        msg = f"`{name}` has shape {array.shape}; expected {len(axes)} axes ({', '.join(axes)})"
        raise ValueError(msg)
    for axis, length, minimum in zip(axes, array.shape, least, strict=True):
        if length < minimum:
            msg = f"`{name}` has shape {array.shape}, so {length} {axis}; expected at least {minimum}"
            raise ValueError(msg)
    # NaN and infinity show in the extremes, which are read faster than a mask of all numbers is made.
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        place = tuple(int(index) for index in np.argwhere(~np.isfinite(array))[0])
        msg = f"`{name}` holds {array[place]} at {place}; expected finite numbers"
        raise ValueError(msg)
    largest = max(-low, high)
    if largest > LARGEST or 0.0 < largest < SMALLEST:
        msg = f"`{name}` has largest magnitude {largest:g}; expected 0 or {SMALLEST:g} to {LARGEST:g}"
        raise ValueError(msg)
    return array.astype(np.float64, copy=False)


def as_matrix(name: str, value: npt.ArrayLike, *, rows: int = 1, columns: int = 1) -> FloatArray:
    """Return `value` as a float64 matrix with at least so many rows and columns."""
    return as_array(name, value, axes=("rows", "columns"), least=(rows, columns))


def as_layers(layers: Sequence[npt.ArrayLike]) -> list[FloatArray]:
    """Return `layers` as float64 matrices of as many rows each, at least 2."""
    matrices = [as_matrix(f"layers[{layer}]", z, rows=2) for layer, z in enumerate(layers)]
    texts = sorted({len(z) for z in matrices})
    if len(texts) != 1:
        msg = f"`layers` has layers of {texts} rows; expected at least one layer, and as many rows in each"
        raise ValueError(msg)
    return matrices


def same_shape(a: FloatArray, b: FloatArray) -> None:
    """Refuse `a` and `b` of different shapes."""
    if a.shape != b.shape:
        msg = (
            f"`a` has shape {a.shape} and `b` has shape {b.shape}; expected equal shapes, row i of both being one text"
        )
        raise ValueError(msg)


def same_rows(a: FloatArray, b: FloatArray) -> None:
    """Refuse `a` and `b` with different numbers of rows; their widths may differ."""
    if len(a) != len(b):
        msg = f"`a` has {len(a)} rows and `b` has {len(b)} rows; expected as many, row i of both being one text"
        raise ValueError(msg)


def positive(name: str, value: object) -> float:
    """Return a finite number above 0 (in the range that `as_array` allows)."""
    if not isinstance(value, int | float | np.integer | np.floating) or not SMALLEST <= float(value) <= LARGEST:
        msg = f"`{name}` is {value!r}; expected a finite number above 0 ({SMALLEST:g} to {LARGEST:g})"
        raise ValueError(msg)
    return float(value)


def whole(name: str, value: object, *, low: int, high: int | None = None) -> int:
    """Return an integer from `low` to `high`, both allowed."""
    if not isinstance(value, int | np.integer) or value < low or (high is not None and value > high):
        expected = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
        msg = f"`{name}` is {value!r}; expected {expected}"
        raise ValueError(msg)
    return int(value)
