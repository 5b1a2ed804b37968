"""What all measures of coordination share: how they are resampled, and the rows that they return."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.statistics.arrays import FloatArray
from fathom.statistics.resampling import check_level
from fathom.statistics.resampling import tails as ends_of

COLUMNS = ["label", "measure", "layer", "other_layer", "value", "low", "high", "null", "null_low", "null_high", "p"]
FEWEST_LAYERS = 5  # of a curve, so that three pairs of differences are left to correlate
FEWEST_UNITS = 8  # of which there are 35 halvings, enough for a p value below 0.05
# Spread, as a share of the size of the numbers, below which numbers differ by round-off only.
ROUND_OFF = 1e-12


@dataclass(frozen=True, kw_only=True)
class CoordinationResampling:
    """How intervals and null distributions are made.

    Attributes:
        samples: bootstrap samples of an interval, and draws of a null distribution; at least 1.
        splits: random halvings over which a statistic of two halves is averaged, at least 1.
        level: coverage of intervals, between 0 and 1.
        seed: seed of all draws.
    """

    samples: int
    splits: int
    level: float
    seed: int

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        for name, count in (("samples", self.samples), ("splits", self.splits)):
            if count < 1:
                msg = f"{name}: {count}; expected at least 1"
                raise ValueError(msg)
        check_level(self.level)


# Rows ----------------------------------------------------------------------------------------------------------------
def measure_row(
    label: str,
    measure: str,
    value: npt.ArrayLike,
    samples: FloatArray,
    null: FloatArray,
    *,
    level: float,
    tails: int,
    layers: tuple[int, int] | None = None,
) -> dict[str, object]:
    """Return one row.

    With one tail p counts the nulls that reach the value, with two those as far from their mean as the value is.
    """
    number = float(np.asarray(value))
    ends = ends_of(level)
    low, high = number + np.quantile(samples - samples.mean(), ends)
    centre = float(null.mean())
    reached = null >= number if tails == 1 else np.abs(null - centre) >= abs(number - centre)
    null_low, null_high = np.quantile(null, ends)
    return {
        "label": label,
        "measure": measure,
        "layer": layers[0] if layers else None,
        "other_layer": layers[1] if layers else None,
        "value": number,
        "low": float(low),
        "high": float(high),
        "null": centre,
        "null_low": float(null_low),
        "null_high": float(null_high),
        "p": float((1 + reached.sum()) / (1 + len(null))),
    }


def measure_frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Return rows as a table with COLUMNS; what a row does not hold is missing."""
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.astype({"layer": "Int64", "other_layer": "Int64"} | dict.fromkeys(COLUMNS[4:], "float64"))
