"""The accuracy per text of one probe at every layer, and what balanced accuracy follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fathom.statistics.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class TooFewGroupsError(ValueError):
    """There are too few groups of texts for an interval. What does not need an interval can go on without."""


@dataclass(frozen=True, eq=False)
class AccuracyCurve:
    """The accuracy per text of a probe at each layer: what a curve of balanced accuracy is made of.

    Attributes:
        name: the experiment, as words name it.
        correct: (labels, layers, texts), the share of repeats in which the text was classified correctly, 0 to 1; NaN
            where the text does not have the label.
        classes: (labels, texts), the number of the text's class, at least two classes a label; -1 where it has none.
        items: the names of the items of each text, at least one a text.
        depths: (layers,), relative depth of each layer, ascending.

    Raises:
        ValueError: if one of these does not hold.
    """

    name: str
    correct: FloatArray
    classes: IntArray
    items: Sequence[Collection[str]]
    depths: FloatArray

    def __post_init__(self) -> None:
        """Refuse correct, classes, items and depths that do not fit together."""
        if self.correct.ndim != 3 or 0 in self.correct.shape:
            msg = f"correct: shape {self.correct.shape}; expected (labels, layers, texts), none of them 0"
            raise ValueError(msg)
        labels, layers, texts = self.correct.shape
        if self.classes.shape != (labels, texts):
            msg = f"classes: shape {self.classes.shape}; expected {(labels, texts)}"
            raise ValueError(msg)
        if len(self.items) != texts:
            msg = f"items: {len(self.items)} texts; correct has {texts}"
            raise ValueError(msg)
        if self.depths.shape != (layers,) or not (np.diff(self.depths) > 0).all():
            msg = f"depths: {self.depths}; expected {layers} ascending numbers"
            raise ValueError(msg)
        held = np.broadcast_to(self.classes[:, None, :] >= 0, self.correct.shape)
        inside = (self.correct >= 0) & (self.correct <= 1)
        if (inside != held).any() or (np.isnan(self.correct) == held).any():
            msg = f"correct: {self.name}: expected 0 to 1 where a text has a class, and NaN where it has none"
            raise ValueError(msg)
        for label, codes in enumerate(self.classes):
            if len(np.unique(codes[codes >= 0])) < 2:
                msg = f"classes: label {label} of {self.name} has fewer than two classes"
                raise ValueError(msg)

    @property
    def texts(self) -> int:
        """Number of texts."""
        return len(self.items)

    @property
    def chance(self) -> float:
        """What guessing scores: the mean over labels of 1 / number of classes."""
        return float(np.mean([1 / len(np.unique(codes[codes >= 0])) for codes in self.classes]))

    @cached_property
    def curve(self) -> FloatArray:
        """Score of each layer, of all texts: (layers,)."""
        curve: FloatArray = self.scores(np.ones((1, self.texts)))[0]
        return curve

    def scores(self, weights: npt.ArrayLike) -> FloatArray:
        """Return the balanced accuracy of every layer under other weights of the texts, as a bootstrap draws them.

        The mean over labels of the mean over classes of the weighted mean of `correct`.

        Args:
            weights: (samples, texts), at least 0.

        Returns:
            (samples, layers), 0 to 1.

        Raises:
            TooFewGroupsError: if a sample lacks a class: then there are too few groups of texts for an interval.
                Samples that lack a class are never left out, for the others would not be sampled as the bootstrap says.
            ValueError: if the weights do not fit the texts.
        """
        table = np.asarray(weights, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != self.texts or not (table >= 0).all():
            msg = f"weights: shape {table.shape}; expected (samples, {self.texts} texts), numbers of at least 0"
            raise ValueError(msg)
        total = np.zeros((len(table), self.correct.shape[1]))
        for label, codes in enumerate(self.classes):
            names = np.unique(codes[codes >= 0])
            for name in names:
                members = np.flatnonzero(codes == name)
                own = table[:, members]
                size = own.sum(axis=1, keepdims=True)
                if not size.all():
                    msg = (
                        f"weights: a sample lacks class {name} of label {label} of {self.name}; too few groups hold it"
                    )
                    raise TooFewGroupsError(msg)
                total += own @ self.correct[label, :, members] / size / len(names)
        return total / len(self.classes)

    def contributions(self, units: IntArray, *, count: int) -> FloatArray:
        """Return by how much the score of every layer shifts where a unit of texts weighs one more.

        The first order of `scores` in the weights (the infinitesimal jackknife, Efron 1982, chapter 6): a weighting w
        of the units scores about curve + w @ contributions. It is exact where weights leave every class its size, as in
        closed blocks, and it has a value where a part of the texts lacks a class.

        Args:
            units: (texts,), the unit of each text (`paired_units`), below `count`.
            count: number of units, of which some may hold no text of this curve.

        Returns:
            (count, layers), summing to 0 over units.

        Raises:
            ValueError: if there is not one unit a text.
        """
        if units.shape != (self.texts,):
            msg = f"units: shape {units.shape}; expected ({self.texts},)"
            raise ValueError(msg)
        shifts = np.zeros((count, self.correct.shape[1]))
        for label, codes in enumerate(self.classes):
            names = np.unique(codes[codes >= 0])
            for name in names:
                members = np.flatnonzero(codes == name)
                own = self.correct[label][:, members].T
                share = len(members) * len(names) * len(self.classes)
                np.add.at(shifts, units[members], (own - own.mean(axis=0)) / share)
        return shifts
