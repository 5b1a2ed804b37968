"""What is done to hidden states before a metric reads them: a named step of its own, never hidden in a metric."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from fathom.metrics.checks import ROUND_OFF, SMALLEST, FloatArray, as_matrix

Preparation = Literal["none", "rows", "centred"]


def prepare(z: npt.ArrayLike, preparation: Preparation) -> FloatArray:
    """Prepare the rows of `z` (n, d) for a metric; returns float64 (n, d), which may share memory with `z` for "none".

    "none" leaves them as they are (skean2025, Eq. 1), "rows" brings each to unit length, "centred" subtracts the mean
    of all rows and then brings each to unit length (the public code of skean2025).

    Raises ValueError for another name, and where a row has no direction: a zero row, or under "centred" a row that
    equals the mean of the rows to within rounding (a single row always does).
    """
    z = as_matrix("z", z)
    if preparation not in get_args(Preparation):
        msg = f"`preparation` is {preparation!r}; expected one of {', '.join(get_args(Preparation))}"
        raise ValueError(msg)
    if preparation == "none":
        return z
    if preparation == "rows":
        return _unit_rows(z, shortest=SMALLEST, of="`z`", fault="is zero")
    return centred_rows(z, of="`z`")


def centre(z: FloatArray) -> FloatArray:
    """Subtract from each row of `z` (n, d) the mean of all rows."""
    centred: FloatArray = z - z.mean(axis=0)
    return centred


def centred_rows(z: FloatArray, *, of: str) -> FloatArray:
    """Centre the rows of `z` (n, d), then bring each to unit length; `of` names `z` in errors."""
    # Rounding puts the computed mean off by up to this much, so a shorter remainder is nothing but rounding.
    rounding = ROUND_OFF * float(row_norms(z).sum())
    return _unit_rows(centre(z), shortest=max(rounding, SMALLEST), of=of, fault="equals the mean of the rows")


def centred_pair(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Centred unit rows of two views `a` and `b` (texts, d), as the public code of skean2025 prepares them."""
    return centred_rows(as_matrix("a", a, rows=2), of="`a`"), centred_rows(as_matrix("b", b, rows=2), of="`b`")


def _unit_rows(z: FloatArray, *, shortest: float, of: str, fault: str) -> FloatArray:
    norms = row_norms(z)
    directionless = np.flatnonzero(norms <= shortest)
    if directionless.size:
        more = "" if directionless.size == 1 else f" (as do {directionless.size - 1} more rows)"
        msg = f"row {directionless[0]} of {of} {fault}{more}, so it has no direction; expected rows that have one"
        raise ValueError(msg)
    unit: FloatArray = z * (1.0 / norms)[:, np.newaxis]
    return unit


def row_norms(z: FloatArray) -> FloatArray:
    """Euclidean norms of the rows of `z` (n, d): (n,), without the copy of `z` that `numpy.linalg.norm` makes."""
    norms: FloatArray = np.sqrt(np.linalg.vecdot(z, z))
    return norms
