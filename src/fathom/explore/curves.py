"""The summaries of all stages as curves: what each is of, said once, and its points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.io.summaries import as_summary
from fathom.io.tables import read_table
from fathom.runtime.errors import FathomError

IN_COMMON = {"score": "value", "p_family_wise": "p", "texts_left_out": "left_out", "null": "chance"}
"""Columns of probes that are called by what they are, in place of what they have in common with others."""
KEYS = (
    "stage",
    "name",
    "model",
    "corpus",
    "view",
    "site",
    "position",
    "preparation",
    "sinks",
    "variant",
    "normalisation",
    "label",
    "estimator",
    "selection",
    "measure",
    "control",
    "test_corpus",
    "choice",
    "distance",
)
"""What a curve is of."""
PEAK = ("peak", "peak_low", "peak_high")
COUNTS = ("texts", "groups", "left_out")
SIZES = ("value", "low", "high")
POINTS = ("layer", "other_layer", *SIZES, "chance", "p", *COUNTS, "reason")
"""What a point holds."""
DIGITS = 6  # of the largest value of a curve; all values of a curve have as many decimals


@dataclass(frozen=True)
class Curves:
    """Curves, one row each, and their points in the same order."""

    curves: pd.DataFrame
    """KEYS; `points`, how many; `depth`, the number of the deepest layer; `decimals`; the layer of the peak, and the
    interval of that; `other_layers`, whether its points are of pairs of layers; `mirrored`, whether half of them stand
    for all."""
    points: pd.DataFrame
    """POINTS."""

    def only(self, kept: pd.Series) -> Curves:
        """Some of the curves, by a mask over them."""
        mask = kept.to_numpy(dtype=bool)
        return Curves(self.curves[mask], self.points[np.repeat(mask, self.curves["points"].to_numpy(dtype=np.int64))])


def read_curves(tables: Iterable[tuple[Path, str, str]]) -> Curves:
    """Curves of summaries, given their files; of a control also what it is and which model it is a control of.

    Errors: FathomError if a table is corrupt or of another version.
    """
    frames = [_read(path, control, model) for path, control, model in tables]
    # A run may draw figures that are of no model, and have no summary.
    return as_curves(as_summary(pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()))


def _read(path: Path, control: str, model: str) -> pd.DataFrame:
    table = read_table(path)
    if "stage" not in table.columns:
        msg = f"{path}: an earlier version wrote this table, which does not say what it is of; run snakemake again"
        raise FathomError(msg)
    table = table.rename(columns=IN_COMMON)
    if control:
        # Of a control only the curve itself: what is a control of a control has no meaning.
        table = table[table["control"] == ""].assign(control=control, model=model)
    return table


def as_curves(rows: pd.DataFrame) -> Curves:
    """Rows of summaries, sorted into curves; the curves come in the order of their first rows."""
    rows = rows.reindex(columns=[*dict.fromkeys([*KEYS, *POINTS, *PEAK, "depth", "other_layer"])])
    rows["distance"] = ["" if pd.isna(one) else f"{one:g}" for one in rows["distance"]]
    number = rows.groupby(list(KEYS), sort=False, dropna=False).ngroup()
    order = np.lexsort((rows["layer"].fillna(-1).to_numpy(dtype=np.int64), number.to_numpy()))
    rows = rows.iloc[order].reset_index(drop=True)
    number = number.iloc[order].reset_index(drop=True)
    groups = rows.groupby(number, sort=False)
    curves = groups[list(KEYS)].first()
    curves["other_layers"] = groups["other_layer"].count() > 0
    mirrored = _mirrored(rows, number)
    curves["mirrored"] = mirrored
    # Where half of the pairs say all, the other half is not sent.
    half = (rows["other_layer"] < rows["layer"]).fillna(value=False).to_numpy(dtype=bool)
    kept = ~(half & number.map(mirrored).to_numpy(dtype=bool))
    rows, number = rows[kept], number[kept]
    groups = rows.groupby(number, sort=False)
    curves["points"] = groups.size()
    curves["depth"] = _depths(rows, number)
    largest = rows[list(SIZES)].abs().max(axis=1).replace(np.inf, np.nan).groupby(number).max()
    curves["decimals"] = _decimals(largest)
    peaks = rows[rows["peak"].fillna(value=False).astype(bool)]
    at = peaks.groupby(number.loc[peaks.index]).first()
    curves["peak"], curves["peak_low"], curves["peak_high"] = at["layer"], at["peak_low"], at["peak_high"]
    return Curves(curves.reset_index(drop=True), rows[list(POINTS)].reset_index(drop=True))


def _depths(rows: pd.DataFrame, number: pd.Series) -> pd.Series:
    """The layer at relative depth 1 of each curve: layer / depth of any point beyond the first layer."""
    deep = rows[(rows["depth"] > 0).fillna(value=False).to_numpy(dtype=bool)]
    found = (deep["layer"].astype("float64") / deep["depth"].astype("float64")).round()
    return found.groupby(number.loc[deep.index]).max().reindex(number.unique()).fillna(1.0).astype("int64")


def _decimals(largest: pd.Series) -> pd.Series:
    sizes = largest.fillna(1.0).replace(0.0, 1.0)
    decimals = DIGITS - 1 - np.floor(np.log10(sizes.to_numpy(dtype=np.float64)))
    return pd.Series(decimals.clip(0, 12).astype(np.int64), index=sizes.index)


def _mirrored(rows: pd.DataFrame, number: pd.Series) -> pd.Series:
    """Whether each curve has a value for every pair of layers that is that of the pair turned round."""
    pairs = rows["other_layer"].notna()
    found = pd.Series(data=False, index=number.unique())
    for one, part in rows[pairs].groupby(number[pairs]):
        found[one] = all(_symmetric(part, name) for name in SIZES)
    return found


def _symmetric(pairs: pd.DataFrame, name: str) -> bool:
    square = pairs.pivot(index="layer", columns="other_layer", values=name).to_numpy(dtype=np.float64, na_value=np.nan)
    return square.shape[0] == square.shape[1] and bool(np.array_equal(square, square.T, equal_nan=True))


def as_columns(curves: Curves) -> dict[str, object]:
    """Curves and points as columns of a JSON document: words once and by number, values as whole numbers.

    A value is in units of the last decimal of its curve and told as the step from the value before it; the lower end
    of an interval as its distance from the value, told as the step from the one before; the upper end as how much
    longer its distance is than the lower one's. Layers are told as steps in the same way, -1 where there is none. Steps
    have fewer digits than values, and what stays the same for many points is told as runs: a value, how often, and so
    on. The page is smaller by that, and opens faster.
    """
    head: dict[str, object] = {name: _words(curves.curves[name]) for name in KEYS}
    for name in ("points", "depth", "decimals", *PEAK):
        head[name] = _whole(curves.curves[name])
    head |= {name: _whole(curves.curves[name].astype("Int64")) for name in ("other_layers", "mirrored")}
    counts = curves.curves["points"].to_numpy(dtype=np.int64)
    unit = np.repeat(10.0 ** curves.curves["decimals"].to_numpy(dtype=np.float64), counts)
    value, low, high = (
        np.round(curves.points[name].to_numpy(dtype=np.float64, na_value=np.nan) * unit) for name in SIZES
    )
    body: dict[str, object] = {
        "value": _steps(value, counts),
        "low": _steps(value - low, counts),
        "high": _whole(pd.Series((high - value) - (value - low))),
        "p": _words(curves.points["p"].map(_number)),
    }
    for name, words in (
        ("chance", curves.points["chance"].map(_number)),
        ("reason", curves.points["reason"].fillna("")),
    ):
        codes, found = pd.factorize(words)
        told: dict[str, object] = {"words": [str(word) for word in found], "runs": _runs(codes.astype(np.int64))}
        body[name] = told
    first = np.zeros(len(curves.points), dtype=bool)
    first[np.cumsum(counts)[:-1]] = True
    for name in ("layer", "other_layer"):
        places = _or_missing(curves.points[name])
        body[name] = {"runs": _runs(np.where(first, places, np.diff(places, prepend=0)))}
    body |= {name: {"runs": _runs(_or_missing(curves.points[name]))} for name in COUNTS}
    return {"curves": head, "points": {name: column for name, column in body.items() if column is not None}}


def _or_missing(column: pd.Series) -> npt.NDArray[np.int64]:
    """Whole numbers from 0 on, -1 where one is missing."""
    return column.fillna(-1).to_numpy(dtype=np.int64)


def _runs(numbers: npt.NDArray[np.int64]) -> list[int]:
    """A value, how often it comes one after another, the next value, and so on."""
    if not len(numbers):
        return []
    starts = np.concatenate([[0], np.flatnonzero(np.diff(numbers)) + 1])
    lengths = np.diff(np.append(starts, len(numbers)))
    return np.column_stack([numbers[starts], lengths]).ravel().tolist()


def _number(value: object) -> str:
    return "" if pd.isna(value) else f"{value:.4g}"  # type: ignore[call-overload]


def _words(column: pd.Series) -> dict[str, object]:
    """Words once, in the order in which they come, and the number of each row's."""
    codes, words = pd.factorize(column.astype("object"))
    return {"words": [str(word) for word in words], "rows": codes.tolist()}


def _whole(column: pd.Series) -> list[int | None] | None:
    """Whole numbers, None where one is missing; None for all where all are."""
    numbers = column.astype("float64").replace([np.inf, -np.inf], np.nan)
    if numbers.isna().all():
        return None
    return [None if np.isnan(one) else int(one) for one in numbers.to_numpy()]


def _steps(numbers: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> list[int | None] | None:
    """Each number less the one before it in its curve; a missing one is None and is passed over."""
    if not np.isfinite(numbers).any():
        return None
    starts = set(np.cumsum(counts).tolist())
    steps: list[int | None] = []
    last = 0
    for row, number in enumerate(numbers.tolist()):
        if row in starts:
            last = 0
        if np.isfinite(number):
            steps.append(int(number) - last)
            last = int(number)
        else:
            steps.append(None)
    return steps
