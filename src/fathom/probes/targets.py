"""Labels as what a linear probe is fitted to: columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.statistics.arrays import FloatArray, IntArray

Labels = npt.NDArray[np.generic]
"""Codes of classes (integers) or numbers (floating point)."""


@dataclass(frozen=True)
class Target:
    """One label.

    Attributes:
        name: of the label.
        rows: (texts that have the label,), their places among all texts, ascending.
        values: (rows,), the code of a text's class, or its number.
        classes: the classes in the order of their codes; none if the label is continuous.
    """

    name: str
    rows: IntArray
    values: Labels
    classes: tuple[str | float, ...]

    @property
    def continuous(self) -> bool:
        """Whether the label is a number and not a class."""
        return not self.classes

    @property
    def width(self) -> int:
        """Columns that one labelling takes: one for two classes or numbers, else one a class."""
        return len(self.classes) if len(self.classes) > 2 else 1

    def columns(self, labellings: Labels) -> FloatArray:
        """Return what is regressed on: two classes are -1 and 1, more are one column of -1 and 1 each.

        labellings (texts, labellings), like `values` -> (texts, labellings * width).
        """
        if self.continuous:
            return np.asarray(labellings, dtype=np.float64)
        if self.width == 1:
            return np.asarray(2.0 * labellings.astype(np.float64) - 1.0)
        of_class = labellings[:, :, None] == np.arange(self.width)
        return np.where(of_class, 1.0, -1.0).reshape(len(labellings), -1)

    def predicted(self, predictions: FloatArray) -> IntArray:
        """Return the codes of the predicted classes: (..., width) -> (...)."""
        if self.width == 1:
            return np.asarray(predictions[..., 0] > 0, dtype=np.int64)
        return np.asarray(predictions.argmax(axis=-1), dtype=np.int64)


def read_targets(labels: Mapping[str, npt.ArrayLike], texts: int) -> list[Target]:
    """Return the labels as targets.

    Args:
        labels: (texts,) values of each label. Strings are classes; numbers of two values are two classes; other numbers
            are continuous. None and NaN leave the text out.
        texts: number of texts.

    Raises:
        ValueError: if there is no label, or a label has another shape, infinity, strings beside numbers, or only one
            value.
    """
    if not labels:
        msg = "labels: none"
        raise ValueError(msg)
    return [_target(name, np.asarray(values), texts) for name, values in labels.items()]


def by_rows(targets: list[Target]) -> list[list[Target]]:
    """Put the targets together that leave out the same texts, in the order of their first."""
    found: dict[bytes, list[Target]] = {}
    for target in targets:
        found.setdefault(target.rows.tobytes(), []).append(target)
    return list(found.values())


def _target(name: str, given: Labels, texts: int) -> Target:
    if given.shape != (texts,):
        msg = f"labels: {name} has shape {given.shape}; expected ({texts},)"
        raise ValueError(msg)
    values = given.astype(object)
    rows = np.flatnonzero(~pd.isna(values))
    present = values[rows]
    if all(isinstance(value, str) for value in present):
        return _with_classes(name, rows, present)
    other = [value for value in present if not isinstance(value, (Real, np.bool_))]
    if other:
        msg = f"labels: {name} has {other[0]!r} beside numbers; expected strings or numbers"
        raise ValueError(msg)
    numbers = present.astype(np.float64)
    if not np.isfinite(numbers).all():
        msg = f"labels: infinity for text {int(rows[(~np.isfinite(numbers)).argmax()])} in {name}"
        raise ValueError(msg)
    if len(np.unique(numbers)) > 2:
        return Target(name, rows, numbers, ())
    return _with_classes(name, rows, numbers)


def _with_classes(name: str, rows: IntArray, values: Labels) -> Target:
    codes, classes = pd.factorize(values, sort=True)
    if len(classes) < 2:
        found = f"all {classes.tolist()[0]!r}" if len(classes) else "all missing"
        msg = f"labels: {name} is the same for every text ({found}); a probe needs at least two values"
        raise ValueError(msg)
    # Codes are small and there may be thousands of permuted labellings.
    return Target(name, rows, np.asarray(codes, dtype=np.int16), tuple(classes.tolist()))
